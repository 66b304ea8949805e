"""Law: one person has one pseudonym for ever, two persons never share one, and no identity lies in
clear in any file, message or log.
"""

import contextlib
import logging
import os
import shutil
import sqlite3
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance import keyed
from appliance.errors import ApplianceError, ProfileError, Refusal, Unavailable, Undecided
from appliance.store import vault_table
from appliance.store.custody import open_encrypted
from appliance.store.schema import migrate, version
from appliance.store.vault import Enrolment, Patient, Request, Subject, Vault, Withdrawal

STUDY = "1.2.3.4"
CANARIES = ("Cxnary^Nxme", "CXNARY-4711", "1.2.826.999.4711", "19470412")


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Vault]:
    vault = Vault(folder)
    try:
        yield vault
    finally:
        vault.close()


def asked(patient_id: str = "P1", study: str = STUDY, issuer: str = "") -> Request:
    return Request(
        project="ABC",
        site="DEMO",
        identity={"patient_id": patient_id, "issuer": issuer},
        study=study,
        uids=(study, study + ".1"),
        unknown="enrol",
        least_days=1,
        most_days=3650,
    )


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


@pytest.mark.parametrize("key", [os.urandom(32), b"short"])
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


# ---- pseudonyms


def test_the_same_question_has_the_same_answer_after_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path) as vault:
        grant = vault.pseudonymise(asked())
        assert vault.pseudonymise(asked()) == grant
    with opened(tmp_path) as vault:
        assert vault.pseudonymise(asked()) == grant
    keys = keyed.project_keys((tmp_path / "root.key").read_bytes(), "ABC")
    assert grant.pseudonym == keyed.pseudonym(keys.patient, "DEMO", "", "P1")
    assert grant.k_uid == keys.uid
    assert grant.study_code == keyed.short_code(keys.accession, STUDY)


_WHOM = st.tuples(
    st.sampled_from(["ABC", "XYZ"]),
    st.text(st.characters(codec="utf-8"), max_size=2),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=3),
)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(_WHOM, min_size=1, max_size=6), min_size=1, max_size=3))
def test_same_person_same_pseudonym_other_person_other_pseudonym(
    lives: list[list[tuple[str, str, str]]],
) -> None:
    names: dict[tuple[str, str, str], str] = {}
    with TemporaryDirectory() as folder:
        for number, life in enumerate(lives):
            with opened(Path(folder)) as vault:
                for turn, (project, issuer, patient_id) in enumerate(life):
                    request = replace(
                        asked(patient_id, f"1.{number}.{turn}", issuer), project=project
                    )
                    name = vault.pseudonymise(request).pseudonym
                    assert names.setdefault((project, issuer, patient_id), name) == name
                assert vault.verify(None) == ()
    assert len(set(names.values())) == len(names)


def test_a_pseudonym_that_is_taken_is_passed_over(tmp_path: Path) -> None:
    with opened(tmp_path) as vault:
        keys = keyed.project_keys((tmp_path / "root.key").read_bytes(), "ABC")
        first, second = (keyed.pseudonym(keys.patient, "DEMO", "", "P1", n) for n in (0, 1))
        vault.enrol("XYZ", [Enrolment("other", "", first)])
        assert vault.pseudonymise(asked()).pseudonym == second
    with opened(tmp_path) as vault:
        assert vault.pseudonymise(asked()).pseudonym == second


def test_an_unknown_patient_is_refused_where_the_project_says_so(tmp_path: Path) -> None:
    with opened(tmp_path) as vault:
        with pytest.raises(Undecided) as undecided:
            vault.pseudonymise(replace(asked(), unknown="refuse"))
        assert undecided.value.code == "unknown-subject"
        assert vault.subjects("ABC") == ()
        vault.enrol("ABC", [Enrolment("P1")])
        assert vault.subjects("ABC") == (Subject("", "enrolled"),)
        grant = vault.pseudonymise(replace(asked(), unknown="refuse"))
        assert vault.subjects("ABC") == (Subject(grant.pseudonym, "enrolled"),)


def test_a_study_without_a_patient_id_is_a_question_for_a_person(tmp_path: Path) -> None:
    with opened(tmp_path) as vault, pytest.raises(Undecided, match="D03"):
        vault.pseudonymise(asked(""))


def test_a_patient_id_is_taken_as_it_was_sent(tmp_path: Path) -> None:
    spellings = ["7", "07", " 7", "7 ", "７"]
    with opened(tmp_path) as vault:
        names = {
            vault.pseudonymise(asked(spelling, f"1.2.{number}")).pseudonym
            for number, spelling in enumerate(spellings)
        }
    assert len(names) == len(spellings)


# ---- studies


def test_every_uid_finds_its_way_back_corrections_too(tmp_path: Path) -> None:
    with opened(tmp_path) as vault:
        k_uid = vault.pseudonymise(asked()).k_uid
        vault.pseudonymise(replace(asked(), uids=(STUDY + ".2 \0",), versions={STUDY + ".1": 2}))
        kept = vault.resolve("ABC", keyed.mapped_uid(k_uid, STUDY))
        assert kept is not None
        assert kept.uids == {
            keyed.mapped_uid(k_uid, STUDY): STUDY,
            keyed.mapped_uid(k_uid, STUDY + ".1"): STUDY + ".1",
            keyed.mapped_uid(k_uid, STUDY + ".1", 2): STUDY + ".1",
            keyed.mapped_uid(k_uid, STUDY + ".2"): STUDY + ".2",
        }
        assert vault.resolve("XYZ", keyed.mapped_uid(k_uid, STUDY)) is None


def test_the_latest_identity_of_a_study_is_what_comes_home(tmp_path: Path) -> None:
    with opened(tmp_path) as vault:
        first = asked()
        married = replace(first, identity={**first.identity, "patient_name": "New^Name"})
        for request in (first, married, first, married):
            grant = vault.pseudonymise(request)
        kept = vault.resolve("ABC", keyed.mapped_uid(grant.k_uid, STUDY))
        assert kept is not None
        assert kept.identity == married.identity


def test_a_study_under_another_patient_is_never_overwritten(tmp_path: Path) -> None:
    with opened(tmp_path) as vault:
        grant = vault.pseudonymise(asked("P1"))
        with pytest.raises(Undecided) as undecided:
            vault.pseudonymise(asked("P2"))
        assert undecided.value.code == "patient-changed"
        kept = vault.resolve("ABC", keyed.mapped_uid(grant.k_uid, STUDY))
        assert kept is not None
        assert kept.identity["patient_id"] == "P1"
        assert vault.standing(Patient("ABC", "", "P2")) == "unknown"


def test_a_linked_patient_has_one_pseudonym_and_keeps_old_studies(tmp_path: Path) -> None:
    with opened(tmp_path) as vault:
        first = vault.pseudonymise(asked("P1"))
        second = vault.pseudonymise(asked("P2", "1.2.3.5"))
        vault.link(Patient("ABC", "", "P2"), first.pseudonym)
        vault.link(Patient("ABC", "", "P2"), first.pseudonym)
        assert vault.pseudonymise(asked("P2")).pseudonym == first.pseudonym
        assert vault.pseudonymise(asked("P2", "1.2.3.6")).pseudonym == first.pseudonym
        assert vault.pseudonymise(asked("P2", "1.2.3.5")).pseudonym == second.pseudonym
        assert vault.withdraw(second.pseudonym)
        left = {each.pseudonym for each in vault.withdrawn(0)}
        assert left == {first.pseudonym, second.pseudonym}


def test_a_patient_enrolled_but_never_sent_leaves_no_empty_subject_when_linked(
    tmp_path: Path,
) -> None:
    with opened(tmp_path) as vault:
        grant = vault.pseudonymise(asked("P1"))
        vault.enrol("ABC", [Enrolment("P2")])
        vault.link(Patient("ABC", "", "P2"), grant.pseudonym)
        assert vault.subjects("ABC") == (Subject(grant.pseudonym, "enrolled"),)


def test_a_link_never_undoes_a_withdrawal(tmp_path: Path) -> None:
    with opened(tmp_path) as vault:
        first = vault.pseudonymise(asked("P1"))
        second = vault.pseudonymise(asked("P2", "1.2.3.5"))
        vault.withdraw(first.pseudonym)
        for patient_id, name in (("P1", second.pseudonym), ("P2", first.pseudonym)):
            with pytest.raises(Refusal, match="D10"):
                vault.link(Patient("ABC", "", patient_id), name)
        with pytest.raises(Undecided, match="unknown-subject"):
            vault.link(Patient("XYZ", "", "P2"), second.pseudonym)
        vault.link(Patient("ABC", "", "P3"), first.pseudonym)
        assert vault.standing(Patient("ABC", "", "P3")) == "withdrawn"


# ---- dates


def test_all_studies_of_a_subject_move_by_the_same_days(tmp_path: Path) -> None:
    with opened(tmp_path) as vault:
        days = {vault.pseudonymise(asked("P1", f"1.2.{number}")).offset_days for number in range(4)}
        wider = replace(asked("P1", "1.2.9"), most_days=7000)
        days.add(vault.pseudonymise(wider).offset_days)
    assert len(days) == 1
    assert -3650 <= days.pop() <= -1


def test_an_offset_that_the_policy_no_longer_allows_is_not_used(tmp_path: Path) -> None:
    with opened(tmp_path) as vault:
        kept_dates = replace(asked(), least_days=0, most_days=0)
        assert vault.pseudonymise(kept_dates).offset_days == 0
        shifted = vault.pseudonymise(replace(asked(), least_days=100, most_days=200))
        assert -200 <= shifted.offset_days <= -100
        kept = vault.resolve("ABC", keyed.mapped_uid(shifted.k_uid, STUDY))
        assert kept is not None
        assert kept.offset_days == shifted.offset_days


def test_a_range_that_is_upside_down_is_no_request() -> None:
    with pytest.raises(ValueError, match="least_days"):
        replace(asked(), least_days=9, most_days=1)


# ---- enrolment and withdrawal


def test_given_pseudonyms_are_used_and_a_list_may_be_read_twice(tmp_path: Path) -> None:
    rows = [Enrolment("P1", "", "S-1"), Enrolment("P2", "H"), Enrolment("P1", "", "S-1")]
    with opened(tmp_path) as vault:
        assert vault.enrol("ABC", rows) == 2
        assert vault.enrol("ABC", rows) == 0
        assert vault.generation() == 1
        assert vault.pseudonymise(asked("P1")).pseudonym == "S-1"
        assert vault.enrol("ABC", [Enrolment("P2", "H", "S-2")]) == 1
        assert vault.pseudonymise(asked("P2", "1.2.3.5", "H")).pseudonym == "S-2"


def test_every_mistake_of_a_list_is_told_at_once_and_nothing_is_kept(tmp_path: Path) -> None:
    with opened(tmp_path) as vault:
        vault.enrol("ABC", [Enrolment("known", "", "S-1"), Enrolment("left", "", "S-2")])
        vault.withdraw("S-2")
        rows = [
            Enrolment(""),
            Enrolment("left"),
            Enrolment("new", "", "S-1"),
            Enrolment("known", "", "S-9"),
            Enrolment("new2", "", "a b"),
            Enrolment("new3", "", "known"),
            Enrolment("twice", "", "S-3"),
            Enrolment("twice", "", "S-4"),
            Enrolment("one", "", "S-5"),
            Enrolment("other", "", "S-5"),
            Enrolment("self", "", "self"),
            Enrolment("good", "", "S-6"),
        ]
        with pytest.raises(ProfileError) as mistakes:
            vault.enrol("ABC", rows)
        numbers = [int(problem.where.removeprefix("row ")) for problem in mistakes.value.problems]
        assert numbers == list(range(1, 12))
        assert not any(
            row.patient_id in str(mistakes.value)
            for row in rows[3:]
            if row.patient_id not in ("one", "other", "self", "twice")
        )
        assert len(vault.subjects("ABC")) == 2
        assert vault.standing(Patient("ABC", "", "good")) == "unknown"


def test_a_withdrawal_is_numbered_once_and_stops_the_work(tmp_path: Path) -> None:
    with opened(tmp_path) as vault:
        first = vault.pseudonymise(asked("P1")).pseudonym
        second = vault.pseudonymise(asked("P2", "1.2.3.5")).pseudonym
        assert vault.withdraw(first)
        assert vault.withdraw(first)
        assert vault.withdraw(second)
        assert not vault.withdraw("nobody")
    with opened(tmp_path) as vault:
        assert vault.withdrawn(0) == (Withdrawal(1, "ABC", first), Withdrawal(2, "ABC", second))
        assert vault.withdrawn(1) == (Withdrawal(2, "ABC", second),)
        with pytest.raises(Refusal, match="D10"):
            vault.pseudonymise(asked("P1"))


def test_the_generation_grows_with_who_is_enrolled_and_with_nothing_else(tmp_path: Path) -> None:
    with opened(tmp_path) as vault:
        seen = [vault.generation()]
        for act in (
            lambda: vault.enrol("ABC", [Enrolment("P1")]),
            lambda: vault.pseudonymise(asked("P2")),
            lambda: vault.link(Patient("ABC", "", "P3"), vault.subjects("ABC")[1].pseudonym),
            lambda: vault.withdraw(vault.subjects("ABC")[1].pseudonym),
        ):
            act()
            seen.append(vault.generation())
        vault.pseudonymise(asked("P1", "1.2.3.7"))
        assert vault.generation() == 4
    assert seen == [0, 1, 2, 3, 4]


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
