"""The contact list's filter, compiled to a predicate.

Source: the vendor's "List the contacts" page.
"""

import math
import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from ._call import Problem, RequestContext, RequestValue, as_object
from .state import Contact
from .workspace import Workspace

Predicate = Callable[[Contact], bool]
Read = Callable[[Contact], Any]
Column = tuple[Read, str]
"""How a field is read, and the kind of its values. A custom field's kind is its type."""

_LIFECYCLE: Final[Column] = (lambda contact: contact.lifecycle, "text")
_FIELDS: Final[dict[str, Column]] = {
    "firstName": (lambda contact: contact.first_name, "text"),
    "lastName": (lambda contact: contact.last_name, "text"),
    "phone": (lambda contact: contact.phone, "text"),
    "email": (lambda contact: contact.email, "text"),
    "status": (lambda contact: contact.status, "text"),
    "assigneeUserId": (
        lambda contact: None if contact.assignee is None else contact.assignee.id,
        "id",
    ),
    "createdAt": (lambda contact: contact.created_at, "moment"),
}
_PRESENCE: Final = frozenset({"exists", "doesNotExist"})
_EQUALITY: Final = frozenset({"isEqualTo", "isNotEqualTo"}) | _PRESENCE
_ORDER: Final = frozenset({"isGreaterThan", "isLessThan", "isBetween"})
_TIMES: Final = frozenset({"isTimestampAfter", "isTimestampBefore", "isTimestampBetween"})
_OPERATORS: Final = {
    "number": _EQUALITY | _ORDER,
    "time": _EQUALITY | _ORDER,
    "date": _EQUALITY | _ORDER | _TIMES,
    "moment": _TIMES | _PRESENCE,
}
"""What a kind of value can be asked; the others are equal or not, and there or not."""
_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "isEqualTo": operator.eq,
    "isNotEqualTo": operator.ne,
    "isGreaterThan": operator.gt,
    "isLessThan": operator.lt,
    "isBetween": lambda held, ends: ends[0] <= held <= ends[1],
}
_TAG_TESTS: Final[dict[str, Callable[[set[str], list[str]], bool]]] = {
    "hasAnyOf": lambda wanted, tags: not wanted.isdisjoint(tags),
    "hasAllOf": set[str].issubset,
    "hasNoneOf": set[str].isdisjoint,
}
_MINUTE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}", re.ASCII)


def compile_request(call: RequestContext) -> Predicate | None:
    """Check the body of a contact list; None when it wants them all."""
    body = call.object()
    needle = body["search"].string().strip().lower()
    zone = _zone(body["timezone"])
    joined, conditions = _group(body["filter"])
    tests = [_condition(call.workspace, each, zone) for each in conditions]
    if not tests:
        return partial(_mentions, needle) if needle else None
    join = all if joined == "$and" else any
    return lambda contact: (
        (not needle or _mentions(needle, contact)) and join(test(contact) for test in tests)
    )


def _group(group: RequestValue) -> tuple[str, list[RequestValue]]:
    if group.value is None:
        raise Problem(400, "Please check if filter is provided")
    joined = next(iter(group.object().value), "")
    conditions = group[joined].value
    if len(group.value) != 1 or joined not in ("$and", "$or") or not isinstance(conditions, list):
        raise group.invalid
    return joined, group[joined].items()


def _mentions(needle: str, contact: Contact) -> bool:
    name = f"{contact.first_name or ''} {contact.last_name or ''}".lower()
    return any(
        needle in text for text in (name, (contact.email or "").lower(), contact.phone or "")
    )


def _zone(name: RequestValue) -> tzinfo:
    if name.string() in ("UTC", "utc"):  # the official n8n node sends "utc" with every list
        return UTC  # the commonest; needs no file, which a loop must not read
    try:
        return ZoneInfo(name.value)
    except (ValueError, OSError, LookupError):
        raise name.invalid from None


def _condition(workspace: Workspace, condition: RequestValue, zone: tzinfo) -> Predicate:
    condition.object()
    match condition["category"].string():
        case "contactTag" | "lifecycle" if condition["field"].value is not None:
            raise condition["field"].invalid
        case "contactTag":
            return _tags(condition)
        case "lifecycle":
            read, kind = _LIFECYCLE
        case "contactField":
            read, kind = _field(workspace, condition["field"])
        case _:
            raise condition["category"].invalid
    asked = condition["operator"].choice(_OPERATORS.get(kind, _EQUALITY))
    value = condition["value"]
    if asked in _PRESENCE:
        if value.value not in (None, ""):  # the official n8n node sends ""
            raise value.invalid
        return lambda contact: (read(contact) not in (None, "")) is (asked == "exists")
    if asked in _TIMES:
        if kind == "date":
            read = partial(_midnight, read, zone)
        return _timed(asked, value, read, zone, workspace.answers.filter_bounds)
    return _compare(asked, value, read, kind)


def _tags(condition: RequestValue) -> Predicate:
    holds = _TAG_TESTS[condition["operator"].choice(_TAG_TESTS)]
    wanted = set(condition["value"].strings())
    return lambda contact: holds(wanted, contact.tags)


def _field(workspace: Workspace, field: RequestValue) -> Column:
    if not isinstance(field.value, str):
        raise field.missing
    if field.value in _FIELDS:
        return _FIELDS[field.value]
    custom = workspace.find_field(field.value)
    if custom is None:
        raise field.invalid
    return (lambda contact: contact.custom.get(custom.id)), custom.data_type


def _compare(asked: str, value: RequestValue, read: Read, kind: str) -> Predicate:
    compare = _COMPARISONS[asked]
    if asked == "isBetween":
        operand = tuple(_operand(end, kind) for end in _bounds(value))
    else:
        operand = _operand(value, kind)
    if asked in _ORDER:
        return lambda contact: (held := read(contact)) is not None and compare(held, operand)
    return lambda contact: compare(read(contact), operand)


def _bounds(value: RequestValue) -> tuple[RequestValue, RequestValue]:
    """The ends of a Between."""
    if set(as_object(value.value) or ()) != {"from", "to"}:
        raise value.invalid
    return value["from"], value["to"]


def _operand(value: RequestValue, kind: str) -> Any:
    """What to compare with: texts as they are, in which dates and times order rightly too."""
    given = value.value
    if isinstance(given, bool) or kind == "checkbox":
        if isinstance(given, bool) and kind == "checkbox":
            return given
        raise value.invalid
    if kind == "id" and given is None:
        return None
    if kind not in ("number", "id"):
        return value.string()
    try:
        return float(given)
    except (TypeError, ValueError, OverflowError):
        raise value.invalid from None


def _timed(asked: str, value: RequestValue, read: Read, zone: tzinfo, bounds: str) -> Predicate:
    """Compare whole minutes; *bounds* says whether the minutes that the filter names belong to
    it.
    """
    first, last = _bounds(value) if asked == "isTimestampBetween" else (value, value)
    low = -math.inf if asked == "isTimestampBefore" else _minute(first, zone)
    high = math.inf if asked == "isTimestampAfter" else _minute(last, zone)
    is_after: Callable[[float, float], bool] = operator.gt if bounds == "exclusive" else operator.ge
    is_before: Callable[[float, float], bool] = (
        operator.le if bounds == "inclusive" else operator.lt
    )

    def test(contact: Contact) -> bool:
        time = read(contact)
        if time is None:
            return False
        minute = time // 60 * 60
        return is_after(minute, low) and is_before(minute, high)

    return test


def _midnight(read: Read, zone: tzinfo, contact: Contact) -> float | None:
    day = read(contact)
    return datetime.fromisoformat(day).replace(tzinfo=zone).timestamp() if day else None


def _minute(value: RequestValue, zone: tzinfo) -> float:
    if not _MINUTE.fullmatch(value.string()):
        raise value.invalid
    try:
        return datetime.strptime(value.value, "%Y-%m-%d %H:%M").replace(tzinfo=zone).timestamp()
    except (ValueError, OverflowError):
        raise value.invalid from None
