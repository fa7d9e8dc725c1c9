"""Every number of the limiter, and why it has that value.

Figures marked *grid* are of the cells in `tests/simulation/grid.py` (`benchmarks/simulation.py`),
those marked *scenes* of `tests/simulation/neighbours.py`: a strict sliding second of ten, 80 ms
round trips, others on the same limit.
"""

from typing import Final

# ── the window's slots ───────────────────────────────────────────────────────────────────────────

FLOOR: Final = 0.008
"""Least seconds that a slot is held past its second: timers and clocks are not exact."""
RESERVE: Final = 0.003
"""Held on top of a request's own lateness (*grid*: 5 ms of unevenness, no refusal, 98.9 %)."""
INITIAL_GUARD: Final = 0.045
"""Held in addition while few round trips are known: 50 ms of unevenness are usual."""
GUARD_HALF_LIFE: Final = 3
"""After so many round trips half of the initial guard is left."""
MOST_RESERVE: Final = 0.06
"""Most seconds that refusals can add up to: more costs over 6 % of the limit."""
REFUSED_ADDS: Final = 0.005
"""Seconds that a refusal which nothing else explains adds to the guard time."""
ACCEPTED_TAKES: Final = REFUSED_ADDS / 2000
"""Taken away by each success: one refusal in 2,000 keeps the balance."""
EXTRA_FIRST: Final = 0.0125
"""Seconds of extra spacing that are tried for a bucket of one before others are blamed."""
LATENESS_BUDGET: Final = 0.041
"""Most seconds that the hold may cost on average: slow work on the server looks like delay."""
LATENESS_LEAST: Final = 0.02
LATENESS_MOST: Final = 0.5
"""Bounds of the lateness that one answer can hold its slot for."""
EPOCH: Final = 256
"""Round trips after which the shortest one is forgotten, in the second epoch after its own."""

# ── others on the same limit ─────────────────────────────────────────────────────────────────────

MEMORY: Final = 1.4
MEMORY_PART: Final = 3.2
"""Seconds for which a sample of what others take counts, pauses apart: the first, and as much of
the second as our part of the limit. So who has less takes up first what comes free.

*scenes*: back at 95 % within five seconds of the others' leaving; 3.0 and 0.0: four of us end at
4:1 instead of 2:1."""
OVERTAKES: Final = 0.02
"""Seconds within which one of our own may overtake another: such are counted with all of them
(*grid*, 0.0: a burst of our own looks like others, and calls in bursts at ten a second wait 0.2 s
on average instead of 2 ms)."""
QUANTILE: Final = 0.9
"""Of the samples in memory so many leave more (*scenes*, with 20 ms of unevenness in what others
send: beside 50 % at random 0.62 is used, with 0.93 0.56, with 0.75 as much and 6.8 % refused
instead of 3.7; *grid*, 1.0: with 0 - 50 ms at 20 a second 0.92 instead of 0.96)."""
LEAST_PART: Final = 0.05
"""Part of the limit that is used whatever others seem to take, or nobody would see that they have
left; who takes no more than that is given nothing back (*grid*, 0 - 50 ms at 100 a second, where
uneven delays look like others: 0.945 instead of 0.967 in the first minute)."""
REFUSED_STEP: Final = 0.8
REFUSED_PART: Final = 0.3
"""Requests a window that a refusal takes away where no header tells of others, and the part of
what they may have beyond what was taken before; the greater counts (*scenes*, 0.8 and 0.0: four of
us are refused 2.7 % instead of 2.0; 1.0 and 0.0: beside 50 % at random 0.42 is used, not 0.51)."""
ACCEPTED_GIVES: Final = 0.0035
"""Requests a window that each success gives back (*scenes*, 0.006: beside steady 50 % 0.87 is used
and 1.4 % refused, instead of 0.91 and 0.9)."""
SETTLED: Final = 30.0
"""Seconds without a refusal after which successes give back twice as much; after twice the time,
nine times (*scenes*, steady 50 % that left: all of it is used again after 50 s)."""
UNSEEN_GIVES: Final = 1.0
"""Requests a window that each answer gives back while Remaining is there, and may count or not:
with so few of our own in a window it hardly moves (tests/limits, 20 refusals in a row: all
of the limit is used again after 9 answers, not after some hundred)."""
SHARE_EVERY: Final = 7.0
"""Seconds between two times that a part is given back for whoever has the whole limit; twice as
many for whoever has half of it (*scenes*, four times as many: four of us at five a second end at
2.0 : 1 in the median instead of 1.7)."""
SHARE_LEAST: Final = 1 / 3
SHARE_LEAST_REQUESTS: Final = 3.0
"""Part of the limit, and requests a window, below which nothing is given back (*scenes*, a quarter:
four of us are refused 1.3 % instead of 0.9; two: beside steady 50 % at five a second 0.73 is used
instead of 0.78)."""
SHARE_PART: Final = 0.15
"""Part of ours that is given back then; one request at the least."""
SHARE_FIRST: Final = 0.2
"""Part that is given back when others appear (*scenes*, 0.3: four of us are refused 1.6 % instead
of 1.2)."""
SHARE_SHOWS: Final = 1.0
"""Seconds until what was given back shows in all of Remaining: the window (*scenes*, 1.25: four of
us are refused 1.4 % instead of 1.0; given for 0.7 of one's own memory instead: two of us at fifteen
a second end at up to 3 : 1 instead of 1.6)."""
SHARE_SELDOM: Final = 8.0
"""Factor by which it is done more seldom at most where nobody takes it up."""
RISE: Final = 3
"""Remaining that does not fall while so many more of our own are counted tells nothing of
others: it is a bucket's level, or no count at all."""

# ── bursts ───────────────────────────────────────────────────────────────────────────────────────

GUESS: Final = 6
"""Bucket assumed before anything is known: five calls go out at once, one is kept back."""
BURST_AGAIN: Final = 300.0
"""Seconds after a refused burst until one more is tried."""

# ── pace ─────────────────────────────────────────────────────────────────────────────────────────

UNPACED: Final = 500.0
"""Above this many a second there is no pacer: a timer comes up to a millisecond late."""
RESIDUE: Final = 1e-6
"""Seconds by which a send is due after the bucket has room: floats leave a residue."""
OVERPACE: Final = 0.1
"""Most that the pacer is quicker than the limit, so that a late timer can be made up for."""
OVERPACE_WHOLE: Final = 0.3
"""The same where the server is known to take a whole window at once."""

# ── pauses ───────────────────────────────────────────────────────────────────────────────────────

LONGEST_PAUSE: Final = 60.0
"""Seconds; a server that wants more says so again to the one probe that follows."""
DEFAULT_PAUSE: Final = 1.0
"""Seconds that a refusal without a usable Retry-After costs: the window."""
PROBE_FROM: Final = 3.0
"""Pauses of so many seconds or more end with one request, whose answer opens the route."""
PROBE_WAIT: Final = 2.0
"""Seconds for which the others wait for that answer."""

# ── the limit ────────────────────────────────────────────────────────────────────────────────────

RAISE_EVERY: Final = 1.0
"""Seconds between two raises, and for which a lower header is remembered."""
TRIAL: Final = 10.0
"""Seconds after a raise, pauses apart, during which a refusal is blamed on it."""
DISTRUST: Final = 60.0
"""Seconds for which a refused raise is not tried again; doubled each time."""

# ── the queue ────────────────────────────────────────────────────────────────────────────────────

LEAD: Final = 0.05
"""Seconds before a permit is due at which its holder is called: a new connection takes that."""
PROMPT: Final = 0.001
"""Seconds within which a holder that needs no time to prepare asks for its permit."""
GRACE: Final = 0.005
"""Seconds after which a permit that is due is not kept for a holder who has not asked."""
MOST_CALLED: Final = 128
"""Holders that may prepare at the same time."""
SHORTEST_SLEEP: Final = 0.0005
"""Seconds; a timer shorter than the clock's resolution may fire before its time, for ever."""
BULK_EVERY: Final = 8
"""One bulk call in this many keeps bulk work alive while people keep coming."""
KEPT_WAITS: Final = 256
"""Waits of which the statistics are made."""

# ── the registry ─────────────────────────────────────────────────────────────────────────────────

KEPT: Final = 300.0
"""Seconds for which an organisation's default limiter outlives its last call: longer than any
pause."""
