"""The workspace: users, custom fields, closing notes, channels, templates, tags."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, cast, get_args

from .. import _render as render
from .._call import Problem, RequestContext, RequestValue, not_found
from .._paging import page
from .._routes import serves
from ..state import CustomField, DataType, Tag

_Record = TypeVar("_Record")
_SLUG: Final = re.compile(r"[A-Za-z0-9_]{1,50}", re.ASCII)


def _list(
    call: RequestContext,
    records: Mapping[int, _Record],
    show: Callable[[_Record], Any] = lambda record: record,
) -> dict[str, Any]:
    """A page of records; those whose fields are the API's own need no *show*."""
    return page(call, sorted(records), lambda each: show(records[each]))


@serves("GET /space/user")
def list_users(call: RequestContext) -> dict[str, Any]:
    return _list(call, call.workspace.users, lambda each: render.user(each, call.quirks))


@serves("GET /space/user/{id}")
def get_user(call: RequestContext) -> dict[str, Any]:
    return render.user(call.find(call.workspace.users, "id", "User"), call.quirks)


@serves("GET /space/channel")
def list_channels(call: RequestContext) -> dict[str, Any]:
    return _list(call, call.workspace.channels)


@serves("GET /space/closing_notes")
def list_closing_notes(call: RequestContext) -> dict[str, Any]:
    notes = sorted(call.workspace.closing_notes, key=lambda note: note.category)
    # They have no id: their place in the order stands in for one.
    return _list(call, dict(enumerate(notes, 1)))


@serves("GET /space/channel/{id}/template", "GET /space/channel/{id}/mtm")
def list_templates(call: RequestContext) -> dict[str, Any]:
    _check_path(call, call.answers.template_path)
    channel = call.find(call.workspace.channels, "id", "Channel")
    templates = {
        each.id: each for each in call.workspace.templates.values() if each.channel_id == channel.id
    }
    return _list(call, templates, lambda each: render.template(each, call.quirks))


@serves("GET /space/mtm/{id}")
def get_template(call: RequestContext) -> dict[str, Any]:
    template = call.find(call.workspace.templates, "id", "Template")
    return {
        "status": "success",
        "message": "Template found",
        "data": render.template(template, call.quirks),
    }


@serves("GET /space/custom_field", "GET /space/contact_field")
def list_custom_fields(call: RequestContext) -> dict[str, Any]:
    _check_path(call, call.answers.custom_field_path)
    return _list(
        call, call.workspace.custom_fields, lambda each: render.custom_field(each, call.quirks)
    )


@serves("GET /space/custom_field/{id}", "GET /space/contact_field/{id}")
def get_custom_field(call: RequestContext) -> dict[str, Any]:
    _check_path(call, call.answers.custom_field_path)
    field = call.find(call.workspace.custom_fields, "id", "Custom field")
    return render.custom_field(field, call.quirks)


@serves("POST /space/custom_field", "POST /space/contact_field")
def create_custom_field(call: RequestContext) -> dict[str, Any]:
    _check_path(call, call.answers.custom_field_path)
    workspace = call.workspace
    body = call.object()
    name = body["name"].text(50)
    slug = body["slug"].optional_text(50)
    if slug is None:
        slug = (
            re.sub(r"[^a-z0-9]+", "_", name.lower(), flags=re.ASCII)[:50].strip("_")
            or f"field_{workspace.next_id()}"
        )
    elif not _SLUG.fullmatch(slug):
        raise body["slug"].invalid
    description = body["description"].optional_text(255)
    data_type = cast("DataType", body["dataType"].choice(get_args(DataType)))
    values = _allowed_values(body["allowedValues"], data_type)
    if any(field.name == name or field.slug == slug for field in workspace.custom_fields.values()):
        raise Problem(400, "Custom field already exists")
    field = CustomField(
        workspace.next_id(), name, slug, data_type, description, values, int(workspace.clock.wall())
    )  # fmt: skip
    workspace.custom_fields[field.id] = field
    return render.custom_field(field, call.quirks)


def _allowed_values(values: RequestValue, data_type: DataType) -> list[str] | None:
    if data_type == "list":
        return values.strings()
    if values.value not in (None, []):  # the official n8n node sends [] for every type
        raise values.invalid
    return None


def _check_path(call: RequestContext, existing: str) -> None:
    """Two names are about for some collections; `Answers` says which exists."""
    if existing != "either" and existing not in call.arrival.path.split("/"):
        raise not_found("Route")


@serves("POST /space/tag")
def create_tag(call: RequestContext) -> dict[str, Any]:
    body = call.object()
    name = body["name"].text(255)
    if name in call.workspace.tags:
        raise Problem(400, "Tag already exists")
    tag = Tag(call.workspace.next_id(), name)
    _set_details(tag, body)
    call.workspace.tags[name] = tag
    return _shape(call, tag)


@serves("PUT /space/tag")
def update_tag(call: RequestContext) -> dict[str, Any]:
    body = call.object()
    current = body["currentName"].text(255)
    tags = call.workspace.tags
    tag = tags.get(current)
    if tag is None:
        raise not_found("Tag")
    name = current if body["name"].value is None else body["name"].text(255)
    if name != current:
        if name in tags:
            raise Problem(400, "Tag already exists")
        _rename(call, current, name)
        tag.name = name
        del tags[current]
        tags[name] = tag
    _set_details(tag, body)
    return _shape(call, tag)


def _rename(call: RequestContext, old: str, new: str | None) -> None:
    """Follow a tag on the contacts that have it; None takes it away."""
    replacement = [] if new is None else [new]
    for contact in call.workspace.contacts.values():
        if old in contact.tags:
            place = contact.tags.index(old)
            contact.tags[place : place + 1] = replacement


@serves("DELETE /space/tag")
def delete_tag(call: RequestContext) -> dict[str, Any]:
    name = call.object()["name"].text(255)
    if call.workspace.tags.pop(name, None) is None:
        raise not_found("Tag")
    _rename(call, name, None)
    message = "Tag deleted successfully"
    return (
        {"code": 200, "message": message}
        if call.answers.deleted_tag_has_code
        else {"message": message}
    )


def _set_details(tag: Tag, body: RequestValue) -> None:
    for key, attribute in (
        ("description", "description"),
        ("colorCode", "color"),
        ("emoji", "emoji"),
    ):
        if key in body.value:
            setattr(tag, attribute, body[key].optional_text(255))


def _shape(call: RequestContext, tag: Tag) -> dict[str, Any]:
    shown = render.tag(tag, call.quirks)
    return shown if call.answers.tag_shape == "bare" else {"code": 200, "message": {"tag": shown}}
