"""The journey as a table, and the one function that tries a step."""

from collections.abc import Callable
from dataclasses import dataclass

from appliance.errors import CODES, Refusal, Unavailable, Undecided
from appliance.journey import deliver, fetch, freeze, home, pseudonymise
from appliance.journey.doors import Doors
from appliance.store.entry import Done, Entry, Kind, State
from appliance.timing import LONGEST_WAIT_S, MOST_CRASHES, Now, expired, growing, next_try, settled

DAY_S = 86_400.0


@dataclass(frozen=True)
class Step:
    """One move: from `start` to whatever `act` says, `end` where nothing is special."""

    kind: Kind
    start: State
    end: State
    act: Callable[[Entry, Doors, Now], Done]
    due: Callable[[Entry, Doors, Now], bool]


def always(entry: Entry, doors: Doors, now: Now) -> bool:
    """Due whenever its wait is over."""
    return True


def quiet(entry: Entry, doors: Doors, now: Now) -> bool:
    """An intake is due when nothing came for its settle time, or when it never stops coming."""
    settle_min = freeze.settle_min(doors.profile, entry)
    return settled(entry.last_s, settle_min, now.device_s) or growing(entry.first_s, now.device_s)


def has_partner(entry: Entry, doors: Doors, now: Now) -> bool:
    """The copy of a registry project has no partner: it stays."""
    return bool(entry.partner)


def kept_long_enough(entry: Entry, doors: Doors, now: Now) -> bool:
    """The project's retention has passed since the entry came to rest."""
    return now.device_s - entry.since_s >= keep_s(entry.project, doors)


def keep_s(code: str, doors: Doors) -> float:
    """How long bytes stay after the proof; a project that left the profile keeps the longest."""
    project = doors.profile.project(code)
    days = (
        [project.retention.bytes_days]
        if project
        else [other.retention.bytes_days for other in doors.profile.projects]
    )
    return max(days, default=0) * DAY_S


STEPS: tuple[Step, ...] = (
    Step(Kind.INTAKE, State.RECEIVED, State.FROZEN, freeze.freeze, quiet),
    Step(Kind.PARCEL, State.FROZEN, State.PSEUDONYMISED, pseudonymise.pseudonymise, always),
    Step(Kind.PARCEL, State.PSEUDONYMISED, State.DELIVERED, deliver.deliver, has_partner),
    Step(Kind.PARCEL, State.DELIVERED, State.CONFIRMED, deliver.confirm, always),
    Step(Kind.PARCEL, State.CONFIRMED, State.PURGED, deliver.purge, kept_long_enough),
    Step(Kind.DELIVERY, State.CLAIMED, State.FETCHED, fetch.fetch, always),
    Step(Kind.DELIVERY, State.FETCHED, State.VALIDATED, home.validate, always),
    Step(Kind.DELIVERY, State.VALIDATED, State.RECONCILED, home.reconcile, always),
    Step(Kind.DELIVERY, State.RECONCILED, State.STORED, home.store, always),
    Step(Kind.DELIVERY, State.STORED, State.VERIFIED, home.verify, always),
    Step(Kind.DELIVERY, State.VERIFIED, State.ACKED, home.acknowledge, always),
    Step(Kind.DELIVERY, State.ACKED, State.PURGED, home.purge, kept_long_enough),
)

TABLE = {(step.kind, step.start): step for step in STEPS}
# What has come home or is confirmed only waits for its retention: looked at now and then.
RESTING = (State.CONFIRMED, State.ACKED)
MOVING = tuple({step.start for step in STEPS} - set(RESTING))


def due(entry: Entry, doors: Doors, now: Now) -> Step | None:
    """The step that an entry is to take now, if any."""
    step = TABLE.get((entry.kind, entry.state))
    if step is None or entry.not_before > now.device_s or not step.due(entry, doors, now):
        return None
    return step


def take(step: Step, entry: Entry, doors: Doors, now: Now, draw: float) -> None:
    """Try one step: afterwards the entry has moved, waits, is held, or is refused.

    The attempt is counted before it is made, so that a crash counts too; an absent neighbour gives
    the count back and is limited by age. `draw` in [0, 1) spreads the retries.
    """
    ledger = doors.ledger
    if entry.crashes >= MOST_CRASHES:
        ledger.hold(entry, "crashed", CODES["crashed"].en, "", now)
        return
    ledger.begin(entry)
    try:
        done = step.act(entry, doors, now)
    except Refusal as refusal:
        if refusal.code == "D10":
            ledger.stop(entry, now)
        else:
            ledger.quarantine(entry, refusal.code, refusal.reason, now)
    except Undecided as undecided:
        ledger.hold(entry, undecided.code, undecided.reason, cause(undecided.code, doors, now), now)
    except Unavailable as unavailable:
        if expired(entry.waiting_since, now.device_s):
            ledger.hold(entry, "absent", unavailable.reason, cause("absent", doors, now), now)
        else:
            wait_s = unavailable.wait_s
            at_s = (
                next_try(entry.waits, draw, now.device_s)
                if wait_s is None
                else now.device_s + min(wait_s, LONGEST_WAIT_S)
            )
            ledger.postpone(entry, unavailable.reason, at_s, now)
    else:
        ledger.move(entry, done, now)


def cause(code: str, doors: Doors, now: Now) -> str:
    """The state of what a hold depends on, to see later whether it has changed."""
    try:
        return doors.causes(now).get(CODES[code].cause, "")
    except Unavailable:
        return ""
