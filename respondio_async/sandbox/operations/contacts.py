"""Contacts: read, write, merge, list, tags, lifecycle, channels."""

from typing import Any

from .. import _render as render
from .._call import Problem, RequestContext, not_found
from .._fields import Fields
from .._filters import compile_request
from .._paging import page
from .._routes import serves
from ..state import Contact


@serves("GET /contact/{identifier}")
def get(call: RequestContext) -> dict[str, Any]:
    return render.contact(call.contact(), call.workspace)


@serves("POST /contact/{identifier}")
def create(call: RequestContext) -> dict[str, Any]:
    fields = Fields(call, call.object())
    kind, value = call.identifier()
    if kind == "id":
        raise Problem(400, "Contact email, phone or ID is invalid")
    if "firstName" not in fields.plain:
        raise Problem(400, "Missing field(s) : firstName")
    _make(call, fields, kind, value, conflict=call.answers.create_on_existing)
    return {"code": call.answers.create_status, "message": "Contact created successfully"}


@serves("PUT /contact/{identifier}")
def update(call: RequestContext) -> dict[str, Any]:
    contact = call.contact("update")
    return _update(call, contact, Fields(call, call.object()))


def _update(call: RequestContext, contact: Contact, fields: Fields) -> dict[str, Any]:
    fields.check_free(contact)
    fields.write(contact)
    call.workspace.emit("contact.updated", contact)
    return {"contactId": contact.id}


@serves("DELETE /contact/{identifier}")
def delete(call: RequestContext) -> dict[str, Any]:
    contact = call.find_contact()
    if contact is None:
        raise Problem(call.answers.deleting_what_is_gone, "Contact not found")
    call.workspace.remove_contact(contact)
    return {"contactId": contact.id}


@serves("POST /contact/create_or_update/{identifier}")
def create_or_update(call: RequestContext) -> dict[str, Any]:
    kind, value = call.identifier()
    fields = Fields(call, call.object())
    contact = call.find_contact()
    if contact is not None:
        call.check_ready(contact, "create_or_update")
        return _update(call, contact, fields)
    if kind == "id":
        raise not_found("Contact")
    if call.answers.create_or_update_needs_first_name and "firstName" not in fields.plain:
        raise Problem(400, "Missing field(s) : firstName")
    contact = _make(call, fields, kind, value, conflict=400)
    if call.answers.create_or_update_returns_id:
        return {"contactId": contact.id}
    return {"code": 200, "message": "Contact created successfully"}


def _make(call: RequestContext, fields: Fields, kind: str, value: str, *, conflict: int) -> Contact:
    # The identifier in the path wins over the same field in the body.
    fields.plain[kind] = value
    fields.check_free(status=conflict)
    contact = call.workspace.add_contact()
    fields.write(contact)
    if call.quirks.channel_on_create:
        call.workspace.link_channel(contact, next(iter(call.workspace.channels.values())))
    call.workspace.emit("contact.created", contact)
    return contact


@serves("POST /contact/merge")
def merge(call: RequestContext) -> dict[str, Any]:
    body = call.object()
    given = body["contactIds"]
    if given.value is None:
        raise given.missing
    ids = [each.value for each in given.items()]
    if len(ids) != 2 or any(type(each) is not int for each in ids) or ids[0] == ids[1]:
        raise given.invalid
    fields = Fields(call, body, also="contactIds")
    first, second = (call.workspace.contacts.get(each) for each in ids)
    if first is None or second is None:
        raise not_found("Contact")
    older, younger = sorted((first, second), key=lambda contact: (contact.created_at, contact.id))
    fields.check_free(older, younger)
    _move_contents(call, older, younger)
    fields.write(older)
    call.workspace.emit("contact.updated", older)
    return {"contactId": older.id}


def _move_contents(call: RequestContext, older: Contact, younger: Contact) -> None:
    """Give the older contact what only the younger has, and remove the younger."""
    phone, email = younger.phone, younger.email
    call.workspace.remove_contact(younger)
    if older.phone is None:
        call.workspace.identify(older, "phone", phone)
    if older.email is None:
        call.workspace.identify(older, "email", email)
    for name in ("first_name", "last_name", "language", "profile_pic", "country_code", "lifecycle"):
        if getattr(older, name) is None:
            setattr(older, name, getattr(younger, name))
    older.custom = {**younger.custom, **older.custom}
    older.tags += [tag for tag in younger.tags if tag not in older.tags]
    older.channels = {**younger.channels, **older.channels}
    for message in younger.messages:
        message.contact_id = older.id
    older.messages = sorted(older.messages + younger.messages, key=lambda message: message.id)
    older.comments += younger.comments
    if older.open_conversation is None and younger.open_conversation is not None:
        older.conversation, older.assignee = younger.conversation, younger.assignee


@serves("POST /contact/list")
def list_contacts(call: RequestContext) -> dict[str, Any]:
    workspace = call.workspace
    wanted = compile_request(call)
    contacts = workspace.contacts
    horizon = workspace.clock.now() - call.quirks.list_lag

    def keep(contact_id: int) -> bool:
        contact = contacts[contact_id]
        return contact.created <= horizon and (wanted is None or wanted(contact))

    return page(
        call,
        workspace.contact_ids,
        lambda each: render.contact(contacts[each], workspace),
        keep=keep,
    )


@serves("POST /contact/{identifier}/tag")
def add_tags(call: RequestContext) -> dict[str, Any]:
    names = _tag_names(call)
    contact = call.contact("tag")
    fresh = [name for name in names if name not in contact.tags]
    if len(fresh) < len(names) and not call.quirks.repeated_tag_is_silent:
        raise Problem(400, "Tag already added to the contact")
    call.workspace.ensure_tags(fresh)
    for name in fresh:
        contact.tags.append(name)
        call.workspace.emit("contact.tag.updated", contact, tag=name, action="add")
    return {"contactId": contact.id}


@serves("DELETE /contact/{identifier}/tag")
def delete_tags(call: RequestContext) -> dict[str, Any]:
    names = _tag_names(call)
    contact = call.contact("tag")
    for name in names:
        if name in contact.tags:
            contact.tags.remove(name)
            call.workspace.emit("contact.tag.updated", contact, tag=name, action="remove")
    return {"contactId": contact.id}


def _tag_names(call: RequestContext) -> list[str]:
    if not isinstance(call.body.value, list):
        raise Problem(400, "Validation error.")
    checked = [each.text(255) for each in call.body.items()]
    if not 1 <= len(checked) <= 10 or len(set(checked)) != len(checked):
        raise Problem(400, "Tags must be 1 to 10 unique strings")
    return checked


@serves("POST /contact/{identifier}/lifecycle/update")
def update_lifecycle(call: RequestContext) -> dict[str, Any]:
    contact = call.contact("lifecycle")
    body = call.object()
    if "name" not in body.value:
        raise body["name"].missing
    name = None if body["name"].value is None else body["name"].text(255)
    if (
        name is not None
        and call.quirks.fixed_lifecycle_stages
        and name not in call.workspace.lifecycle_stages
    ):
        raise not_found("Lifecycle stage")
    old, contact.lifecycle = contact.lifecycle, name
    if old != name:
        call.workspace.emit("contact.lifecycle.updated", contact, lifecycle=name, old_lifecycle=old)
    return {"code": 200, "message": "Lifecycle updated successfully"}


@serves("GET /contact/{identifier}/channels")
def list_channels(call: RequestContext) -> dict[str, Any]:
    channels = call.contact().channels
    return page(
        call, sorted(channels), lambda each: render.contact_channel(channels[each], call.workspace)
    )


@serves("GET /contact/{identifier}/channel/{channelId}")
def get_channel(call: RequestContext) -> dict[str, Any]:
    if not call.answers.contact_channel_operation:
        raise not_found("Route")
    link = call.find(call.contact().channels, "channelId", "Channel")
    return render.contact_channel(link, call.workspace)
