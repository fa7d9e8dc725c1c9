"""respondio_async against what people would use instead: real sockets, one server, one run.

    python -m benchmarks.peers [--quick] [--only NAME …] [--jobs gets mixed pair] [--write]

The server is the sandbox in a process of its own: the vendor's limits, counted as strictly as can
be (a sliding log), 80 ms of work, up to 10 ms of jitter. Each contestant runs in a process of its
own, on an organisation of its own, one after the other. Three jobs:

* gets: 300 contacts read at once, at 10 a second;
* mixed: upsert, read, tag, lifecycle, message and comment for 75 contacts, all at once. For every
  15th contact each operation's first request is done but its connection is reset before the answer:
  whoever simply repeats a message has sent it twice;
* pair: the 300 reads, half of them in each of two processes on one organisation. Those that limit
  themselves are told to take half of the limit; `+ Redis` is not told.

Needs the extra `bench`; the Redis row also `redis-server`. `--write` renews
benchmarks/results/peers.md and the plot. `benchmarks.peers_beside` compares them beside a
neighbour.
"""

import argparse
import math
import shutil
import socket
import subprocess
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.common import Figures
from benchmarks.peers_clients import CONTESTANTS, PATHS, ROUTES, Operation, Where, is_ours, versions
from benchmarks.peers_worker import Worker
from benchmarks.sandbox_process import SandboxProcess, is_reset
from respondio_async.limits import DEFAULT_LIMITS

RESULTS = Path(__file__).parent / "results"
LATENCY, JITTER = 0.08, 0.01
RESET_EVERY = 15
JOBS = {
    "gets": "300 reads at 10/s",
    "mixed": "450 calls on six routes, with resets",
    "pair": "300 reads, two processes",
}
REPEATED = frozenset({"POST /contact/{identifier}/message", "POST /contact/{identifier}/comment"})
"""What happens again when it is asked for again."""
HARMLESS = frozenset({"upsert", "get", "tag", "lifecycle"})
INTRODUCTION = f"""
    One server in a process of its own: the vendor's limits as a strict sliding log,
    {LATENCY * 1e3:.0f} ms of work, at most {JITTER * 1e3:.0f} ms of jitter. Each client
    in a process of its own, which is what CPU and peak memory are of. The floor is the
    least time that such a server allows. *In doubt*: calls whose error says that nobody
    can know whether they were done; the other clients raise the same error for what was
    done and for what was not. *Done twice*: messages and comments. The vendor's policy is
    restated in Python over httpx: what it sends is the SDK's, its CPU and memory are not.
    """
HEAD = (
    "| Client | wall s | ÷ floor | done | failed | in doubt "
    "| refused | done twice | CPU s | peak MB |"
)


class Row(NamedTuple):
    """What one contestant did."""

    job: str
    name: str
    wall: float
    floor: float
    wanted: int
    done: int
    """Operations that the server did at least once."""
    failed: int
    """Calls that raised."""
    doubtful: int
    """Those among them whose error says that nobody knows whether it was done
    (`OutcomeUnknownError`).
    """
    refused: int
    twice: int
    """Messages and comments that the server did more than once."""
    cpu: float
    memory: float
    errors: dict[str, int]
    arrivals: list[tuple[float, bool]]
    """Seconds since the first request, and whether it was refused."""

    def line(self) -> str:
        # A job that was not done has no speed.
        ratio = f"{self.wall / self.floor:.3f}" if self.done == self.wanted else "–"
        return (
            f"| {self.name} | {self.wall:.1f} | {ratio} | {self.done} of {self.wanted} | "
            f"{self.failed - self.doubtful} | {self.doubtful} "
            f"| {self.refused} | {self.twice} | {self.cpu:.2f} | {self.memory:.0f} |"
        )


def floor(operations: Iterable[Operation]) -> float:
    """The least time in which a strict server takes them: a whole second between every L calls of a
    route, and the last answer.
    """
    calls = Counter(operation.kind for operation in operations)
    return LATENCY + max(
        math.ceil(count / DEFAULT_LIMITS[ROUTES[kind]]) - 1 for kind, count in calls.items()
    )


def compete(
    server: SandboxProcess,
    job: str,
    label: str,
    name: str,
    *,
    count: int,
    redis: str | None = None,
    share: float = 1.0,
    reset_every: int = RESET_EVERY,
) -> Row:
    """Let one contestant do one job; *count* is the number of reads, or of contacts in the mixed
    job.
    """
    token, first = server.ask("organisation", count, reset_every if job == "mixed" else 0)
    kinds = list(PATHS) if job == "mixed" else ["get"]
    operations = [Operation(kind, first + number) for number in range(count) for kind in kinds]
    # Who wants every answer has to ask again where it was lost, if asking again is harmless.
    again = [
        one
        for one in operations
        if job == "mixed" and is_reset(one.contact - first, reset_every) and one.kind in HARMLESS
    ]
    processes = 2 if job == "pair" else 1
    where = Where(server.url, token, share, redis)
    told = run([(name, where, operations[part::processes]) for part in range(processes)])
    arrivals = server.ask("arrivals")
    times = Counter((template, path) for _, template, path, _, _, done in arrivals if done)
    errors = sum((Counter(one["errors"]) for one in told), Counter[str]())
    began = arrivals[0][0] if arrivals else 0.0
    return Row(
        job=job,
        name=label,
        wall=max(one["wall"] for one in told),
        floor=floor([*operations, *again]),
        wanted=len(operations),
        done=len(times),
        failed=errors.total(),
        doubtful=errors["OutcomeUnknownError"],
        refused=sum(refused for *_, refused, _ in arrivals),
        twice=sum(number - 1 for (template, _), number in times.items() if template in REPEATED),
        cpu=sum(one["cpu"] for one in told),
        memory=max(one["memory"] for one in told),
        errors=dict(errors),
        arrivals=[(at - began, refused) for at, *_, refused, _ in arrivals],
    )


def run(parts: Iterable[tuple[str, Where, list[Operation]]]) -> list[dict[str, Any]]:
    """Do the parts at the same time, each in a process of its own; they start once all are
    ready.
    """
    workers = [Worker(*part) for part in parts]
    for worker in workers:
        worker.wait_until_ready()
    for worker in workers:
        worker.go()
    return [worker.results() for worker in workers]


@contextmanager
def redis_server() -> Iterator[str | None]:
    """A Redis of our own on a free port; its URL, or None where it is not installed."""
    binary = shutil.which("redis-server") or shutil.which("valkey-server")
    if binary is None:
        print("redis-server is not installed: the row of ours with Redis is left out", flush=True)
        yield None
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = [
            binary,
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            folder,
        ]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                _wait_for(port)
                yield f"redis://127.0.0.1:{port}"
            finally:
                process.terminate()


def _wait_for(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.01)
        else:
            return
    raise RuntimeError("redis-server does not answer")


def measure(jobs: Sequence[str], names: Sequence[str], *, reads: int, contacts: int) -> list[Row]:
    """Everybody at every job; prints each row as it comes."""
    rows: list[Row] = []

    def add(row: Row) -> None:
        rows.append(row)
        print(row.line() + (f"  {row.errors}" if row.errors else ""), flush=True)

    with ExitStack() as stack:
        server = stack.enter_context(SandboxProcess(latency=LATENCY, jitter=JITTER, keep=None))
        redis = stack.enter_context(redis_server()) if "pair" in jobs else None
        for job in jobs:
            print(f"\n{JOBS[job]}\n{HEAD}", flush=True)
            count = contacts if job == "mixed" else reads
            for name in names:
                if job != "pair":
                    add(compete(server, job, name, name, count=count))
                    continue
                label = f"{name}, share=0.5" if is_ours(name) else name
                add(compete(server, job, label, name, count=count, share=0.5))
                if is_ours(name) and redis is not None:
                    add(compete(server, job, f"{name} + Redis", name, count=count, redis=redis))
    return rows


def report(rows: Sequence[Row]) -> str:
    """The tables, for the documentation's readers."""
    lines = [
        "# Against what people would use instead",
        "",
        f"`python -m benchmarks.peers --write` · {versions()}",
        "",
    ]
    lines += [textwrap.fill(" ".join(INTRODUCTION.split()), 140), ""]
    for job, title in JOBS.items():
        chosen = [row for row in rows if row.job == job]
        if chosen:
            lines += [
                f"## {title}: the floor is {chosen[0].floor:.1f} s",
                "",
                HEAD,
                "| --- |" + " ---: |" * 9,
            ]
            lines += [row.line() for row in chosen]
            lines += [""]
    lines += ["![Use of the limit over time](peers.svg)", ""]
    return "\n".join(lines)


def judge(rows: Iterable[Row]) -> Figures:
    """Our own rows against what we promise."""
    figures = Figures()
    for row in rows:
        if is_ours(row.name):
            what = f"{row.name}, {row.job}"
            # A job of so many whole seconds: 300 reads at 10 a second are 30.
            nominal = row.floor - LATENCY + 1
            figures.at_most(
                f"{what}: wall ÷ nominal", row.wall / nominal, 1.02 if row.job == "gets" else 1.06
            )
            figures.at_most(
                f"{what}: failed without doubt, not done, refused, done twice", _wrong(row), 0
            )
    return figures


def _wrong(row: Row) -> int:
    return row.failed - row.doubtful + row.wanted - row.done + row.refused + row.twice


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="60 reads and 15 contacts: two minutes, where all takes about ten",
    )
    parser.add_argument(
        "--only", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS), metavar="NAME"
    )
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--write", action="store_true", help="renew benchmarks/results")
    given = parser.parse_args()
    reads, contacts = (60, 15) if given.quick else (300, 75)
    rows = measure(given.jobs, given.only, reads=reads, contacts=contacts)
    if given.write:
        from benchmarks.peers_plot import draw

        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "peers.md").write_text(report(rows), encoding="utf-8")
        draw(
            [(row.name, row.arrivals, row.wanted, row.done) for row in rows if row.job == "gets"],
            RESULTS / "peers.svg",
        )
    judge(rows).exit()


if __name__ == "__main__":
    main()
