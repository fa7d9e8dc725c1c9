"""The operations: where they are found and which bucket counts them.

Matched on the raw path: a slash inside an identifier arrives percent-encoded and must not divide
it.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from respondio_async.routes import bucket_of

from .operations import SERVED, Handler


@dataclass(frozen=True, slots=True)
class ServedRoute:
    """One operation under one path."""

    method: str
    path: str
    """Template: "/contact/{identifier}"."""
    handler: Handler
    bucket: str
    segments: tuple[str, ...]

    @property
    def template(self) -> str:
        return f"{self.method} {self.path}"


def _route(template: str) -> ServedRoute:
    handler, counted_as = SERVED[template]
    method, path = template.split()
    return ServedRoute(method, path, handler, bucket_of(counted_as), tuple(path[1:].split("/")))


# Literal segments before variable ones: "/contact/list" is no contact.
ROUTES: Final = tuple(
    sorted(map(_route, SERVED), key=lambda route: [each[0] == "{" for each in route.segments])
)

_BY_SHAPE: Final[dict[tuple[str, int], list[ServedRoute]]] = {}
for _each in ROUTES:
    _BY_SHAPE.setdefault((_each.method, len(_each.segments)), []).append(_each)
_METHODS: Final = frozenset(route.method for route in ROUTES)


def match(method: str, path: str) -> tuple[ServedRoute, dict[str, str]] | None:
    """Find the operation for a raw path below the base URL; literal segments come before variable
    ones in the table.
    """
    segments = path[1:].split("/")
    for route in _BY_SHAPE.get((method, len(segments)), ()):
        params: dict[str, str] = {}
        for expected, actual in zip(route.segments, segments, strict=True):
            if expected[0] == "{":
                if not actual:
                    break
                params[expected[1:-1]] = unquote(actual) if "%" in actual else actual
            elif expected != actual:
                break
        else:
            return route, params
    return None


def exists(path: str) -> bool:
    """Whether some method would find an operation there."""
    return any(match(method, path) is not None for method in _METHODS)
