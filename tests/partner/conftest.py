from collections.abc import Iterator

import pytest
from faulty import Faulty, faulty_server
from outward import partner_at

from appliance.partner.dicomweb import DicomWeb
from appliance.profile import Device
from tests.orthanc import Orthanc


@pytest.fixture
def faulty() -> Iterator[Faulty]:
    with faulty_server() as server:
        yield server


@pytest.fixture
def at_orthanc(orthanc: Orthanc) -> Iterator[DicomWeb]:
    with DicomWeb(partner_at(orthanc.dicomweb), {}, Device()) as partner:
        yield partner


@pytest.fixture
def at_faulty(faulty: Faulty) -> Iterator[DicomWeb]:
    with DicomWeb(partner_at(faulty.url), {}, Device()) as partner:
        yield partner
