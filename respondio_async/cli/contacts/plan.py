"""What a row will do, or why it cannot: decided for every row before the first write."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from ... import _endpoints as e
from .._exit import UsageError
from .._fields import Definitions, typed_value
from .._identify import By, identify, kind_of, normal_phone
from ..files.cells import split_list
from ..files.rows import Row, read_rows
from .mapping import FIELDS, IGNORED, Mapped

MOST_TAGS: Final = 10
"""In one request: the vendor's "Add tags" page."""
_LONGEST_TAG: Final = 255
_PATTERNS: Final = {
    "language": (
        re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z]{2,4})?"),
        'a language is a code such as "en"',
    ),
    "country_code": (re.compile(r"[A-Za-z]{2}"), 'a country is a two-letter code such as "MY"'),
    "profile_pic": (re.compile(r"https?://[^\s/]+\S*"), "a picture is a public http(s) URL"),
    "email": (re.compile(r"[^\s@]+@[^\s@.]+(?:\.[^\s@.]+)*"), "it is no e-mail address"),
}


class ContactPlan(msgspec.Struct, frozen=True):
    """What to write of one contact."""

    identifier: str
    fields: dict[str, Any]
    """For `create_or_update`, custom fields included, in the types that the API takes."""
    tags: tuple[str, ...]
    lifecycle: str | None

    @property
    def tag_calls(self) -> list[tuple[str, ...]]:
        """The tags in as many requests as they need."""
        return [self.tags[at : at + MOST_TAGS] for at in range(0, len(self.tags), MOST_TAGS)]


class BadRow(msgspec.Struct, frozen=True):
    """A row that cannot be written, and why; without its values."""

    line: int
    problems: list[str]


class RowProblems(Exception):  # noqa: N818 - a row's problems are no error of the program
    """Everything that is wrong with one row."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Planner:
    """Plans rows of one file."""

    def __init__(
        self,
        columns: Mapped,
        definitions: Definitions,
        *,
        by: By = "auto",
        country: str | None = None,
        tags: Iterable[str] = (),
        lifecycle: str | None = None,
        clear_empty: bool = False,
    ) -> None:
        """*tags* and *lifecycle* are for every row.

        *clear_empty*: an empty cell clears its field; else it leaves it alone.
        """
        self.columns = columns
        self._definitions = definitions
        self._by: By = by
        self._country = country
        self._tags = tuple(tags)
        self._lifecycle = lifecycle
        self._clear_empty = clear_empty

    def plan(self, row: Row) -> ContactPlan:
        """Plan one row; `RowProblems` when it cannot be written."""
        if row.problem is not None:
            raise RowProblems([row.problem])
        problems = [
            f"{column}: no such column in the first row"
            for column in row.cells
            if column not in self.columns
        ]
        values = {
            target: row.cells.get(column, "").strip()
            for column, target in self.columns.items()
            if target != IGNORED and column in row.cells
        }
        named = {target: column for column, target in self.columns.items()}
        identifier, kind = "", kind_of(self._by, values)
        try:
            identifier = identify(self._by, values, self._country)
        except ValueError as error:
            problems.append(str(error) if kind is None else f"{named[kind]}: {error}")
        fields: dict[str, Any] = {}
        custom: dict[str, Any] = {}
        tags = self._tags
        for target, text in values.items():
            try:
                if target.startswith("custom:"):
                    self._plan_custom(target.removeprefix("custom:"), text, custom)
                elif target in FIELDS and target != kind:
                    self._plan_field(target, text, fields)
                elif target == "tags":
                    tags = tuple(dict.fromkeys((*tags, *_tags(text))))
            except ValueError as error:
                problems.append(f"{named[target]}: {error}")
        if problems:
            raise RowProblems(problems)
        if custom:
            fields["custom_fields"] = custom
        return ContactPlan(identifier, fields, tags, values.get("lifecycle") or self._lifecycle)

    def _plan_field(self, target: str, text: str, fields: dict[str, Any]) -> None:
        if not text:
            if (
                self._clear_empty and target != "first_name"
            ):  # the one field that a contact must have
                fields[target] = None
            return
        if target == "phone":
            text = normal_phone(text, self._country)
        pattern, advice = _PATTERNS.get(target, (None, ""))
        if pattern is not None and not pattern.fullmatch(text):
            raise ValueError(advice)
        fields[target] = text.upper() if target == "country_code" else text

    def _plan_custom(self, name: str, text: str, custom: dict[str, Any]) -> None:
        if text:
            field = self._definitions.find(name)
            assert field is not None  # noqa: S101 - the mapping has looked it up
            custom[name] = typed_value(field, text)
        elif self._clear_empty:
            custom[name] = None


def _tags(text: str) -> list[str]:
    tags = split_list(text)
    if any(len(tag) > _LONGEST_TAG for tag in tags):
        raise ValueError(f"a tag has at most {_LONGEST_TAG} characters")
    return tags


class Survey(msgspec.Struct):
    """What a whole file would do."""

    rows: int
    good: int
    bad: list[BadRow]
    columns: Mapping[str, str]
    operations: dict[str, int]
    """Planned requests by route."""


def survey(path: Path, planner: Planner) -> Survey:
    """Plan every row of a file, and write nothing."""
    operations: Counter[str] = Counter()
    bad: list[BadRow] = []
    lines: dict[str, int] = {}
    rows = 0
    for row in read_rows(path):
        rows += 1
        try:
            plan = planner.plan(row)
        except RowProblems as found:
            bad.append(BadRow(row.line, found.problems))
            continue
        first = lines.setdefault(plan.identifier, row.line)
        if first != row.line:
            bad.append(BadRow(row.line, [f"it is the same contact as line {first}"]))
            continue
        operations[e.CREATE_OR_UPDATE_CONTACT.bucket] += 1
        operations[e.ADD_TAGS.bucket] += len(plan.tag_calls)
        operations[e.UPDATE_LIFECYCLE.bucket] += plan.lifecycle is not None
    return Survey(
        rows,
        rows - len(bad),
        bad,
        planner.columns,
        {route: count for route, count in operations.items() if count},
    )


def columns_of_file(path: Path) -> list[str]:
    """Name the columns: the first row's cells, and in JSON lines any that come later."""
    columns: dict[str, None] = {}
    for row in read_rows(path):
        columns |= dict.fromkeys(row.cells)
        if path.suffix.lower() not in (".jsonl", ".ndjson") and columns:
            break
    if not columns:
        raise UsageError(f"{path.name}: it has no rows")
    return list(columns)
