"""Law: what the vault answered it has committed and chained; a bad caller gets a sentence, a dead
vault gives Unavailable, and no answer ever differs because of a crash.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from appliance import keyed
from appliance.errors import ProfileError, Refusal, Unavailable, Undecided
from appliance.store.audit import Head
from appliance.store.vault import Enrolment, Subject, Withdrawal
from appliance.store.vault_door import VaultClient
from tests.store.doors import (
    REQUEST,
    STUDY,
    Served,
    served,
    start,
)


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
