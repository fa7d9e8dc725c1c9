"""No token and no contact's data leaves the process by the side door.

Canaries travel through success and through every way to fail; then everything that a program might
store or show is searched for them: logs of every logger at DEBUG, reprs, texts, attributes,
pickles, tracebacks, hook events, warnings, statistics.
"""

import gc
import logging
import pickle
import traceback
import urllib.parse
import warnings
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest

from respondio_async import (
    AsyncRespond,
    MessageFailedError,
    OutcomeUnknownError,
    RespondError,
    Text,
)
from respondio_async.sandbox import Quirks, Sandbox
from tests.faults import server as faults
from tests.faults.server import Fault, FaultServer
from tests.faults.support import KINDS, QUICK, connected, outcome
from tests.support.ports import nobody
from tests.support.scripted import OpenLimiter
from tests.support.virtual import REAL, VIRTUAL_NO_DEBUG


@pytest.fixture
def anyio_backend() -> object:
    """Server and client share a loop."""
    return VIRTUAL_NO_DEBUG


TOKEN = "canary-token-zyxwv"
EMAIL = "canary.mail@secret.example"
PHONE = "+60177444333"
NAME = "Canarina"
TEXT = "canary text of a message"
VALUE = "canary custom value"
CANARIES = (TOKEN, EMAIL, PHONE.removeprefix("+"), NAME, TEXT, VALUE)
NEEDLES = tuple(
    {
        form.lower()
        for canary in CANARIES
        for form in (canary, urllib.parse.quote(canary), urllib.parse.quote(canary, safe="@"))
    }
)

CONTACT = (
    f'{{"id": 7, "firstName": "{NAME}", "phone": "{PHONE}", "email": "{EMAIL}", '
    f'"custom_fields": [{{"name": "note", "value": "{VALUE}"}}]}}'
).encode()
ECHO = f"Invalid field(s): {EMAIL} {PHONE} {TOKEN} {NAME} {TEXT} {VALUE}"
"""What a server may say when it means well."""

Call = Callable[[AsyncRespond], Awaitable[Any]]

CALLS: dict[str, Call] = {
    "get by e-mail": lambda client: client.contacts.get(f"email:{EMAIL}"),
    "get by phone": lambda client: client.contacts.get(PHONE),
    "create": lambda client: client.contacts.create(
        PHONE,
        first_name=NAME,
        email=EMAIL,
        custom_fields={"note": VALUE},
        last_name=TEXT,
        profile_pic=TOKEN,
    ),
    "update": lambda client: client.contacts.update(
        EMAIL, first_name=NAME, phone=PHONE, custom_fields={"note": VALUE}, last_name=TEXT
    ),
    "ensure": lambda client: client.contacts.ensure(
        EMAIL, first_name=NAME, phone=PHONE, timeout=0.3
    ),
    "message": lambda client: client.messages.send(PHONE, Text(TEXT), channel_id=3),
    "comment": lambda client: client.comments.create(EMAIL, TEXT),
    "list": lambda client: client.contacts.list(search=NAME).collect(),
    "hand over": lambda client: client.conversations.hand_over(PHONE, EMAIL, timeout=0.3),
    "request": lambda client: client.request(
        "POST",
        "/tomorrow/{who}",
        params={"who": EMAIL},
        query={"q": PHONE},
        json={"name": NAME, "text": TEXT},
    ),
    "raw": lambda client: client.raw.contacts.get(EMAIL),
}

ECHOES = {
    # The values sent in a call, e-mails, numbers and the token are masked wherever the server says
    # them. Words of a contact that were not part of the call cannot be known for what they are, and
    # no server text with them has been seen.
    "get by e-mail": (TOKEN, EMAIL, PHONE[1:]),
    "get by phone": (TOKEN, EMAIL, PHONE[1:]),
    "create": CANARIES,
    "update": (TOKEN, EMAIL, PHONE[1:], NAME, TEXT, VALUE),
    "ensure": (TOKEN, EMAIL, PHONE[1:], NAME),
    "message": (TOKEN, EMAIL, PHONE[1:], TEXT),
    "comment": (TOKEN, EMAIL, PHONE[1:], TEXT),
    "list": (TOKEN, EMAIL, PHONE[1:], NAME),
    "hand over": (TOKEN, EMAIL, PHONE[1:]),
    "request": (TOKEN, EMAIL, PHONE[1:], NAME, TEXT),
    "raw": (TOKEN, EMAIL, PHONE[1:]),
}

FAULTS: dict[str, Fault] = {
    "good": faults.answer(200, CONTACT),
    "drifted": faults.answer(200, CONTACT.replace(b'"id": 7', b'"id": "7", "tags": 5')),
    "unreadable": faults.answer(200, b"<html>" + ECHO.encode()),
    "of no form": faults.answer(200, b"[" + CONTACT + b"]"),
    "reset": faults.reset(),
    "hang up": faults.hang_up(),
    "hang": faults.hang(),
    "torn": faults.torn(CONTACT),
    "garbage": faults.raw(ECHO.encode() + b"\r\n\r\n"),
    "garbage header": faults.raw(b"HTTP/1.1 200 OK\r\n" + ECHO.encode() + b"\r\n\r\n"),
    "bad chunk": faults.raw(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + ECHO.encode() + b"\r\n"
    ),
    "redirect": faults.refuse(302, b"", (("Location", f"https://evil.example/{EMAIL}?t={TOKEN}"),)),
    "edge echo": faults.refuse(403, f"<html>{ECHO}</html>".encode()),
    **{
        f"{status} echo": faults.refuse(
            status, f'{{"code": {status}, "message": "{ECHO}"}}'.encode()
        )
        for status in (400, 401, 403, 404, 409, 418, 500, 502, 503)
    },
    "429": faults.refuse(429, ECHO.encode(), (("Retry-After", "9999"),)),
    "449": faults.refuse(449, f'{{"message": "{ECHO}"}}'.encode(), (("Retry-After", "9999"),)),
}


class Leaks(logging.Handler):
    """Collects everything that could be stored or shown, and searches it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.seen: list[tuple[str, str]] = []
        self.wire_trace = True
        """Whether the lines count in which httpcore, at DEBUG, quotes the head of an answer."""

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{self.format(record)} {record.args!r}"
        if (
            not self.wire_trace
            and record.name.startswith("httpcore")
            and text.startswith("receive_response")
        ):
            return
        # asyncio in debug mode prints the arguments of slow callbacks; that mode is the test's own
        # doing.
        self.note(f"log of {record.name}", text)

    def note(self, where: str, text: object) -> None:
        self.seen.append((where, str(text).lower()))

    def error(self, error: BaseException) -> None:
        """Note every form of an error, its causes and contexts included."""
        self.note("traceback", "".join(traceback.format_exception(error)))
        each: BaseException | None = error
        while each is not None:
            shown = {name: value for name, value in vars(each).items() if name != "content"}
            for where, text in (
                ("str", str(each)),
                ("repr", repr(each)),
                ("args", each.args),
                ("attributes", shown),
            ):
                self.note(f"{where} of {type(each).__name__}", text)
            each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
        if isinstance(error, RespondError):
            data = pickle.dumps(error)
            self.note("pickle", data.decode("latin-1"))
            again = pickle.loads(data)
            assert (type(again), str(again)) == (type(error), str(error))

    def found(self, needles: tuple[str, ...] = NEEDLES) -> list[str]:
        return [
            f"{where}: {text[:300]}"
            for where, text in self.seen
            for needle in needles
            if needle.lower() in text
        ]


@pytest.fixture
def leaks() -> Iterator[Leaks]:
    """Every logger at DEBUG."""
    handler = Leaks()
    names = ["", "httpx", "httpcore", "httpx2", "httpcore2", "aiohttp", "respondio_async"]
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    logging.getLogger().addHandler(handler)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield handler
        gc.collect()
        for each in caught:
            handler.note("warning", each.message)
    logging.getLogger().removeHandler(handler)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)
    assert not handler.found((TOKEN,))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_nothing_of_a_call_is_shown(leaks: Leaks, kind: str, fault: str) -> None:
    """Nothing of a call is shown, whatever becomes of it, over any backend."""
    allowed_by_echo = "echo" in fault or fault in ("449", "429")
    # What a server writes into the head of its answer, httpcore's own trace of the wire shows to
    # whoever turns it on.
    leaks.wire_trace = fault not in ("garbage", "garbage header", "bad chunk", "redirect")
    events: list[object] = []
    async with FaultServer(default=FAULTS[fault]) as server:
        client_options: dict[str, Any] = {
            "hooks": [events.append],
            "limiter": OpenLimiter(),
            "timeout": 0.1,
            "deadline": 0.4,
        }
        async with connected(kind, server.url, **client_options) as plain:
            client = plain.with_options(token=TOKEN, headers={"X-Trace": "on"})
            for name, call in CALLS.items() if kind == "httpx" else list(CALLS.items())[1:6:2]:
                mine = len(leaks.seen)
                try:
                    value = await call(client)
                except RespondError as error:
                    leaks.error(error)
                else:
                    if name == "raw":
                        leaks.note("repr of the response", repr(value))
                needles = (
                    tuple(each.lower() for each in ECHOES[name]) if allowed_by_echo else NEEDLES
                )
                later = [
                    seen
                    for seen in leaks.seen[mine:]
                    if any(needle in seen[1] for needle in needles)
                ]
                assert not later, name
            for each in (
                client,
                *vars(client).values(),
                client.statistics(),
                plain,
                client.contacts,
                client.raw,
            ):
                leaks.note("repr", repr(each))
    for event in events:
        leaks.note("event", repr(event))
    assert events
    if not allowed_by_echo:
        assert not leaks.found()


@pytest.mark.parametrize("where", ["refused", "closed", "second try"])
async def test_nothing_is_shown_without_a_server(leaks: Leaks, where: str) -> None:
    """Refused connections and closed clients quote neither path nor token."""
    async with connected("httpx", nobody()) as plain:
        client = plain.with_options(token=TOKEN)
        if where == "closed":
            await plain.aclose()
        for call in CALLS.values():
            with pytest.raises(RespondError) as caught:
                await call(client)
            leaks.error(caught.value)
    assert not leaks.found()


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.contacts.get("canary-is-no-identifier"),
        lambda client: client.contacts.get(PHONE.removeprefix("+")),
        lambda client: client.contacts.get(f"phone:{EMAIL}"),
        lambda client: client.contacts.get({"email": EMAIL}),
        lambda client: client.contacts.create(7, first_name=NAME),
        lambda client: client.contacts.update(7, first_name=[NAME]),
        lambda client: client.contacts.update(7, custom_fields={VALUE: object()}),
        lambda client: client.contacts.update(7, custom_fields={"note": {VALUE}}),
        lambda client: client.contacts.add_tags(7, VALUE * 20),
        lambda client: client.comments.create(7, TEXT * 100),
        lambda client: client.messages.send(7, {TEXT}),
        lambda client: client.messages.send(7, Text(TEXT), channel_id=PHONE),
        lambda client: client.conversations.close(7, category=VALUE * 20, summary=TEXT),
        lambda client: client.conversations.assign(7, [EMAIL]),
        lambda client: client.request("GET", "/contact/{who}", params={"whom": EMAIL}),
        lambda client: client.request("POST", "/x", json={"text": object(), "name": TEXT}),
        lambda client: client.request("GET", "/x", query={"q": {TEXT}}),
        lambda client: client.contacts.list(search=NAME, timezone=VALUE).collect(),
        lambda client: client.with_options(token=f"{TOKEN}\n{TOKEN}").contacts.get(7),
        lambda client: client.with_options(headers={"X": f"{TOKEN}\n"}).contacts.get(7),
        lambda client: client.with_options(headers={f"{TOKEN}\n": "x"}).contacts.get(7),
    ],
)
async def test_bad_input_is_refused_without_showing_it(leaks: Leaks, call: Call) -> None:
    """The text names the argument, never its value."""
    async with (
        FaultServer(default=faults.answer(200, CONTACT)) as server,
        connected("httpx", server.url) as client,
    ):
        with pytest.raises((RespondError, TypeError)) as caught:
            await call(client)
        # The traceback shows lines of this file, and those hold the names of the canaries, not
        # their values.
        leaks.error(caught.value)
        assert not server.requests
    assert not leaks.found((*NEEDLES, "canary-is-no"))


@pytest.mark.parametrize("anyio_backend", [REAL], ids=["real time"])
async def test_the_sandbox_s_own_words_are_masked(leaks: Leaks) -> None:
    """Errors that a stateful server words itself: what is missing, what exists, what is invalid."""
    async with (
        Sandbox(
            limits=None,
            quirks=Quirks(not_ready_for=0, list_lag=0, not_ready_tries=0),
            delivery=(0.0, 0.0, 0.0),
        ) as sandbox,
        AsyncRespond(
            sandbox.token, base_url=sandbox.url, limiter=OpenLimiter(), retry=QUICK
        ) as client,
    ):
        fields: dict[str, Any] = {"first_name": NAME, "email": EMAIL}
        await client.contacts.ensure(PHONE, **fields)
        with sandbox_messages_fail(sandbox):
            sent = await client.messages.send(PHONE, TEXT, channel_id=2001)
            with pytest.raises(MessageFailedError) as failed:
                await client.messages.wait_for_status(PHONE, sent.message_id, timeout=300)
            leaks.error(failed.value)
        raised = 0
        for call in (
            lambda: client.contacts.create(PHONE, **fields),
            lambda: client.contacts.get("email:other.canary@secret.example"),
            lambda: client.contacts.update(PHONE, custom_fields={"No such field": VALUE}),
            lambda: client.contacts.update(PHONE, custom_fields={"Age": VALUE}),
            lambda: client.messages.send(PHONE, TEXT, channel_id=999),
            lambda: client.messages.get(PHONE, 1),
            lambda: client.conversations.assign(PHONE, EMAIL),
            lambda: client.conversations.close(PHONE, category=VALUE),
            lambda: client.with_options(token=TOKEN).contacts.get(PHONE),
        ):
            error = await outcome(call())
            raised += error is not None
            if error is not None:
                leaks.error(error)
        assert raised >= 7
    assert not leaks.found((*NEEDLES, "other.canary", sandbox.token))


class sandbox_messages_fail:
    """Messages fail with a reason that quotes the contact."""

    def __init__(self, sandbox: Sandbox) -> None:
        sandbox.fail_messages(reason=f"{PHONE} ({EMAIL}) has no account")

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


async def test_an_unclosed_client_warns_without_the_token(leaks: Leaks) -> None:
    """The ResourceWarning names the base URL alone."""
    async with (
        FaultServer(default=faults.answer(200, CONTACT)) as server,
        httpx.AsyncClient() as connections,  # which outlive the client
    ):
        client = AsyncRespond(
            TOKEN, base_url=server.url, limiter=OpenLimiter(), http_client=connections
        )
        await client.contacts.get(EMAIL)
        leaks.note("repr", repr(client))
        del client
        gc.collect()
    assert not leaks.found()


async def test_the_net_holds(leaks: Leaks) -> None:
    """This module's search sees a canary where there is one."""
    leaks.error(OutcomeUnknownError(f"sent to {EMAIL}", endpoint="x", reason="y"))
    logging.getLogger("httpx").info(
        "HTTP Request: GET https://x/contact/email:%s", urllib.parse.quote(EMAIL)
    )
    assert len({each.partition(":")[0] for each in leaks.found()}) >= 5
    leaks.seen.clear()
