"""Is a peer there? C-ECHO."""

from pynetdicom import build_context

from appliance.dicom.asking import association, lost
from appliance.dicom.storage import EXPLICIT, IMPLICIT, VERIFICATION
from appliance.errors import Unavailable
from appliance.profile import Peer


def echo(peer: Peer, calling_ae: str) -> None:
    """Return if the peer answers. Raises Unavailable, with the reason, if it does not."""
    with association(
        peer, calling_ae, [build_context(VERIFICATION, [EXPLICIT, IMPLICIT])]
    ) as opened:
        if not opened.is_established:
            raise Unavailable(f"peer {peer.name} refuses verification")
        status = opened.send_c_echo().get("Status")
    if status is None:
        raise lost(peer)
    if status:
        raise Unavailable(f"peer {peer.name} answers an echo with status 0x{status:04X}")
