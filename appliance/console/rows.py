"""Entries become rows in a person's words: one place for the page and for the command line.

Nothing of the clinic's identity is read here: no study UID, no Patient ID, no description.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from appliance.console.words import Words
from appliance.errors import CODES
from appliance.health import lasted
from appliance.store.entry import Entry, Kind, State

HELD = (State.HELD,)
ON_ITS_WAY = (
    State.RECEIVED,
    State.FROZEN,
    State.PSEUDONYMISED,
    State.DELIVERED,
    State.CLAIMED,
    State.FETCHED,
    State.VALIDATED,
    State.RECONCILED,
    State.STORED,
)
DONE = (State.CONFIRMED, State.PURGED, State.VERIFIED, State.ACKED)
QUARANTINED = (State.QUARANTINED,)
SHOWN_DAYS = 7
# More rows than a person reads in a morning; what is beyond is counted.
MOST_ROWS = 200


@dataclass(frozen=True)
class Offer:
    """One button: a verb, and for `assign` the project."""

    verb: str
    project: str
    label: str


@dataclass(frozen=True)
class HeldRow:
    """One entry that waits for a person: what is the matter, what to do, what he may choose."""

    number: int
    code: str
    kind: str
    matter: str
    advice: str
    project: str
    partner: str
    pseudonym: str
    origin: str
    images: str
    since: str
    offers: tuple[Offer, ...]


@dataclass(frozen=True)
class Row:
    """One entry in a table; `state` is in words, `waiting` says who does not answer and when next."""

    number: int
    state: str
    code: str
    project: str
    partner: str
    pseudonym: str
    images: str
    since: str
    waiting: str


@dataclass(frozen=True)
class Done:
    """What was finished: how many today and in the last days, and the newest of them."""

    today: int
    week: int
    rows: tuple[Row, ...]


def held(entries: Iterable[Entry], words: Words, projects: Sequence[str]) -> tuple[HeldRow, ...]:
    """What waits for a person, the longest waiting first."""
    waiting = sorted(
        (entry for entry in entries if entry.state is State.HELD),
        key=lambda entry: entry.wall_since,
    )
    return tuple(_held_row(entry, words, projects) for entry in waiting)


def on_its_way(entries: Iterable[Entry], words: Words, device_s: float) -> tuple[Row, ...]:
    """What moves by itself, the oldest first. An intake that was frozen lives on in its parcels."""
    return tuple(
        _row(entry, words, _waiting(entry, words, device_s))
        for entry in entries
        if entry.state in ON_ITS_WAY
        and not (entry.kind is Kind.INTAKE and entry.state is State.FROZEN)
    )


def done(entries: Iterable[Entry], words: Words, now: datetime) -> Done:
    """What was finished in the last days, the newest first."""
    today = now.astimezone(words.zone).date()
    first = now - timedelta(days=SHOWN_DAYS)
    finished = [(_finished(entry), entry) for entry in entries if entry.state in DONE]
    recent = sorted(((at, entry.id, entry) for at, entry in finished if first < at), reverse=True)
    return Done(
        sum(at.astimezone(words.zone).date() == today for at, _, _ in recent),
        len(recent),
        tuple(_row(entry, words) for _, _, entry in recent),
    )


def quarantined(entries: Iterable[Entry], words: Words) -> tuple[Row, ...]:
    """What a rule refused, the newest first."""
    refused = [entry for entry in entries if entry.state is State.QUARANTINED]
    return tuple(_row(entry, words) for entry in reversed(refused))


def offers(entry: Entry) -> tuple[str, ...]:
    """The decisions that a person may take about a held entry."""
    if entry.state is not State.HELD or entry.code not in CODES:
        return ()
    return CODES[entry.code].offers


def _held_row(entry: Entry, words: Words, projects: Sequence[str]) -> HeldRow:
    matter, _, advice = words.code(entry.code).partition(":")
    return HeldRow(
        number=entry.id,
        code=entry.code,
        kind=words.say(f"kind.{entry.kind.value}"),
        matter=_sentence(matter),
        advice=_sentence(advice),
        project=entry.project or words.say("entry.no_project"),
        partner=entry.partner,
        pseudonym=entry.pseudonym,
        origin=_origin(entry, words),
        images=_images(entry, words),
        since=words.moment(entry.wall_since),
        offers=tuple(offer for verb in offers(entry) for offer in _buttons(verb, projects, words)),
    )


def _row(entry: Entry, words: Words, waiting: str = "") -> Row:
    state = f"state.{entry.state.value}"
    refused = entry.state is State.QUARANTINED
    return Row(
        number=entry.id,
        # What a person may do is said where he may: there is nothing to decide any more.
        state=_sentence(words.code(entry.code).partition(":")[0]) if refused else words.say(state),
        code=entry.code,
        project=entry.project or words.say("entry.no_project"),
        partner=entry.partner,
        pseudonym=entry.pseudonym,
        images=_images(entry, words),
        since=words.moment(entry.wall_since),
        waiting=waiting,
    )


def _finished(entry: Entry) -> datetime:
    # A purge comes weeks after the work: it does not make an old study a study of today.
    wall = entry.wall_first if entry.state is State.PURGED else entry.wall_since
    return datetime.fromisoformat(wall)


def _buttons(verb: str, projects: Sequence[str], words: Words) -> tuple[Offer, ...]:
    if verb != "assign":
        return (Offer(verb, "", words.say(f"verb.{verb}")),)
    return tuple(Offer(verb, code, words.say("verb.assign", project=code)) for code in projects)


def _images(entry: Entry, words: Words) -> str:
    parts = [words.say("entry.count", count=entry.members)]
    if entry.n > 1:
        parts.append(words.say("entry.part", n=entry.n))
    if entry.excluded:
        parts.append(words.say("entry.excluded", count=entry.excluded))
    if entry.quarantined:
        parts.append(words.say("entry.quarantined", count=entry.quarantined))
    return ", ".join(parts)


def _origin(entry: Entry, words: Words) -> str:
    if entry.kind is Kind.DELIVERY:
        return ""
    if entry.peer and entry.called_ae:
        return words.say("entry.called", peer=entry.peer, called_ae=entry.called_ae)
    return entry.peer or entry.called_ae


def _waiting(entry: Entry, words: Words, device_s: float) -> str:
    if entry.waiting_since is None:
        return ""
    away = lasted(max(0.0, device_s - entry.waiting_since), words.language)
    left_s = entry.not_before - device_s
    if left_s > 0:
        again = words.say("way.next", lasted=lasted(left_s, words.language))
    else:
        again = words.say("way.soon")
    return f"{words.say('way.waits', lasted=away)}, {again}"


def _sentence(text: str) -> str:
    trimmed = text.strip()
    return trimmed[:1].upper() + trimmed[1:]
