"""One contestant at one job, in a process of its own: CPU and peak memory are its alone. Started by
`benchmarks.peers`.

The job comes as one line of JSON on the command line. It says when it is ready, starts when it is
told to, and ends with a line of results.
"""

import asyncio
import json
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.peers_clients import CONTESTANTS, Call, Operation, Where


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak() -> float:
    """The most memory this process ever had, in MB.

    Linux's ru_maxrss also knows the parent's from before the exec.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return (
            next(
                int(line.split()[1])
                for line in status.read_text().splitlines()
                if line.startswith("VmHWM")
            )
            / 1024
        )
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def attempt(call: Call, operation: Operation) -> str | None:
    """Do it; the name of the error, if any."""
    try:
        await call(operation)
    except Exception as error:
        return type(error).__name__
    return None


async def work(name: str, where: Where, operations: list[Operation]) -> dict[str, Any]:
    async with CONTESTANTS[name](where) as call:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        used, began = cpu(), time.monotonic()
        ended = await asyncio.gather(*(attempt(call, operation) for operation in operations))
        wall, used = time.monotonic() - began, cpu() - used
    errors = Counter(error for error in ended if error)
    return {"wall": wall, "cpu": used, "memory": peak(), "errors": errors}


if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    chosen = [Operation(*operation) for operation in job["operations"]]
    print(json.dumps(asyncio.run(work(job["name"], Where(**job["where"]), chosen))), flush=True)
