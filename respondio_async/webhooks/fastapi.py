"""For FastAPI: one client for the whole application, and verified events as a dependency.

router = WebhookRouter(keys=[…])
app = FastAPI(lifespan=respond_lifespan(AsyncRespond(token=…), router))
app.include_router(router.fastapi("/webhook"))

@app.get("/hello/{contact_id}")
async def hello(contact_id: int, client: Annotated[AsyncRespond, Depends(respond_client)]): ...
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec

try:
    from fastapi import APIRouter, FastAPI, HTTPException, Request
except ImportError as _missing:
    raise ImportError(
        "respondio_async.webhooks.fastapi needs FastAPI: pip install 'respondio-async[fastapi]'",
        name="fastapi",
    ) from _missing
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route

from respondio_async.errors import ConfigurationError, DecodeError, WebhookSignatureError

from ._answers import (
    FORGED,
    NOT_AN_EVENT,
    TOO_LARGE,
    WebhookAnswer,
    early_answer,
    signature_in,
)
from ._json import MAX_BODY
from ._parse import parse
from ._router import ClientOrFactory, WebhookRouter, lifespan_of
from ._signature import authentic, encode_keys
from .events import Event

__all__ = ["receiver", "respond_client", "respond_lifespan", "verified_event"]

_STATE = "respond_client"


def receiver(router: WebhookRouter, path: str = "/webhook") -> APIRouter:
    """Make a FastAPI router that receives on exactly *path*, and with a slash behind it;
    `router.fastapi(path)` is the same.
    """
    exact = "/" + path.strip("/")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with router:
            yield

    both = {exact, exact.rstrip("/") + "/"}
    routes: list[BaseRoute] = [Route(each, router.asgi(), include_in_schema=False) for each in both]
    return APIRouter(routes=routes, lifespan=lifespan)


def respond_lifespan(
    client: ClientOrFactory = None, *routers: WebhookRouter
) -> Callable[[FastAPI], AbstractAsyncContextManager[dict[str, Any]]]:
    """Make a lifespan that opens *client* (an `AsyncRespond`, or a function that makes one) once,
    and starts *routers*.

    Routers without a client get this one. On shutdown the routers drain first, while the client
    still works.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
        async with lifespan_of(client, routers) as opened:
            setattr(app.state, _STATE, opened)
            yield {_STATE: opened}

    return lifespan


def respond_client(connection: HTTPConnection) -> Any:
    """Give a route the application's one `AsyncRespond`: `Annotated[AsyncRespond,
    Depends(respond_client)]`.
    """
    client = getattr(connection.app.state, _STATE, None)
    if client is None:
        raise ConfigurationError(
            "make the application with FastAPI(lifespan=respond_lifespan(client))"
        )
    return client


def verified_event(*keys: str, max_body: int = MAX_BODY) -> Callable[[Request], Awaitable[Event]]:
    """Make a dependency that gives a route the verified event, for those who want no router.

    Answers 401, 400, 413 or 415 by itself. The route runs before the acknowledgement: it has five
    seconds, and its errors count.
    """
    encoded = encode_keys(keys)

    async def dependency(request: Request) -> Event:
        early = early_answer("POST", request.headers.raw, max_body)
        if early is not None:
            raise _refusal(early)
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_body:
                raise _refusal(TOO_LARGE)
        try:
            return parse(
                authentic(bytes(body), signature_in(request.headers), encoded, max_body),
                max_body=max_body,
            )
        except WebhookSignatureError:
            raise _refusal(FORGED) from None
        except DecodeError:
            raise _refusal(NOT_AN_EVENT) from None

    return dependency


def _refusal(answer: WebhookAnswer) -> HTTPException:
    return HTTPException(answer.status, msgspec.json.decode(answer.body)["error"])
