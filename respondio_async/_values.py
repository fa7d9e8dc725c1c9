"""Values that may be anything: which kind they are, and the checks that payloads, filters and
operations share.
"""

import math
import re
import sys
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Any, Final, TypeGuard, get_args

import msgspec

from .errors import InvalidArgumentError

_DIGITS: Final = re.compile(r"[1-9][0-9]{0,18}")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_MOST_DIGITS: Final = 308
"""Of the largest number that JSON's readers keep."""


def read_json(content: bytes | str, *, otherwise: Any) -> Any:
    """Parse JSON that may be anything; *otherwise* when it is none, or nested deeper than the stack
    goes.
    """
    try:
        return msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return otherwise


def is_object(value: object) -> TypeGuard[Mapping[Any, Any]]:
    """Tell a mapping from the rest."""
    return isinstance(value, Mapping)


def is_list(value: object) -> TypeGuard[Sequence[Any]]:
    """Tell a list or tuple from a text or bytes, which are sequences too."""
    return isinstance(value, Sequence) and not isinstance(
        value, str | bytes | bytearray | memoryview
    )


def is_set(value: object) -> TypeGuard[AbstractSet[Any]]:
    """Tell a set from the rest."""
    return isinstance(value, AbstractSet)


def check_text(value: object, argument: str, *, longest: int | None = None) -> str:
    """Return a text that is not blank and has at most *longest* characters."""
    if not isinstance(value, str):
        raise InvalidArgumentError(
            f"{argument} is a {type(value).__name__}, not a str", argument=argument
        )
    if not value.strip():
        raise InvalidArgumentError(f"{argument} is empty", argument=argument)
    if longest is not None and len(value) > longest:
        raise InvalidArgumentError(
            f"{argument} has {len(value)} characters, more than {longest}", argument=argument
        )
    return value


def check_id(value: object, argument: str) -> int:
    """Return the id of a thing other than a contact: a positive int ("274637" as a text is refused
    by the server).
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidArgumentError(
            f"{argument} is a {type(value).__name__}, not an int", argument=argument
        )
    if not 0 < value < 2**63:
        raise InvalidArgumentError(
            f"{argument} is not a positive integer of at most 64 bits", argument=argument
        )
    return int(value)


def check_choice(value: object, argument: str, choices: Any) -> None:
    """Refuse what is none of the values of *choices*, a `Literal`."""
    values = get_args(choices)
    if value not in values:
        raise InvalidArgumentError(f"{argument} is one of {', '.join(values)}", argument=argument)


def digits_as_id(value: object) -> object:
    """Return the digits of an id as an int, and anything else as it is.

    The vendor's clients pass ids of users, channels and messages as texts; the API wants numbers.
    Only 0 to 9 count: other scripts have digits too.
    """
    return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value


def counted(count: int, noun: str) -> str:
    """Write "1 attempt", "2 attempts"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def drop_none(**fields: Any) -> dict[str, Any]:
    """Return the fields that are not None, where None means "not sent"."""
    return {name: value for name, value in fields.items() if value is not None}


def is_finite(number: float) -> bool:
    """Whether JSON's readers keep a number; for them an integer of too many digits is infinite."""
    return abs(number) <= sys.float_info.max


def number_text(number: object) -> str | None:
    """Write a number in plain digits, with no exponent; of a text, return the one that it is. None
    when it is neither.
    """
    if isinstance(number, bool):
        return None
    plain = json_number(number) if isinstance(number, Decimal) else number
    try:
        text = plain.strip() if isinstance(plain, str) else f"{Decimal(str(plain)):f}"
    except (ArithmeticError, ValueError):
        return None
    return text if _NUMBER.fullmatch(text) else None


def finite(text: str | bytes) -> float | None:
    """Read digits as a number; None when there are so many that it would be infinite."""
    number = float(text)
    return number if math.isfinite(number) else None


def json_number(value: Decimal) -> int | float:
    """Turn a decimal into what JSON carries. One that is too large becomes infinite: a giant
    exponent would make an integer of as many digits.
    """
    if not value.is_finite():
        return math.nan
    is_whole = value.adjusted() < _MOST_DIGITS and value == value.to_integral_value()
    return int(value) if is_whole else float(value)
