"""`respondio demo`."""

import asyncio
from collections import Counter
from typing import Annotated

import typer

from ... import AsyncRespond
from ...hooks import AttemptEnded, HookEvent
from ...sandbox import Quirks, Sandbox
from .._command import command
from .._exit import Exit
from .._live import shown
from .._screen import Screen
from .check import compare
from .migration import STEPS, Migration, make_people
from .summary import MigrationView, RouteSummary, Summary, floor_seconds, print_summary


@command("Stopped. Nothing is left behind: the sandbox and its contacts are gone.")
async def demo(
    contacts: Annotated[
        int, typer.Option(min=1, max=10_000, help="How many contacts to migrate.")
    ] = 100,
    seed: Annotated[int, typer.Option(help="Makes up other contacts.")] = 1,
    *,
    screen: Annotated[
        Screen,
        typer.Option("--json", help="Print the summary as JSON; progress goes to standard error."),
    ],
) -> int:
    """Migrate contacts into a sandbox that enforces respond.io's limits, and check that everything
    arrived exactly once.

    No account is needed and nothing leaves this machine. The sandbox is a real server on a loopback
    port. Each contact is created, tagged, put into a lifecycle stage, sent a message, and its
    conversation is opened and assigned: all launched at once, and paced by the client. About half a
    minute for 100 contacts.

    **Examples**

    - `respondio demo`
    - `respondio demo --contacts 1000 --json > summary.json`
    """
    # Contacts are listed at once: the live server's lag of some 25 s would only make this
    # longer. All other habits stay.
    async with Sandbox(quirks=Quirks(list_lag=0.0), seed=seed, keep=0) as sandbox:
        summary = await demonstrate(sandbox, screen, contacts=contacts, seed=seed)
    if screen.json:
        screen.document(summary)
    return Exit.DONE if summary.ok else Exit.FAILED


async def demonstrate(sandbox: Sandbox, screen: Screen, *, contacts: int, seed: int) -> Summary:
    """Migrate, walk back, compare; show it all on *screen*."""
    clock = asyncio.get_running_loop().time
    people = make_people(contacts, seed)
    statuses: Counter[int | None] = Counter()

    def count(event: HookEvent) -> None:
        if isinstance(event, AttemptEnded):
            statuses[event.status] += 1

    async with AsyncRespond(sandbox.token, base_url=sandbox.url, hooks=[count]) as client:
        channel = await client.space.list_channels().first()
        users = await client.space.list_users().collect()
        assert channel is not None  # noqa: S101 - the sandbox has some
        migration = Migration(
            client, people, channel_id=channel.id, user_ids=[user.id for user in users]
        )
        screen.line(
            f"{contacts} contacts × {len(STEPS)} operations = {contacts * len(STEPS)}, launched at "
            "once"
            f" against {sandbox.url} with respond.io's limits"
        )
        screen.line("")
        began = clock()
        view = MigrationView(client, migration)
        async with shown(screen.people, view.sentence, view.picture, headings=view.headings):
            await migration.run()
        moved = clock()
        pages = client.contacts.list(page_size=min(100, max(1, contacts // 5))).pages()
        listed = [contact async for page in pages for contact in page.items]
        walked = clock()
        findings = compare(
            people,
            listed,
            migration.histories,
            (str(message.content.get("text")) for message in sandbox.sent_messages),
            migration.assignee,
        )
        repeated = sum(use.retried for use in client.statistics().routes.values())
    seen = sandbox.routes
    routes = [
        RouteSummary(
            name=step.label,
            route=step.route,
            operations=migration.done[step],
            requests=sandbox.count(step.route),
            refused=seen[step.route].refused if step.route in seen else 0,
            limit=sandbox.limits[step.route],
            busiest_second=sandbox.rates(step.route),
        )
        for step in STEPS
    ]
    slowest = max(routes, key=lambda route: floor_seconds(route.requests, route.limit))
    summary = Summary(
        contacts=contacts,
        operations=sum(route.operations for route in routes),
        requests=sum(route.requests for route in routes),
        migration_seconds=round(moved - began, 2),
        floor_seconds=max(floor_seconds(route.operations, route.limit) for route in routes),
        floor_with_repeats_seconds=floor_seconds(slowest.requests, slowest.limit),
        floor_route=slowest.route,
        walk_back_seconds=round(walked - moved, 2),
        refused=sum(route.refused for route in routes),
        not_ready=statuses[449],
        repeated=repeated,
        duplicates=findings.duplicates,
        losses=findings.losses,
        failures=dict(migration.failures),
        routes=routes,
        ok=findings.ok,
    )
    print_summary(screen, summary)
    return summary
