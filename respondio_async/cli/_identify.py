"""Who a row is about: its phone, e-mail or id as an identifier of the API."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from ..errors import InvalidIdentifierError
from ..identifiers import ContactId
from ._exit import UsageError
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


def check_country(country: str | None) -> str | None:
    """Return the default country in upper case. `UsageError` when no country is called so."""
    if country is None:
        return None
    library = _phonenumbers()
    if country.upper() not in library.SUPPORTED_REGIONS:
        raise UsageError('--country is a two-letter country code such as "MY"')
    return country.upper()


def normal_phone(text: str, country: str | None) -> str:
    """Write a phone number in E.164. ValueError says what is wrong, without the number.

    Possible numbers are taken, valid or not: the tables of valid ranges lag behind the operators.
    """
    library = _phonenumbers()
    try:
        number: Any = library.parse(text.strip(), country)
    except library.NumberParseException as error:
        if (
            error.error_type == library.NumberParseException.INVALID_COUNTRY_CODE
            and not text.strip().startswith("+")
        ):
            raise ValueError("a phone number without + and country code needs --country") from None
        raise ValueError("it is no phone number") from None
    if not library.is_possible_number(number):
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
    value = values[kind].strip()
    if kind == "phone":
        return f"phone:{normal_phone(value, country)}"
    try:
        checked = (
            ContactId.email(value) if kind == "email" else ContactId.id(value.removeprefix("id:"))
        )
    except InvalidIdentifierError as error:
        raise ValueError(str(error)) from None
    return f"{checked.kind}:{checked.value}"


def identify_row(row: Row, columns: Mapping[str, str], by: By, country: str | None) -> str:
    """Do that for a row whose *columns* go to phone, email or id."""
    if row.problem is not None:
        raise ValueError(row.problem)
    return identify(
        by, {target: row.cells.get(column, "") for column, target in columns.items()}, country
    )


def _phonenumbers() -> Any:
    try:
        import phonenumbers
    except ImportError:
        raise UsageError(
            "phone numbers need phonenumbers: pip install 'respondio-async[cli]'"
        ) from None
    return phonenumbers
