"""Reads an answer: whole, decoded, and never more than a bound."""

import zlib
from collections.abc import AsyncGenerator
from typing import Any, Final, cast

from ._failures import too_large, torn
from ._seam import Answer, RawHeaders

MAX_ANSWER: Final = 32 * 1024 * 1024
"""Bytes of one answer after decoding; a page of 100 contacts is about 100 KB."""


async def read_answer(response: Any) -> Answer:
    """Read *response* (of httpx or httpx2, not yet read) and close it. Raises `SendError`
    "too_large" or "torn".

    The library's own reading runs the body through more generators and lets a compressed one grow a
    thousandfold at once.
    """
    limit = MAX_ANSWER
    status: int = response.status_code
    headers: RawHeaders = []
    encoding = b""
    for name, value in response.headers.raw:
        lower = name.lower()
        headers.append((lower, value))
        if lower == b"content-encoding":
            encoding = value.strip().lower()
        elif lower == b"content-length" and value.isdigit() and int(value) > limit:
            await response.aclose()
            raise too_large(limit, status)
    if not encoding or encoding == b"identity":
        source = response.stream
    elif encoding in (b"gzip", b"x-gzip"):
        source = _gunzip(response, limit)
    else:  # one that was not asked for
        source = response.aiter_bytes()
    parts: list[bytes] = []
    size = 0
    chunks = cast("AsyncGenerator[bytes]", source.__aiter__())
    async for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size > limit:
            await chunks.aclose()
            await response.aclose()
            raise too_large(limit, status)
    await response.stream.aclose()
    return Answer(status, headers, parts[0] if len(parts) == 1 else b"".join(parts))


async def _gunzip(response: Any, limit: int) -> AsyncGenerator[bytes]:
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 16)
    begun = False
    try:
        async for chunk in response.stream:
            begun = True
            yield decoder.decompress(chunk, limit + 1)
        if begun and not decoder.eof:
            raise torn(response.status_code)
    except zlib.error:
        raise torn(response.status_code) from None
