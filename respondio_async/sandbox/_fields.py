"""The fields of a contact in a write: what is taken, what is refused, what is dropped without a
word.
"""

import math
import re
from datetime import date
from typing import Any, Final

import msgspec

from ._call import EMAIL, PHONE, Problem, RequestContext, RequestValue, as_object
from .state import Contact, CustomField

_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(?:[-_][A-Za-z]{2,4})?", re.ASCII)
_COUNTRY: Final = re.compile(r"[A-Za-z]{2}", re.ASCII)
_URL: Final = re.compile(r"https?://[^\s/]+\S*")
_TIME: Final = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
_NAME: Final = re.compile(r"\A\s*+\S.*", re.DOTALL)
_FORMS: Final = {"email": EMAIL, "url": _URL, "time": _TIME}

_PLAIN: Final[dict[str, tuple[str, re.Pattern[str] | None]]] = {
    "firstName": ("first_name", _NAME),
    "lastName": ("last_name", None),
    "phone": ("phone", PHONE),
    "email": ("email", EMAIL),
    "language": ("language", _LANGUAGE),
    "profilePic": ("profile_pic", _URL),
    "countryCode": ("country_code", _COUNTRY),
}
"""Wire name to attribute and form."""


class Fields:
    """A checked set of fields; nothing is written before all of it was found good."""

    def __init__(self, call: RequestContext, body: RequestValue, *, also: str = "") -> None:
        self.plain: dict[str, str | None] = {}
        self.custom: dict[int, Any] = {}
        self._call = call
        for name, value in body.value.items():
            if name in _PLAIN:
                self._take_plain(name, body[name])
            elif name == "custom_fields":
                if value is not None:
                    self._take_custom(body[name])
            elif name != also and not call.quirks.drop_unknown_keys:
                raise Problem(400, f"Unknown field(s) : {name}")

    def _take_plain(self, name: str, given: RequestValue) -> None:
        _, form = _PLAIN[name]
        if given.value is None:
            if name == "firstName":
                raise given.invalid
        elif len(given.string()) > 2_000 or (form is not None and not form.fullmatch(given.value)):
            raise given.invalid
        self.plain[name] = given.value

    def _take_custom(self, given: RequestValue) -> None:
        for item in given.items():
            pair = as_object(item.value) or {}
            name = pair.get("name")
            if not isinstance(name, str) or "value" not in pair:
                raise item.invalid
            field = self._call.workspace.find_field(name)
            if field is None:
                raise Problem(400, f"Custom field {name} not found in the workspace")
            if pair["value"] is not None and not fits(field, pair["value"]):
                raise item["value"].invalid
            self.custom[field.id] = pair["value"]

    def check_free(self, *owners: Contact, status: int = 400) -> None:
        """Refuse a phone or an email that a contact other than *owners* has."""
        for kind in ("phone", "email"):
            owner = self._call.workspace.contact(self.plain.get(kind) or "")
            if owner is not None and owner not in owners:
                raise Problem(status, f"Contact with this {kind} already exists")

    def write(self, contact: Contact) -> None:
        """Write them all; null clears, or is ignored, as `Answers` says."""
        null_clears = self._call.answers.put_null == "clears"
        for name, value in self.plain.items():
            attribute, _ = _PLAIN[name]
            if value is None and not null_clears:
                continue
            if attribute in ("phone", "email"):
                self._call.workspace.identify(contact, attribute, value)
            else:
                setattr(contact, attribute, value)
        for field_id, value in self.custom.items():
            if value is not None:
                contact.custom[field_id] = value
            elif null_clears:
                contact.custom.pop(field_id, None)


def fits(field: CustomField, value: Any) -> bool:
    """Whether a value has the JSON type and the form that the field's type wants."""
    match field.data_type:
        case "checkbox":
            return isinstance(value, bool)
        case "number":  # JSON may say 1e999
            return type(value) in (int, float) and abs(value) < math.inf
        case _ if not isinstance(value, str):
            return False
        case "list":
            return value in (field.allowed_values or ())
        case "date":
            return _is_date(value)
        case data_type:
            form = _FORMS.get(data_type)
            return form is None or form.fullmatch(value) is not None


def _is_date(value: str) -> bool:
    try:
        msgspec.convert(value, date)  # stricter than Python, which takes 20001201 too
    except (msgspec.ValidationError, UnicodeEncodeError):  # the latter for half a surrogate pair
        return False
    return True
