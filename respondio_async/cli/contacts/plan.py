"""What a row will do, or why it cannot: decided for every row before the first write."""

import re
from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from respondio_async.discreet import Discreet

from ... import ROUTES
from ...checks import check_contact, check_tags_call
from ...identifiers import ContactId
from .._exit import UsageError
from .._fields import Definitions, Notation, typed_value
from .._identify import By, identify, kind_of, normal_phone, same_contact
from ..files.bad_rows import BadRow, RowProblems, sift
from ..files.cells import clean, split_list
from ..files.rows import Row, TableFile
from .columns import FIELDS, IGNORED, FileConventions, Mapped

MOST_TAGS: Final = 10
"""In one request: the vendor's "Add tags" page."""
_PATTERNS: Final = {
    "language": (
        re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z]{2,4})?"),
        'a language is a code such as "en"',
    ),
    "country_code": (re.compile(r"[A-Za-z]{2}"), 'a country is a two-letter code such as "MY"'),
    "profile_pic": (re.compile(r"https?://[^\s/]+\S*"), "a picture is a public http(s) URL"),
}


class ContactPlan(Discreet, msgspec.Struct, frozen=True):
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

    @property
    def key(self) -> str:
        """The same for all spellings of the contact's identifier."""
        return same_contact(self.identifier)

    def check(self) -> None:
        """Build what will be sent; ValueError says what cannot be."""
        check_contact(self.identifier, lifecycle=self.lifecycle, **self.fields)
        for tags in self.tag_calls:
            check_tags_call(tags)


@contextmanager
def _noted(problems: list[str], column: str | None) -> Generator[None]:
    """Note what is wrong with a column, and go on."""
    try:
        yield
    except ValueError as error:
        problems.append(str(error) if column is None else f"{column}: {error}")


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
        notation: Notation = Notation(),
        conventions: FileConventions = FileConventions(),
    ) -> None:
        """*tags* and *lifecycle* are for every row.

        *clear_empty*: an empty cell clears its field; else it leaves it alone.
        """
        self.columns = columns
        unused = (IGNORED,) if by == "id" else (IGNORED, "id")
        self._named = {target: column for column, target in columns.items() if target not in unused}
        self.conventions = conventions
        self.definitions = definitions
        self._by: By = by
        self._country = country
        self._clear_empty = clear_empty
        self._notation = notation
        try:
            self._tags = tuple(dict.fromkeys(clean(tag) for tag in tags))
            self._lifecycle = None if lifecycle is None else clean(lifecycle)
            if self._tags:
                ContactPlan("id:1", {}, self._tags, self._lifecycle).check()
        except ValueError as error:
            raise UsageError(f"--tag or --lifecycle: {error}") from None

    def plan(self, row: Row) -> ContactPlan:
        """Plan one row; `RowProblems` when it cannot be written."""
        if row.problem is not None:
            raise RowProblems([row.problem])
        problems = [
            f"{column}: no such column in the first row"
            for column in row.cells
            if column not in self.columns
        ]
        values = self._read(row, problems)
        if problems:
            raise RowProblems(problems)
        identifier, kind = "", kind_of(self._by, values)
        with _noted(problems, self._named.get(kind or "")):
            identifier = identify(self._by, values, self._country)
        fields: dict[str, Any] = {}
        custom: dict[str, Any] = {}
        tags = self._tags
        for target, text in values.items():
            column = self._named[target]
            with _noted(problems, column):
                if target.startswith("custom:"):
                    self._plan_custom(column, target.removeprefix("custom:"), text, custom)
                elif target in FIELDS and target != kind:
                    self._plan_field(target, text, fields)
                elif target == "tags":
                    tags = tuple(dict.fromkeys((*tags, *self._split_tags(text))))
        if custom:
            fields["custom_fields"] = custom
        plan = ContactPlan(identifier, fields, tags, values.get("lifecycle") or self._lifecycle)
        if not problems:
            with _noted(problems, None):
                plan.check()
        if problems:
            raise RowProblems(problems)
        return plan

    def _read(self, row: Row, problems: list[str]) -> dict[str, str]:
        """Take the row's cells by what they are for."""
        values: dict[str, str] = {}
        for target, column in self._named.items():
            if column in row.cells:
                with _noted(problems, column):
                    values[target] = row.text(column)
        return values

    def _split_tags(self, text: str) -> list[str]:
        tags = split_list(text, self.conventions.tag_separator)
        for tag in tags:
            check_tags_call([tag])
        return tags

    def _plan_field(self, target: str, text: str, fields: dict[str, Any]) -> None:
        if not text:
            if (
                self._clear_empty and target != "first_name"
            ):  # the one field that a contact must have
                fields[target] = None
            return
        if target == "phone":
            text = normal_phone(text, self._country)
        elif target == "email":
            text = ContactId.email(text).value
        pattern, advice = _PATTERNS.get(target, (None, ""))
        if pattern is not None and not pattern.fullmatch(text):
            raise ValueError(advice)
        fields[target] = text.upper() if target == "country_code" else text

    def _plan_custom(self, column: str, name: str, text: str, custom: dict[str, Any]) -> None:
        if text:
            field = self.definitions.find(name)
            assert field is not None  # noqa: S101 - the mapping has looked it up
            order = self.conventions.date_orders.get(column, "YMD")
            custom[name] = typed_value(field, text, self._notation, order)
        elif self._clear_empty:
            custom[name] = None


class FilePlan(Discreet, msgspec.Struct):
    """What a whole file would do."""

    rows: int
    good: int
    bad: list[BadRow]
    columns: Mapping[str, str]
    operations: dict[str, int]
    """Planned requests by route."""
    tags: dict[str, int]
    """How many contacts would get each tag."""
    notes: list[str]
    """How the file is read."""


def plan_rows(table: TableFile, planner: Planner, notes: Iterable[str] = ()) -> FilePlan:
    """Plan every row of a file, and write nothing."""
    operations: Counter[str] = Counter()
    tags: Counter[str] = Counter()
    bad: list[BadRow] = []
    good = 0
    for plan in sift(table, planner.plan, lambda plan: plan.key, bad):
        good += 1
        tags.update(plan.tags)
        operations[ROUTES["contacts.create_or_update"]] += 1
        operations[ROUTES["contacts.add_tags"]] += len(plan.tag_calls)
        operations[ROUTES["contacts.update_lifecycle"]] += plan.lifecycle is not None
    return FilePlan(
        good + len(bad),
        good,
        bad,
        planner.columns,
        {route: count for route, count in operations.items() if count},
        dict(tags.most_common()),
        [*notes, *planner.conventions.sentences(planner.columns)],
    )
