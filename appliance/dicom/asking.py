"""One association of ours with a peer, opened and always closed again."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext

from appliance import IMPLEMENTATION, IMPLEMENTATION_VERSION
from appliance.dicom.guard import OFFERED_PDU
from appliance.dicom.quiet import silence
from appliance.errors import Unavailable
from appliance.profile import Peer

CONNECT_S = 10.0
NEGOTIATE_S = 15.0
# An archive that fetches from tape, or stores a large instance, may take its time for an answer.
ANSWER_S = 120.0


@contextmanager
def association(
    peer: Peer, calling_ae: str, contexts: Sequence[PresentationContext]
) -> Iterator[Association]:
    """An established association; it may have accepted none of the contexts.

    Raises Unavailable if the peer cannot be reached, rejects or aborts.
    """
    silence()
    sockets: list[socket.socket] = []
    if peer.port is None:
        raise Unavailable(f"peer {peer.name} has no port in the profile: add clinic.peers.port")
    ae = AE(ae_title=calling_ae)
    ae.implementation_class_uid = IMPLEMENTATION
    ae.implementation_version_name = IMPLEMENTATION_VERSION
    ae.connection_timeout = CONNECT_S
    ae.acse_timeout = NEGOTIATE_S
    ae.dimse_timeout = ae.network_timeout = ANSWER_S
    try:
        opened = ae.associate(
            peer.host,
            peer.port,
            contexts=list(contexts),
            ae_title=peer.ae_title,
            max_pdu=OFFERED_PDU,
            evt_handlers=[(evt.EVT_CONN_OPEN, _at_once, [sockets])],
        )
    except OSError:
        raise Unavailable(f"peer {peer.name} has no address that answers") from None
    try:
        if opened.is_rejected:
            raise Unavailable(f"peer {peer.name} rejects the association: check AE titles there")
        if not opened.is_established and not opened.rejected_contexts:
            raise Unavailable(f"peer {peer.name} cannot be reached, or ends the association")
        yield opened
    finally:
        if opened.is_established:
            opened.release()
        for one in sockets:
            # pynetdicom leaves a connection open that the peer has reset.
            one.close()


def lost(peer: Peer) -> Unavailable:
    """The peer gave no answer, or none that can be read."""
    return Unavailable(f"peer {peer.name} did not answer in time, or ended the association")


def _at_once(event: Event, sockets: list[socket.socket]) -> None:
    """Small messages leave at once: with Nagle each waits for the other side's delayed ACK."""
    transport = event.assoc.dul.socket
    if transport is not None and transport.socket is not None:
        transport.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets.append(transport.socket)
