"""The client's own duties: its arguments, its views, its life."""

import asyncio
import gc
import json
import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from respondio_async import (
    DEFAULT_LIMITS,
    ROUTES,
    AsyncRespond,
    ConfigurationError,
    ConnectionFailedError,
    LocalRateLimiter,
    RetryPolicy,
    __version__,
)
from tests.support.scripted import answer, scripted
from tests.support.virtual import VIRTUAL

CONTACT = answer(200, b'{"id": 7, "firstName": "Ada"}')


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL


def mock(handler: Callable[..., Any]) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.MockTransport(handler))


async def sent(token: str | None = None, **options: Any) -> httpx.Request:
    """What a client with these arguments sends."""
    requests: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, content=b'{"id": 7}')

    async with mock(handler) as http:
        await AsyncRespond(token, http_client=http, **options).contacts.get(7)
    return requests[0]


# ── arguments ─────────────────────────────────────────────────────────────────────────────────────


async def test_the_token_comes_from_the_argument_or_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The argument counts where both are given."""
    monkeypatch.setenv("RESPONDIO_API_TOKEN", "from-environment")
    assert (await sent()).headers["Authorization"] == "Bearer from-environment"
    for given in ("given", " given\n"):
        assert (await sent(given)).headers["Authorization"] == "Bearer given"


def test_no_token_says_where_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how to pass one, too."""
    monkeypatch.delenv("RESPONDIO_API_TOKEN", raising=False)
    with pytest.raises(ConfigurationError, match="RESPONDIO_API_TOKEN"):
        AsyncRespond()


@pytest.mark.parametrize("token", ["", "  ", "Bearer abc", "a\nb", "tökén", "a\x00b", 5])
def test_a_token_that_no_header_can_carry_is_refused_without_showing_it(token: int | str) -> None:
    """It fails early, and is silent about the value."""
    with pytest.raises(ConfigurationError) as caught:
        AsyncRespond(token)
    assert not str(token).strip() or str(token) not in str(caught.value)


async def test_the_base_url_comes_from_the_argument_or_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise it is the vendor's."""
    monkeypatch.delenv("RESPONDIO_BASE_URL", raising=False)
    assert (await sent("t")).url == "https://api.respond.io/v2/contact/id:7"
    monkeypatch.setenv("RESPONDIO_BASE_URL", "http://127.0.0.1:9/v2")
    assert (await sent("t")).url == "http://127.0.0.1:9/v2/contact/id:7"
    assert (await sent("t", base_url="https://x.yz/v2")).url == "https://x.yz/v2/contact/id:7"


@pytest.mark.parametrize(
    "options",
    [
        {"base_url": "http://api.respond.io/v2"},
        {"base_url": "ftp://x"},
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": True},
        {"timeout": "30"},
        {"timeout": float("nan")},
        {"deadline": 0},
        {"queue_timeout": -5},
        {"max_connections": 0},
        {"backend": "urllib3"},
        {"headers": {"X-A": "b\r\nX-C: d"}},
        {"headers": {"X A": "b"}},
        {"headers": {"Authorization": "Bearer x"}},
        {"headers": {"content-type": "text/plain"}},
        {"headers": {"x": 5}},
        {"retry": 5},
        {"limiter": 5},
        {"hooks": [5]},
        {"app_info": ""},
        {"app_info": 5},
        {"app_info": "crm/2.1\r\nX-C: d"},
        {"app_info": "crm/2.1\n"},
        {"app_info": "Müller CRM"},
        {"app_info": "crm/"},
        {"app_info": "crm (open"},
        {"app_info": "(no product)"},
        {"app_info": " crm/1"},
        {"app_info": "x" * 201},
        {"base_url": 5},
    ],
    ids=str,
)
def test_arguments_that_cannot_work_are_refused_at_once(options: dict[str, Any]) -> None:
    """Arguments that cannot work are refused at once where they are written, not in the first
    call.
    """
    with pytest.raises(ConfigurationError):
        AsyncRespond("t", **options)


def test_nothing_of_the_client_shows_the_token() -> None:
    """Nothing of the client shows the token, not its repr, and nothing it refers to."""
    client = AsyncRespond("canary-token")
    assert "canary" not in repr(client) + str(client) + repr(client.contacts) + repr(client.raw)


async def test_headers_are_added_and_replace_ours_of_the_same_name() -> None:
    """Headers are added and replace ours of the same name in any case of letters."""
    client, transport, _ = scripted(CONTACT, headers={"user-agent": "mine/1", "X-Trace": "1"})
    await client.contacts.get(7)
    headers = transport.requests[0].headers
    assert [value for name, value in headers if name.lower() == "user-agent"] == ["mine/1"]
    assert ("X-Trace", "1") in headers


@pytest.mark.parametrize(
    "app_info", ["crm", "crm/2.1", "acme-crm/2.1 (https://acme.example; eu)", "crm/2 flow/0.3b1"]
)
async def test_a_program_names_itself_behind_the_client(app_info: str) -> None:
    """It does so with and without a body, and on a view too; a User-Agent of one's own replaces
    both.
    """
    client, transport, _ = scripted(CONTACT, CONTACT, CONTACT, app_info=app_info)
    await client.contacts.get(7)
    await client.with_options(token="two", headers=None).contacts.update_lifecycle(7, "Lead")
    for request in transport.requests:
        assert dict(request.headers)["User-Agent"] == f"respondio-async/{__version__} {app_info}"
    await client.with_options(headers={"user-agent": "mine/1"}).contacts.get(7)
    assert app_info not in str(transport.requests[-1].headers)


async def test_a_timeout_object_bounds_the_phases() -> None:
    """`httpx.Timeout` is passed on; the deadline still bounds the whole."""
    timeout = httpx.Timeout(5.0, read=1.0)
    client, transport, _ = scripted(CONTACT, timeout=timeout, deadline=20)
    await client.contacts.get(7)
    assert transport.phases == [timeout]
    assert transport.timeouts == [20.0]


# ── views ─────────────────────────────────────────────────────────────────────────────────────────


async def test_a_view_changes_only_what_it_names() -> None:
    """The client itself stays as it was."""
    client, transport, limiter = scripted(CONTACT, headers={"X-A": "1"})
    view = client.with_options(
        timeout=3, deadline=None, queue_timeout=4, headers={"x-a": "2", "X-B": "3"}, priority="bulk"
    )
    await view.contacts.get(7)
    await client.contacts.get(7)
    ours, theirs = transport.requests
    assert {"x-a": "2", "X-B": "3"}.items() <= dict(ours.headers).items()
    assert "X-A" not in dict(ours.headers)
    assert dict(theirs.headers)["X-A"] == "1"
    assert transport.timeouts == [3.0, 30.0]
    assert [each["timeout"] for each in limiter.asked] == [4.0, None]
    await client.with_options(headers=None).contacts.get(7)
    assert "X-A" not in dict(transport.requests[-1].headers)


async def test_another_token_is_sent_and_brings_its_limiter() -> None:
    """Limits are counted per organisation."""
    client, transport, _ = scripted(
        answer(200, CONTACT.content, x_ratelimit_limit="9"), token="one", limiter=None
    )
    view = client.with_options(token="two")
    await client.contacts.get(7)

    def limit(client: AsyncRespond) -> float | None:
        return client.statistics().routes[ROUTES["contacts.get"]].limit

    assert limit(client) == 9
    assert limit(client.with_options(timeout=1)) == 9
    assert limit(view) is None
    await view.contacts.get(7)
    assert dict(transport.requests[-1].headers)["Authorization"] == "Bearer two"
    given, _, limiter = scripted(CONTACT)
    await given.with_options(token="two").contacts.get(7)
    assert len(limiter.asked) == 1


async def test_closing_a_view_closes_nothing() -> None:
    """Only the client itself does."""
    client, transport, _ = scripted(CONTACT)
    async with client.with_options(timeout=1) as view:
        await view.contacts.get(7)
    assert not transport.closed
    async with client:
        await client.contacts.get(7)
    assert transport.closed


async def test_a_view_of_a_subclass_keeps_what_the_subclass_has_noted() -> None:
    """A view is of the client's class, so its methods must find their attributes."""

    class TenantClient(AsyncRespond):
        def __init__(self, tenant: str, token: str) -> None:
            super().__init__(token)
            self.tenant = tenant

    assert TenantClient("acme", "token").with_options(timeout=1).tenant == "acme"


async def test_a_view_keeps_the_retry_policy_it_is_given() -> None:
    """One attempt means one attempt."""
    client, transport, _ = scripted(answer(500, b"{}"))
    with pytest.raises(Exception, match="500"):
        await client.with_options(retry=RetryPolicy(max_attempts=1)).contacts.get(7)
    assert len(transport.requests) == 1


# ── the escape hatch ──────────────────────────────────────────────────────────────────────────────


async def test_request_calls_what_has_no_method_yet() -> None:
    """The path is quoted, the call limited under its own template, and plain Python comes back."""
    client, transport, limiter = scripted(answer(200, b'{"a": [1]}'))
    got = await client.request("get", "/new/{thing}", params={"thing": "a/b?c"}, query={"x": True})
    assert got == {"a": [1]}
    assert transport.requests[0].target == "/new/a%2Fb%3Fc?x=true"
    assert limiter.asked[0]["route"] == "GET /new/{thing}"


async def test_request_knows_the_rows_of_the_table() -> None:
    """Their bucket and their replay class apply."""
    client, transport, limiter = scripted(answer(500, b"{}"))
    with pytest.raises(Exception, match="may or may not have happened"):
        await client.request(
            "POST", "/contact/{identifier}/message", params={"identifier": 7}, json={}
        )
    with pytest.raises(Exception, match="500"):
        await client.request("PUT", "/contact/{identifier}", params={"identifier": 7}, json={})
    assert limiter.asked[0]["route"] == "POST /contact/{identifier}/message"
    assert limiter.asked[1]["route"] == "POST|PUT|DELETE /contact/{identifier}"
    assert len(transport.requests) == 1 + 5


@pytest.mark.parametrize(
    ("path", "bucket"),
    [
        ("/space/user/{user}", "GET /space/user/{id}"),
        ("/space/contact_field", "GET /space/custom_field"),
        ("/space/contact_field/{field}", "GET /space/custom_field/{id}"),
        ("/space/user/{user}/more", "GET /space/user/{user}/more"),
    ],
)
async def test_request_counts_a_known_path_in_its_own_bucket(path: str, bucket: str) -> None:
    """The server does not know what a parameter is called here, so a bucket beside the known one
    would break the limit.
    """
    client, _, limiter = scripted(answer(200, b"{}"))
    await client.request(
        "GET",
        path,
        params={name: 3 for name in ("user", "field") if name in path.partition("{")[2]},
    )
    assert limiter.asked[0]["route"] == bucket


@pytest.mark.parametrize(
    ("path", "requests"),
    [("/contact/{who}/tag", 5), ("/contact/{who}/message", 1), ("/contact/{who}/else", 1)],
)
async def test_request_repeats_a_known_post_as_its_method_does(path: str, requests: int) -> None:
    """Whether a repeat is harmless is known of the operation, whatever its parameters are called
    here.
    """
    client, transport, _ = scripted(answer(502, b"{}"))
    with pytest.raises(Exception, match="502"):
        await client.request("POST", path, params={"who": 7}, json=["vip"])
    assert len(transport.requests) == requests


@pytest.mark.parametrize(
    ("method", "requests"), [("POST", 1), ("PATCH", 1), ("PUT", 5), ("GET", 5), ("DELETE", 5)]
)
async def test_an_unknown_post_is_not_repeated(method: str, requests: int) -> None:
    """Whether a repeat is harmless is not known of it."""
    client, transport, _ = scripted(answer(502, b"{}"))
    with pytest.raises(Exception, match="502"):
        await client.request(method, "/new")
    assert len(transport.requests) == requests


async def test_request_decodes_into_the_type_that_is_asked_for() -> None:
    """Any that msgspec knows."""
    client, _, _ = scripted(answer(200, b'{"id": 7, "firstName": "Ada"}'))
    value = await client.request(
        "GET", "/contact/{identifier}", params={"identifier": 7}, type=dict[str, int | str]
    )
    assert value == {"id": 7, "firstName": "Ada"}


# ── statistics ────────────────────────────────────────────────────────────────────────────────────


async def test_statistics_count_per_route() -> None:
    """Statistics count per route: sent, repeated, refused; the limiter's line; the connections; the
    budget.
    """
    steps = [answer(429, b"{}", retry_after="0"), answer(500, b"{}"), CONTACT]
    client, _, _ = scripted(*steps, limiter=LocalRateLimiter(dict.fromkeys(DEFAULT_LIMITS, 1000.0)))
    await client.contacts.get(7)
    statistics = client.statistics()
    use = statistics.routes["GET /contact/{identifier}"]
    assert (use.sent, use.retried, use.refused, use.limit) == (3, 2, 1, 1000.0)
    assert use.pauses == 1
    assert statistics.retry_budget == 59.1
    assert statistics.pool.open == 1
    with pytest.raises(AttributeError):
        use.sent = 5


# ── life ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_second_event_loop_is_refused_with_a_way_out() -> None:
    """Connections belong to the loop they were made on."""
    http = mock(lambda request: httpx.Response(200, content=b'{"id": 7}'))
    client = AsyncRespond("t", http_client=http)
    asyncio.run(_get(client))
    with pytest.raises(ConfigurationError, match="one client per event loop"):
        asyncio.run(_get(client))
    with pytest.raises(ConfigurationError, match="event loop"):
        asyncio.run(_close(client))


async def _get(client: AsyncRespond) -> Any:
    return await client.contacts.get(7)


async def _close(client: AsyncRespond) -> None:
    await client.aclose()


async def test_a_closed_client_refuses_calls() -> None:
    """It says so clearly; closing twice is no error."""
    client, transport, _ = scripted(CONTACT)
    await client.aclose()
    await client.aclose()
    with pytest.raises(ConfigurationError, match="closed"):
        await client.contacts.get(7)
    assert transport.requests == []


async def test_hooks_hear_the_error_that_a_call_ends_with_when_its_client_is_closed() -> None:
    """The caller is told that the client was closed, and so are they."""
    heard: list[Any] = []
    client, _, _ = scripted(answer(429, b"{}", retry_after="60"), hooks=[heard.append])
    call = asyncio.create_task(_get(client))
    await asyncio.sleep(1)
    await client.aclose()
    with pytest.raises(ConnectionFailedError, match="closed while this call was waiting"):
        await call
    assert heard[-1].error == "ConnectionFailedError"


async def test_a_client_that_is_closed_twice_at_once_waits_no_longer_than_its_calls() -> None:
    """A handler of a signal may close it while its block is being left."""
    client, _, _ = scripted(CONTACT, seconds=1.0)
    call = asyncio.create_task(_get(client))
    await asyncio.sleep(0.5)
    clock = asyncio.get_running_loop().time
    began = clock()
    await asyncio.gather(client.aclose(), client.aclose())
    assert clock() - began == pytest.approx(0.5, abs=0.1)
    assert (await call).id == 7


async def test_a_client_that_was_used_and_not_closed_warns() -> None:
    """`ResourceWarning`; one that was never used, or was closed, does not."""
    http = mock(lambda request: httpx.Response(200, content=b'{"id": 7}'))
    client = AsyncRespond("t", http_client=http)
    await client.contacts.get(7)
    held = [client]
    del client
    with pytest.warns(ResourceWarning, match="unclosed <AsyncRespond"):
        held.clear()
    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AsyncRespond("t")
        async with AsyncRespond("t", http_client=http) as client:
            await client.contacts.get(7)
        del client
        gc.collect()
    assert not http.is_closed
    await http.aclose()


def test_a_client_whose_arguments_are_refused_leaves_no_noise() -> None:
    """`__del__` copes with a half-made client."""
    with pytest.raises(ConfigurationError):
        AsyncRespond("")
    with pytest.raises(TypeError, match="tokn"):
        AsyncRespond(tokn="misspelt")
    gc.collect()


async def test_a_page_fetched_ahead_ends_with_the_client() -> None:
    """No task is left behind."""
    client, _, _ = scripted(
        answer(200, b'{"items": [{"id": 1}], "pagination": {"next": 1}}'), seconds=0.0
    )
    async for _ in client.contacts.list():
        break
    before = asyncio.all_tasks()
    assert [task for task in before if "Paginator" in repr(task) or "fetch" in repr(task)]
    await client.aclose()
    assert not [task for task in asyncio.all_tasks() if "fetch" in repr(task)]


async def test_an_injected_client_is_used_and_never_closed() -> None:
    """Its own base URL, headers and auth do not reach the request."""
    seen = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=b'{"id": 7}')

    http = httpx.AsyncClient(
        transport=httpx.MockTransport(handler),
        base_url="https://elsewhere.example",
        auth=("u", "p"),
        params={"leak": "1"},
    )
    async with AsyncRespond("tok", http_client=http) as client:
        assert (await client.contacts.get("phone:+60123456789")).id == 7
    assert not http.is_closed
    assert str(seen[0].url) == "https://api.respond.io/v2/contact/phone:%2B60123456789"
    assert seen[0].headers["authorization"] == "Bearer tok"
    await http.aclose()


async def test_an_error_of_the_transport_reaches_the_caller_as_ours() -> None:
    """An error of the transport reaches the caller as ours: picklable, without the address's
    path.
    """

    def handler(request: httpx.Request) -> None:
        raise httpx.ConnectError(
            "cannot reach https://api.respond.io/v2/contact/phone:+60123456789"
        )

    http = mock(handler)
    async with AsyncRespond("t", http_client=http, retry=RetryPolicy(max_attempts=1)) as client:
        with pytest.raises(ConnectionFailedError) as caught:
            await client.contacts.get("phone:+60123456789")
    error = pickle.loads(pickle.dumps(caught.value))
    assert "60123456789" not in str(error) + repr(error) + repr(caught.value.__cause__) + repr(
        caught.value.__context__
    )
    assert not error.sent
    await http.aclose()


# ── the face ──────────────────────────────────────────────────────────────────────────────────────


def run(code: str) -> str:
    """Run code in a fresh interpreter and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ}
    )
    return done.stdout.strip()


def test_importing_webhooks_does_not_import_the_http_client() -> None:
    """A webhook receiver need not pay for it."""
    modules = json.loads(
        run("import json, sys, respondio_async.webhooks; print(json.dumps(sorted(sys.modules)))")
    )
    assert not {"httpx", "httpx2", "aiohttp", "httpcore", "aiolimiter"} & set(modules)


def test_optional_parts_are_not_imported_with_the_client() -> None:
    """Heavy ones are extras, and wait until they are used."""
    code = (
        "import json, sys; from respondio_async import AsyncRespond; AsyncRespond('t'); "
        "print(json.dumps(sorted(sys.modules)))"
    )
    modules = set(json.loads(run(code)))
    assert (
        not {
            "httpx2",
            "aiohttp",
            "redis",
            "starlette",
            "uvicorn",
            "typer",
            "phonenumbers",
            "pyarrow",
        }
        & modules
    )
