"""A receiver on loopback with its spool, and neighbours that are real programs."""

import socket
import subprocess
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage
from pynetdicom.dsutils import split_dataset

from appliance.dicom.receive import Receiver
from appliance.profile import Peer, Profile, parse
from appliance.store.spool import Arrival, Cursor, Journal, Note, Spool

PROFILE = """
schema: research-pacs/profile/1
site: {name: Test, code: TEST, language: en}
people:
  team:
    - {name: Desk, role: pacs_administrator, organisation: Test, email: d@t.example, access_level: link_table}
  contacts:
    - {kind: it_oncall, name: Desk, email: d@t.example, phone: "+33199000001", on_device: true}
  dpo: {name: Desk, email: d@t.example, phone: "+33199000001"}
device: {hostname: test, board: generic, timezone: Europe/Paris, data: sd, custody: device}
clinic:
  listen: {ae_title: RPACS, port: 11112, host: 127.0.0.1}
  peers:
    - {name: scanner, kind: modality, ae_title: CT1, host: 127.0.0.1, may: [store]}
    - {name: archive, kind: pacs, ae_title: PACS, host: 127.0.0.1, port: 104, may: [query, results]}
    - {name: second, kind: modality, ae_title: CT2, host: 127.0.0.0/30, may: [store]}
partners:
  - name: lab
    send: {kind: stow-rs, url: "http://127.0.0.1:8042/dicom-web", auth: {kind: none}}
    results: {kind: none}
projects:
  - code: ABC
    route: {called_ae: RPACS_ABC, subjects: any}
    partners: [lab]
    dossier:
      dossier: {profile: test_phantom, lang: en, expires_on: 2030-01-01}
      retention: {link_table_until: 2035-12-31}
  - code: XYZ
    route: {called_ae: RPACS_XYZ, calling_ae: [CT2], subjects: any}
    partners: [lab]
    dossier:
      dossier: {profile: test_phantom, lang: en, expires_on: 2030-01-01}
      retention: {link_table_until: 2035-12-31}
"""


# Sockets of pynetdicom clients in these tests: it forgets to close those that a peer has reset.
CLIENTS: list[socket.socket] = []


@dataclass
class Reception:
    """What a test sees of a running receiver."""

    folder: Path
    receiver: Receiver
    spool: Spool
    failures: list[OSError]
    day: list[date | None] = field(default_factory=lambda: [date(2026, 11, 21)])

    @property
    def port(self) -> int:
        return self.receiver.port

    @property
    def journal(self) -> Journal:
        return Journal(self.folder)

    def arrivals(self) -> list[Arrival]:
        records = self.journal.since(Cursor.START, 100_000).records
        return [record for record in records if isinstance(record, Arrival)]

    def notes(self) -> list[Note]:
        records = self.journal.since(Cursor.START, 100_000).records
        return [record for record in records if isinstance(record, Note)]


def profile_on(port: int) -> Profile:
    """The profile of these tests, listening on a port; 0 is any free one."""
    profile = parse(PROFILE)
    listen = profile.clinic.listen.model_copy(update={"port": port})
    clinic = profile.clinic.model_copy(update={"listen": listen})
    return profile.model_copy(update={"clinic": clinic})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def peer(port: int | None, ae_title: str = "PACS") -> Peer:
    """A peer of ours on loopback."""
    return Peer(
        name="archive",
        kind="pacs",
        ae_title=ae_title,
        host="127.0.0.1",
        port=port,
        may=("query", "results"),
        proof="find-image",
    )


def run(*command: object) -> subprocess.CompletedProcess[str]:
    """One run of a neighbour's program."""
    words = [str(word) for word in command]
    return subprocess.run(
        words, capture_output=True, text=True, errors="replace", timeout=60, check=False
    )


def body(path: Path) -> bytes:
    """The data set of a file as it stands."""
    _, offset = split_dataset(path)
    return path.read_bytes()[offset:]


def made(sop_class: str = CTImageStorage, number: int = 1) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = f"1.2.3.4.{number}"
    dataset.PatientID = "P1"
    dataset.StudyInstanceUID = "1.2.3"
    dataset.SeriesInstanceUID = "1.2.3.4"
    return dataset
