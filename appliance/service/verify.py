"""`appliance verify`: audit chain, journal checksums, ledger against spool. Reads only."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from sqlite3 import DatabaseError

from appliance.errors import Refusal, Unavailable
from appliance.store.arrivals import Arrival, Cursor
from appliance.store.entry import Kind, State
from appliance.store.journal import Journal
from appliance.store.ledger_view import LedgerView
from appliance.store.schema import damaged, intact, read_only
from appliance.store.vault import Vault
from appliance.store.vault_door import VaultClient

WITH_SPLICES = (State.PSEUDONYMISED, State.DELIVERED, State.CONFIRMED)
RECORDS = 1_000


def verified(data: Path) -> list[str]:
    """What is wrong in a data folder, in sentences; empty when nothing is."""
    problems = [*audit(data), *Journal(data / "spool").check()]
    for part in (console, ledger):
        try:
            problems += part(data)
        except Refusal as refusal:
            problems.append(refusal.reason)
    return problems


def audit(data: Path) -> Iterator[str]:
    """The chain, asked of the running vault, or read directly when none runs."""
    folder = data / "vault"
    if not (folder / "vault.db").exists() and not (folder / "audit.db").exists():
        return
    try:
        with closing(VaultClient(data / "run" / "vault.sock")) as client:
            yield from client.verify()
    except Unavailable:
        try:
            with closing(Vault(folder)) as vault:
                yield from vault.verify(None)
        except (Refusal, Unavailable) as shut:
            yield shut.reason


def console(data: Path) -> Iterator[str]:
    """Every page of the console's file can be read."""
    yield from whole(data / "console" / "console.db")


def ledger(data: Path) -> Iterator[str]:
    """Whatever the ledger counts on must stand on the disk."""
    path = data / "ledger" / "ledger.db"
    broken = list(whole(path))
    yield from broken
    if broken:
        return
    journal = Journal(data / "spool")
    view = LedgerView(path)
    named = set(recorded(journal))
    for seq in sorted(view.arrivals_known()):
        if not journal.path(seq).exists():
            yield f"arrival {seq:x}: its bytes are gone"
        if seq not in named:
            yield f"arrival {seq:x}: the ledger knows it, the journal has lost its record"
    for entry in view.entries((*WITH_SPLICES, State.HELD), (Kind.PARCEL,)):
        if entry.state is State.HELD and entry.resume not in WITH_SPLICES:
            continue
        if not (data / "ledger" / "parcels" / f"{entry.id}.spl").exists():
            yield f"parcel {entry.id}: its splices are gone"


def whole(path: Path) -> Iterator[str]:
    """Nothing, or the one sentence about a file that is damaged.

    Raises:
        Refusal: D11, it is no database at all.
    """
    if not path.exists():
        return
    with closing(read_only(path)) as connection:
        try:
            sound = intact(connection)
        except DatabaseError:
            sound = False
    if not sound:
        yield damaged(path).reason


def recorded(journal: Journal) -> Iterator[int]:
    """The sequence numbers of all arrivals of which the journal has the record."""
    cursor = Cursor.START
    while (batch := journal.since(cursor, RECORDS)).records:
        cursor = batch.cursor
        yield from (record.seq for record in batch.records if isinstance(record, Arrival))
