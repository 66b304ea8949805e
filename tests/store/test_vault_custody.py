"""Law: the key is made once, nothing opens without it, no identity lies in clear anywhere, and an
older file is migrated.
"""

import logging
import os
import shutil
import sqlite3
import traceback
from dataclasses import replace
from pathlib import Path

import pytest

from appliance import keyed
from appliance.errors import ApplianceError, Refusal, Unavailable
from appliance.store import vault_table
from appliance.store.custody import open_encrypted
from appliance.store.schema import migrate, version
from appliance.store.vault import Enrolment, Patient, Request, Vault
from tests.store.vaults import CANARIES, asked, opened

# ---- the key


def test_the_root_key_is_made_once_and_is_for_nobody_else(tmp_path: Path) -> None:
    folder = tmp_path / "vault"
    with opened(folder):
        key = (folder / "root.key").read_bytes()
    with opened(folder):
        assert (folder / "root.key").read_bytes() == key
    assert len(key) == 32
    assert (folder / "root.key").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert not (folder / "root.key.part").exists()


def test_what_a_crash_left_of_a_key_is_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "root.key.part").write_bytes(b"half a key")
    with opened(tmp_path):
        assert len((tmp_path / "root.key").read_bytes()) == 32


def test_a_key_without_a_vault_is_kept(tmp_path: Path) -> None:
    (tmp_path / "root.key").write_bytes(bytes(range(32)))
    with opened(tmp_path):
        assert (tmp_path / "root.key").read_bytes() == bytes(range(32))


@pytest.mark.parametrize(
    ("lost", "sentence"),
    [
        ("root.key", "root.key is missing"),
        ("vault.db", "vault.db is missing"),
        ("audit.db", "audit.db is older than vault.db, or another"),
    ],
)
def test_a_vault_without_one_of_its_files_does_not_start(
    tmp_path: Path, lost: str, sentence: str
) -> None:
    with opened(tmp_path) as vault:
        vault.pseudonymise(asked())
        vault.pseudonymise(asked("P2", "1.2.3.5"))
    (tmp_path / lost).unlink()
    before = sorted(path.name for path in tmp_path.iterdir() if path.name != "audit.db")
    with pytest.raises(Refusal, match=f"D11: {sentence}"):
        Vault(tmp_path)
    after = sorted(path.name for path in tmp_path.iterdir() if path.name != "audit.db")
    assert after == before


@pytest.mark.parametrize("key", [os.urandom(32), b"short"], ids=["other", "short"])
def test_a_wrong_key_opens_nothing_and_spoils_nothing(tmp_path: Path, key: bytes) -> None:
    with opened(tmp_path) as vault:
        grant = vault.pseudonymise(asked())
    right = (tmp_path / "root.key").read_bytes()
    (tmp_path / "root.key").write_bytes(key)
    with pytest.raises(Refusal, match=r"D11: (vault\.db does not open|root\.key is damaged)"):
        Vault(tmp_path)
    (tmp_path / "root.key").write_bytes(right)
    with opened(tmp_path) as vault:
        assert vault.pseudonymise(asked()) == grant


def test_a_flipped_bit_in_the_vault_is_found_at_opening(tmp_path: Path) -> None:
    with opened(tmp_path) as vault:
        vault.pseudonymise(asked())
    content = bytearray((tmp_path / "vault.db").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "vault.db").write_bytes(content)
    with pytest.raises(Refusal, match="D11"):
        Vault(tmp_path)


def test_an_old_copy_of_the_vault_beside_a_newer_audit_does_not_start(tmp_path: Path) -> None:
    with opened(tmp_path / "vault") as vault:
        vault.pseudonymise(asked())
    shutil.copytree(tmp_path / "vault", tmp_path / "backup")
    with opened(tmp_path / "vault") as vault:
        vault.pseudonymise(asked("P2", "1.2.3.5"))
    shutil.copy(tmp_path / "backup" / "vault.db", tmp_path / "vault" / "vault.db")
    with pytest.raises(Refusal, match=r"D11: vault\.db is older than audit\.db"):
        Vault(tmp_path / "vault")
    with opened(tmp_path / "backup") as vault:
        assert vault.generation() == 1


def test_one_folder_has_one_vault(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(Unavailable, match="another process"):
        Vault(tmp_path)
    with opened(tmp_path) as vault:
        assert vault.generation() == 0


# ---- nothing in clear


def test_no_identity_is_in_any_file_log_or_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    name, patient_id, study, birth = CANARIES
    request = replace(
        asked(patient_id, study),
        identity={
            "patient_id": patient_id,
            "issuer": "CXNARY-4711",
            "patient_name": name,
            "birth_date": birth,
        },
    )
    with opened(tmp_path) as vault:
        grant = vault.pseudonymise(request)
        kept = vault.resolve("ABC", keyed.mapped_uid(grant.k_uid, study))
        told = [repr(request), repr(grant), repr(kept), repr(Enrolment(patient_id, name))]
        told += _errors(vault, request)
        during = _contents(tmp_path)
    everything = [*during, *_contents(tmp_path), caplog.text.encode(), *map(str.encode, told)]
    everything += [text.encode() for text in capfd.readouterr()]
    for canary in CANARIES:
        for spelling in (canary, canary.upper(), canary.encode("utf-16-le").decode("latin-1")):
            assert not any(spelling.encode("latin-1") in each for each in everything)
    # The control: the search finds what does lie there in clear.
    assert any(grant.pseudonym.encode() in each for each in during)


def _errors(vault: Vault, request: Request) -> list[str]:
    told = []
    patient_id, study = request.identity["patient_id"], request.study
    issuer = request.identity["issuer"]
    for act in (
        lambda: vault.pseudonymise(asked("P2", study)),
        lambda: vault.pseudonymise(replace(asked(CANARIES[0]), unknown="refuse")),
        lambda: vault.enrol("ABC", [Enrolment(patient_id, issuer, "S-1")]),
        lambda: vault.enrol("ABC", [Enrolment("P8", "", patient_id)]),
        lambda: vault.link(Patient("ABC", issuer, patient_id), "nobody"),
    ):
        with pytest.raises(ApplianceError) as error:
            act()
        told.append("".join(traceback.format_exception(error.value)))
    return told


def _contents(folder: Path) -> list[bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {"vault.db", "audit.db", "root.key"} <= {path.name for path in files}
    return [path.read_bytes() + path.name.encode() for path in files]


def test_the_file_looks_like_noise_from_its_first_byte(tmp_path: Path) -> None:
    headers = []
    for number in range(2):
        with opened(tmp_path / str(number)) as vault:
            vault.pseudonymise(asked())
        headers.append((tmp_path / str(number) / "vault.db").read_bytes()[:16])
    assert b"SQLite" not in headers[0] + headers[1]
    assert headers[0] != headers[1]
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        sqlite3.connect(tmp_path / "0" / "vault.db").execute("SELECT * FROM subject")


# ---- versions


def test_a_vault_of_an_older_version_is_migrated_and_knows_everybody(tmp_path: Path) -> None:
    with opened(tmp_path) as vault:
        grant = vault.pseudonymise(asked())
    root = (tmp_path / "root.key").read_bytes()
    later = "ALTER TABLE subject ADD COLUMN consent TEXT NOT NULL DEFAULT 'unknown';"
    connection = open_encrypted(tmp_path / "vault.db", root)
    with pytest.raises(Exception, match="no such table"):
        migrate(connection, [*vault_table.STEPS, later + "SELECT * FROM absent;"])
    assert version(connection) == len(vault_table.STEPS)
    migrate(connection, [*vault_table.STEPS, later])
    row = connection.execute("SELECT pseudonym, consent FROM subject").fetchone()
    assert row == (grant.pseudonym, "unknown")
    connection.close()
    with pytest.raises(Refusal, match="D11: a data file has version 2"):
        Vault(tmp_path)
