"""The inbox page in a real browser: Chromium, without a window and with an empty profile."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
import uvicorn

from respondio_async import AsyncRespond, QuickReplies
from respondio_async.sandbox import Quirks, Sandbox
from respondio_async.webhooks import Context, MessageReceived, WebhookRouter
from tests.sandbox.browser import ENTER, Browser, browsing, installed

HOSTILE = "<img src=x onerror=\"document.title='pwned'\"><script>document.title='pwned'</script>"

pytestmark = pytest.mark.skipif(
    not installed(), reason="NO BROWSER: apt-get install -y chromium chromium-driver"
)


class Bot:
    """Answers with what it was told, in a thread of its own; "menu" with buttons."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._left = asyncio.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._run()))
        self._thread.start()
        self._ready.wait()

    async def _run(self) -> None:
        async with AsyncRespond(self._sandbox.token, base_url=self._sandbox.url) as client:
            router = WebhookRouter("key", client=client)

            @router.on(MessageReceived)
            async def answer(context: Context[MessageReceived]) -> None:
                await context.reply(
                    QuickReplies("Pick", ["This", "That"])
                    if context.text == "menu"
                    else f"Re: {context.text}"
                )

            server = uvicorn.Server(uvicorn.Config(router.asgi(), port=0, log_config=None))
            serving = asyncio.create_task(server.serve())
            while not server.started:
                await asyncio.sleep(0.005)
            self._sandbox.webhook(
                f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/", key="key"
            )
            self._ready.set()
            await self._left.wait()
            server.should_exit = True
            await serving

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._left.set)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(quirks=Quirks.calm()) as sandbox:
        bot = Bot(sandbox)
        yield sandbox
        bot.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as browser:
        yield browser


def open_page(browser: Browser, sandbox: Sandbox) -> None:
    browser.open(sandbox.inbox_url)
    browser.wait(lambda: browser.text("#connection") == "live")


def words(browser: Browser) -> list[str]:
    return browser.texts("#messages .words")


def test_a_person_talks_to_the_bot(sandbox: Sandbox, browser: Browser) -> None:
    """Add a customer, write, see the reply with its way to "read", press a button of it, and see
    everything that happened.
    """
    open_page(browser, sandbox)
    assert "Nobody has written yet" in browser.text("#nobody")
    browser.type("#address", "+60123456789" + ENTER)
    assert browser.text("#about") == "has not written yet"
    browser.type("#text", "hello" + ENTER)
    browser.wait(lambda: words(browser) == ["hello", "Re: hello"])
    browser.type("#text", "menu" + ENTER)
    browser.wait(lambda: browser.texts(".replies button") == ["This", "That"])
    browser.click(".replies button:nth-child(2)")
    browser.wait(
        lambda: words(browser) == ["hello", "Re: hello", "menu", "Pick", "That", "Re: That"]
    )
    sandbox.advance(10)
    browser.wait(lambda: "read" in browser.texts("#messages .about")[-1])
    activity = browser.wait(lambda: len(seen := browser.texts("#activity .title")) >= 14 and seen)
    contact = sandbox.contact("+60123456789").id
    assert activity[:3] == ["contact.created", "conversation.opened", "message.received"]
    assert f"POST /contact/id:{contact}/message" in activity
    assert any(title.startswith("message.received → http://127.0.0.1:") for title in activity)
    assert browser.text("#webhooks").startswith("http://127.0.0.1:")
    browser.click("input[value=call]")
    hidden = "return getComputedStyle(document.querySelector('#activity .call')).display"
    assert browser.script(hidden) == "none"


def test_state_and_close_button(sandbox: Sandbox, browser: Browser) -> None:
    """State and close button: open, assigned, closed; closing is for open conversations; the next
    message opens it again.
    """
    customer = sandbox.customer("+60123456789", name="Aina")
    customer.says("hi")
    customer.wait_for_reply_sync(timeout=300)
    open_page(browser, sandbox)
    browser.wait(lambda: browser.texts("#contacts .name") == ["Aina"])
    browser.click("#contacts button")
    browser.wait(lambda: browser.text("#status") == "open")
    assert "not assigned" in browser.text("#about")
    contact = sandbox.contact("+60123456789")
    contact.assignee = sandbox.state.users[1003]
    sandbox.state.emit("contact.assignee.updated", contact)
    browser.wait(lambda: "assigned to Anna Agent" in browser.text("#about"))
    browser.click("#close")
    browser.wait(lambda: browser.text("#status") == "closed")
    assert contact.conversation is not None
    assert contact.conversation.closed_by == "user"
    assert browser.script("return document.getElementById('close').disabled")
    browser.type("#text", "again" + ENTER)
    browser.wait(lambda: browser.text("#status") == "open")


def test_what_people_write_is_text(sandbox: Sandbox, browser: Browser) -> None:
    """Markup in names, messages, tags, buttons and bodies is shown as it was written, and runs
    nowhere.
    """
    customer = sandbox.customer("+60123456789", name=HOSTILE)
    customer.says(HOSTILE)
    customer.wait_for_reply_sync(timeout=300)
    sandbox.contact("+60123456789").tags.append(HOSTILE)
    customer.sends(HOSTILE, field=HOSTILE)
    customer.wait_for_reply_sync(timeout=300)
    open_page(browser, sandbox)
    browser.wait(lambda: browser.texts("#contacts .name"))
    browser.click("#contacts button")
    browser.wait(lambda: len(words(browser)) == 4)
    browser.wait(lambda: len(browser.texts("#activity li pre")) >= 8)
    assert words(browser)[:2] == [HOSTILE, f"Re: {HOSTILE}"]
    assert browser.text("#name") == HOSTILE
    assert HOSTILE in browser.text("#about")
    assert (
        browser.script(
            "return document.querySelectorAll('body img, body script, [onerror]').length"
        )
        == 0
    )
    assert browser.script("return document.title") == "Inbox · respond.io sandbox"


def test_what_is_refused_is_said(sandbox: Sandbox, browser: Browser) -> None:
    """An address that is none."""
    open_page(browser, sandbox)
    browser.type("#address", "nobody" + ENTER)
    browser.type("#text", "hello" + ENTER)
    browser.wait(lambda: "known by a phone" in browser.text("#problem"))


def test_it_can_be_used_without_seeing_it(sandbox: Sandbox, browser: Browser) -> None:
    """Every control has a name, every region a label, and nothing is loaded from elsewhere."""
    sandbox.customer("+60123456789").says("hi")
    open_page(browser, sandbox)
    browser.wait(lambda: browser.texts("#contacts .name"))
    browser.click("#contacts button")
    browser.wait(lambda: words(browser))
    nameless = """
      return [...document.querySelectorAll('button, input')].filter((each) =>
        !each.textContent.trim() && !(each.labels?.length)
            && !each.getAttribute('aria-label')).map((each) => each.outerHTML)"""
    assert browser.script(nameless) == []
    assert browser.script("return document.activeElement.id") == "text"
    labels = (
        "return [...document.querySelectorAll('nav, main, aside, [role=log]')]"
        ".every((each) => each.getAttribute('aria-label'))"
    )
    assert browser.script(labels)
    loaded = browser.script(
        "return performance.getEntriesByType('resource').map((each) => new URL(each.name).origin)"
    )
    assert set(loaded) <= {sandbox.inbox_url.removesuffix("/inbox"), "null"}


@pytest.mark.long("a browser, and a sandbox that is ended and started again")
def test_it_says_when_the_sandbox_is_gone_and_comes_back_with_it(browser: Browser) -> None:
    """The page reconnects by itself."""
    sandbox = Sandbox(quirks=Quirks.calm())
    with sandbox:
        open_page(browser, sandbox)
    browser.wait(lambda: "does not answer" in browser.text("#connection"))
    with sandbox:
        browser.wait(lambda: browser.text("#connection") == "live")
        sandbox.customer("+60123456789", name="Late").says("hi")
        browser.wait(lambda: browser.texts("#contacts .name") == ["Late"])
