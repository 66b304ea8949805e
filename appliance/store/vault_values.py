"""What is asked of the vault and what it answers: frozen values that show no identity when printed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

Standing = Literal["enrolled", "unknown", "withdrawn"]
# A century: what is asked beyond it is a mistake.
MOST_DAYS = 36_525
Project = Annotated[str, Field(pattern="^[A-Za-z0-9]{1,16}$")]
Site = Annotated[str, Field(pattern="^[A-Z]{2,6}$")]
Days = Annotated[int, Field(ge=0, le=MOST_DAYS)]
# Keys travel as hex; a wrong type is refused, never converted.
WIRE = ConfigDict(ser_json_bytes="hex", val_json_bytes="hex", strict=True, extra="forbid")


@dataclass(frozen=True)
class Request:
    """One study on its way out. `identity` holds at least `patient_id` and `issuer` ("" if none).

    `uids` are all that its instances name; `versions` gives 2 and up for corrected instances.
    """

    __pydantic_config__: ClassVar[ConfigDict] = WIRE

    project: Project
    site: Site
    identity: Mapping[str, str] = field(repr=False)
    study: Annotated[str, Field(min_length=1)] = field(repr=False)
    uids: tuple[str, ...] = field(repr=False)
    unknown: Literal["enrol", "refuse"]
    least_days: Days
    most_days: Days
    versions: Mapping[str, Annotated[int, Field(ge=1)]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.least_days > self.most_days:
            raise ValueError("least_days is above most_days")


@dataclass(frozen=True)
class Grant:
    """What one study may be pseudonymised with. The key serves this act and is kept nowhere."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE

    pseudonym: str
    offset_days: int
    k_uid: bytes = field(repr=False)
    study_code: str
    generation: int


@dataclass(frozen=True)
class Kept:
    """What is remembered of a study that was sent; `uids` leads from the partner's to the clinic's."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE

    study: str = field(repr=False)
    pseudonym: str
    identity: Mapping[str, str] = field(repr=False)
    uids: Mapping[str, str] = field(repr=False)
    k_uid: bytes = field(repr=False)
    offset_days: int
    standing: Standing


@dataclass(frozen=True)
class Enrolment:
    """One row of a list: a patient of the clinic, and the pseudonym if the team gives it."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE

    patient_id: str = field(repr=False)
    issuer: str = field(default="", repr=False)
    pseudonym: str | None = None


@dataclass(frozen=True)
class Subject:
    """A person in a project; the pseudonym is "" until the first study is pseudonymised."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE

    pseudonym: str
    standing: Standing


@dataclass(frozen=True)
class Withdrawal:
    """A subject left a project; numbers rise and none is given twice."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE

    number: int
    project: str
    pseudonym: str


@dataclass(frozen=True)
class Patient:
    """An identity as the clinic sent it: no trimming, no fuzzy matching, in one project."""

    project: str
    issuer: str = field(repr=False)
    patient_id: str = field(repr=False)
