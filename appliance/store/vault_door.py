"""The vault's one door: a Unix socket. `serve` stands inside, `VaultClient` outside.

Only processes of the same user, or root, are let in (SO_PEERCRED). A bad request is answered with
a sentence; a failure that has no word ends the process, which starts again from what is durable.
"""

import os
import socket
import sqlite3
import struct
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Lock
from typing import TypeVar

import sqlcipher3
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from appliance.errors import ApplianceError, Refusal, Unavailable, Undecided
from appliance.store.allowance import Allowance
from appliance.store.audit import Head, Source
from appliance.store.files import keep_folder
from appliance.store.schema import is_full
from appliance.store.vault import Vault
from appliance.store.vault_values import (
    Enrolment,
    Grant,
    Kept,
    Request,
    Standing,
    Subject,
    Withdrawal,
)
from appliance.store.vault_wire import (
    ASK,
    MOST_ANSWER_BYTES,
    MOST_BYTES,
    Ask,
    AskEnrol,
    AskGeneration,
    AskHead,
    AskLink,
    AskPseudonymise,
    AskResolve,
    AskStanding,
    AskSubjects,
    AskVerify,
    AskWithdraw,
    AskWithdrawn,
    Bad,
    Good,
    heard,
    receive_frame,
    send_frame,
    told,
)

# Walk, console and command line hold a few each; more is somebody who forgets to hang up.
MOST_CONNECTIONS = 16
# A message that is on its way is here within this; a silent connection is closed after IDLE_S.
MESSAGE_S = 10.0
IDLE_S = 60.0
# How soon a stop is noticed, and how often other processes' events are chained.
POLL_S = 0.2
TAIL_S = 1.0
# A study of 100,000 instances takes seconds to remember on a slow card.
ANSWER_S = 30.0
# Deliveries come by the dozen; whoever wants the whole table must stay for hours, and is chained.
RESOLVES_AT_ONCE = 300
RESOLVES_PER_S = 5.0
SOCKET_MODE = 0o600
_PEER = struct.Struct("3i")
Answered = TypeVar("Answered")


def serve(folder: Path, socket_path: Path, sources: Sequence[Source], stop: Event) -> None:
    """Answer at the socket and chain the sources' events until `stop`; then close everything.

    Raises `Refusal("D11")` or Unavailable at the start (see `Vault`); a bug inside a connection
    rises here too, so that the process ends.
    """
    with (
        closing(Vault(folder)) as vault,
        listening(socket_path) as listener,
        ThreadPoolExecutor(MOST_CONNECTIONS, "vault") as threads,
    ):
        try:
            _answer_all(vault, listener, threads, sources, stop)
        finally:
            # Connections that wait for their next question end too.
            stop.set()


@contextmanager
def listening(socket_path: Path) -> Iterator[socket.socket]:
    """A listening socket at a path of any length; what a crash left there is replaced."""
    keep_folder(socket_path.parent)
    socket_path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        with _short(socket_path) as address:
            listener.bind(address)
        socket_path.chmod(SOCKET_MODE)
        listener.listen()
        listener.settimeout(POLL_S)
        try:
            yield listener
        finally:
            socket_path.unlink(missing_ok=True)


def welcome(door: socket.socket) -> bool:
    """Whether the process at the other end runs as our own user or as root."""
    credentials = door.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    _pid, uid, _gid = _PEER.unpack(credentials)
    return uid in (0, os.getuid())


class VaultClient:
    """The vault as other processes see it. May pass between threads; one asks at a time.

    Every method raises Unavailable when the vault is not there or answers late, and Refusal,
    Undecided or ProfileError as `Vault` does.
    """

    def __init__(self, socket_path: Path, wait_s: float = ANSWER_S) -> None:
        self._path = socket_path
        self._wait_s = wait_s
        self._lock = Lock()
        self._door: socket.socket | None = None

    def close(self) -> None:
        """Hang up; the next question calls again."""
        with self._lock:
            self._hang_up()

    def standing(self, project: str, issuer: str, patient_id: str) -> Standing:
        """Whether the project knows this patient, and whether he left it."""
        return self._ask(AskStanding(project, issuer, patient_id), _STANDING)

    def pseudonymise(self, request: Request) -> Grant:
        """What this study is pseudonymised with (`Vault.pseudonymise`)."""
        return self._ask(AskPseudonymise(request), _GRANT)

    def resolve(self, project: str, pseudonymous_study: str) -> Kept | None:
        """Everything needed to bring a result home; None for a study that was never sent."""
        return self._ask(AskResolve(project, pseudonymous_study), _KEPT)

    def enrol(self, project: str, rows: Sequence[Enrolment]) -> int:
        """Enrol the patients of a list, all or none; how many are new or newly named."""
        return self._ask(AskEnrol(project, tuple(rows)), _NUMBER)

    def link(self, project: str, issuer: str, patient_id: str, to_pseudonym: str) -> None:
        """A person said that this Patient ID is that subject (`Vault.link`)."""
        self._ask(AskLink(project, issuer, patient_id, to_pseudonym), _NOTHING)

    def withdraw(self, pseudonym: str) -> bool:
        """Take a subject out of his project; False if there is none."""
        return self._ask(AskWithdraw(pseudonym), _TRUTH)

    def withdrawn(self, after: int) -> tuple[Withdrawal, ...]:
        """Who left since a number, in order."""
        return self._ask(AskWithdrawn(after), _WITHDRAWALS)

    def subjects(self, project: str) -> tuple[Subject, ...]:
        """The subjects of a project, without their identities."""
        return self._ask(AskSubjects(project), _SUBJECTS)

    def generation(self) -> int:
        """A number that grows with every enrolment, link and withdrawal."""
        return self._ask(AskGeneration(), _NUMBER)

    def head(self) -> Head:
        """The end of the audit chain, to be kept outside the device."""
        return self._ask(AskHead(), _HEAD)

    def verify(self, anchor: Head | None = None) -> tuple[str, ...]:
        """What is wrong with the audit chain, in sentences."""
        return self._ask(AskVerify(anchor), _SENTENCES)

    def _ask(self, ask: Ask, adapter: "TypeAdapter[Good[Answered] | Bad]") -> Answered:
        payload = _written(ask)
        with self._lock:
            frame = self._exchange(payload)
        try:
            answer = adapter.validate_json(frame)
        except ValidationError:
            # Its message would quote the answer.
            raise RuntimeError("the vault's answer cannot be read") from None
        if isinstance(answer, Bad):
            raise heard(answer)
        return answer.ok

    def _exchange(self, payload: bytes) -> bytes:
        deadline = time.monotonic() + self._wait_s
        if self._door is not None:
            try:
                return self._once(self._door, payload, deadline)
            except TimeoutError:
                self._hang_up()
                raise Unavailable("the vault did not answer in time") from None
            except OSError:
                # The vault hung up on a silent connection, or was started again; every act may
                # be asked twice.
                self._hang_up()
        try:
            self._door = self._called(deadline)
            return self._once(self._door, payload, deadline)
        except TimeoutError:
            self._hang_up()
            raise Unavailable("the vault did not answer in time") from None
        except OSError:
            self._hang_up()
            raise Unavailable("the vault is not there") from None

    def _once(self, door: socket.socket, payload: bytes, deadline: float) -> bytes:
        send_frame(door, payload, deadline)
        return receive_frame(door, deadline, MOST_ANSWER_BYTES)

    def _called(self, deadline: float) -> socket.socket:
        door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        door.settimeout(max(deadline - time.monotonic(), POLL_S))
        try:
            with _short(self._path) as address:
                door.connect(address)
        except OSError:
            door.close()
            raise
        return door

    def _hang_up(self) -> None:
        if self._door is not None:
            self._door.close()
            self._door = None


_STANDING: TypeAdapter[Good[Standing] | Bad] = TypeAdapter(Good[Standing] | Bad)
_GRANT: TypeAdapter[Good[Grant] | Bad] = TypeAdapter(Good[Grant] | Bad)
_KEPT: TypeAdapter[Good[Kept | None] | Bad] = TypeAdapter(Good[Kept | None] | Bad)
_NUMBER: TypeAdapter[Good[int] | Bad] = TypeAdapter(Good[int] | Bad)
_NOTHING: TypeAdapter[Good[None] | Bad] = TypeAdapter(Good[None] | Bad)
_TRUTH: TypeAdapter[Good[bool] | Bad] = TypeAdapter(Good[bool] | Bad)
_WITHDRAWALS: TypeAdapter[Good[tuple[Withdrawal, ...]] | Bad] = TypeAdapter(
    Good[tuple[Withdrawal, ...]] | Bad
)
_SUBJECTS: TypeAdapter[Good[tuple[Subject, ...]] | Bad] = TypeAdapter(
    Good[tuple[Subject, ...]] | Bad
)
_HEAD: TypeAdapter[Good[Head] | Bad] = TypeAdapter(Good[Head] | Bad)
_SENTENCES: TypeAdapter[Good[tuple[str, ...]] | Bad] = TypeAdapter(Good[tuple[str, ...]] | Bad)


def _written(ask: Ask) -> bytes:
    try:
        payload = ASK.dump_json(ask)
    except ValueError:
        raise Undecided("D07", "an identity holds characters that cannot be written") from None
    if len(payload) > MOST_BYTES:
        raise Refusal("D01", f"a study or list needs more than {MOST_BYTES} bytes of identifiers")
    return payload


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """An address for a path: the kernel takes 107 characters at most, data folders do not care."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _answer_all(
    vault: Vault,
    listener: socket.socket,
    threads: ThreadPoolExecutor,
    sources: Sequence[Source],
    stop: Event,
) -> None:
    allowance = Allowance(RESOLVES_AT_ONCE, RESOLVES_PER_S)
    open_now: list[Future[None]] = []
    tailed_s = 0.0
    while not stop.is_set():
        if time.monotonic() - tailed_s > TAIL_S:
            _tail(vault, sources)
            tailed_s = time.monotonic()
        open_now = [each for each in open_now if not _ended(each)]
        door = _accepted(listener)
        if door is None:
            continue
        if len(open_now) < MOST_CONNECTIONS and welcome(door):
            open_now.append(threads.submit(_converse, vault, door, allowance, stop))
        else:
            door.close()
    _tail(vault, sources)


def _ended(conversation: Future[None]) -> bool:
    """Whether it is over; if by a bug, the bug rises here."""
    if not conversation.done():
        return False
    conversation.result()
    return True


def _tail(vault: Vault, sources: Sequence[Source]) -> None:
    for source in sources:
        try:
            vault.tail(source)
        except Unavailable:
            # Its cursor stands where it stood: the next round takes it up.
            continue


def _accepted(listener: socket.socket) -> socket.socket | None:
    try:
        door, _ = listener.accept()
    except TimeoutError:
        return None
    return door


def _converse(vault: Vault, door: socket.socket, allowance: Allowance, stop: Event) -> None:
    with door:
        while _spoken_to(door, stop):
            try:
                frame = receive_frame(door, time.monotonic() + MESSAGE_S, MOST_BYTES)
            except OSError:
                return
            except ValueError as error:
                _reply(door, Bad("mistake", str(error)))
                return
            if not _reply(door, _answer(vault, frame, allowance)):
                return


def _spoken_to(door: socket.socket, stop: Event) -> bool:
    """Wait for the first byte of a question; False when nobody will ask any more."""
    door.settimeout(POLL_S)
    idle_until = time.monotonic() + IDLE_S
    while not stop.is_set() and time.monotonic() < idle_until:
        try:
            return bool(door.recv(1, socket.MSG_PEEK))
        except TimeoutError:
            continue
        except OSError:
            return False
    return False


def _answer(vault: Vault, frame: bytes, allowance: Allowance) -> object:
    try:
        ask = ASK.validate_json(frame)
    except ValidationError as error:
        # Neither values nor their names: they may be identities.
        kinds = sorted({str(each["type"]) for each in error.errors(include_input=False)})
        return Bad("mistake", f"the vault does not understand the request: {', '.join(kinds)}")
    if isinstance(ask, AskResolve) and not allowance.take(time.monotonic()):
        return Bad("unavailable", "too many studies resolved at once", wait_s=60.0)
    try:
        return Good(ask.answer(vault))
    except ApplianceError as error:
        return told(error)
    except (sqlite3.OperationalError, sqlcipher3.OperationalError) as error:
        if not is_full(error):
            raise
        return Bad("unavailable", "no space left for the vault: make room")


def _reply(door: socket.socket, answer: object) -> bool:
    """Whether the answer was taken."""
    payload = to_json(answer, bytes_mode="hex")
    if len(payload) > MOST_ANSWER_BYTES:
        payload = to_json(Bad("refusal", "a study has too many identifiers to be told", "Q16"))
    try:
        send_frame(door, payload, time.monotonic() + MESSAGE_S)
    except OSError:
        return False
    return True
