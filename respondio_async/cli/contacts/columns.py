"""How a file's columns are read: which field each goes to, and how it writes dates and tags.

A whole column tells the latter, or the user does.
A single 03/04/2026 has two readings; a column in which one day is past the twelfth has one.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from .._exit import UsageError
from .._fields import DATE_ORDERS, DateOrder, Definitions, read_date, simplified
from ..files.rows import Row

IGNORED: Final = "-"

FIELDS: Final = (
    "first_name",
    "last_name",
    "phone",
    "email",
    "language",
    "profile_pic",
    "country_code",
)
TARGETS: Final = ("id", *FIELDS, "tags", "lifecycle")
_READ_ONLY: Final = (
    "status",
    "assignee_id",
    "assignee_email",
    "created",
    "created_at",
    "is_blocked",
    "locale",
)
"""Columns of an export that nothing can write, or that commands of their own do."""
_ALIASES: Final = {
    "name": "first_name", "phonenumber": "phone", "mobile": "phone", "mobilenumber": "phone",
    "whatsapp": "phone",
    "emailaddress": "email", "mail": "email", "surname": "last_name", "familyname": "last_name",
    "givenname": "first_name",
    "contactid": "id", "tag": "tags", "lifecyclestage": "lifecycle", "stage": "lifecycle",
    "country": "country_code",
}  # fmt: skip
_SIMPLE: Final = {simplified(name): name for name in TARGETS} | _ALIASES

_ORDERS: Final = {
    "YMD": "year, month, day",
    "DMY": "day, month, year",
    "MDY": "month, day, year",
}
_SEPARATORS: Final = ";,"

Mapped = Mapping[str, str]
"""Columns to targets: one of `TARGETS`, `custom:NAME` with the field's own name, or "-"."""


def read_mapping(path: Path | None, options: Iterable[str]) -> dict[str, str]:
    """Read a mapping file (JSON or TOML, columns to fields) and the options COLUMN=FIELD, which
    come after it.
    """
    mapping: dict[str, str] = {}
    if path is not None:
        try:
            text = path.read_text(encoding="utf-8")
            read: Any = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
        except ValueError as error:
            raise UsageError(
                f"{path.name}: it is no {'TOML' if path.suffix.lower() == '.toml' else 'JSON'}: "
                f"{error}"
            ) from None
        if not isinstance(read, dict):
            raise UsageError(f"{path.name}: a mapping has a field for each column")
        for column, target in cast("dict[str, Any]", read).items():
            if not isinstance(target, str):
                raise UsageError(f"{path.name}: the field of {column} is a text")
            mapping[column] = target
    for option in options:
        column, equals, target = option.rpartition("=")
        if not equals or not column or not target:
            raise UsageError("--map is written COLUMN=FIELD, or COLUMN=- to leave it out")
        mapping[column] = target
    return mapping


def map_columns(
    columns: Iterable[str], given: Mapping[str, str], definitions: Definitions
) -> dict[str, str]:
    """Find every column's target: as given, else by its name.

    `UsageError` for what has none, or two for one.
    """
    columns = list(columns)
    absent = [column for column in given if column not in columns]
    if absent:
        raise UsageError(f"the file has no column {', '.join(absent)}; it has {', '.join(columns)}")
    mapped = {
        column: _target(given[column], column, definitions)
        if column in given
        else _guess(column, definitions)
        for column in columns
    }
    unknown = [column for column, target in mapped.items() if target is None]
    if unknown:
        raise UsageError(_unknown(unknown, definitions))
    found = {column: target for column, target in mapped.items() if target is not None}
    used: dict[str, str] = {}
    for column, target in found.items():
        if target != IGNORED and used.setdefault(target, column) != column:
            raise UsageError(
                f"the columns {used[target]} and {column} both go to {target}: leave one out with "
                f"--map {column}=-"
            )
    return found


def _unknown(columns: Iterable[str], definitions: Definitions) -> str:
    """Name all columns without a field, the fields that they may mean, and those that exist."""
    fields = [*TARGETS, *(field.name for field in definitions.fields)]
    spelt = {simplified(name): name for name in fields}
    said: list[str] = []
    for column in columns:
        close = get_close_matches(simplified(column.removeprefix("custom:")), spelt, n=1)
        said.append(f"{column} (did you mean {spelt[close[0]]}?)" if close else column)
    return (
        f"no field is called {', '.join(said)}: say --map COLUMN=FIELD, or COLUMN=- to leave it "
        f"out. The fields are {', '.join(fields)}"
    )


def _target(target: str, column: str, definitions: Definitions) -> str:
    if target == IGNORED:
        return IGNORED
    known = _own(target) if not target.startswith("custom:") else None
    known = known or _custom(target.removeprefix("custom:"), definitions)
    if known is None:
        raise UsageError(
            f"{column} cannot go to {target}: the fields are {', '.join(TARGETS)} and the "
            "workspace's custom fields"
        )
    return known


def _guess(column: str, definitions: Definitions) -> str | None:
    if column.startswith("custom:"):
        return _custom(column.removeprefix("custom:"), definitions)
    if column in _READ_ONLY or column.startswith("_"):
        return IGNORED
    return _own(column) or _custom(column, definitions)


def _own(name: str) -> str | None:
    return _SIMPLE.get(simplified(name))


def _custom(name: str, definitions: Definitions) -> str | None:
    field = definitions.find(name)
    return None if field is None else f"custom:{field.name}"


class FileConventions(msgspec.Struct, frozen=True):
    """How the columns of one file are written."""

    date_orders: dict[str, DateOrder] = {}
    """By column."""
    tag_separator: str = ";"

    def sentences(self, columns: Mapped) -> list[str]:
        """Say for a dry run what was found."""
        said = [
            f"{column}: dates are read as {_ORDERS[order]}"
            for column, order in self.date_orders.items()
        ]
        if "tags" in columns.values() and self.tag_separator != ";":
            said.append(f'tags are separated by "{self.tag_separator}"')
        return said


class DateColumn:
    """The orders in which all dates of a column can be read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._orders = set(DATE_ORDERS)
        self._line = 0

    def look(self, row: Row) -> None:
        """Learn from one cell; one that is no date in any order is another matter."""
        try:
            text = row.text(self.name)
        except ValueError:
            return
        found = {order: read_date(text, order) for order in DATE_ORDERS}
        readings = {order: day for order, day in found.items() if day is not None}
        if not readings:
            return
        if not self._line and len(set(readings.values())) > 1:
            self._line = row.line
        self._orders &= set(readings)
        if not self._orders:
            raise UsageError(
                f"{self.name}: line {row.line}: its date is written in another order than those "
                "before it: say --date-format DD/MM/YYYY (or MM/DD/YYYY), and the others are bad "
                "rows"
            )

    @property
    def order(self) -> DateOrder:
        """The only order, or any of several that read all dates alike."""
        if len(self._orders) > 1 and self._line:
            raise UsageError(
                f"{self.name}: line {self._line}: its date has more than one reading, and no other "
                "row tells which: say --date-format DD/MM/YYYY or MM/DD/YYYY"
            )
        return next(order for order in DATE_ORDERS if order in self._orders)


def detect_conventions(
    rows: Iterable[Row],
    columns: Mapped,
    definitions: Definitions,
    *,
    date_format: str | None = None,
    tag_separator: str | None = None,
) -> FileConventions:
    """Look at all rows. `UsageError` for what has more than one reading and was not said."""
    dates = [
        DateColumn(column) for column, target in columns.items() if _is_date(target, definitions)
    ]
    tags = next((column for column, target in columns.items() if target == "tags"), None)
    order = None if date_format is None else order_of(date_format)
    studied = [] if order else dates
    seen = set[str]()
    if studied or (tags is not None and tag_separator is None):
        for row in rows:
            for column in studied:
                column.look(row)
            cell = row.cells.get(tags, "") if tags is not None else ""
            if not cell.lstrip().startswith("["):
                seen |= set(_SEPARATORS).intersection(cell)
    if tag_separator is None and len(seen) > 1:
        raise UsageError(
            f'{tags}: there are tags with "," and with ";": say --tag-separator ";" or ","'
        )
    return FileConventions(
        {column.name: order or column.order for column in dates},
        tag_separator or (seen.pop() if seen else ";"),
    )


def order_of(date_format: str) -> DateOrder:
    """Read the order from DD/MM/YYYY, %d/%m/%Y and the like."""
    letters = re.sub(r"(.)\1*", r"\1", re.sub("[^DMY]", "", date_format.upper()))
    for order in DATE_ORDERS:
        if letters == order:
            return order
    raise UsageError("--date-format is DD/MM/YYYY, MM/DD/YYYY or YYYY-MM-DD")


def _is_date(target: str, definitions: Definitions) -> bool:
    field = definitions.find(target.removeprefix("custom:")) if ":" in target else None
    return field is not None and field.data_type == "date"
