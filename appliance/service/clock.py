"""The only asker of the clocks: device seconds, wall time, and whether the wall is trusted."""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from appliance.profile import Profile
from appliance.timing import Now

# systemd-timesyncd touches this file when it has set the clock from a time server.
SYNCHRONISED = Path("/run/systemd/timesync/synchronized")


def wall() -> datetime:
    """The wall time, for people; nothing correctness-critical uses it."""
    return datetime.now(UTC)


def trusted(profile: Profile) -> bool:
    """Whether the wall may be believed: a time server has set it, or the host keeps the time."""
    return not profile.device.time.servers or SYNCHRONISED.exists()


def clock(profile: Profile, before_s: float) -> Callable[[], Now]:
    """A look at the clocks, counting on from the device seconds of earlier starts."""
    started = time.monotonic()

    def look() -> Now:
        return Now(before_s + time.monotonic() - started, wall(), trusted(profile))

    return look


def today(profile: Profile) -> Callable[[], date | None]:
    """The date, or nothing while the time is not trusted."""
    return lambda: wall().date() if trusted(profile) else None
