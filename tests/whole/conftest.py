"""One walk there and home of a patient whose every value is a canary, seen by several tests."""

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import SystemRandom
from threading import Event, Thread

import pytest

from appliance.exam.clinic import SyntheticClinic
from appliance.exam.partner import SyntheticPartner
from appliance.exam.results import Spoiler
from tests.whole.canaries import Canaries, study
from tests.whole.dcmtk import dcmtk, storescu
from tests.whole.device import (
    HOOK_SECRET,
    Device,
    children,
    command_line,
    demo_tree,
    hook,
    running,
    until,
)
from tests.whole.morning import Morning
from tests.whole.sinks import certificate, mail_server, webhook

LOOK_S = 0.03
WRITES = 0b11
LISTED = ("list", "--project", "DEM")


@dataclass
class Walked:
    """What was seen of a whole walk: texts by channel, and who had which file open how.

    `opened` gives, for each file of the data folder, the access modes (O_RDONLY 0, O_WRONLY 1,
    O_RDWR 2) with which each process had it open at the same moment or another.
    """

    canaries: Canaries
    sent: list[bytes]
    site: str
    texts: Mapping[str, list[bytes]]
    opened: Mapping[str, Mapping[str, set[int]]]


@dataclass
class Watch:
    """Looks at the open files of all processes of a device, some twenty times a second."""

    device: Device
    opened: dict[str, dict[str, set[int]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(set))
    )
    tables: set[bytes] = field(default_factory=set)

    def look(self) -> None:
        """One look."""
        self._look_at(self.device.process.pid, "supervisor")

    def _look_at(self, pid: int, name: str) -> None:
        self.tables.add("\0".join(command_line(pid)).encode())
        data = str(self.device.data)
        for file in _listed(Path(f"/proc/{pid}/fd")):
            try:
                target = str(file.readlink())
                said = Path(f"/proc/{pid}/fdinfo/{file.name}").read_text()
            except OSError:
                continue
            if target.startswith(data):
                mode = int(said.split("flags:")[1].split()[0], 8) & WRITES
                self.opened[target.removeprefix(f"{data}/")][name].add(mode)
        for child in children(pid):
            words = command_line(child)
            self._look_at(child, words[-1] if words[-2:-1] == ["--part"] else f"{name}'s worker")


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


@pytest.fixture(scope="session")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Walked:
    """A study out, its result home, one held for want of a project, one quarantined."""
    place = tmp_path_factory.mktemp("walked")
    canaries, draw = Canaries(SystemRandom()), SystemRandom()
    site = "".join(draw.choice("BCDFGHJKLMNPQRSTVWXZ") for _ in range(6))
    mail = certificate(place / "mail")
    sent = study(canaries, place)
    with (
        SyntheticPartner() as partner,
        SyntheticClinic() as clinic,
        mail_server(mail) as (section, box),
        webhook(HOOK_SECRET) as inbox,
    ):
        tree = demo_tree(partner.url, ("PACS", clinic.node.port))
        tree["site"] |= {"code": site}
        tree["device"] |= {"ca": [mail.pem]}
        tree["notifications"] = {"email": section, "webhooks": [hook(inbox.url)]}
        with running(place / "box", tree) as device, Morning(device.page) as morning:
            watch, stop = Watch(device), Event()
            thread = Thread(target=_watched, args=(watch, stop))
            thread.start()
            try:
                said = walk(device, partner, clinic, morning, sent)
            finally:
                stop.set()
                thread.join()
            until(lambda: len(box.letters) >= 5 and len(inbox.raw) >= 5)
            texts = {
                "partner": list(partner.witness),
                "mails": list(box.letters),
                "webhooks": list(inbox.raw),
                "pages": [page.encode() for page in morning.seen],
                "commands": said,
                "process table": list(watch.tables),
                "file names": [str(path).encode() for path in device.data.rglob("*")],
                **rows(device.data),
            }
        texts["output"] = [(place / "box" / name).read_bytes() for name in ("stdout", "stderr")]
    return Walked(canaries, [path.read_bytes() for path in sent[0]], site, texts, watch.opened)


def _watched(watch: Watch, stop: Event) -> None:
    while not stop.wait(LOOK_S):
        watch.look()


def walk(device, partner, clinic, morning, sent) -> list[bytes]:
    """There and home, with all that a person sees on the way; gives what the commands said."""
    files, datasets = sent
    clinic.pacs.has(datasets)
    morning.sign_in(device.password)
    assert storescu(device.port, files) == ["Success"] * len(files)
    assert storescu(device.port, files, "RESEARCHPACS") == ["Success"] * len(files)
    dcmtk("echoscu", "-aec", "NOBODY", "127.0.0.1", device.port)
    stray = device.held("no-project")
    until(lambda: device.events("parcel.confirmed"))
    (pseudonymous,) = partner.studies()
    partner.make_result(pseudonymous)
    result = device.held("review")
    said = told(device, "held", "status --json")
    for path in ("", "language/fr", "language/en", "health", "nowhere"):
        morning.look(path)
    morning.press(result.id, "release")
    morning.press(stray.id, "exclude", "not ours")
    until(lambda: device.events("delivery.verified"))
    partner.make_result(pseudonymous, spoiler=Spoiler.PATIENT_SWAP)
    until(lambda: device.events("delivery.quarantined"))
    morning.look("")
    return said + told(device, "status", "subjects", "verify")


def told(device: Device, *names: str) -> list[bytes]:
    """Everything that these commands tell a person, as text and as JSON."""
    profile = ("--profile", str(device.place / "profile.yaml"))
    more = {"status": profile, "held": profile, "subjects": LISTED}
    runs = [device.command(*name.split(), *more.get(name.split()[0], ())) for name in names]
    return [run.stdout.encode() + run.stderr.encode() for run in runs]


def rows(data: Path) -> dict[str, list[bytes]]:
    """What stands in the files that are read by people other than the walk."""
    questions = {
        "audit": ("vault/audit.db", ("entry",)),
        "events": ("ledger/ledger.db", ("event", "outbox")),
        "decisions": ("console/console.db", ("decision", "signing")),
    }
    # The vault chains what happened once a second.
    until(lambda: any(b"delivery.quarantined" in row for row in held_in(data, *questions["audit"])))
    return {name: held_in(data, *question) for name, question in questions.items()}


def held_in(data: Path, path: str, tables: Sequence[str]) -> list[bytes]:
    """All rows of some tables, as text."""
    with closing(sqlite3.connect(f"file:{data / path}?mode=ro", uri=True)) as connection:
        return [
            repr(row).encode()
            for table in tables
            for row in connection.execute(f"SELECT * FROM {table}")
        ]
