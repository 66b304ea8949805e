"""A whole appliance in one process, on a clock that a test moves: real files, real neighbours.

The vault answers on its real socket, from a thread; partner and clinic are spoken to over loopback.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import yaml
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from appliance.errors import Unavailable
from appliance.journey.doors import Clinic, Doors
from appliance.journey.messages import Messages, channels
from appliance.journey.walk import Walk
from appliance.partner.dicomweb import DicomWeb
from appliance.profile import Profile, digest, parse
from appliance.store import vault_door
from appliance.store.arrivals import Head
from appliance.store.decisions import Decision, Decisions, DecisionsView, hold_of
from appliance.store.entry import Entry, Kind
from appliance.store.journal import Journal
from appliance.store.ledger import Ledger
from appliance.store.spool import Spool
from appliance.store.vault_door import VaultClient
from appliance.timing import Now

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "examples" / "demo.yaml"
EXPLICIT = "1.2.840.10008.1.2.1"
WALL = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
SECRETS = {
    "lab-token": "not-a-secret",
    "demo-hook": "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0",
}


def tree() -> dict[str, object]:
    """The loopback example as plain data, to be changed and parsed."""
    return yaml.safe_load(DEMO.read_text())


def profile(**changes: object) -> Profile:
    """The loopback example, with some top-level sections replaced."""
    return parse(yaml.safe_dump(tree() | changes))


class Inline:
    """Work done at once, in this process."""

    def run(self, work, pieces):
        return [work(piece) for piece in pieces]


def data_set(dataset: Dataset) -> bytes:
    """The bytes of a data set as C-STORE carries them: explicit little endian, no file meta."""
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, False
    write_dataset(out, dataset)
    return out.getvalue()


def head(dataset: Dataset, called_ae: str = "RPACS_DEM", peer: str = "modality") -> Head:
    """What receive notes of an instance."""
    return Head(
        study=dataset.StudyInstanceUID,
        series=dataset.SeriesInstanceUID,
        sop_class=dataset.SOPClassUID,
        sop_instance=dataset.SOPInstanceUID,
        transfer_syntax=EXPLICIT,
        patient_id=dataset.get("PatientID", ""),
        issuer=dataset.get("IssuerOfPatientID", ""),
        character_set=dataset.get("SpecificCharacterSet", ""),
        called_ae=called_ae,
        calling_ae="DEMO_CT",
        peer=peer,
        address="127.0.0.1",
        implementation="1.2.3",
    )


@dataclass
class Box:
    """The appliance over a folder. `run` moves the clock and ticks until nothing moves any more."""

    folder: Path
    profile: Profile
    device_s: float = 0.0
    trusted: bool = True
    stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "Box":
        self.folder.mkdir(parents=True, exist_ok=True)
        self.spool = Spool(self.folder / "spool")
        self.stack.callback(self.spool.close)
        self.stack.enter_context(vault_running(self.folder))
        (self.folder / "console").mkdir(exist_ok=True)
        self.decisions = Decisions(self.folder / "console" / "console.db")
        self.stack.callback(self.decisions.close)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.stack.close()

    def start(self) -> None:
        """A walk that knows only what is on the disk."""
        self.ledger = Ledger(self.folder / "ledger", channels(self.profile))
        self.vault = VaultClient(self.folder / "run" / "vault.sock")
        self.device_s = max(self.device_s, self.ledger.view.device_s())
        self.doors = Doors(
            profile=self.profile,
            digest=digest(self.profile),
            folder=self.folder,
            ledger=self.ledger,
            journal=Journal(self.folder / "spool"),
            vault=self.vault,
            clinic=Clinic(self.profile.clinic.listen.ae_title),
            partners={
                partner.name: DicomWeb(partner, SECRETS, self.profile.device)
                for partner in self.profile.partners
            },
            workers=Inline(),
        )
        self.walk = Walk(
            self.doors,
            DecisionsView(self.folder / "console" / "console.db"),
            Messages(self.profile, SECRETS, self.ledger.outbox),
            self.now,
            lambda: 0.5,
            lambda act: act(),
        )

    def stop(self) -> None:
        """End the walk as a power cut would: nothing is said, files are let go."""
        self.ledger.close()
        self.vault.close()
        for partner in self.doors.partners.values():
            partner.close()

    def restart(self, profile: Profile | None = None) -> None:
        """Another start on the same folder, under another profile if one is given."""
        self.stop()
        self.profile = profile or self.profile
        self.start()

    def now(self) -> Now:
        """The test's clock."""
        return Now(self.device_s, WALL + timedelta(seconds=self.device_s), self.trusted)

    def receive(
        self, datasets: Sequence[Dataset], called_ae: str = "RPACS_DEM", peer: str = "modality"
    ) -> None:
        """Instances as receive keeps them."""
        for dataset in datasets:
            self.spool.keep(head(dataset, called_ae, peer), [data_set(dataset)])

    def run(self, seconds: float = 600.0, step_s: float = 30.0) -> None:
        """Tick while the clock moves on."""
        end = self.device_s + seconds
        while self.device_s < end:
            self.walk.tick()
            self.device_s += step_s
        self.walk.tick()

    def entries(self, kind: Kind | None = None) -> tuple[Entry, ...]:
        """What stands in the ledger."""
        return self.ledger.view.entries((), (kind,) if kind else ())

    def only(self, kind: Kind) -> Entry:
        """The one entry of this kind."""
        (entry,) = self.entries(kind)
        return entry

    def decide(self, verb: str, entry: Entry, *projects: str) -> None:
        """A person's decision on the present hold."""
        noted = self.decisions.note(
            Decision(verb, entry.id, "tester", "because", projects, hold_of(entry), "")
        )
        assert noted is not None


@contextmanager
def vault_running(folder: Path, sources: Sequence[object] = ()) -> Iterator[None]:
    """The vault's own server on its socket, in a thread."""
    socket = folder / "run" / "vault.sock"
    socket.parent.mkdir(parents=True, exist_ok=True)
    stop = Event()
    thread = Thread(target=vault_door.serve, args=(folder / "vault", socket, tuple(sources), stop))
    thread.start()
    client = VaultClient(socket)
    for _ in range(500):
        try:
            client.generation()
            break
        except Unavailable:
            stop.wait(0.01)
    client.close()
    try:
        yield
    finally:
        stop.set()
        thread.join()
