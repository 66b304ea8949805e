"""What partners offer and when they are asked again; nothing of it is a delivery yet."""

from appliance.store.book import Book
from appliance.timing import Now


class Offers:
    """A set of results counts once it has been the same for a while; a poll has its own clock."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def poll_due(self, partner: str, now: Now) -> bool:
        """Whether a partner is to be asked now."""
        rows = self._book.rows("SELECT due_s FROM poll WHERE partner = ?", (partner,))
        return not rows or float(rows[0][0] or 0) <= now.device_s

    def polled(self, partner: str, due_s: float, waits: int) -> None:
        """When a partner is asked again; `waits` counts its refusals in a row."""
        with self._book.atomic():
            self._book.do(
                "INSERT INTO poll VALUES (?, ?, ?) ON CONFLICT (partner)"
                " DO UPDATE SET due_s = excluded.due_s, waits = excluded.waits",
                (partner, due_s, waits),
            )

    def poll_waits(self, partner: str) -> int:
        """How often in a row this partner did not answer."""
        rows = self._book.rows("SELECT waits FROM poll WHERE partner = ?", (partner,))
        return int(rows[0][0] or 0) if rows else 0

    def offered(self, partner: str, pstudy: str, digest: str, now: Now) -> float:
        """For how many seconds the same set has been offered, this look included."""
        rows = self._book.rows(
            "SELECT digest, since_s FROM offer WHERE partner = ? AND pstudy = ?", (partner, pstudy)
        )
        if rows and rows[0][0] == digest:
            return now.device_s - float(rows[0][1] or 0)
        with self._book.atomic():
            self._book.do(
                "INSERT OR REPLACE INTO offer VALUES (?, ?, ?, ?)",
                (partner, pstudy, digest, now.device_s),
            )
        return 0.0
