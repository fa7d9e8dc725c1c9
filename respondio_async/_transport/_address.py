"""Where the API lives: the base URL, checked and taken apart once."""

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

import msgspec

from ..errors import ConfigurationError

_PLAIN: Final = re.compile(r"[!-~]+")
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


class Address(msgspec.Struct, frozen=True):
    """A checked base URL."""

    scheme: str
    host: str
    """In lower case; an IPv6 address without its brackets."""
    port: int | None
    """None: the scheme's own."""
    prefix: str
    """The path that every target is put behind, without a slash at its end: "/v2"."""

    @property
    def netloc(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.prefix}"


def check_base_url(url: str) -> Address:
    """Take *url* apart, or raise `ConfigurationError` saying what is wrong with it.

    Plain http would show the token to the network, so it is accepted for loopback hosts only.
    """
    if not _PLAIN.fullmatch(url) or "\\" in url:
        raise ConfigurationError(
            "base_url must be an absolute URL in printable ASCII without spaces or backslashes"
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError("base_url has no valid host or port") from None
    if parts.scheme not in _DEFAULT_PORTS or not host:
        raise ConfigurationError("base_url must begin with https:// and a host")
    if "@" in parts.netloc:
        raise ConfigurationError("base_url must not hold credentials: the token goes into `token`")
    if "?" in url or "#" in url:
        raise ConfigurationError("base_url must have no query and no fragment")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigurationError(
            "base_url must be https: plain http shows the token, and is for loopback hosts only"
        )
    if port == 0:
        raise ConfigurationError("base_url has no valid host or port")
    return Address(
        scheme=parts.scheme,
        host=host,
        port=None if port == _DEFAULT_PORTS[parts.scheme] else port,
        prefix=parts.path.rstrip("/"),
    )


def is_loopback(host: str) -> bool:
    """Tell whether *host* is this machine: localhost, 127.0.0.0/8 or ::1."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
