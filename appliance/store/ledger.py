"""The only writer of states: every move is one transaction with its event and its messages.

SQLite with WAL and synchronous=FULL (security.md's measured choice); one process at a time holds
the lock beside the file. Times are device seconds, taken from the `Now` that each call brings.
"""

import fcntl
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from appliance.errors import CODES, Unavailable
from appliance.store.arrivals import Arrival, Cursor, Damage, Note
from appliance.store.book import Book
from appliance.store.decisions import Decision, hold_of
from appliance.store.entry import Done, Entry, Kind, Member, NewEntry, State
from appliance.store.leaving import NOT_YET_HOME, NOT_YET_OUT, may_have_left
from appliance.store.ledger_rows import put_member, put_returned
from appliance.store.ledger_schema import STEPS
from appliance.store.ledger_view import LedgerView
from appliance.store.offers import Offers
from appliance.store.outbox import Outbox
from appliance.store.past import Past
from appliance.store.schema import migrate, open_writer
from appliance.timing import Now

OPEN_INTAKE = ("RECEIVED", "HELD")
TOLD = {
    "parcel.confirmed", "parcel.held", "parcel.quarantined",
    "delivery.verified", "delivery.held", "delivery.quarantined",
}  # fmt: skip
# A release of these only means "try again"; there is nothing to settle for good.
TRY_AGAIN = ("crashed", "absent", "D14", "partner-refused", "pacs-refused")


class Ledger:
    """The walk's memory; `channels` are told. Opening it twice, in any process, is refused.

    Raises:
        Unavailable: another walk holds the ledger.
        Refusal: the file is damaged or newer than this program (D11).
    """

    def __init__(self, folder: Path, channels: Sequence[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock_file = (folder / "lock").open("w")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock_file.close()
            raise Unavailable(
                "ledger: another walk is running on this folder; stop it first"
            ) from None
        connection = open_writer(folder / "ledger.db")
        migrate(connection, STEPS)
        self._book = Book(connection)
        self._channels = tuple(channels)
        self.view = LedgerView(self._book)
        self.past = Past(self._book)
        self.offers = Offers(self._book)
        self.outbox = Outbox(self._book)

    def close(self) -> None:
        """Let go of file and lock."""
        self._book.close()
        self._lock_file.close()

    # ── clocks and cursors ────────────────────────────────────────────────────────────────────

    def beat(self, now: Now) -> None:
        """Remember how long the device has been alive."""
        with self._book.atomic():
            self._book.do("UPDATE clock SET device_s = ?", (now.device_s,))

    def cursor(self, source: str) -> Cursor:
        """How far a source has been read."""
        rows = self._book.rows("SELECT file, place FROM cursor WHERE source = ?", (source,))
        return Cursor(int(rows[0][0] or 0), int(rows[0][1] or 0)) if rows else Cursor(0, 0)

    def _advance(self, source: str, cursor: Cursor) -> None:
        self._book.do(
            "INSERT INTO cursor VALUES (?, ?, ?) ON CONFLICT (source)"
            " DO UPDATE SET file = excluded.file, place = excluded.place",
            (source, cursor.file, cursor.offset),
        )

    # ── arrivals ──────────────────────────────────────────────────────────────────────────────

    def take_in(
        self,
        records: Sequence[Arrival | Note | Damage],
        cursor: Cursor,
        route: Callable[[Arrival], Collection[str]],
        now: Now,
    ) -> None:
        """Arrivals become rows of open intakes; the cursor moves in the same transaction."""
        with self._book.atomic():
            for record in records:
                if isinstance(record, Arrival):
                    self._arrive(record, route(record) or ("",), now)
                elif isinstance(record, Damage):
                    self._event(
                        now, None, "journal.damaged", {"file": record.file, "offset": record.offset}
                    )
            self._advance("journal", cursor)

    def _arrive(self, arrival: Arrival, projects: Collection[str], now: Now) -> None:
        head = arrival.head
        self._book.do(
            "INSERT OR IGNORE INTO arrival VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,0)",
            (
                arrival.seq, head.study, head.series, head.sop_instance, head.sop_class,
                head.transfer_syntax, head.patient_id, head.issuer, head.called_ae,
                head.calling_ae, head.peer, arrival.length, arrival.crc, now.device_s, arrival.wall,
            ),
        )  # fmt: skip
        for project in projects:
            number = self._open_intake(arrival, project, now)
            put_member(self._book, number, Member(arrival.seq, head.sop_instance))
            self._book.do("UPDATE entry SET last_s = ? WHERE id = ?", (now.device_s, number))

    def _open_intake(self, arrival: Arrival, project: str, now: Now) -> int:
        rows = self._book.rows(
            "SELECT id FROM entry WHERE kind = 'intake' AND study = ? AND project = ?"
            " AND state IN ('RECEIVED', 'HELD') AND assigned = ''",
            (arrival.head.study, project),
        )
        if rows:
            return int(rows[0][0] or 0)
        head = arrival.head
        return self._open(
            NewEntry(
                Kind.INTAKE, State.RECEIVED, project, "", head.study, head.patient_id, head.issuer,
                called_ae=head.called_ae, peer=head.peer,
            ),
            now,
        )  # fmt: skip

    # ── the walk ──────────────────────────────────────────────────────────────────────────────

    def begin(self, entry: Entry) -> None:
        """Count the attempt before it is made, so that a crash counts too."""
        with self._book.atomic():
            self._book.do("UPDATE entry SET crashes = crashes + 1 WHERE id = ?", (entry.id,))

    def move(self, entry: Entry, done: Done, now: Now) -> None:
        """What the step did, with event and messages; void where the entry changed meanwhile."""
        with self._book.atomic():
            if not self._unchanged(entry) or self._joined(entry):
                return
            for member in done.members:
                put_member(self._book, entry.id, member)
            for item in done.returned:
                put_returned(self._book, entry.id, item)
            for column, value in done.facts.items():
                self._set(entry.id, column, value)
            for opened in done.opened:
                self._open(opened, now)
            reason = CODES[done.code].en if done.code else ""
            self._arrive_at(entry, done.end, done.code, reason, now, notes=done.notes)

    def hold(self, entry: Entry, code: str, reason: str, cause: str, now: Now) -> None:
        """A person decides; the entry remembers the state to go back to."""
        with self._book.atomic():
            if not self._unchanged(entry):
                return
            resume = entry.resume if entry.state is State.HELD else entry.state
            self._set(entry.id, "resume", resume)
            self._set(entry.id, "cause", cause)
            self._arrive_at(entry, State.HELD, code, reason, now)

    def quarantine(self, entry: Entry, code: str, reason: str, now: Now) -> None:
        """Refused for good, bytes kept for a person to look at."""
        with self._book.atomic():
            if self._unchanged(entry) and not self._joined(entry):
                self._arrive_at(entry, State.QUARANTINED, code, reason, now)

    def stop(self, entry: Entry, now: Now) -> None:
        """The subject has left the project: nothing goes on, and what left is named."""
        with self._book.atomic():
            if self._unchanged(entry) and not self._joined(entry):
                self._recall(entry.id, now)
                self._arrive_at(entry, State.WITHDRAWN, "D10", CODES["D10"].en, now)

    def postpone(self, entry: Entry, reason: str, at_s: float, now: Now) -> None:
        """A neighbour is not ready: the attempt is given back, the wait is counted."""
        with self._book.atomic():
            self._book.do(
                "UPDATE entry SET crashes = 0, waits = waits + 1, not_before = ?, reason = ?,"
                " waiting_since = coalesce(waiting_since, ?) WHERE id = ? AND state = ?",
                (at_s, reason, now.device_s, entry.id, entry.state),
            )

    def _unchanged(self, entry: Entry) -> bool:
        """Whether the entry still stands where the step found it."""
        rows = self._book.rows("SELECT state FROM entry WHERE id = ?", (entry.id,))
        return rows == [(entry.state.value,)]

    def _joined(self, entry: Entry) -> bool:
        """Whether something arrived while the step looked at its intake: then it settles again."""
        if entry.kind is not Kind.INTAKE:
            return False
        rows = self._book.rows("SELECT count(*) FROM member WHERE entry = ?", (entry.id,))
        if rows == [(entry.members,)]:
            return False
        self._book.do("UPDATE entry SET crashes = 0 WHERE id = ?", (entry.id,))
        return True

    def _arrive_at(  # noqa: PLR0913 - one transition is these six facts
        self,
        entry: Entry,
        state: State,
        code: str,
        reason: str,
        now: Now,
        notes: Mapping[str, str | int] | None = None,
    ) -> None:
        self._book.do(
            "UPDATE entry SET state = ?, code = ?, reason = ?, crashes = 0, waits = 0,"
            " not_before = 0, waiting_since = ? WHERE id = ?",
            # Absent stays absent until it answers: the next try does not begin two weeks anew.
            (state, code, reason, entry.waiting_since if code == "absent" else None, entry.id),
        )
        # Tried again by itself and held for the same reason: the same hold, nobody is told twice.
        if state is State.HELD and entry.code == code:
            return
        self._book.do(
            "UPDATE entry SET since_s = ?, wall_since = ? WHERE id = ?",
            (now.device_s, now.wall.isoformat(), entry.id),
        )
        detail: dict[str, str | int] = {
            "project": entry.project,
            "partner": entry.partner,
            "n": entry.n,
        }
        if code:
            detail["code"] = code
        kind = f"{entry.kind}.{state.lower()}"
        self._event(now, entry.id, kind, detail | dict(notes or {}))
        self._announce(entry, kind.replace("intake.", "parcel."), code, now)

    def _announce(self, entry: Entry, kind: str, code: str, now: Now) -> None:
        if kind not in TOLD:
            return
        for channel in self._channels:
            self._book.do(
                "INSERT INTO outbox (channel, kind, project, entry, count, code, wall, state,"
                " first_s) VALUES (?,?,?,?,?,?,?,'WAITING',?)",
                (
                    channel, kind, entry.project, entry.id, entry.members, code,
                    now.wall.isoformat() if now.trusted else "", now.device_s,
                ),
            )  # fmt: skip

    def requeue(self, causes: Mapping[str, str]) -> None:
        """What was held by a cause that has changed since is tried again by itself."""
        changed = [
            entry
            for entry in self.view.entries((State.HELD,))
            if entry.code in CODES
            and (cause := CODES[entry.code].cause)
            and entry.cause != causes.get(cause, entry.cause)
        ]
        if not changed:
            return
        with self._book.atomic():
            for entry in changed:
                self._try_again(entry)

    def _try_again(self, entry: Entry) -> None:
        # Code and waiting_since stay: held again for the same reason, it is the same hold.
        self._book.do("UPDATE entry SET state = resume, not_before = 0 WHERE id = ?", (entry.id,))

    def _resume(self, entry: Entry, now: Now) -> None:
        self._book.do(
            "UPDATE entry SET state = resume, code = '', reason = '', crashes = 0, waits = 0,"
            " not_before = 0, waiting_since = NULL, since_s = ?, wall_since = ? WHERE id = ?",
            (now.device_s, now.wall.isoformat(), entry.id),
        )

    # ── a person's decisions ──────────────────────────────────────────────────────────────────

    def decide(self, number: int, decision: Decision, now: Now) -> None:
        """Carry out a decision, or say in an event why it cannot be; the cursor moves with it."""
        with self._book.atomic():
            entry = self.view.entry(decision.entry)
            offers = CODES[entry.code].offers if entry and entry.code in CODES else ()
            if entry is None or not open_to(entry, decision) or decision.verb not in offers:
                self._event(now, None, "decision.ignored", {"decision": number})
            else:
                self._carry_out(entry, decision, now)
                notes: dict[str, str | int] = {
                    "decision": number,
                    "by": decision.person,
                    "code": entry.code,
                }
                self._event(now, entry.id, f"decision.{decision.verb}", notes)
            self._advance("decisions", Cursor(0, number))

    def _carry_out(self, entry: Entry, decision: Decision, now: Now) -> None:
        if decision.verb == "refuse":
            end = State.REFUSED if entry.kind is Kind.DELIVERY else State.QUARANTINED
            self._arrive_at(entry, end, entry.code, decision.reason, now)
        elif decision.verb == "assign":
            self._set(entry.id, "assigned", " ".join(decision.projects))
            self._resume(entry, now)
        elif decision.verb == "exclude" and entry.code != "correction":
            self._arrive_at(entry, State.EXCLUDED, entry.code, decision.reason, now)
        else:
            word = "exclude-correction" if decision.verb == "exclude" else entry.code
            if word not in TRY_AGAIN:
                self._set(entry.id, "settled", " ".join(sorted(entry.settled | {word})))
            self._resume(entry, now)

    def withdraw(self, number: int, project: str, pseudonym: str, now: Now) -> None:
        """Stop all that concerns a withdrawn subject; what left is named for the recall."""
        with self._book.atomic():
            for entry in self.view.entries():
                if entry.pseudonym == pseudonym and entry.project == project:
                    self._stop(entry, now)
                elif entry.state is State.HELD and not entry.pseudonym:
                    self._try_again(entry)
            self._advance("withdrawals", Cursor(0, number))

    def _stop(self, entry: Entry, now: Now) -> None:
        if entry.kind is Kind.DELIVERY and entry.state in NOT_YET_HOME:
            self._arrive_at(entry, State.QUARANTINED, "Q13", CODES["Q13"].en, now)
        elif entry.kind is Kind.PARCEL:
            self._recall(entry.id, now)
            if entry.state in NOT_YET_OUT:
                self._arrive_at(entry, State.WITHDRAWN, "D10", CODES["D10"].en, now)

    def _recall(self, number: int, now: Now) -> None:
        entry = self.view.entry(number)
        if entry is not None and may_have_left(entry):
            detail: dict[str, str | int] = {"partner": entry.partner, "pseudonym": entry.pseudonym}
            self._event(now, entry.id, "subject.recall", detail)

    # ── something for me? ─────────────────────────────────────────────────────────────────────

    def claim(self, delivery: NewEntry, now: Now) -> None:
        """Freeze a set of results: from here on it is a delivery."""
        with self._book.atomic():
            number = self._open(delivery, now)
            self._book.do(
                "DELETE FROM offer WHERE partner = ? AND pstudy = ?",
                (delivery.partner, delivery.pstudy),
            )
            self._event(now, number, "delivery.claimed", {"count": len(delivery.returned)})

    # ── bytes that may go ─────────────────────────────────────────────────────────────────────

    def erased(self, seqs: Iterable[int], now: Now) -> None:
        """These bytes are gone."""
        numbers = tuple(seqs)
        with self._book.atomic():
            for seq in numbers:
                self._book.do("UPDATE arrival SET erased = 1 WHERE seq = ?", (seq,))
            self._event(now, None, "bytes.erased", {"count": len(numbers)})

    # ── rows ──────────────────────────────────────────────────────────────────────────────────

    def _open(self, new: NewEntry, now: Now) -> int:
        wall = now.wall.isoformat()
        number = self._book.do(
            "INSERT INTO entry (kind, state, project, partner, study, n, pseudonym, pstudy,"
            " patient_id, issuer, called_ae, peer, first_s, last_s, since_s, wall_first, wall_since)"
            " SELECT ?1, ?2, ?3, ?4, ?5, coalesce(max(n), 0) + 1, ?6, ?7, ?8, ?9, ?10, ?11, ?12,"
            " ?12, ?12, ?13, ?13 FROM entry WHERE kind = ?1 AND study = ?5 AND project = ?3"
            " AND partner = ?4",
            (
                new.kind, new.state, new.project, new.partner, new.study, new.pseudonym, new.pstudy,
                new.patient_id, new.issuer, new.called_ae, new.peer, now.device_s, wall,
            ),
        )  # fmt: skip
        for member in new.members:
            put_member(self._book, number, member)
        for item in new.returned:
            put_returned(self._book, number, item)
        return number

    def _set(self, entry: int, column: str, value: str) -> None:
        self._book.do(f"UPDATE entry SET {column} = ? WHERE id = ?", (value, entry))  # noqa: S608 - our own column names

    def _event(
        self, now: Now, entry: int | None, kind: str, detail: Mapping[str, str | int]
    ) -> None:
        self._book.do(
            "INSERT INTO event (wall, entry, kind, detail) VALUES (?, ?, ?, ?)",
            (now.wall.isoformat(), entry, kind, json.dumps(detail, sort_keys=True)),
        )


def open_to(entry: Entry, decision: Decision) -> bool:
    """Whether an entry still is in the hold that the person saw, also while it is tried again."""
    again = bool(entry.code) and entry.state == entry.resume
    return (entry.state is State.HELD or again) and decision.hold in ("", hold_of(entry))
