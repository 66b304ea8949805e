"""The appliance as it runs: `appliance serve` as real processes over a folder, waits cut to a second."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import yaml

from appliance.profile import Profile, dump, parse
from appliance.store.entry import Entry, Event, State
from appliance.store.ledger_view import LedgerView

DEMO = Path(__file__).parent.parent.parent / "examples" / "demo.yaml"
SECOND = 1 / 60
CALLED, CALLING = "RPACS_DEM", "DEMO_CT"
HOOK_SECRET = "whsec_" + "d2hvbGUtd2hvbGUtd2hvbGUtd2hvbGUtd2hvbGU="
SECRETS = {"lab-token": "not-a-secret", "demo-hook": HOOK_SECRET}
READY_S = 30.0
Seen = TypeVar("Seen")


def free_port() -> int:
    """A port of loopback that nobody has just now."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        port: int = door.getsockname()[1]
        return port


def demo_tree(partner_url: str, pacs: tuple[str, int]) -> dict[str, object]:
    """The loopback example, its partner at `partner_url`, its PACS at (AE title, port)."""
    tree = yaml.safe_load(DEMO.read_text())
    tree["clinic"]["listen"]["port"] = free_port()
    tree["clinic"]["peers"][1] |= {"ae_title": pacs[0], "port": pacs[1]}
    tree["partners"] = [lab("lab", partner_url)]
    tree["projects"][0]["settle_min"] = SECOND
    tree["notifications"] = {}
    return tree


def lab(name: str, url: str) -> dict[str, object]:
    """A partner that is asked for results twice a second, as often as a profile may ask."""
    auth = {"kind": "bearer", "secret": "lab-token"}
    results = {"kind": "qido", "every_min": 0.01, "stable_min": 0}
    return {
        "name": name,
        "send": {"kind": "stow-rs", "url": url, "auth": auth},
        "results": results,
    }


def hook(url: str) -> dict[str, object]:
    """A webhook of the profile."""
    return {"name": "demo", "url": url, "secret": "demo-hook"}


def until(look: Callable[[], Seen], within_s: float = 30.0, often_s: float = 0.02) -> Seen:
    """Look until there is something to see; what was seen last is the message of the failure."""
    deadline = time.monotonic() + within_s
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not seen within {within_s} s"
        time.sleep(often_s)
    return seen


@dataclass
class Device:
    """A running appliance; `outputs` are the texts that its processes wrote."""

    place: Path
    profile: Profile
    process: "subprocess.Popen[bytes]"
    view: LedgerView = field(init=False)

    def __post_init__(self) -> None:
        self.view = LedgerView(self.data / "ledger" / "ledger.db")

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.place / "data"

    @property
    def port(self) -> int:
        """Where it receives."""
        return self.profile.clinic.listen.port

    @property
    def page(self) -> str:
        """The address of the morning page, as printed."""
        return self._said("morning page ")

    @property
    def password(self) -> str:
        """Its password, as printed at the first start."""
        return self._said("its password, shown only now: ")

    def _said(self, start: str) -> str:
        return next(
            line.removeprefix(start) for line in self.stdout.splitlines() if line.startswith(start)
        )

    @property
    def stdout(self) -> str:
        """What all processes printed."""
        return (self.place / "stdout").read_text()

    @property
    def stderr(self) -> str:
        """What all processes complained about."""
        return (self.place / "stderr").read_text()

    def parts(self) -> Mapping[str, int]:
        """The process ids of the four parts that run now."""
        return {
            words[-1]: pid
            for pid in children(self.process.pid)
            if (words := command_line(pid))[-2:-1] == ["--part"]
        }

    def everybody(self) -> frozenset[int]:
        """The supervisor and all its descendants."""
        found, fresh = {self.process.pid}, [self.process.pid]
        while fresh:
            fresh = [child for pid in fresh for child in children(pid)]
            found |= set(fresh)
        return frozenset(found)

    def kill(self, part: str) -> int:
        """`kill -9`; gives the process id that was."""
        pid = self.parts()[part]
        os.kill(pid, signal.SIGKILL)
        return pid

    def events(self, kind: str) -> tuple[Event, ...]:
        """All events of a kind so far."""
        return tuple(event for event in self.view.events_since(0, 100_000) if event.kind == kind)

    def wait(self, kind: str, count: int = 1, within_s: float = 30.0) -> Event:
        """Wait for the `count`-th event of a kind, unless something is held or refused instead."""

        def look() -> Event | None:
            for entry in self.view.entries((State.HELD, State.QUARANTINED)):
                wanted = kind.endswith((entry.state.lower(), "decided"))
                assert wanted, f"{entry.kind} {entry.state}: {entry.code} {entry.reason}"
            found = self.events(kind)
            return found[count - 1] if len(found) >= count else None

        try:
            return until(look, within_s)
        except AssertionError as failed:
            waiting = [(entry.state.value, entry.reason) for entry in self.view.entries()]
            raise AssertionError(f"no {kind}: {failed}\n{waiting}\n{self.stderr}") from None

    def held(self, code: str) -> Entry:
        """Wait until an entry is held for this reason."""
        return until(
            lambda: next(
                (one for one in self.view.entries((State.HELD,)) if one.code == code), None
            )
        )

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """A command of a person beside the running appliance."""
        return appliance(self.place, *words, "--data", str(self.data))

    def status(self) -> str:
        """`appliance status` as a person reads it."""
        return self.command("status", "--profile", str(self.place / "profile.yaml")).stdout

    def stop(self) -> int:
        """SIGTERM; the exit code. Nothing that it started stays."""
        everybody = self.everybody()
        self.process.terminate()
        code = self.process.wait(30)
        until(lambda: not any(alive(pid) for pid in everybody), 5.0)
        return code


def written(place: Path, tree: Mapping[str, object]) -> Profile:
    """Profile and secrets as files, and the data folder's parent."""
    profile = parse(yaml.safe_dump(tree))
    place.mkdir(parents=True, exist_ok=True)
    (place / "profile.yaml").write_text(dump(profile), encoding="utf-8")
    (place / "secrets").mkdir(mode=0o700, exist_ok=True)
    for name, value in SECRETS.items():
        (place / "secrets" / name).write_text(value)
    return profile


def serve_command(place: Path, *more: str) -> Sequence[str]:
    """How a person starts it."""
    return [
        sys.executable, "-m", "appliance", "serve", "--profile", str(place / "profile.yaml"),
        "--data", str(place / "data"), "--console", "127.0.0.1:0", *more,
    ]  # fmt: skip


def surroundings(place: Path) -> dict[str, str]:
    """The whole environment of the processes."""
    return {"CREDENTIALS_DIRECTORY": str(place / "secrets"), "PATH": "/usr/bin:/bin"}


def appliance(place: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """An `appliance` command, from its own folder."""
    return subprocess.run(
        [sys.executable, "-m", "appliance", *words],
        cwd=place,
        env=surroundings(place),
        capture_output=True,
        text=True,
        timeout=60,
    )


def tried(place: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    """`appliance serve` that is expected to end by itself."""
    return subprocess.run(
        serve_command(place, *more),
        cwd=place,
        env=surroundings(place),
        capture_output=True,
        text=True,
        timeout=60,
    )


@contextmanager
def running(place: Path, tree: Mapping[str, object]) -> Iterator[Device]:
    """Start it, wait until it says that it is ready, end it by its process id."""
    profile = written(place, tree)
    with (place / "stdout").open("wb") as out, (place / "stderr").open("wb") as errors:
        process = subprocess.Popen(
            serve_command(place), cwd=place, env=surroundings(place), stdout=out, stderr=errors
        )
    device = Device(place, profile, process)
    try:
        until(lambda: "ready" in device.stdout.split() or process.poll() is not None, READY_S)
        assert process.poll() is None, device.stderr
        yield device
    finally:
        everybody = device.everybody() if process.poll() is None else frozenset()
        book = device.view.book()
        if book is not None:
            book.close()
        process.terminate()
        try:
            process.wait(20)
        finally:
            for pid in (*everybody, process.pid):
                if alive(pid):
                    os.kill(pid, signal.SIGKILL)
            process.wait(20)


def children(parent: int) -> tuple[int, ...]:
    """The living child processes of a process."""
    try:
        tasks = list(Path(f"/proc/{parent}/task").iterdir())
        return tuple(int(pid) for task in tasks for pid in (task / "children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        return ()


def command_line(pid: int) -> list[str]:
    """The words with which a process was started."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return []


def alive(pid: int) -> bool:
    """Whether a process runs (one that was not waited for does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
