"""An event is acknowledged at once, handled in its order, and handled once."""

import asyncio
import logging
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from respondio_async.errors import ConfigurationError
from respondio_async.webhooks import (
    AnyEvent,
    CallNext,
    ContactCreated,
    Context,
    MemoryDeduplicator,
    MessageReceived,
    MessageSent,
    RedisDeduplicator,
    UnknownEvent,
    WebhookRouter,
    parse,
)
from respondio_async.webhooks import _inbox as inbox_module
from respondio_async.webhooks._order import KeyedLocks
from tests.webhooks.payloads import KEY, body_of, closed, message, sent, signed


async def deliver(router: WebhookRouter, event: Any) -> int:
    """Send one event as respond.io does."""
    status, _ = await router.receive(*signed(event))
    return status


async def test_it_acknowledges_before_it_handles() -> None:
    """The answer does not wait for the handler."""
    router = WebhookRouter(KEY)
    release = asyncio.Event()
    done = []

    @router.on(MessageReceived)
    async def slow(context: Context[MessageReceived]) -> None:
        await release.wait()
        done.append(context.text)

    async with router:
        assert await deliver(router, message(text="one")) == 200
        assert done == []
        assert router.statistics().waiting == 1
        release.set()
    assert done == ["one"]
    assert router.statistics().waiting == 0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Webhook-Signature": ""},
        {"X-Webhook-Signature": "x" * 44},
        [(b"x-webhook-signature", b"\xff" * 44)],
        {"X-Other": "x"},
    ],
)
async def test_forged_bodies_are_refused(headers: Any) -> None:
    """What nobody signed reaches no handler."""
    router = WebhookRouter([KEY, "another"])
    router.on()(pytest.fail)
    async with router:
        assert (await router.receive(body_of(message()), headers)).status == 401
    assert router.statistics().refused == 1


@pytest.mark.parametrize(
    "body", [b"[]", b"null", b"no json", b'{"a":' + b"[" * 70 + b"]" * 70 + b"}", b'{"torn":']
)
async def test_signed_garbage_is_refused(body: bytes) -> None:
    """A key does not make an event of what is none."""
    router = WebhookRouter(KEY)
    async with router:
        assert await deliver(router, body) == 400


async def test_oversized_bodies_are_refused() -> None:
    """The bound holds for signed bodies too, and is inclusive."""
    body = body_of(message())
    async with WebhookRouter(KEY, max_body=len(body)) as router:
        assert await deliver(router, body) == 200
        assert await deliver(router, body + b" ") == 413


@pytest.mark.parametrize("shape", [dict, list, "bytes"])
async def test_headers_of_any_shape(shape: Any) -> None:
    """Frameworks hand headers over as mappings or pairs, str or bytes, in any case."""
    body, headers = signed(message())
    pairs = [("Accept", "*/*"), ("x-WEBHOOK-signature", headers["X-Webhook-Signature"])]
    given = (
        [(name.encode(), value.encode()) for name, value in pairs]
        if shape == "bytes"
        else shape(pairs)
    )
    async with WebhookRouter(KEY) as router:
        assert (await router.receive(body, given)).status == 200


async def test_replays_are_dropped() -> None:
    """An event that was here is answered 200 and not handled, with an event_id or without one."""
    router = WebhookRouter(KEY)
    seen: list[Any] = []
    router.on()(seen.append)
    nameless = message(text="no id")
    del nameless["event_id"]
    async with router:
        for event in (message(1), message(2), message(1), nameless, nameless, message(2)):
            assert await deliver(router, event) == 200
    assert len(seen) == 3
    assert router.statistics().duplicates == 3


async def test_a_contacts_events_keep_their_order() -> None:
    """Events of one contact are handled one by one in order of arrival, those of others side by
    side.
    """
    router = WebhookRouter(KEY)
    order: dict[int, list[str]] = {}
    running: set[int | None] = set()
    most = 0

    @router.on(MessageReceived)
    async def note(context: Context[MessageReceived]) -> None:
        nonlocal most
        assert context.contact_id not in running
        running.add(context.contact_id)
        most = max(most, len(running))
        await asyncio.sleep(0)
        order.setdefault(context.contact.id, []).append(context.text)
        await asyncio.sleep(0)
        running.discard(context.contact_id)

    async with router:
        for number in range(60):
            assert await deliver(router, message(number, number % 3 + 1, str(number))) == 200
    assert order == {
        contact: [str(number) for number in range(60) if number % 3 + 1 == contact]
        for contact in (1, 2, 3)
    }
    assert most == 3


async def test_concurrency_is_bounded_and_fair() -> None:
    """No more handlers run than allowed, and a talkative contact delays nobody."""
    router = WebhookRouter(KEY, concurrency=2)
    order: list[int] = []
    running = most = 0

    @router.on(MessageReceived)
    async def note(context: Context[MessageReceived]) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        order.append(context.contact.id)
        await asyncio.sleep(0)
        running -= 1

    async with router:
        for number in range(10):
            await deliver(router, message(number, 1))
        for number in range(10, 13):
            await deliver(router, message(number, number))
    assert most == 2
    assert max(order.index(number) for number in range(10, 13)) < 8


async def test_events_without_a_contact_are_handled() -> None:
    """They have no order to keep."""
    router = WebhookRouter(KEY)
    seen: list[Context[Any]] = []
    router.on(UnknownEvent)(seen.append)
    async with router:
        assert await deliver(router, {"event_type": "call.started", "event_id": "1"}) == 200
    assert [context.event.event_type for context in seen] == ["call.started"]
    with pytest.raises(ConfigurationError, match="names no contact"):
        _ = seen[0].contact
    with pytest.raises(ConfigurationError, match="names no contact"):
        await seen[0].take_back()
    assert (seen[0].channel_id, seen[0].text, seen[0].message, seen[0].window_open()) == (
        None,
        "",
        None,
        False,
    )
    assert not seen[0].is_human_active
    assert not seen[0].is_handed_over


@pytest.mark.parametrize(("limits", "room"), [({"queue_size": 3}, 3), ({"queue_bytes": 1000}, 2)])
async def test_too_many_events_are_turned_away(limits: Any, room: int) -> None:
    """Beyond the bound the answer is 503 with Retry-After; what was turned away is taken in when it
    comes again.
    """
    router = WebhookRouter(KEY, **limits)
    release = asyncio.Event()
    seen = []

    @router.on(MessageReceived)
    async def slow(context: Context[MessageReceived]) -> None:
        await release.wait()
        seen.append(context.event.event_id)

    async with router:
        statuses = [await deliver(router, message(number, number)) for number in range(room + 1)]
        assert statuses == [200] * room + [503]
        answer = await router.receive(*signed(message(room)))
        assert int(answer.headers["retry-after"]) > 0
        release.set()
        for _ in range(50):
            await asyncio.sleep(0)
        assert await deliver(router, message(room, room)) == 200
    assert len(seen) == room + 1
    assert router.statistics().turned_away == 2


async def test_handler_errors_go_to_the_hook() -> None:
    """An error in a handler, a condition or the hook reaches neither respond.io nor the other
    handlers.
    """
    errors: list[tuple[str, str]] = []
    seen: list[Any] = []

    async def on_error(error: Exception, context: Context[Any] | None) -> None:
        assert context is not None
        errors.append((repr(error), context.handler.rpartition(".")[2]))
        raise RuntimeError("the hook is broken too")

    router = WebhookRouter(KEY, on_error=on_error)

    @router.on(MessageReceived)
    async def broken(context: Context[MessageReceived]) -> None:
        raise ValueError("oops")

    @router.on(MessageReceived)
    async def cancelled(context: Context[MessageReceived]) -> None:
        raise asyncio.CancelledError

    def bad_condition(context: Context[Any]) -> bool:
        raise KeyError("when")

    router.on(MessageReceived, when=bad_condition)(seen.append)
    router.on(MessageReceived)(seen.append)
    async with router:
        assert await deliver(router, message(1)) == 200
        assert await deliver(router, message(2)) == 200
    assert len(seen) == 2
    assert [name for _, name in errors] == ["broken", "cancelled", "append"] * 2
    assert router.statistics().errors == 6


async def test_errors_are_logged_without_a_hook(caplog: pytest.LogCaptureFixture) -> None:
    """By default an error is seen in the log."""
    router = WebhookRouter(KEY)

    @router.on()
    def broken(context: Context[Any]) -> None:
        raise ValueError("oops")

    async with router:
        await deliver(router, message())
    assert "broken failed" in caplog.text


async def test_a_stuck_handler_times_out() -> None:
    """A handler that never ends does not hold its contact for ever."""
    errors: list[Exception] = []
    router = WebhookRouter(
        KEY, handler_timeout=0.001, on_error=lambda error, _: errors.append(error)
    )
    seen: list[Any] = []

    @router.on()
    async def stuck(context: Context[Any]) -> None:
        await asyncio.Event().wait()

    router.on()(seen.append)
    async with router:
        await deliver(router, message())
    assert isinstance(errors[0], TimeoutError)
    assert len(seen) == 1


def test_a_function_handles_within_the_request() -> None:
    """`handle` returns once the handlers have ended, on a loop of each call's own, as serverless
    platforms have it; what handlers raise goes to on_error, and a repeated event is known.
    """
    errors: list[Any] = []
    seen: list[str] = []
    router = WebhookRouter(KEY, on_error=lambda error, _: errors.append(error))

    @router.on(MessageReceived)
    async def slow(context: Context[MessageReceived]) -> None:
        await asyncio.sleep(0.01)
        seen.append(context.text)
        if context.text == "bad":
            raise ValueError("mine")

    def function(event: Any, **headers: str) -> int:
        body, signature = signed(event)
        return asyncio.run(router.handle(body, {**signature, **headers})).status

    assert (function(message(1, text="a")), seen) == (200, ["a"])
    assert (function(message(2, text="bad")), seen) == (200, ["a", "bad"])
    assert (function(message(1, text="a")), seen) == (200, ["a", "bad"])
    assert function(message(3), **{"X-Webhook-Signature": "x" * 44}) == 401
    assert function([]) == 400
    assert [str(error) for error in errors] == ["mine"]
    assert router.statistics().waiting == 0


@pytest.mark.parametrize("begun", [True, False])
async def test_a_function_whose_router_is_closed_first(begun: bool) -> None:
    """It is told that its event was not handled, whether its handler had begun or not; a function
    that is cancelled leaves its event to the handlers.
    """
    router = WebhookRouter(KEY, drain_timeout=0, concurrency=1)
    hold = asyncio.Event()
    running = asyncio.Event()

    @router.on(MessageReceived)
    async def stuck(_: Context[MessageReceived]) -> None:
        running.set()
        await hold.wait()

    async with router:
        calls = [asyncio.create_task(router.handle(*signed(message(n, n)))) for n in (1, 2)]
        await running.wait()
        call = calls[0 if begun else 1]
        other = calls[1 if begun else 0]
        other.cancel()
        with pytest.raises(asyncio.CancelledError):
            await other
        assert router.statistics().waiting == 2
    assert (await call).status == 503


async def test_contacts_in_functions_keep_their_order() -> None:
    """Two events of one contact that come at once are handled one after the other; each call waits
    for its own.
    """
    router = WebhookRouter(KEY)
    ends: list[Any] = []

    @router.on(MessageReceived)
    async def slow(context: Context[MessageReceived]) -> None:
        await asyncio.sleep(0)
        ends.append(context.text)

    async def function(number: int) -> None:
        await router.handle(*signed(message(number, text=str(number))))
        ends.append(f"{number} returned")

    async with router:
        await asyncio.gather(*[function(number) for number in range(3)])
    assert [end for end in ends if "returned" not in end] == ["0", "1", "2"]
    assert all(ends.index(f"{number} returned") > ends.index(str(number)) for number in range(3))


@pytest.mark.parametrize("durable", [False, True])
async def test_how_long_an_event_is_recognised(
    tmp_path: Path, durable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For as many later events as the user chooses."""
    monkeypatch.setattr(inbox_module, "_PRUNE_EVERY", 1)
    router = WebhookRouter(KEY, inbox=tmp_path / "inbox" if durable else None, remember=3)
    async with router:
        assert await deliver(router, message(0)) == 200
        assert (await router.receive(*signed(message(0)))).body == b'{"status":"duplicate"}'
        for number in (1, 2):
            assert await deliver(router, message(number)) == 200
    async with router:  # an inbox has noted all ends now
        for number in (3, 4):
            assert await deliver(router, message(number)) == 200
        assert (await router.receive(*signed(message(0)))).body == b'{"status":"accepted"}'
        assert (await router.receive(*signed(message(4)))).body == b'{"status":"duplicate"}'


@pytest.mark.parametrize("options", [{"remember": 0}, {"remember": -1}])
def test_remembering_nothing_is_refused(options: Any) -> None:
    """It would handle each repeated delivery again."""
    with pytest.raises(ConfigurationError, match="remember"):
        WebhookRouter(KEY, **options)
    with pytest.raises(ConfigurationError, match="limit"):
        WebhookRouter(KEY, remember=5, deduplicator=MemoryDeduplicator())
    with pytest.raises(ConfigurationError, match="ttl"):
        RedisDeduplicator(SimpleNamespace(), ttl=0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"channel": 7}, [1, 2, 3, 5, 6]),
        ({"channel": "whatsapp_cloud"}, [1, 2, 3, 5, 6]),
        ({"channel": [8, "telegram"]}, [4]),
        ({"message_type": "text"}, [1, 2, 4, 5, 6]),
        ({"message_type": ["attachment", "location"]}, [3]),
        ({"sender": "contact"}, [1, 2, 3, 4]),
        ({"sender": {"user"}}, [5]),
        ({"text": "^pri(ce|ze)"}, [1]),
        ({"text": re.compile("PRICE", re.IGNORECASE)}, [1, 2]),
        ({"when": lambda context: "price" in context.text}, [1, 2]),
        ({"text": "the", "channel": 8}, [4]),
        ({"message_type": []}, []),
    ],
)
async def test_conditions(wanted: Any, numbers: list[int]) -> None:
    """A handler gets the events for which all its conditions hold."""
    router = WebhookRouter(KEY)
    seen = []

    @router.on(MessageReceived, MessageSent, **wanted)
    async def note(context: Context[Any]) -> None:
        seen.append(int(context.event.event_id.removeprefix("event-")))

    location = message(3)
    location["message"]["message"] = {"type": "location", "latitude": 1}
    elsewhere = message(4, text="the", channel={"id": 8, "source": "telegram"})
    del elsewhere["message"]["channelId"]
    async with router:
        for event in (
            message(1, text="price?"), message(2, text="The price"), location, elsewhere, sent(5),
                sent(6, source=None),
            {"event_type": "contact.created", "event_id": "event-7", "contact": {"id": 1}},
            message(8, message="drifted") if wanted else closed(9),
        ):  # fmt: skip
            await deliver(router, event)
    assert [number for number in seen if number != 8] == numbers


async def test_a_channel_that_only_the_message_names() -> None:
    """It is as good as the event's own."""
    router = WebhookRouter(KEY)
    seen: list[Any] = []
    router.on(MessageReceived, channel=7)(seen.append)
    async with router:
        await deliver(router, message(channel=None))
    assert len(seen) == 1


async def test_an_asynchronous_condition() -> None:
    """`when` may await."""
    router = WebhookRouter(KEY)
    seen: list[Any] = []

    async def never(context: Context[Any]) -> bool:
        await asyncio.sleep(0)
        return False

    router.on(when=never)(seen.append)
    async with router:
        await deliver(router, message())
    assert seen == []


@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_a_condition_is_held_like_a_handler(is_cancelled: bool) -> None:
    """One that never ends, or lets a cancellation of its own escape, holds no event up."""
    errors: list[Exception] = []
    seen: list[Any] = []
    router = WebhookRouter(
        KEY, handler_timeout=0.001, on_error=lambda error, _: errors.append(error)
    )

    async def stuck(context: Context[Any]) -> bool:
        if is_cancelled:
            raise asyncio.CancelledError
        return await asyncio.Event().wait()

    router.on(when=stuck)(pytest.fail)
    router.on()(seen.append)
    async with router:
        await deliver(router, message(1))
        await deliver(router, message(2))
    assert len(seen) == 2
    assert [type(error) for error in errors] == [RuntimeError if is_cancelled else TimeoutError] * 2
    assert router.statistics().waiting == 0


@pytest.mark.parametrize("wanted", [{"text": re.compile(b"hi")}, {"when": lambda _: NoTruth()}])
async def test_a_condition_that_cannot_be_asked_is_an_error_of_its_handler(wanted: Any) -> None:
    """It keeps no other handler from the event, and the event from no end."""
    errors: list[tuple[type[Exception], str]] = []
    seen: list[str] = []

    def note(error: Exception, context: Context[Any] | None) -> None:
        assert context is not None
        errors.append((type(error), context.handler.rpartition(".")[2]))

    router = WebhookRouter(KEY, on_error=note)

    @router.on(**wanted)
    async def unasked(context: Context[Any]) -> None:
        seen.append("unasked")

    @router.on()
    async def other(context: Context[Any]) -> None:
        seen.append("other")

    assert (await router.handle(*signed(message()))).status == 200
    assert errors == [(TypeError, "unasked")]
    assert seen == ["other"]
    await router.aclose()


class NoTruth:
    """Neither true nor false, as an array of several is."""

    def __bool__(self) -> bool:
        raise TypeError


async def test_a_match_is_of_the_handler_that_asked_for_it() -> None:
    """A handler without a pattern finds no match of an earlier one."""
    router = WebhookRouter(KEY)
    matches: list[Any] = []
    router.on(MessageReceived, text="order")(lambda context: matches.append(context.match))
    router.on(MessageReceived)(lambda context: matches.append(context.match))
    async with router:
        await deliver(router, message(text="order 55"))
    assert matches[0] is not None
    assert matches[1] is None


async def test_the_match_and_stop() -> None:
    """A pattern's match is in the context, and stop() keeps the event from later handlers."""
    router = WebhookRouter(KEY)
    seen: list[Any] = []

    @router.on(MessageReceived, text=r"order (\d+)")
    async def order(context: Context[MessageReceived]) -> None:
        assert context.match is not None
        seen.append(context.match[1])
        context.stop()

    @router.on(MessageReceived)
    async def fallback(context: Context[MessageReceived]) -> None:
        seen.append("fallback")

    async with router:
        await deliver(router, message(1, text="where is order 55?"))
        await deliver(router, message(2, text="hello"))
    assert seen == ["55", "fallback"]


async def test_middleware_stands_around_each_handler() -> None:
    """The first registered is the outermost; it sees errors, and may keep a handler from
    running.
    """
    router = WebhookRouter(KEY, on_error=lambda error, _: seen.append(repr(error)))
    seen: list[str] = []

    @router.middleware
    async def outer(context: Context[Any], call_next: CallNext) -> None:
        seen.append("outer")
        try:
            await call_next(context)
        finally:
            seen.append("end")

    @router.middleware
    async def inner(context: Context[Any], call_next: CallNext) -> None:
        if context.text != "stop":
            await call_next(context)

    @router.on(MessageReceived)
    async def broken(context: Context[MessageReceived]) -> None:
        raise ValueError("oops")

    async with router:
        await deliver(router, message(1, text="stop"))
        await deliver(router, message(2))
    assert seen == ["outer", "end", "outer", "end", "ValueError('oops')"]


async def test_closing_drains() -> None:
    """Closing takes in nothing more and waits for what was taken in."""
    router = WebhookRouter(KEY)
    seen: list[Any] = []
    entered, release = asyncio.Event(), asyncio.Event()

    @router.on()
    async def slow(context: Context[Any]) -> None:
        entered.set()
        await release.wait()
        seen.append(context)

    await router.start()
    for number in range(5):
        await deliver(router, message(number))
    await entered.wait()
    closing = asyncio.create_task(router.aclose())
    await asyncio.sleep(0)
    assert await deliver(router, message(9)) == 503
    release.set()
    assert await closing == 0
    assert len(seen) == 5
    assert await deliver(router, message(9)) == 503
    assert await router.aclose() == 0


async def test_a_closing_that_was_cancelled_is_repeated(inbox_or_none: str | None) -> None:
    """Whoever closes next, or beside another, waits for the end likewise; nothing is left open."""
    router = WebhookRouter(KEY, inbox=inbox_or_none)
    seen: list[Any] = []
    entered, release = asyncio.Event(), asyncio.Event()

    @router.on()
    async def slow(context: Context[Any]) -> None:
        entered.set()
        await release.wait()
        seen.append(context)

    assert await deliver(router, message()) == 200
    await entered.wait()
    cancelled = asyncio.create_task(router.aclose())
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.wait([cancelled])
    closing = [asyncio.create_task(router.aclose()) for _ in range(2)]
    await asyncio.sleep(0)
    assert await deliver(router, message(9)) == 503
    assert not any(each.done() for each in closing)
    release.set()
    assert await asyncio.gather(*closing) == [0, 0]
    assert len(seen) == 1
    assert await router.aclose() == 0


@pytest.mark.parametrize("steps", range(0, 30, 3))
async def test_a_closing_may_be_cancelled_at_any_step(tmp_path: Path, steps: int) -> None:
    """Who waits for an event that was not handled is told so by the next one."""
    router = WebhookRouter(KEY, inbox=tmp_path / "inbox", concurrency=1)
    entered = asyncio.Event()

    @router.on()
    async def stuck(context: Context[Any]) -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)

    waiting = [
        asyncio.create_task(router.handle(*signed(message(number, contact=number))))
        for number in range(3)
    ]
    await entered.wait()
    closing = asyncio.create_task(router.aclose(0))
    for _ in range(steps):
        await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    await router.aclose(0)
    assert [(await answer).status for answer in waiting] == [503, 503, 503]
    assert router.statistics().waiting == router.statistics().running == 0


async def test_closing_gives_up_in_time(caplog: pytest.LogCaptureFixture) -> None:
    """Beyond the timeout handlers are cancelled, and what was not handled is counted; then the
    router can start again.
    """
    router = WebhookRouter(KEY)
    cancelled = []
    running = asyncio.Event()

    @router.on()
    async def stuck(context: Context[Any]) -> None:
        try:
            running.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(context)
            raise

    await router.start()
    for number in range(3):
        await deliver(router, message(number))
    await running.wait()
    with caplog.at_level(logging.WARNING):
        assert await router.aclose(timeout=0.001) == 3
    assert len(cancelled) == 1
    assert "3 webhook events were not handled" in caplog.text
    async with router:
        assert await deliver(router, message(4, contact=9)) == 200
        await asyncio.sleep(0)
        await router.aclose(0.001)


async def test_it_starts_by_itself() -> None:
    """A router that nobody started begins with its first event."""
    router = WebhookRouter(KEY)
    seen: list[Any] = []
    router.on()(seen.append)
    assert await deliver(router, message()) == 200
    await router.aclose()
    assert len(seen) == 1


def test_one_event_loop_after_another() -> None:
    """A router may be used again on a new loop once the old one is closed, and never on two at
    once.
    """
    router = WebhookRouter(KEY)
    assert asyncio.run(deliver(router, message(1))) == 200
    assert asyncio.run(deliver(router, message(2))) == 200
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(router.start())
        with pytest.raises(ConfigurationError, match="another event loop"):
            asyncio.run(router.start())
    finally:
        loop.run_until_complete(router.aclose())
        loop.close()


def test_a_loop_that_ends_begins_with_no_other_event() -> None:
    """What waits behind an event that is cancelled with its loop stays as it is."""
    router = WebhookRouter(KEY, concurrency=1)
    seen: list[str] = []

    @router.on()
    async def stuck(context: Context[Any]) -> None:
        seen.append(context.event.event_id)
        await asyncio.Event().wait()

    async def begin() -> None:
        for number in range(3):
            await deliver(router, message(number, contact=number))
        while not seen:
            await asyncio.sleep(0)

    asyncio.run(begin())
    assert seen == ["event-0"]


async def test_a_contacts_lock_keeps_its_handlers_out() -> None:
    """Work beside the handlers takes the same lock; a handler may take it again."""
    router = WebhookRouter(KEY)
    seen: list[str] = []

    @router.on(MessageReceived)
    async def handler(context: Context[MessageReceived]) -> None:
        async with context.lock():
            seen.append("handler")

    async with router, router.lock(1):
        await deliver(router, message(1))
        await deliver(router, message(2, contact=2))
        for _ in range(20):
            await asyncio.sleep(0)
        seen.append("mine")
    assert seen == ["handler", "mine", "handler"]


async def test_a_lock_that_nobody_holds_is_forgotten() -> None:
    """Contacts that are idle cost no memory."""
    locks = KeyedLocks()
    async with locks.hold(1), locks.hold(2):
        assert len(locks) == 2
    assert len(locks) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"keys": ()},
        {"keys": [5]},
        {"keys": ""},
        {"keys": [""]},
        {"keys": KEY, "queue_size": 0},
        {"keys": KEY, "concurrency": 0},
    ],
)
def test_configuration_is_checked(wrong: Any) -> None:
    """A router that could not work is not made."""
    with pytest.raises(ConfigurationError):
        WebhookRouter(**wrong)


def test_registration_is_checked() -> None:
    """A mistake shows where it is made, not when an event comes."""
    router = WebhookRouter(KEY)
    with pytest.raises(ConfigurationError):
        router.on("message.received")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="mesage_type"):
        router.on(MessageReceived, mesage_type="text")  # type: ignore[call-overload]
    with pytest.raises(re.error):
        router.on(MessageReceived, text="(")


async def test_the_base_class_stands_for_all_events() -> None:
    """A handler of AnyEvent is called for every event, as one that names no class."""
    router = WebhookRouter(KEY)
    seen: list[Any] = []
    router.on(AnyEvent)(seen.append)
    router.on(ContactCreated)(seen.append)
    async with router:
        await deliver(router, message())
    assert len(seen) == 1
    assert repr(seen[0]) == f"Context({parse(body_of(message()))!r})"
