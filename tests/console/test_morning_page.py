"""Law: a signed-in person sees what is held, on its way, done, without a patient; one click decides once."""

import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from appliance.console.rows import ON_ITS_WAY
from appliance.errors import CODES
from appliance.health import Facts, findings
from appliance.store.decisions import ABSOLUTE_S, IDLE_S, DecisionsView
from appliance.store.entry import State
from tests.console.hospital import (
    DEVICE_S,
    ISSUER,
    NOW,
    PARTNERS_STUDY,
    PATIENT_ID,
    REASON,
    STUDY,
    Hospital,
    sign_in,
    token_of,
)  # fmt: skip

SECRETS = (STUDY, PATIENT_ID, ISSUER, REASON, PARTNERS_STUDY)
HIDDEN = re.compile(r'name="(code|hold)" value="([^"]*)"')


def form_of(browser: FlaskClient, number: int) -> dict[str, str]:
    """What the page sends with a click on an entry's button, but the button itself."""
    text = browser.get("/").text.partition(f'action="/entries/{number}/decision"')[2]
    fields = dict(HIDDEN.findall(text.partition("</form>")[0]))
    return fields | {"csrf_token": token_of(browser, "/")}


def click(browser: FlaskClient, number: int, decision: str, **more: str) -> TestResponse:
    form = form_of(browser, number) | {"decision": decision} | more
    return browser.post(f"/entries/{number}/decision", data=form, follow_redirects=True)


def fill(hospital: Hospital) -> None:
    """An entry of each state and a held one of each code."""
    for state in State:
        kind = "delivery" if state in ("CLAIMED", "FETCHED", "VERIFIED") else "parcel"
        hospital.shelf.put(kind, state, code="D01" if state == "QUARANTINED" else "")
    for code in CODES:
        hospital.shelf.put("delivery" if code.startswith("Q") else "parcel", "HELD", code=code)
    hospital.shelf.put("intake", "HELD", code="no-project", project="", partner="", pseudonym="")


def test_every_code_is_told_in_both_languages_and_nothing_of_the_clinic(hospital: Hospital) -> None:
    fill(hospital)
    browser = hospital.signed_in()
    for language in ("en", "fr"):
        text = browser.get(f"/language/{language}", follow_redirects=True).text
        assert f'<html lang="{language}"' in text
        for name, code in CODES.items():
            sentence = (code.fr if language == "fr" else code.en).partition(":")[0].strip()
            shown = sentence[:1].upper() + sentence[1:]
            assert shown.replace("'", "&#39;") in text, name
        for secret in SECRETS:
            assert secret not in text
    assert "DEMO-0001" in browser.get("/").text


def test_an_empty_ledger_says_so(hospital: Hospital) -> None:
    text = hospital.signed_in().get("/").text
    assert "Nothing waits for a decision." in text
    assert "Nothing is on its way." in text
    assert "All parts of the box work." in text


def test_who_is_not_signed_in_sees_nothing_and_decides_nothing(hospital: Hospital) -> None:
    number = hospital.shelf.put("parcel", "HELD", code="D05")
    browser = hospital.browser()
    assert browser.get("/").headers["Location"] == "/sign-in"
    token = token_of(browser)
    form = {"decision": "release", "code": "D05", "csrf_token": token}
    answer = browser.post(f"/entries/{number}/decision", data=form, follow_redirects=True)
    assert "Your visit ended" in answer.text
    assert DecisionsView(hospital.folder / "console.db").since(0) == ()


@pytest.mark.parametrize("path", ["/entries/1/decision", "/sign-in", "/sign-out"])
def test_a_form_without_its_token_is_refused(hospital: Hospital, path: str) -> None:
    answer = hospital.signed_in().post(path, data={"person": "Eve", "password": "x"})
    assert answer.status_code == 400
    assert "too old" in answer.text


def test_one_click_notes_one_decision(hospital: Hospital) -> None:
    number = hospital.shelf.put("parcel", "HELD", code="D05")
    answer = click(hospital.signed_in(), number, "release", reason="  looked at\nthe images ")
    assert f"Noted: entry {number} is released." in answer.text
    assert "Noted by Anne" in answer.text
    assert 'name="decision"' not in answer.text
    ((_, decision),) = DecisionsView(hospital.folder / "console.db").since(0)
    assert (decision.verb, decision.entry, decision.person) == ("release", number, "Anne")
    assert decision.reason == "looked at the images"
    assert decision.wall == NOW.isoformat()


def test_a_double_click_and_a_slower_colleague_are_told_who_decided(hospital: Hospital) -> None:
    number = hospital.shelf.put("parcel", "HELD", code="D05")
    anne, luc = hospital.signed_in("Anne"), hospital.signed_in("Luc")
    form = form_of(luc, number)
    click(anne, number, "release")
    for browser, token in ((luc, form["csrf_token"]), (anne, token_of(anne, "/"))):
        again = form | {"decision": "exclude", "csrf_token": token}
        answer = browser.post(f"/entries/{number}/decision", data=again, follow_redirects=True)
        assert f"Entry {number} was decided before by Anne" in answer.text
    assert len(DecisionsView(hospital.folder / "console.db").since(0)) == 1


def test_a_decision_after_the_walk_moved_on_changes_nothing(hospital: Hospital) -> None:
    number = hospital.shelf.put("parcel", "HELD", code="D05")
    browser = hospital.signed_in()
    form = form_of(browser, number) | {"decision": "release"}
    hospital.shelf.change(number, code="D12", since_s=DEVICE_S)
    answer = browser.post(f"/entries/{number}/decision", data=form, follow_redirects=True)
    assert "now waits for another reason" in answer.text
    hospital.shelf.change(number, state="DELIVERED", code="")
    answer = browser.post(f"/entries/{number}/decision", data=form, follow_redirects=True)
    assert "does not wait for a decision any more" in answer.text
    assert DecisionsView(hospital.folder / "console.db").since(0) == ()


@pytest.mark.parametrize("decision", ["refuse", "assign DEM", "assign NONE", "destroy", ""])
def test_a_decision_that_was_not_offered_is_not_noted(hospital: Hospital, decision: str) -> None:
    number = hospital.shelf.put("parcel", "HELD", code="D05")
    answer = click(hospital.signed_in(), number, decision)
    assert "This decision is not possible" in answer.text
    assert DecisionsView(hospital.folder / "console.db").since(0) == ()


def test_a_study_without_project_is_assigned_to_one_of_the_profile(hospital: Hospital) -> None:
    number = hospital.shelf.put("intake", "HELD", code="no-project", project="", partner="")
    browser = hospital.signed_in()
    assert 'value="assign DEM"' in browser.get("/").text
    assert "not possible" in click(browser, number, "assign OTHER").text
    click(browser, number, "assign DEM")
    ((_, decision),) = DecisionsView(hospital.folder / "console.db").since(0)
    assert decision.projects == ("DEM",)


def test_what_is_on_its_way_says_who_does_not_answer(hospital: Hospital) -> None:
    hospital.shelf.put(
        "parcel", "PSEUDONYMISED", waiting_since=DEVICE_S - 7200, not_before=DEVICE_S + 300, waits=9
    )
    hospital.shelf.put("intake", "FROZEN", pseudonym="OLD-INTAKE")
    text = hospital.signed_in().get("/").text
    assert "no answer for 2 h, next try in 5 min" in text
    assert "OLD-INTAKE" not in text


def test_done_counts_today_and_the_last_seven_days(hospital: Hospital) -> None:
    day = 86_400
    hospital.shelf.put("parcel", "CONFIRMED", ago_s=60)
    hospital.shelf.put("delivery", "ACKED", ago_s=2 * day)
    hospital.shelf.put("parcel", "CONFIRMED", ago_s=8 * day, pseudonym="LONG-AGO")
    hospital.shelf.put("parcel", "PURGED", wall_first=(NOW - timedelta(days=40)).isoformat())
    text = hospital.signed_in().get("/").text
    assert "1 today, 2 in the last 7 days." in text
    assert "LONG-AGO" not in text


def test_findings_stand_on_top_and_in_health_as_codes(hospital: Hospital) -> None:
    assert hospital.browser().get("/health").json == {"status": "well", "findings": []}
    hospital.findings[:] = findings(Facts(3, 100, clock_trusted=False, vault_reachable=True))
    text = hospital.signed_in().get("/").text
    assert text.index("The disk is nearly full") < text.index("Waiting for you")
    answer = hospital.browser().get("/health")
    assert answer.json == {"status": "urgent", "findings": ["clock", "disk"]}


def test_a_visit_ends_when_idle_and_when_signed_out(hospital: Hospital) -> None:
    browser = hospital.signed_in()
    hospital.clock[0] = NOW + timedelta(seconds=IDLE_S + 1)
    assert browser.get("/").status_code == 303
    browser = hospital.signed_in()
    stolen = browser.get_cookie("console")
    assert stolen is not None
    token = token_of(browser, "/")
    assert browser.post("/sign-out", data={"csrf_token": token}).status_code == 303
    thief = hospital.browser()
    thief.set_cookie("console", stolen.value)
    assert thief.get("/").status_code == 303
    hospital.clock[0] = NOW + timedelta(seconds=ABSOLUTE_S * 2)
    assert hospital.signed_in().get("/").status_code == 200


def test_signing_in_makes_a_new_session(hospital: Hospital) -> None:
    browser = hospital.browser()
    before = token_of(browser)
    assert sign_in(browser, "Anne", hospital.password).status_code == 303
    form = {"csrf_token": before, "decision": "release"}
    assert browser.post("/entries/1/decision", data=form).status_code == 400


def test_wrong_passwords_are_slowed_down(hospital: Hospital) -> None:
    browser = hospital.browser()
    assert sign_in(browser, "  ", hospital.password).status_code == 400
    for _ in range(5):
        assert sign_in(browser, "Eve", "x" * 300).status_code == 403
    answer = sign_in(browser, "Anne", hospital.password)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) >= 1
    assert "x" * 300 not in answer.text


def test_every_answer_carries_its_headers_and_no_page_an_inline_thing(hospital: Hospital) -> None:
    fill(hospital)
    browser = hospital.signed_in()
    for path in ("/", "/sign-in", "/health", "/nothing-here", "/static/page.css"):
        answer = browser.get(path)
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert "Strict-Transport-Security" not in answer.headers
        if answer.mimetype == "text/html":
            assert not re.search(r"<script|<style|\sstyle=|\son\w+=|https?://", answer.text)
        answer.close()


def test_the_cookie_is_strict_and_over_tls_secure(hospital: Hospital) -> None:
    plain = hospital.browser().get("/sign-in").headers["Set-Cookie"]
    assert "HttpOnly" in plain
    assert "SameSite=Strict" in plain
    assert "Secure" not in plain
    answer = hospital.browser().get("/sign-in", base_url="https://box.example/")
    assert answer.headers["Set-Cookie"].startswith("__Host-console=")
    assert "Secure" in answer.headers["Set-Cookie"]
    assert "Domain" not in answer.headers["Set-Cookie"]
    assert answer.headers["Strict-Transport-Security"]


def test_a_mistake_is_a_page_with_a_code_and_no_traceback(hospital: Hospital) -> None:
    browser = hospital.signed_in()
    assert "Code 404" in browser.get("/entries/none").text
    assert browser.get("/sign-out").status_code == 405
    large = browser.post("/sign-in", data={"password": "x" * 20_000})
    assert large.status_code == 413
    hospital.shelf.put("parcel", "HELD", code="D05", wall_since="CANARY-IN-A-TRACEBACK")
    answer = browser.get("/")
    assert answer.status_code == 500
    assert "Code 500" in answer.text
    assert "CANARY" not in answer.text
    assert "Traceback" not in answer.text


def test_more_rows_than_a_person_reads_are_counted(hospital: Hospital) -> None:
    for _ in range(203):
        hospital.shelf.put("parcel", "HELD", code="D05", images=0)
    assert "3 more, older, are not shown." in hospital.signed_in().get("/").text


class Outline(HTMLParser):
    """What a screen reader needs: labels, headings, header cells, names of buttons."""

    def __init__(self) -> None:
        super().__init__()
        self.labelled: set[str] = set()
        self.fields: list[str] = []
        self.ids: list[str] = []
        self.pointed: list[str] = []
        self.levels: list[int] = []
        self.scopes: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if found.get("id"):
            self.ids.append(str(found["id"]))
        if tag == "label":
            self.labelled.add(str(found["for"]))
        if tag in ("input", "textarea", "select") and found.get("type") != "hidden":
            self.fields.append(str(found["id"]))
        if tag == "th":
            self.scopes.append(found.get("scope"))
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if found.get("aria-labelledby"):
            self.pointed.append(str(found["aria-labelledby"]))


def test_labels_headings_and_table_headers_are_in_order(hospital: Hospital) -> None:
    fill(hospital)
    browser = hospital.signed_in()
    pages = (browser.get("/").text, hospital.browser().get("/sign-in").text)
    for text in pages:
        outline = Outline()
        outline.feed(text)
        assert outline.fields
        assert set(outline.fields) <= outline.labelled
        assert len(outline.ids) == len(set(outline.ids))
        assert set(outline.pointed) <= set(outline.ids)
        assert None not in outline.scopes
        assert outline.levels[0] == 1
        steps = zip(outline.levels, outline.levels[1:], strict=False)
        assert all(after <= before + 1 for before, after in steps)


def test_each_state_is_shown_somewhere_or_deliberately_not(hospital: Hospital) -> None:
    shown = {*ON_ITS_WAY, "CONFIRMED", "PURGED", "VERIFIED", "ACKED", "HELD", "QUARANTINED"}
    assert set(State) - shown == {"EXCLUDED", "REPEATED", "WITHDRAWN", "REFUSED"}


def test_what_was_decided_does_not_count_as_waiting_any_more(hospital: Hospital) -> None:
    number = hospital.shelf.put("parcel", "HELD", code="D05")
    hospital.shelf.put("delivery", "HELD", code="Q11")
    browser = hospital.signed_in()
    assert "<b>2</b> waiting for a decision" in browser.get("/").text
    assert "<b>1</b> waiting for a decision" in click(browser, number, "release").text
