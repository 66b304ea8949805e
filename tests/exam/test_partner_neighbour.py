"""The synthetic partner is a DICOMweb server that counts, makes true results, and fails on demand."""

import io
import random
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pydicom
import pytest
import requests
import standardwebhooks
from pydicom import Dataset

from appliance.errors import Unavailable
from appliance.exam.material import MadeStudy, made_study
from appliance.exam.partner import Fault, SyntheticPartner
from appliance.exam.results import ResultKind, Spoiler
from appliance.partner.dicomweb import DicomWeb, Outgoing
from appliance.profile import Device, Partner, StowRs


@pytest.fixture
def partner() -> Iterator[SyntheticPartner]:
    with SyntheticPartner(draw=random.Random(7)) as made:
        yield made


@pytest.fixture
def door(partner: SyntheticPartner) -> Iterator[DicomWeb]:
    lab = Partner(name="lab", send=StowRs(kind="stow-rs", url=partner.url))
    with DicomWeb(lab, {}, Device()) as opened:
        yield opened


@pytest.fixture(scope="module")
def study() -> MadeStudy:
    return made_study(random.Random(1), slices=3)


def outgoing(dataset: Dataset) -> Outgoing:
    written = io.BytesIO()
    dataset.save_as(written)
    data = written.getvalue()
    return Outgoing(
        dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.StudyInstanceUID, [data], len(data)
    )


def fetched(door: DicomWeb, study: str, series: str, sop: str) -> Dataset:
    got: list[bytes] = []
    door.fetch(study, series, sop, got.append)
    return pydicom.dcmread(io.BytesIO(b"".join(got)))


def test_what_is_sent_is_counted_listed_witnessed_and_given_back(
    partner: SyntheticPartner, door: DicomWeb, study: MadeStudy
) -> None:
    for one in study.instances:
        door.store(outgoing(one))
    door.store(outgoing(study.instances[0]))
    assert dict(partner.stored) == {one.SOPInstanceUID: 1 for one in study.instances} | {
        study.instances[0].SOPInstanceUID: 2
    }
    assert partner.studies() == (study.uid,)
    assert door.listed(study.uid) == set(partner.stored)
    assert door.listed("1.2.3") == frozenset()
    assert {one.modality for one in door.series(study.uid).values()} == {"CT"}
    axial = study.instances[-1]
    assert len(door.instances(study.uid, axial.SeriesInstanceUID)) == 3
    back = fetched(door, study.uid, axial.SeriesInstanceUID, axial.SOPInstanceUID)
    assert back == axial
    seen = b"".join(partner.witness)
    assert all(canary.encode() in seen for canary in study.canaries)


def test_pages_and_asked_fields_are_answered(
    partner: SyntheticPartner, door: DicomWeb, study: MadeStudy
) -> None:
    for one in study.instances:
        door.store(outgoing(one))
    path = f"{partner.url}/studies/{study.uid}/series"
    rows = requests.get(f"{path}?includefield=00201209,FrameOfReferenceUID", timeout=5).json()
    assert sorted(row["00201209"]["Value"][0] for row in rows) == [1, 3]
    assert all("00200052" in row for row in rows)
    pages = [requests.get(f"{path}?limit=1&offset={at}", timeout=5) for at in range(3)]
    assert [page.status_code for page in pages] == [200, 200, 204]
    assert pages[0].json() != pages[1].json()


@pytest.mark.parametrize("kind", ResultKind)
def test_a_result_is_true_dicom_in_a_new_series_about_what_was_received(
    partner: SyntheticPartner, door: DicomWeb, study: MadeStudy, kind: ResultKind, tmp_path: Path
) -> None:
    for one in study.instances:
        door.store(outgoing(one))
    result = partner.make_result(study.uid, kind)
    (fresh,) = set(door.series(study.uid)) - {one.SeriesInstanceUID for one in study.instances}
    (offered,) = door.instances(study.uid, fresh)
    assert offered.sop_class == result.SOPClassUID
    home = fetched(door, study.uid, fresh, offered.sop_instance)
    home.save_as(tmp_path / "result.dcm")
    sent = {one.SOPInstanceUID for one in study.instances}
    named = [one.value for one in home.iterall() if one.keyword == "ReferencedSOPInstanceUID"]
    assert named
    assert sent.issuperset(named)
    assert home.PatientID == study.identity["PatientID"]
    assert dict(partner.stored) == dict.fromkeys(sent, 1)
    assert shutil.which("dciodvfy"), "install Debian's dicom3tools"
    judged = subprocess.run(
        ["dciodvfy", "-new", tmp_path / "result.dcm"], capture_output=True, text=True, check=False
    )
    assert "Error" not in judged.stderr, judged.stderr


def test_each_spoiler_breaks_one_thing(
    partner: SyntheticPartner, door: DicomWeb, study: MadeStudy
) -> None:
    for one in study.instances:
        door.store(outgoing(one))
    known = study.uids()
    good = partner.make_result(study.uid)
    offers = {spoiler: partner.make_result(study.uid, spoiler=spoiler) for spoiler in Spoiler}
    assert offers[Spoiler.PATIENT_SWAP].PatientID != good.PatientID
    assert offers[Spoiler.UNKNOWN_STUDY].StudyInstanceUID not in known
    foreign = offers[Spoiler.FOREIGN_REF]
    named = [one.value for one in foreign.iterall() if one.keyword == "ReferencedSOPInstanceUID"]
    assert len([uid for uid in named if uid not in known]) == 1
    assert offers[Spoiler.ORIGINALS_BACK].SOPInstanceUID in known
    listed = door.series(study.uid)
    for spoiler, bad in offers.items():
        assert bad.SeriesInstanceUID in listed, spoiler
        home = fetched(door, study.uid, bad.SeriesInstanceUID, bad.SOPInstanceUID)
        assert home.StudyInstanceUID == bad.StudyInstanceUID


def test_it_fails_as_told_and_then_works_again(
    partner: SyntheticPartner, door: DicomWeb, study: MadeStudy
) -> None:
    one = outgoing(study.instances[0])
    again = outgoing(study.instances[0])
    partner.suffer(Fault.STATUS, status=503, retry_after="7")
    with pytest.raises(Unavailable) as busy:
        door.store(one)
    assert busy.value.wait_s == 7
    partner.suffer(Fault.FAILED_IN_200)
    with pytest.raises(Unavailable):
        door.store(outgoing(study.instances[0]))
    assert not partner.stored
    partner.suffer(Fault.DROP_RESPONSE)
    door.store(outgoing(study.instances[0]))
    assert list(partner.stored.values()) == [1]
    partner.down()
    with pytest.raises(Unavailable):
        door.store(again)
    partner.up()
    door.store(outgoing(study.instances[0]))
    assert list(partner.stored.values()) == [2]


def test_what_is_no_store_request_is_refused(partner: SyntheticPartner) -> None:
    plain = requests.post(f"{partner.url}/studies", data=b"DICM", timeout=5)
    assert plain.status_code == 415
    kind = 'multipart/related; type="application/dicom"; boundary=b'
    garbage = b"--b\r\nContent-Type: application/dicom\r\n\r\nno DICOM\r\n--b--"
    answer = requests.post(
        f"{partner.url}/studies", data=garbage, headers={"Content-Type": kind}, timeout=5
    )
    assert answer.status_code == 409
    missing = requests.get(f"{partner.url}/studies/1/series/2/instances/3", timeout=5)
    assert missing.status_code == 404


def test_a_signed_message_is_kept_and_a_forged_one_is_counted(partner: SyntheticPartner) -> None:
    # Signed by an independent library.
    now = datetime.now(UTC)  # noqa: TID251 - the library takes the time of a message
    body = '{"type":"org.researchpacs.parcel.confirmed"}'
    signed = standardwebhooks.Webhook(partner.hook_secret).sign("n-1", now, body)
    headers = {
        "webhook-id": "n-1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signed,
    }
    assert requests.post(partner.hook_url, data=body, headers=headers, timeout=5).ok
    forged = requests.post(partner.hook_url, data=body + " ", headers=headers, timeout=5)
    assert forged.status_code == 401
    assert partner.messages == [{"type": "org.researchpacs.parcel.confirmed"}]
    assert partner.forged == 1
