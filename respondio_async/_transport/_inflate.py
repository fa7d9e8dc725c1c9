"""Undoes the content codings of an answer in bounded pieces.

One place for every backend: the HTTP libraries hand over raw bytes. They would undo what was not
asked for as well (chains, brotli, zstandard), and let one network read grow a thousandfold at once.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final

_KNOWN: Final = frozenset((b"gzip", b"x-gzip", b"deflate"))
_MOST_CODINGS: Final = 3
_SLICE: Final = 16 * 1024
"""Bytes given to zlib at once: it copies what it leaves over, at the end of each piece and member.
"""
_PIECE: Final = 64 * 1024
"""Bytes taken from zlib at once."""
_MEMBER: Final = 1024
"""Bytes that the beginning of a gzip member counts for, so that empty members have a bound too."""


class UnreadableCodingError(Exception):
    """The content does not follow its codings, or has one that was not asked for."""


class Inflation:
    """Undoes a chain of codings, the last one applied first. *charge* is told of every byte.

    Known are gzip, of one member or several (RFC 1952, section 2.2), and zlib's deflate.
    """

    def __init__(self, codings: list[bytes], charge: Callable[[int], None]) -> None:
        if len(codings) > _MOST_CODINGS or not _KNOWN.issuperset(codings):
            raise UnreadableCodingError
        self._stages = [_Stage(charge) for _ in codings]

    def feed(self, content: bytes) -> Iterator[bytes]:
        """Yield what *content* holds, in pieces; what *charge* raises comes through."""
        pieces: Iterable[bytes] = (content,)
        for stage in self._stages:
            pieces = stage.feed(pieces)
        return iter(pieces)

    def finish(self) -> None:
        """Raise `UnreadableCodingError` when something is missing at the end."""
        if any(stage.is_within for stage in self._stages):
            raise UnreadableCodingError


class _Stage:
    """One coding."""

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
            try:
                piece = self._decoder.decompress(rest, _PIECE)
            except zlib.error:
                raise UnreadableCodingError from None
            self.is_within = not self._decoder.eof
            if piece:
                self._charge(len(piece))
                yield piece
            rest = self._decoder.unconsumed_tail if self.is_within else self._decoder.unused_data
            # A full piece may have left more inside, though all input is taken.
            more = bool(rest) or (self.is_within and len(piece) == _PIECE)
