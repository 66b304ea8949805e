"""The stage of an exam: the real appliance in a folder of its own, between synthetic neighbours."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from socket import AF_INET, SOCK_STREAM, socket
from tempfile import TemporaryDirectory

from appliance.exam.clinic import SyntheticClinic
from appliance.exam.loopback import HOOK_SECRET, PACS, loopback
from appliance.exam.material import MadeStudy, made_study, with_private_series
from appliance.exam.partner import SyntheticPartner
from appliance.exam.traits import Trait
from appliance.profile import Profile, dump
from appliance.store.decisions import Decision, Decisions, hold_of
from appliance.store.entry import Event, State
from appliance.store.ledger_view import LedgerView

# A step of an exam that takes longer has failed.
STEP_S = 60.0
LOOK_S = 0.05


class Failed(Exception):
    """A step did not happen; the message says what was seen instead."""


@dataclass(frozen=True)
class Stage:
    """The appliance in the middle of an exam, and who stands around it."""

    profile: Profile
    traits: frozenset[Trait]
    data: Path
    clinic: SyntheticClinic
    partner: SyntheticPartner
    study: MadeStudy
    page: str

    @property
    def view(self) -> LedgerView:
        """The ledger, as the console sees it."""
        return LedgerView(self.data / "ledger" / "ledger.db")

    def event(self, kind: str) -> Event:
        """Wait for an event of the ledger.

        Raises:
            Failed: it did not come, or something was held or refused instead.
        """
        view = self.view
        deadline = time.monotonic() + STEP_S
        while time.monotonic() < deadline:
            events = view.events_since(0, 10_000)
            for event in events:
                if event.kind == kind:
                    return event
            for entry in view.entries((State.HELD, State.QUARANTINED)):
                if entry.code not in RELEASED:
                    raise Failed(
                        f"{entry.kind} {entry.state.lower()}: {entry.code}, {entry.reason}"
                    )
            time.sleep(LOOK_S)
        waiting = [entry.reason for entry in view.waiting()]
        raise Failed("; ".join(waiting) or f"no {kind} within {STEP_S:.0f} s")

    def release(self, code: str) -> None:
        """The exam plays the person who lets a result into the PACS."""
        deadline = time.monotonic() + STEP_S
        while time.monotonic() < deadline:
            for entry in self.view.entries((State.HELD,)):
                if entry.code == code:
                    decision = Decision("release", entry.id, "exam", "exam", (), hold_of(entry))
                    decisions = Decisions(self.data / "console" / "console.db")
                    decisions.note(decision)
                    decisions.close()
                    return
            time.sleep(LOOK_S)
        raise Failed(f"nothing was held for {code}")


# What the exam itself releases; any other hold fails a step.
RELEASED = ("review", "pacs-warning")


@contextmanager
def staged(profile: Profile, traits: frozenset[Trait]) -> Iterator[Stage]:
    """Start neighbours and appliance in a folder that goes with the exam."""
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
        with running(place) as page:
            yield Stage(changed, traits, place / "data", clinic, partner, study, page)


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
def running(place: Path) -> Iterator[str]:
    """`appliance serve` as a process of its own; gives what it says about the morning page.

    Raises:
        Failed: it ended, or did not become ready.
    """
    command = [
        sys.executable, "-m", "appliance", "serve", "--profile", str(place / "profile.yaml"),
        "--data", str(place / "data"), "--console", "127.0.0.1:0",
    ]  # fmt: skip
    environment = {"CREDENTIALS_DIRECTORY": str(place / "secrets"), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(  # noqa: S603 - our own program
        command, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield ready(process)
        finally:
            process.terminate()


def ready(process: "subprocess.Popen[str]") -> str:
    """What stands on stdout until `ready`."""
    lines: list[str] = []
    for line in process.stdout or ():
        if line.strip() == "ready":
            return "; ".join(lines)
        lines.append(line.strip())
    raise Failed(f"`appliance serve` ended with {process.wait()}")
