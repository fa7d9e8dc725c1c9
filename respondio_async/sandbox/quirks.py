"""What the sandbox does that a reader of the documentation would not expect, and the questions that
it leaves open.

Both are plain mutable objects: change an attribute while the sandbox runs and the next request sees
it.
"""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Answers", "Quirks"]

DeferredOperation = Literal[
    "tag", "comment", "assignee", "status", "lifecycle", "message", "update", "create_or_update"
]


@dataclass(slots=True, kw_only=True)
class Quirks:
    """Habits of the live server, on by default and each switchable."""

    not_ready_for: float = 0.5
    """Seconds after a create during which writes to the contact answer 449; minutes have been seen
    in production.
    """
    not_ready_tries: int = 0
    """Further writes to a new contact that answer 449, however much time has passed."""
    not_ready_operations: frozenset[DeferredOperation] = frozenset(
        {"tag", "comment", "assignee", "status"}
    )
    """Which writes answer 449: the four that document it."""
    list_lag: float = 25.0
    """Seconds until a new contact shows up in POST /contact/list; GET sees it at once."""
    drop_unknown_keys: bool = True
    """Unknown keys of a contact are dropped and answered 200; otherwise 400."""
    assign_on_closed_is_silent: bool = True
    """Assigning while the conversation is closed answers 200 and does nothing; otherwise 400."""
    repeated_tag_is_silent: bool = True
    """Adding a tag that is there answers 200 without an event; otherwise 400."""
    ignore_body_paging: bool = True
    """`limit` and `cursorId` in the body of a list are ignored; otherwise 400."""
    link_channel_on_send: bool = True
    """Naming a channel when sending gives the contact that channel.

    Otherwise a new contact can't be messaged at all.
    """
    channel_on_create: bool = False
    """A new contact has the workspace's first channel at once."""
    sending_opens: bool = False
    """An outgoing message opens the conversation."""
    next_cursor: Literal[
        "url_without_version", "url", "odd_path", "relative", "integer", "string"
    ] = "url_without_version"
    """How `pagination.next` is written; the documentation's examples leave out /v2."""
    last_page: Literal["null", "empty", "missing", "no_pagination"] = "null"
    """How the last page says so."""
    filter_after_paging: bool = False
    """A filtered list cuts the page first and filters it then: short and empty pages with a
    `next`.
    """
    rate_limit_headers: bool = True
    """X-RateLimit-Limit and X-RateLimit-Remaining on every counted answer."""
    retry_after: Literal["seconds", "date", "missing"] = "seconds"
    """The form of Retry-After on a 429."""
    values_as_strings: bool = True
    """Custom field values are read back as strings, whatever their type."""
    no_custom_fields: Literal["null", "empty"] = "null"
    """What `custom_fields` is for a contact without any."""
    no_assignee: Literal["null", "empty"] = "null"
    """What `assignee` is without one: null or {}."""
    channel_meta: Literal["object", "string", "null"] = "object"
    """The form of a contact channel's `meta`."""
    template_components: Literal["array", "string"] = "array"
    """The form of a template's `components`."""
    allowed_values: Literal["array", "object"] = "array"
    """The form of a list field's `allowedValues`: an array, or {"listValues": [...]}."""
    fixed_lifecycle_stages: bool = False
    """Only the workspace's own stages are accepted; otherwise any name."""
    team: Literal["object", "text"] = "object"
    """The form of a user's `team`: {id, name}, or its name."""
    attachment_keys: Literal["documented", "recorded"] = "documented"
    """What a file's keys are called: fileName and mime, or name and mimeType."""
    lifecycle_in_events: Literal["name", "object"] = "name"
    """The form of `lifecycle` and `oldLifecycle` in an event: a name, or {id, name}."""
    contact_has_username: bool = False
    """Contacts have a `username`, a key that the documentation does not name."""
    tag_has_created_at: bool = False
    """A workspace tag has a `createdAt`."""
    webhook_contact_lacks: frozenset[str] = frozenset({"tags", "custom_fields"})
    """What the contact in a webhook's body goes without."""
    webhook_no_assignee: Literal["null", "empty", "nulls"] = "empty"
    """What `assignee` is in a webhook's body without one: null, {}, or an object of nulls."""
    webhook_sender: Literal["message.sender", "user", "sender", "message.source", "source"] = (
        "message.sender"
    )
    """Where the body of a `message.sent` tells who sent it: five places have been seen.

    `user` stands for people alone.
    """
    named_errors: bool = False
    """Every error has a `status`, the error's name, as a 401 always does."""
    reply_window: float | None = 86_400.0
    """Seconds after a customer's last message in which WhatsApp, Facebook and Instagram deliver
    free text; later it fails at the channel, except for templates, and for message tags on the
    latter two. Counted for customers that have written while the sandbox ran. None: the window
    never closes.
    """
    plan_forbids_api: bool = False
    """Answer every request with the JSON 403 of a plan below the one that includes the API."""

    @classmethod
    def calm(cls) -> "Quirks":
        """No waiting: a new contact is ready and listed at once.

        The silent effects and the odd shapes stay.
        """
        return cls(not_ready_for=0.0, list_lag=0.0)


@dataclass(slots=True, kw_only=True)
class Answers:
    """One answer to each question that the documentation leaves open; a client must survive them
    all.
    """

    create_or_update_returns_id: bool = True
    """False: a fresh create answers {code, message} without an id (an update always gives it)."""
    create_or_update_needs_first_name: bool = False
    create_status: Literal[200, 201] = 200
    create_on_existing: Literal[400, 409] = 400
    put_null: Literal["clears", "ignored"] = "clears"
    """What null does in an update."""
    custom_field_name: Literal["name", "slug", "either"] = "either"
    """What names a custom field in a write and in a filter."""
    deleting_what_is_gone: Literal[404, 400] = 404
    """The status for deleting a contact that is not there."""
    not_ready_retry_after: int | None = None
    """Retry-After of a 449; None: no such header."""
    template_text_required: bool = False
    """The body component of a template message needs the template's text."""
    contact_channel_operation: bool = True
    """GET /contact/{identifier}/channel/{channelId} exists; otherwise 404."""
    conversation_times: Literal["seconds", "milliseconds"] = "seconds"
    """The unit of lastMessageTime and its like."""
    custom_field_path: Literal["custom_field", "contact_field", "either"] = "custom_field"
    """Where custom fields are found below /space."""
    template_path: Literal["template", "mtm", "either"] = "either"
    """Where a channel's templates are found below /space/channel/{id}."""
    filter_bounds: Literal["inclusive", "exclusive", "half_open"] = "inclusive"
    """Whether a timestamp filter includes the minutes that it names; half_open includes the first
    and not the last.
    """
    newer_messages_continue_in: Literal["next", "previous"] = "next"
    """Which key holds the cursor of still newer messages when paging with a negative cursor."""
    tag_shape: Literal["bare", "wrapped"] = "bare"
    """A workspace tag comes as itself, or as {code, message: {tag}}."""
    deleted_tag_has_code: bool = True
    comment_has_contact_id: bool = True
