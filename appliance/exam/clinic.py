"""The synthetic clinic: a modality that sends studies, and the PACS where results come home."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from socketserver import BaseServer
from threading import Thread
from types import TracebackType
from typing import Self

from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, evt
from pynetdicom.transport import ThreadedAssociationServer

from appliance.errors import Unavailable
from appliance.exam.material import MadeStudy, coerced
from appliance.exam.pacs import Pacs
from appliance.exam.traits import Trait

# Long enough to be seen in a trace, short enough for an exam of seconds.
SLOW_S = 0.05
# An exam runs on one machine; nobody there may be silent for longer.
SILENCE_S = 15
POLL_S = 0.05

_STORED = 0x0000
_STORED_WITH_WARNING = 0xB007
_NO_SUCH_LEVEL = 0xA900
_MATCH = 0xFF00
_VERIFICATION = "1.2.840.10008.1.1"
_FIND_BY_PATIENT = "1.2.840.10008.5.1.4.1.2.1.1"
_FIND_BY_STUDY = "1.2.840.10008.5.1.4.1.2.2.1"
_UNCOMPRESSED = [ImplicitVRLittleEndian, ExplicitVRLittleEndian]


@dataclass(frozen=True)
class Node:
    """Where a DICOM node listens and what it is called."""

    host: str
    port: int
    ae_title: str


class _Door(ThreadedAssociationServer):
    """pynetdicom's server, run by our own thread and not by its AE."""

    def shutdown(self) -> None:
        BaseServer.shutdown(self)
        self.server_close()


class SyntheticClinic:
    """A clinic on loopback; `with` starts and ends its PACS, `pacs` is what that has in memory.

    `box_ae` is the one AE title that a clinic of the trait `one-ae` knows.
    """

    def __init__(
        self,
        traits: frozenset[Trait] = frozenset(),
        ae_title: str = "PACS",
        box_ae: str = "RESEARCHPACS",
        port: int = 0,
    ) -> None:
        self.pacs = Pacs()
        self.traits = traits
        self.ae_title = ae_title
        self._box_ae = box_ae
        self._listener = self._archive()
        self._server = self._listener.make_server(
            ("127.0.0.1", port),
            evt_handlers=[(evt.EVT_C_STORE, self._keep), (evt.EVT_C_FIND, self._find)],
            server_class=_Door,
        )
        self.node = Node("127.0.0.1", self._server.server_address[1], ae_title)
        self._thread = Thread(target=self._server.serve_forever, args=(POLL_S,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """The PACS listens no more; what it has stays readable."""
        self._listener.shutdown()
        self._server.shutdown()
        self._thread.join()

    def send(self, study: MadeStudy, to: Node, calling_ae: str = "CT1") -> dict[str, int]:
        """The PACS has the study, and the modality sends it to the box: status by SOP instance.

        Raises:
            Unavailable: the box refuses the association, or hangs up.
        """
        self.pacs.has(study.instances)
        answers = self._sent(study.instances, to, calling_ae)
        if Trait.COERCES in self.traits:
            again = self._sent(coerced(study).instances, to, self.ae_title)
            answers = {uid: status or again[uid] for uid, status in answers.items()}
        return answers

    def _sent(self, instances: Iterable[Dataset], to: Node, calling_ae: str) -> dict[str, int]:
        alone = Trait.ONE_ASSOCIATION_PER_INSTANCE in self.traits
        jobs = [[one] for one in instances] if alone else [list(instances)]
        answers: dict[str, int] = {}
        for job in jobs:
            answers |= self._one_association(job, to, calling_ae)
        return answers

    def _one_association(self, job: list[Dataset], to: Node, calling_ae: str) -> dict[str, int]:
        sender = AE(calling_ae)
        sender.acse_timeout = sender.dimse_timeout = sender.network_timeout = SILENCE_S
        for sop_class in sorted({str(one.SOPClassUID) for one in job}):
            sender.add_requested_context(sop_class, _UNCOMPRESSED[::-1])
        called = self._box_ae if Trait.ONE_AE in self.traits else to.ae_title
        association = sender.associate(to.host, to.port, ae_title=called)
        if not association.is_established:
            raise Unavailable("the box refused the association of the synthetic clinic")
        answers: dict[str, int] = {}
        for one in job:
            self._dawdle()
            answer = association.send_c_store(one)
            if "Status" not in answer:
                association.abort()
                raise Unavailable("the box hung up on the synthetic clinic")
            answers[str(one.SOPInstanceUID)] = int(answer.Status)
        association.release()
        return answers

    def _archive(self) -> AE:
        listener = AE(self.ae_title)
        listener.acse_timeout = listener.dimse_timeout = listener.network_timeout = SILENCE_S
        syntaxes = _UNCOMPRESSED if Trait.REFUSES_PRIVATE in self.traits else ALL_TRANSFER_SYNTAXES
        for context in AllStoragePresentationContexts:
            listener.add_supported_context(str(context.abstract_syntax), list(syntaxes))
        for service in (_VERIFICATION, _FIND_BY_PATIENT, _FIND_BY_STUDY):
            listener.add_supported_context(service)
        if Trait.ONE_AE in self.traits:
            listener.require_calling_aet = [self._box_ae]
            listener.require_called_aet = True
        return listener

    def _keep(self, event: evt.Event) -> int:
        self._dawdle()
        self.pacs.keep(event.encoded_dataset())
        return _STORED_WITH_WARNING if Trait.B007 in self.traits else _STORED

    def _find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        query = event.identifier
        if query.QueryRetrieveLevel == "IMAGE" and Trait.NO_IMAGE_FIND in self.traits:
            yield _NO_SUCH_LEVEL, None
            return
        for answer in self.pacs.find(query):
            self._dawdle()
            yield _MATCH, answer

    def _dawdle(self) -> None:
        if Trait.SLOW in self.traits:
            time.sleep(SLOW_S)
