"""A strict server that is not the sandbox: plain sockets, canned answers, nothing forgiven."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, Mapping[str, str], str]
Behaviour = Callable[[str, str], Answer]

JSON = {"Content-Type": "application/json"}
HTML = {"Content-Type": "text/html"}

LISTS: dict[str, list[Any]] = {
    "/v2/space/user": [{"id": 7, "firstName": "Ada", "role": "agent", "email": "ada@b.example"}],
    "/v2/space/channel": [{"id": 70, "name": "Shop", "source": "whatsapp_cloud"}],
    "/v2/space/custom_field": [{"id": 700, "name": "Plan", "dataType": "text"}],
    "/v2/space/closing_notes": [{"category": "Sold"}],
    "/v2/contact/list": [],
}


def page(path: str) -> Answer:
    """Answer a list with its only page."""
    items = LISTS.get(path)
    if items is None:
        return 404, JSON, json.dumps({"code": 404, "message": "Not found"})
    return 200, JSON, json.dumps({"items": items, "pagination": {"next": None, "previous": None}})


def limited(limit: float, remaining: float) -> Behaviour:
    """Answer with limit headers."""

    def answer(method: str, path: str) -> Answer:
        status, headers, body = page(path)
        said = {"X-RateLimit-Limit": f"{limit:g}", "X-RateLimit-Remaining": f"{remaining:g}"}
        return status, {**headers, **said}, body

    return answer


@contextmanager
def strict_server(answer: Behaviour, *, clock: float = 0.0) -> Iterator[str]:
    """Serve on a loopback socket; *clock* seconds are added to the Date header."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, body = answer(self.command, self.path.partition("?")[0])
            content = body.encode()
            self.send_response_only(status)
            self.send_header("Date", formatdate(time.time() + clock, usegmt=True))
            self.send_header("Content-Length", str(len(content)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _serve

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v2"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
