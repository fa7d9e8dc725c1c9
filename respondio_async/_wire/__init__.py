"""Bytes out and bytes in: targets, bodies, headers, answers.

Knows nothing of connections, limits or retries.
"""

from respondio_async._values import check_id, check_text, drop_none

from ._api_errors import api_error, is_missing
from ._arguments import (
    check_allowed_values,
    check_assignee,
    check_channel_id,
    check_closing_note,
    check_ids_differ,
    check_page_size,
    check_slug,
    check_stage,
    check_tags,
    contact_body,
    is_given,
)
from ._decode import Decoded, check_type, decode
from ._encode import build_target, encode_json
from ._headers import Facts, Headers, facts, http_date, request_id
from ._mask import mask

__all__ = [
    "Decoded",
    "Facts",
    "Headers",
    "api_error",
    "build_target",
    "check_allowed_values",
    "check_assignee",
    "check_channel_id",
    "check_closing_note",
    "check_id",
    "check_ids_differ",
    "check_page_size",
    "check_slug",
    "check_stage",
    "check_tags",
    "check_text",
    "check_type",
    "contact_body",
    "decode",
    "drop_none",
    "encode_json",
    "facts",
    "http_date",
    "is_given",
    "is_missing",
    "mask",
    "request_id",
]
