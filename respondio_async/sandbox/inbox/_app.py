"""The page's server side: an ASGI application of three files, one document of state, one stream and
two actions.
"""

import asyncio
import json
from collections.abc import Callable
from contextlib import aclosing
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qs

from .._app import App, Receive, Scope, Send, ServerResponse, send_response
from .._call import as_object
from ..customers import Customer
from ..operations.conversations import close_conversation
from ..webhooks import Webhooks
from ..workspace import Listener, Workspace
from . import _view as view
from ._feed import Feed
from ._guard import refusal

_LARGEST_BODY: Final = 65_536
_PAST: Final = 100
"""Requests and deliveries from before the page was opened that it shows."""
_PAGE: Final = {
    "/": ("index.html", b"text/html; charset=utf-8"),
    "/inbox.css": ("inbox.css", b"text/css; charset=utf-8"),
    "/inbox.js": ("inbox.js", b"text/javascript; charset=utf-8"),
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class _RefusedError(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Inbox:
    """Serves the page, from this machine to this machine.

    It watches from the moment it is first looked at, and costs nothing before.
    """

    def __init__(
        self, app: App, workspace: Workspace, events: list[Listener], webhooks: Webhooks
    ) -> None:
        self._app = app
        self._workspace = workspace
        self._events = events
        self._webhooks = webhooks
        self._feed: Feed | None = None
        self._actions: dict[str, Callable[[dict[str, Any]], Any]] = {
            "/say": self._say,
            "/close": self._close,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        method: str = scope["method"]
        path = scope["path"].removeprefix(scope["root_path"]) or "/"
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        refused = refusal(method, headers, (scope["client"] or ("",))[0])
        if refused is not None:
            await _answer(send, refused[0], json.dumps({"error": refused[1]}).encode())
            return
        try:
            if method == "GET" and path == "/feed":
                await self._stream(headers, receive, send)
            elif method == "GET" and path in _PAGE:
                name, content_type = _PAGE[path]
                await _answer(
                    send,
                    200,
                    files("respondio_async.sandbox.inbox").joinpath("page", name).read_bytes(),
                    content_type,
                )
            else:
                await _answer(send, 200, await self._document(method, path, scope, receive))
        except _RefusedError as error:
            await _answer(send, error.status, json.dumps({"error": str(error)}).encode())
        except asyncio.CancelledError:
            return  # the sandbox is closing

    async def _document(self, method: str, path: str, scope: Scope, receive: Receive) -> bytes:
        if method == "GET" and path == "/state":
            chosen = parse_qs(scope["query_string"].decode("latin-1")).get("contact", [""])[-1]
            known = (
                int(chosen) if chosen.isascii() and chosen.isdigit() and len(chosen) < 19 else None
            )
            with self._app.lock:
                return json.dumps(view.overview(self._workspace, self._webhooks, known)).encode()
        if method == "POST" and path in self._actions:
            body = await _read(receive)
            try:
                value = as_object(json.loads(body))
            except (ValueError, RecursionError):
                value = None
            if value is None:
                raise _RefusedError(400, "send a JSON object")
            with self._app.lock:
                return json.dumps(self._actions[path](value)).encode()
        raise _RefusedError(404, "no such page")

    def _say(self, body: dict[str, Any]) -> dict[str, Any]:
        """Let a customer write: a known contact, or a new one."""
        text, name, who = body.get("text"), body.get("name"), body.get("contact")
        if (
            not isinstance(text, str)
            or not text.strip()
            or (name is not None and not isinstance(name, str))
        ):
            raise _RefusedError(400, "text must not be empty")
        if isinstance(who, bool) or not isinstance(who, int | str):
            raise _RefusedError(400, "contact must be an id, a phone or an e-mail address")
        try:
            customer = Customer(self._workspace, self._app.lock, who, name=name)
            customer.says(text)
        except (KeyError, ValueError) as error:
            raise _RefusedError(400, str(error.args[0])) from None
        contact = customer.contact
        return {"contact": None if contact is None else contact.id}

    def _close(self, body: dict[str, Any]) -> dict[str, Any]:
        """Close a conversation, as a person in the real inbox does."""
        who = body.get("contact")
        contact = self._workspace.contact(who) if isinstance(who, int) else None
        if contact is None:
            raise _RefusedError(404, "no such contact")
        close_conversation(self._workspace, contact, source="user")
        return {"contact": contact.id}

    async def _stream(self, headers: dict[str, str], receive: Receive, send: Send) -> None:
        after = headers.get("last-event-id", "")
        feed = self._watch()
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", b"text/event-stream"),
                    *((name.encode(), value.encode()) for name, value in _HEADERS.items()),
                ],
            }
        )

        async def speak() -> None:
            async with aclosing(
                feed.stream(int(after) if after.isascii() and after.isdigit() else 0)
            ) as stream:
                async for piece in stream:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})

        speaking = asyncio.create_task(speak())
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait([speaking, leaving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            speaking.cancel()
            leaving.cancel()
            await asyncio.gather(speaking, leaving, return_exceptions=True)

    def _watch(self) -> Feed:
        if self._feed is not None:
            return self._feed
        feed = self._feed = Feed()
        clock = self._workspace.clock
        with self._app.lock:
            past = [
                view.of_request(arrival) for arrival in list(self._app.record.arrivals)[-_PAST:]
            ]
            past += [
                view.of_delivery(each)
                for each in self._webhooks.deliveries[-_PAST:]
                if each.seconds is not None
            ]
            for entry in sorted(past, key=lambda entry: entry["time"]):
                feed.publish(entry)
            self._app.on_request.append(lambda arrival: feed.publish(view.of_request(arrival)))
            self._events.append(lambda event: feed.publish(view.of_event(event, clock.wall())))
            self._webhooks.on_delivery.append(
                lambda delivery: feed.publish(view.of_delivery(delivery))
            )
        return feed


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _read(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > _LARGEST_BODY:
            raise _RefusedError(413, "that is too much to say at once")
    return body


async def _answer(
    send: Send, status: int, content: bytes, content_type: bytes = b"application/json"
) -> None:
    await send_response(send, ServerResponse(status, content, _HEADERS, content_type))
