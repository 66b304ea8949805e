"""Messages that were written with the state they speak of, and wait to be sent."""

from dataclasses import dataclass

from appliance.store.book import Book
from appliance.timing import Now

# Three days: after a long weekend a person finds the message on the page instead.
GIVEN_UP_AFTER_S = 72 * 3_600.0


@dataclass(frozen=True)
class Letter:
    """One message for one channel; `number` is the same over all retries."""

    number: int
    channel: str
    kind: str
    project: str
    entry: int
    count: int
    code: str
    wall: str
    waits: int
    first_s: float


class Outbox:
    """At least once to each channel, or shown as undelivered."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def due(self, now: Now, most: int) -> tuple[Letter, ...]:
        """The letters whose wait is over, oldest first."""
        rows = self._book.rows(
            "SELECT number, channel, kind, project, entry, count, code, wall, waits, first_s"
            " FROM outbox WHERE state = 'WAITING' AND not_before <= ? ORDER BY number LIMIT ?",
            (now.device_s, most),
        )
        return tuple(
            Letter(
                int(number or 0), str(channel), str(kind), str(project), int(entry or 0),
                int(count or 0), str(code), str(wall), int(waits or 0), float(first_s or 0),
            )
            for number, channel, kind, project, entry, count, code, wall, waits, first_s in rows
        )  # fmt: skip

    def sent(self, letter: Letter) -> None:
        """The channel took it."""
        self._state(letter, "SENT")

    def refused(self, letter: Letter) -> None:
        """The channel will never take it; the page shows the number of these."""
        self._state(letter, "UNDELIVERED")

    def later(self, letter: Letter, at_s: float, now: Now) -> None:
        """The channel is not ready; after three days it is given up and shown."""
        if now.device_s - letter.first_s > GIVEN_UP_AFTER_S:
            self._state(letter, "UNDELIVERED")
            return
        with self._book.atomic():
            self._book.do(
                "UPDATE outbox SET waits = waits + 1, not_before = ? WHERE number = ?",
                (at_s, letter.number),
            )

    def _state(self, letter: Letter, state: str) -> None:
        with self._book.atomic():
            self._book.do("UPDATE outbox SET state = ? WHERE number = ?", (state, letter.number))
