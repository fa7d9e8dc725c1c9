"""What a bot needs around an event: an answer, silence, and what it missed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from respondio_async.errors import ConfigurationError, InvalidArgumentError
from respondio_async.models import Contact, ContactChannel, Message
from respondio_async.webhooks import (
    ContactTagUpdated,
    Context,
    ConversationOpened,
    MessageReceived,
    WebhookRouter,
    is_human_active,
    no_human_active,
    parse,
    window_open,
)
from respondio_async.webhooks import _contact_states as states_module
from respondio_async.webhooks._inbox import EventInbox
from tests.webhooks.payloads import KEY, PLACES, body_of, closed, message, placed, sent, signed

BASE = 1_783_918_786_000_000
PLACE = "message.sender"


@pytest.fixture(autouse=True, params=PLACES)
def sender_place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run every test with the sender of sent messages in each place that has been seen."""
    monkeypatch.setattr("tests.webhooks.test_bot.PLACE", request.param)
    return request.param


def with_inbox(fixture: str, *stores: str) -> pytest.MarkDecorator:
    """Every place with each store; with PostgreSQL, which costs most, one in the default suite."""
    return pytest.mark.parametrize(
        ("sender_place", fixture),
        [
            pytest.param(place, store, marks=pytest.mark.slow)
            if store == "postgresql" and place != PLACES[0]
            else (place, store)
            for place, store in product(PLACES, stores)
        ],
        indirect=True,
    )


class Client:
    """What a router needs of an AsyncRespond, remembering its calls."""

    def __init__(self, history: dict[int, list[Message]] | None = None) -> None:
        self.calls: list[Any] = []
        self.history = history or {}
        self.fail = False
        self.messages = SimpleNamespace(send=self._send, list_new=self._list_new)
        self.conversations = SimpleNamespace(hand_over=self._hand_over)
        self.contacts = SimpleNamespace(get=self._get)

    async def _send(self, identifier: Any, message: Any, *, channel_id: int | None = None) -> str:
        self.calls.append((identifier, message, channel_id))
        return "sent"

    async def _hand_over(self, identifier: Any, user: Any) -> None:
        if self.fail:
            raise RuntimeError("no such user")
        self.calls.append(("hand over", identifier, user))

    async def _get(self, identifier: Any) -> Contact:
        return Contact(id=identifier, first_name="Ann")

    async def _list_new(self, identifier: Any, after: int) -> AsyncIterator[Message]:
        self.calls.append(("list", identifier, after))
        for item in self.history.get(identifier, []):
            if item.message_id > after:
                yield item


def text(number: int, contact: int = 1, traffic: str = "incoming", kind: str = "text") -> Message:
    """Make a message as `messages.list_new` gives it."""
    raw = {
        "messageId": BASE + number, "contactId": contact, "channelId": 7, "traffic": traffic,
        "message": {"type": kind, "text": f"missed {number}"},
    }  # fmt: skip
    return msgspec.convert(raw, Message)


async def deliver(router: WebhookRouter, *events: Any) -> None:
    """Send events, and wait until they are handled."""
    for event in events:
        status, _ = await router.receive(*signed(placed(event, PLACE)))
        assert status == 200
    while router.statistics().waiting:
        await asyncio.sleep(0.001)


def recorder(router: WebhookRouter) -> list[str]:
    """Register a handler that notes the texts it gets."""
    seen: list[str] = []

    @router.on(MessageReceived)
    async def note(context: Context[MessageReceived]) -> None:
        seen.append(context.text)

    return seen


async def test_a_reply_goes_through_the_same_channel() -> None:
    """The message's channel, or the event's; None, the last one used, when there is neither."""
    client = Client()
    router = WebhookRouter(KEY, client=client)

    @router.on()
    async def answer(context: Context[Any]) -> None:
        assert await context.reply("hello") == "sent"

    by_event = message(2, channel={"id": 8})
    del by_event["message"]["channelId"]
    nameless = message(4)
    del nameless["contact"]
    async with router:
        await deliver(router, message(1), by_event, closed(3), nameless)
    assert client.calls == [(1, "hello", 7), (1, "hello", 8), (1, "hello", None), (1, "hello", 7)]


async def test_without_a_client_a_reply_says_what_to_do() -> None:
    """The mistake goes to on_error, in words."""
    errors: list[str] = []
    router = WebhookRouter(KEY, on_error=lambda error, _: errors.append(str(error)))

    @router.on()
    async def answer(context: Context[Any]) -> None:
        await context.reply("hello")

    async with router:
        await deliver(router, message(1))
        with pytest.raises(ConfigurationError, match="client=client"):
            await router.catch_up()
    assert "client=client" in errors[0]


@pytest.mark.parametrize(
    ("before", "assignee", "active"),
    [
        ([], {}, False),
        ([], None, False),
        ([], {"id": None, "firstName": None}, False),
        ([], {"id": 5}, True),
        ([sent(9, source="user")], {}, True),
        ([sent(9, source="user"), sent(8, source="api")], {}, False),
        ([sent(9, source=None)], {}, False),
        ([sent(9, source=None, user={"id": 5})], {}, True),
        ([sent(9, source="user", contact=2)], {}, False),
        ([sent(9, source="user"), closed(8)], {}, False),
        ([sent(9, source="echo")], {}, True),
        ([sent(9, source="echo"), sent(8, source="workflow")], {}, False),
        ([sent(9, source="ai_agent")], {}, False),
    ],
)
async def test_whether_a_person_is_at_it(
    before: list[Any], assignee: Any, active: bool, sender_place: str
) -> None:
    """The contact is assigned, or the last message to it came from a person, and its conversation
    was not closed since.
    """
    if sender_place == "user" and before == [sent(9, source="echo")]:
        active = False  # that place tells of users alone
    router = WebhookRouter(KEY)
    seen: list[str] = []

    @router.on(MessageReceived, when=is_human_active)
    async def human(context: Context[MessageReceived]) -> None:
        seen.append("human")

    @router.on(MessageReceived, when=no_human_active)
    async def bot(context: Context[MessageReceived]) -> None:
        seen.append("bot")

    async with router:
        await deliver(router, *before, {**message(1), "contact": {"id": 1, "assignee": assignee}})
    assert seen == ["human" if active else "bot"]


async def hand_over_bot(path: str | None, client: Client) -> tuple[WebhookRouter, list[Any]]:
    """Make a bot that hands over at the word "human"."""
    router = WebhookRouter(
        KEY, inbox=path, client=client, on_error=lambda error, _: seen.append(repr(error))
    )
    seen: list[Any] = []

    @router.on(MessageReceived, text="human")
    async def hand_over(context: Context[MessageReceived]) -> None:
        await context.hand_over("agent@example.com")
        context.stop()

    @router.on(MessageReceived)
    async def answer(context: Context[MessageReceived]) -> None:
        seen.append((context.contact_id, context.text))

    @router.on(MessageReceived, always=True)
    async def log(context: Context[MessageReceived]) -> None:
        if context.is_handed_over:
            seen.append(("silent", context.text))
        if context.text == "back":
            await context.take_back()

    return router, seen


@with_inbox("inbox_or_none", "memory", "sqlite", "postgresql")
async def test_a_hand_over_silences_until_the_conversation_closes(
    inbox_or_none: str | None,
) -> None:
    """The bot is silent for that contact alone; a closed conversation or take_back() ends it; a
    restart does not, with an inbox.
    """
    client = Client()
    router, seen = await hand_over_bot(inbox_or_none, client)
    async with router:
        await deliver(
            router,
            message(1, text="human please"),
            message(2, text="a"),
            message(3, contact=2, text="b"),
        )
    assert client.calls == [("hand over", 1, "agent@example.com")]
    assert set(seen) == {("silent", "a"), (2, "b")}
    if inbox_or_none is not None:
        router, seen = await hand_over_bot(inbox_or_none, client)
    seen.clear()
    async with router:
        await deliver(router, message(4, text="c"), closed(5), message(6, text="d"))
        await deliver(
            router, message(7, text="human"), message(8, text="back"), message(9, text="e")
        )
    assert seen == [("silent", "c"), (1, "d"), ("silent", "back"), (1, "e")]


MOMENT = BASE // 1_000_000


@pytest.mark.parametrize(
    ("closed_at", "ends"),
    [
        (MOMENT - 1, False),
        ((MOMENT - 1) * 1000 + 999, False),
        ("2026-07-13T00:00:00Z", False),
        (MOMENT, True),
        (MOMENT * 1000, True),
        (MOMENT + 60, True),
        (None, True),
        ("nonsense", True),
    ],
)
async def test_an_older_conversation_that_is_closed_late_ends_nothing(
    closed_at: Any, ends: bool
) -> None:
    """What began after it was closed goes on: silence, and a person at it.

    The times are the server's, in whole seconds.
    """
    router, seen = await hand_over_bot(None, Client())
    async with router:
        await deliver(
            router, message(1, text="human"), sent(2, source="user"), closed(3, at=closed_at)
        )
        context = router.context(parse(body_of(message(4))))
        assert (context.is_handed_over, context.is_human_active) == (not ends, not ends)
        await deliver(router, closed(5, at=MOMENT + 3600), message(6, text="hello"))
    assert seen[-1] == (1, "hello")


@pytest.mark.parametrize(
    ("event", "closed_at", "ends"),
    [
        (
            {"event_type": "conversation.opened", "conversation": {"openedTime": MOMENT}},
            MOMENT - 1,
            False,
        ),
        (
            {"event_type": "conversation.opened", "conversation": {"openedTime": MOMENT}},
            MOMENT,
            True,
        ),
        ({"event_type": "conversation.opened"}, MOMENT - 1, True),
        ({"event_type": "contact.tag.updated", "tag": "vip", "action": "add"}, MOMENT - 1, True),
    ],
)
async def test_a_hand_over_without_a_message(event: Any, closed_at: int, ends: bool) -> None:
    """It is dated by what its event tells; when that tells no time, any closed conversation ends
    it.
    """
    router = WebhookRouter(KEY)

    @router.on(ConversationOpened, ContactTagUpdated)
    async def quiet(context: Context[Any]) -> None:
        await context.hand_over()

    async with router:
        await deliver(
            router, {"event_id": "1", "contact": {"id": 1}, **event}, closed(2, at=closed_at)
        )
        assert router.context(parse(body_of(message()))).is_handed_over is not ends


@with_inbox("inbox", "sqlite", "postgresql")
async def test_a_late_close_after_a_restart(inbox: str) -> None:
    """The file remembers since when the bot is silent."""
    router, _ = await hand_over_bot(inbox, Client())
    async with router:
        await deliver(router, message(1, text="human"))
    router, seen = await hand_over_bot(inbox, Client())
    async with router:
        await deliver(
            router, closed(2, at=MOMENT - 60), message(3, text="a"), closed(4), message(5, text="b")
        )
    assert seen == [("silent", "a"), (1, "b")]


async def test_a_hand_over_that_fails_leaves_the_bot() -> None:
    """When nobody could be assigned, silence would leave the contact alone."""
    client = Client()
    client.fail = True
    router, seen = await hand_over_bot(None, client)
    async with router:
        await deliver(router, message(1, text="human"), message(2, text="a"))
    assert seen == ["RuntimeError('no such user')", (1, "human"), (1, "a")]


async def test_silence_alone_needs_no_client() -> None:
    """hand_over() without a user assigns nobody."""
    router = WebhookRouter(KEY)
    seen: list[str] = []

    @router.on(MessageReceived)
    async def quiet(context: Context[MessageReceived]) -> None:
        seen.append(context.text)
        await context.hand_over()

    async with router:
        await deliver(router, message(1, text="a"), message(2, text="b"))
    assert seen == ["a"]


async def test_silence_outlasts_many_other_contacts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered in memory is bounded, and hand-overs are the last to be forgotten."""
    monkeypatch.setattr(states_module, "MOST_REMEMBERED", 3)
    router = WebhookRouter(KEY)
    seen: list[int | None] = []

    @router.on(MessageReceived)
    async def quiet(context: Context[MessageReceived]) -> None:
        seen.append(context.contact_id)
        if context.contact.id <= 3:
            await context.hand_over()

    async with router:
        for number in range(1, 12):
            await deliver(router, message(number, number))
        await deliver(router, message(50, 1), message(51, 2), message(52, 11))
    assert seen == [*range(1, 12), 11]
    assert len(router._dispatcher.states.contacts) <= 4
    assert len(router._dispatcher.states.received) <= 3


@with_inbox("inbox", "sqlite", "postgresql")
async def test_catching_up_after_an_outage(inbox: str) -> None:
    """What was written meanwhile is handled like events: once, in order, with the contact; outgoing
    messages are not.
    """
    async with (router := WebhookRouter(KEY, inbox=inbox)):
        await deliver(router, message(1, 1), message(3, 2))
    history = {
        1: [text(1), text(4), text(5, traffic="outgoing"), text(6, kind="location"), text(9)],
        2: [text(3, 2), text(7, 2)],
        3: [text(2, 3), text(8, 3)],
    }
    client = Client(history)
    router = WebhookRouter(KEY, inbox=inbox, client=client)
    seen: dict[int, list[Any]] = {}

    @router.on(MessageReceived)
    async def note(context: Context[MessageReceived]) -> None:
        assert context.contact.first_name == "Ann"
        assert context.channel_id == 7
        seen.setdefault(context.contact.id, []).append(context.text)

    async with router:
        await deliver(
            router, message(9, 1, text="live")
        )  # raises the watermark over the gap behind it
        assert await router.catch_up([1, 2, 3]) == 4
        assert await router.catch_up() == 0
        await deliver(router, message(4, 1, text="late"), message(99, 1, text="new"))
    assert seen == {1: ["live", "missed 4", "missed 6", "new"], 2: ["missed 7"], 3: ["missed 8"]}
    assert ("list", 3, BASE + 3) in client.calls
    again = WebhookRouter(KEY, inbox=inbox, client=client)
    async with again:
        assert await again.catch_up(after=BASE) == 1  # message 2, whose event never came
        await deliver(again, message(4, 1, event_id="later still"))
    assert again.statistics().duplicates == 1


async def test_catching_up_from_a_moment() -> None:
    """Without an inbox the caller says since when; nothing known means nothing fetched."""
    client = Client({1: [text(1), text(5)]})
    router = WebhookRouter(KEY, client=client)
    seen = recorder(router)
    async with router:
        assert await router.catch_up([1]) == 0
        assert client.calls == []
        assert (
            await router.catch_up(
                [1], after=datetime.fromtimestamp(BASE / 1e6, UTC) + timedelta(microseconds=2)
            )
            == 1
        )
        with pytest.raises(InvalidArgumentError, match="aware"):
            await router.catch_up([1], after=datetime(2026, 1, 1))  # noqa: DTZ001
    assert seen == ["missed 5"]


async def test_catching_up_waits_for_capacity() -> None:
    """A full queue delays catching up, and closing ends it."""
    client = Client({1: [text(number) for number in range(1, 6)]})
    router = WebhookRouter(KEY, client=client, queue_size=2)
    seen = recorder(router)
    async with router:
        assert await router.catch_up([1], after=BASE) == 5
    assert len(seen) == 5
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as group:
            other = WebhookRouter(KEY, client=client, queue_size=1)
            hang = asyncio.Event()

            @other.on()
            async def stuck(context: Context[Any]) -> None:
                await hang.wait()

            group.create_task(other.catch_up([1], after=BASE))
            await asyncio.sleep(0.01)
            await other.aclose(0.01)
    assert caught.group_contains(ConfigurationError, match="closed while")


NOW = datetime(2026, 7, 13, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("last", "is_open"),
    [
        (None, False),
        (NOW.timestamp() - 86_399, True),
        (NOW.timestamp() - 86_400, False),
        ((NOW.timestamp() - 10) * 1000, True),
        (str(int(NOW.timestamp()) - 10), True),
        ("2026-07-13T11:00:00Z", True),
        ("nonsense", False),
    ],
)
def test_the_reply_window(last: Any, is_open: bool) -> None:
    """It is open for 24 hours from the contact's last message, in whatever unit that is told."""
    channel = ContactChannel(id=7, last_incoming_message_time=last)
    assert window_open(channel, NOW) is is_open
    assert window_open(channel, NOW.timestamp()) is is_open
    assert not window_open(None)


async def test_the_window_of_an_event() -> None:
    """A message that was just received opens it by itself; any other event goes by its channel."""
    now = 1_783_918_786
    answers: list[bool] = []
    router = WebhookRouter(KEY)

    @router.on()
    async def ask(context: Context[Any]) -> None:
        answers.extend([context.window_open(now + 60), context.window_open(now + 90_000)])

    channel = {"id": 7, "lastIncomingMessageTime": now}
    async with router:
        await deliver(router, message(1), sent(2, channel=channel), closed(3))
    assert answers == [True, False, True, False, False, False]
    assert not window_open(ContactChannel(id=1, last_incoming_message_time=5))


async def test_memory_that_cannot_be_stored_is_kept(tmp_path: Path) -> None:
    """When the file takes no more, the bot goes on with what it has in states."""
    errors: list[Any] = []
    router = WebhookRouter(
        KEY, inbox=tmp_path / "inbox", on_error=lambda error, _: errors.append(error)
    )
    async with router:
        await deliver(router, sent(1))
        assert isinstance(router._dispatcher.inbox, EventInbox)
        broken = (
            "CREATE TEMP TRIGGER full BEFORE INSERT ON contact "
            "BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
        await router._dispatcher.inbox.database.submit(
            lambda connection: connection.execute(broken).fetchall()
        )
        await deliver(router, closed(2), message(3))
        assert not router._dispatcher.states.of(1).human_since
    assert len(errors) >= 1


async def test_two_that_catch_up_at_once() -> None:
    """Each message comes once all the same; what is remembered of them is bounded."""
    client = Client({1: [text(number) for number in range(1, 6)]})
    found = client.contacts.get

    async def slow(identifier: Any) -> Contact:
        await asyncio.sleep(0)
        contact: Contact = await found(identifier)
        return contact

    client.contacts.get = slow
    router = WebhookRouter(KEY, client=client)
    seen = recorder(router)
    async with router:
        assert sum(await asyncio.gather(*[router.catch_up([1], after=BASE) for _ in range(2)])) == 5
    assert seen == [f"missed {number}" for number in range(1, 6)]


async def test_what_was_caught_up_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many messages are remembered, and only so many contacts, even when the bot is silent
    for all of them.
    """
    monkeypatch.setattr(states_module, "MOST_REMEMBERED", 2)
    router = WebhookRouter(KEY, client=Client({1: [text(number) for number in range(1, 6)]}))

    @router.on(MessageReceived)
    async def quiet(context: Context[MessageReceived]) -> None:
        await context.hand_over()

    async with router:
        assert await router.catch_up([1], after=BASE) == 5
        assert list(router._dispatcher.states.caught_up) == [BASE + 4, BASE + 5]
        await deliver(router, *[message(number, number) for number in range(10, 14)])
        assert {
            contact
            for contact, known in router._dispatcher.states.contacts.items()
            if known.handed_over_since
        } <= {12, 13, 1}
        assert len(router._dispatcher.states.contacts) == 2


@with_inbox("inbox_or_none", "memory", "sqlite", "postgresql")
async def test_catching_up_that_is_cut_short_is_done_again(inbox_or_none: str | None) -> None:
    """A message that was fetched and not taken in is not taken for one that was."""
    client = Client({1: [text(1), text(2)]})
    router = WebhookRouter(KEY, client=client, queue_size=1, inbox=inbox_or_none)
    seen = recorder(router)
    hold = asyncio.Event()

    @router.on(MessageReceived)
    async def slow(_: Context[MessageReceived]) -> None:
        await hold.wait()

    await router.start()
    catching_up = asyncio.create_task(router.catch_up([1], after=BASE))
    while not seen:
        await asyncio.sleep(0)
    catching_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await catching_up
    hold.set()
    await router.aclose()
    missing = 2 - len(seen)  # the second may have been on its way into a database
    async with router:
        assert await router.catch_up([1], after=BASE) == missing
    assert seen == ["missed 1", "missed 2"]
