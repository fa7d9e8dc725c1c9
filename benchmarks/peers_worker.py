"""One contestant at one job, in a process of its own: CPU and peak memory are its alone. Started by
`benchmarks.peers`.

The job comes as one line of JSON on the command line. It says when it is ready, starts when it is
told to, and ends with a line of results. With `seconds`, it does the operations again and again
for so long, twenty at a time.
"""

import asyncio
import itertools
import json
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.peers_clients import BESIDE, CONTESTANTS, Call, Operation, Where
from benchmarks.sandbox_process import ENVIRONMENT, ROOT


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


async def again_and_again(
    call: Call, operations: list[Operation], seconds: float
) -> list[str | None]:
    """Keep twenty calls open for so long."""
    ended: list[str | None] = []

    async def one() -> None:
        for operation in itertools.cycle(operations):
            ended.append(await attempt(call, operation))

    tasks = [asyncio.create_task(one()) for _ in range(20)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return ended


async def work(
    name: str, where: Where, operations: list[Operation], seconds: float | None
) -> dict[str, Any]:
    async with {**CONTESTANTS, **BESIDE}[name](where) as call:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        used, began = cpu(), time.monotonic()
        if seconds is None:
            ended = await asyncio.gather(*(attempt(call, operation) for operation in operations))
        else:
            ended = await again_and_again(call, operations, seconds)
        wall, used = time.monotonic() - began, cpu() - used
    errors = Counter(error for error in ended if error)
    return {"wall": wall, "cpu": used, "memory": peak(), "errors": errors}


class Worker:
    """Starts one, which is ready once this is made."""

    def __init__(
        self, name: str, where: Where, operations: list[Operation], seconds: float | None = None
    ) -> None:
        job = json.dumps(
            {"name": name, "where": where, "operations": operations, "seconds": seconds}
        )
        command = [sys.executable, "-m", "benchmarks.peers_worker", job]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, **pipes)

    def wait_until_ready(self) -> None:
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError("a contestant ended before it began")

    def go(self) -> None:
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def results(self) -> dict[str, Any]:
        """What it says once it has ended."""
        return json.loads(self._process.communicate()[0].splitlines()[-1])


if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    chosen = [Operation(*operation) for operation in job["operations"]]
    results = asyncio.run(work(job["name"], Where(*job["where"]), chosen, job["seconds"]))
    print(json.dumps(results), flush=True)
