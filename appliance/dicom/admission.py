"""Who may come in, and for what: the profile's word on an address, two AE titles and a day."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from appliance.dossier import Dossier, expired
from appliance.dossier import read as read_dossier
from appliance.profile import Peer, Profile


@dataclass(frozen=True)
class Rejection:
    """An A-ASSOCIATE-RJ (PS3.8 9.3.4) and the word under which it is counted."""

    result: int
    source: int
    diagnostic: int
    reason: str


CALLED_AE = Rejection(1, 1, 7, "called AE title unknown")
CALLING_AE = Rejection(1, 1, 3, "calling AE title unknown")
TOO_MANY = Rejection(2, 3, 2, "too many associations")


class Admission:
    """The profile's rules about peers, read once."""

    def __init__(self, profile: Profile) -> None:
        self._peers = [
            (ipaddress.ip_network(peer.host, strict=False), peer) for peer in profile.clinic.peers
        ]
        self._called = profile.called_aes()
        self._calling = {
            project.route.called_ae: frozenset(project.route.calling_ae)
            for project in profile.projects
            if project.route.called_ae and project.route.calling_ae
        }
        self._dossiers: Mapping[str, Dossier] = {
            project.route.called_ae: read_dossier(project.dossier)
            for project in profile.projects
            if project.route.called_ae
        }

    def knows(self, address: str) -> bool:
        """Whether any peer may have this address; others do not get a byte of us."""
        return bool(self._at(address))

    def peer(self, address: str, called: str, calling: str) -> Peer | Rejection:
        """The one peer that calls, or how it is turned away."""
        if called not in self._called:
            return CALLED_AE
        if calling not in self._calling.get(called, {calling}):
            return CALLING_AE
        for peer in self._at(address):
            if peer.ae_title == calling:
                return peer
        return CALLING_AE

    def ended(self, called: str, today: date | None) -> bool:
        """Whether the project behind a called AE title has ended; never by an untrusted clock."""
        dossier = self._dossiers.get(called)
        return dossier is not None and today is not None and expired(dossier, today)

    def _at(self, address: str) -> list[Peer]:
        place = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(place, ipaddress.IPv6Address) and place.ipv4_mapped:
            place = place.ipv4_mapped
        return [peer for network, peer in self._peers if place in network]
