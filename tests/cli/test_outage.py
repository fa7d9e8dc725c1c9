"""What a command shows of a run: how long the rest will take, or that the server does not
answer.
"""

import asyncio
import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from respondio_async import LocalRateLimiter
from respondio_async.cli._bulk import BulkJob, BulkView
from tests.support.scripted import UNSENT, answer, scripted
from tests.support.virtual import VIRTUAL

ROUTE = "GET /contact/{identifier}"
GOOD = answer(200, b'{"id": 7, "firstName": "Ada"}')


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL


@pytest.mark.anyio
async def test_a_run_in_an_outage_says_since_when_and_when_it_looks_again() -> None:
    """In a line, and in the picture; before and after it, it says how long the rest will take."""
    clock = asyncio.get_running_loop().time
    began = clock()
    client, _, _ = scripted(
        lambda _: UNSENT if 10 <= clock() - began < 40 else GOOD,
        limiter=LocalRateLimiter({ROUTE: 5.0}),
    )
    job = BulkJob(
        "test", client.contacts.get, lambda: range(1, 101), str, str, 100, operations={ROUTE: 100}
    )
    async with client.bulk(job.work, job.items()) as run:
        view = BulkView(client, run, job)
        draining = asyncio.ensure_future(run.drain())
        lines, pictures = [], []
        for _ in range(45):
            await asyncio.sleep(1)
            elapsed = clock() - began
            lines.append(view.sentence(elapsed))
            console = Console(width=200, record=True, file=io.StringIO())
            console.print(view.picture(elapsed))
            pictures.append(console.export_text())
        await draining
    waiting = re.compile(r"the server does not answer since \d\d:\d\d, trying again (now|in \d s)")
    assert re.search(r"50/100 · 0 failed · .* · about 10 s left", lines[9])
    for line, picture in list(zip(lines, pictures, strict=True))[15:38]:
        assert re.search(waiting.pattern + r"; \d+ of 100 done", line)
        assert waiting.search(picture)
    assert {found[1] for line in lines if (found := waiting.search(line))} >= {"in 5 s", "in 1 s"}
    assert re.search(r"about \d s left", lines[-2]) or "100/100" in lines[-2]
    assert not waiting.search(lines[-1])


@pytest.mark.anyio
async def test_a_resumed_run_is_judged_by_its_own_speed(tmp_path: Path) -> None:
    """What an earlier run has done took this one no time: it says nothing of the rest."""
    client, _, _ = scripted(GOOD)
    journal = tmp_path / "run.sqlite"

    async def work(item: int) -> None:
        if item >= 900:
            await asyncio.sleep(10)

    async with client.bulk(work, range(900), key=str, journal=journal) as earlier:
        await earlier.drain()
    job = BulkJob("test", work, lambda: range(1000), str, str, 1000, operations={ROUTE: 1000})
    async with client.bulk(
        work, job.items(), key=str, journal=journal, total=1000, concurrency=1
    ) as run:
        view = BulkView(client, run, job)
        async for outcome in run:
            if outcome.item == 949:
                break
        # The clock jumps while the journal's thread writes: it may be later than it seems.
        found = re.search(r"about (\d+) min left", view.sentence(500.0))
    assert found is not None
    assert int(found[1]) >= 7
