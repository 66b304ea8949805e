"""Law: no caller, however bad, slow or many, harms the vault or the others."""

import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from appliance.errors import Refusal, Unavailable, Undecided
from appliance.store.allowance import Allowance
from appliance.store.audit import Source
from appliance.store.vault import Enrolment
from appliance.store.vault_door import RESOLVES_AT_ONCE, VaultClient, serve
from tests.store.doors import (
    REQUEST,
    Served,
    batches,
    dialled,
    exchange,
    served,
    until,
)


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
        with dialled(tmp_path) as door:
            answer = exchange(door, payload)
            assert b'"word":"mistake"' in answer
            assert b"canary" not in answer
            assert b'{"ok":0}' in exchange(door, b'{"call": "generation"}')
        assert client.generation() == 0


def test_a_message_beyond_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with served(tmp_path) as client:
        with dialled(tmp_path) as door:
            door.sendall(struct.pack(">I", (16 << 20) + 1))
            assert b"longer than" in door.recv(4096)
        with pytest.raises(Refusal, match="D01"):
            client.enrol("ABC", [Enrolment("x" * (17 << 20))])
        with pytest.raises(Undecided, match="D07"):
            client.standing("ABC", "", "\ud800")
        assert client.generation() == 0


def test_a_caller_that_hangs_up_in_the_middle_harms_nobody(tmp_path: Path) -> None:
    with served(tmp_path) as client:
        with dialled(tmp_path) as door:
            door.sendall(struct.pack(">I", 100) + b"{")
        with dialled(tmp_path) as door:
            door.sendall(b"\0")
        assert client.generation() == 0


def test_more_connections_than_allowed_are_hung_up_on(tmp_path: Path) -> None:
    with served(tmp_path) as client:
        doors = [dialled(tmp_path) for _ in range(20)]
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
    source = Source("ledger", batches(events))
    for _ in range(2):
        with served(tmp_path, source) as client:
            until(lambda client=client: client.head().count == 7)
            assert client.verify() == ()


def test_a_source_that_is_busy_is_asked_again(tmp_path: Path) -> None:
    asked: list[str] = []

    def busy_once(cursor: str) -> tuple[list[dict[str, int]], str]:
        asked.append(cursor)
        if len(asked) == 1:
            raise Unavailable("the ledger is busy")
        return ([{"number": 1}], "1") if cursor == "" else ([], cursor)

    with served(tmp_path, Source("ledger", busy_once)) as client:
        until(lambda: client.head().count == 1)
    assert asked[:2] == ["", ""]
