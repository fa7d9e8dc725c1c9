"""What the sender of a webhook is answered."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, cast

from ._signature import SIGNATURE_HEADER

_SIGNATURE: Final = SIGNATURE_HEADER.lower()

RequestHeaders = Mapping[Any, Any] | Iterable[tuple[Any, Any]]


class WebhookAnswer(NamedTuple):
    """A status and a body: `status, body = await router.receive(…)`."""

    status: int
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """The headers to send with it."""
        headers = {"content-type": "application/json", "content-length": str(len(self.body))}
        if self.status == 503:
            headers["retry-after"] = "2"
        elif self.status == 405:
            headers["allow"] = "GET, HEAD, POST"
        return headers


ACCEPTED: Final = WebhookAnswer(200, b'{"status":"accepted"}')
DUPLICATE: Final = WebhookAnswer(200, b'{"status":"duplicate"}')
READY: Final = WebhookAnswer(200, b'{"status":"ready"}')
NOT_AN_EVENT: Final = WebhookAnswer(400, b'{"error":"not an event"}')
FORGED: Final = WebhookAnswer(401, b'{"error":"the signature is wrong or missing"}')
WRONG_METHOD: Final = WebhookAnswer(405, b'{"error":"POST only"}')
TOO_SLOW: Final = WebhookAnswer(408, b'{"error":"the body took too long"}')
TOO_LARGE: Final = WebhookAnswer(413, b'{"error":"the body is too large"}')
ENCODED: Final = WebhookAnswer(415, b'{"error":"send the body without a content encoding"}')
BUSY: Final = WebhookAnswer(503, b'{"error":"busy, try again"}')


def signature_in(headers: RequestHeaders) -> str | None:
    """Find the signature among headers of any shape: a mapping or pairs, str or bytes, in any case;
    None when there is none.
    """
    return next(_values(headers, _SIGNATURE), None)


def early_answer(
    method: str, headers: Mapping[Any, Any] | Collection[tuple[Any, Any]], max_body: int
) -> WebhookAnswer | None:
    """Answer what needs no look at its body; None when the body must be read."""
    if method in {"GET", "HEAD"}:
        return READY
    if method != "POST":
        return WRONG_METHOD
    # respond.io compresses nothing, and a few kB from anybody may become gigabytes.
    encodings = _values(headers, "content-encoding")
    if any(value.strip().lower() not in {"", "identity"} for value in encodings):
        return ENCODED
    length = next(_values(headers, "content-length"), "")
    if length.isdecimal() and (len(length) > 18 or int(length) > max_body):
        return TOO_LARGE
    return FORGED if signature_in(headers) is None else None


def _values(headers: RequestHeaders, name: str) -> Iterator[str]:
    pairs = cast("Iterable[Any]", headers.items() if isinstance(headers, Mapping) else headers)
    return (_text(value) for key, value in pairs if _text(key).lower() == name)


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
