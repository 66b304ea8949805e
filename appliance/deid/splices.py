"""An instance as kept ranges of the received bytes and new bytes; written out without a copy.

Packed form, little endian, one after the other: `K` start:u64 stop:u64, or `B` length:u32 bytes.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_KEEP = struct.Struct("<cQQ")
_NEW = struct.Struct("<cI")


@dataclass(frozen=True, slots=True)
class Keep:
    """The received bytes from `start` up to `stop`."""

    start: int
    stop: int


Splice = Keep | bytes


def length(splices: Iterable[Splice]) -> int:
    """How many bytes come out."""
    return sum(s.stop - s.start if isinstance(s, Keep) else len(s) for s in splices)


def assemble(splices: Iterable[Splice], data: bytes | memoryview) -> Iterator[bytes | memoryview]:
    """The finished file, piece by piece; kept ranges are views of `data`."""
    view = memoryview(data)
    for splice in splices:
        yield view[splice.start : splice.stop] if isinstance(splice, Keep) else splice


def pack(splices: Iterable[Splice]) -> bytes:
    """The splices as bytes of a parcel file."""
    parts: list[bytes] = []
    for splice in splices:
        if isinstance(splice, Keep):
            parts.append(_KEEP.pack(b"K", splice.start, splice.stop))
        else:
            parts += (_NEW.pack(b"B", len(splice)), splice)
    return b"".join(parts)


def unpack(packed: bytes) -> tuple[Splice, ...]:
    """The splices again; a ValueError if these bytes were not made by `pack`."""
    splices: list[Splice] = []
    at = 0
    while at < len(packed):
        kind = packed[at : at + 1]
        try:
            if kind == b"K":
                _, start, stop = _KEEP.unpack_from(packed, at)
                splices.append(Keep(start, stop))
                at += _KEEP.size
                continue
            _, size = _NEW.unpack_from(packed, at)
        except struct.error:
            raise ValueError("packed splices are cut short") from None
        at += _NEW.size
        if kind != b"B" or at + size > len(packed):
            raise ValueError("packed splices are damaged")
        splices.append(packed[at : at + size])
        at += size
    return tuple(splices)


def joined(pieces: Sequence[Splice]) -> tuple[Splice, ...]:
    """The same bytes in as few splices as possible."""
    merged: list[Splice] = []
    fresh: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            fresh.append(piece)
            continue
        if fresh:
            merged.append(b"".join(fresh))
            fresh = []
        last = merged[-1] if merged else None
        if isinstance(last, Keep) and last.stop == piece.start:
            merged[-1] = Keep(last.start, piece.stop)
        elif piece.stop > piece.start:
            merged.append(piece)
    if fresh:
        merged.append(b"".join(fresh))
    return tuple(merged)
