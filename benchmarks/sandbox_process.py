"""A sandbox in a process of its own, so that what it costs is not the client's; the benchmark asks
it questions through its standard input.

Its clock is the machine's monotonic one, as asyncio's is: its times can be compared with those of
the clients.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from respondio_async.sandbox import Sandbox
from respondio_async.sandbox.quirks import Quirks

ROOT = Path(__file__).parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


class SandboxProcess:
    """Runs until the block ends.

    *options* are those of `Sandbox`, and `headers=False`: none that tell of limits.
    `.ask(question, …)` calls a method of `Served` over there.
    """

    def __init__(self, **options: Any) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.sandbox_process", json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
            cwd=ROOT,
        )
        self.url, self.token, self.first = self._read()

    def ask(self, question: str, *arguments: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([question, arguments]) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the sandbox's process has ended")
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


class Served:
    """What the benchmark may ask for."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def organisation(self, contacts: int, reset_every: int = 0) -> list[Any]:
        """A fresh organisation, which nobody has used; its token and its first contact's id. The
        record starts again.

        Of each operation's requests, those for every *reset_every*-th contact are done and then
        reset, the first time they come.
        """
        token = self._sandbox.add_organisation(contacts=contacts)
        first = min(self._sandbox.organisation(token).workspace.contacts)
        self._sandbox.clear_faults()
        self._sandbox.forget()
        if reset_every:
            met: set[str] = set()

            def strikes(arrival: Any) -> bool:
                key = arrival.method + arrival.path
                new = key not in met and is_reset(contact_of(arrival.path) - first, reset_every)
                met.add(key)
                return new

            self._sandbox.fault("reset_after", when=strikes)
        return [token, first]

    def arrivals(self) -> list[list[Any]]:
        """When, operation, path, route, whether refused, whether done; in the order of arrival."""
        return [
            [one.at, one.template, one.path, one.route, one.refused, one.processed]
            for one in self._sandbox.requests
        ]

    def set_limit(self, route: str, limit: float) -> float:
        """Enforce another limit from now on; when that was."""
        self._sandbox.set_limit(route, limit)
        return self._sandbox.clock.now()


def contact_of(path: str) -> int:
    """The id in a path such as /contact/id:7/tag."""
    found = re.search(r"id(?::|%3A)(\d+)", path)
    return int(found[1]) if found else 0


def is_reset(number: int, reset_every: int) -> bool:
    """Whether the first requests for the contact with this number are done and then reset."""
    return number % reset_every == reset_every // 2


def main() -> None:
    options = json.loads(sys.argv[1])
    quirks = Quirks.calm()
    if not options.pop("headers", True):
        quirks = replace(quirks, rate_limit_headers=False, retry_after="missing")
    with Sandbox(quirks=quirks, **options) as sandbox:
        served = Served(sandbox)
        print(
            json.dumps([sandbox.url, sandbox.token, min(sandbox.state.contacts, default=0)]),
            flush=True,
        )
        for line in sys.stdin:
            question, arguments = json.loads(line)
            print(json.dumps(getattr(served, question)(*arguments)), flush=True)


if __name__ == "__main__":
    main()
