"""A server in a process of its own, to be killed and started again: it writes the body of each POST
to a file before it answers.

    python -m tests.support.ledger PORT FILE
"""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

from tests.support.ports import free_port

GOOD = b'{"messageId": 1, "contactId": 7, "id": 7, "firstName": "Ada"}'


async def _serve(port: int, path: str) -> None:
    ledger = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r")[0] or 0)
                body = await reader.readexactly(length)
                if head.startswith(b"POST"):
                    os.write(ledger, body + b"\n")
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\n\r\n%s" % (len(GOOD), GOOD)
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", port) as server:
        await server.serve_forever()


class LedgerServer:
    """Starts and kills the server; it keeps its port and its ledger."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/v2"
        self._process: Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.support.ledger", str(self.port), str(self.path)]
        self._process = Popen(command)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def bodies(self) -> list[bytes]:
        return self.path.read_bytes().splitlines() if self.path.exists() else []


@contextmanager
def ledger_server(path: Path) -> Iterator[LedgerServer]:
    """A server whose ledger is *path*, not started yet; it is killed in the end."""
    server = LedgerServer(path)
    try:
        yield server
    finally:
        server.kill()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), sys.argv[2]))
