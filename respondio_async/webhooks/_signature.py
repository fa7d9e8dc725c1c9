"""Who sent this? The check of `X-Webhook-Signature`, without any I/O.

The header is base64(HMAC-SHA256(signing key, body)). Every webhook of a workspace has a signing key
of its own (up to 35 of them), so several keys may be right for one URL. Source: the vendor's
"Webhooks" page.
"""

from binascii import b2a_base64
from collections.abc import Iterable
from functools import lru_cache
from hmac import HMAC, compare_digest, new
from typing import Any, Final

from respondio_async.errors import ConfigurationError, InvalidArgumentError, WebhookSignatureError

from ._json import MAX_BODY, MAX_DEPTH, deeper_than
from ._stringify import compact_forms

SIGNATURE_HEADER: Final = "X-Webhook-Signature"

_LENGTH: Final = 44
"""Characters of base64 for the 32 bytes of a SHA-256."""
_MAX_REWRITE: Final = 32 * 1024
"""Bytes up to which the signed form of a re-written body is looked for.

Events are a few kB. The longest text of a message is 4,096 characters, which is 24 kB when each is
written as an escape. Looking costs up to a microsecond a byte, so a forged body costs some 30
milliseconds at most, and a larger one no more than its hash.
"""


def verify(
    body: bytes, signature: str, *keys: str, max_body: int = MAX_BODY, max_depth: int = MAX_DEPTH
) -> bytes:
    """Return the bytes that were signed with one of *keys*: `event = parse(verify(…))`. Raise
    `WebhookSignatureError` when there are none.

    *body* is the request's body as it arrived, and usually what was signed. If it was re-written on
    the way (spaces, escapes, `1.0` for `1`), its compact serialisations are tried as well, up to a
    body of 32 KiB, and the one that was signed is returned. Read only what is returned: bodies that
    differ (in repeated names, in integers beyond 2**53, in numbers too large for a float) may have
    one compact form, so the body that arrived is not proved by it.

    White space around a key is removed. No key, or an empty one, is a `ConfigurationError`: it
    would accept what anybody can sign. The time taken does not tell how much of a signature was
    right, nor which key.
    """
    return authentic(body, signature, encode_keys(keys), max_body, max_depth)


def sign(body: bytes, key: str) -> str:
    """Sign *body* as respond.io does, for tests: the value of the `X-Webhook-Signature` header."""
    return _signature(encode_keys(key)[0], body).decode()


def encode_keys(keys: Iterable[str]) -> tuple[HMAC, ...]:
    """Check signing keys, and bring them into the form that `authentic` takes.

    An HMAC begins by hashing its key; that is done here, once, and each body goes on from a copy: a
    third less for a body of 1 kB.
    """
    try:
        return _encoded((keys,) if isinstance(keys, str) else tuple(keys))
    except (AttributeError, TypeError, ValueError):  # no text, none that has bytes, or none at all
        raise ConfigurationError(
            "give the webhook's signing key (respond.io: Settings > Integrations > Webhooks) as a "
            "str"
        ) from None


@lru_cache(maxsize=64)  # verify() is handed the same few keys for each event
def _encoded(keys: tuple[str, ...]) -> tuple[HMAC, ...]:
    stripped = [key.strip() for key in keys]  # a key read from a file ends with a newline
    if not all(stripped) or not stripped:
        raise ValueError("there is a key that is empty, or no key")
    return tuple([new(key.encode(), digestmod="sha256") for key in stripped])


def authentic(
    body: bytes,
    signature: Any,
    keys: tuple[HMAC, ...],
    max_body: int = MAX_BODY,
    max_depth: int = MAX_DEPTH,
) -> bytes:
    """Do what `verify` does, for keys that `encode_keys` has checked."""
    size = len(body)
    if size > max_body:
        raise WebhookSignatureError(f"the webhook body is larger than {max_body} bytes")
    try:
        given = signature.encode("ascii")
    except (AttributeError, UnicodeEncodeError):
        raise WebhookSignatureError("the webhook signature is missing or malformed") from None
    found = False
    try:
        for key in keys:  # all of them, always: stopping at the right one would tell which it is
            found |= compare_digest(_signature(key, body), given)
    except TypeError:
        raise InvalidArgumentError(
            "the body must be the bytes that arrived, not parsed", argument="body"
        ) from None
    if found:
        return body
    if len(given) == _LENGTH and size <= _MAX_REWRITE and not deeper_than(max_depth, body):
        for form in compact_forms(body):
            if sum(compare_digest(_signature(key, form), given) for key in keys):
                return form
    raise WebhookSignatureError("the webhook body was not signed with any of the given keys")


def _signature(key: HMAC, body: bytes) -> bytes:
    begun = key.copy()
    begun.update(body)
    return b2a_base64(begun.digest(), newline=False)
