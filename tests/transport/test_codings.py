"""Content codings: gzip in every form that its standard allows, the rest refused, all of it
bounded, alike on every backend.
"""

import gzip
import subprocess
import sys
import zlib

import pytest

from respondio_async._transport import _body
from tests.faults import server as faults
from tests.faults.server import Exchange, Fault, FaultServer
from tests.support.virtual import VIRTUAL_NO_DEBUG
from tests.transport.support import Connect, call, failed


@pytest.fixture
def anyio_backend() -> object:
    """A family of hundreds of cases."""
    return VIRTUAL_NO_DEBUG


TEXT = b'{"items":[' + b'{"id":1},' * 5000 + b'{"id":2}]}'
MEMBERS = gzip.compress(TEXT[:99]) + gzip.compress(b"") + gzip.compress(TEXT[99:])


def coded(body: bytes, *codings: str, pieces: int = 1) -> Fault:
    """Answer *body* under so many Content-Encoding headers, in chunks of so many bytes or more."""

    async def fault(exchange: Exchange) -> None:
        await exchange.process()
        headers = [("Content-Encoding", coding) for coding in codings]
        await exchange.head(200, [*headers, ("Transfer-Encoding", "chunked")])
        step = -(-len(body) // pieces) or 1
        for start in range(0, len(body), step):
            piece = body[start : start + step]
            await exchange.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        await exchange.write(b"0\r\n\r\n")

    return fault


TWICE = gzip.compress(MEMBERS)
READ = {
    "one member": coded(gzip.compress(TEXT), "gzip"),
    "several members": coded(MEMBERS, "gzip"),
    "in small pieces": coded(MEMBERS, "gzip", pieces=200),
    "two headers": coded(TWICE, "gzip", "gzip"),
    "two in a header": coded(TWICE, "gzip, gzip", pieces=50),
    "two of a kind": coded(gzip.compress(zlib.compress(TEXT)), "deflate", "gzip"),
    "three": coded(gzip.compress(TWICE), "gzip,gzip", "x-gzip"),
    "upper case": coded(MEMBERS, "GZip"),
    "with identity": coded(MEMBERS, "identity, gzip,"),
    "identity": coded(TEXT, "identity"),
    "deflate": coded(zlib.compress(TEXT), "deflate"),
}
TORN = {
    "brotli": coded(b"\x0b\x02\x80{}\x03", "br"),
    "zstandard": coded(b"\x28\xb5\x2f\xfd\x04\x00\x11\x00\x00{}", "zstd"),
    "compress": coded(b"\x1f\x9d\x90", "compress"),
    "unknown": coded(TEXT, "canary"),
    "gzip in brotli": coded(gzip.compress(TEXT), "gzip", "br"),
    "brotli in gzip": coded(gzip.compress(TEXT), "br, gzip"),
    "four": coded(gzip.compress(gzip.compress(TWICE)), "gzip, gzip, gzip, gzip"),
    "thousands": coded(gzip.compress(TEXT), ",".join(["gzip"] * 1500)),
    "one too many": coded(gzip.compress(TEXT), "gzip, gzip"),
    "second member cut": coded(MEMBERS[:-9], "gzip", pieces=3),
    "inner one cut": coded(gzip.compress(MEMBERS[:-4]), "gzip", "gzip"),
    "head only": coded(gzip.compress(TEXT)[:10], "gzip"),
    "rest of no member": coded(MEMBERS + b"{}", "gzip"),
    "wrong sum": coded(MEMBERS[:-8] + bytes(8), "gzip"),
}


@pytest.mark.parametrize("form", READ)
async def test_what_is_read(server: FaultServer, connect: Connect, form: str) -> None:
    """Members one after another, codings one within another, in pieces of any size."""
    transport = connect(server.url)
    server.plan(READ[form])
    assert (await call(transport)).content == TEXT
    assert (await call(transport)).content == b"{}"
    assert server.connections == 1


@pytest.mark.parametrize("form", TORN)
async def test_what_is_refused(server: FaultServer, connect: Connect, form: str) -> None:
    """A coding that nobody asked for, too many of them, and what breaks off: a broken answer, and
    the next call works.
    """
    transport = connect(server.url)
    server.plan(TORN[form])
    error = await failed(transport)
    assert (error.failure, error.sent) == ("torn", True)
    assert (await call(transport)).content == b"{}"


@pytest.mark.parametrize("coding", ["gzip", "gzip, gzip", "deflate"])
async def test_nothing_in_a_coding(server: FaultServer, connect: Connect, coding: str) -> None:
    """An answer without a body has nothing to undo, whatever its headers say."""
    server.plan(faults.answer(204, headers=(("Content-Encoding", coding),)), coded(b"", coding))
    transport = connect(server.url)
    assert (await call(transport)).content == b""
    assert (await call(transport)).content == b""


ZEROS = gzip.compress(bytes(1_000_000))
BOMBS = {
    "gzip": (ZEROS * 100, "gzip"),
    "gzip in gzip": (gzip.compress(ZEROS * 100), "gzip, gzip"),
    "three layers": (gzip.compress(gzip.compress(ZEROS * 100)), "gzip, gzip, gzip"),
    "deflate in gzip": (gzip.compress(zlib.compress(bytes(5_000_000))), "deflate, gzip"),
    "empty members": (gzip.compress(b"") * 2_000, "gzip"),
    "empty members within": (gzip.compress(gzip.compress(b"") * 2_000), "gzip, gzip"),
    "unpacked": (bytes(1_100_000), "identity"),
}


@pytest.mark.parametrize("bomb", BOMBS)
async def test_bombs_are_bounded(
    server: FaultServer, connect: Connect, monkeypatch: pytest.MonkeyPatch, bomb: str
) -> None:
    """The bound counts what arrives and what every layer makes of it, members without content
    included.
    """
    monkeypatch.setattr(_body, "MAX_ANSWER", 1_000_000)
    transport = connect(server.url)
    server.plan(coded(*BOMBS[bomb]))
    assert (await failed(transport)).failure == "too_large"
    assert (await call(transport)).content == b"{}"


_MEASURE = """
import asyncio, gzip, resource
from respondio_async import AsyncRespond, RespondError, RetryPolicy
import httpx, httpx2
from tests.faults.server import FaultServer
from tests.transport.test_codings import coded

zeros = gzip.compress(bytes(1_000_000))
bombs = [
    coded(gzip.compress(zeros * 3000), "gzip, gzip"),
    coded(zeros * 3000, "gzip"),
]

async def main():
    seen = []
    async with FaultServer() as server, httpx.AsyncClient() as one, httpx2.AsyncClient() as two:
        start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for options in (
            {}, {"backend": "aiohttp"}, {"backend": "httpx2"},
            {"http_client": one}, {"http_client": two},
        ):
            async with AsyncRespond(
                "t", base_url=server.url, retry=RetryPolicy(max_attempts=1), deadline=30, **options
            ) as client:
                for bomb in bombs:
                    server.plan(bomb)
                    try:
                        await client.contacts.get(7)
                    except RespondError:
                        seen.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start)
    assert len(seen) == 10, seen
    assert max(seen) < 200 * 1024, seen
    print(max(seen) // 1024, 'MiB')

asyncio.run(main())
"""


def test_memory_of_bombs() -> None:
    """3 GB in a few kilobytes, on every backend: a library error, and 200 MiB at most (the server
    is in the same process).
    """
    ended = subprocess.run(
        [sys.executable, "-c", _MEASURE], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
