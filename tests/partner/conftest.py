import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from faulty import Faulty, faulty_server
from outward import partner_at

from appliance.partner.dicomweb import DicomWeb
from appliance.profile import Device


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The DICOMweb root of a real Orthanc of our own, for this run."""
    folder = tmp_path_factory.mktemp("orthanc")
    port = free_port()
    settings = {
        "StorageDirectory": str(folder),
        "IndexDirectory": str(folder),
        "HttpPort": port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": True,
        "AuthenticationEnabled": False,
        "HttpBindAddresses": ["127.0.0.1"],
        "Plugins": [str(Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so"))],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(
            ["Orthanc", str(folder / "orthanc.json")], stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}/dicom-web"
    deadline = time.monotonic() + 20
    while True:
        try:
            requests.get(f"{url}/studies", timeout=1)
            break
        except requests.ConnectionError:
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.05)
    yield url
    running.terminate()
    running.wait(10)


@pytest.fixture
def faulty() -> Iterator[Faulty]:
    with faulty_server() as server:
        yield server


@pytest.fixture
def at_orthanc(orthanc: str) -> Iterator[DicomWeb]:
    with DicomWeb(partner_at(orthanc), {}, Device()) as partner:
        yield partner


@pytest.fixture
def at_faulty(faulty: Faulty) -> Iterator[DicomWeb]:
    with DicomWeb(partner_at(faulty.url), {}, Device()) as partner:
        yield partner
