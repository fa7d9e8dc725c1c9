"""Export of 5,000 contacts at a second a page and five requests a second: eight partitions against
the sequential walk.

    python -m benchmarks.partitions [--contacts 5000]

Real sockets, the sandbox with a strict window; both sides walk the same contacts, and both must
bring each exactly once.
"""

import argparse
import asyncio
import time

from benchmarks.common import Figures
from respondio_async import AsyncRespond
from respondio_async.sandbox import Sandbox


async def walk(client: AsyncRespond, partitions: int | None) -> tuple[float, list[int]]:
    began = time.perf_counter()
    ids = [contact.id async for contact in client.contacts.list(partitions=partitions)]
    return time.perf_counter() - began, ids


async def main(contacts: int) -> None:
    figures = Figures()
    async with (
        Sandbox(contacts=contacts, latency=1.0) as sandbox,
        AsyncRespond(sandbox.token, base_url=sandbox.url) as client,
    ):
        expected = sorted(contact.id for contact in sandbox.contacts)
        parted, ids = await walk(client, 8)
        figures.at_most(
            "lost or doubled, 8 partitions",
            len(set(expected) ^ set(ids)) + len(ids) - len(set(ids)),
            0,
        )
        sequential, ids = await walk(client, None)
        figures.at_most(
            "lost or doubled, sequential",
            len(set(expected) ^ set(ids)) + len(ids) - len(set(ids)),
            0,
        )
        figures.at_least(
            "speed-up", sequential / parted, 4.0, f"{sequential:.1f} s / {parted:.1f} s"
        )
        figures.at_most("refusals", sandbox.refusals, 0)
    figures.exit()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=5000)
    asyncio.run(main(parser.parse_args().contacts))
