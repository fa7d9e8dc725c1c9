"""100,000 forged, torn, oversized, deeply nested and wrongly signed bodies: none may be accepted,
none may crash.

python -m benchmarks.webhooks_fuzz [count]
"""

import asyncio
import json
import random
import sys
from collections import Counter
from typing import Any

from benchmarks.webhooks_verify import EVENT, KEY
from respondio_async.webhooks import WebhookRouter, sign


def forged(dice: random.Random, number: int) -> tuple[bytes, Any]:
    """Make a body that must not be accepted, and its headers."""
    body = json.dumps({**EVENT, "event_id": str(number)}, separators=(",", ":")).encode()
    true = sign(body, KEY)
    match dice.randrange(10):
        case 0:  # torn, and the true signature of the whole
            return body[: dice.randrange(len(body))], {"X-Webhook-Signature": true}
        case 1:  # some bytes changed
            changed = bytearray(body)
            for _ in range(dice.randrange(1, 5)):
                changed[dice.randrange(len(changed))] ^= dice.randrange(1, 256)
            return (bytes(changed) if changed != body else b"{}"), {"X-Webhook-Signature": true}
        case 2:  # another key
            return body, {
                "X-Webhook-Signature": sign(body, dice.choice(["wrong", KEY + " ", KEY.upper()]))
            }
        case 3:  # nested deeply, signed truly
            deep = dice.randrange(65, 3000)
            nested = (
                b'{"event_type":"message.received","a":' + b'{"a":[' * deep + b"]}" * deep + b"}"
            )
            return nested, {"X-Webhook-Signature": sign(nested, KEY)}
        case 4:  # oversized, signed truly
            large = body[:-1] + b',"a":"' + b"x" * 70_000 + b'"}'
            return large, {"X-Webhook-Signature": sign(large, KEY)}
        case 5:  # garbage in the header
            garbage = bytes(
                dice.randrange(256) for _ in range(dice.choice([0, 1, 43, 44, 45, 500]))
            )
            return body, [(b"x-webhook-signature", garbage)]
        case 6:  # no header
            return body, {}
        case 7:  # garbage, signed truly
            garbage = dice.randbytes(dice.randrange(200))
            return garbage, {"X-Webhook-Signature": sign(garbage, KEY)}
        case 8:  # JSON that is no object, signed truly
            other = json.dumps(dice.choice([[EVENT], None, "text", 5, True, []])).encode()
            return other, {"X-Webhook-Signature": sign(other, KEY)}
        case _:  # written anew with one value changed, and the true signature
            changed_event = {
                **EVENT,
                "event_id": str(number),
                "contact": {"id": dice.randrange(10**6)},
            }
            return json.dumps(changed_event, indent=dice.choice([None, 1])).encode(), {
                "X-Webhook-Signature": true
            }


async def main(count: int) -> None:
    dice = random.Random(20)
    handled: list[object] = []
    statuses: Counter[int] = Counter()
    crashes = 0
    router = WebhookRouter(KEY, max_body=64 * 1024)
    router.on()(handled.append)
    async with router:
        for number in range(count):
            body, headers = forged(dice, number)
            try:
                statuses[(await router.receive(body, headers)).status] += 1
            except Exception as error:
                crashes += 1
                print(repr(error))
    accepted = statuses[200] + len(handled)
    print(
        f"{count} bodies: accepted {accepted}, crashes {crashes}, answers "
        f"{dict(sorted(statuses.items()))} (target: 0, 0)"
    )
    async with WebhookRouter(KEY) as router:
        router.on()(handled.append)
        body = json.dumps(EVENT).encode()
        headers = {"X-Webhook-Signature": sign(body, KEY)}
        replays = [(await router.receive(body, headers)).status for _ in range(1000)]
    print(
        f"1000 replays of a true one: answers {dict(Counter(replays))}, handled {len(handled)} "
        "(target: all 200, 1)"
    )
    sys.exit(bool(accepted or crashes or len(handled) != 1))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
