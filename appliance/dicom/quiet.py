"""DICOM libraries talk about what they handle: names, UIDs, whole data sets. Here they do not."""

import logging
import warnings

MUTE = logging.CRITICAL + 1


def silence() -> None:
    """Let pydicom and pynetdicom say nothing, by log or warning, in this process.

    Their warnings quote values. What is wrong with a data set is our own checks' to say, by code.
    """
    for name in ("pynetdicom", "pydicom"):
        logging.getLogger(name).setLevel(MUTE)
    for pattern in (r"pydicom(\.|$)", r"pynetdicom(\.|$)"):
        warnings.filterwarnings("ignore", module=pattern)
