"""What somebody without a key can send costs linear, bounded time."""

import json
from collections.abc import Iterable
from typing import Any, Final

import pytest

from respondio_async.webhooks import WebhookSignatureError, _signature, parse, sign, verify
from respondio_async.webhooks._json import deeper_than
from respondio_async.webhooks._signature import MAX_BODY
from respondio_async.webhooks._stringify import compact_forms
from tests.growth import assert_linear

FORGED: Final = "A" * 43 + "="
SHAPES: Final[dict[str, tuple[bytes, bytes, bytes]]] = {
    "quotes": (b"", b'"', b""),
    "half escapes": (b"", b'"\\', b""),
    "escapes in a text": (b'{"a":"', b"\\\\", b'"}'),
    "escaped quotes": (b'{"a":"', b'\\"', b'"}'),
    "backslashes": (b"", b"\\", b""),
    "escaped quotes, never closed": (b"", b'"\\"', b""),
    "unicode escapes": (b'{"a":"', b"\\u00e9", b'"}'),
    "lone surrogates": (b'{"a":"', b"\\ud800", b'"}'),
    "half a unicode escape": (b'"', b"\\u00", b""),
    "brackets": (b"", b"[", b""),
    "closing brackets": (b"", b"]", b""),
    "brackets and quotes": (b"", b'["', b""),
    "deep objects": (b"", b'{"a":', b""),
    "empty arrays": (b'{"a":[', b"[],", b"[]]}"),
    "empty objects": (b'{"a":[', b"{},", b"{}]}"),
    "empty texts": (b'{"a":[', b'"",', b'""]}'),
    "repeated keys": (b"{", b'"k":0,', b'"z":0}'),
    "keys that look like indices": (b'{"a":[', b'{"7":1,"3":2},', b"0]}"),
    "minus one": (b"[", b"-1,", b"0]"),
    "floats": (b"[", b"0.1,", b"0]"),
    "exponents": (b"[", b"1e-6,", b"0]"),
    "one long number": (b"[", b"9", b"]"),
    "one long fraction": (b"[0.", b"9", b"]"),
    "spaces": (b"{", b" ", b"}"),
    "commas": (b"", b",", b""),
    "mixed": (b"", b'{"\\\\":[1e5,"\\"{",-0.5,[]],', b""),
    "no text at all": (b"", b"\xff\xfe", b""),
    "controls": (b'"', b"\x00", b'"'),
}


def shaped(name: str, size: int) -> bytes:
    """Return *size* bytes, about, of one shape."""
    begin, unit, end = SHAPES[name]
    return begin + unit * ((size - len(begin) - len(end)) // len(unit)) + end


def forge(body: bytes) -> None:
    """Verify a body that nobody signed."""
    with pytest.raises(WebhookSignatureError):
        verify(body, FORGED, "a key", "another")


@pytest.mark.parametrize("name", SHAPES)
def test_a_forged_body_costs_linear_time(name: str) -> None:
    """Whatever its shape, eight times the bytes cost about eight times the time: where its signed
    form is looked for, and beyond.
    """
    for size in (32_000, 800 * 1024):
        assert_linear(forge, lambda size: shaped(name, size), size)


@pytest.mark.parametrize("name", SHAPES)
def test_looking_at_depth_costs_linear_time(name: str) -> None:
    """The nesting of any text is found in one pass, however it is bounded."""
    assert_linear(
        lambda body: deeper_than(len(body), body), lambda size: shaped(name, size), 200 * 1024
    )


def test_a_large_forged_body_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond 32 KiB no signed form is looked for: a stranger gets a hash and nothing more."""
    looked: list[int] = []

    def spy(body: bytes) -> Iterable[bytes]:
        looked.append(len(body))
        return compact_forms(body)

    monkeypatch.setattr(_signature, "compact_forms", spy)
    for size in (1000, 32 * 1024, 33 * 1024, 256 * 1024, MAX_BODY):
        forge(shaped("minus one", size))
    assert looked == [pytest.approx(1000, abs=3), pytest.approx(32 * 1024, abs=3)]


def test_the_longest_message_is_recognised_when_rewritten() -> None:
    """4,096 characters, each written as an escape on the way, are within what is looked at."""
    event: dict[str, Any] = {"event_type": "message.received", "message": {"text": "日" * 4096}}
    signed = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
    assert verify(json.dumps(event, indent=2).encode(), sign(signed, "key"), "key") == signed


@pytest.mark.parametrize(
    ("body", "depth"),
    [
        (b"", 0),
        (b"[]", 1),
        (b'{"a":[{}]}', 3),
        (b'{"[[[":"{{{"}', 1),
        (b'["\\"[[[",[]]', 2),
        (b'["\\\\",[[]]]', 3),
        (b'["\\\\\\"[[[[[",[]]', 2),
        (b'["a\\\\\\\\",[["\\\\\\\\"]]]', 3),
        (b'[[],[],{"a":{}},[]]', 3),
        ('["é[[",[]]'.encode(), 2),
    ],
)
def test_depth(body: bytes, depth: int) -> None:
    """Depth is that of arrays and objects; what stands in texts and names does not count."""
    assert deeper_than(depth - 1, body) == (depth > 0)
    assert not deeper_than(depth, body)


@pytest.mark.parametrize(
    ("arrived", "signed"),
    [
        (b'{"event_id": "1", "event_id": "2"}', b'{"event_id":"2"}'),
        (b'{"contact":{"id":9007199254740993}}', b'{"contact":{"id":9007199254740992}}'),
        (b'{"value":1e400}', b'{"value":null}'),
        (b'{"value":0.30000000000000001}', b'{"value":0.3}'),
        (b'{"event_id":"1"}', b'{"event_id":"1"}'),
    ],
)
def test_what_is_acted_on_is_what_was_signed(arrived: bytes, signed: bytes) -> None:
    """`verify` returns the signed bytes, and `parse` of them holds nothing that was not signed."""
    returned = verify(arrived, sign(signed, "key"), "key")
    assert returned == signed
    assert dict(parse(returned).raw) == json.loads(signed)


@pytest.mark.parametrize("key", ["key", " key", "key\n", "\tkey \r\n", "\u00a0key"])
def test_white_space_around_a_key_is_removed(key: str) -> None:
    """A key that was read from a file or pasted is the key, on either side."""
    assert verify(b"{}", sign(b"{}", "key"), key) == b"{}"
    assert verify(b"{}", sign(b"{}", key), "another\n", "key") == b"{}"
