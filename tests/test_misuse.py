"""What cannot work says so in one sentence: no asyncio, copies, proxies, key logs."""

import copy
import operator
import pickle
from pathlib import Path

import pytest

from respondio_async import (
    AsyncRespond,
    ConfigurationError,
    ConnectionFailedError,
    RetryPolicy,
)
from respondio_async._transport import _library, _proxy, check_base_url
from respondio_async._transport._tls import tls_problem

BACKENDS = ("httpx", "httpx2", "aiohttp")


@pytest.mark.parametrize("how", [pickle.dumps, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("view", [False, True])
def test_a_client_is_not_copied(how: object, view: bool) -> None:
    """Neither a client nor a view of one; the text names the remedy and not the token."""
    client = AsyncRespond("canary-token")
    with pytest.raises(TypeError, match=r"make one in each process") as caught:
        how(client.with_options(timeout=1) if view else client)  # type: ignore[operator]
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("how", [pickle.dumps, copy.deepcopy])
@pytest.mark.parametrize("part", ["contacts", "raw", "contacts.get"])
def test_nor_is_what_uses_it(how: object, part: str) -> None:
    """A job for another process often takes a method or a resource along."""
    client = AsyncRespond("canary-token")
    with pytest.raises(TypeError, match=r"make one in each process"):
        how(operator.attrgetter(part)(client))  # type: ignore[operator]


def test_without_asyncio() -> None:
    """A coroutine that something else drives, as trio does, says what is missing."""
    client = AsyncRespond("t", base_url="http://127.0.0.1:9")
    for make in (client.__aenter__, client.aclose, lambda: client.contacts.get(7)):
        with pytest.raises(ConfigurationError, match="runs on asyncio"):
            make().send(None)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "SOCKS5"])
@pytest.mark.parametrize("variable", ["ALL_PROXY", "HTTPS_PROXY"])
def test_a_socks_proxy(
    monkeypatch: pytest.MonkeyPatch, backend: str, scheme: str, variable: str
) -> None:
    """Without the package for it, or on aiohttp, the client is refused with the remedy."""
    monkeypatch.setattr(_proxy, "find_spec", lambda name: None)
    monkeypatch.setenv(variable, f"{scheme}://user:canary@127.0.0.1:1080")
    with pytest.raises(ConfigurationError, match="SOCKS proxy") as caught:
        AsyncRespond("t", backend=backend)  # type: ignore[arg-type]
    assert "canary" not in str(caught.value)


def test_a_socks_proxy_that_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the package, it is the library's own affair."""
    monkeypatch.setattr(_proxy, "find_spec", lambda name: object())
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    proxy = _proxy.proxy_for(_library.load("httpx"), check_base_url("https://api.test/v2"))
    assert proxy.url.scheme == "socks5"


def test_a_key_log_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The text names the variable; with a good one it is the certificates that are looked at."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "missing" / "keys"))
    assert "SSLKEYLOGFILE" in str(tls_problem(OSError(2, "No such file")))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    assert "SSL_CERT_FILE" in str(tls_problem(OSError(2, "No such file")))


@pytest.mark.parametrize("backend", BACKENDS)
async def test_a_key_log_that_is_named_late(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, backend: str
) -> None:
    """A context that was made before for others is not taken for it."""
    unwritable = str(tmp_path / "missing" / "keys")
    for key_log, error in (("", ConnectionFailedError), (unwritable, ConfigurationError)):
        monkeypatch.setenv("SSLKEYLOGFILE", key_log)
        async with AsyncRespond(
            "t",
            base_url="https://127.0.0.1:9",
            backend=backend,  # type: ignore[arg-type]
            retry=RetryPolicy(max_attempts=1),
        ) as client:
            with pytest.raises(error, match="SSLKEYLOGFILE" if key_log else "no connection"):
                await client.contacts.get(7)
