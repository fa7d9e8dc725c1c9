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

import httpx

from benchmarks.common import Figures
from respondio_async import AsyncRespond, OutcomeUnknownError, RespondError
from respondio_async._transport import _borrowed
from tests.faults import server as faults
from tests.faults.server import Exchange, Fault, FaultServer
from tests.faults.support import GOOD, KINDS, QUICK, connected
from tests.support.scripted import OpenLimiter

SILENT: tuple[Fault, ...] = (
    faults.hang(),
    faults.hang(processed=False),
    faults.hang_in_body(),
)
"""Only the client's own timeout ends these."""

CLOSING = faults.close_after(200, GOOD)
"""A good answer after which the server closes without a word: the next request may still go out on
that connection, and nobody then knows what became of it.
"""

GOOD_ANSWER = faults.answer(200, GOOD)

FAULTS: tuple[Fault, ...] = (
    *SILENT,
    CLOSING,
    faults.reset_unread(),
    faults.reset_midway(),
    faults.reset(),
    faults.reset(processed=False),
    faults.hang_up(),
    faults.hang_up(processed=False),
    faults.reset_in_head(),
    faults.reset_after_head(),
    faults.torn(GOOD),
    faults.torn_chunked(GOOD),
    faults.bad_chunk(),
    faults.garbage(),
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
class Sending:
    """One message of the storm: everything about it is drawn before it is sent, so that the machine
    decides nothing but when.
    """

    text: str
    faults: list[Fault]
    """What becomes of its first, second and third request."""
    cancel_after: float | None
    """Seconds."""

    @property
    def silent(self) -> bool:
        return any(fault in SILENT for fault in self.faults)

    @property
    def timeout(self) -> httpx.Timeout:
        """Short only where nothing else ends the call: a slow machine is no fault."""
        return httpx.Timeout(60.0, read=0.1 if self.silent else 60.0)

    @property
    def undisturbed(self) -> bool:
        """Nothing but a connection that was closed in silence keeps it from being sent."""
        good = self.faults[0] in (GOOD_ANSWER, CLOSING)
        return good and not self.silent and self.cancel_after is None


@dataclass
class Tally:
    """What callers were told, and what was broken."""

    told: Counter[str] = field(default_factory=Counter)
    undisturbed: int = 0
    """See `Sending.undisturbed`."""
    closings: int = 0
    """Connections that the server closed without a word, each of which may have cost one of
    those.
    """
    duplicates: int = 0
    lost: int = 0
    """Successes that were not done."""
    lies: int = 0
    """Definite errors of what was done."""


def draw(kind: str, sends: int, *, seed: int, share: float) -> list[Sending]:
    """The messages of a storm in which a *share* of the exchanges is broken and one call in ten is
    cancelled.
    """
    dice = random.Random(f"{kind}/{seed}")
    return [
        Sending(
            text=f"{number}",
            faults=[
                dice.choice(FAULTS) if dice.random() < share else GOOD_ANSWER
                for _ in range(QUICK.max_attempts)
            ],
            cancel_after=dice.random() * 0.03 if dice.random() < 0.1 else None,
        )
        for number in range(sends)
    ]


async def storm(
    kind: str, sends: int, *, seed: int, share: float = 0.33, concurrency: int = 24
) -> Tally:
    """Send *sends* messages, each with a text of its own, while a *share* of the exchanges is
    broken.
    """
    sendings = draw(kind, sends, seed=seed, share=share)
    plans = {sending.text: iter(sending.faults) for sending in sendings}
    closings = 0

    async def moody(exchange: Exchange) -> None:
        nonlocal closings
        # A fault may break the connection before the body is read, so the head names the message.
        fault = next(plans[exchange.headers["x-message"]], GOOD_ANSWER)
        closings += fault is CLOSING
        await fault(exchange)

    told: dict[str, str] = {}
    async with FaultServer(default=moody) as server:
        async with connected(
            kind, server.url, limiter=OpenLimiter(), max_connections=12, deadline=None
        ) as client:
            waiting = iter(sendings)

            async def work() -> None:
                for sending in waiting:
                    told[sending.text] = await _send(client, sending)

            await asyncio.gather(*(work() for _ in range(concurrency)))
        done = Counter(
            json.loads(each.body)["message"]["text"] for each in server.requests if each.processed
        )
    tally = Tally(undisturbed=sum(sending.undisturbed for sending in sendings), closings=closings)
    for text, outcome in told.items():
        tally.told[outcome] += 1
        tally.duplicates += done[text] > 1
        tally.lost += outcome == "sent" and done[text] == 0
        tally.lies += outcome == "not sent" and done[text] > 0
    return tally


async def _send(client: AsyncRespond, sending: Sending) -> str:
    view = client.with_options(timeout=sending.timeout, headers={"X-Message": sending.text})
    task = asyncio.ensure_future(view.messages.send(7, sending.text))
    if sending.cancel_after is not None:
        asyncio.get_running_loop().call_later(sending.cancel_after, task.cancel)
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
