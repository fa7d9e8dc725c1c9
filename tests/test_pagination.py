"""Pagination: each item once, whatever the page looks like, and nothing left open."""

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from respondio_async import InvalidArgumentError, PaginationError, Paginator
from respondio_async.models import Page

ITEM = dict[str, int]


def next_forms(cursor: int) -> list[Any]:
    """Every way in which a server has been seen, or might be found, to write the next cursor."""
    return [
        cursor,
        str(cursor),
        f"https://api.respond.io/v2/contact/list?limit=10&cursorId={cursor}",
        f"https://api.respond.io/contact/list?cursorId={cursor}&limit=10",
        f"https://elsewhere.example/contacts?cursorId={cursor}",
        f"/v2/contact/list?cursorId={cursor}",
        f"contact/list?cursorId={cursor}#top",
    ]


END_FORMS = [None, "", "missing", "no pagination", "null pagination"]


def body(items: list[Any], next_: int | str | None = None, end: str | None = None) -> bytes:
    """A page's JSON."""
    envelope = {"items": items}
    if end == "null pagination":
        envelope["pagination"] = None
    elif end != "no pagination":
        envelope["pagination"] = (
            {"previous": None} if end == "missing" else {"next": next_ if end is None else end}
        )
    return json.dumps(envelope).encode()


class Server:
    """Pages by cursor; counts what is fetched."""

    def __init__(self, pages: dict[Any, Any]) -> None:
        self.pages = pages
        self.fetched = []
        self.tasks = []

    async def fetch(self, cursor: int | None) -> SimpleNamespace:
        self.fetched.append(cursor)
        await asyncio.sleep(0)
        page = self.pages[cursor]
        if isinstance(page, Exception):
            raise page
        return SimpleNamespace(value=msgspec.json.decode(page, type=Page[ITEM]))

    def spawn(self, work: Awaitable[Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(lambda t: t.cancelled() or t.exception())
        self.tasks.append(task)
        return task

    def paginator(self, **options: Any) -> Paginator:
        return Paginator(self.fetch, self.spawn, endpoint="GET /things", **options)


def three_pages() -> Server:
    return Server(
        {
            None: body([{"id": 1}, {"id": 2}], 2),
            2: body([{"id": 3}, {"id": 4}], 4),
            4: body([{"id": 5}], None),
        }
    )


def chain(sizes: list[int], forms: list[Callable[..., Any]], end: str | None) -> tuple[Any, ...]:
    """A server whose pages have these sizes; page n's cursor is its last id (or a made-up one when
    empty).
    """
    pages, number, cursor = {}, 0, None
    for at, size in enumerate(sizes):
        items = [{"id": number + k} for k in range(1, size + 1)]
        number += size
        following = 1000 + at
        last = at == len(sizes) - 1
        pages[cursor] = (
            body(items, end=end if end is not None else None)
            if last
            else body(items, forms[at](following))
        )
        cursor = following
    return Server(pages), list(range(1, number + 1))


@pytest.mark.parametrize("prefetch", [0, 1])
@pytest.mark.parametrize("end", END_FORMS)
@pytest.mark.parametrize("form", range(7))
async def test_each_item_comes_once_in_order(form: int, end: str | None, prefetch: int) -> None:
    """Each item comes once in order for every form of cursor and of end."""
    server, expected = chain([3, 0, 2, 1], [lambda c: next_forms(c)[form]] * 4, end)
    assert [item["id"] async for item in server.paginator(prefetch=prefetch)] == expected


async def test_a_thousand_page_shapes_lose_and_double_nothing() -> None:
    """A thousand page shapes lose and double nothing: random sizes, empty pages included, with the
    cursor's form changing from page to page.
    """
    dice = random.Random(7)
    for _ in range(1000):
        sizes = [dice.choice([0, 1, 2, 5]) for _ in range(dice.randint(1, 12))]
        forms = [(lambda c, k=dice.randrange(7): next_forms(c)[k]) for _ in sizes]
        server, expected = chain(sizes, forms, dice.choice(END_FORMS))
        got = [item["id"] async for item in server.paginator(prefetch=dice.randint(0, 1))]
        assert got == expected


@given(st.lists(st.integers(0, 4), min_size=1, max_size=10), st.integers(0, 1), st.data())
def test_resuming_from_any_stored_cursor_loses_nothing(
    sizes: list[int], prefetch: int, data: st.DataObject
) -> None:
    """Stop after any item, start again from the cursor: together the two walks hold every item;
    only one page's items may repeat.
    """

    async def walk() -> None:
        server, expected = chain(sizes, [lambda c: next_forms(c)[2]] * len(sizes), None)
        stop = data.draw(st.integers(0, max(0, len(expected) - 1)))
        paginator = server.paginator(prefetch=prefetch)
        before = []
        async for item in paginator:
            before.append(item["id"])
            if len(before) > stop:
                break
        after = [
            item["id"]
            async for item in server.paginator(cursor=paginator.cursor, prefetch=prefetch)
        ]
        assert sorted(set(before) | set(after)) == expected
        assert len(after) == len(set(after))
        assert len(set(before) & set(after)) <= max(sizes)

    asyncio.run(walk())


async def test_the_cursor_moves_only_when_the_consumer_asks_past_the_page() -> None:
    """What is stored while items of a page are still in work fetches that page again."""
    server = three_pages()
    paginator = server.paginator()
    seen = []
    async for item in paginator:
        seen.append((item["id"], paginator.cursor))
    assert seen == [(1, None), (2, None), (3, 2), (4, 2), (5, 4)]


async def test_one_page_is_fetched_ahead_and_no_more() -> None:
    """While the first page is consumed the second is on its way, the third is not."""
    server = three_pages()
    async for _ in server.paginator():
        await asyncio.sleep(0.01)
        break
    assert server.fetched == [None, 2]


async def test_without_prefetch_nothing_is_fetched_ahead() -> None:
    """`prefetch=0` asks only for what is consumed."""
    server = three_pages()
    async for _ in server.paginator(prefetch=0):
        await asyncio.sleep(0.01)
        break
    assert server.fetched == [None]


async def test_first_takes_the_first_item_fetches_nothing_ahead_and_passes_empty_pages() -> None:
    """It is None for an empty list."""
    server, _ = chain([0, 0, 2, 1], [lambda c: c] * 4, None)
    assert await server.paginator().first() == {"id": 1}
    await asyncio.sleep(0.01)
    assert server.fetched == [None, 1000, 1001]
    assert await chain([0], [lambda c: c], None)[0].paginator().first() is None


@pytest.mark.parametrize(
    ("limit", "expected"), [(None, 5), (0, 0), (1, 1), (2, 2), (3, 3), (5, 5), (99, 5)]
)
async def test_collect_gives_a_list_of_at_most_max_items(limit: int | None, expected: int) -> None:
    """It asks for no page that it does not need."""
    server = three_pages()
    items = await server.paginator(prefetch=0).collect(max_items=limit)
    assert [item["id"] for item in items] == list(range(1, expected + 1))
    assert len(server.fetched) == -(-expected // 2)


@pytest.mark.parametrize("limit", [-1, True])
async def test_collect_refuses_a_count_that_is_none(limit: bool | int) -> None:
    """The argument is named, before any request."""
    with pytest.raises(InvalidArgumentError) as caught:
        await three_pages().paginator().collect(max_items=limit)
    assert caught.value.argument == "max_items"


async def test_pages_have_items_and_cursors() -> None:
    """Pages have items and cursors: page by page, for those who work in pages."""
    found = [
        ([i["id"] for i in page.items], page.next_cursor)
        async for page in three_pages().paginator().pages()
    ]
    assert found == [([1, 2], 2), ([3, 4], 4), ([5], None)]


async def test_walking_twice_starts_at_the_beginning_each_time() -> None:
    """A paginator is an iterable, not an iterator."""
    paginator = three_pages().paginator()
    assert len(await paginator.collect()) == len(await paginator.collect()) == 5


@pytest.mark.parametrize("prefetch", [0, 1])
@pytest.mark.parametrize("loop", [2, 4, None])
async def test_a_repeated_cursor_ends_in_an_error_after_its_page(
    prefetch: int, loop: int | None
) -> None:
    """The items of the page that points back are good and are given; the walk does not go round."""
    pages = three_pages().pages
    pages[4] = body([{"id": 5}], loop or 4)
    got = []
    with pytest.raises(PaginationError, match="repeated a cursor"):
        async for item in Server(pages).paginator(prefetch=prefetch):
            got.append(item["id"])
    assert got == [1, 2, 3, 4, 5]


async def test_twenty_empty_pages_in_a_row_end_in_an_error() -> None:
    """Nineteen empty pages in a row are read over, as a filter may leave them."""
    server, expected = chain([1] + [0] * 19 + [1], [lambda c: c] * 21, None)
    assert [i["id"] async for i in server.paginator()] == expected
    server = Server({c: body([], (c or 0) + 1) for c in [None, *range(1, 40)]})
    with pytest.raises(PaginationError, match="20 empty pages"):
        await server.paginator().collect()
    assert len(server.fetched) == 20


async def test_an_error_of_a_page_comes_when_the_page_is_asked_for() -> None:
    """An error of a page comes when the page is asked for, not before, though the page was fetched
    ahead; and the walk can go on from there.
    """
    server = three_pages()
    good, server.pages[2] = server.pages[2], RuntimeError("boom")
    walk = aiter(server.paginator())
    assert [(await anext(walk))["id"] for _ in range(2)] == [1, 2]
    with pytest.raises(RuntimeError):
        await anext(walk)
    server.pages[2] = good
    assert [item["id"] async for item in _rest(walk)] == [3, 4, 5]


async def _rest(walk: Any) -> AsyncIterator[Any]:
    while True:
        try:
            yield await anext(walk)
        except StopAsyncIteration:
            return


async def test_an_unwanted_page_and_its_error_are_nobodys() -> None:
    """`break` leaves nothing to clean up and no exception that was never retrieved."""
    server = three_pages()
    server.pages[2] = RuntimeError("never seen")
    async for _ in server.paginator():
        break
    await asyncio.wait(server.tasks)


async def test_a_cancelled_consumer_does_not_cancel_the_page_that_is_on_its_way() -> None:
    """The next one who asks gets it."""
    server = three_pages()
    gate = asyncio.Event()
    fetch = server.fetch

    async def slow(cursor: int | None) -> SimpleNamespace:
        if cursor == 2:
            await gate.wait()
        return await fetch(cursor)

    walk = aiter(Paginator(slow, server.spawn))
    await anext(walk)
    await anext(walk)
    waiter = asyncio.create_task(anext(walk))
    await asyncio.sleep(0.01)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    gate.set()
    assert [item["id"] async for item in _rest(walk)] == [3, 4, 5]
    assert server.fetched == [None, 2, 4]


async def test_a_page_dropped_by_closing_the_client_is_asked_for_again() -> None:
    """A page dropped by closing the client is asked for again, so that the client's own words about
    being closed reach the consumer, not a stray CancelledError.
    """
    server = three_pages()
    walk = aiter(server.paginator())
    await anext(walk)
    server.tasks[0].cancel()
    await anext(walk)
    assert (await anext(walk))["id"] == 3


@pytest.mark.parametrize(
    "options",
    [{"cursor": 1.5}, {"cursor": True}, {"prefetch": 2}, {"prefetch": True}, {"prefetch": -1}],
)
def test_wrong_options_fail_at_once(options: dict[str, Any]) -> None:
    """The argument is named, before any request."""
    with pytest.raises(InvalidArgumentError) as caught:
        three_pages().paginator(**options)
    assert caught.value.argument == next(iter(options))


async def test_an_empty_stored_cursor_is_the_beginning() -> None:
    """A cursor that went through a text file as "" still works."""
    assert len(await three_pages().paginator(cursor="").collect()) == 5


async def test_a_million_items_keep_nothing_but_their_cursors() -> None:
    """The walk holds one page and the cursors it has seen."""
    page_items = [{"id": 1}] * 1000
    counter = itertools.count(1)

    async def fetch(cursor: int | None) -> SimpleNamespace:
        number = next(counter)
        return SimpleNamespace(value=Page(page_items, {"next": number if number < 100 else None}))

    total = 0
    async for _ in Paginator(fetch, lambda work: asyncio.get_running_loop().create_task(work)):
        total += 1
    assert total == 100_000
