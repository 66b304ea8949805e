"""Law: one person has one pseudonym for ever, two persons never share one."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance import keyed
from appliance.errors import ProfileError, Refusal, Undecided
from appliance.store.vault import Enrolment, Patient, Subject, Withdrawal
from tests.store.vaults import STUDY, asked, opened

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
