"""An enemy among the people: what a person decided is done once, on what he saw, and never lost."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from appliance.store.decisions import FREE_TRIES, LONGEST_WAIT_S, Decision, Decisions, hold_of
from appliance.store.entry import Kind, State
from appliance.store.vault_values import Enrolment
from tests.box import Box, profile, tree
from tests.console.conftest import demo, hospital  # noqa: F401 - fixtures
from tests.console.hospital import NOW, Hospital, token_of
from tests.studies import ct_study


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """A box whose project takes only who is enrolled; its neighbours are away."""
    changed = tree()
    changed["projects"][0]["route"]["subjects"] = "enrolled"
    changed["notifications"] = {}
    with Box(tmp_path / "data", profile(**changed)) as made:
        yield made


# ── a decision and a retry at the same moment ─────────────────────────────────────────────────


@pytest.mark.parametrize("verb", ["release", "exclude"])
def test_a_decision_that_meets_a_retry_of_the_box_itself_is_carried_out(
    box: Box, verb: str
) -> None:
    box.receive(ct_study())
    box.run(300.0)
    held = box.only(Kind.INTAKE)
    assert held.code == "unknown-subject"
    box.decide(verb, held)
    # Somebody else is enrolled: what waits for an enrolment is tried again, just before it is heard.
    box.vault.enrol("DEM", (Enrolment("PAT-9"),))
    box.walk.retry(box.now())
    assert box.only(Kind.INTAKE).state is State.RECEIVED
    box.run(300.0)
    assert box.only(Kind.INTAKE).state is (State.FROZEN if verb == "release" else State.EXCLUDED)


def test_a_decision_on_an_earlier_hold_never_meets_the_next_one(box: Box) -> None:
    box.receive(ct_study())
    box.run(300.0)
    held = box.only(Kind.INTAKE)
    decision = Decision("exclude", held.id, "Anne", "", (), hold_of(held))
    box.vault.enrol("DEM", (Enrolment("PAT-4711"),))
    box.run(300.0)
    assert box.only(Kind.INTAKE).state is State.FROZEN
    box.decisions.note(decision)
    box.run(300.0)
    assert box.only(Kind.INTAKE).state is State.FROZEN
    kinds = [event.kind for event in box.ledger.view.events_since(0, 1_000)]
    assert "decision.ignored" in kinds


# ── the page ──────────────────────────────────────────────────────────────────────────────────


def test_a_page_of_yesterday_decides_nothing_about_a_hold_of_today(hospital: Hospital) -> None:  # noqa: F811
    number = hospital.shelf.put("parcel", "HELD", code="D08", resume="FROZEN")
    browser = hospital.signed_in()
    text = browser.get("/").text
    seen = text.partition('name="hold" value="')[2].partition('"')[0]
    # Tried again by itself, held for something else, and for the same again: another hold.
    hospital.shelf.change(number, since_s=999_999.0)
    form = {
        "csrf_token": token_of(browser, "/"),
        "code": "D08",
        "hold": seen,
        "decision": "release",
    }
    browser.post(f"/entries/{number}/decision", data=form)
    assert hospital.decisions.decided(number, repr(999_999.0)) is None


def test_a_clock_that_was_wrong_for_a_while_locks_nobody_out_for_longer_than_a_wait(
    tmp_path: Path,
) -> None:
    decisions = Decisions(tmp_path / "console.db")
    password = decisions.first_password()
    assert password is not None
    for _ in range(FREE_TRIES + 3):
        decisions.check_password("wrong", "10.0.0.7", NOW + timedelta(days=20_000))
    assert not decisions.check_password(password, "10.0.0.7", NOW).right
    later = NOW + timedelta(seconds=LONGEST_WAIT_S + 1)
    assert decisions.check_password(password, "10.0.0.7", later).right
    decisions.close()
