"""Looks at the device for the morning page and `appliance status`; `health` judges what is seen."""

from collections.abc import Sequence
from pathlib import Path
from shutil import disk_usage

from appliance import health
from appliance.errors import Unavailable
from appliance.health import Away, Facts, Finding, Waiting
from appliance.profile import Profile
from appliance.service import clock
from appliance.store.entry import Entry, State
from appliance.store.ledger_view import LedgerView
from appliance.store.vault_door import VaultClient


def findings(profile: Profile, data: Path, view: LedgerView) -> Sequence[Finding]:
    """What a person should know about this device now."""
    now_s = view.device_s()
    disk = disk_usage(data)
    held = view.entries((State.HELD,))
    oldest = min(held, key=lambda entry: entry.since_s, default=None)
    return health.findings(
        Facts(
            free_bytes=disk.free,
            total_bytes=disk.total,
            clock_trusted=clock.trusted(profile),
            vault_reachable=answers(data / "run" / "vault.sock"),
            away=away(view.waiting(), now_s),
            oldest=None if oldest is None else Waiting(oldest.id, now_s - oldest.since_s),
            undelivered=view.undelivered_messages(),
        )
    )


def answers(socket: Path) -> bool:
    """Whether the vault is there."""
    client = VaultClient(socket, wait_s=2.0)
    try:
        client.generation()
    except Unavailable:
        return False
    finally:
        client.close()
    return True


def away(waiting: Sequence[Entry], now_s: float) -> tuple[Away, ...]:
    """The neighbours that entries have been waiting for, each with its longest wait."""
    longest: dict[str, float] = {}
    for entry in waiting:
        if entry.waiting_since is not None:
            name = entry.partner or entry.peer
            longest[name] = max(longest.get(name, 0.0), now_s - entry.waiting_since)
    return tuple(Away(name, age) for name, age in sorted(longest.items()))
