"""However a run ends, what was begun ends or is said to be in doubt, and nothing is left
running.
"""

import asyncio
import os
import signal
import subprocess
import sys
from typing import Any

import anyio
import pytest

from respondio_async.bulk import Bulk
from respondio_async.errors import OutcomeUnknownError, UnauthorizedError
from tests.bulk.fakes import each, echo, outcomes, stray_tasks, unsafe_send
from tests.support.virtual import VIRTUAL


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


async def test_break_lets_what_is_in_flight_end_and_takes_no_more() -> None:
    """Leaving the block waits for the items in progress."""
    started: list[int] = []
    ended: list[int] = []

    async def work(item: int) -> None:
        started.append(item)
        await asyncio.sleep(1 + item)
        ended.append(item)

    async with Bulk(work, range(100), concurrency=4) as run:
        async for _ in run:
            break
    assert sorted(started) == sorted(ended)
    assert len(started) <= 5
    assert run.statistics.done == len(started)
    assert not stray_tasks()


async def test_what_does_not_end_in_time_is_cancelled_and_counted() -> None:
    """After the grace an item with a send under way is unknown, any other unfinished."""

    async def work(item: int) -> None:
        if item == 0:
            return
        if item == 1:
            await unsafe_send(seconds=1000)
        await asyncio.sleep(1000)

    async with Bulk(work, range(3), concurrency=3, grace=2) as run:
        async for _ in run:
            break
    statistics = run.statistics
    assert (statistics.done, statistics.unknown, statistics.unfinished, statistics.in_progress) == (
        1,
        1,
        1,
        0,
    )
    assert not stray_tasks()
    assert [outcome.item for outcome in [o async for o in run] if outcome.unknown] == [1]


@pytest.mark.parametrize("swallowed", [False, True])
async def test_an_error_in_the_block_lets_no_new_send_begin(swallowed: bool) -> None:
    """What stands before its send then is unfinished, also when a group of tasks swallows that."""
    sent: list[int] = []

    async def work(item: int) -> None:
        await asyncio.sleep(1)
        if swallowed:
            async with asyncio.TaskGroup() as group:
                group.create_task(unsafe_send(lambda: sent.append(item)))
        else:
            await unsafe_send(lambda: sent.append(item))

    run = Bulk(work, range(3))
    with pytest.raises(ZeroDivisionError):
        async with run:
            await asyncio.sleep(0.5)
            raise ZeroDivisionError
    assert not sent
    assert run.statistics.unfinished == 3


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_cancelling_the_consumer_leaves_nothing_behind(asynchronous: bool) -> None:
    """Workers and the reader of an asynchronous source end with the block; its generator is
    closed.
    """
    closed = False

    async def endless() -> Any:
        nonlocal closed
        try:
            while True:
                await asyncio.sleep(0.1)
                yield 1
        finally:
            closed = True

    async def consume() -> None:
        async with Bulk(echo, endless() if asynchronous else iter(int, 1), concurrency=2) as run:
            async for _ in run:
                await asyncio.sleep(1)

    with anyio.move_on_after(5) as scope:
        await consume()
    assert scope.cancelled_caught
    assert not stray_tasks()
    assert closed or not asynchronous

    task = asyncio.create_task(consume())
    await asyncio.sleep(5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not stray_tasks()


async def test_a_second_cancellation_cuts_the_grace_short() -> None:
    """Whoever presses Ctrl-C twice is not kept waiting, and nothing is left running either."""

    async def consume() -> None:
        async with Bulk(lambda _: asyncio.sleep(1000), range(3), grace=500) as run:
            await run.drain()

    task = asyncio.create_task(consume())
    loop = asyncio.get_running_loop()
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert loop.time() < 1000 + 5
    assert not stray_tasks()


async def test_a_generator_whose_closing_fails_still_leaves_nothing_behind() -> None:
    """Its error is raised, after all else was put away."""

    async def rude() -> Any:
        try:
            while True:
                yield 1
        finally:
            raise OSError("cannot close")

    with pytest.raises(OSError, match="cannot close"):
        async with Bulk(echo, rude()) as run:
            await anext(run)
    assert not stray_tasks()


def unauthorized() -> UnauthorizedError:
    return UnauthorizedError("no", status=401, endpoint="GET /x")


@pytest.mark.parametrize("grouped", [False, True])
async def test_a_revoked_token_stops_the_run_with_one_error(grouped: bool) -> None:
    """401 is raised once; no outcome carries it, and what waits is given up at once, but not what
    may have been sent.
    """
    called = 0

    async def work(item: int) -> int:
        nonlocal called
        called += 1
        if item < 5:
            return item
        if item == 6:
            await unsafe_send(seconds=50)
            return item
        if item == 5:
            await asyncio.sleep(1)
            error: Exception = unauthorized()
            raise ExceptionGroup("many", [error]) if grouped else error
        await asyncio.sleep(1000)
        return item

    seen: list[Any] = []
    run = Bulk(work, each(10_000), concurrency=10)
    with pytest.raises(UnauthorizedError):
        async with run:
            async for outcome in run:
                seen.append(outcome)
    assert [outcome.item for outcome in seen] == [0, 1, 2, 3, 4, 6]
    assert all(outcome.ok for outcome in seen)
    assert called <= 15
    assert asyncio.get_running_loop().time() < 1000 + 100


@pytest.mark.parametrize(
    "stop_on",
    [KeyError, (OSError, LookupError), [KeyError], lambda error: isinstance(error, KeyError)],
)
async def test_stop_on_ends_the_run_after_that_outcome(stop_on: Any) -> None:
    """The item's outcome is given, those in progress end, and the error is raised; the item is
    unfinished, not failed.
    """

    async def work(item: int) -> int:
        await asyncio.sleep(1)
        if item == 3:
            raise ValueError
        if item == 10:
            raise KeyError(item)
        return item

    seen: list[Any] = []
    with pytest.raises(KeyError):
        async with Bulk(work, range(1000), concurrency=4, stop_on=stop_on) as run:
            async for outcome in run:
                seen.append(outcome)
    assert (run.statistics.failed, run.statistics.unfinished) == (1, 1)
    assert {3, 10} < {outcome.item for outcome in seen}
    assert len(seen) < 20


async def test_a_worker_that_is_shut_down_with_its_loop_ends() -> None:
    """Someone who cancels every task of a loop ends the run's workers too."""

    async def work(item: int) -> None:
        await asyncio.sleep(1000)

    run = Bulk(work, range(10), concurrency=3)
    async with run:
        await asyncio.sleep(1)
        for task in asyncio.all_tasks():
            if task.get_name() == "respondio-bulk-worker":
                task.cancel()
        assert [o async for o in run] == []
    assert run.statistics.unfinished == 3


SCRIPT = """
import asyncio, signal, sys
from respondio_async.bulk import Bulk
async def work(item):
    await asyncio.sleep(0.2)
    print("ended", item, flush=True)
async def main():
    try:
        async with Bulk(work, range(1000), concurrency=3) as run:
            print("ready", flush=True)
            await run.drain()
    finally:
        print("left", run.statistics.done, run.statistics.unfinished, flush=True)
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, -signal.SIGINT)]
)
def test_a_signal_lets_what_is_in_flight_end(number: int, status: int) -> None:
    """SIGTERM and Ctrl-C leave the block in order: the items in progress end, and the process tells
    how it was ended.
    """
    environment = {**os.environ, "PYTHONPATH": "."}
    command = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert process.stdout.readline().startswith("ended")
        process.send_signal(number)
        *ended, left = process.stdout.read().splitlines()
    assert left == f"left {len(ended) + 1} 0"
    assert process.returncode == status


async def test_a_signal_handler_of_the_user_is_left_alone() -> None:
    """Whoever handles SIGTERM keeps it, also when the run has ended."""
    before = signal.getsignal(signal.SIGTERM)
    handler = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        mine = signal.getsignal(signal.SIGTERM)
        await outcomes(Bulk(echo, [1]))
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, handler)
    await outcomes(Bulk(echo, [1]))
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_run_outside_the_main_thread_leaves_signals_alone() -> None:
    """Python delivers signals to the main thread only."""
    import threading

    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.extend(asyncio.run(outcomes(Bulk(echo, [1])))))
    thread.start()
    thread.join()
    assert [outcome.value for outcome in found] == [1]


async def test_the_unknown_outcome_of_a_cancelled_item_says_so() -> None:
    """Its error names the step and the cause."""

    async def work(item: int, step: Any) -> None:
        await step("hello", lambda: unsafe_send(seconds=1000))

    async with Bulk(work, [1], grace=1) as run:
        await asyncio.sleep(1)
    (outcome,) = [o async for o in run]
    assert isinstance(outcome.error, OutcomeUnknownError)
    assert "hello" in str(outcome.error)
    assert "cancelled" in outcome.error.reason
