"""The contact list's filter, compiled to a predicate.

Source: the vendor's "List the contacts" page.
"""

import re
from collections.abc import Callable
from datetime import datetime, tzinfo
from functools import partial
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from ._call import Call
from ._problem import Problem, invalid, missing
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
_EQUALITY: Final = frozenset({"isEqualTo", "isNotEqualTo", "exists", "doesNotExist"})
_ORDER: Final = frozenset({"isGreaterThan", "isLessThan", "isBetween"})
_TIMES: Final = frozenset({"isTimestampAfter", "isTimestampBefore", "isTimestampBetween"})
_MINUTE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}", re.ASCII)


def compile_request(call: Call) -> Predicate | None:
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
        _condition(call.workspace, each, f"filter.{joined}[{index}]", zone) for index, each in enumerate(conditions)
    ]
    needle = search.strip().lower()
    if not tests:
        return partial(_mentions, needle) if needle else None
    join = all if joined == "$and" else any
    return lambda contact: (not needle or _mentions(needle, contact)) and join(test(contact) for test in tests)


def _mentions(needle: str, contact: Contact) -> bool:
    name = f"{contact.first_name or ''} {contact.last_name or ''}".lower()
    return any(needle in text for text in (name, (contact.email or "").lower(), contact.phone or ""))


def _zone(name: Any) -> tzinfo:
    if name is None:
        raise missing("timezone")
    try:
        return ZoneInfo(name)
    except (TypeError, ValueError, OSError, LookupError):
        raise invalid("timezone") from None


def _group(group: Any) -> tuple[list[Any], str]:
    if group is None:
        raise Problem(400, "Please check if filter is provided")
    if not isinstance(group, dict) or len(group) != 1:  # pyright: ignore[reportUnknownArgumentType]
        raise invalid("filter")
    joined: str
    conditions: Any
    ((joined, conditions),) = group.items()  # pyright: ignore[reportUnknownVariableType]
    if joined not in ("$and", "$or") or not isinstance(conditions, list):
        raise invalid("filter")
    return conditions, joined  # pyright: ignore[reportUnknownVariableType]


def _condition(workspace: Workspace, condition: Any, where: str, zone: tzinfo) -> Predicate:
    if not isinstance(condition, dict):
        raise invalid(where)
    for key in ("category", "operator"):
        if not isinstance(condition.get(key), str):  # pyright: ignore[reportUnknownMemberType]
            raise missing(f"{where}.{key}")
    category: str = condition["category"]
    operator: str = condition["operator"]
    field: Any = condition.get("field")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    value: Any = condition.get("value")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    match category:
        case "contactTag":
            return _tags(operator, value, field, where)
        case "lifecycle":
            if field is not None:
                raise invalid(f"{where}.field")
            _allow(operator, _EQUALITY, where)
            return _compare(operator, value, lambda contact: contact.lifecycle, "text", where)
        case "contactField":
            return _field(workspace, field, operator, value, where, zone)
        case _:
            raise invalid(f"{where}.category")


def _allow(operator: str, allowed: frozenset[str], where: str) -> None:
    if operator not in allowed:
        raise invalid(f"{where}.operator")


def _tags(operator: str, value: Any, field: Any, where: str) -> Predicate:
    if field is not None:
        raise invalid(f"{where}.field")
    _allow(operator, frozenset({"hasAnyOf", "hasAllOf", "hasNoneOf"}), where)
    if not isinstance(value, list) or not value or not all(isinstance(tag, str) for tag in value):  # pyright: ignore[reportUnknownVariableType]
        raise invalid(f"{where}.value")
    wanted: set[str] = set(value)  # pyright: ignore[reportUnknownArgumentType]
    if operator == "hasAnyOf":
        return lambda contact: not wanted.isdisjoint(contact.tags)
    if operator == "hasAllOf":
        return lambda contact: wanted.issubset(contact.tags)
    return lambda contact: wanted.isdisjoint(contact.tags)


def _field(workspace: Workspace, field: Any, operator: str, value: Any, where: str, zone: tzinfo) -> Predicate:
    if not isinstance(field, str):
        raise missing(f"{where}.field")
    if field == "createdAt":
        _allow(operator, _TIMES, where)
        return _created(operator, value, where, zone, workspace.answers.filter_bounds)
    read = _FIELDS.get(field)
    if read is not None:
        _allow(operator, _EQUALITY, where)
        return _compare(operator, value, read, "id" if field == "assigneeUserId" else "text", where)
    custom = workspace.find_field(field)
    if custom is None:
        raise invalid(f"{where}.field")
    ordered = custom.data_type in ("number", "date", "time")
    _allow(operator, _EQUALITY | _ORDER if ordered else _EQUALITY, where)
    field_id = custom.id
    kind: _Kind = "checkbox" if custom.data_type == "checkbox" else "number" if custom.data_type == "number" else "text"
    return _compare(operator, value, lambda contact: contact.custom.get(field_id), kind, where)


_Kind = Literal["text", "id", "number", "checkbox"]


def _compare(operator: str, value: Any, read: Callable[[Contact], Any], kind: _Kind, where: str) -> Predicate:
    if operator in ("exists", "doesNotExist"):
        if value is not None:
            raise invalid(f"{where}.value")
        wanted = operator == "exists"
        return lambda contact: (read(contact) not in (None, "")) is wanted
    if operator == "isBetween":
        low, high = (_value(each, kind, where) for each in _bounds(value, where))
        return lambda contact: (held := read(contact)) is not None and low <= held <= high
    operand = _value(value, kind, where)
    if operator == "isEqualTo":
        return lambda contact: read(contact) == operand
    if operator == "isNotEqualTo":
        return lambda contact: read(contact) != operand
    if operator == "isGreaterThan":
        return lambda contact: (held := read(contact)) is not None and held > operand
    return lambda contact: (held := read(contact)) is not None and held < operand


def _value(value: Any, kind: _Kind, where: str) -> Any:
    if kind == "checkbox":
        if isinstance(value, bool):
            return value
    elif kind == "text":
        if isinstance(value, str):
            return value
    elif isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return float(value)
        except ValueError:
            pass
    raise invalid(f"{where}.value")


def _bounds(value: Any, where: str) -> tuple[Any, Any]:
    if not isinstance(value, dict) or value.keys() != {"from", "to"}:
        raise invalid(f"{where}.value")
    return value["from"], value["to"]  # pyright: ignore[reportUnknownVariableType]


def _created(operator: str, value: Any, where: str, zone: tzinfo, bounds: str) -> Predicate:
    """Compare whole minutes; *bounds* says whether the minutes that the filter names belong to it."""
    if operator == "isTimestampBetween":
        low, high = (_minute(each, where, zone) for each in _bounds(value, where))
    elif operator == "isTimestampAfter":
        low, high = _minute(value, where, zone), None
    else:
        low, high = None, _minute(value, where, zone)
    with_low = bounds != "exclusive"
    with_high = bounds == "inclusive"

    def test(contact: Contact) -> bool:
        minute = contact.created_at // 60 * 60
        return (low is None or minute > low or (with_low and minute == low)) and (
            high is None or minute < high or (with_high and minute == high)
        )

    return test


def _minute(value: Any, where: str, zone: tzinfo) -> float:
    if isinstance(value, str) and _MINUTE.fullmatch(value):
        try:
            return datetime.strptime(value, "%Y-%m-%d %H:%M").replace(tzinfo=zone).timestamp()
        except (ValueError, OverflowError):
            pass
    raise invalid(f"{where}.value")
