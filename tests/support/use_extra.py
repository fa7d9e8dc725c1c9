"""Use what one extra brings, in an environment that holds the wheel and that extra alone.

    python use_extra.py EXTRA            # "core" is the wheel without an extra

Run from an empty folder, with nothing of the source tree in sight: `nox -s extras` does that, for
the newest versions and for the oldest that pyproject.toml allows. Each use goes through to the end:
a real call to a real server, a real file, a real process.
"""

import asyncio
import csv
import hashlib
import hmac
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from respondio_async import AsyncRespond

COMMAND = Path(sys.executable).with_name("respondio")
CONTACT = {"id": 7, "firstName": "Ada", "lastName": None, "phone": None, "email": None}
EVENT = {"event_type": "contact.created", "event_id": "e-1", "contact": CONTACT}
KEY = "signing key"


class Answering(BaseHTTPRequestHandler):
    """A server of one contact, of the standard library alone."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps(CONTACT).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


async def get_a_contact(**options: Any) -> None:
    """One call of a client with these *options*."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v2"
    try:
        async with AsyncRespond("token", base_url=url, **options) as client:
            assert (await client.contacts.get("id:7")).first_name == "Ada"
    finally:
        server.shutdown()


def core() -> None:
    """The client; and the command says what it needs."""
    asyncio.run(get_a_contact())
    ended = subprocess.run([COMMAND, "--help"], capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "pip install 'respondio-async[cli]'" in ended.stderr
    assert "Traceback" not in ended.stderr


def aiohttp() -> None:
    """The backend, and a handler that refuses what is not signed."""
    from aiohttp import ClientSession, web

    from respondio_async.webhooks import WebhookRouter

    asyncio.run(get_a_contact(backend="aiohttp"))

    async def receive() -> None:
        app = web.Application()
        app.router.add_post("/webhook", WebhookRouter(keys=[KEY]).aiohttp_handler())
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/webhook"
        async with (
            ClientSession() as session,
            session.post(url, data=b"{}", headers={"X-Webhook-Signature": "wrong"}) as answer,
        ):
            assert answer.status == 401, answer.status
        await runner.cleanup()

    asyncio.run(receive())


def httpx2() -> None:
    """The backend."""
    asyncio.run(get_a_contact(backend="httpx2"))


def sandbox() -> None:
    """A server, and a client of it."""
    from respondio_async.sandbox import Sandbox

    async def call(url: str, token: str) -> int:
        async with AsyncRespond(token, base_url=url) as client:
            return len([each async for each in client.contacts.list()])

    with Sandbox(contacts=3) as running:
        running.quirks.list_lag = 0.0
        assert asyncio.run(call(running.url, running.token)) == 3


def respondio(*arguments: str, given: str = "", **environment: str) -> str:
    """Run the command; it must end well, and warn of nothing."""
    ended = subprocess.run(
        [COMMAND, *arguments],
        input=given, capture_output=True, text=True, check=False,
        env={**os.environ, "HOME": str(Path.cwd()), "PYTHONWARNINGS": "error", **environment},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def cli() -> None:
    """The main job; tables in both directions; the help of every command."""
    respondio("demo", "--contacts", "3", "--json")
    for command in ("contacts", "messages", "runs", "webhooks", "limits", "doctor", "api", "login"):
        respondio(command, "--help")
    _through_a_table("xlsx")


def parquet() -> None:
    """A table in both directions."""
    _through_a_table("parquet")


def _through_a_table(kind: str) -> None:
    from respondio_async.sandbox import Sandbox

    with Sandbox(contacts=3) as running:
        running.quirks.list_lag = 0.0
        server = {"RESPONDIO_API_TOKEN": running.token, "RESPONDIO_BASE_URL": running.url}
        respondio("contacts", "export", "-o", f"all.{kind}", "--force", **server)
        respondio("contacts", "import", f"all.{kind}", "--dry-run", **server)
        respondio("contacts", "export", "-o", "all.csv", "--force", **server)
    with Path("all.csv").open(newline="", encoding="utf-8-sig") as file:
        assert len(list(csv.DictReader(file))) == 3


def keyring() -> None:
    """A token is kept in the keyring that is there, and not in a file."""
    from respondio_async.sandbox import Sandbox

    Path("kept.py").write_text(
        "import json, pathlib\n"
        "from keyring.backend import KeyringBackend\n"
        "FILE = pathlib.Path('kept.json')\n"
        "class Kept(KeyringBackend):\n"
        "    priority = 1\n"
        "    def get_password(self, service, username):\n"
        "        return json.loads(FILE.read_text()).get(username) if FILE.exists() else None\n"
        "    def set_password(self, service, username, password):\n"
        "        FILE.write_text(json.dumps({username: password}))\n"
        "    def delete_password(self, service, username):\n"
        "        FILE.unlink()\n",
        encoding="utf-8",
    )
    chosen = {"PYTHON_KEYRING_BACKEND": "kept.Kept", "PYTHONPATH": str(Path.cwd())}
    with Sandbox(contacts=1) as running:
        login = ("login", "--profile", "acme", "--base-url", running.url)
        respondio(*login, given=running.token, **chosen)
        assert running.token in json.loads(Path("kept.json").read_text("utf-8")).values()
        assert "acme" in respondio("profiles", **chosen)


def redis() -> None:
    """A limiter on a real server, where there is one."""
    binary = shutil.which("redis-server")
    from redis.asyncio import Redis

    from respondio_async.limits.redis import RedisRateLimiter

    if binary is None:
        print("no redis-server on this machine: imported only")
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", ""],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdout is not None
    while "Ready to accept connections" not in server.stdout.readline():
        assert server.poll() is None, "redis-server ended at once"

    async def share() -> None:
        async with Redis(port=port) as connections:
            await get_a_contact(limiter=RedisRateLimiter(connections, "acme"))

    try:
        asyncio.run(share())
        with socket.create_connection(("127.0.0.1", port)) as asked:
            asked.sendall(b"DBSIZE\r\n")
            assert asked.recv(64) != b":0\r\n", "the limiter has kept nothing on the server"
    finally:
        server.kill()
        server.wait()


def otel() -> None:
    """The hook, with the API alone."""
    from respondio_async.telemetry import OpenTelemetryHook

    asyncio.run(get_a_contact(hooks=[OpenTelemetryHook()]))


def fastapi() -> None:
    """A signed event reaches its handler through an application; a forged one does not."""
    import httpx
    from fastapi import FastAPI

    from respondio_async.webhooks import WebhookRouter

    router = WebhookRouter(keys=[KEY])
    app = FastAPI()
    app.include_router(router.fastapi("/webhook"))
    body = json.dumps(EVENT).encode()
    signed = b64encode(hmac.digest(KEY.encode(), body, hashlib.sha256)).decode()

    async def post(signature: str) -> int:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            headers = {"X-Webhook-Signature": signature}
            return (await client.post("/webhook", content=body, headers=headers)).status_code

    assert asyncio.run(post(signed)) == 200
    assert asyncio.run(post("forged")) == 401


def postgres() -> None:
    """The engine is there; a database that is not is told in words."""
    from respondio_async import ConfigurationError
    from respondio_async.webhooks import WebhookRouter

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # and not listening
        router = WebhookRouter(keys=[KEY], inbox=f"postgresql://127.0.0.1:{probe.getsockname()[1]}")
        told = ""
        try:
            asyncio.run(router.start())
        except ConfigurationError as error:
            told = str(error)
        assert "out of reach" in told


USES: dict[str, Callable[[], None]] = {
    use.__name__: use
    for use in (
        core,
        aiohttp,
        httpx2,
        sandbox,
        cli,
        keyring,
        parquet,
        redis,
        otel,
        fastapi,
        postgres,
    )
}

if __name__ == "__main__":
    (asked,) = sys.argv[1:]
    USES[asked]()
    print(f"{asked}: used")
