"""What every workspace starts with, and made-up contacts. Deterministic for a seed."""

import math
from typing import Any, Final

from . import state
from .workspace import Workspace

_YEAR: Final = 365 * 86_400
_FIRST: Final = (
    "Aina",
    "Ben",
    "Chen",
    "Dewi",
    "Elif",
    "Farid",
    "Grace",
    "Hana",
    "Ivan",
    "Jaya",
    "Kai",
    "Lena",
)
_LAST: Final = (
    "Abdullah",
    "Brown",
    "Chua",
    "Devi",
    "Evans",
    "Fernandez",
    "Gomez",
    "Hassan",
    "Ito",
    "Jensen",
    "Khan",
)


def seed_space(workspace: Workspace) -> None:
    """Add users, channels, templates, custom fields of every type, closing notes, lifecycle stages
    and tags.
    """
    since = int(workspace.clock.wall()) - 2 * _YEAR
    for number, (first, last, role, team) in enumerate(
        [
            ("Olivia", "Owner", "owner", None),
            ("Mark", "Manager", "manager", "Sales"),
            ("Anna", "Agent", "agent", "Sales"),
            ("Sam", "Support", "agent", "Support"),
        ]
    ):
        workspace.users[1001 + number] = state.User(
            1001 + number, first, last, f"{first.lower()}@sandbox.example", role,
            None if team is None else 301 + (team == "Support"), team,
            ("show_only_mine",) if role == "agent" else (),
        )  # fmt: skip
    for number, (name, source) in enumerate(
        [
            ("WhatsApp", "whatsapp_cloud"),
            ("Telegram", "telegram"),
            ("Facebook", "facebook"),
            ("Email", "other_email"),
            ("Custom", "custom_channel"),
        ]
    ):
        workspace.channels[2001 + number] = state.Channel(
            2001 + number, name, source, since + number
        )
    _seed_templates(workspace)
    for number, (name, slug, data_type) in enumerate(_FIELDS):
        workspace.custom_fields[4001 + number] = state.CustomField(
            4001 + number, name, slug, data_type, f"A {data_type} field",
            ["Free", "Pro", "Enterprise"] if data_type == "list" else None, since + number,
        )  # fmt: skip
    for category in ("Resolved", "Sale made", "Spam"):
        workspace.closing_notes.append(state.ClosingNote(category, f"{category} by an agent"))
    workspace.lifecycle_stages += ["New Lead", "Hot Lead", "Payment", "Customer", "Cold Lead"]
    workspace.ensure_tags(["vip", "newsletter"])


_FIELDS: Final[tuple[tuple[str, str, state.DataType], ...]] = (
    ("Company", "company", "text"),
    ("Plan", "plan", "list"),
    ("Subscribed", "subscribed", "checkbox"),
    ("Work Email", "work_email", "email"),
    ("Age", "age", "number"),
    ("Website", "website", "url"),
    ("Birthday", "birthday", "date"),
    ("Call Time", "call_time", "time"),
)


def _seed_templates(workspace: Workspace) -> None:
    body: dict[str, Any] = {"type": "body", "text": "Hi {{1}}, your order {{2}} is on its way."}
    rows: list[tuple[str, str, list[dict[str, Any]]]] = [
        ("order_update", "en", [body, {"type": "footer", "text": "Reply STOP to opt out"}]),
        ("hello_world", "en_US", [{"type": "body", "text": "Welcome and congratulations!"}]),
        (
            "invoice", "en",
            [
                {"type": "header", "format": "document"},
                {"type": "body", "text": "Dear {{1}}, here is your invoice of {{2}}."},
                {
                    "type": "buttons",
                    "buttons": [
                        {"type": "quick_reply", "text": "Thanks"},
                        {"type": "url", "text": "Pay", "url": "https://pay.example/{{1}}"},
                    ],
                },
            ],
        ),
        (
            "greeting", "en",
            [{"type": "header", "format": "text", "text": "For {{1}}"},
            {"type": "body", "text": "Hello {{1}}!"}],
        ),
    ]  # fmt: skip
    for number, (name, language, components) in enumerate(rows):
        workspace.templates[3001 + number] = state.Template(
            3001 + number, 2001, name, language, "utility" if number else "marketing", components
        )


def seed_contacts(workspace: Workspace, count: int, *, messages: int = 0) -> list[state.Contact]:
    """Add *count* made-up contacts, long since created, spread over the last year, each with a
    channel and *messages*.
    """
    end = int(workspace.clock.wall()) - 60
    channels = list(workspace.channels.values())
    made: list[state.Contact] = []
    for number in range(count):
        contact = workspace.add_contact(
            created_at=end - _YEAR + _YEAR * (number + 1) // count, created=-math.inf
        )
        serial = contact.id - 100_000_000
        contact.first_name = workspace.random.choice(_FIRST)
        contact.last_name = workspace.random.choice(_LAST)
        workspace.identify(contact, "phone", f"+6011{serial:08d}")
        workspace.identify(contact, "email", f"{contact.first_name}.{serial}@example.com".lower())
        contact.country_code, contact.language = "MY", "en"
        contact.lifecycle = workspace.lifecycle_stages[serial % len(workspace.lifecycle_stages)]
        if serial % 5 == 0:
            contact.tags.append("vip")
        contact.custom[4005] = 18 + serial % 60
        link = workspace.link_channel(contact, channels[0])
        link.last_message_at = link.last_incoming_at = contact.created_at
        _seed_messages(contact, channels[0], messages)
        made.append(contact)
    return made


def _seed_messages(contact: state.Contact, channel: state.Channel, count: int) -> None:
    for number in range(count):
        incoming = number % 2 == 0
        contact.messages.append(
            state.Message(
                id=(contact.created_at + number) * 1_000_000 + contact.id % 1_000_000,
                contact_id=contact.id,
                channel_id=channel.id,
                traffic="incoming" if incoming else "outgoing",
                content={"type": "text", "text": f"Message {number + 1}"},
                sender={"source": "contact"} if incoming else {"source": "user", "userId": 1003},
                accepted=-math.inf,
                channel_message_id=f"seed.{contact.id}.{number}",
            )
        )
