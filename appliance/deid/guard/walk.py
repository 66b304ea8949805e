"""The guard's own reading of a finished Part 10 file: where every value lies, and in what.

It shares no code with the rules and none with pydicom's reader: what the rules misread, this may
still read. What it cannot read becomes one piece `UNREAD` and is searched all the same.
"""

import struct
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from pydicom.datadict import dictionary_VR

# The rules refuse deeper input (deid.md 2); a deeper output is not ours.
MOST_DEPTH = 64
# No instance of a clinic inflates to more; a bomb stops here.
MOST_INFLATED = 256 << 20
UNDEFINED = 0xFFFFFFFF
PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})

PREAMBLE, META, DATA, PIXELS, SEGMENTS, TRAILING, UNREAD = (
    "preamble", "file meta", "data set", "pixels", "JPEG segments", "after the data set", "unread",
)  # fmt: skip

_LONG = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"])
_IMPLICIT = "1.2.840.10008.1.2"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_JPEG_START = b"\xff\xd8\xff"

Path = tuple[tuple[int, int], ...]


class Piece(NamedTuple):
    """One value (or stretch) of the file: `path` holds (sequence tag, item number) from the top."""

    place: str
    path: Path
    tag: int
    vr: str
    start: int
    stop: int

    @property
    def where(self) -> str:
        """The place in words, without anything of the value."""
        if not self.tag:
            return self.place
        above = "".join(f"{_shown(tag)}[{number}]>" for tag, number in self.path)
        return above + _shown(self.tag)


class Walk(NamedTuple):
    """The bytes as read (inflated, where the file is deflated), its pieces in order, the syntax."""

    data: bytes
    pieces: tuple[Piece, ...]
    sequences: frozenset[tuple[Path, int]]
    syntax: str
    whole: bool


class _Level(NamedTuple):
    """Where in the tree, and whether VRs are left out there."""

    path: Path
    implicit: int


class _Broken(Exception):
    """The bytes stop making sense."""


def walk(output: bytes) -> Walk:
    """Every piece of the file in the order of its bytes; never raises."""
    reader = _Reader(output)
    reader.file()
    return Walk(
        reader.data, tuple(reader.pieces), frozenset(reader.sequences), reader.syntax, reader.whole
    )


@lru_cache(maxsize=8192)
def known_vr(tag: int) -> str:
    """The dictionary's VR of a tag, the first where it offers several, UN where it has none."""
    try:
        return dictionary_VR(tag)[:2]
    except KeyError:
        return "UN"


def _shown(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


class _Reader:
    """One file being read; `pieces` grows in the order of the bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.pieces: list[Piece] = []
        self.sequences: set[tuple[Path, int]] = set()
        self.syntax = ""
        self.whole = False
        self.place = META
        self.reached = 0
        self.order = "<"

    def file(self) -> None:
        try:
            self._file()
            self.whole = True
        except (_Broken, struct.error, zlib.error):
            self.pieces.append(Piece(UNREAD, (), 0, "", self.reached, len(self.data)))

    def _file(self) -> None:
        data = self.data
        if data[128:132] != b"DICM":
            raise _Broken
        self.pieces.append(Piece(PREAMBLE, (), 0, "", 0, 128))
        self.reached = 132
        while self.reached + 2 <= len(data) and data[self.reached : self.reached + 2] == b"\2\0":
            self._element(self.reached, len(data), (), implicit=0)
        self.place = DATA
        if self.syntax == _DEFLATED:
            inflater = zlib.decompressobj(-15)
            plain = inflater.decompress(data[self.reached :], MOST_INFLATED)
            tail = inflater.unconsumed_tail + inflater.unused_data
            self.data = data[: self.reached] + plain + tail
        if self.syntax == _BIG_ENDIAN:
            self.order = ">"
        self._data_set(self.reached, len(self.data), (), int(self.syntax == _IMPLICIT))

    def _data_set(self, at: int, stop: int, path: Path, implicit: int) -> int:
        """Reads elements until `stop` or an item's end; says where it ended."""
        if len(path) > MOST_DEPTH:
            raise _Broken
        while at < stop:
            tag = self._tag(at)
            if tag == _ITEM_END and path:
                return at + 8
            if tag == 0xFFFCFFFC and not path:
                self.pieces.append(Piece(TRAILING, (), 0, "", at, stop))
                return stop
            at = self._element(at, stop, path, implicit)
        return at

    def _element(self, at: int, stop: int, path: Path, implicit: int) -> int:
        tag = self._tag(at)
        vr, start, length = self._header(at, tag, implicit)
        if length == UNDEFINED:
            end = self._undefined(tag, vr, start, stop, _Level(path, implicit))
        elif vr == "SQ":
            end = self._within(start + length, stop)
            self.sequences.add((path, tag))
            self._items(tag, start, end, _Level(path, implicit))
        else:
            end = self._within(start + length, stop)
            place = PIXELS if tag in PIXEL_TAGS and not path else self.place
            self.pieces.append(Piece(place, path, tag, vr, start, end))
            if tag == 0x00020010:
                self.syntax = self.data[start:end].rstrip(b"\0 ").decode("latin-1")
        self.reached = end
        return end

    def _header(self, at: int, tag: int, implicit: int) -> tuple[str, int, int]:
        """VR, where the value starts, its length."""
        if implicit:
            return known_vr(tag), at + 8, self._number("I", at + 4)
        vr = self.data[at + 4 : at + 6].decode("latin-1")
        if not (vr.isascii() and vr.isupper() and len(vr) == 2):
            raise _Broken
        if vr in _LONG:
            return vr, at + 12, self._number("I", at + 8)
        return vr, at + 8, self._number("H", at + 6)

    def _undefined(self, tag: int, vr: str, start: int, stop: int, level: _Level) -> int:
        path, implicit = level
        if tag == 0x7FE00010 and not path and vr != "SQ":
            return self._fragments(start, stop)
        if vr not in ("SQ", "UN"):
            raise _Broken
        self.sequences.add((path, tag))
        # A UN of undefined length holds implicit little endian items (PS3.5 6.2.2, note 4).
        return self._items(tag, start, stop, _Level(path, 1 if vr == "UN" else implicit))

    def _items(self, tag: int, at: int, stop: int, level: _Level) -> int:
        number = 0
        while at < stop:
            mark, length = self._tag(at), self._number("I", at + 4)
            if mark == _SEQUENCE_END:
                return at + 8
            if mark != _ITEM:
                raise _Broken
            end = stop if length == UNDEFINED else self._within(at + 8 + length, stop)
            at = self._data_set(at + 8, end, (*level.path, (tag, number)), level.implicit)
            number += 1
        return at

    def _fragments(self, at: int, stop: int) -> int:
        number = 0
        while at < stop:
            mark, length = self._tag(at), self._number("I", at + 4)
            if mark == _SEQUENCE_END:
                return at + 8
            if mark != _ITEM:
                raise _Broken
            end = self._within(at + 8 + length, stop)
            path = ((0x7FE00010, number),)
            begin = at + 8
            for segment, until in _segments(self.data, at + 8, end):
                if segment > begin:
                    self.pieces.append(Piece(PIXELS, path, 0x7FE00010, "OB", begin, segment))
                self.pieces.append(Piece(SEGMENTS, path, 0x7FE00010, "UN", segment, until))
                begin = until
            self.pieces.append(Piece(PIXELS, path, 0x7FE00010, "OB", begin, end))
            at = end
            number += 1
        raise _Broken

    def _tag(self, at: int) -> int:
        group, element = struct.unpack_from(self.order + "HH", self.data, at)
        return int(group) << 16 | int(element)

    def _number(self, letter: str, at: int) -> int:
        return int(struct.unpack_from(self.order + letter, self.data, at)[0])

    def _within(self, end: int, stop: int) -> int:
        if end > stop:
            raise _Broken
        return end


def _segments(data: bytes, at: int, stop: int) -> Iterator[tuple[int, int]]:
    """Contents of the APPn and COM segments ahead of a JPEG's scan: text may stand there."""
    if data[at : at + 3] != _JPEG_START:
        return
    at += 2
    while at + 4 <= stop and data[at] == 0xFF and data[at + 1] != 0xDA:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        end = min(at + 2 + length, stop)
        if (0xE0 <= marker <= 0xEF or marker == 0xFE) and end > at + 4:
            yield at + 4, end
        at += 2 + max(length, 2)
