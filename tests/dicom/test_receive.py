"""Law: what a neighbour sends arrives byte for byte, and success means that it is kept."""

import errno
import socket
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from threading import Thread

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode

from tests.dicom.reception import CLIENTS, Reception, body, free_port, made, run
from tests.power import Power

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
CT = FILES / "CT_small.dcm"
MR = FILES / "MR_small.dcm"
PRIVATE = "1.3.12.2.1107.5.9.1"
UNKNOWN = "1.2.840.10008.5.1.4.1.1.99999"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"


def call(
    reception: Reception,
    contexts: list[tuple[str, str]],
    called: str = "RPACS",
    calling: str = "CT1",
) -> Association:
    ae = AE(ae_title=calling)
    ae.acse_timeout = ae.dimse_timeout = 10
    return ae.associate(
        "127.0.0.1",
        reception.port,
        contexts=[build_context(abstract, syntax) for abstract, syntax in contexts],
        ae_title=called,
        evt_handlers=[
            (evt.EVT_CONN_OPEN, lambda event: CLIENTS.append(event.assoc.dul.socket.socket))
        ],
    )


def push(
    association: Association,
    data: bytes,
    sop_class: str = CTImageStorage,
    instance: str = "1.2.3.4.1",
    context: int = 1,
) -> int | None:
    """A C-STORE of any bytes under any UIDs; the status, None if the association ended."""
    request = C_STORE()
    request.MessageID = 7
    request.Priority = 2
    for name, value in (("class", sop_class), ("instance", instance)):
        setattr(request, f"_affected_sop_{name}_uid", UID(value))
    request.DataSet = BytesIO(data) if data else None
    association._reactor_checkpoint.clear()
    while not association._is_paused:
        time.sleep(0.001)
    association.dimse.send_msg(request, context)
    _, answer = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    return None if answer is None else answer.Status


def explicit(dataset: Dataset) -> bytes:
    return encode(dataset, False, True) or b""


EXPLICIT_CT = [(str(CTImageStorage), str(ExplicitVRLittleEndian))]


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# Longer than 3 s: the whole bundle goes twice over the network, one C-STORE after the other.
@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "sender",
    [["dcmsend", "-dn", "-nh", "-nuc"], ["storescu", "-nh", "-R", "-xs"]],
    ids=lambda s: s[0],
)
def test_what_dcmtk_sends_arrives_as_dcmtk_itself_receives_it(
    reception: Reception, sender: list[str], tmp_path: Path, start: Callable[..., object]
) -> None:
    (tmp_path / "theirs").mkdir()
    port = free_port()
    start("storescp", "+B", "+xa", "-pm", "+uf", "-od", tmp_path / "theirs", port)
    until(lambda: listening(port))
    # dcmsend aborts at an instance whose context is refused (deflated), and announces the two
    # whose UIDs have VR UN under a class "31".
    strange = {"image_dfl.dcm", "rtdose_rle.dcm", "rtdose_rle_1frame.dcm"}
    files = [path for path in sorted(FILES.glob("*.dcm")) if path.name not in strange]
    run(*sender, "-aet", "CT1", "-aec", "RPACS_ABC", "127.0.0.1", port, *files)
    run(*sender, "-aet", "CT1", "-aec", "RPACS_ABC", "127.0.0.1", reception.port, *files)
    theirs = Counter(
        sha256(body(path)).digest() for path in (tmp_path / "theirs").iterdir() if is_ours(path)
    )
    arrived = reception.arrivals()
    ours = Counter(sha256(reception.journal.whole(arrival)).digest() for arrival in arrived)
    assert ours == theirs
    assert len(arrived) >= 20
    assert {arrival.head.called_ae for arrival in arrived} == {"RPACS_ABC"}
    assert {arrival.head.peer for arrival in arrived} == {"scanner"}


def is_ours(path: Path) -> bool:
    """With the UIDs without which nobody can file it."""
    dataset = pydicom.dcmread(path, specific_tags=["StudyInstanceUID", "SeriesInstanceUID"])
    return bool(dataset.get("StudyInstanceUID") and dataset.get("SeriesInstanceUID"))


def test_a_file_arrives_with_exactly_the_bytes_of_its_data_set(reception: Reception) -> None:
    paths = [CT, MR, FILES / "JPEG2000.dcm", FILES / "MR_small_RLE.dcm", FILES / "rtplan.dcm"]
    for path in paths:
        dataset = pydicom.dcmread(path)
        sop_class, syntax = dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID
        association = call(reception, [(sop_class, syntax)])
        status = push(association, body(path), sop_class, dataset.SOPInstanceUID)
        assert status == 0x0000, path
        association.release()
        arrival = reception.arrivals()[-1]
        assert reception.journal.whole(arrival) == body(path)
        assert arrival.head.transfer_syntax == syntax
        assert arrival.head.study == dataset.StudyInstanceUID
        assert arrival.head.patient_id == dataset.PatientID


def test_echo_is_answered_to_a_peer_of_any_right(reception: Reception) -> None:
    for calling in ("CT1", "PACS"):
        done = run("echoscu", "-aet", calling, "-aec", "RPACS", "127.0.0.1", reception.port)
        assert done.returncode == 0, done.stderr


def test_the_called_ae_of_every_arrival_is_kept(reception: Reception) -> None:
    for called, calling in (("RPACS_ABC", "CT1"), ("RPACS_XYZ", "CT2"), ("RPACS", "CT1")):
        done = run("storescu", "-aet", calling, "-aec", called, "127.0.0.1", reception.port, CT)
        assert done.returncode == 0, done.stderr
    heads = [arrival.head for arrival in reception.arrivals()]
    assert [head.called_ae for head in heads] == ["RPACS_ABC", "RPACS_XYZ", "RPACS"]
    assert [head.calling_ae for head in heads] == ["CT1", "CT2", "CT1"]
    assert len({arrival.seq for arrival in reception.arrivals()}) == 3


@pytest.mark.parametrize(
    ("called", "calling", "diagnostic"),
    [
        ("WRONG", "CT1", 7),
        ("../../x", "CT1", 7),
        ("RPACS", "STRANGER", 3),
        ("RPACS_XYZ", "CT1", 3),
    ],
)
def test_unknown_titles_are_rejected_and_counted(
    reception: Reception, called: str, calling: str, diagnostic: int
) -> None:
    for _ in range(3):
        association = call(reception, EXPLICIT_CT, called, calling)
        assert association.is_rejected
        answer = association.acceptor.primitive
        assert (answer.result, answer.result_source, answer.diagnostic) == (1, 1, diagnostic)
    reception.receiver.stop()
    notes = reception.notes()
    assert [note.count for note in notes] == [1, 2]
    assert {note.peer for note in notes} == {"127.0.0.1"}


def test_an_unknown_address_gets_no_byte_and_is_counted(reception: Reception) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.9", 0))
        stranger.connect(("127.0.0.1", reception.port))
        stranger.settimeout(5)
        assert stranger.recv(1) == b""
    assert [(note.reason, note.peer) for note in reception.notes()] == [
        ("address unknown", "127.0.0.9")
    ]


def test_negotiation_takes_storage_of_every_kind_and_nothing_else(reception: Reception) -> None:
    asked = [
        (str(CTImageStorage), str(ExplicitVRLittleEndian)),
        (PRIVATE, str(ImplicitVRLittleEndian)),
        (UNKNOWN, str(ExplicitVRLittleEndian)),
        (FIND, str(ImplicitVRLittleEndian)),
        ("1.2.840.10008.3.1.2.3.3", str(ImplicitVRLittleEndian)),
        (str(CTImageStorage), str(DeflatedExplicitVRLittleEndian)),
        (str(CTImageStorage), str(ExplicitVRBigEndian)),
        (str(CTImageStorage), "1.2.840.10008.1.2.4.94"),
        (str(CTImageStorage), str(JPEG2000Lossless)),
        (str(CTImageStorage), str(RLELossless)),
        ("1.2.840.10008.1.1", str(ImplicitVRLittleEndian)),
    ]
    association = call(reception, asked)
    results = {
        context.context_id: context.result
        for context in association.accepted_contexts + association.rejected_contexts
    }
    assert [results[1 + 2 * n] for n in range(len(asked))] == [0, 0, 0, 3, 3, 4, 4, 4, 0, 0, 0]
    for context, sop_class in ((3, PRIVATE), (5, UNKNOWN)):
        dataset = made(sop_class)
        data = encode(dataset, context == 3, True) or b""
        assert push(association, data, sop_class, context=context) == 0x0000
        assert reception.journal.whole(reception.arrivals()[-1]) == data
    assert association.send_c_echo().Status == 0
    association.release()


def test_uncompressed_is_preferred_explicit_before_implicit(reception: Reception) -> None:
    ae = AE(ae_title="CT1")
    offered = [str(JPEG2000Lossless), str(ImplicitVRLittleEndian), str(ExplicitVRLittleEndian)]
    for number in (3, 2, 1):
        association = ae.associate(
            "127.0.0.1",
            reception.port,
            contexts=[build_context(CTImageStorage, offered[:number])],
            ae_title="RPACS",
        )
        chosen = association.accepted_contexts[0].transfer_syntax[0]
        assert chosen == offered[number - 1]
        association.release()


@pytest.mark.parametrize(
    ("instance", "status"),
    [
        ("../../../../etc/evil", 0x0117),
        ("/etc/evil", 0x0117),
        ("1.2.3\x004", 0x0117),
        ("1." * 150 + "1", 0x0117),
        ("1.02.3", 0x0117),
        ("", 0x0117),
        ("1.2.3.9999", 0xA900),
    ],
)
def test_an_instance_uid_against_the_rule_or_the_data_set_is_refused(
    reception: Reception, instance: str, status: int
) -> None:
    association = call(reception, EXPLICIT_CT)
    before = sorted(reception.folder.parent.rglob("*"))
    assert push(association, explicit(made()), instance=instance) == status
    assert sorted(reception.folder.parent.rglob("*")) == before
    assert push(association, explicit(made())) == 0x0000
    association.release()


def wrong_bytes() -> dict[str, tuple[bytes, int]]:
    good = explicit(made())
    no_study, no_series, other_class = made(), made(), made("1.2.840.10008.5.1.4.1.1.4")
    del no_study.StudyInstanceUID
    del no_series.SeriesInstanceUID
    bomb = b"\x08\x00\x11\x11SQ\0\0\xff\xff\xff\xff" + 5000 * (
        b"\xfe\xff\x00\xe0\xff\xff\xff\xff\x08\x00\x11\x11SQ\0\0\xff\xff\xff\xff"
    )
    return {
        "no data set": (b"", 0xC000),
        "noise": (bytes(range(256)) * 20, 0xC000),
        "zeros": (bytes(1000), 0xC000),
        "cut": (good[:-3], 0xC000),
        "length beyond the end": (good[:-4] + b"\xff\xff" + good[-2:], 0xC000),
        "nested 5000 deep": (bomb + good, 0xC000),
        "implicit under explicit": (encode(made(), True, True) or b"", 0xC000),
        "no study": (explicit(no_study), 0xC000),
        "no series": (explicit(no_series), 0xC000),
        "other class": (explicit(other_class), 0xA900),
    }


@pytest.mark.parametrize("name", list(wrong_bytes()))
def test_wrong_bytes_have_their_status_and_are_not_kept(reception: Reception, name: str) -> None:
    data, status = wrong_bytes()[name]
    association = call(reception, EXPLICIT_CT)
    assert push(association, data) == status
    assert reception.arrivals() == []
    assert list((reception.folder / "objects").iterdir()) == []
    assert push(association, explicit(made())) == 0x0000
    association.release()


def test_a_class_that_is_not_the_contexts_is_refused_never_answered_with_success(
    reception: Reception,
) -> None:
    association = call(reception, [*EXPLICIT_CT, ("1.2.840.10008.1.1", EXPLICIT_CT[0][1])])
    mr = "1.2.840.10008.5.1.4.1.1.4"
    assert push(association, explicit(made(mr)), mr) == 0x0119
    assert push(association, explicit(made()), "1.2.840.10008.1.1") == 0x0119
    assert push(association, explicit(made()), FIND) == 0x0119
    assert push(association, explicit(made()), "31") == 0x0119
    assert push(association, explicit(made()), context=3) == 0x0122
    assert push(association, explicit(made()), "1.2.840.10008.1.1", context=3) == 0x0122
    association.release()
    assert reception.arrivals() == []


def test_a_peer_without_the_right_and_an_ended_project_are_refused(reception: Reception) -> None:
    association = call(reception, EXPLICIT_CT, calling="PACS")
    assert push(association, explicit(made())) == 0x0124
    association.release()
    association = call(reception, EXPLICIT_CT, called="RPACS_ABC")
    reception.day[0] = date(2030, 1, 1)
    assert push(association, explicit(made())) == 0x0124
    reception.day[0] = None
    assert push(association, explicit(made())) == 0x0000
    association.release()


def test_a_full_disk_is_answered_a700_and_receiving_goes_on(
    reception: Reception,
) -> None:
    association = call(reception, EXPLICIT_CT)
    with Power(reception.folder) as power:
        power.fault(2, errno.ENOSPC)
        assert push(association, explicit(made())) == 0xA700
    assert association.send_c_echo is not None
    assert push(association, explicit(made())) == 0x0000
    association.release()
    assert len(reception.arrivals()) == 1
    assert reception.failures == []


def test_a_failed_flush_is_fatal_and_never_a_success(reception: Reception) -> None:
    association = call(reception, EXPLICIT_CT)
    with Power(reception.folder) as power:
        power.fault(3, errno.EIO)
        assert push(association, explicit(made())) == 0x0110
    assert push(association, explicit(made())) == 0x0110
    association.release()
    assert [failure.errno for failure in reception.failures] == [errno.EIO] * 2
    assert reception.arrivals() == []


def test_four_associations_at_once_lose_nothing(reception: Reception) -> None:
    def send(number: int) -> None:
        association = call(reception, EXPLICIT_CT)
        for step in range(15):
            key = 100 * number + step
            status = push(association, explicit(made(number=key)), instance=f"1.2.3.4.{key}")
            statuses.append((f"1.2.3.4.{key}", status))
        association.release()

    statuses: list[tuple[str, int | None]] = []
    threads = [Thread(target=send, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [status for _, status in statuses] == [0] * 60
    arrived = reception.arrivals()
    assert {arrival.head.sop_instance for arrival in arrived} == {uid for uid, _ in statuses}
    assert all(reception.journal.whole(arrival) for arrival in arrived)


def test_a_fifth_association_of_one_address_waits_its_turn(reception: Reception) -> None:
    open_ones = [call(reception, EXPLICIT_CT) for _ in range(4)]
    assert all(association.is_established for association in open_ones)
    fifth = call(reception, EXPLICIT_CT)
    answer = fifth.acceptor.primitive
    assert (answer.result, answer.result_source, answer.diagnostic) == (2, 3, 2)
    for association in open_ones:
        association.release()
    until(lambda: call(reception, EXPLICIT_CT).is_established)


def until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for something that another thread or process brings about."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
