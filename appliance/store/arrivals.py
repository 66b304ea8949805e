"""What the journal says: an arrival, a note, damage; and how a record stands in a file.

A record is a frame: magic `RPJ1`, length of the payload (u32, little-endian), CRC-32 of the
payload (u32), payload (JSON in ASCII). A frame cannot be forged inside a payload: JSON in ASCII
has no byte below 0x20, so any four bytes of it make a length far above `MOST_PAYLOAD`.
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import ClassVar, TypeAlias
from zlib import crc32

MAGIC = b"RPJ1"
HEADER = struct.Struct("<4sII")
# Heads are a few hundred bytes; a longer payload is damage, not a record.
MOST_PAYLOAD = 64 * 1024


@dataclass(frozen=True)
class Head:
    """What a peer said about an instance, and who the peer is.

    Text stands as received: Patient ID and issuer are decoded as Latin-1, whatever the character
    set is, so that no byte is lost.
    """

    study: str
    series: str
    sop_class: str
    sop_instance: str
    transfer_syntax: str
    patient_id: str
    issuer: str
    character_set: str
    called_ae: str
    calling_ae: str
    peer: str
    address: str
    implementation: str

    def __repr__(self) -> str:
        return "Head(hidden)"


@dataclass(frozen=True)
class Arrival:
    """One acknowledged instance. `seq` names it everywhere; `crc` is the CRC-32 of its bytes."""

    seq: int
    head: Head
    length: int
    crc: int
    wall: str


@dataclass(frozen=True)
class Note:
    """Something that receive saw and that was no arrival: a refused peer, `count` times."""

    seq: int
    kind: str
    reason: str
    peer: str
    count: int
    wall: str


@dataclass(frozen=True)
class Damage:
    """Bytes of the journal that are no record: something that was written cannot be read."""

    file: int
    offset: int
    length: int


Record: TypeAlias = Arrival | Note | Damage


@dataclass(frozen=True)
class Cursor:
    """Where a reader stands: journal file and byte offset in it."""

    file: int
    offset: int

    START: ClassVar["Cursor"]


Cursor.START = Cursor(0, 0)


@dataclass(frozen=True)
class Batch:
    """Records in the order of the journal, and the cursor after the last of them."""

    records: tuple[Record, ...]
    cursor: Cursor


def frame(record: Arrival | Note) -> bytes:
    """The bytes of one record."""
    kind = "arrival" if isinstance(record, Arrival) else "note"
    payload = json.dumps({"record": kind} | asdict(record), separators=(",", ":")).encode("ascii")
    if len(payload) > MOST_PAYLOAD:
        raise ValueError("a record of the journal is longer than its reader accepts")
    return HEADER.pack(MAGIC, len(payload), crc32(payload)) + payload


def frames(data: bytes, file: int, start: int) -> Iterator[tuple[Record, int]]:
    """The records of `data`, each with the offset after it; `start` is the offset of `data`.

    Bytes that are no record come as Damage, but only if a record stands after them, or if the
    frame is complete and its content is not: what ends in the middle of a frame is a torn tail
    and yields nothing. So a caller who reads a file that still grows asks again later.
    """
    at = 0
    while at < len(data):
        record, end = _frame_at(data, at)
        if record is None:
            end = _next_frame(data, at + 1)
            if end < 0:
                return
            yield Damage(file, start + at, end - at), start + end
        else:
            yield record, start + end
        at = end


def torn(data: bytes) -> bool:
    """Whether a tail that holds no record can be the trace of a power cut.

    A complete frame with wrong content is not: it was written whole, and changed since.
    """
    if len(data) < HEADER.size or not any(data):
        return True
    magic, length, _ = HEADER.unpack_from(data)
    return bool(magic == MAGIC and HEADER.size + length > len(data) and length <= MOST_PAYLOAD)


def _frame_at(data: bytes, at: int) -> tuple[Arrival | Note | None, int]:
    if len(data) - at < HEADER.size:
        return None, at
    magic, length, crc = HEADER.unpack_from(data, at)
    end = at + HEADER.size + length
    if magic != MAGIC or length > MOST_PAYLOAD or end > len(data):
        return None, at
    payload = data[at + HEADER.size : end]
    if crc32(payload) != crc:
        return None, at
    return _parsed(payload), end


def _parsed(payload: bytes) -> Arrival | Note | None:
    try:
        fields = json.loads(payload)
        kind = fields.pop("record")
        if kind == "arrival":
            return Arrival(head=Head(**fields.pop("head")), **fields)
        if kind == "note":
            return Note(**fields)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return None


def _next_frame(data: bytes, at: int) -> int:
    """Offset of the next record at or after `at`, or -1."""
    while (at := data.find(MAGIC, at)) >= 0:
        if _frame_at(data, at)[0] is not None:
            return at
        at += 1
    return -1
