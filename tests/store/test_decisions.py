"""Law: the first decision of a hold wins and is durable; a password is checked slowly, a visit ends."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.errors import ProfileError
from appliance.store.decisions import (
    ABSOLUTE_S,
    FREE_TRIES,
    IDLE_S,
    LONGEST_WAIT_S,
    Decision,
    Decisions,
    DecisionsView,
)

NOW = datetime(2026, 11, 21, 7, 30, tzinfo=UTC)
RELEASE = Decision("release", 17, "Anne", "seen", (), "12.5", NOW.isoformat())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "console.db"


@pytest.fixture
def decisions(path: Path) -> Iterator[Decisions]:
    opened = Decisions(path)
    yield opened
    opened.close()


def test_a_reader_sees_decisions_by_number(decisions: Decisions, path: Path) -> None:
    view = DecisionsView(path)
    assign = Decision("assign", 18, "Luc", projects=("ABC", "XYZ"), hold="3.0")
    assert decisions.note(RELEASE) == 1
    assert decisions.note(assign) == 2
    assert view.since(0) == ((1, RELEASE), (2, assign))
    assert view.since(1) == ((2, assign),)


def test_a_file_that_is_not_there_reads_as_empty_and_is_found_later(path: Path) -> None:
    view = DecisionsView(path)
    assert view.since(0) == ()
    assert view.signings_since(0) == ()
    decisions = Decisions(path)
    decisions.note(RELEASE)
    assert len(view.since(0)) == 1
    decisions.close()


def test_the_second_decision_of_a_hold_is_not_kept(decisions: Decisions, path: Path) -> None:
    assert decisions.note(RELEASE) == 1
    assert decisions.note(replace(RELEASE, verb="exclude", person="Luc")) is None
    assert decisions.decided(17, "12.5") == RELEASE
    assert len(DecisionsView(path).since(0)) == 1


def test_an_entry_that_is_held_again_may_be_decided_again(decisions: Decisions) -> None:
    assert decisions.note(RELEASE) == 1
    assert decisions.note(replace(RELEASE, hold="99.0")) == 2


def test_two_processes_write_one_file(decisions: Decisions, path: Path) -> None:
    command_line = Decisions(path)
    assert command_line.note(RELEASE) == 1
    command_line.close()
    assert decisions.note(RELEASE) is None


def test_a_decision_is_there_after_the_writer_opened_the_file_again(path: Path) -> None:
    first = Decisions(path)
    first.note(RELEASE)
    secret = first.session_secret()
    first.close()
    second = Decisions(path)
    assert second.decided(17, "12.5") == RELEASE
    assert second.session_secret() == secret
    second.close()


def test_a_reader_cannot_write_and_a_verb_is_one_of_four(decisions: Decisions) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        decisions.note(replace(RELEASE, verb="destroy"))
    assert decisions.note(RELEASE) == 1


@given(order=st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["1.0", "2.0"])), max_size=12))
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_in_any_order_each_hold_has_one_decision(
    tmp_path_factory: pytest.TempPathFactory, order: list[tuple[int, str]]
) -> None:
    path = tmp_path_factory.mktemp("any") / "console.db"
    decisions = Decisions(path)
    kept = [
        (entry, hold)
        for entry, hold in order
        if decisions.note(Decision("release", entry, "Anne", hold=hold)) is not None
    ]
    assert sorted(kept) == sorted(set(order))
    assert len(DecisionsView(path).since(0)) == len(kept)
    decisions.close()


def test_the_first_password_is_told_once_and_is_right(decisions: Decisions, path: Path) -> None:
    password = decisions.first_password()
    assert password is not None
    assert len(password) >= 20
    assert decisions.first_password() is None
    assert decisions.check_password(password, "10.0.0.1", NOW).right
    assert not decisions.check_password(password + "x", "10.0.0.1", NOW).right
    assert password.encode() not in path.read_bytes()


def test_without_a_password_nobody_enters(decisions: Decisions) -> None:
    assert not decisions.check_password("", "10.0.0.1", NOW).right


def test_a_weak_password_is_refused(decisions: Decisions) -> None:
    with pytest.raises(ProfileError, match="12 to 200"):
        decisions.set_password("short", NOW.isoformat())


def test_wrong_passwords_make_their_address_wait_and_no_other(decisions: Decisions) -> None:
    password = decisions.new_password(NOW.isoformat())
    for _ in range(FREE_TRIES):
        assert decisions.check_password("x" * 300, "10.0.0.1", NOW).wait_s == 0
    answer = decisions.check_password(password, "10.0.0.1", NOW)
    assert not answer.right
    assert 0 < answer.wait_s <= 2
    assert decisions.check_password(password, "10.0.0.2", NOW).right
    later = NOW + timedelta(seconds=3)
    assert decisions.check_password(password, "10.0.0.1", later).right
    assert decisions.check_password("wrong", "10.0.0.1", later).wait_s == 0


def test_the_wait_has_an_end_even_when_the_clock_goes_back(decisions: Decisions) -> None:
    decisions.new_password(NOW.isoformat())
    at = NOW
    for _ in range(30):
        answer = decisions.check_password("x" * 300, "10.0.0.1", at)
        at += timedelta(seconds=answer.wait_s)
    long_ago = NOW - timedelta(days=4000)
    assert decisions.check_password("x" * 300, "10.0.0.1", long_ago).wait_s == LONGEST_WAIT_S


def test_a_visit_ends_by_leaving_by_idling_and_at_the_end_of_the_day(decisions: Decisions) -> None:
    left = decisions.sign_in("Anne", NOW)
    idle = decisions.sign_in("Luc", NOW)
    assert left != idle
    assert decisions.signed_in(left, NOW) == "Anne"
    decisions.sign_out(left, NOW)
    assert decisions.signed_in(left, NOW) is None
    assert decisions.signed_in(idle, NOW + timedelta(seconds=IDLE_S + 1)) is None
    assert decisions.signed_in("made up", NOW) is None
    busy = decisions.sign_in("Anne", NOW)
    at = NOW
    while at < NOW + timedelta(seconds=ABSOLUTE_S):
        assert decisions.signed_in(busy, at) == "Anne"
        at += timedelta(seconds=IDLE_S)
    assert decisions.signed_in(busy, NOW + timedelta(seconds=ABSOLUTE_S + 1)) is None


def test_a_new_password_signs_everybody_out(decisions: Decisions) -> None:
    token = decisions.sign_in("Anne", NOW)
    decisions.new_password(NOW.isoformat())
    assert decisions.signed_in(token, NOW) is None


def test_sign_ins_are_told_to_the_audit_without_their_tokens(
    decisions: Decisions, path: Path
) -> None:
    token = decisions.sign_in("Anne", NOW)
    decisions.sign_out(token, NOW)
    decisions.check_password("a wrong one", "10.0.0.1", NOW)
    told = [(signing.person, signing.what) for _, signing in DecisionsView(path).signings_since(0)]
    assert told == [("Anne", "in"), ("Anne", "out"), ("", "wrong")]
    stored = path.read_bytes() + path.with_name("console.db-wal").read_bytes()
    assert token.encode() not in stored
