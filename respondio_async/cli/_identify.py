"""Who a row is about: its phone, e-mail or id as an identifier of the API."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final, Literal

from ..errors import InvalidIdentifierError
from ..identifiers import ContactId
from ._exit import UsageError, needed
from .files.cells import clean, without_zero_decimals
from .files.rows import Row

By = Literal["auto", "phone", "email", "id"]

_ORDER: Final[Mapping[By, tuple[str, ...]]] = {
    # Never the id by itself: a file that came out of another workspace has ids that belong to
    # others here.
    "auto": ("phone", "email"),
    "phone": ("phone",),
    "email": ("email",),
    "id": ("id",),
}

_PHONE: Final = re.compile(r"[+\uff0b]?[\d ()\u00a0\u2007\u2009\u202f.\u2010-\u2015\u2212-]+")
"""Digits of any script, which have one reading, and what people write between them. Neither letters
nor a second number, of which one would be lost.
"""
_DECIMAL: Final = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?")


def check_country(country: str | None) -> str | None:
    """Return the default country in upper case. `UsageError` when no country is called so."""
    if country is None:
        return None
    library = needed("phonenumbers", "phone numbers need")
    if country.upper() not in library.SUPPORTED_REGIONS:
        raise UsageError('--country is a two-letter country code such as "MY"')
    return country.upper()


def normal_phone(text: str, country: str | None) -> str:
    """Write a phone number in E.164. ValueError says what is wrong, without the number.

    Possible numbers are taken, valid or not: the tables of valid ranges lag behind the operators.
    """
    library = needed("phonenumbers", "phone numbers need")
    text = without_zero_decimals(clean(text))
    if text.count(".") == 1:
        raise ValueError("it is a decimal number, and no phone number")
    if not _PHONE.fullmatch(text):
        raise ValueError("it is no phone number, or more than that")
    is_international = text.startswith(("+", "\uff0b"))
    digits = "".join(str(unicodedata.decimal(each)) for each in text if each.isdecimal())
    try:
        number: Any = library.parse("+" * is_international + digits, country)
    except library.NumberParseException as error:
        if (
            error.error_type == library.NumberParseException.INVALID_COUNTRY_CODE
            and not is_international
        ):
            raise ValueError("a phone number without + and country code needs --country") from None
        raise ValueError("it is no phone number") from None
    # A number without its area code is "possible" too, and another one with the country's.
    if library.is_possible_number_with_reason(number) != library.ValidationResult.IS_POSSIBLE:
        raise ValueError("it has too few or too many digits for a phone number of its country")
    normal: str = library.format_number(number, library.PhoneNumberFormat.E164)
    return normal


def kind_of(by: By, values: Mapping[str, str]) -> str | None:
    """Choose what a row's contact is found by; None: it has nothing of it."""
    return next((kind for kind in _ORDER[by] if values.get(kind, "").strip()), None)


def identify(by: By, values: Mapping[str, str], country: str | None) -> str:
    """Write the identifier from the row's values. ValueError says what is missing or wrong."""
    kind = kind_of(by, values)
    if kind is None:
        raise ValueError(f"it has no {' and no '.join(_ORDER[by])}")
    value = clean(values[kind])
    if kind == "phone":
        return f"phone:{normal_phone(value, country)}"
    try:
        checked = (
            ContactId.email(value)
            if kind == "email"
            else ContactId.id(without_zero_decimals(value.removeprefix("id:")))
        )
    except InvalidIdentifierError as error:
        raise ValueError(str(error)) from None
    return f"{checked.kind}:{checked.value}"


def identify_row(row: Row, columns: Mapping[str, str], by: By, country: str | None) -> str:
    """Do that for a row whose *columns* go to phone, email or id."""
    if row.problem is not None:
        raise ValueError(row.problem)
    values: dict[str, str] = {}
    for column, target in columns.items():
        text = row.text(column) if target in _ORDER[by] else ""
        if text and values.setdefault(target, text) != text:
            raise ValueError(f"its columns name two contacts by {target}")
    return identify(by, values, country)


def whole_number(text: str) -> int:
    """Read an id from a cell or an option. ValueError for everything but the digits 0 to 9."""
    try:
        return int(ContactId.id(without_zero_decimals(text.strip())).value)
    except InvalidIdentifierError:
        raise ValueError("an id is a whole number, in the digits 0 to 9 alone") from None


def plain_number(text: str, least: float = 0.0) -> float:
    """Read an option's number. ValueError for less than *least*, and for what is not digits and a
    point: float() reads nan, 1_0 and other scripts.
    """
    text = str(text)  # a default is a number already
    if not _DECIMAL.fullmatch(text) or float(text) < least:
        raise ValueError(f"it is a number from {least:g} on, in digits with a point")
    return float(text)


def same_contact(identifier: str) -> str:
    """Return one text for all spellings of an identifier: an e-mail's letter case makes no other
    contact.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", identifier).casefold())
