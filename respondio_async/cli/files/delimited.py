"""Lines of cells from CSV: its encoding and delimiter are found, and a bad quote is one bad line.

Whatever cannot be decided is asked for: a guess would write somebody's name wrongly.
"""

import codecs
import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from ...files import unguard
from .._exit import UsageError

_DELIMITERS: Final = ",;\t|"
_SAMPLE_LINES: Final = 30
_LONGEST_LINE: Final = 4_000_000
"""Characters; a longer one is no line of a table."""
_MOST_LINES: Final = 1_000
"""Of one row. A cell that goes on longer has a quote that never closes."""
_MOST_BROKEN: Final = 1_000
"""Rows with bad quotes: after so many it is no CSV."""
_MARKS: Final = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16: its mark begins with that one
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_LATIN_PAGES: Final = ("cp1252", "cp1250", "cp1254", "cp1257", "cp1258")
_NO_LATIN_WORD: Final = re.compile(r"[^\x00-\x7f\xc0-\xff]|(?<![A-Za-z])[\xc0-\xff](?![A-Za-z])")
_SEPARATOR_LINE: Final = re.compile(r"\"?sep=([,;|\t])\"?\s*", re.IGNORECASE)

Line = tuple[int, list[str] | str]


def read_csv(path: Path, encoding: str | None) -> Iterator[Line]:
    """Give each line's number and its cells, or why it cannot be read."""
    encoding = find_encoding(path) if encoding is None else _known(encoding)
    try:
        with path.open(newline="", encoding=encoding) as file:
            numbered = enumerate(_bounded(path, file), start=1)
            lines = deque(islice(numbered, _SAMPLE_LINES))
            delimiter = _begin(lines)
            yield from _records(path, lines, numbered, delimiter)
    except UnicodeError:
        raise UsageError(f"{path.name}: it is not {encoding}: see --encoding") from None


def _bounded(path: Path, file: "Iterable[str]") -> Iterator[str]:
    for number, line in enumerate(file, start=1):
        if len(line) > _LONGEST_LINE:
            raise UsageError(f"{path.name}: line {number} is too long for a line of a table")
        yield line.lstrip("\ufeff") if number == 1 else line


def _begin(lines: deque[tuple[int, str]]) -> str:
    """Drop what comes before the header, and find the delimiter."""
    while lines:
        line = lines[0][1]
        named = _SEPARATOR_LINE.fullmatch(line)
        if named is None and line.strip():
            return max(_DELIMITERS, key=lambda each: _fit(each, [text for _, text in lines]))
        lines.popleft()
        if named is not None:
            return named[1]
    return ","


def _fit(delimiter: str, lines: list[str]) -> tuple[bool, float, int]:
    """How well a delimiter makes a table of the first lines."""
    records: list[list[str]] = []
    try:
        records.extend(csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter != "\t"))
    except csv.Error:
        pass  # a cell that is too long; what came before it is enough
    width = len(records[0]) if records else 0
    full = [record for record in records if record]
    alike = sum(len(record) == width for record in full) / len(full) if full else 0.0
    return width > 1, alike, width


def _records(
    path: Path,
    first: deque[tuple[int, str]],
    rest: Iterator[tuple[int, str]],
    delimiter: str,
) -> Iterator[Line]:
    """Read record after record.

    After a bad quote, the next line is read as a line of its own: the quote may have swallowed any
    number of good ones.
    """
    waiting, taken = first, list[tuple[int, str]]()

    def feed() -> Iterator[str]:
        while numbered := waiting.popleft() if waiting else next(rest, None):
            taken.append(numbered)
            if len(taken) > _MOST_LINES:
                return
            yield numbered[1]

    broken = 0
    while True:
        table = csv.reader(
            feed(), delimiter=delimiter, strict=True, skipinitialspace=delimiter != "\t"
        )
        try:
            for cells in table:
                yield taken[0][0], [unguard(cell) for cell in cells]
                taken.clear()
        except csv.Error as error:
            broken += 1
            if broken > _MOST_BROKEN:
                raise UsageError(
                    f"{path.name}: line {taken[0][0]}: more than {_MOST_BROKEN} lines have quotes "
                    "that do not match"
                ) from None
            yield taken[0][0], _why(error)
            waiting.extendleft(reversed(taken[1:]))
            taken.clear()
        else:
            return


def _why(error: csv.Error) -> str:
    if "field limit" in str(error):
        return f"a cell of more than {csv.field_size_limit():,} characters"
    return (
        "its quotes do not match: a cell in quotes ends with a quote, and a quote within it is "
        "written twice"
    )


def _known(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)
    except LookupError:
        raise UsageError('--encoding is the name of one, such as "windows-1252"') from None
    return {"utf-8": "utf-8-sig"}.get(name, name)


def find_encoding(path: Path) -> str:
    """Find the encoding where it is certain. `UsageError` names the first line that has doubts."""
    with path.open("rb") as file:
        head = file.read(4096)
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    if head[1::2].count(0) > len(head) // 4:
        return "utf-16-le"
    if head[::2].count(0) > len(head) // 4:
        return "utf-16-be"
    only_plain = True
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                if not _is_latin(line):
                    raise UsageError(
                        f"{path.name}: line {number} is not UTF-8. Save the file as CSV UTF-8, or "
                        "name its encoding: --encoding windows-1252 for Western Europe, "
                        "windows-1250 for Central Europe, windows-1251 for Cyrillic, gb18030 for "
                        "Chinese, shift_jis for Japanese"
                    ) from None
                only_plain = False
    return "utf-8" if only_plain else "cp1252"


def _is_latin(line: bytes) -> bool:
    """Whether every code page of a Latin script reads the line alike, as words of Latin letters."""
    texts: set[str] = set()
    for page in _LATIN_PAGES:
        try:
            texts.add(line.decode(page))
        except UnicodeDecodeError:
            return False
    return len(texts) == 1 and not _NO_LATIN_WORD.search(texts.pop())
