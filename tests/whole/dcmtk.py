"""dcmtk's programs, as a clinic's own software would call."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.whole.device import CALLED, CALLING

_STATUS = re.compile(r"Received Store Response \(([^)]*)\)")


def dcmtk(program: str, *words: object) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end."""
    return subprocess.run(
        [program, *map(str, words)], capture_output=True, text=True, errors="replace", timeout=60
    )


def storescu_words(port: int, files: Sequence[Path], called: str = CALLED) -> list[str]:
    """storescu with these files, one association, in their order, also after a refusal."""
    names = [str(path) for path in files]
    return [
        "storescu",
        "-v",
        "-nh",
        "-aet",
        CALLING,
        "-aec",
        called,
        "127.0.0.1",
        str(port),
        *names,
    ]


def storescu(port: int, files: Sequence[Path], called: str = CALLED) -> list[str]:
    """Push files; the status words of the answers, in their order."""
    program, *words = storescu_words(port, files, called)
    return statuses(dcmtk(program, *words).stderr)


def statuses(said: str) -> list[str]:
    """The status words in what storescu said; `Success` is an acknowledgement."""
    return _STATUS.findall(said)
