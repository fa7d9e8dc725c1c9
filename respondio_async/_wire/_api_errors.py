"""An answer with an error status becomes the error that the caller catches.

The usual body is `{"code": 400, "message": "…"}`, since 2026 with the error's name as `status`.
What stands before the API (content delivery network, firewall, load balancer) answers in HTML or
plain text, and nothing promises that `message` is a text; whatever arrives becomes one short line.

Source: the vendor's "Error codes" page.
"""

import html
import re
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from respondio_async._values import is_list, is_object, read_json
from respondio_async.errors import APIError, BlockedAtEdgeError

from ._headers import RawHeaders, facts
from ._hints import hint
from ._mask import mask

_PHRASES: Final = {449: "Retry With"} | {status.value: status.phrase for status in HTTPStatus}
_LONGEST: Final = 500
_LOOKED_AT: Final = 8192
_MESSAGE_KEYS: Final = ("message", "error", "errors", "detail", "title", "description")
_IN_HTML: Final = re.compile(
    r"<(script|style|head)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)|<[^<>]*>",
    re.IGNORECASE | re.DOTALL,
)
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z_]{2,63}")
_MISSING: Final = re.compile(rb"not[ _-]*found|(?:does not|doesn't|do not) exist", re.IGNORECASE)
_TITLE: Final = re.compile(r"<title[^<>]*>([^<]*)", re.IGNORECASE)


def api_error(
    *,
    status: int,
    headers: RawHeaders,
    content: bytes,
    endpoint: str,
    attempts: int = 1,
    sent: object = None,
    now: float | None = None,
) -> APIError:
    """Make the error for an answer.

    *sent* is anything that holds the values of the call (params, query, body, as objects or as JSON
    bytes, nested at will): they are masked in the server's words.
    """
    body, is_json = _read(content)
    code = _code(body.get("code"), sent) if is_object(body) else None
    text = _line(body)[:_LOOKED_AT] if is_json else str(body)
    words = _words(text, is_json=is_json, sent=sent)
    blocked = status == 403 and not is_json
    found = facts(headers, time.time() if now is None else now)
    return (BlockedAtEdgeError if blocked else APIError.for_status(status))(
        words or _PHRASES.get(status, "no message"),
        status=status,
        code=code,
        endpoint=endpoint,
        attempts=attempts,
        retry_after=found.retry_after,
        rate_limit=found.rate_limit,
        content=content,
        hint=hint(status, text, endpoint=endpoint, blocked=blocked),
        error=_name(body, sent) if is_object(body) else None,
    )


def is_missing(status: int, content: bytes) -> bool:
    """Whether an answer says that the thing is not there: a 404, or a 400 in such words. Deleting a
    contact that is gone has been answered with either.
    """
    return status == 404 or (status == 400 and _MISSING.search(content[:_LOOKED_AT]) is not None)


def _read(content: bytes) -> tuple[Any, bool]:
    """Decode a body: (value, True) when it is JSON, (text, False) when it is anything else."""
    content = content.removeprefix(b"\xef\xbb\xbf")
    value = read_json(content, otherwise=None)
    if isinstance(value, str) or is_object(value) or is_list(value):
        return value, True
    # A bare number or word is a plain text that happens to be JSON as well.
    return content[:_LOOKED_AT].decode("utf-8", "replace"), False


def _words(text: str, *, is_json: bool, sent: object) -> str:
    text = mask(text, sent)  # before the tags go: they may stand within a value
    if not is_json and "<" in text:
        title = _TITLE.search(text)
        text = _IN_HTML.sub(" ", text)
        if title and title[1].strip() not in text:
            text = f"{title[1]} {text}"
        text = html.unescape(text)
    elif "&" in text:
        text = html.unescape(text)
    text = "".join(character if character.isprintable() else " " for character in text)
    text = mask(" ".join(text.split()), sent)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1].rstrip() + "…"


def _line(body: Any, depth: int = 4) -> str:
    """Put whatever the message is on one line."""
    if body is None or depth == 0:
        return ""
    if isinstance(body, str):
        return body
    if is_object(body):
        return _mapping_line(body, depth)
    if is_list(body):
        parts = [_line(each, depth - 1) for each in body[:20]]
        return "; ".join(part for part in parts if part)
    return str(body)


def _mapping_line(body: Mapping[str, Any], depth: int) -> str:
    for key in _MESSAGE_KEYS:
        if line := _line(body.get(key), depth - 1):
            return line
    parts = [
        (key, _line(value, depth - 1))
        for key, value in list(body.items())[:20]
        if key not in ("code", "status", "statusCode")
    ]
    return "; ".join(f"{key}: {line}" for key, line in parts if line)


def _code(code: object, sent: object) -> int | str | None:
    if isinstance(code, float) and code.is_integer():
        code = int(code)
    if isinstance(code, str) and re.fullmatch(r"\s*[0-9]{1,6}\s*", code):
        code = int(code)
    if (
        isinstance(code, int) and not isinstance(code, bool) and abs(code) < 10**6
    ):  # as long as a phone number: no code
        return code
    return mask(code.strip()[:100], sent) if isinstance(code, str) and code.strip() else None


def _name(body: Mapping[str, Any], sent: object) -> str | None:
    """Return the name that the server gives the error; a sentence is no name."""
    for key in ("status", "error", "name"):
        value = body.get(key)
        if isinstance(value, str) and _NAME.fullmatch(value):
            return mask(value, sent)
    return None
