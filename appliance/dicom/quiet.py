"""DICOM libraries talk about what they handle: names, UIDs, whole data sets. Here they do not."""

import logging
import threading
import warnings
from collections.abc import Callable

from pynetdicom.dul import DULServiceProvider

MUTE = logging.CRITICAL + 1


def silence() -> None:
    """Let pydicom and pynetdicom say nothing, by log, warning or traceback, in this process.

    Their messages quote values. What is wrong with a data set is our own checks' to say, by code.
    """
    for name in ("pynetdicom", "pydicom"):
        logging.getLogger(name).setLevel(MUTE)
    for pattern in (r"pydicom(\.|$)", r"pynetdicom(\.|$)"):
        warnings.filterwarnings("ignore", module=pattern)
    if not isinstance(threading.excepthook, _Hushed):
        threading.excepthook = _Hushed(threading.excepthook)


class _Hushed:
    """A thread of pynetdicom that dies of a broken message ends its association, silently."""

    def __init__(self, others: Callable[[threading.ExceptHookArgs], object]) -> None:
        self._others = others

    def __call__(self, failure: threading.ExceptHookArgs, /) -> None:
        if not isinstance(failure.thread, DULServiceProvider):
            self._others(failure)
