"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

BaseUrl = Annotated[
    str | None,
    typer.Option(
        "--base-url",
        envvar="RESPONDIO_BASE_URL",
        show_default=False,
        help="Another server: a sandbox's address.",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON; remarks go to standard error.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be done, and write nothing.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace the file if it is there, without asking.")
]
Failed = Annotated[
    Literal["retry", "skip"],
    typer.Option(
        "--failed",
        help="What becomes of items that failed in an earlier run of the journal: tried again, or "
        "left alone and reported.",
    ),
]
Journal = Annotated[
    Path | None,
    typer.Option(
        "--journal",
        show_default=False,
        help="The run's journal: made if missing, continued if there. Without it one is made "
        "beside you, and removed when all went well.",
    ),
]
Sheet = Annotated[
    str | None,
    typer.Option(
        "--sheet",
        metavar="NAME",
        show_default=False,
        help="The sheet of an .xlsx file; else its first visible one.",
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        metavar="NAME",
        show_default=False,
        help='The encoding of a CSV file, such as "windows-1252"; else it is found where it is '
        "certain.",
    ),
]
