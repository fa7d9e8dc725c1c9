"""The fields of a contact, from a caller's keywords to the API's JSON.

The server drops keys it does not know and answers 200 all the same, so a misspelt field would be
lost in silence; here it is a TypeError.

Source: the vendor's "Create a contact" page.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any, Final

from respondio_async._values import is_finite, is_object, json_number
from respondio_async.errors import InvalidArgumentError

from ._encode import time_text

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
