"""The proxy that the environment asks for, as httpx reads it for a client without a transport of
its own.
"""

from types import ModuleType
from typing import Any
from urllib.request import getproxies, proxy_bypass

from ..errors import ConfigurationError
from ._address import Address, is_loopback


def proxy_for(library: ModuleType, address: Address) -> Any:
    """HTTPS_PROXY or ALL_PROXY unless NO_PROXY names the host; None for loopback hosts.

    Raises `ConfigurationError`.
    """
    if is_loopback(address.host) or proxy_bypass(address.host):
        return None
    proxies = getproxies()
    url = proxies.get(address.scheme) or proxies.get("all")
    if not url:
        return None
    try:
        return library.Proxy(url if "://" in url else f"http://{url}")
    except (ValueError, library.InvalidURL):
        # The text of the error would show the proxy's password.
        raise ConfigurationError(
            "the proxy named by HTTPS_PROXY or ALL_PROXY is not a usable URL"
        ) from None
