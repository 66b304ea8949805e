"""What the rules of the way home are told: what was sent, who it is about, who rewrites."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Sent:
    """What left of one study to one partner for one project, and the way back.

    `uids` maps every pseudonymous UID that left to the original, `sops` are all pseudonymous
    instances, also those that were made and held back; `superseded` those of which a correction
    left later; `strangers` the other subjects' pseudonyms in small letters; `shifted` says whether
    dates were moved by `offset_days`.
    """

    study: str
    pseudonym: str
    uids: Mapping[str, str] = field(repr=False)
    sops: frozenset[str] = field(repr=False)
    k_uid: bytes = field(repr=False)
    offset_days: int = field(repr=False)
    shifted: bool
    superseded: frozenset[str] = field(default=frozenset(), repr=False)
    strangers: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True)
class PatientNow:
    """Patient and study as the PACS has them today; the names are DICOM's keywords."""

    PatientID: str
    IssuerOfPatientID: str
    PatientName: str
    PatientBirthDate: str
    PatientSex: str
    StudyDate: str
    StudyTime: str
    AccessionNumber: str
    StudyID: str
    ReferringPhysicianName: str
    StudyDescription: str

    def __repr__(self) -> str:
        return "PatientNow(hidden)"


@dataclass(frozen=True)
class Expectation:
    """The pseudonymous study that the delivery is for, and the codes that a person settled."""

    study: str
    settled: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Stamp:
    """Who rewrites: engine with version, and the profile's digest."""

    engine: str
    digest: str


@dataclass(frozen=True)
class Returned:
    """One accepted instance and the UIDs that it is the first to name."""

    sop_instance: str
    sop_class: str
    series: str
    introduced: frozenset[str]
