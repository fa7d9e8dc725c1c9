"""Who may use the page: a browser on this machine, and no website that it happens to show.

Another machine is known by the address that it connects from: its Host header says what it likes. A
website can make a browser send requests to 127.0.0.1, and by DNS rebinding even read the answers:
then the Host header names the website. What changes something must besides be JSON, which a foreign
page can't send without asking first (we never say yes).
"""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit


def refusal(method: str, headers: Mapping[str, str], peer: str) -> tuple[int, str] | None:
    """Return the status and the reason why a request from the address *peer* is refused; None: it
    may pass.
    """
    if not _is_this_machine(peer):
        return 403, "open the page on the machine that runs the sandbox, or forward its port"
    host = headers.get("host", "")
    if not _is_loopback(host):
        return 403, "open the page by a loopback address, such as http://127.0.0.1"
    fetched_by = headers.get("sec-fetch-site", "same-origin")
    if fetched_by not in ("same-origin", "none") and not _is_navigation(method, headers):
        return 403, "a foreign page may not use this one"
    if method == "POST" and headers.get("origin", f"http://{host}") != f"http://{host}":
        return 403, "a foreign page may not write here"
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if method == "POST" and content_type != "application/json":
        return 415, "send JSON"
    return None


def _is_navigation(method: str, headers: Mapping[str, str]) -> bool:
    """A link on another page to this one may be followed."""
    return (
        method == "GET"
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )


def _is_this_machine(peer: str) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _is_loopback(host: str) -> bool:
    try:
        parts = urlsplit(f"//{host}")
        name = parts.hostname or ""
        if parts.netloc != host or parts.username is not None:
            return False
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
