"""Our own reading of a bare data set: where every element lies. Nothing is copied or decoded.

Little endian, explicit and implicit VR, defined and undefined lengths, encapsulated pixel data
(PS3.5 7). Whatever does not read to its last byte is refused with D01, never guessed.
"""

import struct
from enum import Enum
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple, NoReturn

from pydicom.datadict import dictionary_VR

from appliance.errors import Refusal

# Deeper nesting is an attack or damage; no IOD nests beyond a dozen.
MOST_DEPTH = 64
# Two million elements take about 600 MB while they are looked at; the largest real object seen has
# a tenth of that.
MOST_ELEMENTS = 2_000_000
UNDEFINED = 0xFFFFFFFF
PIXEL_DATA = 0x7FE00010

_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONG = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"])
_SHORT = [
    "AE",
    "AS",
    "AT",
    "CS",
    "DA",
    "DS",
    "DT",
    "FL",
    "FD",
    "IS",
    "LO",
    "LT",
    "PN",
    "SH",
    "SL",
    "SS",
    "ST",
    "TM",
    "UI",
    "UL",
    "US",
]
_VRS = {vr.encode(): vr for vr in (*_LONG, *_SHORT)}
_NAMES = frozenset(_VRS.values())
_EXPLICIT = struct.Struct("<HH2sH")
_IMPLICIT = struct.Struct("<HHI")
_LENGTH = struct.Struct("<I")


class Coding(Enum):
    """Whether VRs stand in the bytes."""

    EXPLICIT = "explicit"
    IMPLICIT = "implicit"


class Element(NamedTuple):
    """One element: header from `start`, value from `value`, all of it (delimiter too) to `stop`.

    `vr` is the one in the bytes, under implicit VR the dictionary's (UN where it has none).
    `items` is None where there are none to see: no sequence, or one that is private or opaque.
    """

    tag: int
    vr: str
    start: int
    value: int
    stop: int
    items: "tuple[Item, ...] | None"


class Item(NamedTuple):
    """One item of a sequence, or the data set itself."""

    elements: tuple[Element, ...]
    coding: Coding


def read(data: bytes | memoryview, coding: Coding) -> Item:
    """The data set as a tree, its elements in ascending order of tags.

    Raises:
        Refusal: D01.
    """
    reader = _Reader(data)
    try:
        elements, _, _ = reader.elements(0, len(data), (coding, 0))
    except struct.error:
        _refuse("it ends in the middle of an element")
    return Item(elements, coding)


@lru_cache(maxsize=8192)
def known_vrs(tag: int) -> tuple[str, ...]:
    """The VRs that PS3.6 allows for a tag; empty for private and unknown ones."""
    if tag >> 16 & 1:
        return ()
    try:
        return tuple(dictionary_VR(tag).split(" or "))
    except KeyError:
        return ()


@lru_cache(maxsize=8192)
def implicit_vr(tag: int) -> str:
    """The VR of a tag where none is written; of several, the one PS3.5 A.1 asks for."""
    known = known_vrs(tag)
    if "OW" in known:
        return "OW"
    return known[0] if known and known[0] in _NAMES else "UN"


# A tag, its VR, where its header and where its value start.
_Head = tuple[int, str, int, int]
# How a level is coded, and how deep it is.
_Level = tuple[Coding, int]


class _Reader:
    """The bytes, and how many elements were seen so far."""

    def __init__(self, data: bytes | memoryview) -> None:
        self.data = data
        self.seen = 0

    def elements(self, at: int, stop: int, level: _Level) -> tuple[tuple[Element, ...], int, bool]:
        """The elements up to `stop` or an item's end, where they end, whether a delimiter came."""
        coding, depth = level
        if depth > MOST_DEPTH:
            _refuse(f"sequences are nested deeper than {MOST_DEPTH}")
        found: list[Element] = []
        head = self._explicit if coding is Coding.EXPLICIT else self._implicit
        last, ordered, closed = -1, True, False
        while at < stop and not closed:
            tag, vr, value, length = head(at)
            if _ITEM <= tag <= _SEQUENCE_END:
                closed = tag == _ITEM_END and depth > 0 and value <= stop
                if not closed:
                    _refuse("a delimiter stands where an element should")
                at = value
                continue
            element = self._element((tag, vr, at, value), length, stop, level)
            found.append(element)
            at = element.stop
            ordered = ordered and tag > last
            last = tag
        self.seen += len(found)
        if self.seen > MOST_ELEMENTS:
            _refuse(f"more than {MOST_ELEMENTS} elements")
        return tuple(found) if ordered else _sorted(found), at, closed

    def _explicit(self, at: int) -> tuple[int, str, int, int]:
        group, number, letters, length = _EXPLICIT.unpack_from(self.data, at)
        tag = group << 16 | number
        if group == 0xFFFE:
            return tag, "", at + 8, 0
        vr = _VRS.get(letters)
        if vr is None:
            _refuse(f"no value representation at ({group:04X},{number:04X})")
        if vr in _LONG:
            return tag, vr, at + 12, _LENGTH.unpack_from(self.data, at + 8)[0]
        return tag, vr, at + 8, length

    def _implicit(self, at: int) -> tuple[int, str, int, int]:
        group, number, length = _IMPLICIT.unpack_from(self.data, at)
        tag = group << 16 | number
        return tag, implicit_vr(tag), at + 8, length

    def _element(self, head: _Head, length: int, stop: int, level: _Level) -> Element:
        tag, vr, start, value = head
        if length == UNDEFINED:
            return self._undefined(head, stop, level)
        end = value + length
        if end > stop:
            _refuse(f"{_shown(tag)} is longer than what holds it")
        # What is inside a private element is nobody's business: it is removed with it.
        if vr == "SQ" and not tag >> 16 & 1:
            inside, reached, _ = self._items(value, end, level)
            if reached != end:
                _refuse(f"{_shown(tag)} does not end where it should")
            return Element(tag, vr, start, value, end, inside)
        if vr == "UN" and "SQ" in known_vrs(tag):
            return self._unnamed_sequence(head, end, level[1])
        return Element(tag, vr, start, value, end, None)

    def _unnamed_sequence(self, head: _Head, end: int, depth: int) -> Element:
        """PS3.5 6.2.2: the value of UN is coded implicitly. Opaque where it is not."""
        tag, vr, start, value = head
        try:
            inside, reached, _ = self._items(value, end, (Coding.IMPLICIT, depth))
        except (Refusal, struct.error):
            return Element(tag, vr, start, value, end, None)
        return Element(tag, "SQ", start, value, end, inside if reached == end else None)

    def _undefined(self, head: _Head, stop: int, level: _Level) -> Element:
        tag, vr, start, value = head
        if tag == PIXEL_DATA and vr in ("OB", "OW", "UN"):
            return Element(tag, vr, start, value, self._fragments(value, stop), None)
        if vr not in ("SQ", "UN"):
            _refuse(f"{_shown(tag)} has no length")
        inner = level if vr == "SQ" else (Coding.IMPLICIT, level[1])
        items, end, closed = self._items(value, stop, inner)
        if not closed:
            _refuse(f"{_shown(tag)} has no end")
        return Element(tag, "SQ", start, value, end, items)

    def _items(self, at: int, stop: int, level: _Level) -> tuple[tuple[Item, ...], int, bool]:
        """The items up to `stop` or a delimiter, where they end, whether a delimiter came."""
        coding, depth = level
        items: list[Item] = []
        while at < stop:
            mark, length = self._mark(at)
            at += 8
            if mark == _SEQUENCE_END and at <= stop:
                return tuple(items), at, True
            if mark != _ITEM:
                _refuse("a sequence holds something else than items")
            end = stop if length == UNDEFINED else at + length
            if end > stop:
                _refuse("an item is longer than its sequence")
            inner = self._coding(at, end, coding)
            elements, reached, closed = self.elements(at, end, (inner, depth + 1))
            if not closed if length == UNDEFINED else reached != end:
                _refuse("an item does not end where it should")
            items.append(Item(elements, inner))
            at = reached
        return tuple(items), at, False

    def _coding(self, at: int, stop: int, coding: Coding) -> Coding:
        """Some devices write implicit items into an explicit data set."""
        if coding is Coding.IMPLICIT or at + 8 > stop:
            return coding
        group, _, letters, _ = _EXPLICIT.unpack_from(self.data, at)
        return coding if group == 0xFFFE or letters in _VRS else Coding.IMPLICIT

    def _fragments(self, at: int, stop: int) -> int:
        while at < stop:
            mark, length = self._mark(at)
            at += 8
            if mark == _SEQUENCE_END and at <= stop:
                return at
            if mark != _ITEM or at + length > stop:
                _refuse("the compressed pixel data is cut short")
            at += length
        return _refuse("the compressed pixel data has no end")

    def _mark(self, at: int) -> tuple[int, int]:
        group, number, length = _IMPLICIT.unpack_from(self.data, at)
        return group << 16 | number, length


def _sorted(found: list[Element]) -> tuple[Element, ...]:
    """Out of order is put in order; twice the same tag says two things, and is refused."""
    found.sort(key=lambda element: element.tag)
    for before, after in pairwise(found):
        if before.tag == after.tag:
            _refuse(f"{_shown(after.tag)} stands twice")
    return tuple(found)


def _shown(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _refuse(what: str) -> NoReturn:
    raise Refusal("D01", what)
