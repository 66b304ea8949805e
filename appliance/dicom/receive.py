"""Receiving: C-ECHO and C-STORE for the peers of the profile, kept before they are answered.

Every instance is kept byte for byte as it was sent; 0x0000 leaves only when the spool has
flushed it. Nothing is judged here but whether it can be filed: what a project wants of it, the
walk decides later.
"""

import re
from collections.abc import Callable
from datetime import date
from threading import Condition, Thread

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import A_ASSOCIATE, SOPClassCommonExtendedNegotiation

from appliance import IMPLEMENTATION, IMPLEMENTATION_VERSION
from appliance.dicom.admission import TOO_MANY, Admission, Rejection
from appliance.dicom.guard import OFFERED_PDU, REQUEST_S, SERVED, SERVED_EACH, Door
from appliance.dicom.heads import Unreadable, identify
from appliance.dicom.quiet import silence
from appliance.dicom.refusals import Refusals
from appliance.dicom.storage import EXPLICIT, IMPLICIT, VERIFICATION, is_storage, is_uid, supported
from appliance.errors import Unavailable
from appliance.profile import Peer, Profile
from appliance.store.spool import Head, Spool

STORAGE_SERVICE = "1.2.840.10008.4.2"
# Stands for an instance UID that breaks the rule, so that its answer can be encoded at all.
UNFIT = "0"
IDLE_S = 60.0
# What is under way when we stop may still be kept and answered.
FINISH_S = 10.0
PLAIN_TEXT = re.compile(r"[ -~]*")

SUCCESS, FULL, MISMATCH, UNREADABLE = 0x0000, 0xA700, 0xA900, 0xC000
BAD_UID, WRONG_CONTEXT, NOT_ALLOWED, FAILURE = 0x0117, 0x0119, 0x0124, 0x0110
NO_STORAGE = 0x0122


class _Refused(Exception):
    """A status other than success, and the words for it."""

    def __init__(self, status: int, comment: str) -> None:
        super().__init__(comment)
        self.status = status
        self.comment = comment


class Receiver:
    """The listening side of the clinic's network.

    `today` is the day, or None while the clock is not trusted. `fatal` ends the process: it is
    called when a flush failed, and nothing is acknowledged any more.
    """

    def __init__(
        self,
        profile: Profile,
        spool: Spool,
        today: Callable[[], date | None],
        fatal: Callable[[OSError], None],
    ) -> None:
        self._listen = profile.clinic.listen
        self._admission = Admission(profile)
        self._spool = spool
        self._today = today
        self._fatal = fatal
        self._refusals = Refusals(spool)
        self._storing = 0
        self._calm = Condition()
        self._door: Door | None = None

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return self._server.server_address[1]

    def start(self) -> None:
        """Listen. Raises OSError if the address is taken."""
        silence()
        ae = AE(ae_title=self._listen.ae_title)
        ae.implementation_class_uid = IMPLEMENTATION
        ae.implementation_version_name = IMPLEMENTATION_VERSION
        ae.maximum_pdu_size = OFFERED_PDU
        ae.maximum_associations = SERVED
        ae.acse_timeout = REQUEST_S
        ae.dimse_timeout = ae.network_timeout = IDLE_S
        door = Door(
            ae,
            (self._listen.host, self._listen.port),
            self._listen.ae_title,
            [build_context(VERIFICATION, [EXPLICIT, IMPLICIT])],
            evt_handlers=[
                (evt.EVT_REQUESTED, self._requested),
                (evt.EVT_SOP_COMMON, self._services),
                (evt.EVT_DIMSE_RECV, self._message),
                (evt.EVT_C_STORE, self._store),
            ],
        )
        door.porter = self
        self._door = door
        Thread(target=door.serve_forever, name="accept", daemon=True).start()

    def stop(self) -> None:
        """Stop accepting, let what is under way be answered, end the associations."""
        door = self._server
        door.stop_accepting()
        with self._calm:
            self._calm.wait_for(lambda: not self._storing, FINISH_S)
        for association in door.active_associations:
            association.abort()
        self._refusals.finish()

    def admits(self, address: str) -> bool:
        """Whether a peer may have this address; a stranger is counted."""
        known = self._admission.knows(address)
        if not known:
            self._refuse("address unknown", address)
        return known

    def tick(self) -> None:
        """Write down counts that are due."""
        try:
            self._refusals.tick()
        except OSError as failure:
            self._fatal(failure)

    @property
    def _server(self) -> Door:
        if self._door is None:
            raise RuntimeError("the receiver was not started")
        return self._door

    def _requested(self, event: Event) -> None:
        """Before negotiation: the peer's rights, and what we support of what it proposes."""
        association = event.assoc
        called, calling = _titles(association)
        address = association.requestor.address
        peer = self._admission.peer(address, called, calling)
        if isinstance(peer, Peer) and self._server.served(address)[1] > SERVED_EACH:
            peer = TOO_MANY
        if isinstance(peer, Rejection):
            self._refuse(peer.reason, address)
            association.acse.send_reject(peer.result, peer.source, peer.diagnostic)
            association.kill()
            return
        proposed = association.requestor.requested_contexts
        association.acceptor.supported_contexts = supported(proposed)

    def _services(self, event: Event) -> dict[UID, SOPClassCommonExtendedNegotiation]:
        """Every storage class of this association, known to pynetdicom or not, is storage."""
        answer = {}
        for context in event.assoc.requestor.requested_contexts:
            sop_class = UID(str(context.abstract_syntax))
            if is_storage(sop_class):
                item = SOPClassCommonExtendedNegotiation()
                item.sop_class_uid = sop_class
                item.service_class_uid = UID(STORAGE_SERVICE)
                answer[sop_class] = item
        return answer

    def _message(self, event: Event) -> None:
        """Make a C-STORE answerable: one bad instance must not end a whole job.

        pynetdicom aborts on UIDs that it cannot encode and on classes that it does not know; and
        it would answer a C-STORE of the Verification class as an echo: with success.
        """
        if not isinstance(event.message, C_STORE_RQ):
            return
        command = event.message.command_set
        instance = str(command.get("AffectedSOPInstanceUID", "")).strip()
        command.AffectedSOPInstanceUID = instance if is_uid(instance) else UNFIT
        negotiated = {context.abstract_syntax for context in event.assoc.accepted_contexts}
        sop_class = str(command.get("AffectedSOPClassUID", ""))
        if sop_class not in negotiated or not is_storage(sop_class):
            command.AffectedSOPClassUID = STORAGE_SERVICE

    def _store(self, event: Event) -> Dataset:
        """One C-STORE: kept and flushed, or the status that says why not."""
        with self._calm:
            self._storing += 1
        try:
            self._keep(event)
        except _Refused as refused:
            return _status(refused.status, refused.comment)
        except Unavailable as full:
            return _status(FULL, full.reason)
        except OSError as failure:
            self._fatal(failure)
            return _status(FAILURE, "")
        finally:
            with self._calm:
                self._storing -= 1
                self._calm.notify_all()
        return _status(SUCCESS, "")

    def _keep(self, event: Event) -> None:
        request, context = event.request, event.context
        if not isinstance(request, C_STORE):
            raise _Refused(NO_STORAGE, "no storage request")
        called, calling = _titles(event.assoc)
        address = event.assoc.requestor.address
        peer = self._permitted(address, called, calling)
        if not is_storage(context.abstract_syntax):
            raise _Refused(NO_STORAGE, "no storage on this presentation context")
        if request.AffectedSOPInstanceUID == UNFIT:
            raise _Refused(BAD_UID, "SOP instance UID absent or against the rule")
        if request.AffectedSOPClassUID != context.abstract_syntax:
            raise _Refused(WRONG_CONTEXT, "SOP class is not that of the context")
        data = request.DataSet.getvalue() if request.DataSet else b""
        try:
            found = identify(data, context.transfer_syntax)
        except Unreadable as reason:
            raise _Refused(UNREADABLE, str(reason)) from None
        if found.sop_class != request.AffectedSOPClassUID:
            raise _Refused(MISMATCH, "SOP class differs from the data set's")
        if found.sop_instance != request.AffectedSOPInstanceUID:
            raise _Refused(MISMATCH, "SOP instance UID differs from the data set's")
        head = Head(
            study=found.study,
            series=found.series,
            sop_class=found.sop_class,
            sop_instance=found.sop_instance,
            transfer_syntax=str(context.transfer_syntax),
            patient_id=found.patient_id,
            issuer=found.issuer,
            character_set=found.character_set,
            called_ae=called,
            calling_ae=calling,
            peer=peer.name,
            address=address,
            implementation=_implementation(event.assoc),
        )
        self._spool.keep(head, [data])

    def _permitted(self, address: str, called: str, calling: str) -> Peer:
        """The peer, if it may store now: the profile was asked at the door, the day is asked here."""
        peer = self._admission.peer(address, called, calling)
        if isinstance(peer, Rejection) or "store" not in peer.may:
            raise _Refused(NOT_ALLOWED, "this peer may not store here")
        if self._admission.ended(called, self._today()):
            raise _Refused(NOT_ALLOWED, "the project of this AE title has ended")
        return peer

    def _refuse(self, reason: str, address: str) -> None:
        try:
            self._refusals.count(reason, address)
        except OSError as failure:
            self._fatal(failure)


def _titles(association: Association) -> tuple[str, str]:
    """Called and calling AE title as the peer requested them."""
    request = association.requestor.primitive
    if not isinstance(request, A_ASSOCIATE):
        return "", ""
    return (request.called_ae_title or "").strip(), (request.calling_ae_title or "").strip()


def _implementation(association: Association) -> str:
    """What software the peer says it is, in plain characters."""
    said = association.requestor
    text = said.implementation_version_name or str(said.implementation_class_uid or "")
    return text if PLAIN_TEXT.fullmatch(text) else ""


def _status(status: int, comment: str) -> Dataset:
    """The status of an answer; Error Comment (0000,0902) holds no data of the instance."""
    answer = Dataset()
    answer.Status = status
    if comment:
        answer.ErrorComment = comment[:64]
    return answer
