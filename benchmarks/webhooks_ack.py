"""How soon 500 events a second are acknowledged while each handler takes 200 ms. Target: p99 at
most 50 ms, memory bounded.

    python -m benchmarks.webhooks_ack [seconds] [events a second]

The server runs in a process of its own under uvicorn, once without and once with the durable inbox.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.webhooks_verify import EVENT, KEY
from respondio_async.webhooks import sign

SERVER = """
import asyncio, sys, uvicorn
from respondio_async.webhooks import WebhookRouter
router = WebhookRouter(sys.argv[1], inbox=sys.argv[2] or None)
@router.on()
async def slow(context):
    await asyncio.sleep(0.2)
class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print(self.servers[0].sockets[0].getsockname()[1], flush=True)
    async def shutdown(self, sockets=None):
        await super().shutdown(sockets)
        print(router.statistics(), flush=True)
config = uvicorn.Config(
    router.asgi(), port=0, log_level="error", access_log=False, timeout_keep_alive=600
)
Server(config).run()
"""


def request(number: int) -> bytes:
    """Make one request of a contact of its own, as one that keeps writing would be handled one
    message at a time.
    """
    event = {**EVENT, "event_id": f"event-{number}", "contact": {"id": number % 5000 + 1}}
    body = json.dumps(event, separators=(",", ":")).encode()
    head = (
        f"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
        f"x-webhook-signature: {sign(body, KEY)}\r\n\r\n"
    )
    return head.encode() + body


async def load(
    port: int, process: psutil.Process, seconds: float, rate: int
) -> tuple[list[float], list[int], int]:
    """Send at a steady rate; returns the times of the answers, the memory as it went, and how many
    were not 200.
    """
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    times: list[float] = []
    memory: list[int] = []
    refused = 0
    requests = [request(number) for number in range(int(seconds * rate))]

    async def one(content: bytes) -> None:
        nonlocal refused
        begun = time.perf_counter()
        reader, writer = idle.pop() if idle else await asyncio.open_connection("127.0.0.1", port)
        writer.write(content)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        times.append(time.perf_counter() - begun)
        refused += not head.startswith(b"HTTP/1.1 200")
        idle.append((reader, writer))

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number, content in enumerate(requests):
            delay = begun + number / rate - time.perf_counter()
            if delay > 0:
                await asyncio.sleep(delay)
            group.create_task(one(content))
            if number % rate == 0:
                memory.append(process.memory_info().rss)
    for _, writer in idle:
        writer.close()
    return times, memory, refused


def main(seconds: float, rate: int) -> None:
    for durable in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            inbox = str(Path(folder) / "inbox") if durable else ""
            server = subprocess.Popen(
                [sys.executable, "-c", SERVER, KEY, inbox], stdout=subprocess.PIPE
            )
            assert server.stdout is not None
            port = int(server.stdout.readline())
            times, memory, refused = asyncio.run(
                load(port, psutil.Process(server.pid), seconds, rate)
            )
            server.terminate()
            left = server.communicate()[0].decode().strip()
        times.sort()
        p50, p99 = (times[int(len(times) * part)] * 1000 for part in (0.5, 0.99))
        print(
            f"{'inbox' if durable else 'memory'}: {len(times)} events at {rate}/s, refused "
            f"{refused}"
        )
        print(
            f"  acknowledged p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {times[-1] * 1000:.1f} ms "
            "(target: p99 at most 50)"
        )
        print(
            f"  memory {memory[0] / 2**20:.0f} MiB at first, {max(memory) / 2**20:.0f} at most, "
            f"{memory[-1] / 2**20:.0f} at last"
        )
        print(f"  {left}")


if __name__ == "__main__":
    main(
        float(sys.argv[1]) if len(sys.argv) > 1 else 20,
        int(sys.argv[2]) if len(sys.argv) > 2 else 500,
    )
