"""Mistakes put in on purpose: a proof that does not see them has no teeth."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from appliance.journey import steps
from appliance.journey.doors import Doors
from appliance.journey.steps import Step
from appliance.store.arrivals import Arrival, Cursor, Damage, Note
from appliance.store.entry import Entry, State
from appliance.store.ledger import Ledger
from appliance.timing import Now
from tests.box import Box
from tests.journey.outage import Outage

Act = Callable[[Step, Entry, Doors, Now], None]
# What a start of the walk is changed by.
Flaw = Callable[[Box, Outage], None]


def moves_first(state: State) -> Flaw:
    """The step of one state is committed before it is done, and the power goes in between, once."""

    made: list[int] = []

    def put_in(box: Box, outage: Outage) -> None:
        def act(step: Step, entry: Entry, doors: Doors, now: Now) -> None:
            if entry.state is state and not made:
                made.append(entry.id)
                with doors.ledger._book.atomic():
                    doors.ledger._set(entry.id, "state", step.end)
                outage.cut_next()
            steps.take(step, entry, doors, now, 0.5)

        _moves_by(box, act)

    return put_in


def asks_nobody(state: State) -> Flaw:
    """The step of one state believes that partner and PACS list nothing."""

    def put_in(box: Box, outage: Outage) -> None:
        def act(step: Step, entry: Entry, doors: Doors, now: Now) -> None:
            if entry.state is state:
                doors = replace(
                    doors,
                    clinic=_Blind(doors.clinic, frozenset()),
                    partners={name: _Blind(door, ()) for name, door in doors.partners.items()},
                )
            steps.take(step, entry, doors, now, 0.5)

        _moves_by(box, act)

    return put_in


def advances_the_cursor_first(box: Box, outage: Outage) -> None:
    """The cursor is committed, and then the arrivals before it."""

    def take_in(
        ledger: Ledger,
        records: Sequence[Arrival | Note | Damage],
        cursor: Cursor,
        route: Callable[[Arrival], Collection[str]],
        now: Now,
    ) -> None:
        ledger.take_in((), cursor, route, now)
        ledger.take_in(records, cursor, route, now)

    box.walk.doors = replace(box.walk.doors, ledger=_Reading(box.ledger, take_in))


def remembers_the_cursor(box: Box, outage: Outage) -> None:
    """The cursor stands in memory only; the arrivals are committed without it."""
    ledger = _Reading(box.ledger, lambda *_: None)

    def take_in(
        inner: Ledger,
        records: Sequence[Arrival | Note | Damage],
        cursor: Cursor,
        route: Callable[[Arrival], Collection[str]],
        now: Now,
    ) -> None:
        inner.take_in(records, inner.cursor("journal"), route, now)
        ledger.remembered = cursor

    ledger.reads = take_in
    box.walk.doors = replace(box.walk.doors, ledger=ledger)


def _moves_by(box: Box, act: Act) -> None:
    def move(number: int) -> None:
        now, doors = box.walk.clock(), box.walk.doors
        entry = doors.ledger.view.entry(number)
        step = steps.due(entry, doors, now) if entry else None
        if entry is not None and step is not None:
            act(step, entry, doors, now)

    box.walk.move = move


class _Blind:
    """A door whose lists are not read."""

    def __init__(self, door: object, nothing: Collection[str]) -> None:
        self._door, self._nothing = door, nothing

    def __getattr__(self, name: str) -> Any:
        if name in ("instances", "images"):
            return lambda *_: self._nothing
        return getattr(self._door, name)


@dataclass
class _Reading:
    """A ledger that reads the journal in its own way."""

    ledger: Ledger
    reads: Callable[..., None]
    remembered: Cursor | None = field(default=None)

    def cursor(self, source: str) -> Cursor:
        mine = self.remembered if source == "journal" else None
        return mine or self.ledger.cursor(source)

    def take_in(self, *words: object) -> None:
        self.reads(self.ledger, *words)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ledger, name)
