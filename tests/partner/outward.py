"""What tests send to a partner: a real CT slice, in pieces, as splices come."""

from pathlib import Path

import pydicom

from appliance.partner.dicomweb import Outgoing
from appliance.profile import Basic, Bearer, NoAuth, Partner, StowRs

CT = (Path(pydicom.__file__).parent / "data/test_files/CT_small.dcm").read_bytes()
SOP_CLASS = "1.2.840.10008.5.1.4.1.1.2"
SOP = "1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322"
SERIES = "1.3.6.1.4.1.5962.1.3.1.1.20040119072730.12322"
STUDY = "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322"


def partner_at(url: str, auth: NoAuth | Basic | Bearer | None = None) -> Partner:
    return Partner(name="lab", send=StowRs(kind="stow-rs", url=url, auth=auth or NoAuth()))


def outgoing(data: bytes = CT, sop: str = SOP, study: str = STUDY) -> Outgoing:
    pieces = (memoryview(data)[at : at + 1000] for at in range(0, len(data), 1000))
    return Outgoing(SOP_CLASS, sop, study, pieces, len(data))
