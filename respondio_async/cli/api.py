"""`respondio api METHOD PATH`: any request, with the client's limits, retries and masking."""

import re
import sys
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl

import msgspec
import typer

from ._client import Account
from ._command import command
from ._exit import UsageError
from ._screen import Screen

_IDENTIFIER: Final = re.compile(
    r"(?<=^/contact/)(?:id|email|phone):[^/]++|(?<=/create_or_update/)[^/]++"
)
_NUMBER: Final = re.compile(r"(?<=/)[0-9]++(?=/|$)")


@command(
    "Stopped. A write may have happened: look before you repeat it.", as_data=lambda _given: True
)
async def api(
    method: Annotated[str, typer.Argument(help="GET, POST, PUT or DELETE.", show_default=False)],
    path: Annotated[
        str,
        typer.Argument(
            help="Below /v2, with its query: /contact/list?limit=50", show_default=False
        ),
    ],
    *,
    field: Annotated[
        list[str] | None,
        typer.Option(
            "--field",
            "-f",
            help="name=value: of the query for GET, of the body else. A value that is JSON is "
            "taken as such.",
            show_default=False,
        ),
    ] = None,
    body: Annotated[
        str | None,
        typer.Option(
            "--input", help="A file that holds the JSON body; - for standard input.", metavar="FILE"
        ),
    ] = None,
    account: Account,
    screen: Screen,
) -> None:
    """Make any request of the API, and print its answer as JSON.

    It is limited, repeated and masked like everything else: a POST that may have landed is not
    sent again, and exit code 3 says so.

    **Examples**

    - `respondio api GET /space/user -f limit=5`
    - `respondio api POST /contact/id:123456/comment -f text="Call back"`
    - `respondio api POST /contact/list --input filter.json`
    """
    verb = method.upper()
    bare, _, query_text = path.partition("?")
    template, params = parametrised(bare)
    fields = _once([_field(each) for each in field or ()])
    if body is not None and (fields or verb == "GET"):
        raise UsageError("--input and --field exclude one another, and GET has no body")
    content = _read(body) if body is not None else fields or None
    query = _once(parse_qsl(query_text, keep_blank_values=True))
    if verb == "GET":
        query |= fields
    async with account.connect() as client:
        answer = await client.request(
            verb,
            template,
            params=params,
            query=query,
            json=None if verb == "GET" else content,
        )
    screen.document(answer)


def parametrised(path: str) -> tuple[str, dict[str, Any]]:
    """Split a path into a template and its values: templates reach logs and limits, values do not.

    Identifiers of contacts and numbers become parameters.
    """
    params: dict[str, Any] = {}

    def take(name: str, found: re.Match[str]) -> str:
        key = name if name not in params else f"{name}{len(params)}"
        value = found[0]
        params[key] = int(value) if name == "id" else value
        return f"{{{key}}}"

    template = "/" + path.strip("/")
    template = _IDENTIFIER.sub(lambda found: take("identifier", found), template)
    template = _NUMBER.sub(lambda found: take("id", found), template)
    return template, params


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise UsageError("a name is there twice: the last value would be all that is sent")
    return found


def _field(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UsageError("--field is name=value")
    try:
        return name, msgspec.json.decode(value)
    except (ValueError, msgspec.MsgspecError):
        return name, value


def _read(source: str) -> Any:
    content = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    try:
        return msgspec.json.decode(content)
    except (ValueError, msgspec.MsgspecError):
        raise UsageError("--input holds no JSON") from None
