"""What to do about an error whose cause is known.

The server's texts are terse ("Validation error.") and some mislead. Each row here is a text that
was seen and what corrects it. A hint is fixed text: nothing of the answer goes into it.
"""

from typing import Final

# Status, words that are all in the text, advice. Words and not patterns: a search for each costs
# time in proportion to the text, whatever it repeats.
_SEEN: Final[tuple[tuple[int, tuple[str, ...], str], ...]] = (
    (
        400,
        ("invalid field", "channelid"),
        (
            "channelId must be a JSON integer that names a channel of this workspace: see "
            "space.list_channels()"
        ),
    ),
    (
        400,
        ("custom_fields[", "invalid value"),
        (
            "the value does not fit its custom field (the number counts those of the call from 0): "
            "see data_type and allowed_values in space.list_custom_fields()"
        ),
    ),
    (
        400,
        ("filter.", ".field", "invalid value"),
        (
            "no such field to filter by: firstName, lastName, phone, email, status, "
            "assigneeUserId, createdAt, or a custom field of space.list_custom_fields(); "
            "F.tags and F.lifecycle are their own"
        ),
    ),
    (
        400,
        ("missing field", "languagecode"),
        "a template needs its language_code, as space.list_templates() shows it",
    ),
    (400, ("missing field",), "the body lacks a field that this operation requires"),
    (
        400,
        ("invalid field",),
        (
            "the named field has the wrong JSON type: ids are integers, checkboxes booleans, "
            "numbers not texts"
        ),
    ),
    (
        400,
        ("filter is provided",),
        (
            "a contact list needs filter, search and timezone, even when empty; "
            "contacts.list() sends all three"
        ),
    ),
    (
        400,
        ("not found in the workspace",),
        (
            "one unknown custom field refuses the whole write, so nothing was saved: compare "
            "with space.list_custom_fields()"
        ),
    ),
    (
        400,
        ("channel not found",),
        (
            "the contact has no such channel, or none yet (a new contact has no last channel): "
            "see contacts.list_channels()"
        ),
    ),
    (
        400,
        ("attachment url",),
        (
            "the URL must be public, reachable without a login, and end in a file extension "
            "that the channel allows"
        ),
    ),
    (400, ("comment length",), "a comment has at most 1000 characters"),
    (
        400,
        ("invalid value",),
        (
            "check the field's format: phone in E.164, a whole e-mail address, language ISO "
            "639-1, country ISO 3166-1 alpha-2"
        ),
    ),
    (
        400,
        ("validation error",),
        (
            "a value has the wrong JSON type or form: ids are integers, checkboxes booleans, "
            "numbers not texts, dates yyyy-mm-dd"
        ),
    ),
    (
        400,
        ("already exist",),
        "it exists already: update it instead (contacts.create_or_update() does either)",
    ),
    (
        404,
        ("template",),
        (
            "the template is not known to the workspace: synchronise the channel's templates, "
            "then look again"
        ),
    ),
    (404, ("user",), "no such user in the workspace: see space.list_users() for ids and e-mails"),
    (
        404,
        ("contact",),
        "no such contact for this token; a contact made moments ago may still be in the making",
    ),
)

_BY_STATUS: Final = {
    401: "the token was revoked, or is not a Developer API token: make one in Settings > "
    "Integrations > Developer API (the keys of Make, n8n and custom channels are other tokens)",
    403: "the workspace's plan may not include the Developer API, or the token lacks this "
    "permission",
    409: "it exists already",
    429: "the organisation's limit on this route, which all its tokens share",
    449: "the contact is still being created: try again in a few minutes",
    503: "overloaded or under maintenance; not processed",
}
_BLOCKED: Final = (
    "the firewall before the API refused the request and the API never saw it: check the "
    "Authorization header, the token's "
    "characters, the method (PATCH is blocked), and that no proxy strips headers"
)
_CUSTOM_PAYLOAD: Final = (
    "custom payloads work on Telegram, Facebook, Viber and LINE only, not on WhatsApp; else the "
    "workspace's plan may not "
    "include the Developer API"
)


def hint(status: int, text: str, *, endpoint: str, blocked: bool = False) -> str | None:
    """Return what to do about an answer of *status* with the words *text*; None when nothing is
    known of it.
    """
    if blocked:
        return _BLOCKED
    text = text.lower()
    for known, words, advice in _SEEN:
        if known == status and all(word in text for word in words):
            return advice
    if status == 403 and endpoint.endswith("/message"):
        return (
            _CUSTOM_PAYLOAD
            if any(word in text for word in ("custom", "payload", "channel", "support"))
            else _BY_STATUS[403]
        )
    if status in (500, 502, 504) and not endpoint.startswith("GET"):
        return "the write may have happened: look before repeating it"
    return _BY_STATUS.get(status)
