"""The benchmarks against other clients and of the limiter on real sockets, at tiny sizes: that they
run, and count what they say.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("tenacity", reason="the extra `bench` is not installed")
pytest.importorskip("asyncio_throttle", reason="the extra `bench` is not installed")
pytest.importorskip("requests", reason="the extra `bench` is not installed")
pytest.importorskip("matplotlib", reason="the extra `bench` is not installed")

from benchmarks import limits_live, peers, peers_beside
from benchmarks.peers_clients import BESIDE, CONTESTANTS, PATHS, Operation
from benchmarks.sandbox_process import SandboxProcess, contact_of

OURS = "respondio_async"
OTHERS = sorted(name for name in CONTESTANTS if not peers.is_ours(name))
BLIND = ("vendor's SDK policy", "httpx + tenacity", "httpx + AsyncLimiter + tenacity")
"""Those that repeat whatever got no answer."""


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxProcess]:
    with SandboxProcess(latency=0.01, keep=None) as process:
        yield process


def row(**changes: object) -> peers.Row:
    """A row of ours in which all is well."""
    good = peers.Row(
        job="gets", name=OURS, wall=29.5, floor=29.08, wanted=300, done=300, failed=0, doubtful=0,
        refused=0, twice=0,
        cpu=0.5, memory=40.0, errors={}, arrivals=[(0.0, False)],
    )  # fmt: skip
    return good._replace(**changes)


@pytest.mark.parametrize("name", CONTESTANTS)
def test_gets(server: SandboxProcess, name: str) -> None:
    """Every contestant reads: three reads are within every limit."""
    told = peers.compete(server, "gets", name, name, count=3)
    assert (told.done, told.failed, told.refused, told.twice) == (3, 0, 0, 0)
    assert told.cpu > 0
    assert told.memory > 5


@pytest.mark.parametrize("name", OTHERS)
def test_mixed_of_others(server: SandboxProcess, name: str) -> None:
    """A contact whose first requests are reset: done twice by those who repeat blindly, a failure
    for the others.
    """
    told = peers.compete(server, "mixed", name, name, count=1, reset_every=1)
    assert told.done == len(PATHS)
    assert told.twice == (2 if name in BLIND else 0)
    assert (told.failed == 0) == (name in BLIND)
    assert told.doubtful == 0


def test_mixed_of_ours(server: SandboxProcess) -> None:
    """Ours does all six once, and says of the two that may not be repeated that nobody knows."""
    told = peers.compete(server, "mixed", OURS, OURS, count=1, reset_every=1)
    assert (told.done, told.failed, told.doubtful, told.twice) == (len(PATHS), 2, 2, 0)


def test_pair(server: SandboxProcess) -> None:
    """Two processes do half of the reads each."""
    told = peers.compete(server, "pair", "both", OURS, count=4, share=0.5)
    assert (told.name, told.done, told.failed) == ("both", 4, 0)


def test_floor() -> None:
    """A strict server lets L calls in at once, then L more a second later."""
    reads = [Operation("get", number) for number in range(21)]
    assert peers.floor(reads[:10]) == peers.LATENCY
    assert peers.floor(reads[:20]) == peers.LATENCY + 1
    assert (
        peers.floor([*reads, *(Operation("tag", number) for number in range(16))])
        == peers.LATENCY + 3
    )


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({}, True),
        ({"wall": 31.0}, False),
        ({"refused": 1}, False),
        ({"done": 299}, False),
        ({"failed": 1}, False),
        ({"failed": 1, "doubtful": 1}, True),
        ({"twice": 1}, False),
        ({"name": "httpx + tenacity", "refused": 99}, True),
    ],
)
def test_judge(changes: dict[str, object], good: bool) -> None:
    """Our rows are held to the promises; those of the others are only told."""
    assert peers.judge([row(**changes)]).good == good


def test_report() -> None:
    """A table for each job that was done; a job that was not done whole has no speed."""
    text = peers.report([row(), row(name="httpx + tenacity", done=12)])
    assert "| respondio_async | 29.5 | 1.014 | 300 of 300 |" in text
    assert "| httpx + tenacity | 29.5 | – | 12 of 300 |" in text
    assert peers.JOBS["mixed"] not in text


def test_plot(tmp_path: Path) -> None:
    """The plot says in words what it shows, and has no background of its own."""
    from benchmarks.peers_plot import draw, per_second  # matplotlib is a second of every worker

    drawn = tmp_path / "plot.svg"
    draw([(OURS, [(0.0, False), (1.5, True)], 2, 1), ("nobody", [], 2, 0)], drawn)
    text = drawn.read_text()
    assert "1 of 2 done, 1 refused" in text
    assert per_second([(0.0, False), (0.9, True), (7.0, False)], 2) == ([1, 1], [1, 0])


@pytest.mark.parametrize(
    ("path", "contact"),
    [("/contact/id:12/tag", 12), ("/contact/create_or_update/id%3A3", 3), ("/space/user", 0)],
)
def test_contact_of(path: str, contact: int) -> None:
    """The contact that a path names, however its colon was written."""
    assert contact_of(path) == contact


@pytest.mark.parametrize("name", BESIDE)
async def test_beside(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Beside a neighbour each contestant gets something, and both are counted apart."""
    monkeypatch.setattr(peers_beside, "WARM_UP", 0.0)
    got = await peers_beside.compete(name, "steady", 0.5, seconds=1.0)
    assert got.used > 0
    assert peers_beside.table("a half", [got]).endswith(f"{got.line(0.0)}")


def test_beside_counts_each_apart() -> None:
    """What the neighbour got is not left to us."""
    arrived = [(False, False)] * 4 + [(False, True)] + [(True, False)] * 2 + [(True, True)] * 2
    got = peers_beside.count("somebody", arrived, seconds=1.0)
    assert got == peers_beside.Beside("somebody", 0.5, 0.2, 0.5)
    figures = peers_beside.judge({"a half": [got, peers_beside.Beside(OURS, 0.4, 0.05, 0.0)]})
    assert figures.good
    assert not peers_beside.judge({"a half": [got, got._replace(name=OURS)]}).good


async def test_limits_live(tmp_path: Path) -> None:
    """A few reads on each kind of server: each is seen by both sides, and arrives after its
    permit.
    """
    runs = await limits_live.saturated(3, 0.0)
    assert set(runs) == set(limits_live.WINDOWS)
    for name, one in runs.items():
        assert (one.refused, one.failed, len(one.sent)) == (0, 0, 3)
        assert all(sent.arrived >= sent.permit for sent in one.sent)
        limits_live.keep(tmp_path, name, one.sent)
    assert len((tmp_path / "sliding.txt").read_text().splitlines()) == 4


async def test_limits_live_burst() -> None:
    with SandboxProcess(contacts=50) as own:
        assert [refused for _, refused in await limits_live.bursts(own, 1)] == [0]
        assert len(own.ask("arrivals")) == 6


async def test_limits_live_wire() -> None:
    """The twenty routes can be kept busy."""
    lags = await limits_live.wire(1.5)
    assert len(lags) > 20
    assert min(lags) > 0
