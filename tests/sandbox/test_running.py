"""Starting and stopping: in both styles, in another process, and what is left behind."""

import asyncio
import io
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request

import pytest

import respondio_async.sandbox
from respondio_async.sandbox import Sandbox
from respondio_async.sandbox.__main__ import main
from tests.sandbox.conftest import serving


def ask(url: str, token: str, path: str = "/space/user") -> int:
    request = urllib.request.Request(url + path, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=300) as answer:
        return answer.status


def test_it_runs_without_a_loop() -> None:
    """`with Sandbox()`, from plain code; afterwards no thread and no listener is left."""
    with Sandbox() as sandbox:
        assert ask(sandbox.url, sandbox.token) == 200
        assert repr(sandbox) == f"<Sandbox {sandbox.url}>"
        port = int(sandbox.url.split(":")[2].split("/")[0])
    assert "respondio-sandbox" not in [thread.name for thread in threading.enumerate()]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert repr(sandbox) == "<Sandbox, not running>"
    assert sandbox.count() == 1


def test_it_can_be_started_again_on_its_port() -> None:
    """A server that comes back: state and tokens are still there."""
    sandbox = Sandbox()
    sandbox.start()
    url = sandbox.url
    sandbox.stop()
    sandbox.stop()
    with sandbox:
        assert sandbox.url == url
        assert ask(url, sandbox.token) == 200
        with pytest.raises(RuntimeError, match="running already"):
            sandbox.start()


def test_no_url_before_it_runs() -> None:
    """The port is not known yet, unless it was chosen."""
    with pytest.raises(RuntimeError, match="not running"):
        _ = Sandbox().url
    assert Sandbox(port=1234).url == "http://127.0.0.1:1234/v2"


async def test_a_taken_port_fails_at_once() -> None:
    """A taken port fails at once in both styles, and the sandbox can be started later."""
    async with serving() as api:
        port = int(api.sandbox.url.split(":")[2].split("/")[0])
        other = Sandbox(port=port)
        with pytest.raises(OSError, match="in use"):
            await other.__aenter__()
        with pytest.raises(OSError, match="in use"):
            other.start()


async def test_open_requests_are_cut_at_the_end() -> None:
    """Neither a hanging nor a slow request keeps the sandbox open."""
    async with serving() as api:
        api.sandbox.fault("hang", times=1)
        api.sandbox.fault("delay", seconds=60)
        tasks = [asyncio.create_task(api.call("GET", "/space/user", timeout=300)) for _ in range(3)]
        while api.sandbox.count() < 3:
            await asyncio.sleep(0.001)
        await api.sandbox.__aexit__(None, None, None)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, Exception) for result in results)
    assert "respondio-sandbox" not in [thread.name for thread in threading.enumerate()]


async def test_a_cancelled_start_leaves_nothing() -> None:
    """The thread ends by itself, and the sandbox can be started again."""
    sandbox = Sandbox()
    for _ in range(3):
        task = asyncio.create_task(sandbox.__aenter__())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while "respondio-sandbox" in [thread.name for thread in threading.enumerate()]:
            await asyncio.sleep(0.001)
    async with sandbox:
        assert sandbox.count() == 0


def test_stopping_twice_is_harmless() -> None:
    """Stopping twice is harmless, even when the thread has ended by itself meanwhile."""
    sandbox = Sandbox()
    sandbox.start()
    thread = sandbox._thread
    thread.stop()
    thread.join()
    sandbox.stop()


async def test_uvicorns_loggers_stay_as_they_are() -> None:
    """The process that hosts a sandbox may host another uvicorn server."""
    before = [
        (logging.getLogger(name).level, logging.getLogger(name).handlers)
        for name in ("uvicorn", "uvicorn.error", "uvicorn.access")
    ]
    async with serving() as api:
        await api.ok("GET", "/space/user")
    after = [
        (logging.getLogger(name).level, logging.getLogger(name).handlers)
        for name in ("uvicorn", "uvicorn.error", "uvicorn.access")
    ]
    assert before == after


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pip command is in the error."""
    monkeypatch.delitem(sys.modules, "respondio_async.sandbox._server", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ImportError, match=r"pip install 'respondio-async\[sandbox\]'"):
        Sandbox().start()


def test_it_runs_in_a_process_of_its_own(request: pytest.FixtureRequest) -> None:
    """URL and token are printed as shell assignments, with the names that the client reads."""
    process = subprocess.Popen(
        [sys.executable, "-m", "respondio_async.sandbox", "--contacts", "2", "--no-limits",
        "--calm"],
        stdout=subprocess.PIPE, text=True, cwd=request.config.rootpath,
    )  # fmt: skip
    try:
        lines = dict(process.stdout.readline().strip().split("=", 1) for _ in range(2))
        assert (
            ask(lines["RESPONDIO_BASE_URL"], lines["RESPONDIO_API_TOKEN"], "/contact/id:100000002")
            == 200
        )
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        process.stdout.close()


def test_the_command_reads_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each becomes an option of the sandbox."""
    seen = {}
    monkeypatch.setattr(
        "respondio_async.sandbox.__main__.serve", lambda **options: seen.update(options)
    )
    main(["--port", "5", "--limits-factor", "20", "--window", "fixed", "--no-limits"])
    assert (seen["port"], seen["limits_factor"], seen["window"], seen["quirks"].list_lag) == (
        5,
        20.0,
        "fixed",
        25.0,
    )
    assert seen["limits"] is None
    main([])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_ends_when_it_is_told(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Ctrl-C and SIGTERM end it; the handler of before is put back."""

    class Terminal(io.StringIO):
        def flush(self) -> None:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(sys, "stdout", Terminal())
    before = signal.getsignal(signal.SIGTERM)
    respondio_async.sandbox.serve()
    assert sys.stdout.getvalue().startswith("RESPONDIO_BASE_URL=http://127.0.0.1:")
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_public_names() -> None:
    """They are looked up when used, and all are there."""
    for name in respondio_async.sandbox.__all__:
        value = getattr(respondio_async.sandbox, name)
        assert name in ("VENDOR_LIMITS", "WindowName") or value.__name__ == name
    with pytest.raises(AttributeError, match="Nothing"):
        _ = respondio_async.sandbox.Nothing


def test_an_unknown_contact_is_a_key_error() -> None:
    """An unknown contact is a key error, and its value is not in the text."""
    with pytest.raises(KeyError, match="no such contact"):
        Sandbox().contact("+60123456789")


def test_the_clock_never_goes_back() -> None:
    """Windows and lags rely on it."""
    with pytest.raises(ValueError, match="never goes back"):
        Sandbox().advance(-1)


@pytest.mark.parametrize("kind", [ValueError, MemoryError, SystemExit, GeneratorExit])
async def test_a_server_that_ends_before_it_serves_is_heard_of(
    monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    """Whoever started it gets an error, at once, and can start it again."""
    from respondio_async.sandbox import _thread

    def fail(*_: object) -> None:
        raise kind("broken")

    sandbox = Sandbox()
    with monkeypatch.context() as patch:
        patch.setattr(_thread, "_listen", fail)
        async with asyncio.timeout(60):
            with pytest.raises((ValueError, MemoryError, RuntimeError)):
                await sandbox.__aenter__()
    async with sandbox:
        assert sandbox.url
