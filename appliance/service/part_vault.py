"""The vault's process: identities behind a socket; it loads no network library."""

from pathlib import Path
from threading import Event, Thread

from appliance.errors import Unavailable
from appliance.service import sources
from appliance.service.place import Place
from appliance.service.supervisor import tell_ready
from appliance.store import vault_door
from appliance.store.decisions import DecisionsView
from appliance.store.journal import Journal
from appliance.store.ledger_view import LedgerView
from appliance.store.vault_door import VaultClient


def run_vault(place: Place, stop: Event) -> None:
    """The only process with the root key."""
    place.socket.parent.mkdir(parents=True, exist_ok=True)
    Thread(target=ready_when_listening, args=(place.socket, stop), daemon=True).start()
    told = (
        sources.ledger(LedgerView(place.ledger)),
        sources.decisions(DecisionsView(place.console)),
        sources.journal(Journal(place.spool)),
    )
    vault_door.serve(place.data / "vault", place.socket, told, stop)


def ready_when_listening(socket: Path, stop: Event) -> None:
    """Say ready once the vault answers."""
    client = VaultClient(socket)
    while not stop.wait(0.05):
        try:
            client.generation()
        except Unavailable:
            continue
        tell_ready("vault")
        break
    client.close()
