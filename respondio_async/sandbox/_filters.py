"""The contact list's filter, compiled to a predicate.

Source: the vendor's "List the contacts" page.
"""

import operator
import re
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from ._call import Problem, RequestContext, as_list, as_object, as_strings, invalid, missing
from .state import Contact
from .workspace import Workspace

Predicate = Callable[[Contact], bool]

_FIELDS: Final[dict[str, Callable[[Contact], Any]]] = {
    "firstName": lambda contact: contact.first_name,
    "lastName": lambda contact: contact.last_name,
    "phone": lambda contact: contact.phone,
    "email": lambda contact: contact.email,
    "status": lambda contact: contact.status,
    "assigneeUserId": lambda contact: None if contact.assignee is None else contact.assignee.id,
}
_PRESENCE: Final = frozenset({"exists", "doesNotExist"})
_EQUALITY: Final = frozenset({"isEqualTo", "isNotEqualTo"}) | _PRESENCE
_ORDER: Final = frozenset({"isGreaterThan", "isLessThan", "isBetween"})
_TIMES: Final = frozenset({"isTimestampAfter", "isTimestampBefore", "isTimestampBetween"})
_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "isEqualTo": operator.eq,
    "isNotEqualTo": operator.ne,
    "isGreaterThan": operator.gt,
    "isLessThan": operator.lt,
}
_TAG_TESTS: Final[dict[str, Callable[[set[str], list[str]], bool]]] = {
    "hasAnyOf": lambda wanted, tags: not wanted.isdisjoint(tags),
    "hasAllOf": set[str].issubset,
    "hasNoneOf": set[str].isdisjoint,
}
_KINDS: Final = {"checkbox": "checkbox", "number": "number"}
"""How a custom field's values compare; all others as text, in which dates and times order rightly
too.
"""
_MINUTE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}", re.ASCII)


@dataclass(slots=True)
class _Condition:
    """One condition, with its place in the body for error texts."""

    field: Any
    operator: str
    value: Any
    where: str

    def allow(self, operators: AbstractSet[str]) -> None:
        if self.operator not in operators:
            raise invalid(f"{self.where}.operator")

    @property
    def wrong_value(self) -> Problem:
        return invalid(f"{self.where}.value")

    @property
    def bounds(self) -> tuple[Any, Any]:
        """The ends of a Between."""
        ends = as_object(self.value)
        if ends is None or ends.keys() != {"from", "to"}:
            raise self.wrong_value
        return ends["from"], ends["to"]


def compile_request(call: RequestContext) -> Predicate | None:
    """Check the body of a contact list; None when it wants them all."""
    body = call.object()
    search: Any = body.get("search")
    if search is None:
        raise missing("search")
    if not isinstance(search, str):
        raise invalid("search")
    zone = _zone(body.get("timezone"))
    conditions, joined = _group(body.get("filter"))
    tests = [
        _condition(call.workspace, each, f"filter.{joined}[{index}]", zone)
        for index, each in enumerate(conditions)
    ]
    needle = search.strip().lower()
    if not tests:
        return partial(_mentions, needle) if needle else None
    join = all if joined == "$and" else any
    return lambda contact: (
        (not needle or _mentions(needle, contact)) and join(test(contact) for test in tests)
    )


def _mentions(needle: str, contact: Contact) -> bool:
    name = f"{contact.first_name or ''} {contact.last_name or ''}".lower()
    return any(
        needle in text for text in (name, (contact.email or "").lower(), contact.phone or "")
    )


def _zone(name: Any) -> tzinfo:
    if name is None:
        raise missing("timezone")
    if name in ("UTC", "utc"):  # the official n8n node sends "utc" with every list
        return UTC  # the commonest; needs no file, which a loop must not read
    try:
        return ZoneInfo(name)
    except (TypeError, ValueError, OSError, LookupError):
        raise invalid("timezone") from None


def _group(value: Any) -> tuple[list[Any], str]:
    if value is None:
        raise Problem(400, "Please check if filter is provided")
    group = as_object(value)
    if group is None or len(group) != 1:
        raise invalid("filter")
    ((joined, conditions),) = group.items()
    checked = as_list(conditions)
    if joined not in ("$and", "$or") or checked is None:
        raise invalid("filter")
    return checked, joined


def _condition(workspace: Workspace, value: Any, where: str, zone: tzinfo) -> Predicate:
    parts = as_object(value)
    if parts is None:
        raise invalid(where)
    for key in ("category", "operator"):
        if not isinstance(parts.get(key), str):
            raise missing(f"{where}.{key}")
    condition = _Condition(parts.get("field"), parts["operator"], parts.get("value"), where)
    match parts["category"]:
        case "contactTag":
            return _tags(condition)
        case "lifecycle":
            if condition.field is not None:
                raise invalid(f"{where}.field")
            condition.allow(_EQUALITY)
            return _compare(condition, lambda contact: contact.lifecycle, "text")
        case "contactField":
            return _field(workspace, condition, zone)
        case _:
            raise invalid(f"{where}.category")


def _tags(condition: _Condition) -> Predicate:
    if condition.field is not None:
        raise invalid(f"{condition.where}.field")
    condition.allow(_TAG_TESTS.keys())
    names = as_strings(condition.value)
    if names is None:
        raise condition.wrong_value
    wanted, holds = set(names), _TAG_TESTS[condition.operator]
    return lambda contact: holds(wanted, contact.tags)


def _field(workspace: Workspace, condition: _Condition, zone: tzinfo) -> Predicate:
    name = condition.field
    if not isinstance(name, str):
        raise missing(f"{condition.where}.field")
    bounds = workspace.answers.filter_bounds
    if name == "createdAt":
        condition.allow(_TIMES | _PRESENCE)
        if condition.operator in _PRESENCE:
            return _present(condition, lambda contact: contact.created_at)
        return _timed(condition, zone, bounds, lambda contact: contact.created_at)
    read = _FIELDS.get(name)
    if read is not None:
        condition.allow(_EQUALITY)
        return _compare(condition, read, "id" if name == "assigneeUserId" else "text")
    custom = workspace.find_field(name)
    if custom is None:
        raise invalid(f"{condition.where}.field")
    ordered = custom.data_type in ("number", "date", "time")
    dated = custom.data_type == "date"
    nothing = frozenset[str]()
    condition.allow(_EQUALITY | (_ORDER if ordered else nothing) | (_TIMES if dated else nothing))
    if condition.operator in _TIMES:
        return _timed(
            condition, zone, bounds, lambda contact: _midnight(contact.custom.get(custom.id), zone)
        )
    kind = _KINDS.get(custom.data_type, "text")
    return _compare(condition, lambda contact: contact.custom.get(custom.id), kind)


def _compare(condition: _Condition, read: Callable[[Contact], Any], kind: str) -> Predicate:
    if condition.operator in _PRESENCE:
        return _present(condition, read)
    if condition.operator == "isBetween":
        low, high = (_operand(condition, each, kind) for each in condition.bounds)
        return lambda contact: (held := read(contact)) is not None and low <= held <= high
    compare = _COMPARISONS[condition.operator]
    operand = _operand(condition, condition.value, kind)
    if condition.operator in _ORDER:
        return lambda contact: (held := read(contact)) is not None and compare(held, operand)
    return lambda contact: compare(read(contact), operand)


def _present(condition: _Condition, read: Callable[[Contact], Any]) -> Predicate:
    if condition.value not in (None, ""):  # the official n8n node sends ""
        raise condition.wrong_value
    wanted = condition.operator == "exists"
    return lambda contact: (read(contact) not in (None, "")) is wanted


def _operand(condition: _Condition, value: Any, kind: str) -> Any:
    if isinstance(value, bool):
        if kind == "checkbox":
            return value
    elif kind == "id" and value is None:
        return None
    elif kind == "text" and isinstance(value, str):
        return value
    elif kind in ("number", "id") and isinstance(value, int | float | str):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    raise condition.wrong_value


def _timed(
    condition: _Condition, zone: tzinfo, bounds: str, read: Callable[[Contact], float | None]
) -> Predicate:
    """Compare whole minutes; *bounds* says whether the minutes that the filter names belong to
    it.
    """
    low = high = None
    if condition.operator == "isTimestampBetween":
        low, high = (_minute(condition, each, zone) for each in condition.bounds)
    elif condition.operator == "isTimestampAfter":
        low = _minute(condition, condition.value, zone)
    else:
        high = _minute(condition, condition.value, zone)
    with_low = bounds != "exclusive"
    with_high = bounds == "inclusive"

    def test(contact: Contact) -> bool:
        time = read(contact)
        if time is None:
            return False
        minute = time // 60 * 60
        return (low is None or minute > low or (with_low and minute == low)) and (
            high is None or minute < high or (with_high and minute == high)
        )

    return test


def _midnight(value: Any, zone: tzinfo) -> float | None:
    return datetime.fromisoformat(value).replace(tzinfo=zone).timestamp() if value else None


def _minute(condition: _Condition, value: Any, zone: tzinfo) -> float:
    if isinstance(value, str) and _MINUTE.fullmatch(value):
        try:
            return datetime.strptime(value, "%Y-%m-%d %H:%M").replace(tzinfo=zone).timestamp()
        except (ValueError, OverflowError):
            pass
    raise condition.wrong_value
