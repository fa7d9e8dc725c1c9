"""A PostgreSQL of the tests' own: its folder, its port on the loopback, its end."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import psutil
import psycopg
import pytest

from respondio_async.webhooks import migrate_inbox
from tests.support.ports import free_port

_numbers = count()


def binaries() -> Path | None:
    """Find PostgreSQL's programs, where Debian or the PATH has them."""
    found = shutil.which("postgres")
    if found is not None and shutil.which("initdb") is not None:
        return Path(found).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return versions[-1].parent if versions else None


class PostgresServer:
    """One server. It refuses to be root's, so root runs it as `postgres`."""

    def __init__(self, programs: Path, *, durable: bool = False) -> None:
        """*durable*: wait for the disk, which a crash of the machine alone would need."""
        self._programs = programs
        self._fsync = "on" if durable else "off"
        self._folder = Path(tempfile.mkdtemp(prefix="respondio-postgres-"))
        self._user = None
        if os.geteuid() == 0:
            import pwd  # not on every system

            account = pwd.getpwnam("postgres")
            self._user = account.pw_name
            os.chown(self._folder, account.pw_uid, account.pw_gid)
        self.port = free_port()
        self._template: str | None = None
        self._process: subprocess.Popen[bytes] | None = None
        subprocess.run(
            [
                self._programs / "initdb",
                *("-D", self._folder / "data", "-U", "tests", "-A", "trust", "-E", "UTF8"),
                *("--no-sync", "--locale=C"),
            ],
            user=self._user,
            cwd=self._folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def url(self, database: str = "postgres") -> str:
        """The address of a database."""
        return f"postgresql://tests@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": self._fsync,
            "max_connections": "200",
            "shared_buffers": "16MB",
            "log_min_messages": "panic",
        }
        self._process = subprocess.Popen(
            [
                self._programs / "postgres",
                *("-D", self._folder / "data"),
                *[f"--{name}={value}" for name, value in options.items()],
            ],
            user=self._user,
            cwd=self._folder,
            stderr=subprocess.DEVNULL,
        )
        while True:
            try:
                psycopg.connect(self.url()).close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, "PostgreSQL does not start"
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """Kill every process of it."""
        if self._process is None:
            return
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        self._process = None

    def _processes(self) -> list[psutil.Process]:
        assert self._process is not None
        main = psutil.Process(self._process.pid)
        return [main, *main.children()]

    def pause(self, *, paused: bool) -> None:
        """Let every process of it stand still, or go on."""
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend() if paused else process.resume()

    def database(self, template: str = "template1") -> str:
        """Make a database of one's own; returns its address."""
        name = f"test{next(_numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def migrated(self) -> str:
        """Make a database that has the inbox's tables already."""
        if self._template is None:
            self._template = "migrated"
            self.run(f"CREATE DATABASE {self._template}")
            with ThreadPoolExecutor(1) as thread:  # an event loop may run in this one
                thread.submit(asyncio.run, migrate_inbox(self.url(self._template))).result()
        return self.database(self._template)

    def run(self, statement: str, url: str | None = None) -> None:
        """Run a statement."""
        with psycopg.connect(url or self.url(), autocommit=True) as connection:
            connection.execute(statement)

    def remove(self) -> None:
        """End, and leave nothing."""
        self.kill()
        shutil.rmtree(self._folder)


@contextlib.contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[PostgresServer]:
    """Have a server while a session of tests lasts; without its programs, skip, but never in CI."""
    programs = binaries()
    if programs is None:
        reason = (
            "PostgreSQL is not installed: NOTHING of the inbox on it is tested here "
            "(apt-get install postgresql)"
        )
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    server = PostgresServer(programs, durable=durable)
    try:
        server.start()
        yield server
    finally:
        server.remove()
