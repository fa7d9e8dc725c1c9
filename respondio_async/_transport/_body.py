"""Reads an answer: whole, decoded, and never more than a bound.

Content codings are undone here for every backend, in bounded pieces: the HTTP libraries hand over
raw bytes. They would undo what was not asked for as well (chains, brotli, zstandard), and let one
network read grow a thousandfold at once.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator
from typing import Final

from ._failures import too_large, torn
from ._ports import Answer, RawHeaders

MAX_ANSWER: Final = 32 * 1024 * 1024
"""Bytes of one answer: those that arrive, and all that they become when their codings are undone; a
page of 100 contacts is about 100 KB.
"""
_YIELD_AFTER: Final = 1024 * 1024
"""Bytes inflated before other tasks, and the timeout of this one, have their turn."""

_KNOWN: Final = frozenset((b"gzip", b"x-gzip", b"deflate"))
_MOST_CODINGS: Final = 3
_SLICE: Final = 16 * 1024
"""Bytes given to zlib at once: it copies what it leaves over, at the end of each piece and member.
"""
_PIECE: Final = 64 * 1024
"""Bytes taken from zlib at once."""
_MEMBER: Final = 1024
"""Bytes that the beginning of a gzip member counts for, so that empty members have a bound too."""


async def read_content(
    status: int, raw_headers: Iterable[tuple[bytes, bytes]], chunks: AsyncIterable[bytes] | bytes
) -> Answer:
    """Read an answer from its raw *chunks*, bytes when all is there. Raises `SendError` "too_large"
    or "torn".
    """
    headers, codings = _read_head(raw_headers, status)
    if len(codings) > _MOST_CODINGS or not _KNOWN.issuperset(codings):
        raise torn(status)
    try:
        return Answer(status, headers, await _read_body(chunks, codings, status))
    except zlib.error:
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
    stages = [_Stage(charge) for _ in codings]
    parts: list[bytes] = []
    yielded_at = left
    async for chunk in chunks:
        charge(len(chunk))
        pieces: Iterable[bytes] = (chunk,)
        for stage in stages:
            pieces = stage.feed(pieces)
        for piece in pieces:
            parts.append(piece)
            if yielded_at - left > _YIELD_AFTER:
                yielded_at = left
                await asyncio.sleep(0)
    if any(stage.is_within for stage in stages):
        raise torn(status)
    return b"".join(parts)


async def _single(content: bytes) -> AsyncGenerator[bytes]:
    yield content


class _Stage:
    """Undoes one coding: gzip, of one member or several (RFC 1952, section 2.2), or zlib's deflate.
    *charge* is told of every byte that comes out.
    """

    def __init__(self, charge: Callable[[int], None]) -> None:
        self._charge = charge
        self._decoder = zlib.decompressobj()
        self.is_within = False
        """Within a member: more of it has to come."""

    def feed(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            for start in range(0, len(piece), _SLICE):
                yield from self._undo(piece[start : start + _SLICE])

    def _undo(self, rest: bytes) -> Iterator[bytes]:
        more = bool(rest)
        while more:
            if not self.is_within:
                self._charge(_MEMBER)
                # 32: gzip or zlib, whichever the first bytes say.
                self._decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
            piece = self._decoder.decompress(rest, _PIECE)
            self.is_within = not self._decoder.eof
            if piece:
                self._charge(len(piece))
                yield piece
            rest = self._decoder.unconsumed_tail if self.is_within else self._decoder.unused_data
            # A full piece may have left more inside, though all input is taken.
            more = bool(rest) or (self.is_within and len(piece) == _PIECE)
