"""The operations: where they are found, which function serves them and which bucket counts them.

Matched on the raw path: a slash inside an identifier arrives percent-encoded and must not divide
it.
"""

import re
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import unquote

from respondio_async.routes import bucket_of

from ._call import RequestContext

Handler = Callable[[RequestContext], dict[str, Any]]
H = TypeVar("H", bound=Handler)


@dataclass(frozen=True, slots=True)
class ServedRoute:
    """One operation under one path."""

    template: str
    """ "GET /contact/{identifier}"."""
    handler: Handler
    bucket: str
    pattern: re.Pattern[str]

    @property
    def path(self) -> str:
        return self.template.partition(" ")[2]


ROUTES: Final[list[ServedRoute]] = []
"""Literal segments before variable ones, as a brace sorts behind all letters: "/contact/list" is
no contact.
"""


def serves(template: str, *aliases: str) -> Callable[[H], H]:
    """Serve an operation; *aliases* are other paths of it, counted in the same bucket."""

    def register(handler: H) -> H:
        for each in (template, *aliases):
            pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", each))
            route = ServedRoute(each, handler, bucket_of(template), pattern)
            insort(ROUTES, route, key=lambda route: route.template)
        return handler

    return register


def match(method: str, path: str) -> tuple[ServedRoute, dict[str, str]] | None:
    """Find the operation for a raw path below the base URL, and the path's variable segments."""
    for route in ROUTES:
        found = route.pattern.fullmatch(f"{method} {path}")
        if found is not None:
            return route, {name: unquote(value) for name, value in found.groupdict().items()}
    return None


def exists(path: str) -> bool:
    """Whether some method would find an operation there."""
    return any(match(method, path) is not None for method in ("GET", "POST", "PUT", "DELETE"))
