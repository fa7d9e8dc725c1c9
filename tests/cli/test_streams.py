"""Standard output and standard error that end early, are closed, or are full."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from respondio_async.sandbox import Quirks, Sandbox
from tests.cli.command import COMMAND, environment


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """More contacts than fit into a pipe's buffer."""
    with Sandbox(contacts=800, limits_factor=20, quirks=Quirks.calm()) as running:
        yield running


def shell(line: str, sandbox: Sandbox, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which `respondio` is the command."""
    script = f'set -o pipefail\nrespondio() {{ {" ".join(COMMAND)} "$@"; }}\n{line}'
    return subprocess.run(
        ["bash", "-c", script],
        env=environment(RESPONDIO_API_TOKEN=sandbox.token, RESPONDIO_BASE_URL=sandbox.url),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize(
    "line",
    [
        "respondio contacts export 2>&1 | head -1",
        "respondio api GET /space/user | true",
        "respondio --help | true",
    ],
)
def test_a_reader_that_has_enough_ends_it_quietly(
    line: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A reader that has enough ends it quietly, as every tool of a shell: no word, and the code of
    a broken pipe, or 0.
    """
    ended = shell(line, sandbox, tmp_path)
    assert ended.returncode in {0, 141}, ended.stderr
    assert ended.stderr == ""
    assert len(ended.stdout.splitlines()) == ("head" in line)


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("respondio contacts export >&-", 2, "standard output is closed"),
        ("respondio contacts export > /dev/full", 1, "No space left"),
        ("respondio contacts export -o out.csv 2>/dev/full", 0, ""),
        ("respondio contacts export -o out.csv <&- >&- 2>&-", 0, ""),
        ("respondio contacts tag x --contact id:1 2>&- >&-", 1, ""),
        ("respondio nonsense 2>&-", 2, ""),
        ("respondio login <&-", 2, "token"),
        ("respondio api POST /contact/list --input - <&-", 2, "no JSON"),
    ],
)
def test_a_closed_or_full_stream_loses_nothing_in_silence(
    line: str, code: int, said: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Data that would be lost is refused; what was only to be said is not, and there is never a
    traceback.
    """
    ended = shell(line, sandbox, tmp_path)
    assert ended.returncode == code, ended.stderr
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr
    if "-o out.csv" in line:
        assert (tmp_path / "out.csv").read_text().count("\n") == 801


def test_a_full_disk_says_what_was_kept(sandbox: Sandbox, tmp_path: Path) -> None:
    """The file's size is limited, which fails as a full disk does; the same command goes on."""
    output = tmp_path / "out.jsonl"
    ended = shell(
        # What measures coverage writes a file too, and complains in its own words.
        "unset COVERAGE_PROCESS_CONFIG COVERAGE_PROCESS_START; trap '' XFSZ; ulimit -f 60; "
        f"respondio contacts export -o {output}",
        sandbox,
        tmp_path,
    )
    assert ended.returncode == 1, ended.stderr
    assert "File too large: " in ended.stderr
    assert " kept; go on with:" in ended.stderr
    assert "--resume" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not output.exists()
    assert (
        shell(f"respondio contacts export -o {output} --resume", sandbox, tmp_path).returncode == 0
    )
    ids = [json.loads(line)["id"] for line in output.read_text().splitlines()]
    assert len(ids) == len(set(ids)) == 800


def test_a_number_that_is_free_is_given_to_no_file() -> None:
    """What libraries print to a closed stream must not reach a journal or a socket."""
    code = (
        "import os, sys; from respondio_async.cli import main; sys.argv[1:] = ['--version']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "found = os.open(os.devnull, os.O_RDONLY); os._exit(0 if found > 2 else 1)"
    )
    ended = subprocess.run(
        ["bash", "-c", f"exec '{sys.executable}' -c \"$0\" >&- 2>&-", code],
        check=False,
        timeout=300,
    )
    assert ended.returncode == 0
    assert os.fstat(1)
