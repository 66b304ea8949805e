"""One tick of the walk: read what came, hear what people decided, take every step that is due.

A lost tick loses nothing: what is due stands in the ledger. What runs is remembered in memory
alone; two entries of one study never run at the same time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock

from appliance.deid.characters import readable
from appliance.errors import Unavailable
from appliance.journey import steps
from appliance.journey.doors import Doors
from appliance.journey.fetch import something_for_me
from appliance.journey.freeze import called_projects
from appliance.journey.messages import Messages
from appliance.profile import Qido
from appliance.store.arrivals import Arrival, Record
from appliance.store.decisions import DecisionsView
from appliance.store.entry import State
from appliance.timing import Now, next_try

# Rows of a batch: one commit of the ledger for that many arrivals.
RECORDS = 64
# A tick that reads this many batches goes on with the steps; the rest is read at the next tick.
MOST_BATCHES = 32
SWEEP_S = 60.0
BEAT_S = 5.0


@dataclass
class Walk:
    """The one mover of things. `submit` runs an act now or soon; `draw` is the dice of the waits."""

    doors: Doors
    decisions: DecisionsView
    messages: Messages
    clock: Callable[[], Now]
    draw: Callable[[], float]
    submit: Callable[[Callable[[], None]], None]
    _running: set[str] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)
    _swept_s: float = float("-inf")
    _beaten_s: float = float("-inf")

    def tick(self) -> None:
        """Everything that is due at this moment, each by itself."""
        now = self.clock()
        self.listen(now)
        self.hear(now)
        self.retry(now)
        self.step(steps.MOVING, now)
        for partner in self.doors.profile.partners:
            if isinstance(partner.results, Qido) and self.doors.ledger.offers.poll_due(
                partner.name, now
            ):
                self.start(f"poll {partner.name}", partial(self.ask, partner.name))
        self.start("messages", lambda: self.messages.send_due(self.clock(), self.draw))
        self.sweep(now)

    def step(self, states: Sequence[State], now: Now) -> None:
        """Start the step of every entry of these states that is due."""
        for entry in self.doors.ledger.view.due(states, now.device_s):
            if steps.due(entry, self.doors, now) is not None:
                self.start(entry.study, partial(self.move, entry.id))

    def listen(self, now: Now) -> None:
        """Arrivals become rows; the cursor moves in their transaction."""
        for _ in range(MOST_BATCHES):
            batch = self.doors.journal.since(self.doors.ledger.cursor("journal"), RECORDS)
            if batch.cursor == self.doors.ledger.cursor("journal"):
                return
            self.doors.ledger.take_in(
                tuple(as_written(record) for record in batch.records),
                batch.cursor,
                lambda arrival: called_projects(self.doors.profile, arrival),
                now,
            )

    def hear(self, now: Now) -> None:
        """Decisions of people, and withdrawals that the vault knows of."""
        ledger = self.doors.ledger
        for number, decision in self.decisions.since(ledger.cursor("decisions").offset):
            ledger.decide(number, decision, now)
        try:
            for left in self.doors.vault.withdrawn(ledger.cursor("withdrawals").offset):
                ledger.withdraw(left.number, left.project, left.pseudonym, now)
        except Unavailable:
            return

    def retry(self, now: Now) -> None:
        """What a cause held is tried again when that cause has changed."""
        try:
            causes = self.doors.causes(now)
        except Unavailable:
            return
        self.doors.ledger.requeue(causes)

    def start(self, lane: str, act: Callable[[], None]) -> None:
        """Run an act unless its lane is taken: one study, one partner at a time."""
        with self._lock:
            if lane in self._running:
                return
            self._running.add(lane)

        def run() -> None:
            try:
                act()
            finally:
                with self._lock:
                    self._running.discard(lane)

        self.submit(run)

    def move(self, number: int) -> None:
        """Take the step that is due for an entry, if it still is."""
        now = self.clock()
        entry = self.doors.ledger.view.entry(number)
        step = steps.due(entry, self.doors, now) if entry else None
        if entry is not None and step is not None:
            steps.take(step, entry, self.doors, now, self.draw())

    def ask(self, partner: str) -> None:
        """Something for me?"""
        now = self.clock()
        chosen = self.doors.profile.partner(partner)
        if chosen is None or not isinstance(chosen.results, Qido):
            return
        ledger = self.doors.ledger
        try:
            something_for_me(partner, self.doors, now)
        except Unavailable:
            waits = ledger.offers.poll_waits(partner)
            ledger.offers.polled(partner, next_try(waits, self.draw(), now.device_s), waits + 1)
        else:
            jitter = 0.9 + 0.2 * self.draw()
            ledger.offers.polled(
                partner, now.device_s + chosen.results.every_min * 60.0 * jitter, 0
            )

    def sweep(self, now: Now) -> None:
        """Erase received bytes on which nothing rests any more; remember the device seconds."""
        if now.device_s - self._beaten_s >= BEAT_S:
            self._beaten_s = now.device_s
            self.doors.ledger.beat(now)
        if now.device_s - self._swept_s < SWEEP_S or not now.trusted:
            return
        self._swept_s = now.device_s
        self.step(steps.RESTING, now)
        gone = self.doors.ledger.past.erasable(now, steps.keep_s("", self.doors))
        if gone:
            self.doors.journal.erase(*gone)
            self.doors.ledger.erased(gone, now)
        self.doors.journal.retire(self.doors.ledger.cursor("journal"))


def as_written(record: Record) -> Record:
    """An arrival with its patient as the clinic wrote him: one ID, whatever its character set.

    The journal holds the bytes; lists of subjects, the vault and the PACS speak of the text.
    """
    if not isinstance(record, Arrival):
        return record
    head = record.head
    patient_id, issuer = (
        readable(text.encode("latin-1"), head.character_set.encode("latin-1")).strip("\0 ")
        for text in (head.patient_id, head.issuer)
    )
    return replace(record, head=replace(head, patient_id=patient_id, issuer=issuer))
