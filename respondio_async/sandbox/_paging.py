"""Pages: cut a list at a cursor, and write the next cursor in one of the shapes that were seen."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from ._call import NUMBER, Problem, RequestContext, RequestValue, as_object

_VENDOR = "https://api.respond.io"


def page(
    call: RequestContext,
    ids: Sequence[int],
    render: Callable[[int], Any],
    *,
    keep: Callable[[int], bool] = lambda _: True,
    largest: int = 100,
    newest_first: bool = False,
) -> dict[str, Any]:
    """Answer one page of *ids* (ascending).

    A cursor is the id of the last item seen; a negative one walks the other way from that item.
    """
    limit, cursor = _arguments(call, largest)
    backwards = cursor is not None and cursor < 0
    walk = _walk(ids, cursor, descending=newest_first != backwards)
    is_late = call.quirks.filter_after_paging
    chosen = list(islice(walk if is_late else filter(keep, walk), limit + 1))
    shown = [render(one) for one in chosen[:limit] if not is_late or keep(one)]
    onward = chosen[limit - 1] if len(chosen) > limit else None
    back = chosen[0] if cursor is not None and chosen else None
    following = _cursor(call, onward, limit, negative=backwards)
    preceding = _cursor(call, back, limit, negative=not backwards)
    if backwards and call.answers.newer_messages_continue_in == "previous":
        following, preceding = preceding, following
    return {"items": shown, **_pagination(call, following, preceding)}


def _arguments(call: RequestContext, largest: int) -> tuple[int, int | None]:
    if not call.quirks.ignore_body_paging:
        for name in ("limit", "cursorId"):
            if name in (as_object(call.body.value) or ()):
                raise Problem(400, f"{name} belongs in the query")
    limit = call.arrival.query.get("limit", "10")
    if not NUMBER.fullmatch(limit) or not 1 <= int(limit) <= largest:
        raise RequestValue(limit, "limit").invalid
    cursor = call.arrival.query.get("cursorId", "")
    if cursor and not NUMBER.fullmatch(cursor.removeprefix("-")):
        raise RequestValue(cursor, "cursorId").invalid
    return int(limit), (int(cursor) or None) if cursor else None


def _walk(ids: Sequence[int], cursor: int | None, *, descending: bool) -> Iterator[int]:
    start = 0 if cursor is None else bisect_right(ids, abs(cursor))
    end = len(ids) if cursor is None else bisect_left(ids, abs(cursor))
    places = range(end - 1, -1, -1) if descending else range(start, len(ids))
    return (ids[place] for place in places)


def _cursor(
    call: RequestContext, item: int | None, limit: int, *, negative: bool
) -> str | int | None:
    if item is None:
        return None
    cursor = -item if negative else item
    query = urlencode({"cursorId": cursor, "limit": limit})
    path = call.arrival.path
    written: dict[str, str | int] = {
        "integer": cursor,
        "string": str(cursor),
        "relative": f"{path}?{query}",
        "odd_path": f"{_VENDOR}/api/something/else?foo=bar&{query}",
        "url": f"{_VENDOR}/v2{path}?{query}",
        "url_without_version": f"{_VENDOR}{path}?{query}",
    }
    return written[call.quirks.next_cursor]


def _pagination(
    call: RequestContext, following: str | int | None, preceding: str | int | None
) -> dict[str, Any]:
    style = call.quirks.last_page
    if following is None and style == "no_pagination":
        return {}
    pagination: dict[str, Any] = {}
    for name, cursor in (("next", following), ("previous", preceding)):
        if cursor is not None:
            pagination[name] = cursor
        elif style != "missing":
            pagination[name] = "" if style == "empty" else None
    return {"pagination": pagination}
