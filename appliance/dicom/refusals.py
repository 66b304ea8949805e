"""How often strangers knocked: counted, and told to the journal at a pace it can bear."""

import time
from collections import Counter
from threading import Lock

from appliance.errors import Unavailable
from appliance.store.spool import Spool

# One note per reason and caller a minute: a flood of refusals must not become a flood of flushes.
EVERY_S = 60.0
# Addresses are the attacker's to choose; beyond this many they count as one.
MOST_CALLERS = 500
OTHERS = "others"


class Refusals:
    """Counts of refusals, by reason and caller, that await their note."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._lock = Lock()
        self._waiting: Counter[tuple[str, str]] = Counter()
        self._told_s: dict[tuple[str, str], float] = {}

    def count(self, reason: str, caller: str) -> None:
        """One more. `caller` is a peer's name or an address."""
        with self._lock:
            key = (reason, caller)
            if key not in self._told_s and len(self._told_s) >= MOST_CALLERS:
                key = (reason, OTHERS)
            self._waiting[key] += 1
            self._tell(EVERY_S)

    def tick(self) -> None:
        """Tell what is due. Raises OSError as the spool does."""
        with self._lock:
            self._tell(EVERY_S)

    def finish(self) -> None:
        """Tell everything that still waits."""
        with self._lock:
            self._tell(0.0)

    def _tell(self, every_s: float) -> None:
        now_s = time.monotonic()
        self._told_s = {
            key: told_s
            for key, told_s in self._told_s.items()
            if key in self._waiting or now_s - told_s < EVERY_S
        }
        for key, count in list(self._waiting.items()):
            if now_s - self._told_s.get(key, -EVERY_S) < every_s:
                continue
            try:
                self._spool.note("refused", *key, count)
            except Unavailable:
                # The disk is full: the count waits for the next look.
                return
            del self._waiting[key]
            self._told_s[key] = now_s
