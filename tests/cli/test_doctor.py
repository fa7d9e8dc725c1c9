"""`respondio doctor` tells the causes of a first hour's trouble apart, each with the next step."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from respondio_async import AsyncRespond
from respondio_async.cli._app import app
from respondio_async.cli._contract import ContractReport, observe_contract
from respondio_async.cli.doctor import _proxy
from respondio_async.cli.sandbox import as_answers, as_limits, as_quirks
from respondio_async.sandbox import Answers, Quirks, Sandbox
from tests.cli.strict_server import HTML, JSON, Behaviour, limited, page, strict_server
from tests.support.ports import nobody

CLAIMS = base64.urlsafe_b64encode(json.dumps({"orgId": 5, "spaceId": 6}).encode()).decode()
TOKEN = f"aGVhZA.{CLAIMS.rstrip('=')}.c2lnbmF0dXJl"
NAMES = ["settings", "connection", "clock", "access", "limits", "custom_fields", "workspace"]


def refusing(status: int, headers: dict[str, str], body: str) -> Behaviour:
    """Answer everything alike."""
    return lambda method, path: (status, headers, body)


REVOKED = refusing(401, JSON, '{"code":401,"status":"AuthorizationError","message":"Token"}')
FIREWALL = refusing(403, HTML, "<html><title>Request blocked</title></html>")
PLAN = refusing(403, JSON, '{"code":403,"message":"Your plan does not include the API"}')
BROKEN = refusing(503, JSON, '{"code":503,"message":"down"}')
NO_PATH = refusing(404, JSON, '{"code":404,"message":"Not found"}')
REFUSED = refusing(429, {**JSON, "Retry-After": "1"}, '{"code":429,"message":"Too many"}')


def doctor(
    url: str | None, monkeypatch: pytest.MonkeyPatch, *, token: str = TOKEN
) -> tuple[int, dict[str, dict[str, str]]]:
    """Run the command; the checks by name, in the documented order."""
    monkeypatch.setenv("RESPONDIO_API_TOKEN", token)
    monkeypatch.delenv("RESPONDIO_BASE_URL", raising=False)
    arguments = ["doctor", "--json", "--seconds", "0"] + (["--base-url", url] if url else [])
    result = CliRunner().invoke(app, arguments, prog_name="respondio")
    assert isinstance(result.exception, SystemExit | None), result.exception
    assert TOKEN not in result.output
    checks: list[dict[str, str]] = json.loads(result.stdout)["checks"]
    assert [check["name"] for check in checks] == NAMES
    assert all(set(check) == {"name", "verdict", "detail", "advice"} for check in checks)
    return result.exit_code, {check["name"]: check for check in checks}


@pytest.mark.parametrize(
    ("behaviour", "code", "verdict", "words"),
    [
        (REVOKED, 4, "fail", "revoked"),
        (FIREWALL, 1, "fail", "firewall"),
        (PLAN, 1, "fail", "plan"),
        (BROKEN, 1, "fail", "later"),
        (NO_PATH, 1, "fail", "base URL"),
    ],
    ids=["revoked", "firewall", "plan", "broken", "no-path"],
)
def test_a_refusal_has_its_cause_and_its_cure(
    behaviour: Behaviour, code: int, verdict: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each refusal is reported as what it is, and what depends on access is skipped."""
    with strict_server(behaviour) as url:
        ended, checks = doctor(url, monkeypatch)
    access = checks["access"]
    assert (ended, access["verdict"]) == (code, verdict)
    assert words in access["detail"] + access["advice"]
    assert checks["connection"]["verdict"] == "pass"
    assert {checks[name]["verdict"] for name in ("limits", "custom_fields", "workspace")} == {
        "skipped"
    }


def test_a_healthy_server_passes_and_shows_the_ids_of_a_first_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing fails; organisation, workspace and ids are there."""
    with strict_server(lambda method, path: page(path)) as url:
        ended, checks = doctor(url, monkeypatch)
        people = CliRunner().invoke(app, ["doctor", "--seconds", "0", "--base-url", url])
    assert ended == 0
    assert "organisation 5" in checks["settings"]["detail"]
    assert "workspace 6" in checks["settings"]["detail"]
    assert checks["clock"]["verdict"] == "pass"
    for words in ("http, no proxy", "round trip", "limiter widens each second by"):
        assert words in checks["connection"]["detail"]
    assert checks["workspace"]["detail"] == "1 channel, 1 user, 1 custom field"
    assert checks["limits"]["verdict"] == "warn"  # no headers
    assert people.exit_code == 0
    for word in ("70", "Shop", "whatsapp_cloud", "700", "Plan"):
        assert word in people.output


def test_a_server_that_is_down_fails_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said of token and limits, which nobody could ask about."""
    ended, checks = doctor(nobody(), monkeypatch)
    assert ended == 1
    assert checks["connection"]["verdict"] == "fail"
    assert "proxy" in checks["connection"]["advice"]
    assert {checks[name]["verdict"] for name in NAMES[2:]} == {"skipped"}


def test_a_name_without_an_address_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt host and a server that is down are reported differently."""
    ended, checks = doctor("https://api.respond.invalid/v2", monkeypatch)
    assert ended == 1
    assert "has no address" in checks["connection"]["detail"]


@pytest.mark.parametrize(("seconds", "side"), [(300.0, "behind"), (-300.0, "ahead of")])
def test_a_clock_five_minutes_off_is_a_warning(
    seconds: float, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The direction is right, and nothing else fails for it."""
    with strict_server(lambda method, path: page(path), clock=seconds) as url:
        ended, checks = doctor(url, monkeypatch)
    assert ended == 0
    assert checks["clock"]["verdict"] == "warn"
    assert side in checks["clock"]["detail"]


@pytest.mark.parametrize(
    ("limit", "remaining", "verdict", "words"),
    [
        (20, 19, "pass", "20 a second where the vendor's table says"),
        (2, 1, "warn", "2 a second where the vendor's table says"),
        (5, 1, "warn", "another program takes about"),
    ],
    ids=["more", "less", "neighbour"],
)
def test_limits_are_compared_with_the_table_and_neighbours_are_seen(
    limit: float, remaining: float, verdict: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than the table is good, less is a warning, and so is another program on the limit."""
    with strict_server(limited(limit, remaining)) as url:
        ended, checks = doctor(url, monkeypatch)
    assert ended == 0
    assert checks["limits"]["verdict"] == verdict
    assert words in checks["limits"]["detail"]


def test_a_missing_token_fails_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent, and the variable is named."""
    ended, checks = doctor(None, monkeypatch, token=" ")
    assert ended == 1
    assert checks["settings"]["verdict"] == "fail"
    assert "RESPONDIO_API_TOKEN" in checks["settings"]["detail"]


def test_a_token_of_another_integration_is_doubted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that is no JWT may still work; it is said."""
    with strict_server(lambda method, path: page(path)) as url:
        ended, checks = doctor(url, monkeypatch, token="plain-key")
    assert ended == 0
    assert checks["settings"]["verdict"] == "warn"


async def test_check_gives_facts_to_a_health_endpoint() -> None:
    """One request, no exception, and the parts by name."""
    async with Sandbox(contacts=1) as sandbox:
        async with AsyncRespond(sandbox.token, base_url=sandbox.url) as client:
            health = await client.check(timeout=60)
        assert len(sandbox.requests) == 1
    assert health.ok
    assert health.status == 200
    assert health.round_trip is not None
    assert health.clock_offset is not None
    assert [check.name for check in health.checks] == ["connection", "clock", "access"]


async def test_check_does_not_raise_for_what_the_server_does() -> None:
    """A refusal, a limit and a dead server are facts."""
    found: dict[str, Any] = {}
    for name, behaviour in {"revoked": REVOKED, "limit": REFUSED, "broken": BROKEN}.items():
        with strict_server(behaviour) as url:
            async with AsyncRespond(TOKEN, base_url=url) as client:
                found[name] = await client.check(timeout=60)
    async with AsyncRespond(TOKEN, base_url=nobody()) as client:
        found["down"] = await client.check(timeout=60)
    assert {name: health.error for name, health in found.items()} == {
        "revoked": "UnauthorizedError",
        "limit": "RateLimitError",
        "broken": "ServiceUnavailableError",
        "down": "ConnectionFailedError",
    }
    assert {name: health.ok for name, health in found.items()} == {
        "revoked": False,
        "limit": True,
        "broken": False,
        "down": False,
    }


SECRET = "canary-7f3a"


def test_the_contract_report_holds_shapes_and_no_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values of every kind and place stay out; key names, types, headers and limits are in."""
    person = {
        "id": 4_111_222,
        "firstName": SECRET,
        "phone": "+60123450088",
        "email": f"{SECRET}@b.example",
        "custom_fields": [{"name": SECRET, "value": SECRET}],
        SECRET + " @": 1,
        "tags": [SECRET],
    }
    lists: dict[str, Any] = {
        "/v2/contact/list": [person, {"id": 2, "firstName": None, "score": 0.5}],
        "/v2/space/user": [{"id": 9, "firstName": SECRET, "role": f"{SECRET}@x y"}],
        "/v2/space/channel": [{"id": 1, "name": SECRET, "source": "whatsapp_cloud"}],
    }

    def answer(method: str, path: str) -> tuple[int, dict[str, str], str]:
        headers = {**JSON, "X-RateLimit-Limit": "7", "X-Seen": SECRET}
        if path == "/v2/space/custom_field":
            return 404, headers, json.dumps({"code": 404, "message": SECRET})
        if path in {"/v2/contact/id:4111222", "/v2/space/user/9"}:
            return 200, headers, json.dumps(person)
        if path not in lists and not path.endswith(("list", "field", "notes", "template")):
            return 404, headers, json.dumps({"code": 404, "message": SECRET})
        url = f"https://api.respond.io/v2/contact/list?limit=2&cursorId={SECRET}"
        body = {"items": lists.get(path, []), "pagination": {"next": None, "previous": url}}
        return 200, headers, json.dumps(body)

    target = tmp_path / "contract.json"
    monkeypatch.setenv("RESPONDIO_API_TOKEN", TOKEN)
    with strict_server(answer) as url:
        result = CliRunner().invoke(
            app, ["doctor", "--seconds", "0", "--report", str(target), "--base-url", url]
        )
    assert result.exit_code == 0, result.output
    written = target.read_text() + (tmp_path / "contract.json.txt").read_text()
    for canary in (SECRET, "4111222", "60123450088", TOKEN):
        assert canary not in written
    report = json.loads(target.read_text())
    contacts = report["operations"]["POST /contact/list"]
    assert contacts["shape"]["items"][0]["firstName"] == "null | string"
    assert contacts["shape"]["items"][0]["<key>"] == "integer"
    assert contacts["limit"] == 7
    assert contacts["next_form"] == "null"
    assert "x-seen" in contacts["headers"]
    assert report["operations"]["GET /space/channel"]["words"] == {"source": ["whatsapp_cloud"]}
    assert report["operations"]["GET /space/user"]["words"] == {}
    assert report["custom_field_path"] == "/space/contact_field"
    assert report["not_found"] == {
        "status": 404,
        "shape": {"code": "integer", "message": "string"},
    }


async def test_drift_is_counted_by_kind() -> None:
    """The position in a list is no kind of its own; the last sight is kept."""

    def answer(method: str, path: str) -> tuple[int, dict[str, str], str]:
        users = [{"id": "7", "firstName": 5}, {"id": 8, "firstName": 6}]
        return 200, JSON, json.dumps({"items": users, "pagination": {"next": None}})

    with strict_server(answer) as url:
        async with AsyncRespond(TOKEN, base_url=url) as client:
            assert client.drift() == []
            await client.space.list_users().collect()
            await client.space.list_users().collect()
            found = client.drift()
    assert {each.endpoint for each in found} == {"GET /space/user"}
    assert len({each.detail for each in found}) == len(found)
    assert sum(each.count for each in found) > len(found)
    assert all(each.last_seen > 1.7e9 for each in found)


async def reported(**options: Any) -> ContractReport:
    """Report how a sandbox with these options answers."""
    async with (
        Sandbox(**options) as sandbox,
        AsyncRespond(sandbox.token, base_url=sandbox.url) as client,
    ):
        return await observe_contract(client)


@pytest.mark.parametrize(
    ("cursor", "end"),
    [
        ("integer", "null"),
        ("string", "empty"),
        ("relative", "missing"),
        ("url", "no_pagination"),
        ("url_without_version", "null"),
    ],
)
async def test_the_sandbox_plays_what_a_report_has_seen(cursor: Any, end: Any) -> None:
    """A report of one sandbox, played by another and reported again, is the same report."""
    quirks = Quirks(next_cursor=cursor, last_page=end, team="text", named_errors=end == "null")
    answers = Answers(custom_field_path="contact_field")
    limits = {"GET /space/user": 7.0, "POST /contact/list": 12.0}
    first = await reported(contacts=3, quirks=quirks, answers=answers, limits=limits)
    played = as_quirks(first, Quirks())
    assert (played.next_cursor, played.last_page, played.team) == (cursor, end, "text")
    assert played.named_errors == (end == "null")
    assert as_answers(first).custom_field_path == "contact_field"
    assert as_limits(first).items() >= limits.items()
    async with (
        Sandbox(
            contacts=3, quirks=played, answers=as_answers(first), limits=as_limits(first)
        ) as again,
        AsyncRespond(again.token, base_url=again.url) as client,
    ):
        second = await observe_contract(client)
    assert second == first


def test_the_command_plays_a_report(tmp_path: Path) -> None:
    """`--like` takes the file; what is no report is wrong usage."""
    broken = tmp_path / "broken.json"
    broken.write_text("[]")
    result = CliRunner().invoke(app, ["sandbox", "--like", str(broken)])
    assert result.exit_code == 2
    assert "no contract report" in result.stderr


def test_the_proxy_of_the_environment_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A proxy explains many a first hour; its password is nobody's business."""
    monkeypatch.setenv("HTTPS_PROXY", "http://user:canary@proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "direct.example")
    assert _proxy("https://api.respond.io/v2") == "through the proxy proxy.example"
    assert _proxy("https://direct.example/v2") == "no proxy"
