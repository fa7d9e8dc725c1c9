"""Only who knows a key can have a body accepted, and nothing else than WebhookSignatureError comes
of trying.
"""

import json
import shutil
import struct
import subprocess
from random import Random
from typing import Any

import pytest

from respondio_async.errors import ConfigurationError, InvalidArgumentError
from respondio_async.webhooks import WebhookSignatureError, sign, verify
from respondio_async.webhooks._stringify import compact_forms, javascript


@pytest.mark.parametrize(
    ("key", "body", "signature"),
    [
        ("secret-key", b'{"some":"payload"}', "Bq1g+eoWPzyDxcVsyqSfJaTHxwAIVJPuJ/kAf+Ef0QA="),
        (
            "secret",
            b'{"event":"message","data":"test"}',
            "UtAE5LaeNjrL33PUEQfh69YKw7UhrrkOL9tQN0+xIrI=",
        ),
    ],
)
def test_known_vectors(key: str, body: bytes, signature: str) -> None:
    """The header is base64 of HMAC-SHA256 over the body."""
    assert sign(body, key) == signature
    verify(body, signature, key)
    verify(body, signature, "another", key, "a third")


@pytest.mark.parametrize("key", ["other", "secret key", "Secret-key"])
def test_another_key_is_refused(key: str) -> None:
    """A signature by another key is no signature."""
    with pytest.raises(WebhookSignatureError):
        verify(b'{"some":"payload"}', "Bq1g+eoWPzyDxcVsyqSfJaTHxwAIVJPuJ/kAf+Ef0QA=", key)


@pytest.mark.parametrize(
    "signature",
    [
        None, 5, b"Bq1g+eoWPzyDxcVsyqSfJaTHxwAIVJPuJ/kAf+Ef0QA=", "", " ", "=", "é" * 44,
            "\ud800" * 44, "a" * 44, "!" * 44, "a" * 100_000,
        "Bq1g+eoWPzyDxcVsyqSfJaTHxwAIVJPuJ/kAf+Ef0QA",
        "Bq1g+eoWPzyDxcVsyqSfJaTHxwAIVJPuJ/kAf+Ef0QB=", "\n" * 44,
    ],
)  # fmt: skip
def test_garbage_in_the_header_is_a_signature_error(signature: Any) -> None:
    """Whatever the header holds, the outcome is WebhookSignatureError, also with a body that is no
    JSON.
    """
    for body in (b'{"some":"payload"}', b"\xff\xfe", b"", b"[" * 5000):
        with pytest.raises(WebhookSignatureError):
            verify(body, signature, "secret-key")


@pytest.mark.parametrize(
    "keys", [(), ("",), (" ",), ("good", ""), (None,), (b"bytes",), (5,), ("\ud800",), (["list"],)]
)
def test_a_missing_key_is_a_mistake_of_the_caller(keys: Any) -> None:
    """An empty key would accept what anybody can sign."""
    with pytest.raises(ConfigurationError):
        verify(b"{}", "x" * 44, *keys)


@pytest.mark.parametrize("body", ["{}", None, {"a": 1}])
def test_a_parsed_body_is_a_mistake_of_the_caller(body: Any) -> None:
    """Only the bytes that arrived can be verified."""
    with pytest.raises((InvalidArgumentError, TypeError)):
        verify(body, "x" * 44, "key")


@pytest.mark.parametrize(
    "arrived",
    [
        '{ "a" : 1.0, "b": [ "\\u00e9\\/", 1e21, -0, 1E-7 ], "2": null, "c": true }',
        '{"a":1,"b":["é/",1000000000000000000000,0,0.0000001],"2":null,"c":true}',
        '{"a":9,"a":1,\n\t"b":["\\u00e9/",1e+21,-0.0,1e-07],"2":null,"c":true}',
    ],
)
def test_a_rewritten_body_is_recognised(arrived: str) -> None:
    """The signature over JSON.stringify of the parsed body counts, however the body was written on
    its way.
    """
    stringified = '{"2":null,"a":1,"b":["é/",1e+21,0,1e-7],"c":true}'.encode()
    verify(arrived.encode(), sign(stringified, "key"), "key")
    with pytest.raises(WebhookSignatureError):
        verify(arrived.replace("true", "false").encode(), sign(stringified, "key"), "key")


@pytest.mark.parametrize("ascii_only", [True, False])
def test_plain_compact_forms_count_too(ascii_only: bool) -> None:
    """A signer that keeps its numbers as they are written (1.0, large integers) is understood."""
    event = {"b": 1.0, "1": 2**70, "text": "né\U0001f600"}
    compact = json.dumps(event, separators=(",", ":"), ensure_ascii=ascii_only).encode()
    verify(json.dumps(event, indent=2).encode(), sign(compact, "key"), "key")


def test_bounds() -> None:
    """A body that is too large, or too deep to be written anew, is refused without being read."""
    body = b'{"a": 1}'
    with pytest.raises(WebhookSignatureError):
        verify(body, sign(body, "key"), "key", max_body=7)
    deep = b"[ " * 65 + b"]" * 65
    verify(deep, sign(deep, "key"), "key")
    with pytest.raises(WebhookSignatureError):
        verify(deep, sign(deep.replace(b" ", b""), "key"), "key")
    verify(deep[2:-1], sign(deep[2:-1].replace(b" ", b""), "key"), "key")


def test_brackets_in_texts_are_not_nesting() -> None:
    """Depth is that of objects and arrays, not of brackets in a text."""
    body = b'{"a": "' + b"[{" * 100 + b'\\"[[", "b": ' + b"[" * 10 + b"]" * 10 + b"}"
    verify(body, sign(json.dumps(json.loads(body), separators=(",", ":")).encode(), "key"), "key")


@pytest.mark.parametrize(
    "body", [b"", b"x", b"[NaN]", b"[Infinity]", b"\xff", b'{"a":', b'"\\ud800', b"[" * 100_000]
)
def test_what_is_no_json_has_no_other_form(body: bytes) -> None:
    """JSON.parse would throw, so there is nothing that could have been signed."""
    assert list(compact_forms(body)) == []


def test_javascript_numbers_against_a_real_engine() -> None:
    """Numbers, keys and texts are written exactly as JSON.stringify writes them."""
    node = shutil.which("node")
    if node is None:
        pytest.skip(
            "LOUD: node is not installed, so JSON.stringify was not compared with the real one"
        )
    random = Random(7)
    cases = [
        '{"b":1,"2":1,"1":2,"01":3,"4294967294":1,"4294967295":0,"0":{"9":1,"8":2},"":[[],{}]}',
        (
            '{"t":"\\u00e9\\ud83d\\ude00 \\ud83d x \\u2028\\u007f\\u0000\\u001f\\b\\f\\/ \\" '
            '\\\\","__proto__":1}'
        ),
        '["x",-0,-0.0,1e999,-1e999,5e-324,1e20,1e21,123456789012345678901,0.000001,0.0000001,0.00001234,1.5e300,null,true,false]',
    ]
    for _ in range(100):
        doubles = [struct.unpack("<d", random.randbytes(8))[0] for _ in range(20)]
        numbers = [repr(number) for number in doubles if abs(number) < float("inf")]
        numbers += [repr(random.uniform(-1, 1) * 10 ** random.randint(-10, 25)) for _ in range(20)]
        numbers += [str(random.getrandbits(random.randint(1, 90))) for _ in range(20)]
        cases.append(f"[{', '.join(numbers)}]")
    script = (
        'for (const l of require("fs").readFileSync(0,"utf8").split("\\n")) '
        "console.log(JSON.stringify(JSON.parse(l)))"
    )
    written = subprocess.run(
        [node, "-e", script], input="\n".join(cases).encode(), capture_output=True, check=True
    ).stdout
    assert [javascript(case.encode()) for case in cases] == written.splitlines()
