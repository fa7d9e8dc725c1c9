"""Filters for `contacts.list()`, built from expressions.

    F.field("email") == "a@b.c"
    (F.field("createdAt").after(monday) & F.tags.none_of("spam")) & (F.lifecycle == "Lead")
    F.field("Plan").exists() | F.tags.any_of("vip", "trial")

The API takes one group of conditions, joined by "and" or by "or", without nesting; so `&` and `|`
can't be mixed. What the server would refuse can't be built. Times are written in the time zone of
the list call, to the minute.

Source: the vendor's "List the contacts" page.
"""

import datetime as dt
import math
from decimal import Decimal
from typing import Any, ClassVar, Final, Literal, NoReturn

import msgspec

from .errors import InvalidArgumentError

__all__ = ["Condition", "F", "Field", "Filter", "Lifecycle", "Tags", "render"]

Joint = Literal["$and", "$or"]
Value = str | int | float | bool | Decimal | dt.date
Instant = dt.datetime | dt.date

_TEXTS: Final = frozenset({"firstName", "lastName", "phone", "email", "status"})
_BUILT_IN: Final = _TEXTS | {"assigneeUserId", "createdAt"}
_MISNAMED: Final = {
    "created_at": 'F.field("createdAt")',
    "first_name": 'F.field("firstName")',
    "last_name": 'F.field("lastName")',
    "assignee_user_id": 'F.field("assigneeUserId")',
    "tags": "F.tags",
    "lifecycle": "F.lifecycle",
}


class _Joinable:
    """What `&` and `|` join."""

    __slots__ = ()

    def __and__(self, other: "_Joinable") -> "Filter":
        return _join("$and", self, other)

    def __or__(self, other: "_Joinable") -> "Filter":
        return _join("$or", self, other)

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "a filter is neither true nor false: join with & and | (not and, or, not), one "
            "comparison at a time"
        )


class Condition(_Joinable, msgspec.Struct, frozen=True):
    """One condition; by itself a filter too.

    Made by `F`, never directly. Its repr hides the value.
    """

    category: Literal["contactField", "contactTag", "lifecycle"]
    field: str | None
    operator: str
    value: Any = None

    def __repr__(self) -> str:
        return f"<Condition {self.field or self.category} {self.operator}>"

    def __rich_repr__(
        self,
    ) -> list[tuple[str, Any]]:  # rich prints structs by their fields otherwise
        return [("field", self.field or self.category), ("operator", self.operator)]


class Filter(_Joinable, msgspec.Struct, frozen=True):
    """Several conditions, of which all (`&`) or any (`|`) must hold. Its repr hides the values."""

    joint: Joint
    conditions: tuple[Condition, ...]

    def __repr__(self) -> str:
        return f"<Filter {f' {self.joint[1:]} '.join(map(repr, self.conditions))}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("joint", self.joint), ("conditions", self.conditions)]


def _join(joint: Joint, *parts: object) -> Filter:
    conditions: list[Condition] = []
    for part in parts:
        if not isinstance(part, _Joinable):
            raise TypeError(
                f"& and | join conditions, not a {type(part).__name__}; put each comparison in "
                "brackets"
            )
        if isinstance(part, Condition):
            conditions.append(part)
        elif isinstance(part, Filter) and part.joint == joint:
            conditions += part.conditions
        else:
            raise InvalidArgumentError(
                "the API takes one group of conditions: all joined by & or all by |",
                argument="filter",
            )
    return Filter(joint, tuple(conditions))


class Field:
    """A field of a contact, to compare: `F.field("email") == "a@b.c"`."""

    __slots__ = ("_name",)
    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # equal to nothing: == builds a condition

    def __init__(self, name: str) -> None:
        _text(name, "name")
        if better := _MISNAMED.get(name):
            raise InvalidArgumentError(f"write {better} for it", argument="name")
        self._name = name

    def __eq__(self, value: Value) -> Condition:  # type: ignore[override]
        return self._condition("isEqualTo", self._comparable(value))

    def __ne__(self, value: Value) -> Condition:  # type: ignore[override]
        return self._condition("isNotEqualTo", self._comparable(value))

    def __gt__(self, value: float | Decimal) -> Condition:
        """Hold for numbers greater than *value*; the API has no "greater or equal"."""
        return self._condition("isGreaterThan", self._number(value))

    def __lt__(self, value: float | Decimal) -> Condition:
        """Hold for numbers less than *value*; the API has no "less or equal"."""
        return self._condition("isLessThan", self._number(value))

    def exists(self) -> Condition:
        """Hold when the field has a value."""
        return self._condition("exists", None)

    def does_not_exist(self) -> Condition:
        """Hold when the field has no value."""
        return self._condition("doesNotExist", None)

    def after(self, instant: Instant) -> Condition:
        """Hold for times after *instant*: an aware datetime, or a date (its first minute, in the
        list's time zone).

        Seconds are dropped, since the API takes minutes.
        """
        return self._condition("isTimestampAfter", self._instant(instant))

    def before(self, instant: Instant) -> Condition:
        """Hold for times before *instant*: an aware datetime, or a date (its first minute, in the
        list's time zone).

        Seconds are dropped, since the API takes minutes.
        """
        return self._condition("isTimestampBefore", self._instant(instant))

    def between(self, low: float | Decimal | Instant, high: float | Decimal | Instant) -> Condition:
        """Hold between two numbers or two times.

        Seconds are dropped; a date as *high* means its last minute.
        """
        if isinstance(low, dt.date) or isinstance(high, dt.date):
            start, end = self._instant(low), self._instant(high)
            if type(start) is type(end) and start > end:
                raise InvalidArgumentError(
                    "between() takes the earlier time first", argument="high"
                )
            return self._condition("isTimestampBetween", (start, end))
        least, most = self._number(low), self._number(high)
        if least > most:
            raise InvalidArgumentError("between() takes the smaller number first", argument="high")
        return self._condition("isBetween", (least, most))

    def __and__(self, other: object) -> NoReturn:
        raise TypeError("put each comparison in brackets: (F.field(…) == …) & (F.field(…) == …)")

    __rand__ = __and__
    __or__ = __and__
    __ror__ = __and__

    def __bool__(self) -> NoReturn:
        raise TypeError("a field is neither true nor false: compare it, or call exists()")

    def __repr__(self) -> str:
        return f"F.field({self._name!r})"

    def _condition(self, operator: str, value: object) -> Condition:
        return Condition("contactField", self._name, operator, value)

    def _comparable(self, value: object) -> str | int | float | bool:
        name = self._name
        if isinstance(value, Field):
            raise TypeError("a field is compared with a value, never with another field")
        if name == "createdAt":
            raise InvalidArgumentError(
                "compare createdAt with after(), before() or between()", argument="value"
            )
        if name in _TEXTS and not isinstance(value, str):
            raise InvalidArgumentError(
                f"{name} is compared with a str; for no value, with does_not_exist()",
                argument="value",
            )
        if name == "assigneeUserId":
            if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
                raise InvalidArgumentError(
                    "assigneeUserId is compared with a user's id, an int", argument="value"
                )
            return value
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
                return _number(value)

    def _number(self, value: object) -> int | float:
        if self._name in _BUILT_IN:
            advice = (
                "after(), before() or between() two times"
                if self._name == "createdAt"
                else "== or !="
            )
            raise InvalidArgumentError(
                f"{self._name} is no number: compare it with {advice}", argument="value"
            )
        return _number(value)

    def _instant(self, value: object) -> Instant:
        if self._name in _BUILT_IN and self._name != "createdAt":
            raise InvalidArgumentError(
                f"{self._name} is no time: only createdAt and custom fields are", argument="value"
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


def _number(value: object) -> int | float:
    if isinstance(value, Decimal) and value.is_finite():
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidArgumentError(
            f"the value is a {type(value).__name__}, not a number", argument="value"
        )
    if not math.isfinite(value):
        raise InvalidArgumentError("the number is not finite", argument="value")
    return value


class Tags:
    """The tags of a contact."""

    __slots__ = ()

    def any_of(self, *tags: str) -> Condition:
        """Hold when the contact has at least one of *tags*."""
        return _tagged("hasAnyOf", tags)

    def all_of(self, *tags: str) -> Condition:
        """Hold when the contact has each of *tags*."""
        return _tagged("hasAllOf", tags)

    def none_of(self, *tags: str) -> Condition:
        """Hold when the contact has none of *tags*."""
        return _tagged("hasNoneOf", tags)

    def __repr__(self) -> str:
        return "F.tags"


def _tagged(operator: str, tags: tuple[object, ...]) -> Condition:
    if not tags:
        raise InvalidArgumentError("name at least one tag", argument="tags")
    for tag in tags:
        if not isinstance(tag, str) or not tag.strip():
            raise InvalidArgumentError(
                "a tag is a text that is not empty; spread a list with *", argument="tags"
            )
    return Condition("contactTag", None, operator, tags)


class Lifecycle:
    """The lifecycle stage of a contact."""

    __slots__ = ()
    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # equal to nothing: == builds a condition

    def __eq__(self, stage: str) -> Condition:  # type: ignore[override]
        return Condition("lifecycle", None, "isEqualTo", _stage(stage))

    def __ne__(self, stage: str) -> Condition:  # type: ignore[override]
        return Condition("lifecycle", None, "isNotEqualTo", _stage(stage))

    def exists(self) -> Condition:
        """Hold when the contact is in any stage."""
        return Condition("lifecycle", None, "exists")

    def does_not_exist(self) -> Condition:
        """Hold when the contact is in no stage."""
        return Condition("lifecycle", None, "doesNotExist")

    def __bool__(self) -> NoReturn:
        raise TypeError("F.lifecycle is neither true nor false: compare it, or call exists()")

    def __repr__(self) -> str:
        return "F.lifecycle"


def _text(value: object, argument: str) -> None:
    if not isinstance(value, str) or not value.strip():
        raise InvalidArgumentError("a field's name is a text that is not empty", argument=argument)


def _stage(stage: object) -> str:
    if not isinstance(stage, str) or not stage.strip():
        raise InvalidArgumentError(
            "a stage is a text that is not empty; for none, write does_not_exist()",
            argument="stage",
        )
    return stage


class F:
    """Where filters begin: `F.field(name)`, `F.tags`, `F.lifecycle`."""

    tags: Final = Tags()
    lifecycle: Final = Lifecycle()

    @staticmethod
    def field(name: str) -> Field:
        """Name a field: firstName, lastName, phone, email, status, assigneeUserId, createdAt, or a
        custom field's name or slug.
        """
        return Field(name)


def render(
    filter: Filter | Condition | None,  # noqa: A002 - the API's word
    timezone: str = "UTC",
) -> dict[str, list[dict[str, Any]]]:
    """Return the `filter` of the list body; None means all contacts.

    Times are written in *timezone* (IANA), as the body must say too.
    """
    zone = zone_of(timezone)
    if filter is None:
        return {"$and": []}
    if isinstance(filter, Condition):
        filter = Filter("$and", (filter,))  # noqa: A001
    if not isinstance(filter, Filter):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidArgumentError(
            "a filter is built with F, or None for all contacts", argument="filter"
        )
    return {filter.joint: [_condition(condition, zone) for condition in filter.conditions]}


def _condition(condition: Condition, zone: dt.tzinfo) -> dict[str, Any]:
    value: Any = condition.value
    match condition.operator:
        case "isBetween":
            value = {"from": value[0], "to": value[1]}
        case "isTimestampBetween":
            value = {"from": _minute(value[0], zone), "to": _minute(value[1], zone, end=True)}
        case "isTimestampAfter" | "isTimestampBefore":
            value = _minute(value, zone)
        case "hasAnyOf" | "hasAllOf" | "hasNoneOf":
            value = list(value)
        case _:
            pass
    return {
        "category": condition.category,
        "field": condition.field,
        "operator": condition.operator,
        "value": value,
    }


def _minute(instant: Instant, zone: dt.tzinfo, *, end: bool = False) -> str:
    if not isinstance(instant, dt.datetime):
        return f"{instant.isoformat()} {'23:59' if end else '00:00'}"
    try:
        return instant.astimezone(zone).isoformat(" ", "minutes")[:16]
    except OverflowError:
        raise InvalidArgumentError(
            "the time is out of range in this time zone", argument="filter"
        ) from None


def zone_of(timezone: str) -> dt.tzinfo:
    """Look an IANA time zone up, or raise `InvalidArgumentError`."""
    if timezone == "UTC":
        return dt.UTC  # needs no time zone database, which small containers lack
    from zoneinfo import ZoneInfo  # 3 ms that those who stay with UTC need not pay

    try:
        return ZoneInfo(timezone)
    except (KeyError, ValueError, OSError, TypeError, AttributeError):
        raise InvalidArgumentError(
            'timezone is no known IANA name such as "Asia/Kuala_Lumpur" (on a machine without a '
            "time zone database: install tzdata)",
            argument="timezone",
        ) from None
