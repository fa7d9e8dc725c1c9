"""Conversations and comments."""

from typing import Any

from .._call import EMAIL, Problem, RequestContext, RequestValue, not_found
from .._routes import serves
from ..state import Comment, Contact, Conversation, User
from ..workspace import Workspace


@serves("POST /contact/{identifier}/conversation/assignee")
def assign(call: RequestContext) -> dict[str, Any]:
    body = call.object()
    if "assignee" not in body.value:
        raise body["assignee"].missing
    user = _user(call, body["assignee"])
    contact = call.contact("assignee")
    conversation = contact.open_conversation
    if conversation is None:
        if user is not None and not call.quirks.assign_on_closed_is_silent:
            raise Problem(400, "The conversation is closed")
        return {"contactId": contact.id}
    if contact.assignee is not user:
        contact.assignee = user
        conversation.assigned_at = int(call.workspace.clock.wall())
        call.workspace.emit("contact.assignee.updated", contact)
    return {"contactId": contact.id}


def _user(call: RequestContext, assignee: RequestValue) -> User | None:
    key: Any = assignee.value
    if key is None:
        return None
    # An id must be a JSON number: a numeric string is no email either.
    if (
        isinstance(key, bool)
        or not isinstance(key, int | str)
        or (isinstance(key, str) and not EMAIL.fullmatch(key))
    ):
        raise assignee.invalid
    user = call.workspace.find_user(key)
    if user is None:
        raise not_found("User")
    return user


@serves("POST /contact/{identifier}/conversation/status")
def set_status(call: RequestContext) -> dict[str, Any]:
    body = call.object()
    status = body["status"].choice(("open", "close"))
    category = body["category"].optional_text(128)
    summary = body["summary"].optional_text(512)
    if summary is not None and category is None:
        raise body["category"].missing
    contact = call.contact("status")
    if status == "open":
        open_conversation(call.workspace, contact, source="api")
    else:
        close_conversation(call.workspace, contact, category, summary, source="api")
    return {"contactId": contact.id}


def open_conversation(workspace: Workspace, contact: Contact, *, source: str) -> Conversation:
    """Open a closed conversation; nothing happens to an open one."""
    conversation = contact.open_conversation
    if conversation is None:
        conversation = contact.conversation = Conversation(int(workspace.clock.wall()), source)
        workspace.emit("conversation.opened", contact, conversation=conversation)
    return conversation


def close_conversation(
    workspace: Workspace,
    contact: Contact,
    category: str | None = None,
    summary: str | None = None,
    *,
    source: str,
) -> None:
    """Close an open conversation, which unassigns it; nothing happens to a closed one."""
    conversation = contact.open_conversation
    if conversation is None:
        return
    conversation.closed_at = int(workspace.clock.wall())
    conversation.closed_by = source
    conversation.closer = contact.assignee if source == "user" else None
    conversation.category, conversation.summary = category, summary
    contact.assignee = None
    workspace.emit("conversation.closed", contact, conversation=conversation)


@serves("POST /contact/{identifier}/comment")
def comment(call: RequestContext) -> dict[str, Any]:
    text = call.object()["text"]
    if text.value == "":
        raise text.missing
    if len(text.string()) > 1000:
        raise Problem(400, "Comment length must not be greater than 1000 characters")
    contact = call.contact("comment")
    made = Comment(text.value, int(call.workspace.clock.wall()))
    contact.comments.append(made)
    call.workspace.commented.append((contact.id, made))
    call.workspace.emit("comment.created", contact, comment=made)
    shown: dict[str, Any] = {"text": made.text, "created_at": made.created_at}
    return {"contactId": contact.id, **shown} if call.answers.comment_has_contact_id else shown
