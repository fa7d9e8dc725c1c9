"""Arguments as the API takes them. What it would refuse is refused here: before any permit is
spent, and by the argument's name, never its value.

The server drops the keys of a contact that it does not know and answers 200 all the same, so a
misspelt field would be lost in silence; here it is a TypeError.

Lengths are counted in characters. Sources: the vendor's pages of the operations named, and its
"Create a contact" page.
"""

import datetime as dt
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from respondio_async._values import (
    check_id,
    check_text,
    digits_as_id,
    is_finite,
    is_object,
    json_number,
)
from respondio_async.errors import InvalidArgumentError

from ._encode import time_text

_SLUG: Final = re.compile(r"[A-Za-z0-9_]{1,50}")
_MOST_TAGS: Final = 10

_TEXTS: Final = {
    "first_name": "firstName",
    "last_name": "lastName",
    "phone": "phone",
    "email": "email",
    "language": "language",
    "profile_pic": "profilePic",
    "country_code": "countryCode",
}
_FIELDS: Final = (*_TEXTS, "custom_fields")
_ELSEWHERE: Final = {
    "tags": "contacts.add_tags() sets tags",
    "tag": "contacts.add_tags() sets tags",
    "lifecycle": "contacts.update_lifecycle() sets the lifecycle stage",
    "assignee": "conversations.assign() sets the assignee",
    "status": "conversations.open() and close() set the status",
}


def is_given(value: object) -> bool:
    """Whether an optional text is given; the vendor's n8n node sends "" for one that is not."""
    return not (value is None or value == "")


def check_channel_id(value: object) -> int:
    """Return the id of a channel as an int; digits are taken too, as the vendor's clients hold
    them.
    """
    return check_id(digits_as_id(value), "channel_id")


def check_tags(tags: Iterable[object]) -> list[str]:
    """Return 1 to 10 different tags of at most 255 characters, as "Add tags" takes them."""
    tags = tags if isinstance(tags, str) else list(tags)
    if any(isinstance(tag, list | tuple | set | frozenset | dict) for tag in tags):
        raise InvalidArgumentError("tags are single texts: spread a list with *", argument="tags")
    texts = _different_texts(tags, "tags", longest=255)
    if not 1 <= len(texts) <= _MOST_TAGS:
        raise InvalidArgumentError(f"tags are {len(texts)}, not 1 to {_MOST_TAGS}", argument="tags")
    return texts


def _different_texts(
    values: Iterable[object], argument: str, *, longest: int | None = None
) -> list[str]:
    if isinstance(values, str):
        raise InvalidArgumentError(
            f"{argument} is one text: its letters would become the values", argument=argument
        )
    texts = [check_text(value, argument, longest=longest) for value in values]
    if len(set(texts)) != len(texts):
        raise InvalidArgumentError(f"{argument} holds one value twice", argument=argument)
    return texts


def check_page_size(value: object, *, most: int) -> int:
    """Return the size of a page: 1 to *most* (100; 50 for messages)."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise InvalidArgumentError(f"page_size is an int from 1 to {most}", argument="page_size")
    return int(value)


def check_closing_note(category: str | None, summary: str | None) -> dict[str, str]:
    """Return what "Close a conversation" takes beside the status: a category ≤ 128 and, only with
    it, a summary ≤ 512. None and "" are not sent.
    """
    note: dict[str, str] = {}
    if is_given(category):
        note["category"] = check_text(category, "category", longest=128)
    if is_given(summary):
        if not note:
            raise InvalidArgumentError(
                "a summary is taken only together with a category", argument="summary"
            )
        note["summary"] = check_text(summary, "summary", longest=512)
    return note


def check_slug(slug: object) -> str | None:
    """Return the slug of a new custom field: at most 50 letters, digits and underscores of ASCII;
    None and "" leave it to the server.
    """
    if not is_given(slug):
        return None
    if not isinstance(slug, str) or not _SLUG.fullmatch(slug):
        raise InvalidArgumentError("slug is 1 to 50 of A-Z, a-z, 0-9 and _", argument="slug")
    return slug


def check_allowed_values(values: Sequence[str] | None, data_type: str) -> list[str] | None:
    """Return the choices of a new custom field of type "list"; no other type has any. None and an
    empty list are not sent.
    """
    if values is None or values in ([], ()):
        return None
    if data_type != "list":
        raise InvalidArgumentError(
            'only a field of data_type "list" has allowed values', argument="allowed_values"
        )
    return _different_texts(values, "allowed_values")


def check_assignee(user: object) -> int | str:
    """Return whom to assign: a user's id as an int (digits are taken too), or the user's e-mail
    address, which is never digits alone.
    """
    user = digits_as_id(user)
    if isinstance(user, str):
        local, at, domain = user.partition("@")
        if not (at and local and domain) or "@" in domain or " " in user or not user.isprintable():
            raise InvalidArgumentError(
                "user is neither a user's id (an int) nor an e-mail address",
                argument="user",
            )
        return user
    return check_id(user, "user")


def check_stage(stage: object) -> str | None:
    """Return the name of a lifecycle stage; None and "" clear it."""
    return check_text(stage, "stage") if is_given(stage) else None


def check_ids_differ(first_id: object, second_id: object) -> list[int]:
    """Return the ids of two contacts to merge: ints, and not the same one twice."""
    first, second = check_id(first_id, "first_id"), check_id(second_id, "second_id")
    if first == second:
        raise InvalidArgumentError("a contact cannot be merged with itself", argument="second_id")
    return [first, second]


def contact_body(fields: Mapping[str, Any], *, required: Collection[str] = ()) -> dict[str, Any]:
    """Turn keywords into the body of a contact write. What is absent stays untouched, None clears;
    *required* fields may be neither.

    Custom fields keep their JSON type: bool for a checkbox, int or float for a number; a date
    becomes `yyyy-mm-dd`, a time `HH:MM`.
    """
    body: dict[str, Any] = {}
    for name, value in fields.items():
        if wire_name := _TEXTS.get(name):
            if value is not None and not isinstance(value, str):
                raise InvalidArgumentError(
                    f"{name} is a {type(value).__name__}, not a str or None", argument=name
                )
            body[wire_name] = value
        elif name == "custom_fields":
            custom = _custom_fields(value)
            if custom != []:
                body["custom_fields"] = custom
        else:
            raise _unknown(name)
    for name in required:
        value = fields.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            raise InvalidArgumentError(
                f"{name} is required here, and neither None nor empty", argument=name
            )
    return body


def _unknown(name: str) -> TypeError:
    if name in _ELSEWHERE:
        return TypeError(f"a contact has no writable field {name!r}: {_ELSEWHERE[name]}")
    from difflib import get_close_matches  # wanted for a mistake only

    snake = "".join(
        f"_{character.lower()}" if character.isupper() else character for character in name
    )
    close = [snake] if snake in _FIELDS else get_close_matches(snake, _FIELDS, n=1)
    advice = (
        f"did you mean {close[0]!r}?"
        if close
        else "put a field of your workspace into custom_fields={…}"
    )
    return TypeError(f"a contact has no field {name!r}: {advice}")


def _custom_fields(fields: object) -> list[dict[str, Any]] | None:
    if fields is None:
        return None
    if not is_object(fields):
        raise InvalidArgumentError(
            "custom_fields is a mapping of names to values; {name: None} clears one",
            argument="custom_fields",
        )
    return [
        {"name": _custom_name(name), "value": custom_value(value)} for name, value in fields.items()
    ]


def _custom_name(name: object) -> str:
    if not isinstance(name, str) or not name.strip():
        raise InvalidArgumentError(
            "the name of a custom field is a text that is not empty", argument="custom_fields"
        )
    return name


def custom_value(value: object) -> str | int | float | bool | None:
    """Turn the value of a custom field into what JSON carries."""
    match json_number(value) if isinstance(value, Decimal) else value:
        case None | bool() | str() as plain:
            return plain
        case int() | float() as number if is_finite(number):
            return number
        case int() | float():
            raise InvalidArgumentError(
                "a custom field's number must be finite", argument="custom_fields"
            )
        case dt.datetime():
            raise InvalidArgumentError(
                "a custom field holds a date or a time, never both: pass .date() or .time() of the "
                "datetime",
                argument="custom_fields",
            )
        case dt.date() as day:
            return day.isoformat()
        case dt.time() as time:
            return time_text(time)
        case _:
            raise InvalidArgumentError(
                "a custom field is text, a number, a bool, a date, a time or None, not a "
                f"{type(value).__name__}",
                argument="custom_fields",
            )
