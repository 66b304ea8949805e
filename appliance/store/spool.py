"""Receive's memory: an instance that is kept is kept, whatever happens to the power.

Bytes first, record second: `objects/<seq>.dcm` is flushed and named before the journal names it,
and only a flushed record is an acknowledgement. So a reader that sees a record finds its bytes,
and what has no record was never promised to anybody.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Lock
from zlib import crc32

from appliance.errors import Unavailable
from appliance.store.arrivals import (
    Arrival,
    Batch,
    Cursor,
    Damage,
    Head,
    Note,
    Record,
    frame,
)
from appliance.store.files import (
    FILE_MODE,
    PART,
    drop,
    keep_file,
    keep_folder,
    sync_folder,
    write_all,
)
from appliance.store.journal import Journal, journal_path, numbers, object_path

__all__ = [
    "Arrival",
    "Batch",
    "Cursor",
    "Damage",
    "Head",
    "Journal",
    "Note",
    "Record",
    "Spool",
]

# The disk is full for us: nothing is broken, and room may come back. EFBIG: a limit of the process.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# Ledger and vault stand on the same partition and must go on when the spool no longer may.
# 8 % is the watermark at which receiving ends; on a large disk a gigabyte is room enough.
SPARE_PART = 0.08
SPARE_BYTES = 1024**3
NO_ROOM = "no space left for received instances: free the data partition"


class Spool:
    """The only writer of the journal. Several threads may keep at once."""

    def __init__(self, folder: Path) -> None:
        """Open the spool for receiving.

        Raises Unavailable if another process receives into it. Every start opens a journal file
        of its own; what a start before left half-written is removed.
        """
        self._folder = folder
        objects = folder / "objects"
        for part in (folder, objects, folder / "journal"):
            keep_folder(part)
        self._guard = _locked(folder)
        for path in objects.glob(f"*{PART}"):
            drop(path)
        used = [seq >> 32 for seq in numbers(objects, ".dcm")]
        self._file = 1 + max([0, *used, *numbers(folder / "journal", ".log")])
        path = journal_path(folder, self._file)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._journal = os.open(path, flags, FILE_MODE)
        sync_folder(path.parent)
        self._end = 0
        self._ordinal = 0
        self._lock = Lock()
        self._broken: OSError | None = None

    def keep(self, head: Head, chunks: Iterable[bytes]) -> Arrival:
        """Keep an instance; it survives a power cut from the moment this returns.

        Raises Unavailable if there is no room: then nothing is kept and the next call may work.
        Raises OSError if a flush failed: then nothing may be acknowledged any more, since the
        kernel may have dropped what it could not write. Every later call raises too; the
        process must end, and its next start reads what the disk really holds.
        """
        self._spare()
        seq = self._next()
        path = object_path(self._folder, seq)
        measured = _Measured(chunks)
        try:
            length = keep_file(path, measured)
        except OSError as failure:
            self._judge(failure)
            drop(path)
            raise Unavailable(NO_ROOM) from None
        arrival = Arrival(seq, head, length, measured.crc, _wall())
        try:
            self._append(arrival)
        except Unavailable:
            drop(path)
            raise
        self._sound()
        return arrival

    def note(self, kind: str, reason: str, peer: str, count: int = 1) -> Note:
        """Write down what is no arrival, as durably as one. Raises as `keep` does."""
        note = Note(self._next(), kind, reason, peer, count, _wall())
        self._append(note)
        return note

    def close(self) -> None:
        """Let the next start in. Nothing is lost without it."""
        os.close(self._journal)
        os.close(self._guard)

    def _next(self) -> int:
        with self._lock:
            self._sound()
            self._ordinal += 1
            return self._file << 32 | self._ordinal

    def _append(self, record: Arrival | Note) -> None:
        data = frame(record)
        with self._lock:
            self._sound()
            try:
                write_all(self._journal, data)
            except OSError as failure:
                self._judge(failure)
                self._take_back()
                raise Unavailable(NO_ROOM) from None
            try:
                os.fsync(self._journal)
            except OSError as failure:
                self._broken = failure
                raise
            self._end += len(data)

    def _judge(self, failure: OSError) -> None:
        """No room is a trouble that passes; anything else rises and ends the process."""
        if failure.errno not in FULL:
            self._broken = failure
            raise failure

    def _take_back(self) -> None:
        """Remove the part of a record that found room: the next record starts where it did."""
        try:
            os.ftruncate(self._journal, self._end)
        except OSError as failure:
            self._broken = failure
            raise

    def _sound(self) -> None:
        if self._broken:
            raise OSError(self._broken.errno, "the spool failed before; the process must end")

    def _spare(self) -> None:
        room = os.statvfs(self._folder)
        total, free = room.f_blocks * room.f_frsize, room.f_bavail * room.f_frsize
        if free < min(total * SPARE_PART, SPARE_BYTES):
            raise Unavailable(NO_ROOM)


class _Measured:
    """Chunks on their way to the disk, and the CRC-32 of those that passed."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.crc = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.crc = crc32(chunk, self.crc)
            yield chunk


def _locked(folder: Path) -> int:
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise Unavailable("another process receives into this spool: end it first") from None
    return handle


def _wall() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
