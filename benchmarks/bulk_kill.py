"""Kill a run with sends again and again: nothing is lost, nothing is sent twice, and no doubt is
kept quiet.

A sandbox counts what arrives. A child process works through the items (upsert, then a message, as
two steps) and is killed with SIGKILL at a random moment, many times; the last child runs to its end
and reports the sends whose outcome nobody knows. Run: python benchmarks/bulk_kill.py
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from respondio_async import AsyncRespond
from respondio_async.bulk import failures
from respondio_async.limits import LocalRateLimiter
from respondio_async.sandbox import Sandbox
from respondio_async.sandbox.quirks import Quirks

SEND = "POST /contact/{identifier}/message"
UPSERT = "POST /contact/create_or_update/{identifier}"


class Result(msgspec.Struct):
    kills: int
    sent: int
    lost: list[int]
    """Items that were neither sent nor reported."""
    doubled: list[int]
    unreported: list[int]
    """Items that the journal holds as in doubt and that the last run did not report."""
    reported: list[int]
    """Items whose outcome the last run called unknown."""
    seconds: float


async def child(url: str, token: str, journal: str, count: int, first_id: int) -> None:
    """Work through the items; print a line when the run has begun, and one at its end."""
    limiter = LocalRateLimiter(limits={SEND: 400.0, UPSERT: 400.0})
    async with AsyncRespond(token, base_url=url, limiter=limiter) as client:

        async def work(number: int, step: Any) -> None:
            who = first_id + number
            await step(
                "upsert", lambda: client.contacts.create_or_update(who, first_name=f"N{number}")
            )
            await step("hello", lambda: client.messages.send(who, f"hello {number}"))

        unknown, failed = [], []
        async with client.bulk(work, range(count), key=str, journal=journal, concurrency=4) as run:
            print("begun", flush=True)
            async for outcome in run:
                if outcome.unknown:
                    unknown.append(outcome.item)
                elif not outcome.ok:
                    failed.append(f"{outcome.item}: {outcome.error!r}")
    print(json.dumps({"unknown": unknown, "failed": failed}), flush=True)


def launch(*arguments: object) -> "subprocess.Popen[str]":
    root = Path(__file__).parent.parent
    return subprocess.Popen(
        [sys.executable, __file__, "--child", *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )


def measure(*, kills: int, count: int, within: float, seed: int = 0) -> Result:
    """Kill *kills* children, each up to *within* seconds after it has begun, then let one end."""
    chance = random.Random(seed)
    began = time.monotonic()
    killed = 0
    sandbox = Sandbox(contacts=count, limits=None, quirks=Quirks.calm(), latency=0.01)
    with tempfile.TemporaryDirectory() as folder, sandbox:
        journal = Path(folder) / "run.sqlite"
        arguments = (
            sandbox.url,
            sandbox.token,
            journal,
            count,
            min(contact.id for contact in sandbox.contacts),
        )
        for _ in range(kills):
            with launch(*arguments) as process:
                assert process.stdout is not None
                process.stdout.readline()
                time.sleep(chance.random() * within)
                killed += process.poll() is None
                process.kill()
        with launch(*arguments) as process:
            output, _ = process.communicate()
        last = json.loads(output.splitlines()[-1])
        doubtful = {int(item.key) for item in failures(journal) if item.unknown}
        assert not last["failed"], last["failed"][:5]
        sends = Counter(
            int(arrival.body["message"]["text"].split()[1])
            for arrival in sandbox.requests
            if arrival.template == SEND and arrival.processed
        )
    reported = set(last["unknown"])
    return Result(
        kills=killed,
        sent=sum(sends.values()),
        lost=[number for number in range(count) if not sends[number] and number not in reported],
        doubled=[number for number, times in sends.items() if times > 1],
        unreported=sorted(doubtful - set(last["unknown"])),
        reported=sorted(reported),
        seconds=time.monotonic() - began,
    )


if __name__ == "__main__":
    if "--child" in sys.argv:
        url, token, journal, count, first_id = sys.argv[2:]
        asyncio.run(child(url, token, journal, int(count), int(first_id)))
        raise SystemExit
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--items", type=int, default=2_000)
    parser.add_argument("--within", type=float, default=0.15, help="seconds")
    options = parser.parse_args()
    result = measure(kills=options.kills, count=options.items, within=options.within)
    print(
        f"{result.kills} kills in one run of {options.items} items, {result.seconds:.0f} s: "
        f"{result.sent} sent"
    )
    print(
        f"lost {len(result.lost)}, doubled {len(result.doubled)}, in doubt and unreported "
        f"{len(result.unreported)}"
        f" (reported as in doubt: {len(result.reported)})"
    )
    raise SystemExit(bool(result.lost or result.doubled or result.unreported))
