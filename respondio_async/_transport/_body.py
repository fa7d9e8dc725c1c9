"""Reads an answer: whole, decoded, and never more than a bound."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from typing import Final

from ._failures import too_large, torn
from ._inflate import Inflation, UnreadableCodingError
from ._ports import Answer, RawHeaders

MAX_ANSWER: Final = 32 * 1024 * 1024
"""Bytes of one answer: those that arrive, and all that they become when their codings are undone; a
page of 100 contacts is about 100 KB.
"""
_YIELD_AFTER: Final = 1024 * 1024
"""Bytes inflated before other tasks, and the timeout of this one, have their turn."""


async def read_content(
    status: int, raw_headers: Iterable[tuple[bytes, bytes]], chunks: AsyncIterable[bytes] | bytes
) -> Answer:
    """Read an answer from its raw *chunks*, bytes when all is there. Raises `SendError` "too_large"
    or "torn".
    """
    headers, codings = _read_head(raw_headers, status)
    try:
        return Answer(status, headers, await _read_body(chunks, codings, status))
    except UnreadableCodingError:
        raise torn(status) from None


def _read_head(
    raw_headers: Iterable[tuple[bytes, bytes]], status: int
) -> tuple[RawHeaders, list[bytes]]:
    """Return the headers, names in lower case, and the content codings in the order applied."""
    headers: RawHeaders = []
    codings: list[bytes] = []
    for name, value in raw_headers:
        lower = name.lower()
        headers.append((lower, value))
        if lower == b"content-encoding":
            codings += value.lower().replace(b" ", b"").replace(b"\t", b"").split(b",")
        elif lower == b"content-length" and value.isdigit() and int(value) > MAX_ANSWER:
            raise too_large(MAX_ANSWER, status)
    return headers, [coding for coding in codings if coding not in (b"", b"identity")]


async def _read_body(
    chunks: AsyncIterable[bytes] | bytes, codings: list[bytes], status: int
) -> bytes:
    left = limit = MAX_ANSWER

    def charge(size: int) -> None:
        nonlocal left
        left -= size
        if left < 0:
            raise too_large(limit, status)

    if isinstance(chunks, bytes):
        if not codings:
            charge(len(chunks))
            return chunks
        chunks = _single(chunks)
    parts: list[bytes] = []
    inflation = Inflation(codings, charge)
    yielded_at = left
    async for chunk in chunks:
        charge(len(chunk))
        for piece in inflation.feed(chunk):
            parts.append(piece)
            if yielded_at - left > _YIELD_AFTER:
                yielded_at = left
                await asyncio.sleep(0)
    inflation.finish()
    return b"".join(parts)


async def _single(content: bytes) -> AsyncGenerator[bytes]:
    yield content
