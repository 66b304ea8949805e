"""Debian's Orthanc as a neighbour on loopback: started in its own folder, ended by process id."""

import json
import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ORTHANC = Path("/usr/sbin/Orthanc")
PLUGINS = Path("/usr/lib/orthanc")
DEFAULTS = Path("/etc/orthanc/orthanc.json")
READY_WITHIN_S = 20.0


@dataclass(frozen=True)
class Orthanc:
    """Debian's Orthanc, alone in its folder: DICOM at `dicom_port`, REST at `http`."""

    ae_title: str
    dicom_port: int
    http: str

    @property
    def dicomweb(self) -> str:
        """The DICOMweb root: STOW-RS, QIDO-RS, WADO-RS."""
        return f"{self.http}/dicom-web"

    def ask(self, path: str) -> object:
        """An answer of Orthanc's own REST interface, such as `/instances`."""
        with urllib.request.urlopen(f"{self.http}{path}", timeout=10) as answer:
            found: object = json.load(answer)
            return found

    def empty(self) -> None:
        """Forget every patient: the fixture lives as long as the run."""
        patients = self.ask("/patients")
        for patient in patients if isinstance(patients, list) else ():
            request = urllib.request.Request(f"{self.http}/patients/{patient}", method="DELETE")
            urllib.request.urlopen(request, timeout=10).close()


@contextmanager
def started(ae_title: str, folder: Path) -> Iterator[Orthanc]:
    dicom_port, http_port = _free_ports(2)
    chosen = _commented_json(DEFAULTS) | {
        "Name": ae_title,
        "DicomAet": ae_title,
        "DicomPort": dicom_port,
        "HttpPort": http_port,
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "Plugins": [str(path) for path in PLUGINS.glob("libOrthancDicomWeb.so.*")],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableWado": False},
        "AuthenticationEnabled": False,
        "RemoteAccessAllowed": False,
        "DicomAlwaysAllowFind": True,
        "UnknownSopClassAccepted": True,
        "OverwriteInstances": False,
        # A study counts as complete for Orthanc after a second, not after a minute.
        "StableAge": 1,
        "SyncStorageArea": False,
    }
    settings = folder / "orthanc.json"
    settings.write_text(json.dumps(chosen))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([ORTHANC, settings], stdout=log, stderr=log, cwd=folder)
    try:
        orthanc = Orthanc(ae_title, dicom_port, f"http://127.0.0.1:{http_port}")
        _wait(process, orthanc, folder / "log")
        yield orthanc
    finally:
        # Its folder goes with the run: a clean end would only cost two seconds.
        process.kill()
        process.wait(30)


def _wait(process: subprocess.Popen[bytes], orthanc: Orthanc, log: Path) -> None:
    until = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until and process.poll() is None:
        try:
            orthanc.ask("/system")
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"Orthanc did not start:\n{log.read_text()[-2000:]}")


def _commented_json(path: Path) -> dict[str, object]:
    # Debian's file carries // and /* */ comments; strings may hold both signs.
    signs = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
    text = signs.sub(lambda found: found.group(1) or "", path.read_text())
    defaults: dict[str, object] = json.loads(text)
    return defaults


def _free_ports(count: int) -> list[int]:
    # All are held open together, so that none is given twice.
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
