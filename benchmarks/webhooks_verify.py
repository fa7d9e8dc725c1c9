"""What verify + parse cost, against the bare HMAC and the bare msgspec decoding that they cannot do
without. Target: at most 1.15.

python -m benchmarks.webhooks_verify
"""

import base64
import hmac
import json
import statistics
import time
from collections.abc import Callable

import msgspec

from respondio_async.webhooks import MessageReceived, parse, sign, verify

KEY = "a-signing-key"
EVENT = {
    "event_type": "message.received",
    "event_id": "8d7f0d5e-3c34-4a27-9e0c-4a1b2c3d4e5f",
    "contact": {
        "id": 437264483, "firstName": "Amina", "lastName": "Tan", "phone": "+60123456789",
        "email": "a@example.com", "language": "en",
        "profilePic": "https://cdn.example.com/p/437264483.png", "countryCode": "MY",
        "status": "open", "lifecycle": "Hot Lead",
        "assignee": {"id": 12, "firstName": "Bo", "lastName": "Lim", "email": "b@example.com"},
        "created_at": 1663274081,
    },
    "message": {
        "messageId": 1783918786000000,
        "channelMessageId": "wamid.HBgLNjAxMjMxMjMxMjMVAgASGBQzQTdCNjhCRkY5QTk3RDA2RkJGRQA=",
        "contactId": 437264483, "channelId": 274637, "traffic": "incoming", "timestamp": 1783918786,
        "message": {"type": "text",
        "text": "Hello, is the blue one in size 42 still available? I would come by on Saturday."},
    },
    "channel": {"id": 274637, "name": "WhatsApp", "source": "whatsapp_cloud", "meta": "{}",
    "created_at": 1663274081},
}  # fmt: skip
BODY = json.dumps(EVENT, separators=(",", ":")).encode()
SIGNATURE = sign(BODY, KEY)
DECODE = msgspec.json.Decoder(MessageReceived).decode


def bare() -> object:
    digest = base64.b64encode(hmac.new(KEY.encode(), BODY, "sha256").digest()).decode()
    if not hmac.compare_digest(digest, SIGNATURE):
        raise ValueError
    return DECODE(BODY)


def ours() -> object:
    verify(BODY, SIGNATURE, KEY)
    return parse(BODY)


def microseconds(function: Callable[[], object], calls: int = 2000) -> float:
    begun = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - begun) / calls * 1e6


def main() -> None:
    # Side by side, many times over: the median of the ratios is deaf to what else the machine does.
    pairs = [(microseconds(bare), microseconds(ours)) for _ in range(100)]
    print(
        f"body {len(BODY)} bytes; bare {min(a for a, _ in pairs):.2f} µs, verify + parse "
        f"{min(b for _, b in pairs):.2f} µs"
    )
    print(f"ratio {statistics.median(b / a for a, b in pairs):.3f} (target: at most 1.15)")


if __name__ == "__main__":
    main()
