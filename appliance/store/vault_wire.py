"""How the vault is spoken to: a length of four bytes (big-endian), then JSON, both ways.

    asked     {"call": "standing", "project": …, …}        one of the `Ask…` below
    answered  {"ok": …}  or  {"word": "refusal", "code": …, "reason": …, …}

Bytes travel as hex. Each ask knows the one act of the vault that answers it.
"""

import socket
import struct
import time
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Generic, Literal, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter

from appliance.errors import ApplianceError, Problem, ProfileError, Refusal, Unavailable, Undecided
from appliance.store.audit import Head
from appliance.store.vault import Vault
from appliance.store.vault_values import WIRE, Enrolment, Patient, Request

# 100,000 instances of one study fit; a longer message is no study.
MOST_BYTES = 16 << 20
# A resolved study names each UID twice, and those of its corrections.
MOST_ANSWER_BYTES = 4 * MOST_BYTES
LENGTH = struct.Struct(">I")
Answered = TypeVar("Answered")


@dataclass(frozen=True)
class AskStanding:
    """`Vault.standing`."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    project: str
    issuer: str = field(repr=False)
    patient_id: str = field(repr=False)
    call: Literal["standing"] = "standing"

    def answer(self, vault: Vault) -> object:
        """enrolled, unknown or withdrawn."""
        return vault.standing(Patient(self.project, self.issuer, self.patient_id))


@dataclass(frozen=True)
class AskPseudonymise:
    """`Vault.pseudonymise`."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    request: Request
    call: Literal["pseudonymise"] = "pseudonymise"

    def answer(self, vault: Vault) -> object:
        """A Grant."""
        return vault.pseudonymise(self.request)


@dataclass(frozen=True)
class AskResolve:
    """`Vault.resolve`."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    project: str
    study: str
    call: Literal["resolve"] = "resolve"

    def answer(self, vault: Vault) -> object:
        """A Kept, or None."""
        return vault.resolve(self.project, self.study)


@dataclass(frozen=True)
class AskEnrol:
    """`Vault.enrol`."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    project: str
    rows: tuple[Enrolment, ...] = field(repr=False)
    call: Literal["enrol"] = "enrol"

    def answer(self, vault: Vault) -> object:
        """How many are new."""
        return vault.enrol(self.project, self.rows)


@dataclass(frozen=True)
class AskLink:
    """`Vault.link`."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    project: str
    issuer: str = field(repr=False)
    patient_id: str = field(repr=False)
    to_pseudonym: str
    call: Literal["link"] = "link"

    def answer(self, vault: Vault) -> object:
        """Nothing."""
        vault.link(Patient(self.project, self.issuer, self.patient_id), self.to_pseudonym)
        return None


@dataclass(frozen=True)
class AskWithdraw:
    """`Vault.withdraw`."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    pseudonym: str
    call: Literal["withdraw"] = "withdraw"

    def answer(self, vault: Vault) -> object:
        """Whether there is such a subject."""
        return vault.withdraw(self.pseudonym)


@dataclass(frozen=True)
class AskWithdrawn:
    """`Vault.withdrawn`."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    after: int
    call: Literal["withdrawn"] = "withdrawn"

    def answer(self, vault: Vault) -> object:
        """Withdrawals in order."""
        return vault.withdrawn(self.after)


@dataclass(frozen=True)
class AskSubjects:
    """`Vault.subjects`."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    project: str
    call: Literal["subjects"] = "subjects"

    def answer(self, vault: Vault) -> object:
        """Subjects, oldest first."""
        return vault.subjects(self.project)


@dataclass(frozen=True)
class AskGeneration:
    """`Vault.generation`."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    call: Literal["generation"] = "generation"

    def answer(self, vault: Vault) -> object:
        """A number."""
        return vault.generation()


@dataclass(frozen=True)
class AskHead:
    """`Vault.head`."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    call: Literal["head"] = "head"

    def answer(self, vault: Vault) -> object:
        """A Head."""
        return vault.head()


@dataclass(frozen=True)
class AskVerify:
    """`Vault.verify`."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    anchor: Head | None = None
    call: Literal["verify"] = "verify"

    def answer(self, vault: Vault) -> object:
        """Problems in sentences."""
        return vault.verify(self.anchor)


Ask = (
    AskStanding
    | AskPseudonymise
    | AskResolve
    | AskEnrol
    | AskLink
    | AskWithdraw
    | AskWithdrawn
    | AskSubjects
    | AskGeneration
    | AskHead
    | AskVerify
)
ASK: TypeAdapter[Ask] = TypeAdapter(Annotated[Ask, Field(discriminator="call")])


@dataclass(frozen=True)
class Good(Generic[Answered]):
    """What was asked for."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    ok: Answered = field(repr=False)


@dataclass(frozen=True)
class Bad:
    """One of the four words, or `mistake`: a request that the vault does not understand."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    word: Literal["refusal", "undecided", "unavailable", "problems", "mistake"]
    reason: str = ""
    code: str = ""
    wait_s: float | None = None
    problems: tuple[tuple[str, str], ...] = ()


def told(error: ApplianceError) -> Bad:
    """An error of the vault as it travels."""
    match error:
        case Refusal():
            return Bad("refusal", error.reason, error.code)
        case Undecided():
            return Bad("undecided", error.reason, error.code)
        case Unavailable():
            return Bad("unavailable", error.reason, wait_s=error.wait_s)
        case ProfileError():
            return Bad("problems", problems=tuple((p.where, p.what) for p in error.problems))
        case _:
            return Bad("mistake", "an error that has no word")


def heard(bad: Bad) -> Exception:
    """The error that `told` was given; a mistake is a bug of the caller, hence a ValueError."""
    match bad.word:
        case "refusal":
            return Refusal(bad.code, bad.reason)
        case "undecided":
            return Undecided(bad.code, bad.reason)
        case "unavailable":
            return Unavailable(bad.reason, bad.wait_s)
        case "problems":
            return ProfileError([Problem(where, what) for where, what in bad.problems])
        case "mistake":
            return ValueError(bad.reason)


def send_frame(door: socket.socket, payload: bytes, deadline: float) -> None:
    """One message, whole, before `deadline` (monotonic seconds), or an OSError."""
    door.settimeout(_left(deadline))
    door.sendall(LENGTH.pack(len(payload)) + payload)


def receive_frame(door: socket.socket, deadline: float, most: int) -> bytes:
    """One message, whole, before `deadline` (monotonic seconds), or an OSError.

    Raises ValueError for one of more than `most` bytes; nothing of it was read.
    """
    (length,) = LENGTH.unpack(_exactly(door, LENGTH.size, deadline))
    if length > most:
        raise ValueError(f"a message is longer than {most} bytes")
    return _exactly(door, length, deadline)


def _exactly(door: socket.socket, length: int, deadline: float) -> bytes:
    got = bytearray()
    while len(got) < length:
        door.settimeout(_left(deadline))
        chunk = door.recv(min(length - len(got), 1 << 16))
        if not chunk:
            raise ConnectionResetError("the other side hung up")
        got += chunk
    return bytes(got)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("too slow")
    return left
