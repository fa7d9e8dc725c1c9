"""Every regular expression of the package takes time in proportion to the text it meets."""

import importlib
import inspect
import itertools
import pkgutil
import re
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest

import respondio_async

UNITS: Final = (
    *"x1 @.-+(/{<\"\\a:='_é$\t;\n[",
    "a@", "a.", "a@a.", "1-", "1 ", "1. ", "-x", "{{ ", "{a", "<title", "<title>", "<script>",
    "<!--", "<a", "http://a", "\r\n", "{{@user.1", '"\\', "a=", "a1", "%40", "+1", "bearer ",
    "eyJ", "[0]", "A-", "\r\ncontent-length: ", "localhost", "not", "channel ",
)  # fmt: skip
ENDS: Final = ("", "\0", "!")
SMALL: Final = 400
TIMES: Final = 8
MOST: Final = 24
"""Eight times the text may cost that much more; a quadratic pattern costs 64 times as much."""
SLOW: Final = 100_000
"""Nanoseconds; what is quicker on the long text is not looked at."""


def patterns(value: Any, depth: int = 0) -> Iterator[re.Pattern[Any]]:
    """Find the compiled patterns in a module's attribute."""
    if isinstance(value, re.Pattern):
        yield value
    elif depth < 3 and isinstance(value, tuple | list | set | frozenset | dict):
        for item in value:
            yield from patterns(item, depth + 1)
        if isinstance(value, dict):
            yield from patterns(tuple(value.values()), depth)


def compiled() -> dict[str, tuple[re.Pattern[Any], list[str]]]:
    """Return every pattern of the package by the place that compiles it, and how it is used."""
    found: dict[str, tuple[re.Pattern[Any], list[str]]] = {}
    for info in pkgutil.walk_packages(respondio_async.__path__, "respondio_async."):
        if info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        source = inspect.getsource(module)
        for name, value in vars(module).items():
            for number, pattern in enumerate(patterns(value)):
                # What is only matched from the beginning need not be quick to be searched for.
                used = set(re.findall(rf"\b{name}\.(\w+)\(", source))
                anchored = used and used <= {"match", "fullmatch"}
                uses = sorted(used) if anchored else ["search", "fullmatch"]
                if re.search(rf"^{name}\b.*= ", source, re.MULTILINE):
                    found[f"{info.name.partition('.')[2]}.{name}.{number}"] = (pattern, uses)
    return found


def cost(search: Any, text: Any) -> int:
    """Return the CPU nanoseconds of a search."""
    begun = time.thread_time_ns()
    search(text)
    return max(1, time.thread_time_ns() - begun)


def slow_inputs(pattern: re.Pattern[Any], uses: list[str]) -> Iterator[tuple[str, str, str]]:
    """Find inputs whose cost grows faster than they do."""

    def text(unit: str, end: str, size: int) -> Any:
        whole = unit * (size // len(unit)) + end
        return whole.encode() if isinstance(pattern.pattern, bytes) else whole

    for unit, end, use in itertools.product(UNITS, ENDS, uses):
        search = getattr(pattern, use)
        long, short = text(unit, end, SMALL * TIMES), text(unit, end, SMALL)
        if cost(search, long) < SLOW:
            continue
        ratios = (cost(search, long) / cost(search, short) for _ in range(6))
        if all(ratio > MOST for ratio in ratios):
            yield unit, end, use


def test_every_pattern_is_linear() -> None:
    """Eight times the text costs far less than 64 times the time, whatever it is made of and
    however it ends.
    """
    found = compiled()
    assert len(found) > 50
    assert not {place: slow for place, how in found.items() if (slow := [*slow_inputs(*how)])}


@pytest.mark.parametrize("pattern", [r'"[^"\\]*(?:\\.[^"\\]*)*"', r"\w+@", r"\s+\Z"])
def test_a_pattern_that_is_not_linear_is_found(pattern: str) -> None:
    """The test above would see it."""
    assert next(slow_inputs(re.compile(pattern), ["search"]))
