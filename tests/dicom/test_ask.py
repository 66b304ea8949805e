"""Law: a neighbour's answer is given as it is; no answer is never taken for one."""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
)
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind, Verification

from appliance.dicom import asking, find, send
from appliance.dicom.echo import echo
from appliance.dicom.send import Instance
from appliance.errors import Unavailable
from tests.dicom.reception import Reception, free_port, peer
from tests.dicom.test_receive import FILES, body, listening, until

CT = Instance(str(CTImageStorage), "1.2.3", str(ExplicitVRLittleEndian), FILES / "CT_small.dcm")


def instance(path: Path) -> Instance:
    dataset = pydicom.dcmread(path, stop_before_pixels=True)
    syntax = dataset.file_meta.TransferSyntaxUID
    return Instance(str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), str(syntax), path)


def written(folder: Path, number: int, sop_class: str, syntax: str) -> Instance:
    """A small file of our own."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = sop_class
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = f"1.2.3.{number}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2", "1.3"
    path = folder / f"{number}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return Instance(sop_class, f"1.2.3.{number}", syntax, path)


class Neighbour:
    """A PACS of pynetdicom that answers as it is told to."""

    def __init__(self) -> None:
        self.ae = AE(ae_title="PACS")
        self.stored: list[bytes] = []
        self.statuses: list[int] = []
        self.answers: list[tuple[int, Dataset | None]] = []
        self.asked: list[Dataset] = []
        self.port = 0

    def listen(self) -> None:
        server = self.ae.start_server(
            ("127.0.0.1", 0),
            block=False,
            evt_handlers=[
                (evt.EVT_C_STORE, self.store),
                (evt.EVT_C_FIND, self.find),
            ],
        )
        assert server is not None
        self.port = server.server_address[1]

    def store(self, event: Event) -> int:
        self.stored.append(event.request.DataSet.getvalue())
        return self.statuses.pop(0) if self.statuses else 0

    def find(self, event: Event) -> Iterator[tuple[int, Dataset | None]]:
        self.asked.append(event.identifier)
        yield from self.answers


@pytest.fixture
def pacs() -> Iterator[Neighbour]:
    neighbour = Neighbour()
    neighbour.ae.add_supported_context(Verification)
    neighbour.ae.add_supported_context(CTImageStorage, ExplicitVRLittleEndian)
    neighbour.ae.add_supported_context(MRImageStorage, ImplicitVRLittleEndian)
    neighbour.ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    neighbour.listen()
    yield neighbour
    neighbour.ae.shutdown()


def test_files_reach_storescp_byte_for_byte(tmp_path: Path, start: Callable[..., object]) -> None:
    port = free_port()
    start("storescp", "+B", "+xa", "-pm", "-od", tmp_path, "-aet", "PACS", port)
    until(lambda: listening(port))
    names = ["CT_small", "MR_small", "JPEG2000", "SC_rgb_rle_2frame", "rtplan", "test-SR"]
    files = [instance(FILES / f"{name}.dcm") for name in names]
    statuses = send.store(peer(port), "RPACS", files)
    assert statuses == {one.sop_instance: 0 for one in files}
    arrived = sorted(body(path) for path in tmp_path.iterdir())
    assert arrived == sorted(body(one.path) for one in files)


def test_echo_and_store_work_between_us_and_ourselves(reception: Reception) -> None:
    us = peer(reception.port, "RPACS")
    echo(us, "CT1")
    files = [instance(FILES / "CT_small.dcm"), instance(FILES / "JPEG2000.dcm")]
    assert set(send.store(us, "CT1", files).values()) == {0}
    arrived = [reception.journal.whole(arrival) for arrival in reception.arrivals()]
    assert arrived == [body(one.path) for one in files]
    assert reception.arrivals()[0].head.implementation.startswith("RPACS_")


def test_every_status_comes_back_as_it_was_given(pacs: Neighbour, tmp_path: Path) -> None:
    pacs.statuses = [0x0000, 0xB000, 0xB007, 0xA700, 0xA900, 0xC123, 0x0124, 0x0210]
    wanted = list(pacs.statuses)
    files = [
        written(tmp_path, number, str(CTImageStorage), str(ExplicitVRLittleEndian))
        for number in range(8)
    ]
    assert list(send.store(peer(pacs.port), "RPACS", files).values()) == wanted


def test_a_refused_context_is_the_status_of_its_instances_alone(
    pacs: Neighbour, tmp_path: Path
) -> None:
    explicit, implicit = str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian)
    files = [
        written(tmp_path, 1, str(CTImageStorage), explicit),
        written(tmp_path, 2, str(MRImageStorage), explicit),
        written(tmp_path, 3, "1.3.12.2.1107.5.9.1", explicit),
        written(tmp_path, 4, str(MRImageStorage), implicit),
    ]
    statuses = send.store(peer(pacs.port), "RPACS", files)
    assert list(statuses.values()) == [0, 0x0122, 0x0122, 0]
    assert send.store(peer(pacs.port), "RPACS", files[1:3]) == {
        "1.2.3.2": 0x0122,
        "1.2.3.3": 0x0122,
    }


def test_more_kinds_than_one_association_holds_go_in_several(
    reception: Reception, tmp_path: Path
) -> None:
    files = [
        written(tmp_path, number, f"1.3.12.2.1107.5.9.{number}", str(ExplicitVRLittleEndian))
        for number in range(1, 135)
    ]
    statuses = send.store(peer(reception.port, "RPACS"), "CT1", files)
    assert len(statuses) == 134
    assert set(statuses.values()) == {0}


def test_a_peer_that_is_away_rejects_or_has_no_port_is_unavailable(reception: Reception) -> None:
    file = instance(FILES / "CT_small.dcm")
    for node in (peer(free_port()), peer(None), peer(reception.port, "WRONG")):
        for ask in (
            lambda node=node: echo(node, "CT1"),
            lambda node=node: send.store(node, "CT1", [file]),
            lambda node=node: find.study(node, "CT1", "1.2.3"),
            lambda node=node: find.images(node, "CT1", "1.2.3", "1.2.3.4"),
            lambda node=node: find.series_counts(node, "CT1", "1.2.3"),
        ):
            with pytest.raises(Unavailable, match="peer archive"):
                ask()


def test_a_silent_peer_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "NEGOTIATE_S", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        started = time.monotonic()
        with pytest.raises(Unavailable):
            echo(peer(silent.getsockname()[1]), "RPACS")
        assert time.monotonic() - started < 2.5


def test_a_peer_that_breaks_off_in_the_middle_is_unavailable(
    pacs: Neighbour, tmp_path: Path
) -> None:
    def breaks(event: Event) -> int:
        if pacs.stored:
            event.assoc.abort()
        pacs.stored.append(b"")
        return 0

    pacs.store = breaks  # type: ignore[method-assign]
    pacs.ae.shutdown()
    pacs.listen()
    files = [
        written(tmp_path, number, str(CTImageStorage), str(ExplicitVRLittleEndian))
        for number in range(3)
    ]
    with pytest.raises(Unavailable, match="did not answer"):
        send.store(peer(pacs.port), "RPACS", files)


def match(**values: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def test_a_study_is_found_with_every_value_decoded(pacs: Neighbour) -> None:
    full = match(
        SpecificCharacterSet="ISO_IR 100",
        StudyInstanceUID="1.2.3",
        PatientID="P1",
        IssuerOfPatientID="CHU",
        PatientName="MÜLLER^ÉLODIE",
        PatientBirthDate="19700101",
        PatientSex="F",
        StudyDate="20260102",
        StudyTime="101112",
        AccessionNumber="A1",
        StudyID="S1",
        ReferringPhysicianName="DÛPONT",
        StudyDescription="THORAX",
        NumberOfStudyRelatedInstances="42",
    )
    pacs.answers = [(0xFF00, full), (0xFF00, match(StudyInstanceUID="9.9.9", PatientID="other"))]
    (found,) = find.study(peer(pacs.port), "RPACS", "1.2.3")
    assert (found.patient_id, found.issuer, found.patient_name) == ("P1", "CHU", "MÜLLER^ÉLODIE")
    assert (found.birth_date, found.sex) == ("19700101", "F")
    assert (found.study_date, found.study_time) == ("20260102", "101112")
    assert (found.accession, found.study_id) == ("A1", "S1")
    assert (found.referring_physician, found.study_description) == ("DÛPONT", "THORAX")
    assert (found.character_set, found.instances) == ("ISO_IR 100", 42)
    asked = pacs.asked[0]
    assert asked.QueryRetrieveLevel == "STUDY"
    assert asked.StudyInstanceUID == "1.2.3"
    for keyword in ("PatientID", "IssuerOfPatientID", "NumberOfStudyRelatedInstances"):
        assert keyword in asked
    assert "P1" not in repr(found)


def test_a_pacs_that_omits_attributes_is_understood(pacs: Neighbour) -> None:
    pacs.answers = [(0xFF01, match(PatientID="P1"))]
    (found,) = find.study(peer(pacs.port), "RPACS", "1.2.3")
    assert (found.study, found.patient_id, found.patient_name) == ("1.2.3", "P1", "")
    assert found.instances is None
    pacs.answers = []
    assert find.study(peer(pacs.port), "RPACS", "1.2.3") == ()


def test_images_and_series_of_a_study(pacs: Neighbour) -> None:
    pacs.answers = [
        (0xFF00, match(StudyInstanceUID="1.2", SeriesInstanceUID="1.3", SOPInstanceUID="1.4")),
        (0xFF00, match(SOPInstanceUID="1.5")),
        (0xFF00, match(SeriesInstanceUID="8.8", SOPInstanceUID="1.6")),
        (0xFF00, match(StudyInstanceUID="1.2")),
    ]
    assert find.images(peer(pacs.port), "RPACS", "1.2", "1.3") == {"1.4", "1.5"}
    pacs.answers = [
        (0xFF00, match(SeriesInstanceUID="1.3", NumberOfSeriesRelatedInstances="7")),
        (0xFF00, match(SeriesInstanceUID="1.4")),
        (0xFF00, match(SeriesInstanceUID="1.5", NumberOfSeriesRelatedInstances="")),
    ]
    counts = find.series_counts(peer(pacs.port), "RPACS", "1.2")
    assert counts == {"1.3": 7, "1.4": None, "1.5": None}


@pytest.mark.parametrize("status", [0xA900, 0xC000, 0x0122, 0xFE00])
def test_a_level_that_is_refused_is_none_for_images_and_trouble_for_the_study(
    pacs: Neighbour, status: int
) -> None:
    pacs.answers = [(status, None)]
    assert find.images(peer(pacs.port), "RPACS", "1.2", "1.3") is None
    with pytest.raises(Unavailable):
        find.study(peer(pacs.port), "RPACS", "1.2")
    with pytest.raises(Unavailable):
        find.series_counts(peer(pacs.port), "RPACS", "1.2")


def test_a_busy_peer_is_not_taken_for_one_without_images(pacs: Neighbour) -> None:
    pacs.answers = [(0xA700, None)]
    with pytest.raises(Unavailable, match="busy"):
        find.images(peer(pacs.port), "RPACS", "1.2", "1.3")


def test_an_answer_that_breaks_off_is_no_answer(
    pacs: Neighbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(event: Event) -> Iterator[tuple[int, Dataset | None]]:
        yield 0xFF00, match(SOPInstanceUID="1.4")
        event.assoc.abort()

    pacs.find = breaks  # type: ignore[method-assign]
    pacs.ae.shutdown()
    pacs.listen()
    with pytest.raises(Unavailable):
        find.images(peer(pacs.port), "RPACS", "1.2", "1.3")


def test_our_receiver_serves_queries_to_nobody(reception: Reception) -> None:
    with pytest.raises(Unavailable, match="refuses queries"):
        find.study(peer(reception.port, "RPACS"), "PACS", "1.2.3")
