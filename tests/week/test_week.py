"""The hold rate: an ordinary week asks hardly anything of people, loses nothing, and ends.

Whoever finds his morning page full stops reading it. So at most one study in twenty waits for a
person, and what waits has one button that leads on.
"""

from pathlib import Path

import pytest

from appliance.store.entry import Entry, Kind, State
from tests.week.hospital import ROOT, hospital
from tests.week.table import held_objects, sums, table

MOST_HELD = 0.05
ENDS = {
    Kind.INTAKE: (State.FROZEN, State.EXCLUDED),
    Kind.PARCEL: (State.CONFIRMED, State.EXCLUDED, State.REPEATED),
}


def ended(entry: Entry) -> bool:
    """Whether nothing will happen to it any more until it is purged; a registry keeps its copies."""
    kept = entry.state is State.PSEUDONYMISED and not entry.partner
    return kept or entry.state in ENDS[entry.kind]


@pytest.mark.timeout(120)  # forty studies, eight days of ticks: about ten seconds
def test_an_ordinary_week_asks_for_little_loses_nothing_and_comes_to_its_end(
    tmp_path: Path,
) -> None:
    with hospital(tmp_path) as one:
        one.live()
        week = one.week.studies
        assert len(week) == 40
        assert len({study.modality for study in week}) == 12
        waiting = one.waiting()
        assert len(waiting) <= MOST_HELD * len(week), table(one)
        assert [study for study in waiting if not study.mishap] == [], "only mishaps are held"
        assert [study for study in week if study.mishap] == waiting, "and all of them are"
        assert one.quarantined() == 0
        assert one.lost() == []
        assert held_objects(one) == sum(
            len(sending.instances) for study in waiting for sending in study.sendings
        )
        shown = (ROOT / "docs" / "week.md").read_text()
        assert table(one) in shown, "print it anew: .venv/bin/python -m tests.week"
        assert sums(one) in shown
        one.press()
        assert [
            (entry.kind, entry.state, entry.code) for entry in one.box.entries() if not ended(entry)
        ] == []
        assert one.lost() == []
        assert one.quarantined() == 0
