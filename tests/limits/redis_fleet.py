"""Several processes that share one limit, against a judge that counts as strictly as a server can.

The judge is a process of its own: a log of what it accepted, never more than the limit in any one
second, times taken from the monotonic clock when a request arrives. The workers are processes of
their own as well, each with its own `RedisRateLimiter`.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from respondio_async import RateLimit
from respondio_async.errors import RespondError
from respondio_async.limits._protocol import Feedback

ROUTE = "GET /contact/{identifier}"


class Judge:
    """A sliding log of one second. Refused requests are not counted."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._recent: deque[float] = deque()
        self._arrivals: list[tuple[float, bool, bool]] = []

    def decide(self, *, ours: bool) -> bytes:
        """Whether it is accepted, and how many are left."""
        now = time.monotonic()
        while self._recent and self._recent[0] <= now - 1.0:
            self._recent.popleft()
        accepted = len(self._recent) < self._limit
        if accepted:
            self._recent.append(now)
        self._arrivals.append((now, accepted, ours))
        return (b"+" if accepted else b"-") + bytes([min(255, self._limit - len(self._recent))])

    async def serve(self) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while question := await reader.read(1):
                if question == b"?":
                    writer.write(json.dumps(self._arrivals).encode() + b"\n")
                else:
                    writer.write(self.decide(ours=question == b"!"))
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


async def work(
    redis_url: str, judge: int, limit: float, tasks: int, seconds: float, share: float, headers: int
) -> dict[str, Any]:
    """Send as fast as the limiter lets us; what came of it. *headers*: whether it is told what the
    judge has left.
    """
    import redis.asyncio

    from respondio_async.limits.redis import RedisRateLimiter

    client = redis.asyncio.Redis.from_url(redis_url)
    limiter = RedisRateLimiter(client, "fleet", limits={ROUTE: limit}, share=share)
    failures: list[str] = []
    longest = 0.0
    # Importing takes these processes a second; what is judged begins when all of them are ready.
    print("ready", flush=True)
    sys.stdin.readline()
    end = time.monotonic() + seconds
    last = [time.monotonic()]

    async def one() -> None:
        nonlocal longest
        reader, writer = await asyncio.open_connection("127.0.0.1", judge)
        try:
            while time.monotonic() < end:
                reservation = await limiter.reserve(ROUTE, timeout=seconds + 30.0)
                if time.monotonic() >= end:
                    reservation.abandon()
                    break
                await reservation.permit()
                start = time.monotonic()
                longest, last[0] = max(longest, start - last[0]), start
                writer.write(b"!")
                verdict, remaining = await reader.readexactly(2)
                round_trip = time.monotonic() - start
                status, retry_after = (200, None) if verdict == ord("+") else (429, 1.0)
                told = RateLimit(limit, remaining) if headers else None
                limiter.update(reservation, Feedback(status, told, retry_after, round_trip))
        except (RespondError, OSError) as error:
            failures.append(repr(error))
        finally:
            writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(tasks):
            group.create_task(one())
    await client.aclose()
    longest = max(longest, end - last[0])
    granted = limiter.statistics()[ROUTE].granted
    return {"failures": failures, "granted": granted, "longest": longest}


class Fleet:
    """A judge and the workers that it judges."""

    def __init__(self, redis_url: str, limit: int) -> None:
        self._url = redis_url
        self._limit = limit
        self._judge = subprocess.Popen(
            [sys.executable, "-m", "tests.limits.redis_fleet", "judge", str(limit)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._judge.stdout is not None
        self._port = int(self._judge.stdout.readline())
        self.workers: list[subprocess.Popen[str]] = []

    def launch(
        self,
        processes: int,
        seconds: float,
        *,
        tasks: int = 10,
        cut_off: int = 0,
        headers: bool = True,
    ) -> None:
        """Start the workers, and let them go once all of them are there; so many of them cannot
        reach Redis. *headers*: whether they are told what the judge has left.
        """
        for place in range(processes):
            words = [
                sys.executable,
                "-m",
                "tests.limits.redis_fleet",
                "work",
                "redis://127.0.0.1:1" if place < cut_off else self._url,
                str(self._port),
            ]
            words += [str(self._limit), str(tasks), str(seconds), str(1 / processes)]
            words.append(str(int(headers)))
            pipe = subprocess.PIPE
            self.workers.append(
                subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
            )
        for worker in self.workers:
            assert worker.stdout is not None
            worker.stdout.readline()
        for worker in self.workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()

    async def neighbour(self, times: Iterator[float]) -> None:
        """Somebody else's requests, at these times from now on."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        began = time.monotonic()
        for at in times:
            await asyncio.sleep(began + at - time.monotonic())
            writer.write(b"n")
            await reader.readexactly(2)
        writer.close()

    async def wait(self) -> "Verdict":
        """Wait for the workers that still run; what the judge saw."""
        failures: list[str] = []
        granted: list[int] = []
        longest: list[float] = []
        warnings = 0
        for worker in self.workers:
            output, errors = await asyncio.to_thread(worker.communicate)
            warnings += errors.count("Redis does not answer")
            if worker.returncode == 0:
                said = json.loads(output)
                failures += said["failures"]
                granted.append(said["granted"])
                longest.append(said["longest"])
            elif worker.returncode > 0:
                failures.append(errors)
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 26)
        writer.write(b"?")
        arrivals = json.loads(await reader.readline())
        writer.close()
        await writer.wait_closed()
        verdict = Verdict(arrivals, self._limit, failures, warnings)
        verdict.granted, verdict.longest = granted, max(longest, default=0.0)
        return verdict

    def close(self) -> None:
        for process in (*self.workers, self._judge):
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()


@contextmanager
def fleet(redis_url: str, limit: int) -> Iterator[Fleet]:
    """Ready to launch, and surely ended afterwards."""
    fleet = Fleet(redis_url, limit)
    try:
        yield fleet
    finally:
        fleet.close()


class Verdict:
    """What arrived."""

    def __init__(
        self,
        arrivals: list[tuple[float, bool, bool]],
        limit: int,
        failures: list[str],
        warnings: int,
    ) -> None:
        self._all = arrivals
        self.arrivals = [at for at, _, ours in arrivals if ours]
        self.limit = limit
        self.refused = sum(ours and not accepted for _, accepted, ours in arrivals)
        self.theirs = sum(accepted and not ours for _, accepted, ours in arrivals)
        """Accepted of the neighbour's."""
        self.failures = failures
        self.warnings = warnings
        self.granted: list[int] = []
        """Permits of each process."""
        self.longest = 0.0
        """The longest time that a process was without a permit, in seconds."""

    def after(self, seconds: float) -> "Verdict":
        """The same without what arrived before."""
        begin = self.arrivals[0] + seconds
        late = [each for each in self._all if each[0] >= begin]
        verdict = Verdict(late, self.limit, self.failures, self.warnings)
        verdict.granted, verdict.longest = self.granted, self.longest
        return verdict

    @property
    def most_in_a_second(self) -> int:
        recent: deque[float] = deque()
        most = 0
        for at in self.arrivals:
            recent.append(at)
            while recent[0] <= at - 1.0:
                recent.popleft()
            most = max(most, len(recent))
        return most

    @property
    def use(self) -> float:
        """What was accepted of ours, as a part of what the neighbour left, between our first
        arrival and our last.
        """
        span = self.arrivals[-1] - self.arrivals[0]
        return (len(self.arrivals) - 1 - self.refused) / (span * self.limit - self.theirs)


def main() -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    judge = commands.add_parser("judge")
    judge.add_argument("limit", type=int)
    worker = commands.add_parser("work")
    worker.add_argument("redis_url")
    for name, kind in (
        ("judge", int),
        ("limit", float),
        ("tasks", int),
        ("seconds", float),
        ("share", float),
        ("headers", int),
    ):
        worker.add_argument(name, type=kind)
    given = vars(parser.parse_args())
    if given.pop("command") == "judge":
        asyncio.run(Judge(given["limit"]).serve())
    else:
        print(json.dumps(asyncio.run(work(**given))))


if __name__ == "__main__":
    main()
