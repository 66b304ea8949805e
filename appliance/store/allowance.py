"""A limit on how fast a question may be asked."""

from threading import Lock


class Allowance:
    """So many at once, then so many a second: a broken caller cannot read the whole table."""

    def __init__(self, at_once: int, per_s: float) -> None:
        self._lock = Lock()
        self._most = float(at_once)
        self._left = float(at_once)
        self._per_s = per_s
        self._since: float | None = None

    def take(self, now_s: float) -> bool:
        """Whether one more is allowed now."""
        with self._lock:
            if self._since is not None:
                self._left += (now_s - self._since) * self._per_s
                self._left = min(self._left, self._most)
            self._since = now_s
            if self._left < 1:
                return False
            self._left -= 1
            return True
