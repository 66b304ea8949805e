"""A file that is whole or absent, whatever happens to the power.

The order is the law: bytes, flush of the bytes, name, flush of the folder. A rename alone does
not survive a power cut, and a flush of the bytes alone leaves a file without a name.
"""

import os
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

# Readable by the walk's group; never by others: the bytes name a patient.
FILE_MODE = 0o660
FOLDER_MODE = 0o770
PART = ".part"


def keep_file(path: Path, chunks: Iterable[bytes]) -> int:
    """Write the chunks to `path`, durably when it returns; the length in bytes.

    A reader sees the old file, or none, or the whole new one. Raises OSError as it comes; then
    nothing new is at `path`, unless the flush of the folder itself failed.
    """
    part = path.with_name(path.name + PART)
    with ExitStack() as undo:
        undo.callback(drop, part)
        length = _write(part, chunks)
        part.replace(path)
        undo.pop_all()
    sync_folder(path.parent)
    return length


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def keep_folder(path: Path) -> None:
    """Make a folder and its missing parents, durably when it returns.

    A folder that stands already is flushed all the same: who made it may have been cut off.
    """
    if not path.parent.is_dir():
        keep_folder(path.parent)
    path.mkdir(mode=FOLDER_MODE, exist_ok=True)
    sync_folder(path.parent)


def drop(path: Path) -> None:
    """Remove a file that nobody was promised; nothing to do if it is not there."""
    path.unlink(missing_ok=True)


def write_all(handle: int, data: bytes) -> None:
    """Write all bytes; the kernel may take fewer than it is given."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _write(part: Path, chunks: Iterable[bytes]) -> int:
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    length = 0
    try:
        for chunk in chunks:
            write_all(handle, chunk)
            length += len(chunk)
        os.fsync(handle)
    finally:
        os.close(handle)
    return length
