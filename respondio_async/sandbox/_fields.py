"""The fields of a contact in a write: what is taken, what is refused, what is dropped without a
word.
"""

import math
import re
from datetime import date
from typing import Any, Final

from ._call import EMAIL, PHONE, Problem, RequestContext, as_list, as_object, invalid
from .state import Contact, CustomField

_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(?:[-_][A-Za-z]{2,4})?", re.ASCII)
_COUNTRY: Final = re.compile(r"[A-Za-z]{2}", re.ASCII)
_URL: Final = re.compile(r"https?://[^\s/]+\S*")
_TIME: Final = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_FORMS: Final = {"email": EMAIL, "url": _URL, "time": _TIME}

PLAIN: Final = {
    "firstName": "first_name",
    "lastName": "last_name",
    "phone": "phone",
    "email": "email",
    "language": "language",
    "profilePic": "profile_pic",
    "countryCode": "country_code",
}
"""Wire name to attribute."""

_PATTERNS: Final = {
    "phone": PHONE,
    "email": EMAIL,
    "language": _LANGUAGE,
    "profilePic": _URL,
    "countryCode": _COUNTRY,
}


class Fields:
    """A checked set of fields; nothing is written before all of it was found good."""

    def __init__(
        self, call: RequestContext, body: dict[str, Any], *, also: frozenset[str] = frozenset()
    ) -> None:
        self.plain: dict[str, str | None] = {}
        self.custom: dict[int, Any] = {}
        self._call = call
        for name, value in body.items():
            if name in PLAIN:
                self._take_plain(name, value)
            elif name == "custom_fields":
                self._take_custom(value)
            elif name not in also and not call.quirks.drop_unknown_keys:
                raise Problem(400, f"Unknown field(s) : {name}")

    def _take_plain(self, name: str, value: Any) -> None:
        if value is not None:
            pattern = _PATTERNS.get(name)
            if (
                not isinstance(value, str)
                or len(value) > 2_000
                or (pattern is not None and not pattern.fullmatch(value))
            ):
                raise invalid(name)
        if name == "firstName" and (value is None or not value.strip()):
            raise invalid(name)
        self.plain[name] = value

    def _take_custom(self, value: Any) -> None:
        if value is None:
            return
        items = as_list(value)
        if items is None:
            raise invalid("custom_fields")
        for index, each in enumerate(items):
            item = as_object(each) or {}
            name = item.get("name")
            if not isinstance(name, str) or "value" not in item:
                raise invalid(f"custom_fields[{index}]")
            field = self._call.workspace.find_field(name)
            if field is None:
                raise Problem(400, f"Custom field {name} not found in the workspace")
            if not fits(field, item["value"]):
                raise invalid(f"custom_fields[{index}].value")
            self.custom[field.id] = item["value"]

    def check_free(self, contact: Contact | None, *, status: int = 400) -> None:
        """Refuse a phone or an email that another contact has."""
        for kind in ("phone", "email"):
            value = self.plain.get(kind)
            owner = None if value is None else self._call.workspace.contact(value)
            if owner is not None and owner is not contact:
                raise Problem(status, f"Contact with this {kind} already exists")

    def write(self, contact: Contact, *, null_clears: bool = True) -> None:
        """Write them all."""
        for name, value in self.plain.items():
            if value is None and not null_clears:
                continue
            if name in ("phone", "email"):
                self._call.workspace.identify(contact, name, value)
            else:
                setattr(contact, PLAIN[name], value)
        for field_id, value in self.custom.items():
            if value is not None:
                contact.custom[field_id] = value
            elif null_clears:
                contact.custom.pop(field_id, None)


def fits(field: CustomField, value: Any) -> bool:
    """Whether a value has the JSON type and the form that the field's type wants; null fits all."""
    if value is None:
        return True
    if isinstance(value, bool) or field.data_type == "checkbox":
        return isinstance(value, bool) and field.data_type == "checkbox"
    if not isinstance(value, str) or field.data_type == "number":
        is_finite = isinstance(value, int | float) and abs(value) < math.inf  # JSON may say 1e999
        return is_finite and field.data_type == "number"
    if field.data_type == "list":
        return value in (field.allowed_values or ())
    if field.data_type == "date":
        return _DATE.fullmatch(value) is not None and _is_date(value)
    pattern = _FORMS.get(field.data_type)
    return pattern is None or pattern.fullmatch(value) is not None


def _is_date(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True
