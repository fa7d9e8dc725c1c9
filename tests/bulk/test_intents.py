"""What a process that is killed now leaves behind: at every moment, the journal tells of each send
that may have landed.
"""

import asyncio
import random
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from respondio_async.bulk import Bulk
from respondio_async.errors import OutcomeUnknownError
from tests.bulk.fakes import unsafe_send, withdraw


class Sends:
    """The sends of a run, as a server counts them, beside what the journal says of them."""

    def __init__(self, journal: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.landed: Counter[tuple[str, str]] = Counter()
        self.lost: list[tuple[str, str]] = []
        """Item and step of sends that a run after a kill would do again."""
        self._journal = journal

    def look(self) -> None:
        """Read the journal as the next run would after a kill at this moment."""
        with closing(sqlite3.connect(self._journal)) as connection:
            steps = "SELECT key, name FROM steps JOIN items ON items.id = steps.item"
            known = set(connection.execute(steps))
            ended = {key for (key,) in connection.execute("SELECT key FROM items WHERE state <> 0")}
        may_have_landed = {send for send, count in self.landed.items() if count}
        self.lost += [send for send in may_have_landed - known if send[0] not in ended]

    async def send(self, key: str, step: str) -> None:
        """Send one message, and meet anything."""
        ending = self.random.choice(["unsent", "refused", "unknown", "fails", "returns", "returns"])
        await unsafe_send(unsent=ending == "unsent")
        if ending == "unsent":
            return
        self.landed[key, step] += 1
        self.look()
        await asyncio.sleep(self.random.random() / 100)
        if ending == "refused":
            self.landed[key, step] -= 1
            withdraw()
        elif ending == "unknown":
            raise OutcomeUnknownError("torn", endpoint="POST /x", reason="reset")
        elif ending == "fails":
            raise ValueError

    async def several(self, key: str, step: str) -> None:
        """Send up to three messages at once, of which one may be given up, early or late."""
        sends = [
            asyncio.create_task(self.send(key, step)) for _ in range(self.random.randint(1, 3))
        ]
        await asyncio.sleep(self.random.choice([0, 0, 0.002]))
        if self.random.random() < 0.5:
            self.random.choice(sends).cancel()
        found = await asyncio.gather(*sends, return_exceptions=True)
        errors = [error for error in found if isinstance(error, Exception)]
        if errors and self.random.random() < 0.5:
            raise errors[0]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("stops", [False, True], ids=["to the end", "stopped"])
async def test_a_send_that_may_have_landed_is_always_on_record(
    tmp_path: Path, seed: int, stops: bool
) -> None:
    """Whatever happens to the sends beside it: they fail, are refused, or are given up before or
    after they leave.
    """
    path = tmp_path / "run.sqlite"
    sends = Sends(path, seed)

    async def work(item: int, step: Any) -> None:
        key = str(item)
        await sends.several(key, "")
        await step("named", lambda: sends.several(key, "named"))

    async with Bulk(work, range(40), key=str, concurrency=8, journal=path, grace=0.01) as run:
        async for _ in run:
            if stops and run.statistics.finished > 15:
                break
    sends.look()
    assert sum(sends.landed.values()) > 10
    assert sends.lost == []
