"""One study out and its result home, with the power cut before any one act; then on to the end.

An act leaves something behind: a commit of the ledger, a change of a file, a request that changes
partner, PACS or vault. What a cut after an act finds is what a cut before the next one finds, and a
request that only reads leaves nothing: so "before the k-th act", for every k, is every cut.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from pydicom.dataset import Dataset

from appliance.exam.clinic import SyntheticClinic
from appliance.exam.partner import SyntheticPartner
from appliance.service import sources
from appliance.service.verify import verified
from appliance.store.decisions import DecisionsView, hold_of
from appliance.store.entry import Kind, State
from appliance.store.journal import Journal
from appliance.store.ledger_view import LedgerView
from appliance.store.vault import Vault
from tests.box import Box
from tests.power import Power

# A walk takes some thirty ticks; one that comes to no end is stuck.
MOST_TICKS = 55
# While things move, less than a beat of the ledger's clock passes between two ticks; while nothing
# moves, more than any wait of the walk.
MOVING_S = 0.1
WAITING_S = 3_700.0
# Every move of a study on its way out and of its result on its way home, in their order.
MOVES = (
    "intake.frozen",
    "parcel.pseudonymised",
    "parcel.delivered",
    "parcel.confirmed",
    "delivery.claimed",
    "delivery.fetched",
    "delivery.validated",
    "delivery.reconciled",
    "delivery.held",
    "decision.release",
    "delivery.stored",
    "delivery.verified",
    "delivery.acked",
    "parcel.purged",
    "delivery.purged",
)
ENDS = [(Kind.INTAKE, State.FROZEN), (Kind.PARCEL, State.PURGED), (Kind.DELIVERY, State.PURGED)]
AT_REST = [
    (Kind.INTAKE, State.FROZEN),
    (Kind.PARCEL, State.CONFIRMED),
    (Kind.DELIVERY, State.ACKED),
]
# Nothing on this journey gives a reason to end here.
ASIDE = (State.QUARANTINED, State.EXCLUDED, State.REPEATED, State.WITHDRAWN, State.REFUSED)


class Outage(Power):
    """Power that counts more than the calls of the file system."""

    def act(self, name: str) -> None:
        """Something durable is about to happen."""
        self._call(name, self.root)

    def cut_next(self) -> None:
        """The next act is not done any more."""
        self._cut_at = self.calls + 1


class Acting:
    """A door whose changing requests are acts."""

    def __init__(self, door: object, outage: Outage, *changing: str) -> None:
        self._door, self._outage, self._changing = door, outage, changing

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._door, name)
        if name not in self._changing:
            return method

        def act(*words: object) -> object:
            self._outage.act(name)
            return method(*words)

        return act


class Committing:
    """A connection of the ledger; a commit that changes something is an act."""

    def __init__(self, connection: sqlite3.Connection, outage: Outage) -> None:
        self._connection, self._outage = connection, outage
        self._changes = 0

    def execute(self, sql: str, values: Sequence[str | int | float | None] = ()) -> sqlite3.Cursor:
        if sql.startswith("BEGIN"):
            self._changes = self._connection.total_changes
        if sql == "COMMIT" and self._connection.total_changes != self._changes:
            self._outage.act("commit")
        return self._connection.execute(sql, values)

    def close(self) -> None:
        self._connection.close()


def wire(box: Box, outage: Outage) -> None:
    """Every durable act of this start of the walk goes through the outage."""
    book = box.ledger._book
    book._connection = Committing(book._connection, outage)
    box.walk.doors = replace(
        box.doors,
        vault=Acting(box.vault, outage, "pseudonymise", "enrol"),
        clinic=Acting(box.doors.clinic, outage, "store"),
        partners={name: Acting(door, outage, "store") for name, door in box.doors.partners.items()},
    )


class Stuck(Exception):
    """Something waits for ever."""


@dataclass
class Journey:
    """A study, its partner and its PACS: what people and neighbours do while the box walks."""

    box: Box
    partner: SyntheticPartner
    clinic: SyntheticClinic
    study: Sequence[Dataset]
    result: Dataset | None = None
    decided: set[str] = field(default_factory=set)

    def begin(self) -> None:
        """The study is in the PACS, and is acknowledged by the box."""
        self.clinic.pacs.has(self.study)
        self.box.receive(self.study)

    def go(self) -> None:
        """Walk on until everything is purged."""
        before: list[tuple[Kind, State]] = []
        for _ in range(MOST_TICKS):
            self.box.walk.tick()
            stand = self.stand()
            if stand == ENDS and not self.letters() and not self.left():
                return
            if any(state in ASIDE for _, state in stand):
                break
            self.others_act()
            self.box.device_s += self.wait_s(stand) if stand == before else MOVING_S
            before = stand
        raise Stuck(f"the walk came to no end: {self.stand()}")

    def wait_s(self, stand: list[tuple[Kind, State]]) -> float:
        """How long nothing will happen."""
        days = self.box.profile.projects[0].retention.bytes_days
        return days * 86_400.0 if stand in (AT_REST, ENDS) else WAITING_S

    def stand(self) -> list[tuple[Kind, State]]:
        return [(entry.kind, entry.state) for entry in self.box.entries()]

    def letters(self) -> int:
        """Messages that are still to be sent."""
        return len(self.box.ledger.outbox.due(self.box.now(), 10))

    def others_act(self) -> None:
        """The partner answers with one result; a person releases what is held for review."""
        for entry in self.box.entries():
            if (
                entry.state is State.CONFIRMED
                and not self.result
                and self.partner.received(entry.pstudy)
            ):
                self.result = self.partner.make_result(entry.pstudy)
            hold = f"{entry.id} {hold_of(entry)}"
            if entry.state is State.HELD and entry.code == "review" and hold not in self.decided:
                self.decided.add(hold)
                self.box.decide("release", entry)

    def wrong(self) -> list[str]:
        """What breaks the law, in sentences; to be asked when the walk has come to its end."""
        problems = [] if self.stand() == ENDS else [f"stands at {self.stand()}"]
        parcels = self.box.entries(Kind.PARCEL)
        sent = {
            member.new_sop
            for parcel in parcels
            for member in self.box.ledger.view.members(parcel.id)
        }
        counts = [self.partner.stored[sop] for sop in sent]
        if counts != [1] * len(self.study):
            problems.append(f"the partner got the instances {counts} times")
        homes = [
            len(self.clinic.pacs.stored.get(item.new_sop, ()))
            for delivery in self.box.entries(Kind.DELIVERY)
            for item in self.box.ledger.view.returned(delivery.id)
        ]
        if homes != [1]:
            problems.append(f"the PACS got the results {homes} times")
        kinds = [event.kind for event in self.box.ledger.view.events_since(0, 10_000)]
        moves = tuple(kind for kind in kinds if kind in MOVES)
        if moves != MOVES:
            problems.append(f"the events are {moves}")
        return problems + self.account()

    def account(self) -> list[str]:
        """Every arrival stands in one intake and in one parcel."""
        problems = []
        for kind in (Kind.INTAKE, Kind.PARCEL):
            seqs = [
                member.seq
                for entry in self.box.entries(kind)
                for member in self.box.ledger.view.members(entry.id)
            ]
            if len(seqs) != len(self.study) or len(set(seqs)) != len(seqs):
                problems.append(f"{len(seqs)} members in the {kind}s of {len(self.study)} arrivals")
        return problems

    def left(self) -> list[str]:
        """Bytes of the study that are still on the disk."""
        parts = ("spool/objects", "ledger/parcels", "ledger/home")
        return [path.name for part in parts for path in (self.box.folder / part).glob("*")]


def audited(box: Box) -> list[str]:
    """What `appliance verify` finds once the vault has chained all events; the box is closed."""
    with closing(Vault(box.folder / "vault")) as vault:
        vault.tail(sources.ledger(LedgerView(box.folder / "ledger" / "ledger.db")))
        vault.tail(sources.decisions(DecisionsView(box.folder / "console" / "console.db")))
        vault.tail(sources.journal(Journal(box.folder / "spool")))
    return verified(box.folder)
