"""The operations: where they are found and which bucket counts them.

Matched on the raw path: a slash inside an identifier arrives percent-encoded and must not divide
it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from respondio_async.routes import bucket_of

from ._call import Call
from .operations import contacts, conversations, messages, space


@dataclass(frozen=True, slots=True)
class Route:
    """One operation under one path."""

    method: str
    path: str
    """Template: "/contact/{identifier}"."""
    handler: Callable[[Call], Any]
    bucket: str
    segments: tuple[str, ...]

    @property
    def template(self) -> str:
        return f"{self.method} {self.path}"


def _route(line: str, handler: Callable[[Call], Any], bucket: str = "") -> Route:
    method, path = line.split()
    return Route(method, path, handler, bucket or bucket_of(line), tuple(path[1:].split("/")))


ROUTES: Final = (
    _route("GET /contact/{identifier}", contacts.get),
    _route("POST /contact/list", contacts.list_contacts),
    _route("POST /contact/merge", contacts.merge),
    _route("POST /contact/{identifier}", contacts.create),
    _route("PUT /contact/{identifier}", contacts.update),
    _route("DELETE /contact/{identifier}", contacts.delete),
    _route("POST /contact/create_or_update/{identifier}", contacts.create_or_update),
    _route("POST /contact/{identifier}/tag", contacts.add_tags),
    _route("DELETE /contact/{identifier}/tag", contacts.delete_tags),
    _route("GET /contact/{identifier}/channels", contacts.list_channels),
    _route("GET /contact/{identifier}/channel/{channelId}", contacts.get_channel),
    _route("POST /contact/{identifier}/lifecycle/update", contacts.update_lifecycle),
    _route("POST /contact/{identifier}/message", messages.send),
    _route("GET /contact/{identifier}/message/list", messages.list_messages),
    _route("GET /contact/{identifier}/message/{messageId}", messages.get),
    _route("POST /contact/{identifier}/comment", conversations.comment),
    _route("POST /contact/{identifier}/conversation/assignee", conversations.assign),
    _route("POST /contact/{identifier}/conversation/status", conversations.set_status),
    _route("GET /space/user", space.list_users),
    _route("GET /space/user/{id}", space.get_user),
    _route("GET /space/custom_field", space.list_custom_fields),
    _route("GET /space/custom_field/{id}", space.get_custom_field),
    _route("POST /space/custom_field", space.create_custom_field),
    # The other name of the same collection, in the same buckets.
    _route("GET /space/contact_field", space.list_custom_fields, "GET /space/custom_field"),
    _route("GET /space/contact_field/{id}", space.get_custom_field, "GET /space/custom_field/{id}"),
    _route("POST /space/contact_field", space.create_custom_field, "POST /space/custom_field"),
    _route("GET /space/closing_notes", space.list_closing_notes),
    _route("GET /space/channel", space.list_channels),
    _route("GET /space/channel/{id}/template", space.list_templates),
    # How one official client asks for WhatsApp templates.
    _route("GET /space/channel/{id}/mtm", space.list_templates, "GET /space/channel/{id}/template"),
    _route("GET /space/mtm/{id}", space.get_template),
    _route("POST /space/tag", space.create_tag),
    _route("PUT /space/tag", space.update_tag),
    _route("DELETE /space/tag", space.delete_tag),
)

_BY_SHAPE: Final[dict[tuple[str, int], list[Route]]] = {}
for _each in ROUTES:
    _BY_SHAPE.setdefault((_each.method, len(_each.segments)), []).append(_each)
_METHODS: Final = frozenset(route.method for route in ROUTES)


def match(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
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
