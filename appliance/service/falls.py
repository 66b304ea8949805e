"""How a failure without a word is told: what kind and where in the code, never what it says.

The message of a KeyError is the key, and the key may be a patient.
"""

import os
import re
import sys
import threading
from collections.abc import Iterator
from traceback import walk_tb

# How a worker's traceback comes back from its process: as text.
_FRAME = re.compile(r'^  File "([^"\n]+)", line (\d+), in (\S+)$', re.MULTILINE)
# The innermost frames say enough.
MOST_FRAMES = 20


def told(error: BaseException) -> str:
    """The kinds of an error and of its causes, each with the places that it came through."""
    lines = []
    while error is not None:
        places = [f"  {file}:{line} in {name}" for file, line, name in _frames(error)]
        lines += [f"appliance: {type(error).__name__}{_number(error)}", *places[-MOST_FRAMES:]]
        cause = error.__cause__ or error.__context__
        if cause is None:
            break
        error = cause
    return "\n".join(lines) + "\n"


def tell(error: BaseException) -> None:
    """Say it on stderr."""
    sys.stderr.write(told(error))
    sys.stderr.flush()


def tell_without_values() -> None:
    """Let this process fall silently about whom it worked on, whichever thread it is."""
    sys.excepthook = lambda _kind, error, _trace: tell(error)
    threading.excepthook = lambda fallen: tell(fallen.exc_value) if fallen.exc_value else None


def _number(error: BaseException) -> str:
    """What the system or SQLite calls it: fixed words, no value."""
    if isinstance(error, OSError) and error.errno is not None:
        return f" ({os.strerror(error.errno)})"
    name = str(getattr(error, "sqlite_errorname", ""))
    return f" ({name})" if name else ""


def _frames(error: BaseException) -> Iterator[tuple[str, str, str]]:
    if type(error).__name__ == "_RemoteTraceback":
        yield from _FRAME.findall(str(error))
        return
    for frame, line in walk_tb(error.__traceback__):
        yield frame.f_code.co_filename, str(line), frame.f_code.co_name
