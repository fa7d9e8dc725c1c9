"""The helpers that users would otherwise write by hand, in virtual time: what they wait for, and
what they end in.
"""

import asyncio
import json
import pickle
from typing import Any

import pytest

from respondio_async import (
    BadRequestError,
    Contact,
    DeadlineExceededError,
    InvalidArgumentError,
    MessageFailedError,
    NotFoundError,
    OutcomeUnknownError,
    RetryPolicy,
    UnauthorizedError,
)
from tests.support.scripted import (
    LOST,
    Answer,
    OpenLimiter,
    Request,
    ScriptedTransport,
    answer,
    error_answer,
    scripted,
)
from tests.support.virtual import VIRTUAL

REF = answer(200, b'{"contactId": 7}')
NO_ID = answer(200, b'{"code": 200, "message": "Contact created"}')
CONTACT = answer(200, b'{"id": 7, "firstName": "Ada"}')
MISSING = error_answer(404, "Contact not found")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL


def now() -> float:
    return asyncio.get_running_loop().time()


def targets(transport: ScriptedTransport) -> list[str]:
    return [f"{request.method} {request.target}" for request in transport.requests]


# ── contacts.find ─────────────────────────────────────────────────────────────────────────────────


async def test_find_returns_the_contact_or_none() -> None:
    """404 is an answer, not an error."""
    client, _, _ = scripted(CONTACT, MISSING)
    assert (await client.contacts.find(7)).id == 7
    assert await client.contacts.find(7) is None


@pytest.mark.parametrize(("status", "kind"), [(400, BadRequestError), (401, UnauthorizedError)])
async def test_find_raises_whatever_else_is_wrong(status: int, kind: type[Any]) -> None:
    """A wrong token does not look like a missing contact."""
    client, _, _ = scripted(error_answer(status))
    with pytest.raises(kind):
        await client.contacts.find(7)


# ── contacts.ensure ───────────────────────────────────────────────────────────────────────────────


async def test_ensure_writes_and_reads_back() -> None:
    """The read goes by the id that the write returned: its fields may just have changed the e-mail
    that named the contact.
    """
    client, transport, _ = scripted(REF, CONTACT)
    contact = await client.contacts.ensure("a@b.cd", first_name="Ada", email="new@b.cd")
    assert isinstance(contact, Contact)
    assert targets(transport) == [
        "POST /contact/create_or_update/email:a@b.cd",
        "GET /contact/id:7",
    ]
    assert json.loads(transport.requests[0].content) == {"firstName": "Ada", "email": "new@b.cd"}


async def test_ensure_without_an_id_reads_back_by_the_identifier() -> None:
    """A fresh create answers without an id on some servers."""
    client, transport, _ = scripted(NO_ID, CONTACT)
    assert (await client.contacts.ensure("+60121233112", first_name="Ada")).id == 7
    assert targets(transport)[1] == "GET /contact/phone:%2B60121233112"


async def test_ensure_waits_out_404_and_449() -> None:
    """A contact that is still being made: the write is refused, then the read finds nothing yet."""
    client, transport, _ = scripted(
        error_answer(449), NO_ID, MISSING, MISSING, error_answer(449), CONTACT
    )
    began = now()
    assert (await client.contacts.ensure("a@b.cd", first_name="Ada")).id == 7
    assert len(transport.requests) == 6
    assert 2 + 0.5 + 1 + 2 <= now() - began < 6


async def test_ensure_repeats_a_write_whose_answer_was_lost() -> None:
    """It is safe to repeat, so the caller hears nothing of it."""
    client, _, _ = scripted(LOST, error_answer(502), REF, CONTACT)
    assert (await client.contacts.ensure("a@b.cd", first_name="Ada")).id == 7


@pytest.mark.parametrize("steps", [(NO_ID, MISSING), (error_answer(449),), (LOST,)])
async def test_ensure_ends_with_its_timeout(steps: tuple[Any, ...]) -> None:
    """It ends in a `DeadlineExceededError` by then, whatever it was waiting for; a wait that cannot
    end in time is not begun.
    """
    client, transport, _ = scripted(*steps, deadline=None)
    client = client.with_options(retry=RetryPolicy(max_attempts=10_000, budget=10_000))
    began = now()
    with pytest.raises(DeadlineExceededError, match=r"10 s") as caught:
        await client.contacts.ensure("secret@b.cd", first_name="Ada", timeout=10)
    assert now() - began < 10.01
    assert "secret" not in f"{caught.value!r} {caught.value}"
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), DeadlineExceededError)
    assert transport.leased == 0


async def test_ensure_passes_on_what_is_definitely_wrong() -> None:
    """An unknown custom field is not waited for."""
    client, transport, _ = scripted(error_answer(400, "Custom field not found in the workspace"))
    with pytest.raises(BadRequestError):
        await client.contacts.ensure("a@b.cd", custom_fields={"nope": 1})
    assert len(transport.requests) == 1


async def test_ensure_cancelled_from_outside_is_cancelled() -> None:
    """Its own timeout is not mistaken for the caller's."""
    client, _, _ = scripted(NO_ID, MISSING)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3):
            await client.contacts.ensure("a@b.cd", first_name="Ada")


# ── conversations.hand_over ───────────────────────────────────────────────────────────────────────


class Workspace:
    """A conversation as the vendor's server has it: an assignment to a closed one is answered 200
    and not done.
    """

    def __init__(self, *, status: str = "closed", takes_after: int = 0) -> None:
        self.status = status
        self.takes_after = takes_after
        """So many assignments are silently dropped."""
        self.assignee = None
        self.log = []

    def __call__(self, request: Request) -> Answer:
        body = json.loads(request.content or b"null")
        self.log.append((request.target.rpartition("/")[2], body))
        if request.target.endswith("/status"):
            self.status = {"open": "open", "close": "closed"}[body["status"]]
        elif request.target.endswith("/assignee"):
            if self.takes_after:
                self.takes_after -= 1
            elif self.status == "open":
                self.assignee = body["assignee"]
        else:
            users = {
                2: {"id": 2, "email": "Agent@x.yz"},
                "agent@x.yz": {"id": 2, "email": "Agent@x.yz"},
            }
            contact = {"id": 7, "firstName": "Ada", "assignee": users.get(self.assignee)}
            return answer(200, json.dumps(contact).encode())
        return REF


@pytest.mark.parametrize("user", [2, "agent@x.yz"])
@pytest.mark.parametrize("status", ["closed", "open"])
async def test_hand_over_opens_assigns_and_verifies(user: int | str, status: str) -> None:
    """The user is named by id or by e-mail, in whatever case the server writes it."""
    workspace = Workspace(status=status)
    client, _, _ = scripted(workspace)
    contact = await client.conversations.hand_over(7, user)
    assert contact.assignee.id == 2
    assert workspace.log == [
        ("status", {"status": "open"}),
        ("assignee", {"assignee": user}),
        ("id:7", None),
    ]


async def test_hand_over_repeats_what_did_not_take() -> None:
    """After 200 without an effect it opens and assigns again, until reading it back shows the
    user.
    """
    workspace = Workspace(takes_after=3)
    client, _, _ = scripted(workspace)
    began = now()
    assert (await client.conversations.hand_over(7, 2)).assignee.id == 2
    assert [what for what, _ in workspace.log].count("assignee") == 4
    assert 0.5 + 1 + 2 <= now() - began < 4


async def test_hand_over_takes_an_agent_from_another() -> None:
    """Somebody else's conversation is not yet handed over."""
    workspace = Workspace(status="open", takes_after=1)
    workspace.assignee = "nobody we know"
    client, _, _ = scripted(workspace)
    assert (await client.conversations.hand_over(7, 2)).assignee.id == 2


async def test_hand_over_ends_with_its_timeout() -> None:
    """An assignment that never takes."""
    client, _, _ = scripted(Workspace(takes_after=10_000))
    began = now()
    with pytest.raises(DeadlineExceededError, match="hand_over"):
        await client.conversations.hand_over(7, 2, timeout=9)
    assert 9 <= now() - began < 9.01


@pytest.mark.parametrize("user", ["", 0, -1, True, None, 1.5])
async def test_hand_over_refuses_what_names_no_user(user: Any) -> None:
    """It does so before any request; None would unassign, and would then be waited for in vain."""
    client, transport, _ = scripted(REF)
    with pytest.raises(InvalidArgumentError):
        await client.conversations.hand_over(7, user)
    assert transport.requests == []


# ── messages.wait_for_status ──────────────────────────────────────────────────────────────────────

ID = 1783918786000000


def message(*values: Any, **last: Any) -> Answer:
    history = [{"value": value, "timestamp": 1663274081} for value in values]
    if history:
        history[-1].update(last)
    body = {
        "messageId": ID,
        "traffic": "outgoing",
        "message": {"type": "text", "text": "hi"},
        "status": history,
    }
    return answer(200, json.dumps(body).encode())


@pytest.mark.parametrize("wanted", ["sent", "delivered", "read"])
@pytest.mark.parametrize("reached", ["pending", "sent", "delivered", "read"])
async def test_a_status_is_reached_by_any_later_one(wanted: str, reached: str) -> None:
    """A message that was read has been delivered."""
    order = ["pending", "sent", "delivered", "read"]
    client, transport, _ = scripted(
        message(), message("pending"), message("pending", reached), message("read")
    )
    got = await client.messages.wait_for_status(7, ID, wanted)
    assert got.current_status.value == (
        reached if order.index(reached) >= order.index(wanted) else "read"
    )
    assert len(transport.requests) == (3 if order.index(reached) >= order.index(wanted) else 4)


async def test_the_default_is_delivered() -> None:
    """ "Sent" is not enough."""
    client, transport, _ = scripted(message("sent"), message("sent", "delivered"))
    await client.messages.wait_for_status(7, ID)
    assert len(transport.requests) == 2


async def test_looks_grow_apart() -> None:
    """Looks grow apart: half a second at first, five at last."""
    client, transport, _ = scripted(*[message("pending")] * 6, message("read"))
    await client.messages.wait_for_status(7, ID)
    waits = [b - a for a, b in zip(transport.times, transport.times[1:], strict=False)]
    assert waits == pytest.approx([0.5, 1, 2, 3, 5, 5], abs=0.001)


async def test_a_status_of_tomorrow_is_waited_past() -> None:
    """An unknown value is neither success nor failure."""
    client, transport, _ = scripted(message("teleporting"), message("delivered"))
    await client.messages.wait_for_status(7, ID)
    assert len(transport.requests) == 2


async def test_a_failed_message_raises_with_the_reason_masked() -> None:
    """A failed message raises with the reason masked: the channel's own words, without the phone
    number that it quotes.
    """
    client, _, _ = scripted(
        message("pending", "failed", message="131026: +60121233112 is not on WhatsApp, ada@b.cd")
    )
    with pytest.raises(MessageFailedError) as caught:
        await client.messages.wait_for_status(7, ID)
    error = pickle.loads(pickle.dumps(caught.value))
    assert error.message_id == ID
    assert "is not on WhatsApp" in error.reason
    for text in (str(error), repr(error), error.reason):
        assert "60121233112" not in text
        assert "ada@b.cd" not in text


async def test_a_failed_message_without_a_reason_says_so() -> None:
    """The reason is optional on the wire."""
    client, _, _ = scripted(message("failed"))
    with pytest.raises(MessageFailedError, match="no reason"):
        await client.messages.wait_for_status(7, ID, "sent")


async def test_wait_for_status_ends_with_its_timeout() -> None:
    """A message that stays pending."""
    client, _, _ = scripted(message("pending"))
    began = now()
    with pytest.raises(DeadlineExceededError, match=r"not read within 30 s"):
        await client.messages.wait_for_status(7, ID, "read", timeout=30)
    assert 30 <= now() - began < 30.01


async def test_a_message_that_does_not_exist_is_not_waited_for() -> None:
    """404 is raised at once."""
    client, transport, _ = scripted(error_answer(404))
    with pytest.raises(NotFoundError):
        await client.messages.wait_for_status(7, ID)
    assert len(transport.requests) == 1


@pytest.mark.parametrize(
    "options", [{"status": "failed"}, {"status": "seen"}, {"timeout": 0}, {"timeout": -1}]
)
async def test_wait_for_status_refuses_what_cannot_come(options: dict[str, Any]) -> None:
    """Such a wait is refused before any request."""
    client, transport, _ = scripted(message("read"))
    with pytest.raises(InvalidArgumentError) as caught:
        await client.messages.wait_for_status(7, ID, **options)
    assert caught.value.argument in options
    assert transport.requests == []


# ── messages.list_new ─────────────────────────────────────────────────────────────────────────────


class Inbox:
    """A message list: a negative cursor gives what is newer; everything else gives the newest
    page.
    """

    def __init__(
        self,
        ids: list[int] | range,
        *,
        size: int = 3,
        order: str = "oldest first",
        ignores_direction: bool = False,
        stuck: bool = False,
    ) -> None:
        self.ids = sorted(ids)
        self.size = size
        self.order = order
        self.ignores_direction = ignores_direction
        self.stuck = stuck
        self.cursors = []

    def __call__(self, request: Request) -> Answer:
        query = dict(pair.split("=") for pair in request.target.partition("?")[2].split("&"))
        cursor = int(query["cursorId"])
        self.cursors.append(cursor)
        if self.ignores_direction:
            chosen = self.ids[-self.size :][::-1]
        else:
            # Inclusive servers exist in this world: the message itself may come along.
            chosen = [each for each in self.ids if each >= -cursor][: self.size + 1]
            if self.order == "newest first":
                chosen = chosen[::-1]
        items = [
            {"messageId": each, "message": {"type": "text", "text": "x"}, "traffic": "incoming"}
            for each in chosen
        ]
        pagination = {"next": f"https://api.respond.io/x?cursorId={cursor}", "previous": None}
        return answer(200, json.dumps({"items": items, "pagination": pagination}).encode())


@pytest.mark.parametrize("prefetch", [0, 1])
@pytest.mark.parametrize("order", ["oldest first", "newest first"])
async def test_list_new_gives_each_newer_message_once_oldest_first(
    order: str, prefetch: int
) -> None:
    """They come over several pages, in whatever order a page is written, with the known message
    among them or not.
    """
    inbox = Inbox(range(100, 111), order=order)
    client, _, _ = scripted(inbox)
    new = await client.messages.list_new(7, 102, prefetch=prefetch).collect()
    assert [each.message_id for each in new] == list(range(103, 111))
    assert inbox.cursors[0] == -102


@pytest.mark.parametrize("prefetch", [0, 1])
async def test_list_new_of_nothing_new_is_empty(prefetch: int) -> None:
    """It takes one request and gives no items."""
    inbox = Inbox([100, 101])
    client, transport, _ = scripted(inbox)
    assert await client.messages.list_new(7, 101, prefetch=prefetch).collect() == []
    assert len(transport.requests) == 1


async def test_list_new_from_a_server_that_ignores_the_direction_ends() -> None:
    """It gives the newest page again and again: what is newer comes once, and the walk ends."""
    inbox = Inbox(range(100, 111), ignores_direction=True)
    client, transport, _ = scripted(inbox)
    new = await client.messages.list_new(7, 109).collect()
    assert [each.message_id for each in new] == [110]
    assert len(transport.requests) <= 3


async def test_list_new_sees_what_arrives_meanwhile() -> None:
    """A message that comes while the walk is on is part of it."""
    inbox = Inbox(range(100, 105))
    client, _, _ = scripted(inbox)
    seen = []
    async for each in client.messages.list_new(7, 100, prefetch=0):
        seen.append(each.message_id)
        if each.message_id == 103:
            inbox.ids.append(105)
    assert seen == [101, 102, 103, 104, 105]


async def test_list_new_resumes_from_its_cursor() -> None:
    """The last message seen is the next `after`."""
    inbox = Inbox(range(100, 111))
    client, _, _ = scripted(inbox)
    walk = client.messages.list_new(7, 100, prefetch=0)
    seen = []
    async for each in walk:
        seen.append(each.message_id)
        if len(seen) == 4:
            break
    rest = await client.messages.list_new(7, seen[-1]).collect()
    assert seen + [each.message_id for each in rest] == list(range(101, 111))


@pytest.mark.parametrize("after", [0, -5, True, "100", None])
def test_list_new_needs_a_message_id(after: Any) -> None:
    """A negative one would turn the direction round."""
    client, _, _ = scripted(REF)
    with pytest.raises(InvalidArgumentError) as caught:
        client.messages.list_new(7, after)
    assert caught.value.argument == "after"


# ── space.find_template ───────────────────────────────────────────────────────────────────────────


def template_page(*templates: Any, after: int | None = None) -> Answer:
    items = [
        {
            "id": number,
            "name": name,
            "languageCode": language,
            "components": [],
            "channelId": 3,
            "status": "APPROVED",
        }
        for number, name, language in templates
    ]
    return answer(200, json.dumps({"items": items, "pagination": {"next": after}}).encode())


async def test_find_template_by_name_and_language() -> None:
    """It is found on whatever page it is; without a language the first of the name wins."""
    pages = (
        template_page((1, "hello", "en"), after=9),
        template_page((2, "hello", "ms"), (3, "bye", "en")),
    )
    client, transport, _ = scripted(*pages)
    assert (await client.space.find_template(3, "hello", language_code="ms")).id == 2
    assert [request.target for request in transport.requests] == [
        "/space/channel/3/template?limit=100",
        "/space/channel/3/template?limit=100&cursorId=9",
    ]
    client, _, _ = scripted(*pages)
    assert (await client.space.find_template(3, "hello")).id == 1


@pytest.mark.parametrize(
    "wanted", [{"name": "hell"}, {"name": "HELLO"}, {"name": "hello", "language_code": "de"}]
)
async def test_find_template_that_is_not_there_is_none(wanted: dict[str, Any]) -> None:
    """A name is exact."""
    client, _, _ = scripted(template_page((1, "hello", "en")))
    assert await client.space.find_template(3, **wanted) is None


# ── and writes that helpers never hide ────────────────────────────────────────────────────────────


async def test_sending_is_no_helper() -> None:
    """No helper repeats a message: what may have landed is told."""
    client, transport, _ = scripted(LOST)
    with pytest.raises(OutcomeUnknownError):
        await client.messages.send(7, "hi")
    assert len(transport.requests) == 1


async def test_a_helpers_timeout_does_not_count_the_line_for_permits() -> None:
    """A thousand of them gathered on a slow route must all get through."""

    class Slow(OpenLimiter):
        async def reserve(self, route: str, **options: Any) -> Any:
            await asyncio.sleep(500)
            return await super().reserve(route, **options)

    client, _, _ = scripted(REF, CONTACT, limiter=Slow())
    assert (await client.contacts.ensure("a@b.cd", timeout=5)).id == 7


async def test_an_empty_page_towards_newer_messages_that_points_on_is_followed() -> None:
    """Stopping there would lose what comes after it."""
    empty = answer(
        200, b'{"items": [], "pagination": {"next": "https://x/y?cursorId=-1783918786000005"}}'
    )
    last = answer(
        200,
        b'{"items": [{"messageId": 1783918786000009, "contactId": 7, "message": {"type": "text", '
        b'"text": "a"}}]}',
    )
    client, transport, _ = scripted(
        empty, last, answer(200, b'{"items": [], "pagination": {"next": null}}')
    )
    found = [message.message_id async for message in client.messages.list_new(7, 1783918786000000)]
    assert found == [1783918786000009]
    assert "cursorId=-1783918786000005" in transport.requests[1].target


async def test_a_rename_whose_answer_was_lost_is_not_taken_for_a_missing_tag() -> None:
    """The repeat finds no tag of the old name because the first try has renamed it."""
    client, _, _ = scripted(LOST, error_answer(404))
    with pytest.raises(OutcomeUnknownError):
        await client.space.update_tag("vip", name="gold")
    client, _, _ = scripted(LOST, error_answer(404))
    with pytest.raises(NotFoundError):
        await client.space.update_tag("vip", emoji="x")
    client, _, _ = scripted(error_answer(404))
    with pytest.raises(NotFoundError):
        await client.space.update_tag("vip", name="gold")
