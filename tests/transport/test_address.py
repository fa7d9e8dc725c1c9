"""The base URL is checked once, before anything is sent to it."""

import pytest

from respondio_async import errors
from respondio_async._transport import check_base_url


@pytest.mark.parametrize(
    ("url", "normal", "netloc"),
    [
        ("https://api.respond.io/v2", "https://api.respond.io/v2", "api.respond.io"),
        ("https://api.respond.io/v2/", "https://api.respond.io/v2", "api.respond.io"),
        ("https://API.respond.io:443", "https://api.respond.io", "api.respond.io"),
        ("https://proxy.example:8443/a/b", "https://proxy.example:8443/a/b", "proxy.example:8443"),
        ("http://localhost:8000/v2", "http://localhost:8000/v2", "localhost:8000"),
        ("http://127.8.9.1", "http://127.8.9.1", "127.8.9.1"),
        ("http://[::1]:80/v2", "http://[::1]/v2", "[::1]"),
    ],
)
def test_accepted(url: str, normal: str, netloc: str) -> None:
    """https anywhere, http on this machine; a slash at the end and the scheme's own port make no
    difference.
    """
    address = check_base_url(url)
    assert (address.url, address.netloc) == (normal, netloc)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.respond.io/v2",
        "//api.respond.io/v2",
        "ftp://api.respond.io",
        "https://",
        "https:///v2",
        "http://api.respond.io/v2",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://10.0.0.1",
        "https://user:hunter2@api.respond.io",
        "https://hunter2@api.respond.io",
        "https://api.respond.io/v2?token=hunter2",
        "https://api.respond.io/v2?",
        "https://api.respond.io/v2#",
        "https://api.respond.io:0",
        "https://api.respond.io:99999",
        "https://api.respond.io:port",
        "https://[::1",
        "https://api.respond.io\\@evil.example",
        "https://api respond.io",
        "https://api.respond.io/v2\n",
        "https://bücher.example",
    ],
)
def test_refused(url: str) -> None:
    """Anything else is refused in words that show no credentials."""
    with pytest.raises(errors.ConfigurationError, match="base_url") as caught:
        check_base_url(url)
    assert "hunter2" not in str(caught.value)
