"""Law: a healthy device has no finding; each trouble has one, in both languages, urgent ones first."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.health import Away, Facts, Level, Waiting, findings, lasted

WELL = Facts(free_bytes=80, total_bytes=100, clock_trusted=True, vault_reachable=True)
DAY_S = 86_400.0

TROUBLES = [
    ("stopped", Level.URGENT, replace(WELL, stopped=("walk",)), "walk"),
    ("vault", Level.URGENT, replace(WELL, vault_reachable=False), "vault"),
    ("disk", Level.URGENT, replace(WELL, free_bytes=4), "4 %"),
    ("disk", Level.WARNING, replace(WELL, free_bytes=14), "14 %"),
    ("clock", Level.WARNING, replace(WELL, clock_trusted=False), "time servers"),
    ("away", Level.WARNING, replace(WELL, away=(Away("lab", 2 * 3600),)), "2 h"),
    ("away", Level.URGENT, replace(WELL, away=(Away("lab", 3 * DAY_S),)), "3 days"),
    ("waiting", Level.WARNING, replace(WELL, oldest=Waiting(17, 5 * DAY_S)), "Entry 17"),
    ("notices", Level.WARNING, replace(WELL, undelivered=3), "3"),
]


def test_a_healthy_device_has_no_finding() -> None:
    assert findings(WELL) == ()


@pytest.mark.parametrize(("code", "level", "facts", "word"), TROUBLES)
def test_each_trouble_has_its_own_sentence(
    code: str, level: Level, facts: Facts, word: str
) -> None:
    (finding,) = findings(facts)
    assert (finding.code, finding.level) == (code, level)
    assert word in finding.sentence("en")
    assert finding.sentence("fr") != finding.sentence("en")


def test_a_neighbour_that_was_away_for_minutes_is_no_finding() -> None:
    assert findings(replace(WELL, away=(Away("lab", 600),), oldest=Waiting(1, DAY_S))) == ()


def test_a_disk_without_size_counts_as_full() -> None:
    (finding,) = findings(replace(WELL, free_bytes=0, total_bytes=0))
    assert finding.level is Level.URGENT


@given(
    st.builds(
        Facts,
        free_bytes=st.integers(0, 1000),
        total_bytes=st.integers(0, 1000),
        clock_trusted=st.booleans(),
        vault_reachable=st.booleans(),
        away=st.lists(st.builds(Away, st.just("lab"), st.floats(0, 1e8))).map(tuple),
        oldest=st.none() | st.builds(Waiting, st.integers(1), st.floats(0, 1e8)),
        undelivered=st.integers(0, 100),
        stopped=st.lists(st.sampled_from(["walk", "vault"])).map(tuple),
    )
)
def test_urgent_findings_stand_first(facts: Facts) -> None:
    levels = [finding.level for finding in findings(facts)]
    assert levels == sorted(levels, key=list(Level).index)


def test_a_duration_is_read_at_a_glance() -> None:
    assert lasted(5, "en") == "less than a minute"
    assert lasted(5, "fr") == "moins d'une minute"
    assert lasted(61, "fr") == "1 min"
    assert lasted(26 * 3600, "en") == "26 h"
    assert lasted(49 * 3600, "fr") == "2 jours"
