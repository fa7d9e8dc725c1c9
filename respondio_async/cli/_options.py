"""Options that several commands share."""

import re
from typing import Annotated, Final

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
Country = Annotated[
    str | None,
    typer.Option(
        metavar="CODE", show_default=False, help='The country of phones without one: "MY".'
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be done, and write nothing.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace the file if it is there, without asking.")
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
