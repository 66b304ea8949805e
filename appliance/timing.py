"""Every rule about time, as arithmetic: nobody here looks at a clock.

Ages and waits are counted in *device seconds*: seconds during which the walk was alive, added up
over restarts and kept in the ledger. They never jump, whatever happens to the wall clock.
"""

from dataclasses import dataclass
from datetime import datetime

FIRST_WAIT_S = 5.0
# A neighbour that comes back is asked again within a quarter of an hour.
LONGEST_WAIT_S = 15 * 60.0
# Two weeks: longer than any maintenance window, shorter than a forgotten partner.
ABSENT_AFTER_S = 14 * 86_400.0
# A study that still grows after a day is looked at by a person.
GROWING_AFTER_S = 86_400.0
# What is held because a neighbour was absent is tried again once an hour.
ABSENT_RETRY_S = 3_600.0
MOST_CRASHES = 8


@dataclass(frozen=True)
class Now:
    """One look at the clocks: device seconds, wall time (UTC) and whether the wall is trusted."""

    device_s: float
    wall: datetime
    trusted: bool


def next_try(waits: int, draw: float, now_s: float) -> float:
    """When an unavailable neighbour is asked again, in device seconds.

    Exponential back-off with full jitter: `draw` in [0, 1) is the caller's dice, `waits` counts
    the refusals so far. The first wait is never shorter than half of `FIRST_WAIT_S`.
    """
    longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(waits, 12))
    return now_s + max(FIRST_WAIT_S / 2, draw * longest)


def expired(waiting_since_s: float | None, now_s: float) -> bool:
    """Whether a neighbour has been absent for so long that a person must know."""
    return waiting_since_s is not None and now_s - waiting_since_s > ABSENT_AFTER_S


def settled(last_arrival_s: float, settle_min: float, now_s: float) -> bool:
    """Whether a study has been quiet for its settle time."""
    return now_s - last_arrival_s >= settle_min * 60.0


def growing(first_arrival_s: float, now_s: float) -> bool:
    """Whether a study has been growing for so long that a person must decide."""
    return now_s - first_arrival_s > GROWING_AFTER_S
