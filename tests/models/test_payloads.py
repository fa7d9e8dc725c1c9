"""Payloads: each reaches the wire in the documented shape, and a bad one cannot be made."""

import pickle
from contextlib import suppress
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from respondio_async.errors import InvalidArgumentError
from respondio_async.models import payloads as p

URL = "https://files.example.com/a.png"
EMAIL = p.Email(
    "hi",
    subject="s",
    cc=["a@b.c"],
    bcc=("d@e.f",),
    reply_to_message_id=5,
    attachments=[p.EmailAttachment(URL, "image", "a.png")],
)


def template(*components: Any, **changed: Any) -> Any:
    return SimpleNamespace(
        **{
            "name": "promo",
            "language_code": "en",
            "status": "REJECTED",
            "components": list(components),
            **changed,
        }
    )


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        ("hi", {"type": "text", "text": "hi"}),
        (p.Text("hi"), {"type": "text", "text": "hi"}),
        (
            p.Text("hi", message_tag="ACCOUNT_UPDATE"),
            {"type": "text", "text": "hi", "messageTag": "ACCOUNT_UPDATE"},
        ),
        (
            p.Attachment(URL, type="image"),
            {"type": "attachment", "attachment": {"type": "image", "url": URL}},
        ),
        (
            p.Attachment.image(URL),
            {"type": "attachment", "attachment": {"type": "image", "url": URL}},
        ),
        (
            p.Attachment.video(URL),
            {"type": "attachment", "attachment": {"type": "video", "url": URL}},
        ),
        (
            p.Attachment.audio(URL),
            {"type": "attachment", "attachment": {"type": "audio", "url": URL}},
        ),
        (
            p.Attachment.file(URL),
            {"type": "attachment", "attachment": {"type": "file", "url": URL}},
        ),
        (
            p.QuickReplies("?", ["a", "b"]),
            {"type": "quick_reply", "title": "?", "replies": ["a", "b"]},
        ),
        (p.CustomPayload({"a": {"b": 1}}), {"type": "custom_payload", "payload": {"a": {"b": 1}}}),
        (p.Email("hi"), {"type": "email", "text": "hi"}),
        (
            EMAIL,
            {
                "type": "email",
                "text": "hi",
                "subject": "s",
                "cc": ["a@b.c"],
                "bcc": ["d@e.f"],
                "replyToMessageId": 5,
                "attachments": [{"type": "image", "url": URL, "fileName": "a.png"}],
            },
        ),
        (p.RawPayload({"type": "card", "x": 1}), {"type": "card", "x": 1}),
        (
            p.WhatsAppTemplate("n", "en"),
            {"type": "whatsapp_template", "template": {"name": "n", "languageCode": "en"}},
        ),
        (
            p.FacebookTemplate("n", "en", [{"type": "body", "text": "x"}]),
            {
                "type": "facebook_template",
                "template": {
                    "name": "n",
                    "languageCode": "en",
                    "components": [{"type": "body", "text": "x"}],
                },
            },
        ),
    ],
)
def test_each_payload(message: Any, wire: dict[str, Any]) -> None:
    """What is None is not sent."""
    assert p.to_wire(message) == wire


def test_template_components_by_hand() -> None:
    """Every component, parameter and button has its documented shape."""
    message = p.WhatsAppTemplate(
        "n",
        "en",
        [
            p.TemplateHeader("image", parameters=[p.ImageParameter(URL, caption="c")]),
            p.TemplateHeader("video", parameters=[p.VideoParameter(URL, filename="f")]),
            p.TemplateHeader("location", parameters=[p.LocationParameter("n", "a", 3.1, "101.7")]),
            p.TemplateBody("Hi {{1}}", ["x"]),
            p.TemplateFooter("f"),
            p.TemplateButtons(
                [
                    p.QuickReplyButton("q"),
                    p.UrlButton("u", "https://x/{{1}}", ["y"]),
                    p.PhoneButton("p", "+60121233112"),
                    p.ActionButton("c", {"k": 1}),
                    p.ActionButton("m", {"k": 2}, "mpm"),
                    {"type": "new", "text": "z"},
                ]
            ),
        ],
    )
    assert p.to_wire(message)["template"]["components"] == [
        {"type": "header", "format": "image",
        "parameters": [{"type": "image", "image": {"link": URL, "caption": "c"}}]},
        {"type": "header", "format": "video",
        "parameters": [{"type": "video", "video": {"link": URL, "filename": "f"}}]},
        {
            "type": "header", "format": "location",
            "parameters": [{"type": "location",
            "location": {"name": "n", "address": "a", "latitude": "3.1", "longitude": "101.7"}}],
        },
        {"type": "body", "text": "Hi {{1}}", "parameters": [{"type": "text", "text": "x"}]},
        {"type": "footer", "text": "f"},
        {
            "type": "buttons",
            "buttons": [
                {"type": "quick_reply", "text": "q"},
                {"type": "url", "text": "u", "url": "https://x/{{1}}",
                "parameters": [{"type": "text", "text": "y"}]},
                {"type": "phone_number", "text": "p", "phone_number": "+60121233112"},
                {"type": "catalog", "text": "c",
                "parameters": [{"type": "action", "action": {"k": 1}}]},
                {"type": "mpm", "text": "m",
                "parameters": [{"type": "action", "action": {"k": 2}}]},
                {"type": "new", "text": "z"},
            ],
        },
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("degrees", "text"),
    [
        (3.1, "3.1"),
        (-0.00001, "-0.00001"),
        (Decimal("2.50"), "2.5"),
        (" 1.7 ", "1.7"),
        (7, "7"),
    ],
)
def test_degrees_are_written_without_an_exponent(degrees: Any, text: str) -> None:
    """WhatsApp reads plain digits: a place near the equator is not at "-1e-05"."""
    assert p.LocationParameter("n", "a", degrees, 0).to_wire()["location"]["latitude"] == text


@pytest.mark.parametrize(
    ("argument", "make"),
    [
        ("text", lambda: p.Text("")),
        ("text", lambda: p.Text(5)),
        ("message_tag", lambda: p.Text("x", " ")),
        ("message", lambda: p.to_wire("")),
        ("message", lambda: p.to_wire(5)),
        ("message", lambda: p.to_wire({"type": "text"})),
        ("message", lambda: p.to_wire(p.EmailAttachment(URL, "image", "a"))),
        ("url", lambda: p.Attachment.image("")),
        ("url", lambda: p.Attachment.image("files/a.png")),
        ("url", lambda: p.Attachment.image("ftp://x/a")),
        ("url", lambda: p.Attachment.image("https://")),
        ("url", lambda: p.Attachment.image("https://x/a b")),
        ("url", lambda: p.Attachment.image("https://x/\n")),
        ("url", lambda: p.Attachment.image("https://[x/a")),
        ("url", lambda: p.Attachment.image("https://x:99999/a")),
        ("url", lambda: p.Attachment.image(None)),
        ("type", lambda: p.Attachment(URL, "document")),
        ("type", lambda: p.Attachment(URL, [])),
        ("title", lambda: p.QuickReplies("", ["a"])),
        ("replies", lambda: p.QuickReplies("?", [])),
        ("replies", lambda: p.QuickReplies("?", list("abcdefghijk"))),
        ("replies", lambda: p.QuickReplies("?", "abc")),
        ("replies", lambda: p.QuickReplies("?", ["a", ""])),
        ("payload", lambda: p.CustomPayload({})),
        ("payload", lambda: p.CustomPayload([1])),
        ("payload", lambda: p.CustomPayload({1: 2})),
        ("text", lambda: p.Email("")),
        ("subject", lambda: p.Email("x", " ")),
        ("text", lambda: p.Email("", attachments=[])),
        ("text", lambda: p.Email(" ", attachments=[p.EmailAttachment(URL, "file", "a")])),
        ("cc", lambda: p.Email("x", cc="a@b.c")),
        ("bcc", lambda: p.Email("x", bcc=["a"])),
        ("reply_to_message_id", lambda: p.Email("x", reply_to_message_id="5a")),
        ("reply_to_message_id", lambda: p.Email("x", reply_to_message_id="\u0665")),
        ("reply_to_message_id", lambda: p.Email("x", reply_to_message_id=True)),
        ("attachments", lambda: p.Email("x", attachments=[{"url": URL}])),
        ("attachments", lambda: p.Email("x", attachments=5)),
        ("file_name", lambda: p.EmailAttachment(URL, "file", "")),
        ("message", lambda: p.RawPayload({})),
        ("message", lambda: p.RawPayload({"a": 1})),
        ("message", lambda: p.RawPayload({"type": 5})),
        ("name", lambda: p.WhatsAppTemplate("", "en")),
        ("language_code", lambda: p.WhatsAppTemplate("n", "")),
        ("components", lambda: p.WhatsAppTemplate("n", "en", [5])),
        ("components", lambda: p.WhatsAppTemplate("n", "en", "x")),
        ("text", lambda: p.TextParameter("")),
        ("link", lambda: p.ImageParameter("x")),
        ("filename", lambda: p.DocumentParameter(URL, "")),
        ("latitude", lambda: p.LocationParameter("n", "a", 91, 0)),
        ("latitude", lambda: p.LocationParameter("n", "a", float("nan"), 0)),
        ("latitude", lambda: p.LocationParameter("n", "a", 10**5000, 0)),
        ("longitude", lambda: p.LocationParameter("n", "a", Decimal("1e-999999999"), "1_0")),
        ("longitude", lambda: p.LocationParameter("n", "a", 0, "east")),
        ("longitude", lambda: p.LocationParameter("n", "a", 0, "1e1")),
        ("longitude", lambda: p.LocationParameter("n", "a", 0, "\u0663")),
        ("longitude", lambda: p.LocationParameter("n", "a", 0, Decimal("1e999999999"))),
        ("longitude", lambda: p.LocationParameter("n", "a", 0, True)),
        ("name", lambda: p.LocationParameter("", "a", 0, 0)),
        ("address", lambda: p.LocationParameter("n", "", 0, 0)),
        ("action", lambda: p.ActionButton("t", {})),
        ("type", lambda: p.ActionButton("t", {"a": 1}, "x")),
        ("format", lambda: p.TemplateHeader("audio")),
        ("parameters", lambda: p.TemplateBody("x", "abc")),
        ("parameters", lambda: p.UrlButton("x", "y", [5])),
        ("buttons", lambda: p.TemplateButtons([5])),
    ],
)
def test_bad_payloads_cannot_be_made(argument: str, make: Any) -> None:
    """The error names the argument."""
    with pytest.raises(InvalidArgumentError) as caught:
        make()
    assert caught.value.argument == argument


@pytest.mark.parametrize(
    "payload",
    [
        p.Text("canary"),
        EMAIL,
        p.RawPayload({"type": "canary"}),
        p.TextParameter("canary"),
        p.WhatsAppTemplate("order_update", "en", [p.TemplateFooter("canary")]),
    ],
)
def test_payloads_are_quiet_values(payload: Any) -> None:
    """A repr shows no content; a payload pickles and compares as a value."""
    assert "canary" not in repr(payload).lower()
    assert pickle.loads(pickle.dumps(payload)) == payload
    with pytest.raises(AttributeError):
        payload.text = "x"


def test_the_json_of_a_payload_is_that_of_its_fields() -> None:
    """What users keep in queues and journals, and read back: not what goes to the API."""
    kept = {"text": "hi", "message_tag": "ACCOUNT_UPDATE"}
    text = p.Text("hi", message_tag="ACCOUNT_UPDATE")
    assert msgspec.to_builtins(text) == kept
    assert msgspec.convert(kept, p.Text) == text
    assert set(msgspec.to_builtins(EMAIL)) == set(EMAIL.__struct_fields__)
    assert msgspec.convert(msgspec.to_builtins(EMAIL), p.Email) == EMAIL


def test_a_required_list_is_sent_empty_too() -> None:
    assert p.TemplateButtons([]).to_wire() == {"type": "buttons", "buttons": []}


# ── filling a fetched template ────────────────────────────────────────────────────────────────────

BODY = {"type": "BODY", "text": "Hi {{1}}, {{2}} and {{1}}", "example": {"body_text": [["x"]]}}
FULL = template(
    {"type": "HEADER", "format": "TEXT", "text": "For {{1}}"},
    BODY,
    {"type": "FOOTER", "text": "bye"},
    {
        "type": "BUTTONS",
        "buttons": [
            {"type": "QUICK_REPLY", "text": "ok"},
            {"type": "URL", "text": "go", "url": "https://x/{{1}}"},
            {"type": "URL", "text": "home", "url": "https://x/"},
            {"type": "PHONE_NUMBER", "text": "call", "phone_number": "+60121233112"},
            {"type": "MPM", "text": "shop"},
            {"type": "COPY_CODE", "text": "copy"},
        ],
    },
)


def body_of(filled: p.WhatsAppTemplate) -> list[str]:
    (body,) = [
        each for each in p.to_wire(filled)["template"]["components"] if each["type"] == "body"
    ]
    return [each["text"] for each in body.get("parameters", [])]


def test_filling_a_whole_template() -> None:
    """Upper case becomes lower, texts travel with their placeholders, each variable gets its value,
    and examples stay behind.
    """
    filled = p.WhatsAppTemplate.fill(FULL, ["Ann", 7], header="you", buttons=["abc", {"k": 1}])
    assert p.to_wire(filled) == {
        "type": "whatsapp_template",
        "template": {
            "name": "promo",
            "languageCode": "en",
            "components": [
                {
                    "type": "header",
                    "format": "text",
                    "text": "For {{1}}",
                    "parameters": [{"type": "text", "text": "you"}],
                },
                {
                    "type": "body",
                    "text": BODY["text"],
                    "parameters": [{"type": "text", "text": "Ann"}, {"type": "text", "text": "7"}],
                },
                {"type": "footer", "text": "bye"},
                {
                    "type": "buttons",
                    "buttons": [
                        {"type": "quick_reply", "text": "ok"},
                        {
                            "type": "url",
                            "text": "go",
                            "url": "https://x/{{1}}",
                            "parameters": [{"type": "text", "text": "abc"}],
                        },
                        {"type": "url", "text": "home", "url": "https://x/"},
                        {"type": "phone_number", "text": "call", "phone_number": "+60121233112"},
                        {
                            "type": "mpm",
                            "text": "shop",
                            "parameters": [{"type": "action", "action": {"k": 1}}],
                        },
                        {"type": "copy_code", "text": "copy"},
                    ],
                },
            ],
        },
    }


@pytest.mark.parametrize(
    ("text", "body", "values"),
    [
        ("{{2}} {{1}}", ["one", "two"], ["one", "two"]),
        ("{{10}} {{9}}", ["nine", "ten"], ["nine", "ten"]),
        ("{{ 1 }}", ["x"], ["x"]),
        ("{{b}} {{a}} {{b}}", ["B", "A"], ["B", "A"]),
        ("{{b}} {{a}}", {"a": "A", "b": "B"}, ["B", "A"]),
        ("{{1}} {{2}}", {1: "x", "2": "y"}, ["x", "y"]),
        ("none", [], []),
        ("{{$contact.name}}", [], []),
    ],
)
def test_order_of_variables(text: str, body: Any, values: list[str]) -> None:
    """Numbers in their order, names as they first appear, each once; a mapping names them."""
    assert (
        body_of(p.WhatsAppTemplate.fill(template({"type": "body", "text": text}), body)) == values
    )


@pytest.mark.parametrize(
    "components",
    [
        '[{"type": "BODY", "text": "Hi {{1}}"}]',
        {"type": "BODY", "text": "Hi {{1}}"},
        [msgspec.defstruct("C", [("type", str, "BODY"), ("text", str, "Hi {{1}}")])()],
    ],
)
def test_components_in_any_form(components: Any) -> None:
    """The server also sends the components as JSON text."""
    assert body_of(p.WhatsAppTemplate.fill(template(components=components), ["x"])) == ["x"]


@pytest.mark.parametrize(
    "component",
    [
        '[{"type": "new", "x": ' + "[" * 600 + "]" * 600 + "}]",
        [{"type": "BODY", "text": "{{" + "1" * 5000 + "}} {{2}}"}],
        [{"type": "BUTTONS", "buttons": 5}],
        [{"type": "CAROUSEL", "cards": 5}],
    ],
)
def test_components_that_make_no_sense(component: Any) -> None:
    """Whatever the server lists, filling it ends in a template or says that it cannot be filled."""
    with suppress(InvalidArgumentError):
        p.WhatsAppTemplate.fill(template(components=component))


@pytest.mark.parametrize("components", [None, "", []])
def test_a_template_without_components(components: Any) -> None:
    assert p.to_wire(p.WhatsAppTemplate.fill(template(components=components)))["template"] == {
        "name": "promo",
        "languageCode": "en",
    }


@pytest.mark.parametrize(
    ("form", "header", "parameter"),
    [
        ("IMAGE", URL, {"type": "image", "image": {"link": URL}}),
        ("VIDEO", URL, {"type": "video", "video": {"link": URL}}),
        (
            "DOCUMENT",
            "https://x/a%20b.pdf?x=1",
            {
                "type": "document",
                "document": {"link": "https://x/a%20b.pdf?x=1", "filename": "a b.pdf"},
            },
        ),
        (
            "DOCUMENT",
            p.DocumentParameter(URL, "n"),
            {"type": "document", "document": {"link": URL, "filename": "n"}},
        ),
        (
            "LOCATION",
            p.LocationParameter("n", "a", 1, 2),
            {
                "type": "location",
                "location": {"name": "n", "address": "a", "latitude": "1", "longitude": "2"},
            },
        ),
    ],
)
def test_headers_with_a_medium(form: str, header: Any, parameter: dict[str, Any]) -> None:
    """A URL is enough, but for a place."""
    filled = p.WhatsAppTemplate.fill(template({"type": "HEADER", "format": form}), header=header)
    assert p.to_wire(filled)["template"]["components"] == [
        {"type": "header", "format": form.lower(), "parameters": [parameter]}
    ]


@pytest.mark.parametrize("header", [p.TextParameter("you"), ["you"], {"1": "you"}])
def test_headers_with_a_text(header: Any) -> None:
    """The value of a text header may also come as a parameter, a list or a mapping."""
    filled = p.WhatsAppTemplate.fill(
        template({"type": "HEADER", "text": "For {{1}}"}), header=header
    )
    assert p.to_wire(filled)["template"]["components"][0]["parameters"] == [
        {"type": "text", "text": "you"}
    ]


def test_an_unknown_component_goes_as_it_came() -> None:
    """An unknown component goes as it came: its type in lower case."""
    filled = p.WhatsAppTemplate.fill(template({"type": "CAROUSEL", "cards": []}))
    assert p.to_wire(filled)["template"]["components"] == [{"type": "carousel", "cards": []}]


CAROUSEL = {
    "type": "CAROUSEL",
    "cards": [
        {
            "components": [
                {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": [URL]}},
                {"type": "BODY", "text": "{{1}} costs {{2}}", "example": {"body_text": [["a"]]}},
                {"type": "BUTTONS", "buttons": [
                    {"type": "URL", "text": "buy", "url": "https://x/{{1}}", "example": ["1"]},
                    {"type": "QUICK_REPLY", "text": "more"},
                ]},
            ]
        },
        {
            "components": [
                {"type": "HEADER", "format": "VIDEO"},
                {"type": "BODY", "text": "plain"},
                {"type": "BUTTONS", "buttons": [{"type": "REQUEST_CONTACT_INFO", "text": "hi"}]},
            ]
        },
    ],
}  # fmt: skip
CARDS = [{"header": URL, "body": ["Tea", 5], "buttons": ["tea"]}, {"header": URL}]


def test_filling_a_carousel() -> None:
    """Each card is a template of its own, with its own header, body and buttons."""
    filled = p.WhatsAppTemplate.fill(template(BODY, CAROUSEL), ["Ann", "x"], cards=CARDS)
    body, carousel = p.to_wire(filled)["template"]["components"]
    assert body["parameters"][0] == {"type": "text", "text": "Ann"}
    assert carousel == {
        "type": "carousel",
        "cards": [
            {"components": [
                {"type": "header", "format": "image",
                 "parameters": [{"type": "image", "image": {"link": URL}}]},
                {"type": "body", "text": "{{1}} costs {{2}}",
                 "parameters": [{"type": "text", "text": "Tea"}, {"type": "text", "text": "5"}]},
                {"type": "buttons", "buttons": [
                    {"type": "url", "text": "buy", "url": "https://x/{{1}}",
                     "parameters": [{"type": "text", "text": "tea"}]},
                    {"type": "quick_reply", "text": "more"},
                ]},
            ]},
            {"components": [
                {"type": "header", "format": "video",
                 "parameters": [{"type": "video", "video": {"link": URL}}]},
                {"type": "body", "text": "plain"},
                {"type": "buttons", "buttons": [{"type": "request_contact_info", "text": "hi"}]},
            ]},
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    "part",
    [
        {"type": "BUTTONS", "buttons": [{"type": "COPY_CODE", "text": "x", "example": ["SAVE5"]}]},
        {"type": "BUTTONS", "buttons": [{"type": "COPY_CODE", "text": "x", "example": "SAVE5"}]},
        {"type": "BUTTONS", "buttons": [{"type": "FLOW", "text": "x", "data": {"a": "{{1}}"}}]},
        {"type": "BUTTONS", "buttons": [{"type": "VOICE", "text": "x", "format": "AUDIO"}]},
        {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "for {{1}}"}]},
        {"type": "FOOTER", "text": "until {{1}}"},
        {"type": "LIMITED_TIME_OFFER", "text": "{{1}}"},
        {"type": "BANNER", "image": {"link": URL}},
        {"type": "BANNER", "parts": [{"sample": "x"}]},
        {"type": "BANNER", "format": "IMAGE"},
        {"type": "CAROUSEL", "cards": [{"components": [{"type": "ODD", "example": ["x"]}]}]},
    ],
)
def test_what_fill_cannot_fill_is_refused(part: dict[str, Any]) -> None:
    """A kind that is not known here goes out whole or not at all; the error says what to do."""
    with pytest.raises(InvalidArgumentError, match="by hand"):
        p.WhatsAppTemplate.fill(template(part))


HEADER = {"type": "HEADER", "format": "DOCUMENT"}
LINK = {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "go", "url": "https://x/{{1}}"}]}
SHOP = {"type": "BUTTONS", "buttons": [{"type": "CATALOG", "text": "go"}]}


@pytest.mark.parametrize(
    ("argument", "found", "given"),
    [
        ("body", template(BODY), {"body": ["canary"]}),
        ("body", template(BODY), {"body": []}),
        ("body", template(BODY), {"body": "canary"}),
        ("body", template(BODY), {"body": ["canary", ""]}),
        ("body", template(BODY), {"body": ["canary", None]}),
        ("body", template(BODY), {"body": ["canary", True]}),
        ("body", template(BODY), {"body": {"1": "canary"}}),
        ("body", template(BODY), {"body": {"1": "canary", "2": "x", "3": "y"}}),
        ("body", template(), {"body": ["canary"]}),
        ("header", template(), {"header": "canary"}),
        ("header", template(HEADER), {}),
        ("header", template(HEADER), {"header": "canary"}),
        ("header", template(HEADER), {"header": "https://x/"}),
        ("header", template(HEADER), {"header": 5}),
        ("header", template(HEADER), {"header": "https://[canary"}),
        (
            "header",
            template({"type": "header", "format": "location"}),
            {"header": "https://x/canary"},
        ),
        ("header", template({"type": "header", "text": "static"}), {"header": "canary"}),
        ("header", template({"type": "header", "text": "{{1}}"}), {}),
        ("template", template({"type": "header", "format": "AUDIO"}), {}),
        ("template", template(name=""), {}),
        ("template", template(language_code=None), {}),
        ("template", template(5), {}),
        ("template", template(components="{"), {}),
        ("template", None, {}),
        ("buttons", template(LINK), {}),
        ("buttons", template(LINK), {"buttons": ["canary", "x"]}),
        ("buttons", template(LINK), {"buttons": "canary"}),
        ("buttons", template(LINK), {"buttons": [{"canary": 1}]}),
        ("buttons", template(), {"buttons": ["canary"]}),
        ("buttons", template(SHOP), {"buttons": ["canary"]}),
        ("cards", template(CAROUSEL), {}),
        ("cards", template(CAROUSEL), {"cards": CARDS[:1]}),
        ("cards", template(CAROUSEL), {"cards": [{**CARDS[0], "body": ["canary"]}, CARDS[1]]}),
        ("cards", template(CAROUSEL), {"cards": [{**CARDS[0], "text": "canary"}, CARDS[1]]}),
        ("cards", template(CAROUSEL), {"cards": "canary"}),
        ("cards", template(CAROUSEL), {"cards": CARDS[0]}),
        ("cards", template(BODY), {"body": ["a", "b"], "cards": CARDS}),
    ],
)
def test_values_that_do_not_fit(argument: str, found: Any, given: dict[str, Any]) -> None:
    """Counts and kinds are checked; the error names the argument and shows no value."""
    with pytest.raises(InvalidArgumentError) as caught:
        p.WhatsAppTemplate.fill(found, **given)
    assert caught.value.argument == argument
    assert "canary" not in repr(caught.value)
