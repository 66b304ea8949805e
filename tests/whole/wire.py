"""A modality with bad habits: C-STORE of any bytes under any UID, as pynetdicom would never send."""

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from pydicom import config
from pydicom.dataset import Dataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, build_context
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode, split_dataset

from tests.whole.device import CALLED, CALLING, until


@contextmanager
def associated(port: int) -> Iterator[Association]:
    """An association for CT images."""
    ae = AE(ae_title=CALLING)
    ae.acse_timeout = ae.dimse_timeout = 10
    contexts = [build_context(CTImageStorage, ExplicitVRLittleEndian)]

    def called() -> Association | None:
        # A caller that went away without a word counts for some seconds: 4 are served at once.
        tried = ae.associate("127.0.0.1", port, contexts=contexts, ae_title=CALLED)
        return tried if tried.is_established else None

    association = until(called, within_s=10, often_s=0.2)
    try:
        yield association
    finally:
        association.release()


def push(association: Association, data: bytes, instance: str) -> tuple[int, str]:
    """One C-STORE; status and Error Comment of the answer."""
    request = C_STORE()
    request.MessageID, request.Priority = 7, 2
    request._affected_sop_class_uid = UID(CTImageStorage)
    request._affected_sop_instance_uid = UID(instance, validation_mode=config.IGNORE)
    request.DataSet = BytesIO(data) if data else None
    association._reactor_checkpoint.clear()
    while not association._is_paused:
        time.sleep(0.001)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that the UID is none is the point
        association.dimse.send_msg(request, 1)
    _, answer = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    assert isinstance(answer, C_STORE)
    return int(answer.Status or 0), str(answer.ErrorComment or "")


def body(path: Path) -> bytes:
    """The data set of a file as it stands."""
    _, offset = split_dataset(path)
    return path.read_bytes()[offset:]


def explicit(dataset: Dataset) -> bytes:
    """A data set as it goes over the network."""
    return encode(dataset, False, True) or b""
