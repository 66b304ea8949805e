"""The stage of an exam: the real appliance in a folder of its own, between synthetic neighbours."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from socket import AF_INET, SOCK_STREAM, socket
from tempfile import TemporaryDirectory
from threading import Timer
from typing import TypeVar

from appliance.exam.clinic import SyntheticClinic
from appliance.exam.loopback import HOOK_SECRET, PACS, loopback
from appliance.exam.material import MadeStudy, made_study, with_private_series
from appliance.exam.partner import SyntheticPartner
from appliance.exam.traits import Trait
from appliance.profile import Profile, dump
from appliance.store.decisions import Decision, Decisions, hold_of
from appliance.store.entry import Event, State
from appliance.store.ledger_view import LedgerView

# A step of an exam that takes longer has failed; a slow card takes seconds for a flush.
PATIENCE_S = 60.0
LOOK_S = 0.05
# The supervisor gives its parts 15 s to end.
ENDING_S = 30.0
# What the exam itself releases; any other hold fails a step.
RELEASED = ("review", "pacs-warning")
Found = TypeVar("Found")


class Failed(Exception):
    """A step did not happen; the message says what was seen instead."""


@dataclass(frozen=True)
class Page:
    """Where the morning page of the examined appliance is, and what opens it."""

    address: str
    password: str


@dataclass(frozen=True)
class Stage:
    """The appliance in the middle of an exam, and who stands around it.

    A step that sees nothing happen for `patience_s` has failed.
    """

    profile: Profile
    traits: frozenset[Trait]
    data: Path
    clinic: SyntheticClinic
    partner: SyntheticPartner
    study: MadeStudy
    page: Page
    view: LedgerView
    patience_s: float = PATIENCE_S

    def wait(self, look: Callable[[], Found | None], absent: Callable[[], str]) -> Found:
        """What `look` finds, sooner or later.

        Raises:
            Failed: patience is over; `absent` says what did not come, the ledger what waits.
        """
        deadline = time.monotonic() + self.patience_s
        while (found := look()) is None:
            if time.monotonic() > deadline:
                waiting = [entry.reason for entry in self.view.waiting()]
                raise Failed("; ".join((f"{absent()} within {self.patience_s:g} s", *waiting)))
            time.sleep(LOOK_S)
        return found

    def events(self, kind: str, instances: int = 1) -> Sequence[Event]:
        """Wait for events of the ledger that stand for so many instances together.

        A study that comes slowly is frozen in several parcels.

        Raises:
            Failed: they did not come, or something was held or refused instead.
        """

        def look() -> Sequence[Event] | None:
            found = [event for event in self.view.events_since(0, 10_000) if event.kind == kind]
            if found and sum(int(event.detail.get("count", 1)) for event in found) >= instances:
                return found
            self._moving()
            return None

        return self.wait(look, lambda: f"no {kind}")

    def release(self, code: str) -> None:
        """The exam plays the person who lets a result into the PACS.

        Raises:
            Failed: nothing was held for this reason.
        """

        def look() -> Decision | None:
            for entry in self.view.entries((State.HELD,)):
                if entry.code == code:
                    return Decision("release", entry.id, "exam", "exam", (), hold_of(entry))
            self._moving()
            return None

        decision = self.wait(look, lambda: f"nothing was held for {code}")
        decisions = Decisions(self.data / "console" / "console.db")
        decisions.note(decision)
        decisions.close()

    def _moving(self) -> None:
        for entry in self.view.entries((State.HELD, State.QUARANTINED)):
            if entry.code not in RELEASED:
                raise Failed(f"{entry.kind} {entry.state.lower()}: {entry.code}, {entry.reason}")


@contextmanager
def staged(profile: Profile, traits: frozenset[Trait]) -> Iterator[Stage]:
    """Start neighbours and appliance in a folder that goes with the exam.

    Raises:
        Failed: the appliance did not start.
        ProfileError: the profile has no project to be examined.
    """
    draw = SystemRandom()
    study = with_private_series(made_study(draw), draw)
    box_ae = profile.clinic.listen.ae_title
    with (
        TemporaryDirectory(prefix="research-pacs-exam-") as folder,
        SyntheticPartner() as partner,
        SyntheticClinic(traits, PACS, box_ae) as clinic,
    ):
        ports = (free_port(), clinic.node.port)
        changed = loopback(profile, traits, ports, partner.url, partner.hook_url)
        place = Path(folder)
        (place / "profile.yaml").write_text(dump(changed), encoding="utf-8")
        write_secrets(changed, place / "secrets", partner)
        view = LedgerView(place / "data" / "ledger" / "ledger.db")
        with running(place) as page:
            yield Stage(changed, traits, place / "data", clinic, partner, study, page, view)
        book = view.book()
        if book is not None:
            book.close()


def write_secrets(profile: Profile, folder: Path, partner: SyntheticPartner) -> None:
    """Secrets of this exam alone."""
    folder.mkdir(mode=0o700)
    (folder / HOOK_SECRET).write_text(partner.hook_secret)
    auth = profile.partners[0].send.auth
    if auth.kind != "none":
        (folder / auth.secret).write_text("exam")


def free_port() -> int:
    """A port of loopback that nobody has just now."""
    with socket(AF_INET, SOCK_STREAM) as door:
        door.bind(("127.0.0.1", 0))
        port: int = door.getsockname()[1]
        return port


@contextmanager
def running(place: Path) -> Iterator[Page]:
    """`appliance serve` as a process of its own; nothing of it is left at the end.

    Its session is its own too: a Ctrl-C reaches the exam alone, which ends it in order.

    Raises:
        Failed: it ended, or did not become ready.
    """
    command = [
        sys.executable, "-m", "appliance", "serve", "--profile", str(place / "profile.yaml"),
        "--data", str(place / "data"), "--console", "127.0.0.1:0",
    ]  # fmt: skip
    environment = {"CREDENTIALS_DIRECTORY": str(place / "secrets"), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(  # noqa: S603 - our own program
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as process:
        try:
            yield ready(process)
        finally:
            process.terminate()
            try:
                process.wait(ENDING_S)
            except subprocess.TimeoutExpired:
                process.kill()


def ready(process: "subprocess.Popen[str]") -> Page:
    """What stands on stdout until `ready`: the address of the morning page, then its password."""
    said: list[str] = []
    giving_up = Timer(PATIENCE_S, process.terminate)
    giving_up.start()
    try:
        for line in process.stdout or ():
            if line.strip() == "ready" and len(said) == 2:
                return Page(said[0], said[1])
            said.append(line.split()[-1])
    finally:
        giving_up.cancel()
    raise Failed(f"`appliance serve` ended with {process.wait()} before it was ready")
