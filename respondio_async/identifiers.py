"""How a contact is named: by its id, its e-mail address or its phone number.

The API takes it as one path segment, `<kind>:<value>`. Whatever a caller passes, `segment` returns
exactly one segment in which every character that means something in a URL is percent-encoded, or
refuses it: no identifier can change the path, the query or the host of a request. Nothing is
guessed either: a bare run of digits could be an id or a phone number, and the wrong guess would
write to somebody else.

Source: the vendor's "Get a contact" page and its siblings (`identifier`).
"""

import re
from collections.abc import Collection
from typing import Any, Final, Literal, cast, get_args
from urllib.parse import quote

import msgspec

from .errors import InvalidIdentifierError

__all__ = ["ContactId", "Identifier", "Kind", "parse", "segment"]

Kind = Literal["id", "email", "phone"]
_KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

_LARGEST_ID: Final = 2**63 - 1
_ID: Final = re.compile(r"[1-9][0-9]{0,18}")
# E.164: at most fifteen digits, and no country code begins with 0. The shortest numbers in use have
# seven (Niue).
_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}")
# An address whose characters all stand for themselves in a path: by far the most common, and three
# times as quick.
_PLAIN_EMAIL: Final = re.compile(r"[A-Za-z0-9._~-]+@[A-Za-z0-9.-]+")
_LONGEST_EMAIL: Final = 254  # RFC 5321, 4.5.3.1.3
_FORMS: Final = 'give an int id, "id:…", "email:…", "phone:+…", "+60…" or "a@b.c"'


class ContactId(msgspec.Struct, frozen=True):
    """A contact's identifier, checked: `ContactId.id(…)`, `.email(…)` or `.phone(…)`.

    Its repr hides the value.
    """

    kind: Kind
    value: str

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise InvalidIdentifierError(f"an identifier of an unknown kind: {_FORMS}")
        _CHECKS[self.kind](self.value)

    @classmethod
    def id(cls, value: int | str) -> "ContactId":
        """Name a contact by its id."""
        return cls("id", _id_text(value) if isinstance(value, int) else value)

    @classmethod
    def email(cls, value: str) -> "ContactId":
        """Name a contact by its e-mail address."""
        return cls("email", value)

    @classmethod
    def phone(cls, value: str) -> "ContactId":
        """Name a contact by its phone number in E.164: `+`, country code, number, and nothing
        between the digits.
        """
        return cls("phone", value)

    def __repr__(self) -> str:
        return f"ContactId({self.kind}:***)"

    def __rich_repr__(
        self,
    ) -> list[tuple[str, Any]]:  # rich prints structs by their fields otherwise
        return [("kind", self.kind)]


Identifier = int | str | ContactId


def parse(identifier: Identifier) -> ContactId:
    """Read any accepted form of an identifier.

    Raises `InvalidIdentifierError` for everything else.
    """
    if isinstance(identifier, ContactId):
        return identifier
    if isinstance(identifier, int) and not isinstance(identifier, bool):
        return ContactId("id", _id_text(identifier))
    if not isinstance(identifier, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without a type checker
        raise InvalidIdentifierError(
            f"an identifier is not a {type(identifier).__name__}: {_FORMS}"
        )
    kind, colon, value = identifier.partition(":")
    if colon:
        if kind not in _KINDS and kind.strip().lower() in _KINDS:
            raise InvalidIdentifierError(
                'write the kind of an identifier in lower case, right before the colon: "phone:+…"'
            )
        return ContactId(cast("Kind", kind), value)
    if identifier.startswith("+"):
        # An address may begin with a plus sign too.
        return ContactId("email" if "@" in identifier else "phone", identifier)
    if "@" in identifier:
        return ContactId("email", identifier)
    if identifier.strip().isdigit():
        raise InvalidIdentifierError(
            'a run of digits could be an id or a phone number: give an int or "id:…" for an id, '
            '"+…" for a phone'
        )
    raise InvalidIdentifierError(
        f"not an identifier: {_FORMS}" if identifier else f"the identifier is empty: {_FORMS}"
    )


def segment(identifier: Identifier, *, kinds: Collection[Kind] = _KINDS) -> str:
    """Return the one quoted path segment of *identifier*: `phone:%2B60…`, `email:a@b.com`, `id:1`.

    *kinds* narrows what the operation takes: a contact is created under an e-mail address or a
    phone number only.
    """
    contact = parse(identifier)
    kind, value = contact.kind, contact.value
    if kind not in kinds:
        raise InvalidIdentifierError(
            f"this operation takes {' or '.join(kinds)}, not {kind}"
            + (": the server gives a contact its id when it is created" if kind == "id" else "")
        )
    if kind == "id":
        return "id:" + value
    if kind == "phone":
        return "phone:%2B" + value[1:]
    return "email:" + (value if _PLAIN_EMAIL.fullmatch(value) else quote(value, safe="@"))


def _id_text(value: int) -> str:
    if isinstance(value, bool) or not 0 < value <= _LARGEST_ID:
        raise InvalidIdentifierError("a contact id is a positive integer of at most 64 bits")
    return format(value, "d")


def _check_id(value: object) -> None:
    if not isinstance(value, str) or not _ID.fullmatch(value) or int(value) > _LARGEST_ID:
        raise InvalidIdentifierError(
            'a contact id is a positive integer, in the digits 0 to 9 alone: "id:123"'
        )


def _check_phone(value: object) -> None:
    if isinstance(value, str) and _PHONE.fullmatch(value):
        return
    if not isinstance(value, str) or not value:
        raise InvalidIdentifierError("the phone number is empty or no text")
    bare = re.sub(r"[\s().\-/\u2010-\u2015]", "", value)
    if bare != value and _PHONE.fullmatch(bare):
        raise InvalidIdentifierError(
            "write the phone number without spaces, dashes, dots or brackets: + and digits alone"
        )
    if not value.startswith("+"):
        raise InvalidIdentifierError("a phone number begins with + and the country code (E.164)")
    raise InvalidIdentifierError(
        "a phone number is + and seven to fifteen digits 0 to 9, the first of them not 0 (E.164)"
    )


def _check_email(value: object) -> None:
    if not isinstance(value, str) or not value:
        raise InvalidIdentifierError("the e-mail address is empty or no text")
    if len(value) > _LONGEST_EMAIL:
        raise InvalidIdentifierError(f"an e-mail address has at most {_LONGEST_EMAIL} characters")
    # Invisible characters too (zero-width space, direction marks): they come with copied text, and
    # match no contact.
    if " " in value or not value.isprintable():
        raise InvalidIdentifierError(
            "the e-mail address holds whitespace, a control character or an invisible character"
        )
    local, _, domain = value.partition("@")
    if not local or not domain or not _DOMAIN.fullmatch(domain):
        raise InvalidIdentifierError("an e-mail address is a name, one @ and a domain")


# Letters of any script, for internationalised domains; none of the characters that structure a URL
# or a header.
_DOMAIN: Final = re.compile(
    r"[^\s@.,:;/\\?#%&=+<>()\[\]{}|\"'`^~!*$]+(?:\.[^\s@.,:;/\\?#%&=+<>()\[\]{}|\"'`^~!*$]+)*"
)
_CHECKS: Final = {"id": _check_id, "email": _check_email, "phone": _check_phone}
