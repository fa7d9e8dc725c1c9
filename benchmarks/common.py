"""What the benchmarks share: a server in another process, CPU per call in turns, and figures with
their bounds.
"""

import asyncio
import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager

import msgspec

Call = Callable[[], Awaitable[object]]

BODY = msgspec.json.encode(
    {
        "id": 437264483,
        "firstName": "Jo",
        "lastName": "Doe",
        "phone": "+60121233112",
        "email": "jo@example.com",
        "language": "en",
        "profilePic": None,
        "countryCode": "MY",
        "custom_fields": [{"name": "plan", "value": "gold"}, {"name": "seats", "value": "5"}],
        "status": "open",
        "tags": ["vip", "beta"],
        "assignee": {"id": 2, "firstName": "A", "lastName": "B", "email": "a@example.com"},
        "lifecycle": "Customer",
        "created_at": 1663274081,
    }
)
ANSWER = (
    b"HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 18:00:00 GMT\r\nContent-Type: application/json; "
    b"charset=utf-8\r\n"
    b"Content-Length: %d\r\nConnection: keep-alive\r\nX-RateLimit-Limit: "
    b"1000000\r\nX-RateLimit-Remaining: 999999\r\n\r\n%s"
) % (len(BODY), BODY)


PAGES = 10_000


class Answerer(asyncio.Protocol):
    """Answers every request with the same contact, without reading it closely: the server takes
    little of the machine.
    """

    def connection_made(self, transport):
        self.transport = transport
        self.begun = b""

    def data_received(self, data):
        if self.begun or data.startswith(b"POST /v2/contact/list"):
            self.begun += data
            if self.begun.endswith(b"}"):  # head and body may come apart
                self.transport.write(page(self.begun))
                self.begun = b""
        else:
            self.transport.write(ANSWER * data.count(b"\r\n\r\n"))


def page(request: bytes) -> bytes:
    """Page n of the contacts: a hundred of them, and a link to page n + 1 until the last."""
    query = request.partition(b" HTTP/1.1")[0].partition(b"?")[2].decode()
    number = int(dict(pair.split("=") for pair in query.split("&")).get("cursorId", 0))
    items = ",".join(
        [BODY.decode().replace("437264483", str(number * 100 + n + 1)) for n in range(100)]
    )
    following = (
        f'"https://api.respond.io/contact/list?cursorId={number + 1}"'
        if number + 1 < PAGES
        else "null"
    )
    body = f'{{"items":[{items}],"pagination":{{"next":{following},"previous":null}}}}'.encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        len(body),
        body,
    )


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Answerer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def contact_server() -> Iterator[str]:
    """A server in a process of its own that answers every request with a contact; gives its base
    URL.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.common"], stdout=subprocess.PIPE, text=True
    )
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v2"
    finally:
        process.kill()
        process.wait()


async def cpu_per_call(call: Call, calls: int, concurrency: int) -> float:
    """Seconds of this process's CPU for one call, with *concurrency* workers."""
    left = calls

    async def work() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await call()

    gc.collect()
    began = time.process_time()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    return (time.process_time() - began) / calls


async def in_turns(
    sides: Mapping[str, Call], *, calls: int, concurrency: int, rounds: int
) -> dict[str, float]:
    """The median CPU per call of each side.

    The machine is noisy: the sides take turns, and each round's ratio is its own.
    """
    for call in sides.values():
        await cpu_per_call(call, calls // 4 + 1, concurrency)
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, call in sides.items():
            times[name].append(await cpu_per_call(call, calls, concurrency))
    base = next(iter(sides))
    ratios = {
        name: statistics.median(a / b for a, b in zip(times[name], times[base], strict=True))
        for name in sides
    }
    return {name: ratios[name] * statistics.median(times[base]) for name in sides}


class Figures:
    """Prints figures beside their bounds, and remembers whether all were met."""

    def __init__(self) -> None:
        self.good = True

    def at_most(self, what: str, value: float, bound: float, note: str = "") -> None:
        self._tell(what, value, "≤", bound, value <= bound, note)

    def at_least(self, what: str, value: float, bound: float, note: str = "") -> None:
        self._tell(what, value, "≥", bound, value >= bound, note)

    def _tell(self, what: str, value: float, sign: str, bound: float, met: bool, note: str) -> None:
        self.good &= met
        print(
            f"{'ok  ' if met else 'MISS'} {what}: {value:.4g} ({sign} "
            f"{bound:g}){'  ' + note if note else ''}",
            flush=True,
        )

    def exit(self) -> None:
        """End the script: 0 when every figure met its bound."""
        sys.exit(0 if self.good else 1)


if __name__ == "__main__":
    asyncio.run(_serve())
