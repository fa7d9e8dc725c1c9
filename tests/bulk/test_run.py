"""A run gives each item one outcome."""

import asyncio
from functools import partial
from typing import Any

import pytest

from respondio_async.bulk import Bulk, Progress
from respondio_async.errors import (
    ConfigurationError,
    InvalidArgumentError,
    OutcomeUnknownError,
    RespondError,
)
from tests.bulk.fakes import each, echo, outcomes, stray_tasks, unsafe_send
from tests.support.virtual import VIRTUAL


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


@pytest.mark.parametrize(
    "make", [range, lambda n: iter(range(n)), each, lambda n: dict.fromkeys(range(n))]
)
@pytest.mark.parametrize("count", [0, 1, 500])
async def test_any_iterable_gives_an_outcome_for_each_item(make: Any, count: int) -> None:
    """Lists, iterators and asynchronous iterables are all read to their end, once."""
    found = await outcomes(Bulk(echo, make(count)))
    assert sorted(outcome.item for outcome in found) == list(range(count))
    assert all(
        outcome.ok and outcome.value == outcome.item and outcome.attempts == 1 for outcome in found
    )
    assert not stray_tasks()


async def test_an_error_of_one_item_is_its_outcome_and_stops_no_other() -> None:
    """What the work raises for an item is that item's error."""

    async def work(item: int) -> int:
        if item % 3 == 0:
            raise ValueError(item)
        return item

    found = await outcomes(Bulk(work, range(30)))
    assert len(found) == 30
    failed = [outcome for outcome in found if not outcome.ok]
    assert sorted(outcome.item for outcome in failed) == list(range(0, 30, 3))
    assert all(
        isinstance(outcome.error, ValueError) and outcome.value is None for outcome in failed
    )


async def test_an_outcome_tells_its_times_and_gives_or_raises_its_result() -> None:
    """`elapsed` covers the work; `unwrap()` is the value or the error."""

    async def work(item: int) -> int:
        await asyncio.sleep(3)
        if item:
            raise KeyError
        return 7

    good, bad = await outcomes(Bulk(work, [0, 1], ordered=True))
    assert good.elapsed == pytest.approx(3, abs=0.01)
    assert good.started > 1e9
    assert good.unwrap() == 7
    assert not good.unknown
    with pytest.raises(KeyError):
        bad.unwrap()


async def test_keys_are_the_users_or_the_place_in_the_input() -> None:
    """Without a key an item is named by its place; a number becomes a text."""
    assert [o.key for o in await outcomes(Bulk(echo, ["ab", "cd"], ordered=True))] == ["#0", "#1"]
    assert [o.key for o in await outcomes(Bulk(echo, [5], key=lambda item: item))] == ["5"]  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize("key", [lambda item: item["id"], lambda _: "", lambda _: None])
async def test_an_item_without_a_usable_key_fails_alone(key: Any) -> None:
    """A key function that raises, or gives no text, is that item's error; the work is not done."""
    done: list[Any] = []

    async def work(item: Any) -> None:
        done.append(item)

    (outcome,) = await outcomes(Bulk(work, [{}], key=key))
    assert isinstance(outcome.error, KeyError | InvalidArgumentError)
    assert outcome.key == "#0"
    assert not done


async def test_ordered_outcomes_come_in_the_order_of_the_items_within_a_window() -> None:
    """The order is kept although later items end first, and a slow first item lets only a window of
    others start.
    """
    started: list[int] = []

    async def work(item: int) -> int:
        started.append(item)
        await asyncio.sleep(1000 if item == 0 else 0.01)
        return item

    seen: list[int] = []
    async with Bulk(work, range(1000), concurrency=4, ordered=True) as run:
        async for outcome in run:
            if not seen:
                assert len(started) <= 16
            seen.append(outcome.item)
    assert seen == list(range(1000))


async def test_unordered_outcomes_come_as_they_end() -> None:
    """A slow item holds nobody up."""

    async def work(item: int) -> int:
        await asyncio.sleep(10 if item == 0 else 0.01)
        return item

    found = await outcomes(Bulk(work, range(50), concurrency=2))
    assert found[-1].item == 0


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("asynchronous", [True, False])
async def test_a_consumer_that_stops_reading_stops_the_intake(
    ordered: bool, asynchronous: bool
) -> None:
    """No more than a window of items is taken from the source while nobody reads outcomes."""
    taken = 0

    def source() -> Any:
        nonlocal taken
        for number in range(10_000):
            taken += 1
            yield number

    async def asynchronous_source() -> Any:
        for number in source():
            yield number

    items = asynchronous_source() if asynchronous else source()
    async with Bulk(echo, items, concurrency=4, ordered=ordered) as run:
        await anext(run)
        await asyncio.sleep(100)
        held = taken
        await asyncio.sleep(100)
        assert taken == held <= 16 + 4 + 17
        rest = [outcome async for outcome in run]
    assert len(rest) == 9_999
    assert taken == 10_000


async def test_at_most_that_many_items_are_in_progress() -> None:
    """`concurrency` is a bound, and it is used whole."""
    now = most = 0

    async def work(_: int) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(1)
        now -= 1

    run = Bulk(work, range(100), concurrency=7)
    found = await outcomes(run)
    assert len(found) == 100
    assert most == 7
    assert run.statistics.workers == 7


async def test_an_error_of_the_source_comes_after_the_items_before_it() -> None:
    """What was read before the source broke gets its outcomes; then its error is raised."""

    def broken() -> Any:
        yield 1
        yield 2
        raise OSError("gone")

    async def asynchronously_broken() -> Any:
        for item in broken():
            yield item

    for items in (broken(), asynchronously_broken()):
        seen = []
        with pytest.raises(OSError, match="gone"):
            async with Bulk(echo, items) as run:
                async for outcome in run:
                    seen.append(outcome.item)
        assert sorted(seen) == [1, 2]


async def test_steps_are_done_in_turn_and_give_their_results() -> None:
    """`step(name, fn)` awaits what *fn* returns."""

    async def work(item: int, step: Any) -> list[Any]:
        first = await step("a", lambda: echo(item + 1))
        return [first, await step("b", partial(echo, first * 2))]

    (outcome,) = await outcomes(Bulk(work, [1]))
    assert outcome.value == [2, 4]


async def test_a_step_is_taken_by_position_by_name_and_not_by_accident() -> None:
    """A required second argument is the step, as is one called "step"; an argument with a default
    is the user's own.
    """

    async def by_position(item: int, s: Any) -> Any:
        return await s("a", lambda: echo("position"))

    async def by_keyword(item: int, *, step: Any) -> Any:
        return await step("a", lambda: echo("keyword"))

    async def with_default(item: int, other: int = 1, step: Any = None) -> Any:
        return await step("a", lambda: echo("default"))

    async def own(item: int, other: str = "own") -> str:
        return other

    works: list[Any] = [by_position, by_keyword, with_default, own, partial(own, other="bound")]
    assert [(await outcomes(Bulk(w, [1])))[0].value for w in works] == [
        "position",
        "keyword",
        "default",
        "own",
        "bound",
    ]


@pytest.mark.parametrize("names", [["a", "a"], [""], [3]])
async def test_step_names_are_texts_and_unique_within_an_item(names: list[Any]) -> None:
    """A doubled or empty name is the item's error: the journal could not tell such steps apart."""

    async def work(item: int, step: Any) -> None:
        for name in names:
            await step(name, partial(echo, 1))

    (outcome,) = await outcomes(Bulk(work, [1]))
    assert isinstance(outcome.error, InvalidArgumentError)


async def test_an_unknown_outcome_is_reported_or_repeated_three_times_at_most() -> None:
    """`on_unknown="repeat"` does the work again, but not the steps that returned."""
    tries = {"step": 0, "send": 0}

    async def send() -> str:
        tries["send"] += 1
        if tries["send"] < 3:
            raise OutcomeUnknownError("torn", endpoint="POST /x", reason="reset")
        return "sent"

    async def count() -> None:
        tries["step"] += 1

    async def work(item: int, step: Any) -> Any:
        await step("count", count)
        return await step("send", send)

    (outcome,) = await outcomes(Bulk(work, [1], on_unknown="repeat"))
    assert (outcome.value, outcome.attempts) == ("sent", 3)
    assert tries == {"step": 1, "send": 3}
    tries["send"] = -10
    (outcome,) = await outcomes(Bulk(work, [1], on_unknown="repeat"))
    assert outcome.unknown
    assert outcome.attempts == 3
    tries["send"] = 0
    run = Bulk(work, [1])
    (outcome,) = await outcomes(run)
    assert outcome.unknown
    assert outcome.attempts == 1
    assert run.statistics.unknown == 1
    assert run.statistics.failed == 0


async def test_a_repeat_that_fails_leaves_the_attempt_before_it_unknown() -> None:
    """Whatever ends it: the error of the repeat tells nothing of what was sent before."""
    tries: list[str] = []

    async def send() -> None:
        tries.append("")
        await unsafe_send(unsent=len(tries) > 1)
        if len(tries) > 1:
            raise RespondError("no connection")
        raise OutcomeUnknownError("torn", endpoint="POST /x", reason="reset")

    async def work(item: int, step: Any) -> None:
        await step("send", send)

    run = Bulk(work, [1], on_unknown="repeat")
    (outcome,) = await outcomes(run)
    assert outcome.unknown
    assert "in step send" in str(outcome.error)
    assert isinstance(outcome.error.__cause__, RespondError)
    assert outcome.attempts == 2
    assert (run.statistics.unknown, run.statistics.failed) == (1, 0)


@pytest.mark.parametrize("wrap", ["group", "cause", "context", "timeout", "outer timeout"])
async def test_an_unknown_outcome_stays_one_however_the_work_wraps_it(wrap: str) -> None:
    """A group of errors, an error raised from it, or a timeout of the user's own around a send hide
    nothing.
    """

    async def torn() -> None:
        await unsafe_send()
        raise OutcomeUnknownError("torn", endpoint="POST /x", reason="reset")

    async def work(item: int, step: Any) -> None:
        if wrap == "group":
            async with asyncio.TaskGroup() as group:
                group.create_task(step("send", torn))
        elif wrap == "timeout":
            await step("send", lambda: asyncio.wait_for(unsafe_send(seconds=60), 1))
        elif wrap == "outer timeout":
            async with asyncio.timeout(1):
                await step("send", lambda: unsafe_send(seconds=60))
        else:
            try:
                await torn()
            except OutcomeUnknownError as error:
                raise ValueError from error if wrap == "cause" else None

    (outcome,) = await outcomes(Bulk(work, [1]))
    assert outcome.unknown
    assert outcome.error is not None
    assert "may have been sent" in str(outcome.error)


async def test_a_timeout_with_nothing_sent_is_an_ordinary_error() -> None:
    """Only what was announced and not taken back leaves doubt."""

    async def work(item: int) -> None:
        await unsafe_send(unsent=True)
        raise TimeoutError

    (outcome,) = await outcomes(Bulk(work, [1]))
    assert isinstance(outcome.error, TimeoutError)


async def test_a_repeatable_step_is_never_in_doubt_and_an_unrepeatable_one_always() -> None:
    """`repeatable` overrules what the client's calls say."""

    async def late() -> None:
        await unsafe_send()
        raise TimeoutError

    async def elsewhere() -> None:
        raise TimeoutError

    async def work(item: Any, step: Any) -> None:
        fn, repeatable = item
        await step("x", fn, repeatable=repeatable)

    found = await outcomes(
        Bulk(
            work, [(late, True), (late, None), (elsewhere, False), (elsewhere, None)], ordered=True
        )
    )
    assert [outcome.unknown for outcome in found] == [False, True, True, False]


async def test_a_work_that_is_cancelled_from_within_fails_alone() -> None:
    """A cancelled inner task is the item's error, not the end of the run."""

    async def work(item: int) -> int:
        if item == 1:
            raise asyncio.CancelledError
        return item

    found = await outcomes(Bulk(work, range(3), concurrency=1))
    assert [type(outcome.error) for outcome in found] == [type(None), RespondError, type(None)]


async def test_calls_inside_a_run_use_the_bulk_priority_and_those_outside_do_not() -> None:
    """The priority is set in the workers alone."""
    from respondio_async._engine import context

    async def work(item: int) -> str:
        return context.current_priority.get()

    (outcome,) = await outcomes(Bulk(work, [1]))
    assert outcome.value == "bulk"
    assert context.current_priority.get() == "interactive"
    assert context.before_unsafe_send.get() is None


async def test_progress_is_told_now_and_then_and_at_the_end() -> None:
    """The callback gets counts, the total where it is known, a rate and the time that is left; what
    it raises is logged.
    """
    snapshots: list[Progress] = []

    async def work(item: int) -> None:
        await asyncio.sleep(1)
        if item == 0:
            raise ValueError

    def hear(progress: Progress) -> None:
        snapshots.append(progress)
        raise RuntimeError

    run = Bulk(work, [*range(100)], concurrency=10, progress=hear)
    await outcomes(run)
    assert 15 < len(snapshots) < 25
    assert snapshots[-1] == run.statistics
    last, middle = snapshots[-1], snapshots[len(snapshots) // 2]
    assert (last.done, last.failed, last.total, last.in_progress) == (99, 1, 100, 0)
    assert last.rate == pytest.approx(10, rel=0.05)
    assert last.remaining == 0
    assert middle.remaining == pytest.approx(5, abs=1.5)
    assert middle.in_progress == 10


async def test_progress_without_a_total_or_an_outcome_knows_no_remaining_time() -> None:
    """A generator has no length, and a run that has not begun has no rate."""
    run = Bulk(echo, (item for item in [1]))
    assert run.statistics.remaining is None
    assert Bulk(echo, [1]).statistics.remaining is None
    assert (await run.__aenter__()).statistics.elapsed >= 0
    assert (await run.drain()).total is None
    await run.__aexit__(None, None, None)


async def test_a_run_is_entered_once_and_read_inside_its_block() -> None:
    """Anything else is a mistake that says so."""
    run = Bulk(echo, [1])
    with pytest.raises(ConfigurationError, match="async with"):
        await anext(run)
    await outcomes(run)
    with pytest.raises(ConfigurationError, match="once"):
        await run.__aenter__()
    with pytest.raises(StopAsyncIteration):
        await anext(run)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"work": 3}, "work"),
        ({"items": "text"}, "items"),
        ({"items": 3}, "items"),
        ({"concurrency": 0}, "concurrency"),
        ({"concurrency": True}, "concurrency"),
        ({"key": "id"}, "key"),
        ({"progress": 1}, "progress"),
        ({"journal": 1}, "journal"),
        ({"journal": "x.sqlite"}, "key"),
        ({"on_unknown": "ask"}, "on_unknown"),
        ({"failed": "again"}, "failed"),
        ({"stop_on": "ValueError"}, "stop_on"),
        ({"stop_on": [ValueError, 3]}, "stop_on"),
        ({"grace": -1}, "grace"),
    ],
)
def test_bad_arguments_are_refused_before_anything_happens(
    arguments: dict[str, Any], name: str
) -> None:
    """`InvalidArgumentError` names the argument."""
    with pytest.raises(InvalidArgumentError) as raised:
        Bulk(**{"work": echo, "items": [1], **arguments})
    assert raised.value.argument == name


async def test_a_callable_object_may_be_the_work() -> None:
    """Anything that is called with an item and can be awaited."""

    class Work:
        async def __call__(self, item: int) -> int:
            return item + 1

    (outcome,) = await outcomes(Bulk(Work(), [1]))
    assert outcome.value == 2


@pytest.mark.parametrize(
    ("items", "given", "total"),
    [
        ([1, 2, 3], None, 3),
        (iter([1, 2, 3]), None, 3),
        ((item for item in [1, 2, 3]), None, None),
        ((item for item in [1, 2, 3]), 3, 3),
        ([1, 2, 3], 40, 40),
        (iter(()), 0, 0),
    ],
)
def test_the_total_is_given_or_hinted_at(items: Any, given: int | None, total: int | None) -> None:
    """The total is given or hinted at by the caller first, then by a length or a length hint."""
    assert Bulk(echo, items, total=given).statistics.total == total


@pytest.mark.parametrize("wrong", [-1, True, 1.5, "3"])
def test_a_total_is_a_count(wrong: Any) -> None:
    """Anything else is refused before the run."""
    with pytest.raises(InvalidArgumentError, match="total"):
        Bulk(echo, [], total=wrong)
