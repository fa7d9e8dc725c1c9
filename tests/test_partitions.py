"""A partitioned list: each contact once, whatever the server's bounds, order and spread; and side
by side.
"""

import asyncio
import json
import operator
import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from respondio_async import AsyncRespond, F, InvalidArgumentError, PaginationError
from tests.support.scripted import Answer, Request, scripted
from tests.support.virtual import VIRTUAL_NO_DEBUG

START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_NO_DEBUG


class ContactServer:
    """A contact list as a server might keep it: bounds in whole minutes, inclusive or not, in an
    order of its own.
    """

    def __init__(
        self,
        times: list[Any],
        *,
        order: str = "rising",
        inclusive: bool = True,
        shift: timedelta = timedelta(0),
        seconds: float = 1.0,
    ) -> None:
        ids = range(1, len(times) + 1)
        self.contacts = [
            {"id": n, "firstName": "A", "created_at": int(t.timestamp())}
            for n, t in zip(ids, sorted(times), strict=True)
        ]
        for contact in self.contacts:
            contact["minute"] = datetime.fromtimestamp(contact["created_at"], UTC).replace(second=0)
        if order == "falling":
            self.contacts.reverse()
        elif order == "none":
            random.Random(3).shuffle(self.contacts)
        self.inclusive = inclusive
        self.shift = shift
        self.seconds = seconds
        self.busy = self.most_busy = self.asked = 0

    def matching(self, conditions: Iterable[dict[str, str]]) -> list[Any]:
        """The contacts between the bounds of *conditions*."""
        comparisons = {
            ("isTimestampAfter", True): operator.ge,
            ("isTimestampAfter", False): operator.gt,
            ("isTimestampBefore", True): operator.le,
            ("isTimestampBefore", False): operator.lt,
        }
        found = self.contacts
        for each in conditions:
            holds = comparisons[each["operator"], self.inclusive]
            bound = datetime.fromisoformat(each["value"]).replace(tzinfo=UTC) + self.shift
            found = [contact for contact in found if holds(contact["minute"], bound)]
        return found

    def answer(self, request: Request) -> Answer:
        self.asked += 1
        query = dict(pair.split("=") for pair in request.target.partition("?")[2].split("&"))
        size, cursor = int(query["limit"]), query.get("cursorId")
        conditions = json.loads(request.content)["filter"]["$and"]
        found = self.matching(each for each in conditions if each["field"] == "createdAt")
        at = (
            0
            if cursor is None
            else next((n + 1 for n, c in enumerate(found) if c["id"] == int(cursor)), len(found))
        )
        page = [
            {name: c[name] for name in ("id", "firstName", "created_at")}
            for c in found[at : at + size]
        ]
        following = page[-1]["id"] if at + size < len(found) else None
        return Answer(
            200, [], json.dumps({"items": page, "pagination": {"next": following}}).encode()
        )

    def client(self) -> AsyncRespond:
        client, transport, _ = scripted(self.answer)
        send = transport.send

        async def slow(request: Request, **options: Any) -> Answer:
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
            await asyncio.sleep(self.seconds)
            self.busy -= 1
            return await send(request, **options)

        transport.send = slow
        return client


def spread(kind: str, count: int) -> list[Any]:
    """Creation times: even, bunched, all at once, or growing."""
    dice = random.Random(count)
    span = timedelta(days=700)
    if kind == "even":
        return [START + span * n / count for n in range(count)]
    if kind == "bunched":
        centres = [START + span * dice.random() for _ in range(3)]
        return [
            dice.choice(centres) + timedelta(minutes=dice.uniform(-300, 300)) for _ in range(count)
        ]
    if kind == "one instant":
        return [START] * count
    if kind == "at once":
        return [START + timedelta(seconds=dice.uniform(0, 50)) for _ in range(count)]
    return [START + span * dice.random() ** 0.1 for _ in range(count)]


@pytest.mark.parametrize("partitions", [1, 2, 5, 8])
@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("order", ["rising", "falling", "none"])
@pytest.mark.parametrize("kind", ["even", "bunched", "at once", "one instant", "growing"])
async def test_each_contact_comes_once(
    kind: str, order: str, inclusive: bool, partitions: int
) -> None:
    """Each contact comes once, however the contacts lie, however the server sorts them and reads
    the bounds.
    """
    server = ContactServer(spread(kind, 300), order=order, inclusive=inclusive)
    got = [c.id async for c in server.client().contacts.list(partitions=partitions, page_size=10)]
    assert sorted(got) == list(range(1, 301))


@pytest.mark.parametrize("hours", [-9, 9])
async def test_a_server_that_reads_the_bounds_in_another_zone_loses_nothing(hours: int) -> None:
    """The spans overlap as the server sees them, and items are told apart by id."""
    server = ContactServer(spread("even", 500), shift=timedelta(hours=hours))
    got = [c.id async for c in server.client().contacts.list(partitions=8, page_size=20)]
    assert sorted(got) == list(range(1, 501))


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101])
async def test_short_lists_cost_no_more_requests_than_they_need(count: int) -> None:
    """What fits a page is not cut."""
    server = ContactServer(spread("even", count))
    assert len(await server.client().contacts.list(partitions=8).collect()) == count
    assert server.asked <= (1 if count <= 100 else 9)


@pytest.mark.parametrize(("kind", "faster"), [("even", 4), ("bunched", 2.5), ("growing", 2.5)])
@pytest.mark.parametrize("order", ["rising", "falling"])
async def test_walks_go_side_by_side(kind: str, faster: float, order: str) -> None:
    """Walks go side by side: 5,000 contacts, a second a page, eight walks: the cuts find the
    contacts wherever they lie.
    """
    server = ContactServer(spread(kind, 5000), order=order)
    began = asyncio.get_running_loop().time()
    assert len(await server.client().contacts.list(partitions=8).collect()) == 5000
    assert asyncio.get_running_loop().time() - began < 50 / faster
    assert server.most_busy == 8


async def test_break_leaves_only_requests_that_end_by_themselves() -> None:
    """No walk goes on for nobody."""
    server = ContactServer(spread("even", 1000))
    async for _ in server.client().contacts.list(partitions=4, page_size=20):
        break
    await asyncio.sleep(100)
    assert server.busy == 0
    assert server.asked <= 5


async def test_a_failed_page_is_asked_for_again_by_whoever_goes_on() -> None:
    """Nothing is lost by an error in between."""
    server = ContactServer(spread("even", 600))
    good, failures = server.answer, [3]

    def sometimes(request: Request) -> Answer:
        failures[0] -= 1
        return Answer(400, [], b"{}") if failures[0] == 0 else good(request)

    server.answer = sometimes
    client = server.client()
    pages = client.contacts.list(partitions=4, page_size=20).pages()
    got, errors = [], 0
    while True:
        try:
            got += [c.id for c in (await anext(pages)).items]
        except StopAsyncIteration:
            break
        except Exception:
            errors += 1
    assert errors == 1
    assert sorted(got) == list(range(1, 601))


async def test_cursors_that_go_round_end_in_an_error_after_their_page() -> None:
    """Cursors that go round end in an error, never in an endless walk."""
    body = b'{"items": [{"id": 1, "created_at": 1700000000}], "pagination": {"next": 1}}'
    client, _, _ = scripted(Answer(200, [], body))
    got = []
    with pytest.raises(PaginationError):
        async for contact in client.contacts.list(partitions=2):
            got.append(contact.id)
    assert got == [1]


async def test_the_users_filter_and_zone_are_kept() -> None:
    """The spans are joined to it; an "or" cannot be joined."""
    client, transport, _ = scripted(ContactServer(spread("even", 300)).answer)
    await client.contacts.list(
        filter=F.lifecycle == "Lead", timezone="Europe/Berlin", partitions=3, page_size=20
    ).collect()
    bodies = [json.loads(request.content) for request in transport.requests]
    assert all(body["filter"]["$and"][0]["category"] == "lifecycle" for body in bodies)
    assert all(body["timezone"] == "Europe/Berlin" and body["search"] == "" for body in bodies)
    assert any(len(body["filter"]["$and"]) > 1 for body in bodies)
    with pytest.raises(InvalidArgumentError, match="&") as caught:
        client.contacts.list(
            filter=(F.lifecycle == "Lead") | (F.lifecycle == "Customer"), partitions=3
        )
    assert caught.value.argument == "partitions"


@pytest.mark.parametrize(
    "options",
    [{"partitions": 0}, {"partitions": 33}, {"partitions": True}, {"partitions": 2, "cursor": 5}],
)
async def test_options_that_cannot_work_fail_before_any_request(options: dict[str, Any]) -> None:
    """The option is named."""
    client, transport, _ = scripted(Answer(200, [], b"{}"))
    with pytest.raises(InvalidArgumentError):
        client.contacts.list(**options)
    assert transport.requests == []


async def test_bounds_are_an_hour_wider_where_a_clock_is_set_back() -> None:
    """That zone writes an hour twice, and the server may mean either."""
    from respondio_async._engine.partitions import span_conditions

    twice = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    low, high = span_conditions(twice, twice, "Europe/Berlin")
    assert low["value"] <= "2026-10-25 01:30"
    assert high["value"] >= "2026-10-25 02:30"
    low, high = span_conditions(twice, twice, "UTC")
    assert (low["value"], high["value"]) == ("2026-10-25 00:29", "2026-10-25 00:32")
