"""What a step may reach: the ledger, the vault, the spool, the clinic, the partners, the workers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from appliance.dicom import find, send
from appliance.dicom.find import StudyMatch
from appliance.dicom.send import Instance
from appliance.partner.dicomweb import DicomWeb
from appliance.profile import Peer, Profile
from appliance.store.ledger import Ledger
from appliance.store.spool import Journal
from appliance.store.vault_door import VaultClient
from appliance.timing import ABSENT_RETRY_S, Now

Given = TypeVar("Given")
Made = TypeVar("Made")


class Workers(Protocol):
    """Stateless work, each piece by itself; results in the order of the pieces."""

    def run(self, work: Callable[[Given], Made], pieces: Sequence[Given]) -> list[Made | None]:
        """`None` stands for a piece whose worker died or took too long."""
        ...


@dataclass(frozen=True)
class Clinic:
    """The clinical side, asked under the device's own AE title."""

    ae_title: str

    def study(self, peer: Peer, study: str) -> tuple[StudyMatch, ...]:
        """C-FIND STUDY."""
        return find.study(peer, self.ae_title, study)

    def images(self, peer: Peer, study: str, series: str) -> frozenset[str] | None:
        """C-FIND IMAGE; nothing where the peer does not answer that level."""
        return find.images(peer, self.ae_title, study, series)

    def series_counts(self, peer: Peer, study: str) -> Mapping[str, int | None]:
        """C-FIND SERIES: how many instances each series has, as far as the peer tells."""
        return find.series_counts(peer, self.ae_title, study)

    def store(self, peer: Peer, instances: Sequence[Instance]) -> Mapping[str, int]:
        """C-STORE; the status of each instance."""
        return send.store(peer, self.ae_title, instances)


@dataclass(frozen=True)
class Doors:
    """Everything outside that a step of the walk touches; built once by the service."""

    profile: Profile
    digest: str
    folder: Path
    ledger: Ledger
    journal: Journal
    vault: VaultClient
    clinic: Clinic
    partners: Mapping[str, DicomWeb]
    workers: Workers

    def parcel_file(self, entry: int) -> Path:
        """Where the splices of a parcel lie."""
        return self.folder / "ledger" / "parcels" / f"{entry}.spl"

    def home_file(self, entry: int, number: int, kind: str) -> Path:
        """Where a returned instance lies: as it came (`dcm`) or reconciled (`home.dcm`)."""
        return self.folder / "ledger" / "home" / str(entry) / f"{number}.{kind}"

    def causes(self, now: Now) -> Mapping[str, str]:
        """What holds may depend on, as it stands now; a change of it lets them try again."""
        return {
            # Who may take part stands in the vault and in the profile's projects.
            "vault": f"{self.vault.generation()} {self.digest}",
            "profile": self.digest,
            "clock": str(now.trusted),
            "neighbour": str(int(now.device_s // ABSENT_RETRY_S)),
        }
