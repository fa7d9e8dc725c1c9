"""One POST over HTTP/1.1 and one connection: as much of a client as a webhook needs, and none of
the library's own.
"""

import asyncio
import re
import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

_MOST: Final = 65_536
"""Bytes of an answer that are read: only its status counts."""
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})\b")
_NO_ANSWER: Final = "no HTTP answer"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]{1,18})\r\n", re.IGNORECASE)


def check_url(url: str) -> SplitResult:
    """Take a webhook's URL apart; ValueError for what no request can be sent to."""
    parts = urlsplit(url)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or not url.isascii()
        or not url.isprintable()
        or " " in url
    ):
        raise ValueError("a webhook's url must be an http or https URL, percent-encoded")
    # Both raise for what is none: asyncio would, later.
    _ = parts.port, parts.hostname.encode("idna")
    return parts


async def post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """Send *body* and return the answer's status.

    Redirects are not followed. OSError when no connection can be made, and when what comes back is
    no HTTP answer.
    """
    parts = check_url(url)
    secure = parts.scheme == "https"
    reader, writer = await asyncio.open_connection(
        parts.hostname,
        parts.port or (443 if secure else 80),
        ssl=ssl.create_default_context() if secure else None,
    )
    try:
        lines = [
            f"POST {parts.path or '/'}{'?' + parts.query if parts.query else ''} HTTP/1.1",
            f"Host: {parts.netloc.rpartition('@')[2]}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "Connection: close",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()
        return await _read_status(reader)
    finally:
        writer.close()


async def _read_status(reader: asyncio.StreamReader) -> int:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            line = _STATUS_LINE.match(head)
            if line is None:
                raise ConnectionError(0, _NO_ANSWER)
            status = int(line[1])
            if status >= 200:  # 1xx answers precede the one that counts
                break
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        raise ConnectionError(0, _NO_ANSWER) from None
    if status not in (204, 304):
        await _skip_body(reader, head)
    return status


async def _skip_body(reader: asyncio.StreamReader, head: bytes) -> None:
    """Read to where the body ends: a connection that is cut while its answer is written is an error
    over there.
    """
    length = _LENGTH.search(head)
    left = min(int(length[1]), _MOST) if length is not None else _MOST
    while left > 0 and (chunk := await reader.read(left)):
        left -= len(chunk)
