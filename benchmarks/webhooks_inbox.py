"""10,000 events, a tenth of them twice, a tenth out of order, and a kill -9 twenty times: none
lost, no finished handler run again.

python -m benchmarks.webhooks_inbox [events] [kills]
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path

from benchmarks.webhooks_verify import EVENT

CHILD = """
import asyncio, json, os, sys
from respondio_async.webhooks import *

log = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
router = WebhookRouter("key", inbox=sys.argv[1])

@router.on(MessageReceived)
async def handle(context):
    number = context.event.event_id
    os.write(log, f"begin {number} {int(context.redelivered)}\\n".encode())
    await asyncio.sleep(0.02)
    os.write(log, f"end {number}\\n".encode())

async def main():
    await router.start()
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    room = asyncio.Semaphore(200)
    async def one(body):
        answer = await router.receive(body, {"X-Webhook-Signature": sign(body, "key")})
        if answer.status == 200:
            os.write(1, json.loads(body)["event_id"].encode() + b"\\n")
        room.release()
    tasks = set()
    async for line in reader:
        await room.acquire()
        tasks.add(task := asyncio.create_task(one(line.strip())))
        task.add_done_callback(tasks.discard)
    while tasks:
        await asyncio.wait(tasks)
    await router.aclose(60)

asyncio.run(main())
"""


def body_of(number: int) -> bytes:
    """Make an event of one of 500 contacts."""
    return (
        json.dumps({**EVENT, "event_id": str(number), "contact": {"id": number % 500 + 1}}).encode()
        + b"\n"
    )


def main(events: int, kills: int) -> None:
    dice = random.Random(11)
    order = list(range(events)) + dice.sample(range(events), events // 10)
    for _ in range(events // 10):
        at = dice.randrange(len(order) - 20)
        order.insert(at + dice.randrange(20), order.pop(at))
    acknowledged: set[int] = set()
    with tempfile.TemporaryDirectory() as folder:
        inbox, log = str(Path(folder) / "inbox"), Path(folder) / "log"
        per_life = len(order) // (kills + 1)
        for life in range(kills + 1):
            # What was sent and not acknowledged is sent again, as respond.io may or may not do.
            batch = [
                number for number in order[: (life + 1) * per_life] if number not in acknowledged
            ]
            if life == kills:
                # All of it once more: each is a duplicate by now, or was never acknowledged.
                batch = order
            child = subprocess.Popen(
                [sys.executable, "-c", CHILD, inbox, str(log)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            threading.Thread(target=feed, args=(child, batch), daemon=True).start()
            assert child.stdout is not None
            if life < kills:
                for _ in range(dice.randrange(1, max(2, len(batch) - 1))):
                    acknowledged.add(int(child.stdout.readline() or b"-1"))
                os.kill(child.pid, signal.SIGKILL)
            acknowledged |= {int(line) for line in child.stdout.read().split()}
            child.wait()
        lines = [line.split() for line in log.read_text().splitlines()]
    ended: Counter[str] = Counter()
    begun: Counter[str] = Counter()
    again = unmarked = marked = 0
    for what, number, *redelivered in lines:
        if what == "end":
            ended[number] += 1
        else:
            again += ended[number] > 0
            marked += redelivered == ["1"]
            unmarked += begun[number] > 0 and redelivered == ["0"]
            begun[number] += 1
    lost = len({str(number) for number in acknowledged} - set(ended))
    print(
        f"{events} events, {kills} kills: acknowledged {len(acknowledged)}, lost {lost}, finished "
        f"handlers run again {again} (target: 0, 0)"
    )
    print(f"begun again after a kill: {marked} marked as redelivered, {unmarked} not (target: 0)")
    sys.exit(bool(lost or again or unmarked))


def feed(child: "subprocess.Popen[bytes]", batch: list[int]) -> None:
    """Write events until the child has all, or is dead."""
    assert child.stdin is not None
    try:
        for number in batch:
            child.stdin.write(body_of(number))
        child.stdin.close()
    except BrokenPipeError:
        pass


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 10_000,
        int(sys.argv[2]) if len(sys.argv) > 2 else 20,
    )
