"""What the API would refuse, refused here: before any permit is spent, and by the argument's name,
never its value.

Lengths are counted in characters. Sources: the vendor's pages of the operations named.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from respondio_async._values import check_id, check_text, digits_as_id
from respondio_async.errors import InvalidArgumentError

_SLUG: Final = re.compile(r"[A-Za-z0-9_]{1,50}")
_MOST_TAGS: Final = 10


def is_given(value: object) -> bool:
    """Whether an optional text is given; the vendor's n8n node sends "" for one that is not."""
    return not (value is None or value == "")


def check_channel_id(value: object) -> int:
    """Return the id of a channel as an int; digits are taken too, as the vendor's clients hold
    them.
    """
    return check_id(digits_as_id(value), "channel_id")


def check_tags(tags: Iterable[object]) -> list[str]:
    """Return 1 to 10 different tags of at most 255 characters, as "Add tags" takes them."""
    tags = tags if isinstance(tags, str) else list(tags)
    if any(isinstance(tag, list | tuple | set | frozenset | dict) for tag in tags):
        raise InvalidArgumentError("tags are single texts: spread a list with *", argument="tags")
    texts = _different_texts(tags, "tags", longest=255)
    if not 1 <= len(texts) <= _MOST_TAGS:
        raise InvalidArgumentError(f"tags are {len(texts)}, not 1 to {_MOST_TAGS}", argument="tags")
    return texts


def _different_texts(
    values: Iterable[object], argument: str, *, longest: int | None = None
) -> list[str]:
    if isinstance(values, str):
        raise InvalidArgumentError(
            f"{argument} is one text: its letters would become the values", argument=argument
        )
    texts = [check_text(value, argument, longest=longest) for value in values]
    if len(set(texts)) != len(texts):
        raise InvalidArgumentError(f"{argument} holds one value twice", argument=argument)
    return texts


def check_page_size(value: object, *, most: int) -> int:
    """Return the size of a page: 1 to *most* (100; 50 for messages)."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise InvalidArgumentError(f"page_size is an int from 1 to {most}", argument="page_size")
    return int(value)


def check_closing_note(category: str | None, summary: str | None) -> dict[str, str]:
    """Return what "Close a conversation" takes beside the status: a category ≤ 128 and, only with
    it, a summary ≤ 512. None and "" are not sent.
    """
    note: dict[str, str] = {}
    if is_given(category):
        note["category"] = check_text(category, "category", longest=128)
    if is_given(summary):
        if not note:
            raise InvalidArgumentError(
                "a summary is taken only together with a category", argument="summary"
            )
        note["summary"] = check_text(summary, "summary", longest=512)
    return note


def check_slug(slug: object) -> str | None:
    """Return the slug of a new custom field: at most 50 letters, digits and underscores of ASCII;
    None and "" leave it to the server.
    """
    if not is_given(slug):
        return None
    if not isinstance(slug, str) or not _SLUG.fullmatch(slug):
        raise InvalidArgumentError("slug is 1 to 50 of A-Z, a-z, 0-9 and _", argument="slug")
    return slug


def check_allowed_values(values: Sequence[str] | None, data_type: str) -> list[str] | None:
    """Return the choices of a new custom field of type "list"; no other type has any. None and an
    empty list are not sent.
    """
    if values is None or values in ([], ()):
        return None
    if data_type != "list":
        raise InvalidArgumentError(
            'only a field of data_type "list" has allowed values', argument="allowed_values"
        )
    return _different_texts(values, "allowed_values")


def check_assignee(user: object) -> int | str:
    """Return whom to assign: a user's id as an int (digits are taken too), or the user's e-mail
    address, which is never digits alone.
    """
    user = digits_as_id(user)
    if isinstance(user, str):
        local, at, domain = user.partition("@")
        if not (at and local and domain) or "@" in domain or " " in user or not user.isprintable():
            raise InvalidArgumentError(
                "user is neither a user's id (an int) nor an e-mail address",
                argument="user",
            )
        return user
    return check_id(user, "user")


def check_stage(stage: object) -> str | None:
    """Return the name of a lifecycle stage; None and "" clear it."""
    return check_text(stage, "stage") if is_given(stage) else None


def check_ids_differ(first_id: object, second_id: object) -> list[int]:
    """Return the ids of two contacts to merge: ints, and not the same one twice."""
    first, second = check_id(first_id, "first_id"), check_id(second_id, "second_id")
    if first == second:
        raise InvalidArgumentError("a contact cannot be merged with itself", argument="second_id")
    return [first, second]
