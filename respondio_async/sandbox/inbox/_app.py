"""The page's server side: an ASGI application of three files, one document of state, one stream and
two actions.
"""

import asyncio
import json
from contextlib import suppress
from importlib.resources import files
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from .._app import App, Receive, Scope, Send
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
    "/": ("index.html", "text/html"),
    "/inbox.css": ("inbox.css", "text/css"),
    "/inbox.js": ("inbox.js", "text/javascript"),
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


class Inbox:
    """Serves the page, from this machine to this machine, and watches the sandbox for it."""

    def __init__(
        self, app: App, workspace: Workspace, events: list[Listener], webhooks: Webhooks
    ) -> None:
        self._lock = app.lock
        self._workspace = workspace
        self._webhooks = webhooks
        self._feed = feed = Feed()
        clock = workspace.clock
        with app.lock:
            past = [view.of_request(arrival) for arrival in list(app.record.arrivals)[-_PAST:]]
            past += [
                view.of_delivery(each)
                for each in webhooks.deliveries[-_PAST:]
                if each.seconds is not None
            ]
            for entry in sorted(past, key=lambda entry: entry["time"]):
                feed.publish(entry)
            app.on_request.append(lambda arrival: feed.publish(view.of_request(arrival)))
            events.append(lambda event: feed.publish(view.of_event(event, clock.wall())))
            webhooks.on_delivery.append(lambda delivery: feed.publish(view.of_delivery(delivery)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        # The sandbox is closing, or the browser has gone.
        with suppress(asyncio.CancelledError, ClientDisconnect):
            try:
                response = await self._respond(Request(scope, receive))
            except HTTPException as error:
                response = JSONResponse({"error": error.detail}, error.status_code)
            response.headers.update(_HEADERS)
            await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        peer = "" if request.client is None else request.client.host
        refused = refusal(request.method, request.headers, peer)
        if refused is not None:
            raise HTTPException(*refused)
        path = request.scope["path"].removeprefix(request.scope["root_path"]) or "/"
        match request.method, path:
            case "GET", "/feed":
                after = _number(request.headers.get("last-event-id", ""))
                # Starlette would add a charset, which an event stream has not.
                content_type = {"content-type": "text/event-stream"}
                return StreamingResponse(self._feed.stream(after or 0), headers=content_type)
            case "GET", "/state":
                chosen = _number(request.query_params.get("contact", ""))
                with self._lock:
                    overview = view.overview(self._workspace, self._webhooks, chosen)
                # Escaped: a name may hold half a surrogate pair, which starlette would not encode.
                return Response(json.dumps(overview), media_type="application/json")
            case "GET", _ if path in _PAGE:
                name, media_type = _PAGE[path]
                file = files("respondio_async.sandbox.inbox").joinpath("page", name)
                return Response(file.read_bytes(), media_type=media_type)
            case "POST", "/say":
                return self._say(await _read_object(request))
            case "POST", "/close":
                return self._close(await _read_object(request))
            case _:
                raise HTTPException(404, "no such page")

    def _say(self, body: dict[str, Any]) -> Response:
        """Let a customer write: a known contact, or a new one."""
        text, name, who = body.get("text"), body.get("name"), body.get("contact")
        if not isinstance(text, str) or not text.strip():
            raise HTTPException(400, "text must not be empty")
        if name is not None and not isinstance(name, str):
            raise HTTPException(400, "name must be a text")
        if isinstance(who, bool) or not isinstance(who, int | str):
            raise HTTPException(400, "contact must be an id, a phone or an e-mail address")
        with self._lock:
            try:
                customer = Customer(self._workspace, self._lock, who, name=name)
                message = customer.says(text)
            except (KeyError, ValueError) as error:
                raise HTTPException(400, str(error.args[0])) from None
        return JSONResponse({"contact": message.contact_id})

    def _close(self, body: dict[str, Any]) -> Response:
        """Close a conversation, as a person in the real inbox does."""
        who = body.get("contact")
        with self._lock:
            contact = self._workspace.contact(who) if isinstance(who, int) else None
            if contact is None:
                raise HTTPException(404, "no such contact")
            close_conversation(self._workspace, contact, source="user")
        return JSONResponse({"contact": contact.id})


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


async def _read_object(request: Request) -> dict[str, Any]:
    content = b""
    async for piece in request.stream():
        content += piece
        if len(content) > _LARGEST_BODY:
            raise HTTPException(413, "that is too much to say at once")
    try:
        body = as_object(json.loads(content))
    except (ValueError, RecursionError):
        body = None
    if body is None:
        raise HTTPException(400, "send a JSON object")
    return body
