"""A far-away Redis: a proxy on loopback that passes everything on after half a round trip.

    python -m tests.limits.redis_proxy PORT ROUND_TRIP

Prints the port that it listens on.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: float) -> None:
    loop = asyncio.get_running_loop()
    try:
        while data := await reader.read(1 << 16):
            loop.call_later(way, writer.write, data)
    except OSError:
        pass
    loop.call_later(way, writer.close)


async def serve(port: int, round_trip: float) -> None:
    """Listen until killed."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(round_trip)  # the handshake
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(
            _pass_on(reader, back, round_trip / 2), _pass_on(there, writer, round_trip / 2)
        )

    server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def far_away(port: int, round_trip: float) -> Iterator[str]:
    """The URL under which the Redis on *port* is so many seconds away."""
    words = [sys.executable, "-m", "tests.limits.redis_proxy", str(port), str(round_trip)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"redis://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
