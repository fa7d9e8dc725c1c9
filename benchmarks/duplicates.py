"""Ten thousand messages through a server that breaks every third exchange: how many are sent twice?

    python -m benchmarks.duplicates [--sends 12000] [--seed 1]

Over every backend and borrowed clients of both libraries; one call in ten is cancelled at a random
moment. The server's ledger is held against what each caller was told: success means once, a
definite error means not at all, and nothing is ever done twice.
"""

import argparse
import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass, field

from benchmarks.common import Figures
from respondio_async import AsyncRespond, OutcomeUnknownError, RespondError
from respondio_async._transport import _borrowed
from tests.faults import server as faults
from tests.faults.server import Exchange, Fault, FaultServer
from tests.faults.support import GOOD, KINDS, connected
from tests.scripted import OpenLimiter

FAULTS: tuple[Fault, ...] = (
    faults.reset_unread(),
    faults.reset_midway(),
    faults.reset(),
    faults.reset(processed=False),
    faults.hang_up(),
    faults.hang_up(processed=False),
    faults.hang(),
    faults.hang(processed=False),
    faults.hang_in_body(),
    faults.reset_in_head(),
    faults.reset_after_head(),
    faults.torn(GOOD),
    faults.torn_chunked(GOOD),
    faults.bad_chunk(),
    faults.garbage(),
    faults.close_after(200, GOOD),
    faults.close_after(200, GOOD, say_so=True),
    faults.answer(200, GOOD, delay=0.02),
    faults.answer(200, b"<html>"),
    faults.answer(500, b"{}"),
    faults.answer(502, b"{}"),
    faults.answer(504, b"{}"),
    faults.refuse(503),
    faults.refuse(429),
    faults.refuse(449),
    faults.refuse(400),
)


@dataclass
class Tally:
    """What callers were told, and what was broken."""

    told: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    lost: int = 0
    """Successes that were not done."""
    lies: int = 0
    """Definite errors of what was done."""


async def storm(
    kind: str, sends: int, *, seed: int, share: float = 0.33, concurrency: int = 24
) -> Tally:
    """Send *sends* messages, each with a text of its own, while a *share* of the exchanges is
    broken.
    """
    dice = random.Random(f"{kind}/{seed}")
    good = faults.answer(200, GOOD)

    async def moody(exchange: Exchange) -> None:
        await (dice.choice(FAULTS) if dice.random() < share else good)(exchange)

    tally = Tally()
    told: dict[str, str] = {}
    async with FaultServer(default=moody) as server:
        async with connected(
            kind, server.url, timeout=0.1, limiter=OpenLimiter(), max_connections=12
        ) as client:
            numbers = iter(range(sends))

            async def work() -> None:
                for number in numbers:
                    told[f"{number}"] = await _send(client, f"{number}", dice)

            await asyncio.gather(*(work() for _ in range(concurrency)))
        done = Counter(
            json.loads(each.body)["message"]["text"] for each in server.requests if each.processed
        )
    for text, outcome in told.items():
        tally.told[outcome] += 1
        tally.duplicates += done[text] > 1
        tally.lost += outcome == "sent" and done[text] == 0
        tally.lies += outcome == "not sent" and done[text] > 0
    return tally


async def _send(client: AsyncRespond, text: str, dice: random.Random) -> str:
    task = asyncio.ensure_future(client.messages.send(7, text))
    if dice.random() < 0.1:
        asyncio.get_running_loop().call_later(dice.random() * 0.03, task.cancel)
    try:
        await task
    except OutcomeUnknownError:
        return "unknown"
    except RespondError:
        return "not sent"
    except asyncio.CancelledError:
        return "cancelled"
    return "sent"


async def main(sends: int, seed: int) -> None:
    _borrowed.ABANDONED = 0.1  # type: ignore[misc]  # what a cancelled caller leaves in a borrowed client
    figures = Figures()
    total = Tally()
    for kind in KINDS:
        tally = await storm(kind, sends // len(KINDS), seed=seed)
        print(f"{kind}: {dict(tally.told)}")
        total.told += tally.told
        total.duplicates += tally.duplicates
        total.lost += tally.lost
        total.lies += tally.lies
    figures.at_most(f"duplicates in {total.told.total()} sends", total.duplicates, 0)
    figures.at_most("successes that were not done", total.lost, 0)
    figures.at_most("definite errors of what was done", total.lies, 0)
    figures.exit()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sends", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.sends, arguments.seed))
