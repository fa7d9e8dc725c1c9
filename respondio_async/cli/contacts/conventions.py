"""How a file writes its dates and tags: what a whole column tells, or what the user says.

A single 03/04/2026 has two readings; a column in which one day is past the twelfth has one.
"""

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from .._exit import UsageError
from .._fields import DATE_ORDERS, DateOrder, Definitions, read_date
from ..files.rows import Row
from .mapping import Mapped

_NAMES: Final = {
    "YMD": "year, month, day",
    "DMY": "day, month, year",
    "MDY": "month, day, year",
}
_SEPARATORS: Final = ";,"


class FileConventions(msgspec.Struct, frozen=True):
    """How the columns of one file are written."""

    date_orders: dict[str, DateOrder] = {}
    """By column."""
    tag_separator: str = ";"

    def sentences(self, columns: Mapped) -> list[str]:
        """Say for a dry run what was found."""
        said = [
            f"{column}: dates are read as {_NAMES[order]}"
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
