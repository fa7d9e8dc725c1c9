"""A run for each of three organisations, two workers, and the death of one of them."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from respondio_async.bulk import inspect
from respondio_async.errors import ConfigurationError
from respondio_async.sandbox import Quirks, Sandbox
from tests.support.postgres import postgres_server

SCRIPT = Path(__file__).parents[2] / "examples" / "many_organisations.py"
CONTACTS = 40


def start(folder: Path, sandbox: Sandbox, url: str, *arguments: str) -> "subprocess.Popen[str]":
    """Start the script as a user does."""
    settings = {"RESPONDIO_BASE_URL": sandbox.url, "DATABASE": url, "STALLED": "3"}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments], cwd=folder, text=True, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[1]), **settings},
    )  # fmt: skip


def jobs(url: str, status: str) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(
            "SELECT count(*) FROM procrastinate_jobs WHERE status = %s "
            "AND task_name = 'greet_everybody'",
            (status,),
        ).fetchone()
    return int(found[0]) if found else 0


def ended(folder: Path, organisations: Iterable[str]) -> bool:
    """Whether each organisation's run has come to its end."""
    with suppress(ConfigurationError):  # one that has not begun
        found = [inspect(folder / f"{name}.sqlite") for name in organisations]
        return all(each.done + each.unknown == CONTACTS for each in found)
    return False


def greeted(folder: Path) -> int:
    """How many greetings the journals know of."""
    done = 0
    for path in folder.glob("*.sqlite"):
        with suppress(ConfigurationError):  # it is being made
            done += inspect(path).done
    return done


@pytest.mark.long("starts PostgreSQL and five interpreters")
async def test_a_killed_worker_leaves_its_runs_to_the_other(tmp_path: Path) -> None:
    """Every contact of every organisation is greeted, none twice; a greeting that was under way at
    the kill is reported, and not repeated.
    """
    with (
        postgres_server() as server,
        Sandbox(contacts=CONTACTS, limits_factor=2, quirks=Quirks.calm()) as sandbox,
    ):
        tokens = {"first": sandbox.token}
        tokens |= {
            name: sandbox.add_organisation(contacts=CONTACTS) for name in ("second", "third")
        }
        (tmp_path / "organisations.json").write_text(json.dumps(tokens), encoding="utf-8")
        url = server.database()
        for _ in range(2):  # started twice, each runs once more at most, and does nothing
            starting = start(tmp_path, sandbox, url, "start")
            await asyncio.to_thread(starting.communicate)
            assert starting.returncode == 0
        workers = [start(tmp_path, sandbox, url, "work") for _ in range(2)]
        try:
            while greeted(tmp_path) < CONTACTS // 2:
                await asyncio.sleep(0.05)
            # Whichever worker has them: the third is there to take them up.
            workers.append(start(tmp_path, sandbox, url, "work"))
            workers[0].kill()
            # The journals too: the job of a worker that a busy machine held up is given to another,
            # which ends it because the run is still going on.
            while not ended(tmp_path, tokens) or jobs(url, "doing") or jobs(url, "todo"):
                await asyncio.sleep(0.1)
        finally:
            for worker in workers:
                worker.kill()
                worker.communicate()
        found = {name: inspect(tmp_path / f"{name}.sqlite") for name in tokens}
        assert {each.done + each.unknown for each in found.values()} == {CONTACTS}
        assert sum(each.failed + each.unfinished for each in found.values()) == 0
        assert sandbox.duplicates() == []
        reporting = start(tmp_path, sandbox, url, "report")
        printed, _ = await asyncio.to_thread(reporting.communicate)
        assert printed.count("0 failed") == 3
        assert reporting.returncode == int(any(each.unknown for each in found.values()))
