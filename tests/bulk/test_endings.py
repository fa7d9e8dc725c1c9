"""However a work, its source, a worker or a function of the user's ends: the run ends too, counts
every item, and leaves nothing running.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from respondio_async.bulk import Bulk, failures, inspect
from respondio_async.bulk._journal import Journal
from respondio_async.bulk._store import Store
from respondio_async.errors import ConfigurationError, InvalidArgumentError, RespondError
from tests.bulk.fakes import each, echo, outcomes, stray_tasks, unsafe_send
from tests.support.virtual import VIRTUAL

HALF = "half \ud83d"
"""What JSON with a broken emoji decodes to; SQLite takes no such text."""


class Fatal(BaseException):
    """What no `except Exception` catches."""


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError(HALF)


OWN = [Fatal, SystemExit, KeyboardInterrupt]
"""What is meant for the whole program."""
FLOW = [asyncio.CancelledError, GeneratorExit]
"""What is meant for a coroutine: to its reader it would mean something else."""


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Virtual time, but where there is a journal: its thread knows real time only."""
    return ("asyncio", {"debug": True}) if "tmp_path" in request.fixturenames else VIRTUAL


async def end(run: Bulk[Any, Any]) -> tuple[list[Any], BaseException | None]:
    """Read a run to its end, in bounded time; give its outcomes and its error."""
    found: list[Any] = []
    error: BaseException | None = None
    async with asyncio.timeout(600):
        try:
            async with run:
                async for outcome in run:
                    found.append(outcome)
        except (Exception, Fatal, SystemExit, KeyboardInterrupt) as caught:
            error = caught
    assert not stray_tasks()
    assert run.statistics.in_progress == 0
    return found, error


def counted(run: Bulk[Any, Any]) -> int:
    """The items that the run began."""
    return run.statistics.finished + run.statistics.unfinished


@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize("doubtful", [False, True])
async def test_a_work_that_ends_the_program_ends_the_run(
    tmp_path: Path, kind: type[BaseException], doubtful: bool
) -> None:
    """Its error is the run's; its item is unfinished, or unknown when it had sent something."""

    begun: list[int] = []

    async def work(item: int) -> int:
        begun.append(item)
        if item == 5:
            if doubtful:
                await unsafe_send()
            raise kind("mine")
        await asyncio.sleep(item / 100)
        return item

    run = Bulk(work, range(20), key=str, concurrency=6, journal=tmp_path / "j")
    _, error = await end(run)
    assert isinstance(error, kind)
    statistics = run.statistics
    assert counted(run) == len(begun)
    assert statistics.unknown == inspect(tmp_path / "j").unknown == int(doubtful)


@pytest.mark.parametrize("kind", FLOW)
async def test_a_work_that_is_ended_from_within_fails_alone(kind: type[BaseException]) -> None:
    """Somebody cancelled or closed what it waited for; that is its own affair."""

    async def work(item: int) -> int:
        if item == 3:
            raise kind
        return item

    found, error = await end(Bulk(work, range(10)))
    assert error is None
    assert [(o.item, type(o.error)) for o in found if not o.ok] == [(3, RespondError)]
    assert len(found) == 10


def broken_source(kind: type[BaseException], asynchronous: bool) -> Any:
    def items() -> Iterator[int]:
        yield from range(5)
        raise kind("from the source")

    async def read() -> AsyncIterator[int]:
        for item in range(5):
            yield item
        raise kind("from the source")

    return read() if asynchronous else items()


@pytest.mark.parametrize("kind", [OSError, *OWN, *FLOW])
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("journalled", [False, True])
async def test_a_source_that_ends_by_anything_ends_the_run_with_it(
    tmp_path: Path, kind: type[BaseException], asynchronous: bool, journalled: bool
) -> None:
    """The items before it are done; then its error is raised, as one that can be caught."""
    journal = tmp_path / "j" if journalled else None
    run = Bulk(echo, broken_source(kind, asynchronous), key=str, journal=journal)
    found, error = await end(run)
    assert sorted(o.item for o in found) == list(range(5))
    assert isinstance(error, RespondError if kind in FLOW else kind)


def raising(kind: type[BaseException]) -> Callable[..., Any]:
    def function(*_: object) -> Any:
        raise kind

    return function


async def failing(item: int) -> None:
    raise ValueError


@pytest.mark.parametrize("kind", [LookupError, *OWN, *FLOW])
@pytest.mark.parametrize("argument", ["key", "stop_on"])
async def test_a_function_of_the_users_that_raises_stops_nothing_unheard(
    kind: type[BaseException], argument: str
) -> None:
    """A key's ordinary error is its item's; all else ends the run."""
    options: dict[str, Any] = {argument: raising(kind)}
    run = Bulk(failing, range(5), **options)
    found, error = await end(run)
    if kind is LookupError and argument == "key":
        assert error is None
        assert len(found) == 5
    else:
        assert isinstance(error, RespondError if kind in FLOW else kind)
    assert run.statistics.failed == len(found)


async def test_leaving_a_work_that_swallows_every_cancellation_is_bounded() -> None:
    """Leaving it takes the grace, and two seconds at most."""
    release = asyncio.Event()

    async def work(item: int) -> None:
        while item and not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                pass

    loop = asyncio.get_running_loop()
    async with Bulk(work, range(3), grace=3) as run:
        await anext(run)
        began = loop.time()
    assert loop.time() - began < 5.1
    release.set()
    while stray_tasks():
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("doubtful", [False, True])
async def test_a_work_that_swallows_every_cancellation_is_left_to_itself(
    tmp_path: Path, doubtful: bool, caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    """The item is counted, and what it does later harms nobody."""
    monkeypatch.setattr("respondio_async.bulk._runner._CLEANUP", 0.05)
    release = asyncio.Event()
    swallowed = 0

    async def work(item: int, step: Any) -> None:
        nonlocal swallowed
        if item == 1 and doubtful:
            await unsafe_send()
        while item and not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                swallowed += 1
        await step("late", unsafe_send)

    run = Bulk(work, range(3), key=str, concurrency=3, journal=tmp_path / "j", grace=0.05)
    async with asyncio.timeout(60), run:
        await anext(run)
    assert swallowed >= 2
    assert (run.statistics.unknown, run.statistics.unfinished) == (int(doubtful), 2 - doubtful)
    assert "must let CancelledError pass" in caplog.text
    summary = inspect(tmp_path / "j")
    assert (summary.unknown, summary.unfinished) == (int(doubtful), 2 - doubtful)
    before = run.statistics
    release.set()
    while stray_tasks():
        await asyncio.sleep(0.01)
    assert run.statistics == before


async def test_a_source_that_swallows_every_cancellation_is_left_to_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It holds nobody up for longer than it takes to notice."""
    release = asyncio.Event()

    async def rude() -> AsyncIterator[int]:
        yield 1
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                pass

    loop = asyncio.get_running_loop()
    began = loop.time()
    async with Bulk(echo, rude()) as run:
        await anext(run)
    assert loop.time() - began < 5
    assert "the source of a bulk run goes on" in caplog.text
    release.set()
    while stray_tasks():
        await asyncio.sleep(0.1)


async def test_leaving_a_run_whose_source_waits_costs_no_grace() -> None:
    """Workers without an item have nothing to end; those with one keep their time."""
    ended: list[int] = []

    async def slow() -> AsyncIterator[int]:
        yield 1
        yield 2
        await asyncio.sleep(10_000)

    async def work(item: int) -> None:
        await asyncio.sleep(item * 2)
        ended.append(item)

    loop = asyncio.get_running_loop()
    began = loop.time()
    async with Bulk(work, slow(), grace=1_000) as run:
        await anext(run)
    assert ended == [1, 2]
    assert loop.time() - began < 5
    assert not stray_tasks()


@pytest.mark.parametrize("journalled", [False, True])
async def test_a_key_or_a_step_that_cannot_be_stored_is_its_items_error(
    tmp_path: Path, journalled: bool
) -> None:
    """`InvalidArgumentError` for that item; all others are done."""

    async def work(item: str, step: Any) -> None:
        await step(HALF if item == "b" else "fine", lambda: echo(1))

    journal = tmp_path / "j" if journalled else None
    run = Bulk(work, ["a", "b", HALF, "c", "\ud800"], key=str, journal=journal)
    found, error = await end(run)
    assert error is None
    wrong = {o.item: o.error for o in found if not o.ok}
    assert set(wrong) == {"b", HALF, "\ud800"}
    assert all(isinstance(each, InvalidArgumentError) for each in wrong.values())
    assert [wrong[item].argument for item in ("b", HALF)] == ["name", "key"]  # type: ignore[union-attr]


async def test_any_error_text_can_be_stored(tmp_path: Path) -> None:
    """Halves of surrogate pairs are escaped, and a text that cannot be made is said to be so; an
    item or a result of that kind is kept without its content.
    """
    errors = [ValueError(HALF), Unprintable(), OSError(2, HALF), ValueError("\0 \x80")]

    async def work(item: int, step: Any) -> str:
        await step("text", lambda: echo(HALF))
        if item < len(errors):
            raise errors[item]
        return HALF

    run = Bulk(work, range(9), key=str, journal=tmp_path / "j")
    found, error = await end(run)
    assert error is None
    assert len(found) == 9
    reasons = [failed.reason for failed in failures(tmp_path / "j")]
    assert reasons[0] == "half \\ud83d"
    assert "cannot be made" in reasons[1]
    assert len(reasons) == len(errors)
    assert [result.value for result in run.results()] == [None] * 9


PLACES = ["claim", "leftovers", "intend", "retract", "step_returned", "end"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", [ValueError, UnicodeError, StopIteration, *OWN, *FLOW])
async def test_a_journal_that_ends_anywhere_ends_the_run_with_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, kind: type[BaseException]
) -> None:
    """No worker, no consumer and no leaving waits for a thread that is gone."""
    monkeypatch.setattr(Store, place, raising(kind))

    async def work(item: int, step: Any) -> None:
        await step("unsent", lambda: unsafe_send(unsent=True))
        await step("sent", unsafe_send)

    run = Bulk(work, each(50), key=str, concurrency=4, journal=tmp_path / "j")
    _, error = await end(run)
    assert isinstance(error, ConfigurationError)
    monkeypatch.undo()
    assert inspect(tmp_path / "j").sessions == 1
    await outcomes(Bulk(echo, [1], key=str, journal=tmp_path / "j", on_unknown="repeat"))


async def test_workers_that_are_cancelled_before_their_first_step_are_counted_out() -> None:
    """The run does not wait for tasks that never ran."""
    run = Bulk(echo, range(10))
    async with asyncio.timeout(60):
        async with run:
            for task in asyncio.all_tasks():
                if task.get_name() == "respondio-bulk-worker":
                    task.cancel()
            assert [outcome async for outcome in run] == []


async def test_a_source_that_cannot_begin_leaves_nothing_open(tmp_path: Path) -> None:
    """The journal can be had by the next run at once."""

    class Broken:
        def __iter__(self) -> Iterator[int]:
            raise OSError("cannot begin")

    for _ in range(2):
        with pytest.raises(OSError, match="cannot begin"):
            await outcomes(Bulk(echo, Broken(), key=str, journal=tmp_path / "j"))
    journal = Journal(tmp_path / "j", "work", on_failure=print)
    await journal.open()
    await journal.aclose()
