"""`respondio doctor`: is it the settings, the network, the token, the plan or the server?"""

import asyncio
import socket
import statistics
from base64 import urlsafe_b64decode
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import msgspec
import typer
from rich.text import Text

from respondio_async.discreet import Discreet

from .. import (
    DEFAULT_LIMITS,
    AsyncRespond,
    AttemptEnded,
    HealthCheck,
    HookEvent,
    RespondError,
    Response,
    RetryPolicy,
)
from ._client import TOKEN, Account, Credentials
from ._command import JsonScreen, command
from ._contract import ContractReport, as_text, custom_field_path, observe_contract
from ._exit import Exit, describe
from ._screen import Screen, counted, full_name, table_of

_BUDGET: Final = 9.0
"""Seconds for everything but the time that --seconds asks for."""
_ATTEMPT: Final = 4.0
"""Seconds for one request."""
_NAMES: Final = (
    "settings",
    "connection",
    "clock",
    "access",
    "limits",
    "custom_fields",
    "workspace",
)
_STYLES: Final = {"pass": "green", "warn": "yellow", "fail": "bold red", "skipped": "dim"}


class Named(Discreet, msgspec.Struct, frozen=True):
    """Something of the workspace that other commands ask for by its id."""

    _shown = ("kind",)

    id: int
    name: str | None
    kind: str | None
    """A channel's source, a field's type, a user's role."""


class DoctorReport(Discreet, msgspec.Struct):
    """What `--json` prints."""

    checks: list[HealthCheck] = msgspec.field(default_factory=list[HealthCheck])
    channels: list[Named] = msgspec.field(default_factory=list[Named])
    users: list[Named] = msgspec.field(default_factory=list[Named])
    custom_fields: list[Named] = msgspec.field(default_factory=list[Named])


@command()
async def doctor(
    *,
    seconds: Annotated[
        float,
        typer.Option(
            "--seconds", min=0.0, max=600.0, help="How long to watch for others on the same limit."
        ),
    ] = 2.0,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            help="Write how the server answers (shapes, key names and limits, no values) to FILE "
            "as JSON, and to FILE.txt for people.",
        ),
    ] = None,
    screen: JsonScreen,
    account: Account,
) -> int:
    """Find out what is wrong, or that nothing is: settings, connection, clock, token, limits,
    custom fields, and the ids that a first message needs.

    Reads only. It takes a few seconds: a dozen requests, each within the organisation's limits.
    Exit codes: 0 nothing failed, 1 something failed, 4 the token was refused.

    **Examples**

    - `respondio doctor`
    - `respondio doctor --seconds 30 --json`
    - `respondio doctor --report contract.json`
    """
    found = await examine(account, seconds)
    if screen.json:
        screen.document(found)
    else:
        _print(screen, found)
    code = exit_code(found.checks)
    if report is not None and code == Exit.DONE:
        async with account.connect() as client:
            _write_report(report, await observe_contract(client))
        screen.note(f"The contract report is in {report} and {report}.txt.")
    return code


def _write_report(path: Path, contract: ContractReport) -> None:
    content = msgspec.json.format(msgspec.json.encode(contract), indent=2)
    path.write_bytes(content + b"\n")
    path.with_name(path.name + ".txt").write_text(as_text(contract), encoding="utf-8")


def exit_code(checks: list[HealthCheck]) -> Exit:
    """4 for a token that the server refuses, 1 for any other failure."""
    failed = [check for check in checks if check.verdict == "fail"]
    if any(check.name == "access" and check.detail.startswith("401") for check in failed):
        return Exit.REFUSED
    return Exit.FAILED if failed else Exit.DONE


async def examine(account: Account, seconds: float) -> DoctorReport:
    """Make every check; what one of them needs and another found missing is skipped."""
    report = DoctorReport()
    examination = _Examination(report, seconds)
    try:
        client = examination.settings(account.credentials())
    except RespondError as error:
        advice = " ".join(line.strip() for line in describe(error)[1:])
        report.checks.append(HealthCheck("settings", "fail", str(error), advice or f"set {TOKEN}"))
    else:
        async with client:
            try:
                async with asyncio.timeout(_BUDGET + seconds):
                    await examination.ask(client)
            except TimeoutError:
                pass  # what is missing is said below
    done = {check.name for check in report.checks}
    why = (
        "an earlier check failed" if any(c.verdict == "fail" for c in report.checks) else "no time"
    )
    report.checks += [HealthCheck(name, "skipped", why) for name in _NAMES if name not in done]
    report.checks.sort(key=lambda check: _NAMES.index(check.name))
    return report


class _TokenClaims(msgspec.Struct):
    """What a token says about itself; read, not verified."""

    orgId: int | str | None = None  # noqa: N815 - the vendor's name
    spaceId: int | str | None = None  # noqa: N815 - the vendor's name


class _Examination:
    def __init__(self, report: DoctorReport, seconds: float) -> None:
        self._report = report
        self._seconds = seconds
        self._round_trips: list[float] = []
        self._limits_seen: dict[str, float] = {}
        self._others: dict[str, list[float]] = {}
        self._sent: dict[str, deque[float]] = {}

    def _on_event(self, event: HookEvent) -> None:
        if isinstance(event, AttemptEnded) and event.status is not None:
            self._round_trips.append(event.elapsed)

    def settings(self, found: Credentials) -> AsyncRespond:
        """Make the client; nothing is sent."""
        client = AsyncRespond(
            found.token,
            base_url=found.base_url,
            timeout=_ATTEMPT,
            deadline=_ATTEMPT,
            queue_timeout=_BUDGET,
            retry=RetryPolicy(outage="fail", max_attempts=2),
            hooks=[self._on_event],
        )
        claims = _claims(found.token)
        self._where = repr(client).removeprefix("<AsyncRespond ").removesuffix(">")
        if claims is None:
            check = HealthCheck(
                "settings",
                "warn",
                f"the token ({found.origin}) is not of the Developer API's form; server "
                f"{self._where}",
                "copy the token from Settings > Integrations > Developer API",
            )
        else:
            check = HealthCheck(
                "settings",
                "pass",
                f"token {found.origin}, organisation {claims.orgId or '?'}, "
                f"workspace {claims.spaceId or '?'}; server {self._where}",
            )
        self._report.checks.append(check)
        return client

    async def ask(self, client: AsyncRespond) -> None:
        """Everything that needs the server."""
        health = await client.check(timeout=_ATTEMPT)
        connection, clock, access = health.checks
        if connection.verdict == "fail":
            detail = await _resolve(self._where) or connection.detail
            self._report.checks.append(msgspec.structs.replace(connection, detail=detail))
            return
        self._report.checks += [clock, access]
        if access.verdict != "fail":
            for name, look in (
                ("limits", self._limits),
                ("custom_fields", self._custom_fields),
                ("workspace", self._workspace),
            ):
                try:
                    check = await look(client)
                except RespondError as error:
                    check = HealthCheck(name, "fail", str(error), "see the other checks")
                self._report.checks.append(check)
        self._report.checks.append(self._connection(client))

    def _connection(self, client: AsyncRespond) -> HealthCheck:
        trips = sorted(self._round_trips)
        way = f"{urlsplit(self._where).scheme}, {_proxy(self._where)}"
        if not trips:
            return HealthCheck("connection", "pass", f"the server answers ({way})")
        middle = statistics.median(trips)
        slow = middle > 1.0
        guard = max((route.margin for route in client.statistics().routes.values()), default=0.0)
        return HealthCheck(
            "connection",
            "warn" if slow else "pass",
            f"{way}; round trip {middle * 1000:.0f} ms in the median of {len(trips)} requests, "
            f"{trips[0] * 1000:.0f} to {trips[-1] * 1000:.0f} ms; against uneven delays the "
            f"limiter widens each second by {guard * 1000:.0f} ms",
            "slow answers need more connections at once (max_connections)" if slow else "",
        )

    # ── limits ──────────────────────────────────────────────────────────────────────────────────

    async def _limits(self, client: AsyncRespond) -> HealthCheck:
        raw = client.raw
        reads: dict[str, Callable[[], Awaitable[Response[Any]]]] = {
            "GET /space/user": lambda: raw.space.list_users(page_size=1),
            "GET /space/channel": lambda: raw.space.list_channels(page_size=1),
            "POST /contact/list": lambda: raw.contacts.list(page_size=1),
            "GET /space/closing_notes": lambda: raw.space.list_closing_notes(page_size=1),
        }
        clock = asyncio.get_running_loop().time
        end = clock() + self._seconds
        failures: list[RespondError] = []
        while True:
            for route, read in reads.items():
                try:
                    self._note(route, (await read()).rate_limit, clock())
                except RespondError as error:
                    failures.append(error)
            if clock() >= end or len(failures) > len(reads):
                break
            await asyncio.sleep(min(0.5, max(0.0, end - clock())))
        return self._judge_limits(failures)

    def _note(self, route: str, headers: Any, now: float) -> None:
        sent = self._sent.setdefault(route, deque())
        sent.append(now)
        while now - sent[0] > 1.0:
            sent.popleft()
        if headers is None or headers.limit is None:
            return
        self._limits_seen[route] = headers.limit
        if headers.remaining is not None:
            others = headers.limit - headers.remaining - len(sent)
            self._others.setdefault(route, []).append(max(0.0, others))

    def _judge_limits(self, failures: list[RespondError]) -> HealthCheck:
        other = {
            route: limit
            for route, limit in self._limits_seen.items()
            if limit != DEFAULT_LIMITS.get(route)
        }
        busy = {
            route: taken
            for route, samples in self._others.items()
            if (taken := statistics.median(samples)) >= 1.0
        }
        parts = [
            f"{route}: {limit:g} a second where the vendor's table says {DEFAULT_LIMITS[route]:g}"
            for route, limit in other.items()
        ]
        parts += [
            f"{route}: another program takes about {taken:g} of {self._limits_seen[route]:g} "
            "requests a second"
            for route, taken in busy.items()
        ]
        if not self._limits_seen and failures:
            return HealthCheck(
                "limits", "fail", f"no read succeeded: {failures[0]}", "see the other checks"
            )
        if not self._limits_seen:
            return HealthCheck(
                "limits",
                "warn",
                "the server sends no X-RateLimit headers",
                "the limits of the vendor's table apply, corrected by refusals",
            )
        if busy or any(limit < DEFAULT_LIMITS[route] for route, limit in other.items()):
            return HealthCheck(
                "limits",
                "warn",
                "; ".join(parts),
                "the client adapts by itself; long runs take longer than the table says",
            )
        return HealthCheck("limits", "pass", "; ".join(parts) or "as in the vendor's table")

    # ── workspace ───────────────────────────────────────────────────────────────────────────────

    async def _custom_fields(self, client: AsyncRespond) -> HealthCheck:
        path = await custom_field_path(client)
        if path is not None:
            return HealthCheck("custom_fields", "pass", f"GET {path} answers")
        return HealthCheck(
            "custom_fields",
            "fail",
            "neither of the two documented paths answers",
            "look at the base URL and the token's workspace",
        )

    async def _workspace(self, client: AsyncRespond) -> HealthCheck:
        report, space = self._report, client.space
        report.channels = [
            Named(each.id, each.name, each.source) async for each in space.list_channels()
        ]
        report.users = [
            Named(each.id, full_name(each), each.role) async for each in space.list_users()
        ]
        report.custom_fields = [
            Named(each.id, each.name, each.data_type) async for each in space.list_custom_fields()
        ]
        found = ", ".join(
            (
                counted(len(report.channels), "channel"),
                counted(len(report.users), "user"),
                counted(len(report.custom_fields), "custom field"),
            )
        )
        if report.channels:
            return HealthCheck("workspace", "pass", found)
        return HealthCheck(
            "workspace", "warn", found, "connect a channel before you send a message"
        )


def _claims(token: str) -> _TokenClaims | None:
    parts = token.strip().split(".")
    if len(parts) != 3:
        return None
    try:
        payload = urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return msgspec.json.decode(payload, type=_TokenClaims)
    except (ValueError, msgspec.MsgspecError, RecursionError):
        return None


def _proxy(url: str) -> str:
    """Name the proxy that requests to *url* take from the environment, without its password."""
    parts = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.hostname or ""):
        return "no proxy"
    return f"through the proxy {urlsplit(proxy).hostname or 'of the environment'}"


async def _resolve(url: str) -> str | None:
    """Say that the host has no address; None when it has one."""
    host = urlsplit(url).hostname or ""
    try:
        await asyncio.get_running_loop().getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    except OSError:
        return f"the name {host} has no address (DNS)"
    return None


def _print(screen: Screen, report: DoctorReport) -> None:
    checks: list[tuple[Text, str, Text]] = []
    for check in report.checks:
        text = Text(check.detail)
        if check.advice:
            text.append(f"\n→ {check.advice}", style="italic")
        checks.append((Text(check.verdict, style=_STYLES[check.verdict]), check.name, text))
    screen.show(table_of(("", "", ""), checks, header=False))
    for title, found in (
        ("channels", report.channels),
        ("users", report.users),
        ("custom fields", report.custom_fields),
    ):
        if found:
            rows = ((each.id, each.name, each.kind) for each in found)
            screen.show(table_of(("id", "name", "kind"), rows, title=title))
