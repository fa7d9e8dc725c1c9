"""Which function serves which operation."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from .._call import RequestContext

Handler = Callable[[RequestContext], Any]
H = TypeVar("H", bound=Handler)

SERVED: Final[dict[str, tuple[Handler, str]]] = {}
"""By "METHOD /path": the function, and the template that names its bucket."""


def serves(template: str, *aliases: str) -> Callable[[H], H]:
    """Serve an operation; *aliases* are other paths of it, counted in the same bucket."""

    def register(handler: H) -> H:
        SERVED.update(dict.fromkeys((template, *aliases), (handler, template)))
        return handler

    return register
