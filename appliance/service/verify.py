"""`appliance verify`: audit chain, journal checksums, ledger against spool. Reads only."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from appliance.errors import Refusal, Unavailable
from appliance.store.entry import Kind, State
from appliance.store.journal import Journal
from appliance.store.ledger_view import LedgerView
from appliance.store.vault import Vault
from appliance.store.vault_door import VaultClient

WITH_SPLICES = (State.PSEUDONYMISED, State.DELIVERED, State.CONFIRMED)


def verified(data: Path) -> list[str]:
    """What is wrong in a data folder, in sentences; empty when nothing is."""
    return [*audit(data), *Journal(data / "spool").check(), *ledger(data)]


def audit(data: Path) -> Iterator[str]:
    """The chain, asked of the running vault, or read directly when none runs."""
    if not (data / "vault" / "vault.db").exists():
        return
    try:
        with closing(VaultClient(data / "run" / "vault.sock")) as client:
            yield from client.verify()
    except Unavailable:
        with closing(Vault(data / "vault")) as vault:
            yield from vault.verify(None)


def ledger(data: Path) -> Iterator[str]:
    """Whatever the ledger counts on must stand on the disk."""
    journal = Journal(data / "spool")
    try:
        view = LedgerView(data / "ledger" / "ledger.db")
        for seq in sorted(view.arrivals_known()):
            if not journal.path(seq).exists():
                yield f"arrival {seq:x}: its bytes are gone"
        for entry in view.entries(WITH_SPLICES, (Kind.PARCEL,)):
            if not (data / "ledger" / "parcels" / f"{entry.id}.spl").exists():
                yield f"parcel {entry.id}: its splices are gone"
    except Refusal as refusal:
        yield refusal.reason
