"""What a write would refuse, found without a request: for those who check a whole file before the
first one.

Each raises `InvalidArgumentError`, without the value; what passes is not refused by the client
later, though the server may still refuse it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Unpack, cast

from ._wire import check_stage, check_tags, contact_body, encode_json
from .identifiers import Identifier, segment
from .models import ContactFields, Payload
from .models.payloads import to_wire

__all__ = ["check_contact", "check_message", "check_tags_call", "contact_fields"]


def contact_fields(row: Mapping[str, Any]) -> ContactFields:
    """Take a row for the fields of a contact: `contacts.update(id, **contact_fields(row))` is typed
    where a `dict[str, str]` is not. `TypeError` for a name that is no field.
    """
    contact_body(row)
    return cast("ContactFields", dict(row))


def check_contact(
    identifier: Identifier,
    *,
    lifecycle: str | None = None,
    **fields: Unpack[ContactFields],
) -> None:
    """Check what `contacts.create_or_update` and `contacts.update_lifecycle` would send.

    Fields:
        - first_name (`str`): The given name.
        - last_name (`str`): The family name.
        - phone (`str`): The phone number: E.164, with its plus.
        - email (`str`): The e-mail address.
        - language (`str`): The language: ISO 639-1 ("en").
        - profile_pic (`str`): A public URL of a picture.
        - country_code (`str`): The country: ISO 3166-1 alpha-2 ("MY").
        - custom_fields (`Mapping[str, CustomFieldInput]`): Values by the fields' names; a value of
          None clears its field.
    """
    segment(identifier)
    encode_json(contact_body(fields))
    encode_json(check_stage(lifecycle))


def check_tags_call(tags: Iterable[str]) -> None:
    """Check what one call of `contacts.add_tags` would send: 1 to 10 tags."""
    encode_json(check_tags(tags))


def check_message(identifier: Identifier, message: str | Payload) -> None:
    """Check what `messages.send` would send."""
    segment(identifier)
    encode_json(to_wire(message))
