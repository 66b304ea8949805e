"""Law: what the vault answered it has committed and chained; a bad caller gets a sentence, a dead
vault gives Unavailable, and no answer ever differs because of a crash.
"""

import os
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event

import pytest

from appliance import keyed
from appliance.errors import ProfileError, Refusal, Unavailable, Undecided
from appliance.store.allowance import Allowance
from appliance.store.audit import Head, Source
from appliance.store.vault import Enrolment, Request, Subject, Withdrawal
from appliance.store.vault_door import RESOLVES_AT_ONCE, VaultClient, serve

STUDY = "1.2.3.4"
REQUEST = Request(
    project="ABC",
    site="DEMO",
    identity={"patient_id": "P1", "issuer": "H", "patient_name": "Any^One"},
    study=STUDY,
    uids=(STUDY, "1.2.3.4.5", "1.2.3.4.5.6"),
    unknown="enrol",
    least_days=1,
    most_days=3650,
)

# A server whose first `sendall` is its last act: the grant is committed, and never answered.
DIES_BEFORE_IT_ANSWERS = """
import os, signal, socket, sys
from pathlib import Path
from threading import Event
from appliance.store.vault_door import serve
if sys.argv[3] == "dies":
    socket.socket.sendall = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
serve(Path(sys.argv[1]), Path(sys.argv[2]), (), Event())
"""


class Served:
    """A vault served in a thread of the test."""

    def __init__(self, folder: Path, sources: tuple[Source, ...] = ()) -> None:
        self.folder = folder / "vault"
        self.address = folder / "run" / "vault.sock"
        self.stop = Event()
        self._thread = ThreadPoolExecutor(1)
        self.ended = self._thread.submit(serve, self.folder, self.address, sources, self.stop)

    def client(self) -> VaultClient:
        client = VaultClient(self.address)
        until = time.monotonic() + 5
        while time.monotonic() < until and not self.ended.done():
            try:
                client.generation()
            except Unavailable:
                time.sleep(0.01)
            else:
                break
        return client

    def close(self) -> None:
        self.stop.set()
        self._thread.shutdown()


@contextmanager
def served(folder: Path, *sources: Source) -> Iterator[VaultClient]:
    vault = Served(folder, sources)
    client = vault.client()
    try:
        yield client
    finally:
        client.close()
        vault.close()
    vault.ended.result()


def start(folder: Path, how: str) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, "-c", DIES_BEFORE_IT_ANSWERS, folder / "vault", folder / "vault.sock", how]
    )
    until = time.monotonic() + 5
    while not (folder / "vault.sock").exists() and time.monotonic() < until:
        time.sleep(0.01)
    return process


def test_a_grant_and_its_way_back_cross_the_socket(tmp_path: Path) -> None:
    with served(tmp_path) as client:
        grant = client.pseudonymise(REQUEST)
        assert grant.pseudonym.startswith("DEMO-")
        assert len(grant.k_uid) == 32
        assert -3650 <= grant.offset_days <= -1
        from_keyed = {original: new for new, original in _uids(client, grant.k_uid).items()}
        assert set(from_keyed) == set(REQUEST.uids)


def _uids(client: VaultClient, k_uid: bytes) -> dict[str, str]:
    kept = client.resolve("ABC", keyed.mapped_uid(k_uid, STUDY))
    assert kept is not None
    assert kept.study == STUDY
    assert kept.identity == REQUEST.identity
    assert kept.standing == "enrolled"
    assert kept.k_uid == k_uid
    return dict(kept.uids)


def test_every_other_act_crosses_the_socket(tmp_path: Path) -> None:
    with served(tmp_path) as client:
        assert client.standing("ABC", "H", "P1") == "unknown"
        rows = [Enrolment("P1", "H", "S-1"), Enrolment("P2", "H", "S-2")]
        assert client.enrol("ABC", rows) == 2
        assert client.generation() == 1
        client.link("ABC", "H", "P3", "S-1")
        assert client.standing("ABC", "H", "P3") == "enrolled"
        assert client.withdraw("S-1") is True
        assert client.withdraw("S-9") is False
        assert client.withdrawn(0) == (Withdrawal(1, "ABC", "S-1"),)
        assert client.withdrawn(1) == ()
        assert client.subjects("ABC") == (Subject("S-1", "withdrawn"), Subject("S-2", "enrolled"))
        assert client.resolve("ABC", "2.25.1") is None
        assert client.head().count == 3
        assert client.verify() == ()
        assert client.verify(Head(9, "00")) == ("entry 4: missing, with all up to entry 9",)


def test_the_errors_cross_the_socket_as_they_were(tmp_path: Path) -> None:
    with served(tmp_path) as client:
        with pytest.raises(Undecided, match="unknown-subject"):
            client.link("ABC", "H", "P1", "nobody")
        client.enrol("ABC", [Enrolment("P1", "H", "S-1")])
        client.withdraw("S-1")
        with pytest.raises(Refusal) as refusal:
            client.pseudonymise(REQUEST)
        assert refusal.value.code == "D10"
        with pytest.raises(ProfileError) as mistakes:
            client.enrol("ABC", [Enrolment(""), Enrolment("P2", "H", "S-1")])
        assert [problem.where for problem in mistakes.value.problems] == ["row 1", "row 2"]


def test_a_kill_between_commit_and_answer_changes_no_answer(tmp_path: Path) -> None:
    doomed = start(tmp_path, "dies")
    with pytest.raises(Unavailable):
        VaultClient(tmp_path / "vault.sock").pseudonymise(REQUEST)
    assert doomed.wait(5) == -signal.SIGKILL
    (tmp_path / "vault.sock").unlink()
    shutil.copytree(tmp_path / "vault", tmp_path / "copy")
    heir = start(tmp_path, "lives")
    try:
        client = VaultClient(tmp_path / "vault.sock")
        # Enrolled before the kill: nothing is left to enrol.
        assert client.generation() == 1
        grant = client.pseudonymise(REQUEST)
        assert client.generation() == 1
        assert client.verify() == ()
        assert client.head().count == 2
        client.close()
    finally:
        heir.terminate()
        heir.wait(5)
    shutil.rmtree(tmp_path / "vault")
    (tmp_path / "copy").rename(tmp_path / "vault")
    with served(tmp_path) as client:
        assert client.pseudonymise(REQUEST) == grant


def test_without_an_audit_entry_there_is_no_answer(tmp_path: Path) -> None:
    vault = Served(tmp_path)
    client = vault.client()
    with _closed_audit(vault.folder / "audit.db"), pytest.raises(Unavailable):
        client.pseudonymise(REQUEST)
    client.close()
    # A chain that cannot grow is no neighbour that is busy: the process ends.
    with pytest.raises(Exception, match="the chain is closed"):
        vault.ended.result(5)
    vault.close()
    with served(tmp_path) as again:
        assert again.pseudonymise(REQUEST).generation == 1


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_is_unavailable_until_there_is_space(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1M", "none", disk], check=False
    ).returncode:
        pytest.skip("no mount in this sandbox")
    try:
        with served(disk) as client:
            client.pseudonymise(REQUEST)
            _fill(disk / "filler")
            crowd = [Enrolment(f"P{number}", "H" * 50) for number in range(2000)]
            with pytest.raises(Unavailable, match="no space"):
                client.enrol("ABC", crowd)
            (disk / "filler").unlink()
            assert client.enrol("ABC", crowd[:100]) == 100
            assert client.verify() == ()
    finally:
        subprocess.run(["umount", disk], check=True)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(4096))


@contextmanager
def _closed_audit(path: Path) -> Iterator[None]:
    stranger = sqlite3.connect(path, isolation_level=None)
    stranger.execute(
        "CREATE TRIGGER closed BEFORE INSERT ON entry"
        " BEGIN SELECT RAISE(ABORT, 'the chain is closed'); END"
    )
    yield
    time.sleep(0.3)
    stranger.execute("DROP TRIGGER closed")
    stranger.close()


def test_an_absent_vault_is_unavailable_and_a_restarted_one_is_found_again(tmp_path: Path) -> None:
    vault = Served(tmp_path)
    client = vault.client()
    grant = client.pseudonymise(REQUEST)
    vault.close()
    with pytest.raises(Unavailable, match="not there"):
        client.pseudonymise(REQUEST)
    vault = Served(tmp_path)
    vault.client().close()
    assert client.pseudonymise(REQUEST) == grant
    client.close()
    vault.close()


def test_a_vault_that_does_not_answer_in_time_is_unavailable(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen(1)
        client = VaultClient(tmp_path / "s", wait_s=0.2)
        with pytest.raises(Unavailable, match="in time"):
            client.generation()


def test_a_second_start_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with served(tmp_path) as client:
        with pytest.raises(Unavailable, match="another process"):
            serve(tmp_path / "vault", tmp_path / "run" / "other.sock", (), Event())
        assert client.generation() == 0


def test_a_data_folder_with_a_very_long_name_has_a_door_too(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    with served(folder) as client:
        assert client.generation() == 0


BAD_REQUESTS = [
    b"",
    b"\xff\xfe",
    b"null",
    b"[]",
    b'{"call": "burn"}',
    b'{"call": "standing"}',
    b'{"call": "generation", "more": 1}',
    b'{"call": "standing", "project": 7, "issuer": "", "patient_id": "canary"}',
    b'{"call": "standing", "project": "ABC", "issuer": "\\ud800", "patient_id": "x"}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("payload", BAD_REQUESTS, ids=range(len(BAD_REQUESTS)))
def test_a_bad_request_is_answered_with_a_mistake_and_harms_nobody(
    tmp_path: Path, payload: bytes
) -> None:
    with served(tmp_path) as client:
        with _dialled(tmp_path) as door:
            answer = _exchange(door, payload)
            assert b'"word":"mistake"' in answer
            assert b"canary" not in answer
            assert b'{"ok":0}' in _exchange(door, b'{"call": "generation"}')
        assert client.generation() == 0


def test_a_message_beyond_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with served(tmp_path) as client:
        with _dialled(tmp_path) as door:
            door.sendall(struct.pack(">I", (16 << 20) + 1))
            assert b"longer than" in door.recv(4096)
        with pytest.raises(Refusal, match="D01"):
            client.enrol("ABC", [Enrolment("x" * (17 << 20))])
        with pytest.raises(Undecided, match="D07"):
            client.standing("ABC", "", "\ud800")
        assert client.generation() == 0


def test_a_caller_that_hangs_up_in_the_middle_harms_nobody(tmp_path: Path) -> None:
    with served(tmp_path) as client:
        with _dialled(tmp_path) as door:
            door.sendall(struct.pack(">I", 100) + b"{")
        with _dialled(tmp_path) as door:
            door.sendall(b"\0")
        assert client.generation() == 0


def test_more_connections_than_allowed_are_hung_up_on(tmp_path: Path) -> None:
    with served(tmp_path) as client:
        doors = [_dialled(tmp_path) for _ in range(20)]
        last = doors[-1]
        last.settimeout(2)
        assert last.recv(1) == b""
        for door in doors:
            door.close()
        assert client.generation() == 0


@pytest.mark.skipif(os.getuid() != 0, reason="only root can ask as somebody else")
def test_another_user_is_not_let_in(tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        with served(folder) as client:
            folder.chmod(0o755)
            (folder / "run").chmod(0o755)
            address = folder / "run" / "vault.sock"
            address.chmod(0o777)
            asked = subprocess.run(
                [
                    sys.executable,
                    "-c",
                    "import os, socket, sys\n"
                    "os.setuid(65534)\n"
                    "door = socket.socket(socket.AF_UNIX)\n"
                    "door.connect(sys.argv[1])\n"
                    "door.settimeout(5)\n"
                    "print(door.recv(1))",
                    address,
                ],
                capture_output=True,
                check=True,
            )
            assert asked.stdout.strip() == b"b''"
            assert client.generation() == 0
    finally:
        shutil.rmtree(folder)


def test_resolving_the_whole_table_at_once_is_not_allowed() -> None:
    allowance = Allowance(RESOLVES_AT_ONCE, 5.0)
    assert all(allowance.take(0.0) for _ in range(RESOLVES_AT_ONCE))
    assert not allowance.take(0.1)
    assert allowance.take(1.0)
    assert [allowance.take(1e6) for _ in range(RESOLVES_AT_ONCE + 1)].count(True) == (
        RESOLVES_AT_ONCE
    )


def test_many_threads_get_one_pseudonym_for_one_patient(tmp_path: Path) -> None:
    with served(tmp_path) as client, ThreadPoolExecutor(8) as threads:
        clients = [VaultClient(tmp_path / "run" / "vault.sock") for _ in range(8)]
        grants = list(threads.map(lambda each: each.pseudonymise(REQUEST), clients))
        assert len(set(grants)) == 1
        assert client.verify() == ()
        for each in clients:
            each.close()


def test_events_of_others_are_chained_once_also_after_a_restart(tmp_path: Path) -> None:
    events = [{"number": number, "kind": "CONFIRMED"} for number in range(1, 8)]
    source = Source("ledger", _batches(events))
    for _ in range(2):
        with served(tmp_path, source) as client:
            _until(lambda client=client: client.head().count == 7)
            assert client.verify() == ()


def test_a_source_that_is_busy_is_asked_again(tmp_path: Path) -> None:
    asked: list[str] = []

    def busy_once(cursor: str) -> tuple[list[dict[str, int]], str]:
        asked.append(cursor)
        if len(asked) == 1:
            raise Unavailable("the ledger is busy")
        return ([{"number": 1}], "1") if cursor == "" else ([], cursor)

    with served(tmp_path, Source("ledger", busy_once)) as client:
        _until(lambda: client.head().count == 1)
    assert asked[:2] == ["", ""]


def _batches(
    events: list[dict[str, object]],
) -> Callable[[str], tuple[list[dict[str, object]], str]]:
    def since(cursor: str) -> tuple[list[dict[str, object]], str]:
        start = int(cursor or 0)
        batch = events[start : start + 3]
        return batch, str(start + len(batch))

    return since


def _until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def _dialled(folder: Path) -> socket.socket:
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    door.settimeout(5)
    handle = os.open(folder / "run", os.O_PATH)
    door.connect(f"/proc/self/fd/{handle}/vault.sock")
    os.close(handle)
    return door


def _exchange(door: socket.socket, payload: bytes) -> bytes:
    door.sendall(struct.pack(">I", len(payload)) + payload)
    (length,) = struct.unpack(">I", door.recv(4, socket.MSG_WAITALL))
    return door.recv(length, socket.MSG_WAITALL)
