"""The checks of one filter condition, whether `F` builds it or a caller does.

Source: the vendor's "List the contacts" page; the forms of the values are those of its examples and
of its own clients.
"""

import datetime as dt
import re
from decimal import Decimal
from typing import Any, Final

from ._values import is_finite, is_list, is_object, json_number, number_text
from .errors import InvalidArgumentError

_PRESENCE: Final = ("exists", "doesNotExist")
_EQUALITY: Final = ("isEqualTo", "isNotEqualTo", *_PRESENCE)
_OPERATORS: Final[dict[str, tuple[str, ...]]] = {
    "contactField": (
        *_EQUALITY,
        "isGreaterThan",
        "isLessThan",
        "isBetween",
        "isTimestampAfter",
        "isTimestampBefore",
        "isTimestampBetween",
    ),
    "contactTag": ("hasAnyOf", "hasAllOf", "hasNoneOf"),
    "lifecycle": _EQUALITY,
}
_ID: Final = re.compile(r"[1-9][0-9]{0,18}")

_TEXTS: Final = frozenset({"firstName", "lastName", "phone", "email", "status"})
BUILT_IN_FIELDS: Final[frozenset[str]] = _TEXTS | {"assigneeUserId", "createdAt"}
"""The fields that every workspace can filter by; the others are its custom fields."""
_MISNAMED: Final = {
    "created_at": 'F.field("createdAt")',
    "first_name": 'F.field("firstName")',
    "last_name": 'F.field("lastName")',
    "assignee_user_id": 'F.field("assigneeUserId")',
    "tags": "F.tags",
    "lifecycle": "F.lifecycle",
}


def checked_value(category: object, field: object, operator: object, value: object) -> Any:
    """Check the parts of a condition, and return its value in the form in which it is kept."""
    operators = _OPERATORS.get(category) if isinstance(category, str) else None
    if operators is None:
        raise InvalidArgumentError(
            f"category is one of {', '.join(_OPERATORS)}", argument="category"
        )
    if not isinstance(operator, str) or operator not in operators:
        raise InvalidArgumentError(
            f"the operators of {category} are {', '.join(operators)}", argument="operator"
        )
    if category == "contactField":
        field = check_name(field, "field")
    elif field is not None:
        raise InvalidArgumentError(f"{category} has no field: write None", argument="field")
    if operator in _PRESENCE:
        if not (value is None or value == ""):
            raise InvalidArgumentError(f"{operator} takes no value", argument="value")
        return None
    if category == "contactTag":
        return _tags(value)
    return _field_value(field, operator, value) if isinstance(field, str) else _stage(value)


def _field_value(name: str, operator: str, value: object) -> object:
    match operator:
        case "isEqualTo" | "isNotEqualTo":
            return _assignee(value) if name == "assigneeUserId" else _comparable(name, value)
        case "isGreaterThan" | "isLessThan":
            return _number(name, value)
        case "isBetween":
            least, most = (str(number_text(_number(name, each))) for each in _ends(value))
            if Decimal(least) > Decimal(most):
                raise InvalidArgumentError(
                    "a range takes the smaller number first", argument="high"
                )
            return least, most
        case "isTimestampBetween":
            start, end = (_instant(name, each) for each in _ends(value))
            if type(start) is type(end) and start > end:
                raise InvalidArgumentError("a range takes the earlier time first", argument="high")
            return start, end
        case _:
            return _instant(name, value)


def _assignee(value: object) -> str | None:
    """Return the id as a text, the form in which the vendor's examples send it; None is nobody."""
    if value is None:
        return None
    digits = str(int(value)) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(digits, str) or not _ID.fullmatch(digits):
        raise InvalidArgumentError(
            "assigneeUserId is compared with a user's id (an int, or its digits), or with None "
            "for nobody",
            argument="value",
        )
    return digits


def _comparable(name: str, value: object) -> str | int | float | bool:
    if name == "createdAt":
        raise InvalidArgumentError(
            "compare createdAt with after(), before() or between()", argument="value"
        )
    if name in _TEXTS and not isinstance(value, str):
        raise InvalidArgumentError(
            f"{name} is compared with a str; for no value, with does_not_exist()",
            argument="value",
        )
    match value:
        case None:
            raise InvalidArgumentError(
                "write does_not_exist() or exists() instead of comparing with None",
                argument="value",
            )
        case "":
            raise InvalidArgumentError(
                "write does_not_exist() instead of comparing with an empty text",
                argument="value",
            )
        case bool() | str():
            return value
        case dt.datetime():
            raise InvalidArgumentError(
                "compare times with after(), before() or between()", argument="value"
            )
        case dt.date():
            return value.isoformat()
        case _:
            return _finite(value)


def _number(name: str, value: object) -> int | float | str:
    if name in BUILT_IN_FIELDS:
        advice = "after(), before() or between() two times" if name == "createdAt" else "== or !="
        raise InvalidArgumentError(
            f"{name} is no number: compare it with {advice}", argument="value"
        )
    if isinstance(value, str):
        if number_text(value) != value:
            raise InvalidArgumentError("the text is not a number", argument="value")
        return value
    return _finite(value)


def _finite(value: object) -> int | float:
    if isinstance(value, Decimal):
        value = json_number(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidArgumentError(
            f"the value is a {type(value).__name__}, not a number", argument="value"
        )
    if not is_finite(value):
        raise InvalidArgumentError("the number is not finite", argument="value")
    return value


def _ends(value: object) -> tuple[object, object]:
    if is_object(value) and len(value) == 2:
        value = (value.get("from"), value.get("to"))
    if not is_list(value) or len(value) != 2:
        raise InvalidArgumentError("a range has two ends, (low, high)", argument="value")
    return value[0], value[1]


def _instant(name: str, value: object) -> Any:
    if name in BUILT_IN_FIELDS and name != "createdAt":
        raise InvalidArgumentError(
            f"{name} is no time: only createdAt and custom fields are", argument="value"
        )
    if not isinstance(value, dt.date):
        raise InvalidArgumentError("a time is an aware datetime or a date", argument="value")
    if isinstance(value, dt.datetime) and value.utcoffset() is None:
        raise InvalidArgumentError(
            "a datetime needs its time zone, or it means another instant on another machine: "
            "datetime(…, tzinfo=UTC)",
            argument="value",
        )
    return value


def _tags(value: object) -> tuple[str, ...]:
    tags = tuple(value) if is_list(value) else ()
    if not tags:
        raise InvalidArgumentError("name at least one tag", argument="tags")
    for tag in tags:
        if not isinstance(tag, str) or not tag.strip():
            raise InvalidArgumentError(
                "a tag is a text that is not empty; spread a list with *", argument="tags"
            )
    return tags


def check_name(value: object, argument: str) -> str:
    """Return the name of a field; a misspelt one is refused with the spelling of the API."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidArgumentError("a field's name is a text that is not empty", argument=argument)
    if better := _MISNAMED.get(value):
        raise InvalidArgumentError(f"write {better} for it", argument=argument)
    return value


def _stage(stage: object) -> str:
    if not isinstance(stage, str) or not stage.strip():
        raise InvalidArgumentError(
            "a stage is a text that is not empty; for none, write does_not_exist()",
            argument="stage",
        )
    return stage
