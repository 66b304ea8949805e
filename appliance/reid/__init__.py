"""Results come home: judge what a partner returns, and write it under the patient's identity.

Pure: bytes and values in, bytes or a verdict out. Steps R0–R12 are those of the design's return
path; R7 (the question to the PACS) is asked by the journey, which hands in `PatientNow`.
"""

from appliance.reid.mirror import mirrored
from appliance.reid.reading import transfer_syntax
from appliance.reid.rewriting import reconcile
from appliance.reid.validation import validate
from appliance.reid.values import Expectation, PatientNow, Returned, Sent, Stamp

__all__ = [
    "Expectation",
    "PatientNow",
    "Returned",
    "Sent",
    "Stamp",
    "mirrored",
    "reconcile",
    "transfer_syntax",
    "validate",
]
