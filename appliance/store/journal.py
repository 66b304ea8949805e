"""The reader of the journal: it tails what receive wrote, by cursor. Tailing is replay.

Files are read in their order; a file is complete as soon as the next one stands, because
receive starts a new file at every start and never opens an old one again. Reading is
repeatable. The walk alone erases: an instance when the last parcel over it is purged, a journal
file when everything it names is erased.
"""

import os
from itertools import islice
from pathlib import Path
from zlib import crc32

from appliance.errors import Refusal
from appliance.store.arrivals import (
    HEADER,
    MOST_PAYLOAD,
    Arrival,
    Batch,
    Cursor,
    Damage,
    Record,
    frames,
    torn,
)
from appliance.store.files import drop, sync_folder

# One look takes at most so much of a file; heads are small, so this is some ten thousand.
MOST_BYTES = 8 * 1024 * 1024
CHUNK = 1024 * 1024


def journal_path(folder: Path, file: int) -> Path:
    """Where a journal file stands; its name is a number of ours."""
    return folder / "journal" / f"{file:016x}.log"


def object_path(folder: Path, seq: int) -> Path:
    """Where the bytes of an arrival stand."""
    return folder / "objects" / f"{seq:016x}.dcm"


def numbers(folder: Path, suffix: str) -> list[int]:
    """The numbers that name the files of a folder, ascending; other names are not ours."""
    found = []
    for path in folder.glob(f"*{suffix}"):
        try:
            found.append(int(path.name.removesuffix(suffix), 16))
        except ValueError:
            continue
    return sorted(found)


class Journal:
    """What has arrived: records by cursor, bytes by sequence number."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def since(self, cursor: Cursor, most: int) -> Batch:
        """At most `most` records after the cursor; none, when there is nothing new."""
        records: list[Record] = []
        while len(records) < most:
            files = numbers(self._folder / "journal", ".log")
            file = next((number for number in files if number >= cursor.file), None)
            if file is None:
                break
            if file != cursor.file:
                cursor = Cursor(file, 0)
            found, cursor, tail = self._read(cursor, most - len(records))
            records += found
            if not found and file == files[-1]:
                break
            if not found:
                records += _left_behind(cursor, tail)
                cursor = Cursor(file + 1, 0)
        return Batch(tuple(records), cursor)

    def path(self, seq: int) -> Path:
        """Where the bytes of an arrival stand, exactly as they were sent."""
        return object_path(self._folder, seq)

    def read(self, seq: int) -> bytes:
        """The bytes of an arrival, as they are. Raises FileNotFoundError once erased."""
        return self.path(seq).read_bytes()

    def whole(self, arrival: Arrival) -> bytes:
        """The bytes of an arrival, proven to be those that were acknowledged.

        Raises Refusal D09 if they are not, or not there.
        """
        try:
            data = self.read(arrival.seq)
        except FileNotFoundError:
            raise Refusal("D09", f"arrival {arrival.seq:x}: its bytes are gone") from None
        if len(data) != arrival.length or crc32(data) != arrival.crc:
            raise Refusal("D09", f"arrival {arrival.seq:x}: its bytes changed on the disk")
        return data

    def erase(self, *seqs: int) -> None:
        """Remove the bytes of arrivals, durably; an erased one may be erased again."""
        for seq in seqs:
            drop(self.path(seq))
        if seqs:
            sync_folder(self._folder / "objects")

    def retire(self, cursor: Cursor) -> int:
        """Remove the journal files before the cursor whose arrivals are all erased; how many.

        A journal names patients too. The newest file always stays: its number must not return.
        """
        files = numbers(self._folder / "journal", ".log")
        kept = {seq >> 32 for seq in numbers(self._folder / "objects", ".dcm")}
        spent = [file for file in files[:-1] if file < cursor.file and file not in kept]
        for file in spent:
            drop(journal_path(self._folder, file))
        if spent:
            sync_folder(self._folder / "journal")
        return len(spent)

    def check(self) -> list[str]:
        """What is wrong with journal and bytes, in words; empty if all is well.

        Erased bytes are no fault. It reads everything and changes nothing.
        """
        problems: list[str] = []
        named: set[int] = set()
        cursor = Cursor.START
        while (batch := self.since(cursor, 1000)).records:
            cursor = batch.cursor
            for record in batch.records:
                if isinstance(record, Damage):
                    problems.append(
                        f"journal file {record.file:x}: {record.length} bytes at {record.offset} "
                        "are no record; restore them from a backup or ask for the study again"
                    )
                elif isinstance(record, Arrival):
                    named.add(record.seq)
                    problems += self._changed(record)
        strays = [s for s in numbers(self._folder / "objects", ".dcm") if s not in named]
        live = max(numbers(self._folder / "journal", ".log"), default=0)
        problems += [
            f"object {seq:x}: no record names it; it was never acknowledged, or its record is damaged"
            for seq in strays
            if seq >> 32 != live
        ]
        return problems

    def _changed(self, arrival: Arrival) -> list[str]:
        crc, length = 0, 0
        try:
            with self.path(arrival.seq).open("rb") as file:
                while chunk := file.read(CHUNK):
                    crc, length = crc32(chunk, crc), length + len(chunk)
        except FileNotFoundError:
            return []
        if (crc, length) == (arrival.crc, arrival.length):
            return []
        return [f"arrival {arrival.seq:x}: its bytes changed on the disk"]

    def _read(self, cursor: Cursor, most: int) -> tuple[list[Record], Cursor, bytes]:
        """Records of one file, the cursor after them, and a tail in which no record stands.

        In the newest file such a tail may be a record that is being written.
        """
        try:
            handle = os.open(journal_path(self._folder, cursor.file), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return [], cursor, b""
        try:
            size = os.fstat(handle).st_size
            data = os.pread(handle, MOST_BYTES, cursor.offset)
        finally:
            os.close(handle)
        records: list[Record] = []
        end = cursor.offset
        for record, after in islice(frames(data, cursor.file, cursor.offset), most):
            records.append(record)
            end = after
        if not records and cursor.offset + len(data) < size:
            # A whole window without a record. What may be the start of one stays for the next.
            end = cursor.offset + len(data) - HEADER.size - MOST_PAYLOAD
            records = [Damage(cursor.file, cursor.offset, end - cursor.offset)]
        return records, Cursor(cursor.file, end), b"" if records else data


def _left_behind(cursor: Cursor, tail: bytes) -> list[Record]:
    if torn(tail):
        return []
    return [Damage(cursor.file, cursor.offset, len(tail))]
