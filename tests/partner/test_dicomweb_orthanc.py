"""A stranger's DICOMweb server takes what we send, proves it, and gives back the same bytes."""

import io
import itertools

import pydicom
import pytest
from outward import CT, SERIES, SOP, SOP_CLASS, STUDY, outgoing, partner_at

from appliance.errors import Undecided
from appliance.partner import answers, multipart
from appliance.partner.dicomweb import DicomWeb, Limits, Offered, OfferedSeries
from appliance.partner.wire import Wire
from appliance.profile import Device, StowRs
from tests.orthanc import Orthanc

_numbers = itertools.count(1)


def other_study() -> tuple[str, str, str, bytes]:
    """A study of its own for each test: study, series, SOP instance, Part 10 bytes."""
    dataset = pydicom.dcmread(io.BytesIO(CT))
    number = next(_numbers)
    dataset.StudyInstanceUID = f"2.25.{number}1"
    dataset.SeriesInstanceUID = f"2.25.{number}2"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"2.25.{number}3"
    written = io.BytesIO()
    dataset.save_as(written)
    return f"2.25.{number}1", f"2.25.{number}2", f"2.25.{number}3", written.getvalue()


def test_an_instance_is_stored_listed_and_comes_back_byte_by_byte(at_orthanc: DicomWeb) -> None:
    study, series, sop, data = other_study()
    assert at_orthanc.listed(study) == frozenset()
    at_orthanc.store(outgoing(data, sop, study))
    assert at_orthanc.listed(study) == {sop}
    assert at_orthanc.series(study) == {series: OfferedSeries(series, "CT")}
    assert at_orthanc.instances(study, series) == (Offered(sop, SOP_CLASS),)
    got: list[bytes] = []
    at_orthanc.fetch(study, series, sop, got.append)
    assert b"".join(got) == data


def test_a_second_send_of_the_same_instance_changes_nothing(at_orthanc: DicomWeb) -> None:
    study, _, sop, data = other_study()
    at_orthanc.store(outgoing(data, sop, study))
    at_orthanc.store(outgoing(data, sop, study))
    assert at_orthanc.listed(study) == {sop}


def test_bytes_that_are_no_dicom_are_refused_for_a_person(at_orthanc: DicomWeb) -> None:
    with pytest.raises(Undecided) as held:
        at_orthanc.store(outgoing(b"no DICOM at all " * 500))
    assert held.value.code == "partner-refused"


@pytest.mark.parametrize("accept", ["application/dicom+json", "application/dicom+xml", "*/*"])
def test_its_store_answer_is_understood_in_every_type(orthanc: Orthanc, accept: str) -> None:
    body = multipart.Body([CT], len(CT), "mark")
    headers = {"Content-Type": body.content_type, "Accept": accept}
    wire = Wire(StowRs(kind="stow-rs", url=orthanc.dicomweb), {}, Device(), 60.0)
    with wire.post("/studies", headers, body) as answer:
        said = answers.stored(answer.content_type, answer.whole(1 << 20))
    assert said == answers.Stored(frozenset({SOP}), {})
    with wire.post("/studies/1.2.3", headers, body) as answer:
        assert answer.status == 409
        said = answers.stored(answer.content_type, answer.whole(1 << 20))
    assert said == answers.Stored(frozenset(), {SOP: 0x0110})
    wire.close()


def test_a_study_of_many_pages_is_listed_whole(orthanc: Orthanc, at_orthanc: DicomWeb) -> None:
    dataset = pydicom.dcmread(io.BytesIO(CT))
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "2.25.77", "2.25.78"
    sent = set()
    for number in range(5):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"2.25.79{number}"
        written = io.BytesIO()
        dataset.save_as(written)
        at_orthanc.store(outgoing(written.getvalue(), dataset.SOPInstanceUID, "2.25.77"))
        sent.add(str(dataset.SOPInstanceUID))
    with DicomWeb(partner_at(orthanc.dicomweb), {}, Device(), Limits(page=2)) as partner:
        assert partner.listed("2.25.77") == sent
        assert {one.sop_instance for one in partner.instances("2.25.77", "2.25.78")} == sent
    assert at_orthanc.listed(STUDY + ".404") == frozenset()
    assert SERIES not in at_orthanc.series("2.25.77")
