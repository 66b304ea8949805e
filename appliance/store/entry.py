"""The rows of the ledger as values: what the walk moves, what a person sees."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What an entry stands for."""

    INTAKE = "intake"  # arrivals of one study for one project, not yet frozen
    PARCEL = "parcel"  # what goes to one partner for one project out of one study
    DELIVERY = "delivery"  # a set of results that a partner offers


class State(StrEnum):
    """Where an entry stands on the walk; the words are those of the journey."""

    RECEIVED = "RECEIVED"
    FROZEN = "FROZEN"
    PSEUDONYMISED = "PSEUDONYMISED"
    DELIVERED = "DELIVERED"
    CONFIRMED = "CONFIRMED"
    CLAIMED = "CLAIMED"
    FETCHED = "FETCHED"
    VALIDATED = "VALIDATED"
    RECONCILED = "RECONCILED"
    STORED = "STORED"
    VERIFIED = "VERIFIED"
    ACKED = "ACKED"
    PURGED = "PURGED"
    HELD = "HELD"
    QUARANTINED = "QUARANTINED"
    EXCLUDED = "EXCLUDED"
    REPEATED = "REPEATED"
    WITHDRAWN = "WITHDRAWN"
    REFUSED = "REFUSED"


@dataclass(frozen=True)
class Entry:
    """One thing on the walk: an intake, a parcel or a delivery.

    Ages (`*_s`) are device seconds. `study` and `patient_id` are the clinic's, `pstudy` and
    `pseudonym` the partner's; no page or message shows the first two. `members` counts instances.
    `ground` names what a delivery was reconciled with: patient of the PACS, sent set, profile.
    """

    id: int
    kind: Kind
    state: State
    project: str
    partner: str
    study: str
    n: int
    pseudonym: str
    pstudy: str
    patient_id: str
    issuer: str
    called_ae: str
    peer: str
    assigned: tuple[str, ...]
    code: str
    reason: str
    resume: str
    settled: frozenset[str]
    cause: str
    policy: str
    proof: str
    crashes: int
    waits: int
    not_before: float
    waiting_since: float | None
    first_s: float
    last_s: float
    since_s: float
    wall_first: str
    wall_since: str
    members: int
    excluded: int
    quarantined: int
    ground: str


@dataclass(frozen=True)
class Member:
    """One arrival in an intake or parcel, and what became of it.

    `state` is FROZEN (nothing done yet), PSEUDONYMISED, EXCLUDED, QUARANTINED or REPEATED.
    `start` and `length` are its range in the parcel's file of splices; `digest` is the SHA-256 of
    the finished instance, `likeness` the same without the stamp.
    """

    seq: int
    sop: str
    state: State = State.FROZEN
    code: str = ""
    new_sop: str = ""
    new_series: str = ""
    likeness: str = ""
    digest: str = ""
    version: int = 1
    start: int = 0
    length: int = 0


@dataclass(frozen=True)
class Returned:
    """One instance that a partner offers; `number` names its files under the delivery."""

    sop: str
    series: str
    sop_class: str
    number: int
    digest: str = ""
    size: int = 0
    new_sop: str = ""
    new_series: str = ""
    home_digest: str = ""


@dataclass(frozen=True)
class Event:
    """What happened, for the audit: numbers, codes and pseudonyms, never an identity."""

    number: int
    wall: str
    entry: int | None
    kind: str
    detail: Mapping[str, str | int]


@dataclass(frozen=True)
class NewEntry:
    """An entry to be opened in the same transaction as the move that causes it."""

    kind: Kind
    state: State
    project: str
    partner: str
    study: str
    patient_id: str = ""
    issuer: str = ""
    pseudonym: str = ""
    pstudy: str = ""
    called_ae: str = ""
    peer: str = ""
    members: tuple[Member, ...] = ()
    returned: tuple[Returned, ...] = ()


@dataclass(frozen=True)
class Done:
    """What a step did: where the entry stands now, why if it is aside, and the rows that go with it."""

    end: State
    facts: Mapping[str, str] = field(default_factory=dict)
    members: tuple[Member, ...] = ()
    returned: tuple[Returned, ...] = ()
    opened: tuple[NewEntry, ...] = ()
    notes: Mapping[str, str | int] = field(default_factory=dict)
    code: str = ""
