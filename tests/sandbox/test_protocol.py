"""Tokens, the edge, unknown paths, organisations."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from respondio_async.limits import DEFAULT_LIMITS
from respondio_async.sandbox import VENDOR_LIMITS
from respondio_async.sandbox._routes import ROUTES
from tests.sandbox.conftest import Api, serving


def test_the_table_of_limits_is_the_clients() -> None:
    """One table for both: it is the vendor's page, which a second copy would only repeat."""
    assert dict(VENDOR_LIMITS) == dict(DEFAULT_LIMITS)
    assert set(VENDOR_LIMITS) <= {route.bucket for route in ROUTES}


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer x{token}", "Bearer"])
async def test_a_wrong_token_is_401(api: Api, header: str) -> None:
    """A wrong token is 401 with the name that the server gives the error; an empty token reaches
    the API too.
    """
    headers = {"Authorization": header.format(token=api.sandbox.token)}
    answer = await api.call("GET", "/space/user", headers=headers)
    assert answer.status_code == 401
    assert answer.json() == {
        "code": 401,
        "status": "AuthorizationError",
        "message": "Token not found",
    }


@pytest.mark.parametrize(
    "header",
    ["Basic {token}", "{token}", "bearer {token}", "BEARER {token}", "Bearer{token}", ""],
)
async def test_any_other_authorization_is_blocked_at_the_edge(api: Api, header: str) -> None:
    """The firewall wants "Bearer " and answers in HTML."""
    headers = {"Authorization": header.format(token=api.sandbox.token)}
    answer = await api.call("GET", "/space/user", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (403, "text/html")
    assert "Request blocked" in answer.text


async def test_no_authorization_is_blocked_at_the_edge(api: Api) -> None:
    """A 403 that is not JSON."""
    async with httpx.AsyncClient(verify=False) as http:
        answer = await http.get(f"{api.sandbox.url}/space/user")
    assert (answer.status_code, answer.headers["content-type"]) == (403, "text/html")
    assert "Request blocked" in answer.text


async def test_patch_is_blocked_at_the_edge(api: Api) -> None:
    """PATCH is blocked at the edge with a good token too."""
    answer = await api.call("PATCH", "/contact/id:100000001", {})
    assert (answer.status_code, answer.headers["content-type"]) == (403, "text/html")


async def test_a_plan_without_the_api_is_a_json_403(api: Api) -> None:
    """It differs from the 403 of the edge, which is no JSON."""
    api.sandbox.quirks.plan_forbids_api = True
    assert (await api.refused("GET", "/space/user"))[0] == 403


@pytest.mark.parametrize(
    "path",
    [
        "/contact",
        "/contact/",
        "/contact/id:1/messages",
        "/contact/id:1/conversation",
        "/message/1",
        "/space/users",
        "/messages",
        "/",
        "",
    ],
)
async def test_paths_that_people_invent_are_404(api: Api, path: str) -> None:
    """Paths that people invent are 404: JSON, with the envelope."""
    assert await api.refused("GET", path) == (404, "Not Found")


async def test_other_versions_are_404(api: Api) -> None:
    """The sandbox has the API's second version and no other."""
    for version in ("/v1", ""):
        url = api.sandbox.url.replace("/v2", version)
        for method in ("GET", "PUT"):
            assert (await api.call(method, f"{url}/space/user")).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/space/user"), ("DELETE", "/contact/merge/x"), ("GET", "/contact/id:1/tag")],
)
async def test_a_wrong_method_is_refused(api: Api, method: str, path: str) -> None:
    """A wrong method is refused: 405 where another method would be right, 404 where none is."""
    assert (await api.refused(method, path))[0] == (404 if "merge" in path else 405)


async def test_a_huge_body_is_refused(api: Api) -> None:
    """A megabyte is enough for any operation."""
    assert (await api.refused("PUT", "/contact/id:100000001", {"firstName": "x" * 1_100_000}))[
        0
    ] == 413


async def test_a_body_in_pieces_is_read_whole(api: Api) -> None:
    """Chunked bodies are bodies."""

    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b'{"last', b'Name": ', b'"Pieces"}'):
            yield piece

    await api.ok("PUT", "/contact/id:100000001", content=pieces())
    assert api.sandbox.contacts[0].last_name == "Pieces"


async def test_the_token_looks_like_the_vendors(api: Api) -> None:
    """A JWT with the claims that clients read."""
    claims = json.loads(base64.urlsafe_b64decode(api.sandbox.token.split(".")[1] + "=="))
    assert claims.keys() == {"id", "spaceId", "orgId", "type", "iat"}
    assert claims["orgId"] == api.sandbox.organisations[0].id


async def test_tokens_of_an_organisation_see_the_same_workspace() -> None:
    """Tokens of an organisation see the same workspace: up to ten of them; a revoked one is
    refused.
    """
    async with serving(contacts=1, tokens=2) as api:
        first, second = api.sandbox.tokens
        third = api.sandbox.add_token()
        for token in (first, second, third):
            await api.ok(
                "GET", "/contact/id:100000001", headers={"Authorization": f"Bearer {token}"}
            )
        api.sandbox.revoke(second)
        assert (
            await api.refused("GET", "/space/user", headers={"Authorization": f"Bearer {second}"})
        )[0] == 401
        for _ in range(8):
            api.sandbox.add_token()
        with pytest.raises(ValueError, match="at most 10"):
            api.sandbox.add_token()


async def test_organisations_are_apart(api: Api) -> None:
    """Each has its own contacts; the token says which."""
    token = api.sandbox.add_organisation(contacts=1)
    other = {"Authorization": f"Bearer {token}"}
    await api.ok("PUT", "/contact/id:100000001", {"lastName": "Theirs"}, headers=other)
    assert (await api.ok("GET", "/contact/id:100000001"))["lastName"] != "Theirs"
    assert (await api.refused("GET", "/contact/id:100000002", headers=other))[0] == 404
    assert api.sandbox.organisation(token).workspace.contacts[100000001].last_name == "Theirs"
    for tokens in (0, 11):
        with pytest.raises(ValueError, match="1 to 10"):
            api.sandbox.add_organisation(tokens=tokens)
    assert len(api.sandbox.organisations) == 2


async def test_half_a_surrogate_pair_comes_back_as_it_went_in(api: Api) -> None:
    """JSON can carry it, UTF-8 can't: the answer escapes it."""
    await api.ok("PUT", "/contact/id:100000001", content='{"lastName": "\\ud83d"}')
    assert (await api.ok("GET", "/contact/id:100000001"))["lastName"] == "\ud83d"
    api.sandbox.state.channels[2001].name = "\ud83d"
    (channel, *_) = (await api.ok("GET", "/space/channel"))["items"]
    assert channel["name"] == "\ud83d"
    body = '{"channelId": "\\ud83d"}'
    assert await api.refused("POST", "/contact/id:100000001/message", content=body) == (
        400,
        "Invalid field(s) : channelId = \ud83d",
    )
    birthday = '{"custom_fields": [{"name": "Birthday", "value": "\\ud83d"}]}'
    assert await api.refused("PUT", "/contact/id:100000001", content=birthday) == (
        400,
        "custom_fields[0].value: Invalid value",
    )


@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [
        ("GET", "/contact/id:5", 404, "NotFoundError"),
        ("GET", "/nowhere", 404, "NotFoundError"),
        ("PUT", "/space/user", 405, "MethodNotAllowedError"),
        ("GET", "/space/channel", 449, "RetryWithError"),
        ("GET", "/space/closing_notes", 520, "UnknownError"),
        ("GET", "/space/custom_field", 500, "InternalServerError"),
    ],
)
async def test_every_error_may_have_a_name(
    api: Api, method: str, path: str, status: int, name: str
) -> None:
    """The API's own refusals and injected ones too; a status without a name of its own is no
    trouble.
    """
    api.sandbox.quirks.named_errors = True
    api.sandbox.fault(path="/space/channel", status=449)
    api.sandbox.fault(path="/space/closing_notes", status=520)
    api.sandbox.fault(path="/space/custom_field", status=500)
    answer = await api.call(method, path)
    assert (answer.status_code, answer.json()["status"]) == (status, name)


async def test_a_failure_of_the_sandbox_is_a_500_and_is_logged(
    api: Api, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug of the sandbox must not look like the client's."""
    monkeypatch.setattr(api.sandbox.state, "users", None)
    assert await api.refused("GET", "/space/user/1") == (500, "Unexpected error occurred")
    assert "the sandbox failed on GET /space/user/{id}" in caplog.text


async def test_other_applications_can_be_mounted(api: Api) -> None:
    """Other applications can be mounted beside the API: no token, no limits, no record."""

    async def page(
        scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]
    ) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
        )
        await send({"type": "http.response.body", "body": b"hi"})

    api.sandbox.mount("/inbox", page)
    root = api.sandbox.url.removesuffix("/v2")
    assert (await api.http.get(f"{root}/inbox/x")).text == "hi"
    assert (await api.http.get(f"{root}/inboxes")).status_code == 404
    assert api.sandbox.count() == 1
