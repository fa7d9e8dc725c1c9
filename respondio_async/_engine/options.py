"""The options of a client: checked when it is made, so that a wrong one fails there and not in the
first call.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from .._transport import Timeout
from .._version import __version__
from ..errors import ConfigurationError
from ..limits import RateLimiter
from .retry import RetryPolicy

HeaderSet = tuple[tuple[str, str], ...]

_USER_AGENT: Final = f"respondio-async/{__version__}"
_OWN_HEADERS: Final = frozenset(
    {"authorization", "content-length", "content-type", "host", "transfer-encoding"}
)
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")
_PRODUCT: Final = f"{_HEADER_NAME.pattern}(/{_HEADER_NAME.pattern})?"
_APP_INFO: Final = re.compile(rf"{_PRODUCT}( {_PRODUCT}| \([ -'*-~]+\))*")
"""Products and comments, RFC 9110, section 10.1.5."""


def check_token(token: str | None) -> str:
    if token is None:
        raise ConfigurationError(
            "no token: pass token=…, or set RESPONDIO_API_TOKEN (made in Settings > Integrations > "
            "Developer API)"
        )
    if not isinstance(token, str) or not token.strip():
        raise ConfigurationError("the token is empty, or not a str")
    token = token.strip()
    if not token.isascii() or not token.isprintable() or " " in token:
        del token  # a traceback may show locals
        raise ConfigurationError(
            'the token holds characters that no token has; give it without "Bearer"'
        )
    return token


def check_headers(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise ConfigurationError("headers are a mapping of str to str")
        if not _HEADER_NAME.fullmatch(name):
            raise ConfigurationError("a header's name holds characters that no header has")
        if name.lower() in _OWN_HEADERS:
            raise ConfigurationError(
                f"the header {name} is the client's own (the token is passed as token=)"
            )
        if not _HEADER_VALUE.fullmatch(value):
            raise ConfigurationError(f"the header {name} holds characters that no header value has")
    return dict(headers)


def merge_headers(first: Mapping[str, str], second: Mapping[str, str]) -> dict[str, str]:
    lower = {name.lower() for name in second}
    return {**{name: value for name, value in first.items() if name.lower() not in lower}, **second}


def user_agent(app_info: str | None) -> str:
    """What the client calls itself, and behind it the program that it is used by."""
    if app_info is None:
        return _USER_AGENT
    if not isinstance(app_info, str) or not _APP_INFO.fullmatch(app_info) or len(app_info) > 200:
        raise ConfigurationError(
            'app_info is a name and a version, such as "acme-crm/2.1 (https://acme.example)", '
            "in at most 200 characters of ASCII"
        )
    return f"{_USER_AGENT} {app_info}"


def header_sets(token: str, extra: Mapping[str, str], agent: str) -> tuple[HeaderSet, HeaderSet]:
    """The headers of a call without a body, and of one with."""
    own = {"Accept": "application/json", "User-Agent": agent}
    without = (*merge_headers(own, extra).items(), ("Authorization", f"Bearer {token}"))
    return without, (*without, ("Content-Type", "application/json"))


def check_parts(retry: object, limiter: object, hooks: Sequence[object]) -> None:
    """Look at what only fails in a call, or never, when it is the wrong thing."""
    if not isinstance(retry, RetryPolicy):
        raise ConfigurationError("retry is a RetryPolicy")
    if limiter is not None and not isinstance(limiter, RateLimiter):
        raise ConfigurationError(
            "limiter is a RateLimiter: LocalRateLimiter(…), RedisRateLimiter(…), or one of your own"
        )
    if not all(callable(hook) for hook in hooks):
        raise ConfigurationError("hooks are callables that take one event")


def check_seconds(value: float | None, name: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ConfigurationError(f"{name} is a number of seconds above 0, or None")
    return None if value == float("inf") else float(value)


def check_timeout(timeout: float | Timeout | None) -> tuple[float | None, Timeout | None]:
    if timeout is None or isinstance(timeout, int | float):
        return check_seconds(timeout, "timeout"), None
    if not all(hasattr(timeout, phase) for phase in ("connect", "read", "write", "pool")):
        raise ConfigurationError("timeout is a number of seconds, an httpx.Timeout, or None")
    return None, timeout
