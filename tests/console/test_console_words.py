"""Law: every sentence exists in both languages with the same blanks; page and command share them."""

import re
from datetime import UTC
from pathlib import Path
from string import Formatter
from zoneinfo import ZoneInfo

import pytest

from appliance import console
from appliance.console.lines import done_lines, held_lines, quarantined_lines, way_lines
from appliance.console.rows import DONE, ON_ITS_WAY
from appliance.console.words import LANGUAGES, Words, texts
from appliance.errors import CODES
from appliance.health import Level
from appliance.store.decisions import VERBS
from appliance.store.entry import Kind
from appliance.store.ledger_view import LedgerView
from tests.console.hospital import (
    DEVICE_S,
    ISSUER,
    NOW,
    PARTNERS_STUDY,
    PATIENT_ID,
    REASON,
    STUDY,
    Hospital,
)  # fmt: skip

ROOM = Path(console.__path__[0])
# Keys whose last word is a value of ours.
FAMILIES = {
    "state.": {*ON_ITS_WAY, *DONE},
    "kind.": set(Kind),
    "verb.": {*VERBS, "entry"},
    "means.": set(VERBS),
    "noted.": set(VERBS),
    "level.": {level.value for level in Level},
}


def test_no_sentence_is_missing_in_a_language() -> None:
    for key, sentences in texts().items():
        assert set(sentences) == set(LANGUAGES), key
        blanks = [{name for _, name, _, _ in Formatter().parse(s)} for s in sentences.values()]
        assert blanks[0] == blanks[1], key


def test_every_key_that_is_asked_for_exists_and_every_key_is_asked_for() -> None:
    sources = [path for ending in ("*.py", "templates/*.html") for path in ROOM.glob(ending)]
    written = set(re.findall(r'"([a-z]+\.[a-z_]+)"', "".join(p.read_text() for p in sources)))
    written |= set(re.findall(r"'([a-z]+\.[a-z_]+)'", "".join(p.read_text() for p in sources)))
    families = {prefix + word for prefix, words in FAMILIES.items() for word in words}
    asked = {key for key in written if key.split(".")[0] in {k.split(".")[0] for k in texts()}}
    asked = {key for key in asked if not key.endswith((".html", ".css"))}
    assert asked <= set(texts())
    assert set(texts()) == (asked | families)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_a_sentence(language: str) -> None:
    words = Words(language)
    assert all(words.code(code) for code in CODES)
    assert "X99" in words.code("X99")


def test_times_are_those_of_the_hospital() -> None:
    assert Words("fr", ZoneInfo("Europe/Paris")).moment(NOW.isoformat()) == "21/11/2026 08:30"
    assert Words("en", UTC).moment(NOW.isoformat()) == "2026-11-21 07:30"


def test_the_command_line_prints_what_the_page_shows(hospital: Hospital) -> None:
    shelf = hospital.shelf
    held = shelf.put("parcel", "HELD", code="D05")
    lost = shelf.put("intake", "HELD", code="no-project", project="", partner="", images=412)
    way = shelf.put("parcel", "DELIVERED", n=2, waiting_since=DEVICE_S - 60)
    ready = shelf.put("delivery", "VERIFIED", images=1)
    wrong = shelf.put("delivery", "QUARANTINED", code="Q04")
    entries = LedgerView(hospital.folder / "ledger.db").entries()
    lines = held_lines(entries, "en")
    assert lines[0].startswith(f"{held}  2026-11-21 06:30  DEM → lab")
    assert "Names may be burned into the pixels" in lines[1]
    assert lines[2].strip() == f"appliance release {held} · appliance exclude {held}"
    assert "Images: 412" in lines[3]
    assert lines[5].strip() == f"appliance assign {lost} PROJECT · appliance exclude {lost}"
    (line,) = way_lines(entries, "fr", DEVICE_S)
    assert line.startswith(f"{way}  ")
    assert "Images: 3, partie 2" in line
    assert "sans réponse depuis 1 min, nouvel essai en cours" in line
    counts, line = done_lines(entries, "en", NOW)
    assert counts == "1 today, 1 in the last 7 days."
    assert line.startswith(f"{ready}  ")
    (line,) = quarantined_lines(entries, "en")
    assert line.startswith(f"{wrong}  ")
    assert line.endswith("(Q04)")
    everything = "".join((*lines, *way_lines(entries, "en", DEVICE_S), line))
    for secret in (STUDY, PATIENT_ID, ISSUER, REASON, PARTNERS_STUDY):
        assert secret not in everything


def test_empty_lists_say_so() -> None:
    assert held_lines((), "en") == ("Nothing waits for a decision.",)
    assert way_lines((), "fr", 0.0) == ("Rien n'est en route.",)
    assert done_lines((), "en", NOW) == ("Nothing was finished in the last 7 days.",)
    assert quarantined_lines((), "en") == ()


def test_a_held_entry_with_nothing_to_decide_says_that_it_comes_back(hospital: Hospital) -> None:
    hospital.shelf.put("parcel", "HELD", code="clock")
    hospital.shelf.put("parcel", "HELD", code="from-a-newer-version")
    entries = LedgerView(hospital.folder / "ledger.db").entries()
    assert sum("tries again by itself" in line for line in held_lines(entries, "en")) == 2
