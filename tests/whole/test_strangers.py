"""Law: between programs that we did not write, a study walks out pseudonymised and a result home.

dcmtk is the modality, one Orthanc the partner, another the clinic's PACS; highdicom makes the
result; aiosmtpd and standardwebhooks hear what people and programs are told.
"""

import email
import email.policy
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes

from appliance.reid.reading import lenient
from appliance.store.entry import Entry, Kind, State
from tests.orthanc import Orthanc
from tests.whole.dcmtk import dcmtk, storescu
from tests.whole.device import CALLED, CALLING, HOOK_SECRET, Device, demo_tree, hook, running, until
from tests.whole.morning import Morning
from tests.whole.sinks import Inbox, Mailbox, certificate, mail_server, webhook

# The session starts two Orthancs and the appliance, and a walk waits for its two settle times.
pytestmark = pytest.mark.timeout(90)


@dataclass(frozen=True)
class Neighbours:
    """The appliance between strangers."""

    device: Device
    partner: Orthanc
    pacs: Orthanc
    mails: Mailbox
    hooks: Inbox


@pytest.fixture(scope="module")
def neighbours(
    orthanc: Orthanc, clinic_orthanc: Orthanc, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Neighbours]:
    place = tmp_path_factory.mktemp("strangers")
    orthanc.empty()
    clinic_orthanc.empty()
    mail = certificate(place / "mail")
    with mail_server(mail) as (section, mails), webhook(HOOK_SECRET) as hooks:
        tree = demo_tree(orthanc.dicomweb, (clinic_orthanc.ae_title, clinic_orthanc.dicom_port))
        tree["device"] |= {"ca": [mail.pem]}
        # The public study is marked as de-identified; a person would have to release it.
        tree["projects"][0]["deid"] |= {"already_deidentified": "send"}
        tree["notifications"] = {"email": section, "webhooks": [hook(hooks.url)]}
        with running(place / "box", tree) as device:
            yield Neighbours(device, orthanc, clinic_orthanc, mails, hooks)


def instances(orthanc: Orthanc, **wanted: str) -> list[Dataset]:
    """What an Orthanc has, as it would give it away."""
    files = []
    for name in orthanc.ask("/instances"):
        with urllib.request.urlopen(f"{orthanc.http}/instances/{name}/file", timeout=10) as answer:
            files.append(dcmread(BytesIO(answer.read())))
    return [one for one in files if all(str(one.get(k)) == v for k, v in wanted.items())]


@lenient()
def segmentation(sources: list[Dataset]) -> bytes:
    """A mask over a series, as a researcher's script makes it."""
    segment = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="lesion",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        tracking_uid=hd.UID(),
        tracking_id="lesion 1",
    )
    mask = np.zeros((len(sources), sources[0].Rows, sources[0].Columns), dtype=np.uint8)
    mask[:, 2:9, 2:9] = 1
    made = hd.seg.Segmentation(
        source_images=sources,
        pixel_array=mask,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[segment],
        series_instance_uid=hd.UID(),
        series_number=100,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="Partner",
        manufacturer_model_name="script",
        software_versions="1",
        device_serial_number="1",
    )
    out = BytesIO()
    made.save_as(out, enforce_file_format=True)
    return out.getvalue()


def stow(orthanc: Orthanc, part10: bytes) -> None:
    """The partner's script puts a result beside the study that it got (PS3.18 10.5)."""
    body = b"--cut\r\nContent-Type: application/dicom\r\n\r\n" + part10 + b"\r\n--cut--\r\n"
    kind = 'multipart/related; type="application/dicom"; boundary=cut'
    headers = {"Content-Type": kind, "Accept": "application/dicom+json"}
    request = urllib.request.Request(f"{orthanc.dicomweb}/studies", body, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def told(neighbours: Neighbours) -> tuple[list[str], list[str]]:
    """Subjects of the mails and types of the webhooks so far."""
    letters = [
        email.message_from_bytes(raw, policy=email.policy.default)
        for raw in neighbours.mails.letters
    ]
    return [str(one["Subject"]) for one in letters], [
        str(e["type"]) for e in neighbours.hooks.events
    ]


def is_told(neighbours: Neighbours, words: str, kind: str) -> None:
    """Wait for a mail and a webhook of one kind."""
    until(lambda: any(words in subject for subject in told(neighbours)[0]))
    until(lambda: f"org.researchpacs.{kind}" in told(neighbours)[1])


@pytest.mark.timeout(90)  # one study out, one result home, with the waits of a real walk
def test_a_ct_study_walks_out_and_its_result_walks_home(
    neighbours: Neighbours, public_ct: tuple[Path, ...]
) -> None:
    device, partner, pacs = neighbours.device, neighbours.partner, neighbours.pacs
    small, *study = public_ct
    for files in ([small], study):
        assert set(storescu(pacs.dicom_port, files, pacs.ae_title)) == {"Success"}
        assert storescu(device.port, files) == ["Success"] * len(files)

    device.wait("parcel.confirmed", 2)
    originals = {path: dcmread(path) for path in public_ct}
    received = instances(partner)
    assert len(received) == len(public_ct)
    look_pseudonymised(received, originals)
    is_told(neighbours, "sent, and the partner has all of it", "parcel.confirmed")

    pixels = {original.PixelData: path for path, original in originals.items()}
    axial = [one for one in received if "CT5N" in str(pixels[one.PixelData])]
    stow(partner, segmentation(sorted(axial, key=lambda one: float(one.ImagePositionPatient[2]))))
    entry = device.held("review")
    is_told(neighbours, "a result waits for a person", "delivery.held")

    with Morning(device.page) as morning:
        assert f'id="entry-{entry.id}"' in morning.sign_in(device.password)
        assert f"Noted: entry {entry.id} is released." in morning.press(entry.id, "release")
    until(lambda: device.events("delivery.verified"))
    (home,) = instances(pacs, Modality="SEG")
    comes_home(home, list(originals.values()), axial)
    is_told(neighbours, "a result is in the PACS", "delivery.verified")
    assert neighbours.hooks.forged == 0
    assert device.command("verify").stdout == "nothing wrong found\n"


def look_pseudonymised(received: list[Dataset], originals: Mapping[Path, Dataset]) -> None:
    """Nobody can tell the patients, and the pixels are those that were acquired."""
    names = {str(one.PatientID) for one in originals.values()}
    uids = {
        str(one.get(keyword))
        for one in originals.values()
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    }
    assert {one.PixelData for one in received} == {one.PixelData for one in originals.values()}
    for one in received:
        assert str(one.PatientID).startswith("DEMO-")
        assert one.PatientIdentityRemoved == "YES"
        text = str(one)
        assert not [word for word in (*names, *uids, "Doe") if word in text]
    assert len({str(one.PatientID) for one in received}) == len(names)


def comes_home(home: Dataset, originals: list[Dataset], sent: list[Dataset]) -> None:
    """The result stands under the patient, in a series of its own, and refers to his images."""
    mine = [one for one in originals if one.StudyInstanceUID == home.StudyInstanceUID]
    assert mine
    assert (home.PatientID, home.PatientName) == (mine[0].PatientID, mine[0].PatientName)
    assert str(home.SeriesInstanceUID) not in {str(one.SeriesInstanceUID) for one in originals}
    referred = {
        str(item.ReferencedSOPInstanceUID)
        for item in home.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    }
    assert referred <= {str(one.SOPInstanceUID) for one in mine}
    assert len(referred) == len(sent)
    text = str(home)
    assert not [one for one in sent if str(one.SOPInstanceUID) in text or "DEMO-" in text]


def test_echoscu_is_answered(neighbours: Neighbours) -> None:
    port = neighbours.device.port
    assert dcmtk("echoscu", "-aet", CALLING, "-aec", CALLED, "127.0.0.1", port).returncode == 0


def test_a_stranger_is_turned_away(neighbours: Neighbours) -> None:
    port = neighbours.device.port
    for calling, called in ((CALLING, "NOBODY"), ("NOBODY", CALLED)):
        refused = dcmtk("echoscu", "-aet", calling, "-aec", called, "127.0.0.1", port)
        assert refused.returncode != 0
        assert "AE Title Not Recognized" in refused.stderr


def test_findscu_gets_no_answer_about_anybody(neighbours: Neighbours) -> None:
    port = neighbours.device.port
    words = ["-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID=*"]
    asked = dcmtk("findscu", "-aet", CALLING, "-aec", CALLED, *words, "127.0.0.1", port)
    assert asked.returncode != 0
    assert "No Acceptable Presentation Contexts" in asked.stderr


@pytest.mark.timeout(60)  # the study settles and is compared with what was sent before
def test_dcmsend_pushes_what_storescu_pushed_and_nothing_new_leaves(
    neighbours: Neighbours, public_ct: tuple[Path, ...]
) -> None:
    device = neighbours.device
    assert storescu(device.port, public_ct) == ["Success"] * len(public_ct)
    until(lambda: len(at_rest(device)) >= 2)
    before = at_rest(device)
    words = ["-aet", CALLING, "-aec", CALLED, "127.0.0.1", device.port]
    sent = dcmtk("dcmsend", "-v", *words, *public_ct)
    assert sent.returncode == 0, sent.stderr
    again = until(lambda: (now := at_rest(device))[len(before) + 1 :] and now)[len(before) :]
    assert {one.state for one in again} == {State.REPEATED}
    assert len(instances(neighbours.partner, Modality="CT")) == len(public_ct)


def at_rest(device: Device) -> list[Entry]:
    """The parcels that are where they stay."""
    parcels = device.view.entries((State.CONFIRMED, State.REPEATED), (Kind.PARCEL,))
    return sorted(parcels, key=lambda one: one.since_s)
