"""Options that several commands share."""

import re
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

_SPAN: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)\s*([smhd]?)")
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}


def parse_span(text: str | float) -> float:
    """Read a length of time in seconds: "90", "90s", "10m", "2h", "1d"."""
    found = _SPAN.fullmatch(str(text).strip())
    if found is None:
        raise typer.BadParameter('write a length of time as "90s", "10m", "2h" or "1d"')
    return float(found[1]) * _SECONDS[found[2]]


BaseUrl = Annotated[
    str | None,
    typer.Option(
        "--base-url",
        envvar="RESPONDIO_BASE_URL",
        show_default=False,
        help="Another server: a sandbox's address.",
    ),
]
ProfileName = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        show_default=False,
        help="The token that respondio login keeps under this name; else RESPONDIO_API_TOKEN, then "
        "the profile RESPONDIO_PROFILE.",
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
RetryFailed = Annotated[
    bool,
    typer.Option(
        "--retry-failed", help="Try the items that failed in this run once more, at its end."
    ),
]
MaxOutage = Annotated[
    float,
    typer.Option(
        "--max-outage",
        parser=parse_span,
        metavar="TIME",
        show_default="1h",
        help="While the server does not answer, the run waits for up to so long and goes on by "
        "itself.",
    ),
]
Journal = Annotated[
    Path | None,
    typer.Option(
        "--journal",
        show_default=False,
        help="The run's journal: made if missing, continued if there. Without it one is made "
        "beside you, and removed when all went well, unless messages were sent.",
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
