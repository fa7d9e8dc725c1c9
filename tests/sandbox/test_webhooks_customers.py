"""A customer, played by a test: writes, and waits for what the bot has to say."""

import threading
from typing import Any

import pytest

from respondio_async.sandbox import Customer, Quirks, Sandbox
from tests.sandbox.conftest import serving

PHONE = "+60123456789"


async def test_the_first_message_makes_the_contact() -> None:
    """The first message makes the contact: contact, channel and open conversation, as the real
    inbox does; a second message makes nothing more.
    """
    async with serving() as api:
        customer = api.sandbox.customer(PHONE, name="Aina")
        assert customer.contact is None
        assert customer.replies == []
        customer.says("hi")
        customer.says("anybody?")
        shown = await api.ok("GET", f"/contact/phone:{PHONE}")
        assert (shown["firstName"], shown["status"]) == ("Aina", "open")
        messages = (await api.ok("GET", f"/contact/phone:{PHONE}/message/list"))["items"]
        assert [each["message"]["text"] for each in messages] == ["anybody?", "hi"]
        assert messages[0]["sender"] == {"source": "contact"}
        channels = (await api.ok("GET", f"/contact/phone:{PHONE}/channels"))["items"]
        assert [each["source"] for each in channels] == ["whatsapp_cloud"]


@pytest.mark.parametrize(
    ("identifier", "channel", "source"),
    [
        (PHONE, None, "whatsapp_cloud"),
        ("a@b.example", None, "other_email"),
        (PHONE, "telegram", "telegram"),
        (PHONE, 2003, "facebook"),
    ],
)
def test_a_customer_writes_through_a_channel(identifier: str, channel: Any, source: str) -> None:
    """The one asked for, by id or source; an e-mail address writes e-mail."""
    sandbox = Sandbox()
    sandbox.customer(identifier, channel=channel).says("hi")
    assert [link.channel.source for link in sandbox.contact(identifier).channels.values()] == [
        source
    ]


def test_a_contact_that_exists_writes_as_itself() -> None:
    """A contact that exists writes as itself by its id; an id that nobody has, and no channel of
    that name, are mistakes.
    """
    sandbox = Sandbox(contacts=1)
    (contact,) = sandbox.contacts
    assert sandbox.customer(contact.id).says("hi").contact_id == contact.id
    with pytest.raises(KeyError):
        sandbox.customer(5).says("hi")
    with pytest.raises(KeyError):
        sandbox.customer(PHONE, channel="pigeon")


@pytest.mark.parametrize("identifier", ["", "60123456789", "phone:+60123456789", "someone"])
def test_a_customer_needs_an_address(identifier: str) -> None:
    """It is a phone with its +, or an e-mail address."""
    with pytest.raises(ValueError, match="phone"):
        Sandbox().customer(identifier)


def test_anything_can_be_sent() -> None:
    """Files with what the server knows of them, places, and types that nobody knows."""
    customer = Sandbox().customer(PHONE)
    file = customer.attaches("https://files.example/cat.png").content
    assert (
        file["attachment"]["fileName"],
        file["attachment"]["ext"],
        file["attachment"]["type"],
    ) == (
        "cat.png",
        "png",
        "image",
    )
    assert customer.sends("location", latitude=3.1, longitude=101.7).content == {
        "type": "location", "latitude": 3.1, "longitude": 101.7,
    }  # fmt: skip
    sticker = customer.sends("sticker", pack="cats")
    assert (sticker.content, sticker.text) == ({"type": "sticker", "pack": "cats"}, "")
    assert customer.says("hi").text == "hi"


async def test_replies_are_waited_for_one_after_the_other() -> None:
    """Each is returned once, those from before this customer was made never; without one it is a
    TimeoutError.
    """
    async with serving() as api:
        customer = api.sandbox.customer(PHONE)
        customer.says("hi")
        for text in ("one", "two"):
            await api.ok(
                "POST",
                f"/contact/phone:{PHONE}/message",
                {"message": {"type": "text", "text": text}},
            )
        assert [(await customer.wait_for_reply(timeout=300)).text for _ in range(2)] == [
            "one",
            "two",
        ]
        assert [each.text for each in customer.replies] == ["one", "two"]
        with pytest.raises(TimeoutError, match="no reply"):
            await customer.wait_for_reply(timeout=0.01)
        with pytest.raises(TimeoutError, match="no reply"):
            api.sandbox.customer(PHONE).wait_for_reply_sync(timeout=0.01)


def test_a_test_without_a_loop_waits_too() -> None:
    """The bot answers in another thread."""
    with Sandbox(quirks=Quirks.calm()) as sandbox:
        customer = sandbox.customer(PHONE)
        other = Customer(sandbox.state, threading.RLock(), PHONE)
        timer = threading.Timer(0.05, lambda: other.says("nothing yet") and _answer(sandbox))
        customer.says("hi")
        timer.start()
        assert customer.wait_for_reply_sync(timeout=300).text == "yo"
        timer.join()


def _answer(sandbox: Sandbox) -> None:
    import httpx

    with httpx.Client(headers={"Authorization": f"Bearer {sandbox.token}"}, verify=False) as http:
        answer = http.post(
            f"{sandbox.url}/contact/phone:{PHONE}/message",
            json={"message": {"type": "text", "text": "yo"}},
        )
        assert answer.status_code == 200
