"""What a command shows while the server does not answer."""

import asyncio
import io
import re
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
