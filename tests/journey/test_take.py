"""The law of one step: whatever neighbours, rules and the power do, in any order, an entry stands
in exactly one state, no step is skipped, none is done twice, and a crash is counted."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.errors import Refusal, Unavailable, Undecided
from appliance.journey import steps
from appliance.journey.doors import Clinic, Doors
from appliance.journey.steps import Step, take
from appliance.store.entry import Done, Entry, Kind, NewEntry, State
from appliance.store.journal import Journal
from appliance.store.ledger import Ledger
from appliance.store.vault_door import VaultClient
from appliance.timing import ABSENT_AFTER_S, MOST_CRASHES, Now
from tests.box import profile

WALL = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
WALKED = (State.FROZEN, State.PSEUDONYMISED, State.DELIVERED, State.CONFIRMED)


class PowerCut(BaseException):
    """Nobody catches this."""


class Bench:
    """A ledger on disk, reopened after each power cut, and one parcel on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now_s = 0.0
        self.done: list[State] = []
        self.open()
        with self.ledger._book.atomic():
            self.ledger._open(NewEntry(Kind.PARCEL, State.FROZEN, "ABC", "lab", "1.2.3"), self.now)

    @property
    def now(self) -> Now:
        return Now(self.now_s, WALL, trusted=True)

    def open(self) -> None:
        self.ledger = Ledger(self.folder / "ledger", ())
        self.doors = Doors(
            profile=profile(),
            digest="digest",
            folder=self.folder,
            ledger=self.ledger,
            journal=Journal(self.folder / "spool"),
            vault=VaultClient(self.folder / "nowhere.sock"),
            clinic=Clinic("HERE"),
            partners={},
            workers=Inline(),
        )

    def entry(self) -> Entry:
        (entry,) = self.ledger.view.entries()
        return entry

    def step(self, outcome: str) -> Step:
        start = self.entry().state
        end = WALKED[WALKED.index(start) + 1]

        def act(entry: Entry, doors: Doors, now: Now) -> Done:
            if outcome == "cut before":
                raise PowerCut
            if outcome == "refusal":
                raise Refusal("D09", "no")
            if outcome == "undecided":
                raise Undecided("D05", "who knows")
            if outcome == "unavailable":
                raise Unavailable("away")
            self.done.append(end)
            if outcome == "cut after":
                raise PowerCut
            return Done(end)

        return Step(Kind.PARCEL, start, end, act, steps.always)

    def live(self, outcome: str, taker: Callable[..., None] = take) -> None:
        entry = self.entry()
        if entry.state not in WALKED[:-1]:
            return
        try:
            taker(self.step(outcome), entry, self.doors, self.now, 0.5)
        except PowerCut:
            self.ledger.close()
            self.open()
        self.now_s += 1000.0


class Inline:
    """Work done at once."""

    def run(self, work, pieces):
        return [work(piece) for piece in pieces]


OUTCOMES = st.lists(
    st.sampled_from(
        ["done", "done", "cut before", "cut after", "refusal", "undecided", "unavailable"]
    ),
    max_size=12,
)


def law(outcomes: list[str], taker: Callable[..., None] = take) -> None:
    with TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        try:
            for outcome in outcomes:
                bench.live(outcome, taker)
                state = bench.entry().state
                reached = WALKED.index(state) if state in WALKED else None
                effects = [WALKED.index(end) for end in bench.done]
                assert effects == sorted(effects), "a step was done out of order"
                if reached is not None:
                    assert set(range(1, reached + 1)) <= set(effects), "a step was skipped"
                else:
                    assert state in (State.HELD, State.QUARANTINED)
        finally:
            bench.ledger.close()


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(OUTCOMES)
def test_every_entry_is_in_one_state_and_no_step_is_skipped(outcomes: list[str]) -> None:
    law(outcomes)


def test_moving_before_acting_breaks_the_law() -> None:
    def moving_first(step: Step, entry: Entry, doors: Doors, now: Now, draw: float) -> None:
        doors.ledger.move(entry, Done(step.end), now)
        step.act(entry, doors, now)

    with pytest.raises(AssertionError, match="skipped"):
        law(["cut before", "done"], moving_first)


def test_an_entry_is_held_after_eight_crashes(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for _ in range(MOST_CRASHES):
        bench.live("cut before")
        assert bench.entry().state is State.FROZEN
    bench.live("done")
    assert (bench.entry().state, bench.entry().code) == (State.HELD, "crashed")
    assert bench.done == []
    bench.ledger.close()


def test_an_absent_neighbour_never_counts_as_a_crash_and_is_held_after_two_weeks(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path)
    for _ in range(MOST_CRASHES * 2):
        bench.live("unavailable")
    assert bench.entry().state is State.FROZEN
    assert bench.entry().crashes == 0
    bench.now_s += ABSENT_AFTER_S
    bench.live("unavailable")
    assert (bench.entry().state, bench.entry().code) == (State.HELD, "absent")
    bench.ledger.close()


def test_a_hold_remembers_where_it_goes_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.live("done")
    bench.live("undecided")
    entry = bench.entry()
    assert (entry.state, entry.resume, entry.code) == (State.HELD, "PSEUDONYMISED", "D05")
    bench.ledger.close()


def test_an_absent_neighbour_is_tried_every_hour_and_stays_one_hold(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.live("unavailable")
    bench.now_s += ABSENT_AFTER_S
    bench.live("unavailable")
    held = bench.entry()
    assert held.code == "absent"
    bench.ledger.requeue({"neighbour": "an hour later"})
    assert bench.entry().state is State.FROZEN
    bench.live("unavailable")
    again = bench.entry()
    assert (again.state, again.code, again.since_s) == (State.HELD, "absent", held.since_s)
    bench.ledger.requeue({"neighbour": "two hours later"})
    bench.live("done")
    assert bench.entry().state is State.PSEUDONYMISED
    bench.ledger.close()
