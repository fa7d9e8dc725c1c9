"""The operations: where they are found, which function serves them and which bucket counts them.

Matched on the raw path: a slash inside an identifier arrives percent-encoded and must not divide
it.
"""

import re
from bisect import insort
from collections import defaultdict
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
    path: str
    handler: Handler
    bucket: str
    pattern: re.Pattern[str]


ROUTES: Final[list[ServedRoute]] = []
_BY_SHAPE: Final = defaultdict[tuple[str, int], list[ServedRoute]](list)
"""By method and number of segments; literal ones before variable ones, as a brace sorts behind all
letters: "/contact/list" is no contact.
"""


def serves(template: str, *aliases: str) -> Callable[[H], H]:
    """Serve an operation; *aliases* are other paths of it, counted in the same bucket."""

    def register(handler: H) -> H:
        for each in (template, *aliases):
            method, path = each.split()
            pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))
            route = ServedRoute(each, path, handler, bucket_of(template), pattern)
            ROUTES.append(route)
            insort(_BY_SHAPE[method, path.count("/")], route, key=lambda route: route.path)
        return handler

    return register


def match(method: str, path: str) -> tuple[ServedRoute, dict[str, str]] | None:
    """Find the operation for a raw path below the base URL, and the path's variable segments."""
    for route in _BY_SHAPE.get((method, path.count("/")), ()):
        found = route.pattern.fullmatch(path)
        if found is not None:
            return route, {name: unquote(value) for name, value in found.groupdict().items()}
    return None


def exists(path: str) -> bool:
    """Whether some method would find an operation there."""
    return any(match(method, path) is not None for method in ("GET", "POST", "PUT", "DELETE"))
