"""The proxy that the environment asks for, as httpx reads it for a client without a transport of
its own.
"""

from importlib.util import find_spec
from types import ModuleType
from typing import Any
from urllib.request import getproxies, proxy_bypass

from ..errors import ConfigurationError
from ._address import Address, is_loopback


def proxy_for(library: ModuleType, address: Address, *, socks: bool = True) -> Any:
    """HTTPS_PROXY or ALL_PROXY unless NO_PROXY names the host; None for loopback hosts.

    *socks*: whether the backend speaks SOCKS at all; it also needs the package socksio.

    Raises `ConfigurationError`.
    """
    if is_loopback(address.host) or proxy_bypass(address.host):
        return None
    proxies = getproxies()
    url = proxies.get(address.scheme) or proxies.get("all")
    if not url:
        return None
    if url.lower().startswith("socks") and not (socks and find_spec("socksio")):
        remedy = 'pip install "httpx[socks]"' if socks else 'use the backend "httpx" or "httpx2"'
        raise ConfigurationError(
            f"HTTPS_PROXY or ALL_PROXY names a SOCKS proxy: {remedy}, name an HTTP proxy, or "
            "except the host by NO_PROXY"
        )
    try:
        return library.Proxy(url if "://" in url else f"http://{url}")
    except (ValueError, library.InvalidURL):
        # The text of the error would show the proxy's password.
        raise ConfigurationError(
            "the proxy named by HTTPS_PROXY or ALL_PROXY is not a usable URL"
        ) from None
