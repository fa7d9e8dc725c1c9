"""kill -9 at any moment loses nothing, doubles nothing and keeps no doubt quiet."""

from benchmarks import bulk_kill


def test_a_run_killed_again_and_again_sends_each_message_once_or_says_that_it_does_not_know() -> (
    None
):
    """Real processes work against a sandbox, each killed at a random moment; the last one runs to
    its end.
    """
    result = bulk_kill.measure(kills=4, count=60, within=0.12)
    assert result.kills >= 2
    assert result.lost == []
    assert result.doubled == []
    assert result.unreported == []
    assert 60 - len(result.reported) <= result.sent <= 60
