"""Makes the library's request out of ours, at little cost."""

import functools
import re
from types import ModuleType
from typing import Any, Final

from ..errors import ConfigurationError
from ._address import Address
from ._ports import Request

_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(r"[\t -~]*")

REMEMBERED: Final = 256
"""Templates, and sets of headers, whose objects are kept: a client sends to the same few with the
same few.
"""

HeaderSet = tuple[tuple[str, str], ...]


def header_pairs(address: Address, headers: HeaderSet, length: int | None) -> list[tuple[str, str]]:
    """Return all headers of a request with a body of *length* bytes; None: without one. Raises
    `ConfigurationError`.
    """
    pairs = [("Host", address.netloc), *headers]
    for name, value in headers:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            # The value may be the token: it is not shown.
            raise ConfigurationError(f"the header {name!r} holds characters that HTTP cannot carry")
    if not any(name.lower() == "accept-encoding" for name, _ in headers):
        pairs.append(("Accept-Encoding", "gzip"))  # what `read_content` decodes by itself
    if length is not None:
        pairs.append(("Content-Length", str(length)))
    return pairs


def phase_timeouts(phases: Any, bound: float | None = None) -> dict[str, float | None]:
    """Return what the library bounds by itself: what the user asked for, else *bound* for each
    phase; None: nothing, since the whole attempt has its bound.

    The phase "pool" is not passed on: calls queue in front of the library, under their own
    deadline.
    """
    if phases is None:
        return {"connect": bound, "read": bound, "write": bound, "pool": None}
    return {"connect": phases.connect, "read": phases.read, "write": phases.write, "pool": None}


class Requests:
    """Builds requests of httpx or httpx2 for one address."""

    def __init__(self, library: ModuleType, address: Address) -> None:
        self._library = library
        self._prefix = address.prefix.encode("ascii")
        self._nothing = library.ByteStream(b"")
        self._url = functools.partial(_url, library, address)
        self._kept_url = functools.lru_cache(REMEMBERED)(self._url)
        self._kept_headers = functools.lru_cache(REMEMBERED)(
            functools.partial(_headers, library, address)
        )

    def hidden(self, request: Request, extensions: dict[str, Any]) -> Any:
        """Make a request whose URL is its template; the target that only the wire sees is the
        extension "target".

        None of the library's objects, logs and exceptions, and nothing that wraps it, knows whose
        phone number is in the path.
        """
        extensions["target"] = self._prefix + request.target.encode("ascii")
        return self._build(request, self._kept_url(request.template), extensions)

    def tunnelled(self, request: Request, extensions: dict[str, Any]) -> Any:
        """Make the same for a proxy, which httpcore would send the extension to as well, in place
        of the host that it should connect to: the URL itself says one thing and sends another.
        """
        url = _masked_url(self._library)(self._kept_url(request.template))
        url.target = self._prefix + request.target.encode("ascii")
        built = self._build(request, url, extensions)
        built.url = url  # the library has made a URL of its own of it
        return built

    def plain(self, request: Request, extensions: dict[str, Any]) -> Any:
        """Make a request with its full URL and its content at hand, for transports that know no
        extension.
        """
        built = self._build(request, self._url(request.target), extensions)
        built.read()
        return built

    def _build(self, request: Request, url: Any, extensions: dict[str, Any]) -> Any:
        content = request.content
        headers = self._kept_headers(request.headers, None if content is None else len(content))
        stream = self._library.ByteStream(content) if content else self._nothing
        return self._library.Request(
            request.method, url, headers=headers, stream=stream, extensions=extensions
        )


def _url(library: ModuleType, address: Address, path: str) -> Any:
    return library.URL(f"{address.url}{path}")


def _headers(library: ModuleType, address: Address, headers: HeaderSet, length: int | None) -> Any:
    return library.Headers(header_pairs(address, headers, length))


@functools.cache
def _masked_url(library: ModuleType) -> Any:
    """Return a class of URLs that read as one path and go to the wire as another."""

    class MaskedURL(library.URL):  # type: ignore[misc,name-defined]
        target: bytes

        @property
        def raw_path(self) -> bytes:
            return self.target

    return MaskedURL
