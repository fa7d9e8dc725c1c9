"""Filters for `contacts.list()`, built from expressions.

    F.field("email") == "a@b.c"
    (F.field("createdAt").after(monday) & F.tags.none_of("spam")) & (F.lifecycle == "Lead")
    F.field("Plan").exists() | F.tags.any_of("vip", "trial")

The API takes one group of conditions, joined by "and" or by "or", without nesting; so `&` and `|`
can't be mixed. What the server would refuse can't be built, with `F` or by hand. Times are written
in the time zone of the list call, to the minute.

Source: the vendor's "List the contacts" page.
"""

import datetime as dt
from decimal import Decimal
from typing import Any, ClassVar, Final, Literal, NoReturn

import msgspec

from ._filter_checks import BUILT_IN_FIELDS, check_name, checked_value
from ._values import check_choice, is_list
from .discreet import Discreet
from .errors import InvalidArgumentError

__all__ = ["BUILT_IN_FIELDS", "Condition", "F", "Field", "Filter", "Lifecycle", "Tags", "render"]

Joint = Literal["$and", "$or"]
Value = str | int | float | bool | Decimal | dt.date
Number = int | float | Decimal | str
Instant = dt.datetime | dt.date


class _Joinable:
    """What `&` and `|` join."""

    __slots__ = ()

    def __and__(self, other: "_Joinable") -> "Filter":
        return self._join("$and", other)

    def __or__(self, other: "_Joinable") -> "Filter":
        return self._join("$or", other)

    def _join(self, joint: Joint, other: object) -> "Filter":
        return Filter(joint, (*_conditions(self, joint), *_conditions(other, joint)))

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "a filter is neither true nor false: join with & and | (not and, or, not), one "
            "comparison at a time"
        )


class Condition(_Joinable, Discreet, msgspec.Struct, frozen=True):
    """One condition; by itself a filter too.

    `F` makes conditions. One that is built by hand, `Condition("contactField", "Age", "isBetween",
    (18, 30))`, passes the same checks. *value* is a tuple of tags, a tuple (or a `from`/`to`
    mapping) of two ends, a single value, or None for `exists` and `doesNotExist`. The repr hides
    the value.
    """

    _shown = ("category", "field", "operator")

    category: Literal["contactField", "contactTag", "lifecycle"]
    field: str | None
    operator: str
    value: Any = None

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(
            self, "value", checked_value(self.category, self.field, self.operator, self.value)
        )


class Filter(_Joinable, Discreet, msgspec.Struct, frozen=True):
    """Several conditions, of which all (`&`) or any (`|`) must hold. Its repr hides the values."""

    _shown = ("joint", "conditions")

    joint: Joint
    conditions: tuple[Condition, ...]

    def __post_init__(self) -> None:
        check_choice(self.joint, "joint", Joint)
        conditions: object = self.conditions
        if not is_list(conditions) or not all(isinstance(each, Condition) for each in conditions):
            raise InvalidArgumentError("conditions are Condition objects", argument="conditions")
        msgspec.structs.force_setattr(self, "conditions", tuple(self.conditions))


def _conditions(part: object, joint: Joint) -> tuple[Condition, ...]:
    """Return the conditions that *part* brings into a group."""
    if isinstance(part, Condition):
        return (part,)
    if not isinstance(part, Filter):
        raise TypeError(
            f"& and | join conditions, not a {type(part).__name__}; put each comparison in brackets"
        )
    if part.joint != joint:
        raise InvalidArgumentError(
            "the API takes one group of conditions: all joined by & or all by |",
            argument="filter",
        )
    return part.conditions


class Field:
    """A field of a contact, to compare: `F.field("email") == "a@b.c"`."""

    __slots__ = ("_name",)
    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # equal to nothing: == builds a condition

    def __init__(self, name: str) -> None:
        self._name = check_name(name, "name")

    def __eq__(self, value: Value | None) -> Condition:  # type: ignore[override]
        """Hold for fields equal to *value*.

        assigneeUserId takes a user's id as an int or as digits, and None for nobody; for no other
        field does None stand for "no value": that is `does_not_exist()`.
        """
        return self._condition("isEqualTo", value)

    def __ne__(self, value: Value | None) -> Condition:  # type: ignore[override]
        """Hold for fields that differ from *value*; what `==` takes."""
        return self._condition("isNotEqualTo", value)

    def __gt__(self, value: Number) -> Condition:
        """Hold for numbers greater than *value*; the API has no "greater or equal".

        *value* is a number, or its text, and is sent as it is given.
        """
        return self._condition("isGreaterThan", value)

    def __lt__(self, value: Number) -> Condition:
        """Hold for numbers less than *value*; the API has no "less or equal".

        *value* is a number, or its text, and is sent as it is given.
        """
        return self._condition("isLessThan", value)

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
        return self._condition("isTimestampAfter", instant)

    def before(self, instant: Instant) -> Condition:
        """Hold for times before *instant*: an aware datetime, or a date (its first minute, in the
        list's time zone).

        Seconds are dropped, since the API takes minutes.
        """
        return self._condition("isTimestampBefore", instant)

    def between(self, low: Number | Instant, high: Number | Instant) -> Condition:
        """Hold between two numbers (or their texts), or between two times.

        Numbers are sent as texts, the only form that the vendor's schema has for a range. Seconds
        of a time are dropped; a date as *high* means its last minute.
        """
        times = isinstance(low, dt.date) or isinstance(high, dt.date)
        return self._condition("isTimestampBetween" if times else "isBetween", (low, high))

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
        if isinstance(value, Field):
            raise TypeError("a field is compared with a value, never with another field")
        return Condition("contactField", self._name, operator, value)


class Tags:
    """The tags of a contact."""

    __slots__ = ()

    def any_of(self, *tags: str) -> Condition:
        """Hold when the contact has at least one of *tags*."""
        return Condition("contactTag", None, "hasAnyOf", tags)

    def all_of(self, *tags: str) -> Condition:
        """Hold when the contact has each of *tags*."""
        return Condition("contactTag", None, "hasAllOf", tags)

    def none_of(self, *tags: str) -> Condition:
        """Hold when the contact has none of *tags*."""
        return Condition("contactTag", None, "hasNoneOf", tags)

    def __repr__(self) -> str:
        return "F.tags"


class Lifecycle:
    """The lifecycle stage of a contact."""

    __slots__ = ()
    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # equal to nothing: == builds a condition

    def __eq__(self, stage: str) -> Condition:  # type: ignore[override]
        return Condition("lifecycle", None, "isEqualTo", stage)

    def __ne__(self, stage: str) -> Condition:  # type: ignore[override]
        return Condition("lifecycle", None, "isNotEqualTo", stage)

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
    """Look an IANA time zone up, or raise `InvalidArgumentError`.

    "utc" in small letters, which the vendor's n8n node sends, is UTC too.
    """
    if timezone in ("UTC", "utc"):
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
