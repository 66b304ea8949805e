"""Where an appliance lives, and what it says when somebody else is there already."""

import os
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import Problem, ProfileError
from appliance.profile import Profile


@dataclass(frozen=True)
class Place:
    """Where this appliance lives: its profile and its data folder."""

    profile: Profile
    data: Path

    @property
    def spool(self) -> Path:
        """Receive's folder."""
        return self.data / "spool"

    @property
    def ledger(self) -> Path:
        """The walk's file."""
        return self.data / "ledger" / "ledger.db"

    @property
    def console(self) -> Path:
        """The console's file."""
        return self.data / "console" / "console.db"

    @property
    def socket(self) -> Path:
        """The vault's door."""
        return self.data / "run" / "vault.sock"


def shut(where: str, port: int, error: OSError) -> ProfileError:
    """A port that we cannot have."""
    reason = os.strerror(error.errno or 0)
    what = f"port {port} cannot be opened ({reason}); end what uses it, or choose another"
    return ProfileError([Problem(where, what)])
