"""The vendor's limits, in requests per second, counted per organisation: the one table that engine,
limiters, sandbox and command line read.

A key names a bucket: one operation ("GET /space/user"), or several that the vendor counts together
("POST|PUT|DELETE /contact/{identifier}"). An operation in no bucket has one of its own, with
`UNLISTED_LIMIT`.

Source: the vendor's "Rate limit" page.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["DEFAULT_LIMITS", "UNLISTED_LIMIT", "bucket_of"]

UNLISTED_LIMIT: Final = 5.0
"""What a route gets that the vendor's table does not name, until a header says otherwise: the
table's most common figure.
"""

DEFAULT_LIMITS: Final[Mapping[str, float]] = MappingProxyType(
    {
        # The twenty rows of the vendor's "Rate limit" page. Operations joined by | share one row.
        "POST /contact/{identifier}/message": 10.0,
        "GET /contact/{identifier}/message/{messageId}": 15.0,
        "POST /contact/{identifier}/comment": 10.0,
        "GET /contact/{identifier}": 10.0,
        "POST|PUT|DELETE /contact/{identifier}": 5.0,
        "POST /contact/merge": 5.0,
        "POST /contact/create_or_update/{identifier}": 5.0,
        "POST /contact/list": 5.0,
        "POST|DELETE /contact/{identifier}/tag": 5.0,
        "GET /contact/{identifier}/channels": 5.0,
        "GET /contact/{identifier}/channel/{channelId}": 10.0,
        "POST /contact/{identifier}/conversation/assignee": 5.0,
        "POST /contact/{identifier}/conversation/status": 5.0,
        "GET /space/channel": 5.0,
        "GET /space/closing_notes": 5.0,
        "GET /space/user": 5.0,
        "GET /space/user/{id}": 10.0,
        # The table says /space/contact_field; every official client calls /space/custom_field. One
        # bucket either way.
        "POST /space/custom_field": 5.0,
        "GET /space/custom_field/{id}": 10.0,
        "GET /space/custom_field": 5.0,
        # Outside the table.
        "GET /contact/{identifier}/message/list": UNLISTED_LIMIT,
        "POST /contact/{identifier}/lifecycle/update": UNLISTED_LIMIT,
        "GET /space/channel/{id}/template": UNLISTED_LIMIT,
        "GET /space/mtm/{id}": UNLISTED_LIMIT,
        "POST|PUT|DELETE /space/tag": UNLISTED_LIMIT,
    }
)
"""Every route of the client and its limit."""

_BUCKETS: Final[dict[str, str]] = {
    f"{method} {bucket.partition(' ')[2]}": bucket
    for bucket in DEFAULT_LIMITS
    for method in bucket.partition(" ")[0].split("|")
}


def bucket_of(template: str) -> str:
    """Return the bucket that counts an operation: "PUT /contact/{identifier}" is counted in
    "POST|PUT|DELETE /contact/{identifier}".
    """
    return _BUCKETS.get(template, template)
