"""The inbox on PostgreSQL: four uvicorn workers, and what becomes of their events.

    python -m benchmarks.webhooks_postgres [kills|outage|rate|latency|size …] [--events 10000]

kills: a tenth of the events twice, and 20 × kill -9 of a random worker meanwhile · outage: every
process of PostgreSQL killed and started again under load · rate: acknowledged events a second
against the SQLite inbox with one worker · latency: 50 events a second, handlers of 200 ms; and the
time from sending an event to the beginning of its handler on an idle system · size: the tables once
ten times as many events are finished, and all but a tenth of those pruned.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil
import psycopg

from benchmarks.webhooks_verify import EVENT, KEY
from respondio_async.webhooks import sign
from respondio_async.webhooks._postgres import _statements as sql
from respondio_async.webhooks._postgres._schema import PREPARE_SESSION
from respondio_async.webhooks._store import HandlingStep
from tests.support.ports import free_port
from tests.support.postgres import PostgresServer, postgres_server

BOT = """
import asyncio, os, time
from respondio_async.webhooks import WebhookRouter

if stalled := float(os.environ.get("STALLED", 0)):  # tests have less time than users
    from respondio_async.webhooks._postgres import _connection, _inbox
    _inbox.STALLED = stalled
    _inbox.MAINTAIN_EVERY = _connection.BEAT_EVERY = stalled / 6
log = os.open(os.environ["LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
options = {"workers": False} if os.environ.get("RECEIVE_ONLY") else {}
remember = int(os.environ.get("REMEMBER", 1_000_000))
router = WebhookRouter(os.environ["KEY"], inbox=os.environ["INBOX"], remember=remember, **options)

def note(what, context):
    words = [what, context.event.event_id, int(context.redelivered), os.getpid(), time.monotonic()]
    os.write(log, (" ".join(map(str, words)) + "\\n").encode())

@router.on()
async def handle(context):
    note("begin", context)
    await asyncio.sleep(float(os.environ["HANDLER"]))
    note("end", context)

app = router.asgi()
"""


class Deployment:
    """A bot under uvicorn, and the log that its handlers write."""

    def __init__(self, folder: Path, inbox: str, workers: int, **variables: object) -> None:
        (folder / "bot.py").write_text(BOT, encoding="utf-8")
        self.log = folder / f"log-{time.monotonic_ns()}"
        self.log.touch()
        self.port = free_port()
        settings = {"INBOX": inbox, "KEY": KEY, "LOG": self.log, "HANDLER": 0.0, **variables}
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "uvicorn", "bot:app", "--app-dir", str(folder)),
                *("--port", str(self.port), "--workers", str(workers)),
                *("--log-level", "critical", "--no-access-log", "--timeout-keep-alive", "600"),
            ],
            env=os.environ | {name: str(value) for name, value in settings.items()},
            stderr=subprocess.DEVNULL,
        )

    def workers(self) -> list[psutil.Process]:
        """The processes that serve; multiprocessing has helpers of its own."""
        found = []
        for each in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess):  # or a zombie
                if "spawn_main" in " ".join(each.cmdline()):
                    found.append(each)
        return found or [psutil.Process(self.process.pid)]

    async def ready(self, workers: int = 1) -> None:
        """Wait until requests are answered, and so many workers are there."""
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                if len(self.workers()) >= workers:
                    return

    def kill_one(self, dice: random.Random) -> None:
        """Kill a random worker, and write down which; uvicorn starts another."""
        victim = dice.choice(self.workers())
        try:
            victim.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            return
        with suppress(psutil.NoSuchProcess):
            while victim.is_running() and victim.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.001)
        with self.log.open("a") as file:
            file.write(f"killed {victim.pid}\n")

    def stop(self) -> None:
        """End it and its workers."""
        every = [psutil.Process(self.process.pid), *self.workers()]
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            for each in every:
                with suppress(psutil.NoSuchProcess):
                    each.kill()
            self.process.wait()


@asynccontextmanager
async def deployed(
    folder: Path, inbox: str, workers: int, **variables: object
) -> AsyncGenerator[Deployment]:
    """Have a bot while a block lasts."""
    deployment = Deployment(folder, inbox, workers, **variables)
    try:
        await deployment.ready(workers)
        yield deployment
    finally:
        await asyncio.to_thread(deployment.stop)


class Sender:
    """Sends events as respond.io does, and again what was not acknowledged."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.sent_at: dict[str, float] = {}
        self.times: list[float] = []
        """Seconds from a request to its answer of 200."""
        self.acknowledged: set[str] = set()
        self.refusals: list[float] = []
        """Seconds from a request to its answer of 503."""
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def send(self, contact: int, number: int) -> None:
        """Send one event until it is acknowledged."""
        name = f"{contact}-{number}"
        event = {**EVENT, "event_id": name, "contact": {"id": contact}}
        body = json.dumps(event, separators=(",", ":")).encode()
        head = (
            f"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
            f"x-webhook-signature: {sign(body, KEY)}\r\n\r\n"
        )
        self.sent_at.setdefault(name, time.monotonic())
        while not await self._try(head.encode() + body):
            await asyncio.sleep(0.1)
        self.acknowledged.add(name)

    async def _try(self, content: bytes) -> bool:
        writer = None
        began = time.monotonic()
        try:
            if self._idle:
                reader, writer = self._idle.pop()
            else:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(content)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError):
            if writer is not None:
                writer.close()
            return False
        self._idle.append((reader, writer))
        took = time.monotonic() - began
        is_taken = head.startswith(b"HTTP/1.1 200")
        (self.times if is_taken else self.refusals).append(took)
        return is_taken

    async def send_all(
        self, events: int, contacts: int, *, at_once: int, twice: float = 0.0, seed: int = 1
    ) -> None:
        """Send *events*, those of a contact one after another, a share of them twice."""
        dice, room = random.Random(seed), asyncio.Semaphore(at_once)

        async def one_contact(contact: int) -> None:
            for number in range(events // contacts):
                async with room:
                    await self.send(contact, number)
                if dice.random() < twice:
                    async with room:
                        await self.send(contact, dice.randrange(number + 1))

        await asyncio.gather(*[one_contact(contact) for contact in range(1, contacts + 1)])

    def close(self) -> None:
        """Hang up."""
        for _, writer in self._idle:
            writer.close()


class Verdict(NamedTuple):
    """What must not be; each is a count."""

    lost: int
    """Acknowledged, and never handled to the end."""
    again: int
    """Begun after they had ended."""
    unmarked: int
    """Begun a second time and not marked."""
    out_of_order: int
    at_once: int
    """Begun while another of the same contact ran in a process that lived."""


def judge(log: Path, acknowledged: set[str]) -> Verdict:
    """Read what the handlers wrote."""
    begun: set[str] = set()
    ended: set[str] = set()
    running: dict[str, tuple[str, str]] = {}
    newest: dict[str, int] = defaultdict(lambda: -1)
    dead: set[str] = set()
    again = unmarked = out_of_order = at_once = 0
    for line in log.read_text().splitlines():
        what, name, *rest = line.split()
        if what == "killed":
            dead.add(name)
            continue
        contact, number = name.split("-")
        redelivered, process, _ = rest
        if what == "end":
            ended.add(name)
            running.pop(contact, None)
            continue
        again += name in ended
        unmarked += name in begun and redelivered == "0"
        if name not in begun:
            out_of_order += int(number) < newest[contact]
            newest[contact] = max(newest[contact], int(number))
        if contact in running and running[contact][1] not in dead:
            at_once += 1
        begun.add(name)
        running[contact] = (name, process)
    return Verdict(len(acknowledged - ended), again, unmarked, out_of_order, at_once)


async def settled(inbox: str) -> None:
    """Wait until nothing waits in the inbox."""
    async with await psycopg.AsyncConnection.connect(inbox, autocommit=True) as connection:
        while True:
            found = await connection.execute(
                "SELECT count(*) FROM respondio_webhooks.event WHERE body IS NOT NULL"
            )
            if await found.fetchone() == (0,):
                return
            await asyncio.sleep(0.2)


async def under_kills(
    folder: Path,
    inbox: str,
    *,
    events: int,
    contacts: int,
    kills: int,
    disturb: Callable[[Deployment], Awaitable[None]] | None = None,
    **variables: object,
) -> tuple[Verdict, Sender]:
    """Send while workers are killed, each time that so many events were acknowledged."""
    async with deployed(folder, inbox, 4, HANDLER=0.02, **variables) as deployment:
        sender, dice = Sender(deployment.port), random.Random(3)
        sending = asyncio.create_task(
            sender.send_all(events, contacts, at_once=100, twice=0.1), name="sending"
        )
        for kill in range(1, kills + 1):
            while len(sender.acknowledged) < kill * events // (kills + 1):
                await asyncio.sleep(0.02)
            deployment.kill_one(dice)
        if disturb is not None:
            await disturb(deployment)
        await sending
        sender.close()
        await settled(inbox)
    return judge(deployment.log, sender.acknowledged), sender


async def kills(folder: Path, inbox: str, events: int) -> bool:
    """Twenty of them."""
    verdict, sender = await under_kills(folder, inbox, events=events, contacts=200, kills=20)
    print(f"kills: {len(sender.acknowledged)} acknowledged; {verdict} (all 0)")
    return not any(verdict)


async def under_outage(folder: Path, server: PostgresServer, events: int) -> bool:
    """Two crashes, two seconds each, while events come."""
    inbox = server.migrated()

    async def crash(_: Deployment) -> None:
        for _ in range(2):
            await asyncio.sleep(1)
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(2)
            await asyncio.to_thread(server.start)

    verdict, sender = await under_kills(
        folder, inbox, events=events, contacts=100, kills=0, disturb=crash
    )
    slowest = max(sender.refusals, default=0.0)
    print(
        f"outage: {len(sender.acknowledged)} acknowledged, {verdict.lost} of them lost; "
        f"{len(sender.refusals)} refusals, the slowest after {slowest:.2f} s (at most 2)"
    )
    return verdict.lost == 0 and slowest <= 2


async def rate(folder: Path, server: PostgresServer, events: int, rounds: int = 3) -> bool:
    """Both inboxes in turns, on the same machine."""
    rates: dict[str, list[float]] = {"sqlite": [], "postgresql": []}
    for turn in range(rounds):
        for kind, workers in (("sqlite", 1), ("postgresql", 4)):
            inbox = str(folder / f"inbox-{turn}") if kind == "sqlite" else server.migrated()
            async with deployed(folder, inbox, workers) as deployment:
                sender = Sender(deployment.port)
                began = time.monotonic()
                await sender.send_all(events, 400, at_once=200)
                rates[kind].append(len(sender.acknowledged) / (time.monotonic() - began))
                sender.close()
    sqlite, postgres = (statistics.median(each) for each in rates.values())
    print(
        f"rate: {postgres:.0f}/s acknowledged with PostgreSQL and four workers, {sqlite:.0f}/s "
        f"with SQLite and one: {postgres / sqlite:.2f} (at least 0.25)"
    )
    return postgres / sqlite >= 0.25


async def latency(folder: Path, inbox: str, seconds: float) -> bool:
    """Under load, and idle."""
    async with deployed(folder, inbox, 4, HANDLER=0.2) as deployment:
        await asyncio.sleep(3)
        sender = Sender(deployment.port)
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(int(seconds * 50)):
                await asyncio.sleep(max(0.0, began + number / 50 - time.monotonic()))
                group.create_task(sender.send(number % 500 + 1, number))
        times = sorted(sender.times)
        p99 = times[int(len(times) * 0.99)] * 1000
        print(
            f"latency: acknowledged at 50/s, p50 {times[len(times) // 2] * 1000:.0f} ms, "
            f"p99 {p99:.0f} ms (at most 250)"
        )
        await settled(inbox)
        idle = Sender(deployment.port)
        for number in range(100):
            await idle.send(1000 + number, 0)
            await asyncio.sleep(0.3)
        await settled(inbox)
        begins = dict[str, float]()
        for line in deployment.log.read_text().splitlines():
            what, name, *_, at = line.split()
            if what == "begin":
                begins[name] = float(at)
        waits = sorted(begins[name] - at for name, at in idle.sent_at.items())
        print(
            f"latency: sent to handler begun, idle, p50 {waits[50] * 1000:.0f} ms (at most 50), "
            f"p99 {waits[98] * 1000:.0f} ms"
        )
        sender.close()
        idle.close()
    return p99 <= 250 and waits[50] <= 0.05


async def size(inbox: str, events: int) -> None:
    """The inbox's own statements, without handlers: what is left of so many events."""
    async with await psycopg.AsyncConnection.connect(inbox, autocommit=True) as connection:
        await connection.execute(PREPARE_SESSION)
        await connection.execute(sql.STEPS[HandlingStep.FINISHED])
        body = json.dumps(EVENT).encode()
        for first in range(0, events, 100):
            numbers = range(first, first + 100)
            async with connection.transaction():
                accepted = await connection.execute(
                    sql.ACCEPT,
                    {
                        "event_ids": [str(number) for number in numbers],
                        "bodies": [body] * 100,
                        "message_ids": list(numbers),
                        "contact_ids": [number % 400 + 1 for number in numbers],
                        "caught_up": "catch-up:",
                    },
                )
                rows = [row for _, row in await accepted.fetchall()]
            async with connection.transaction(), connection.pipeline():
                for row in rows:
                    await connection.execute(f"EXECUTE finished({row}, 0, 0)")
            await connection.execute("DELETE FROM procrastinate_jobs")
            if first % 1000 == 0:
                await connection.execute(sql.PRUNE, {"remember": events // 10})
        await connection.execute(sql.PRUNE, {"remember": events // 10})
        await asyncio.sleep(70)  # autovacuum looks once a minute
        found = await connection.execute(
            "SELECT relname, pg_total_relation_size(relid) FROM pg_stat_user_tables "
            "WHERE schemaname = 'respondio_webhooks' ORDER BY 2 DESC LIMIT 4"
        )
        print(f"size: {events} events finished, {events // 10} remembered")
        async for name, bytes_ in found:
            print(f"  {name}: {bytes_ / 2**20:.1f} MiB")


async def main(parts: list[str], events: int) -> bool:
    """Run the parts; whether each met its bounds."""
    print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    met = []
    with tempfile.TemporaryDirectory() as name, postgres_server(durable=True) as server:
        folder = Path(name)
        if "kills" in parts:
            met.append(await kills(folder, server.migrated(), events))
        if "outage" in parts:
            met.append(await under_outage(folder, server, events // 5))
        if "rate" in parts:
            met.append(await rate(folder, server, events // 4))
        if "latency" in parts:
            met.append(await latency(folder, server.migrated(), 20))
        if "size" in parts:
            await size(server.migrated(), 10 * events)
    return all(met)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["kills", "outage", "rate", "latency", "size"])
    parser.add_argument("--events", type=int, default=10_000)
    chosen = parser.parse_args()
    sys.exit(not asyncio.run(main(chosen.parts, chosen.events)))
