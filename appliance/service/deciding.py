"""What a person decides at the command line, and how the command line describes an entry."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from appliance.errors import CODES, Undecided
from appliance.service import clock
from appliance.store.decisions import Decision, Decisions, hold_of
from appliance.store.entry import Entry, State
from appliance.store.ledger_view import LedgerView


def decide(data: Path, decision: Decision) -> None:
    """Write a decision for the walk, if the entry waits for just that.

    Raises:
        Undecided: nothing waits under this number, it offers something else, or is decided.
    """
    entry = LedgerView(data / "ledger" / "ledger.db").entry(decision.entry)
    if entry is None or entry.state is not State.HELD:
        raise Undecided("review", f"entry {decision.entry} does not wait: see `appliance held`")
    offers = CODES[entry.code].offers if entry.code in CODES else ()
    if decision.verb not in offers:
        words = ", ".join(offers) or "nothing: mend the cause"
        raise Undecided("review", f"entry {entry.id} ({entry.code}) offers {words}")
    with closing(Decisions(data / "console" / "console.db")) as decisions:
        noted = decisions.note(
            replace(decision, hold=hold_of(entry), wall=clock.wall().isoformat())
        )
    if noted is None:
        raise Undecided("review", f"somebody has decided entry {entry.id} already")


def described(entry: Entry) -> Mapping[str, str | int | list[str]]:
    """An entry without anything that names the clinic's patient or study."""
    return {
        "entry": entry.id,
        "kind": entry.kind.value,
        "state": entry.state.value,
        "project": entry.project,
        "partner": entry.partner,
        "n": entry.n,
        "count": entry.members,
        "code": entry.code,
        "reason": entry.reason,
        "since": entry.wall_since,
        "offers": list(CODES[entry.code].offers) if entry.code in CODES else [],
    }
