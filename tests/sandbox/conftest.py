"""What the sandbox's tests share: raw httpx, so that the client's own mistakes can't hide the
sandbox's.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from respondio_async.sandbox import Quirks, Sandbox


class Api:
    """A sandbox and a raw HTTP client on it."""

    def __init__(self, sandbox: Sandbox, http: httpx.AsyncClient) -> None:
        self.sandbox = sandbox
        self.http = http

    async def call(
        self, method: str, path: str, json: Any = None, **options: Any
    ) -> httpx.Response:
        if json is not None:
            options["json"] = json
        return await self.http.request(method, path, **options)

    async def ok(self, method: str, path: str, json: Any = None, **options: Any) -> Any:
        """The parsed answer, which must be a 200."""
        answer = await self.call(method, path, json, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refused(
        self, method: str, path: str, json: Any = None, **options: Any
    ) -> tuple[int, str]:
        """Status and message of an error answer, which must have the envelope."""
        answer = await self.call(method, path, json, **options)
        assert answer.status_code >= 400, answer.text
        body = answer.json()
        assert body["code"] == answer.status_code
        return answer.status_code, body["message"]

    async def contact(self, identifier: str = "phone:+60123456789", **fields: Any) -> int:
        """Create a contact; its id."""
        return (
            await self.ok(
                "POST", f"/contact/create_or_update/{identifier}", {"firstName": "Aina", **fields}
            )
        )["contactId"]


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[Api]:
    """A calm sandbox without limits, unless *options* say otherwise, with a client."""
    async with (
        Sandbox(**{"limits": None, "quirks": Quirks.calm(), **options}) as sandbox,
        httpx.AsyncClient(
            base_url=sandbox.url,
            headers={"Authorization": f"Bearer {sandbox.token}"},
            verify=False,
            timeout=300,
        ) as http,
    ):
        yield Api(sandbox, http)


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with serving(contacts=3) as api:
        yield api
