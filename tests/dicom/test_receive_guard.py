"""Law: a stranger's bytes cost little and end soon; the others are served meanwhile."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE

from appliance.store.spool import Arrival, Cursor, Journal, Spool
from tests.dicom.reception import CLIENTS, Reception, run
from tests.dicom.test_receive import CT, EXPLICIT_CT, call, explicit, made, push, until

FLOOD = bytes(1024 * 1024)


def memory_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def knock(reception: Reception) -> socket.socket:
    raw = socket.create_connection(("127.0.0.1", reception.port), timeout=3)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return raw


def closed(raw: socket.socket) -> bool:
    """Whether the receiver ends the connection within 3 s."""
    with raw, suppress(ConnectionError):
        while raw.recv(65536):
            pass
    return True


def flood(raw: socket.socket) -> None:
    with raw:
        for _ in range(64):
            raw.sendall(FLOOD)


def established(reception: Reception) -> socket.socket:
    """A connection after a negotiation by hand: context 1 is CT, Explicit LE."""
    association = call(reception, EXPLICIT_CT)
    request = association.requestor.primitive
    assert isinstance(request, A_ASSOCIATE)
    association.release()
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(request)
    raw = knock(reception)
    raw.sendall(pdu.encode())
    assert raw.recv(65536)[0] == 0x02
    return raw


@pytest.mark.parametrize("first", [True, False], ids=["before", "after negotiation"])
def test_a_pdu_without_measure_is_cut_off_at_once(reception: Reception, first: bool) -> None:
    raw = knock(reception) if first else established(reception)
    before = memory_mib()
    started = time.monotonic()
    raw.sendall((b"\x01" if first else b"\x04") + b"\0\xff\xff\xff\xff")
    with pytest.raises(ConnectionError):
        flood(raw)
    assert time.monotonic() - started < 2
    assert memory_mib() - before < 5


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x04\0\0\0\0\x04abcd",
        b"\x01\0\0\0\0\x00",
        b"\x01\0\0\0\0\x04abcd",
        b"\x01\0\0\0\x00\x80" + bytes(128),
        b"\x09\0\0\0\0\x04abcd",
    ],
)
def test_what_is_no_association_request_ends_the_connection(
    reception: Reception, data: bytes
) -> None:
    raw = knock(reception)
    raw.sendall(data)
    assert closed(raw)
    assert (
        run("echoscu", "-aet", "CT1", "-aec", "RPACS", "127.0.0.1", reception.port).returncode == 0
    )


@pytest.mark.parametrize(
    "pdv",
    [
        b"\0\0\0\x00",
        b"\0\0\0\x01\x01",
        b"\0\0\xff\xff\x01\x03abc",
        b"\0\0\0\x04\x01\x03ab",
        b"\0\0\0\x0a\x01\x03\0\0\0\0\xff\xff\xff\xff",
        # A command without Command Field; one whose class is absent.
        b"\0\0\0\x0e\x01\x03\0\0\0\x00\x04\0\0\0\x00\0\0\0",
        # Data before any command; a context that was never accepted.
        b"\0\0\0\x06\x01\x02abcd",
        b"\0\0\0\x06\x63\x03abcd",
    ],
)
def test_a_broken_message_ends_its_association_and_no_other(
    reception: Reception, pdv: bytes
) -> None:
    good = call(reception, EXPLICIT_CT)
    raw = established(reception)
    raw.sendall(b"\x04\0" + len(pdv).to_bytes(4, "big") + pdv)
    raw.shutdown(socket.SHUT_WR)
    assert closed(raw)
    assert push(good, explicit(made())) == 0x0000
    good.release()
    until(lambda: not reception.receiver._server.active_associations)


# Longer than 3 s: the deadline under test is 5 s.
@pytest.mark.timeout(30)
def test_silent_dripping_and_vanishing_peers_lose_their_slots_and_block_nobody_else(
    reception: Reception,
) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    waiting = [knock(reception) for _ in range(6)]
    for raw in waiting[2:]:
        raw.sendall(b"\x01\0\0")
    for raw in waiting[4:]:
        raw.close()
    extra = [knock(reception) for _ in range(10)]
    started = time.monotonic()
    ae = AE(ae_title="CT2")
    ae.add_requested_context(CTImageStorage)
    other = ae.associate(
        "127.0.0.1", reception.port, ae_title="RPACS", bind_address=("127.0.0.2", 0)
    )
    assert other.is_established
    other.release()
    assert time.monotonic() - started < 1
    assert all(closed(raw) for raw in extra[2:])
    until(lambda: not reception.receiver._server.active_associations, 8)
    assert all(closed(raw) for raw in [*waiting[:4], *extra[:2]])
    until(lambda: len(list(Path("/proc/self/fd").iterdir())) <= before)


def test_no_name_id_or_uid_is_said_by_log_warning_or_note(
    reception: Reception, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    dataset = pydicom.dcmread(CT)
    dataset.PatientName = "CANARY^NAME"
    dataset.PatientID = "CANARY-ID"
    dataset.StudyInstanceUID = "1.2.3.987654321"
    caplog.set_level(1)
    association = call(reception, [(str(CTImageStorage), str(ExplicitVRLittleEndian))])
    instance = dataset.SOPInstanceUID
    assert push(association, explicit(dataset), instance=instance) == 0
    assert push(association, explicit(dataset)[:-200_000], instance=instance) is not None
    assert push(association, explicit(dataset), instance="1.2.CANARY-UID") == 0x0117
    association.release()
    captured = capfd.readouterr()
    said = captured.out + captured.err + caplog.text + repr(reception.arrivals())
    said += "".join(str(note) for note in reception.notes())
    for secret in ("CANARY", "987654321", instance):
        assert secret not in said


SERVE = """
import os, sys, time
from pathlib import Path
from appliance.dicom.receive import Receiver
from appliance.store.spool import Spool
from tests.dicom.reception import profile_on
receiver = Receiver(profile_on(0), Spool(Path(sys.argv[1])), lambda: None, lambda e: os._exit(1))
receiver.start()
print(receiver.port, flush=True)
time.sleep(60)
"""


# Longer than 3 s: a process of its own starts twice.
@pytest.mark.timeout(40)
def test_after_kill_9_everything_that_was_acknowledged_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    acknowledged: dict[str, bytes] = {}
    for start in range(2):
        server = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(folder)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert server.stdout is not None
        port = int(server.stdout.readline())
        ae = AE(ae_title="CT1")
        ae.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
        association = ae.associate(
            "127.0.0.1",
            port,
            ae_title="RPACS",
            evt_handlers=[
                (evt.EVT_CONN_OPEN, lambda event: CLIENTS.append(event.assoc.dul.socket.socket))
            ],
        )
        for number in range(1000 * start + 1, 1000 * start + 500):
            data = explicit(made(number=number))
            if number % 1000 == 30:
                os.kill(server.pid, signal.SIGKILL)
            status = push(association, data, instance=f"1.2.3.4.{number}")
            if status != 0:
                break
            acknowledged[f"1.2.3.4.{number}"] = data
        assert number % 1000 >= 30, f"answered {status} before the kill"
        server.wait()
        server.stdout.close()
    assert len(acknowledged) >= 50
    Spool(folder).close()
    journal = Journal(folder)
    found = {
        record.head.sop_instance: journal.whole(record)
        for record in journal.since(Cursor.START, 10_000).records
        if isinstance(record, Arrival)
    }
    assert acknowledged.items() <= found.items()
    assert len(found) <= len(acknowledged) + 2
    assert [problem for problem in journal.check() if "no record names" not in problem] == []
