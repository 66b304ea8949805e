"""What the vault chains into the audit: events of ledger, console and journal, by cursor."""

from collections.abc import Mapping, Sequence

from appliance.store.arrivals import Cursor, Note
from appliance.store.audit import Source
from appliance.store.decisions import DecisionsView
from appliance.store.journal import Journal
from appliance.store.ledger_view import LedgerView

EVENTS = 500
Fields = Mapping[str, object]


def ledger(view: LedgerView) -> Source:
    """Every move of an entry, and every decision as it was carried out."""

    def since(cursor: str) -> tuple[Sequence[Fields], str]:
        events = view.events_since(int(cursor or 0), EVENTS)
        entries = [
            {"event": event.kind, "entry": event.entry, "at": event.wall, **event.detail}
            for event in events
        ]
        return entries, str(events[-1].number) if events else cursor

    return Source("ledger", since)


def decisions(view: DecisionsView) -> Source:
    """Who decided what; who signed in."""

    def since(cursor: str) -> tuple[Sequence[Fields], str]:
        decided, _, signed = cursor.partition(" ")
        made = view.since(int(decided or 0))
        signings = view.signings_since(int(signed or 0))
        entries: list[Fields] = [
            {"event": f"console.{one.verb}", "entry": one.entry, "who": one.person, "at": one.wall}
            for _, one in made
        ]
        entries += [
            {"event": f"console.sign-{one.what}", "who": one.person, "at": one.wall}
            for _, one in signings
        ]
        last = made[-1][0] if made else int(decided or 0)
        last_signing = signings[-1][0] if signings else int(signed or 0)
        return entries, f"{last} {last_signing}" if entries else cursor

    return Source("console", since)


def journal(reader: Journal) -> Source:
    """Whom the clinic's door refused, and how often."""

    def since(cursor: str) -> tuple[Sequence[Fields], str]:
        file, _, offset = cursor.partition(" ")
        batch = reader.since(Cursor(int(file or 0), int(offset or 0)), EVENTS)
        entries: list[Fields] = [
            {
                "event": f"receive.{record.kind}",
                "reason": record.reason,
                "peer": record.peer,
                "count": record.count,
                "at": record.wall,
            }
            for record in batch.records
            if isinstance(record, Note)
        ]
        return entries, f"{batch.cursor.file} {batch.cursor.offset}"

    return Source("journal", since)
