"""R0: a returned file is read within limits, or refused; nothing in it can do more than that."""

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from pydicom import Dataset, config, dcmread
from pydicom.datadict import dictionary_VR
from pydicom.filebase import DicomBytesIO

from appliance.errors import CODES, Refusal

# A segmentation of a 2,000-slice CT at one byte per pixel; the box has 1 GB.
MOST_BYTES = 640 << 20
# Functional groups of 5,000 frames with 60 elements each, and room to spare.
MOST_ELEMENTS = 1_000_000
# As on the way out; pydicom itself ends near 200.
MOST_DEPTH = 64
# Everything that pydicom raises on bytes it cannot read (found by mutation, see the tests).
UNREADABLE = (
    ValueError, TypeError, KeyError, AttributeError, IndexError, LookupError, OverflowError,
    NotImplementedError, RecursionError, EOFError, ArithmeticError, struct.error,
)  # fmt: skip

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
# Little endian, plain or with compressed pixels. Deflated and big endian never.
SYNTAXES = frozenset({IMPLICIT, EXPLICIT}) | frozenset(
    f"1.2.840.10008.1.2.{tail}"
    for tail in ("5", "4.50", "4.57", "4.70", "4.80", "4.81", "4.90", "4.91")
)

_LONG = frozenset(
    (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
)
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END, _PIXELS = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD, 0x7FE00010


def read(file: bytes) -> Dataset:
    """The whole data set, every value converted.

    Raises:
        Refusal: Q01 unreadable, Q02 transfer syntax, Q16 a limit.
    """
    if len(file) > MOST_BYTES:
        raise Refusal("Q16", CODES["Q16"].en)
    syntax = transfer_syntax(file)
    if syntax not in SYNTAXES:
        raise Refusal("Q02", CODES["Q02"].en)
    _Structure(file, implicit=int(syntax == IMPLICIT)).check()
    with lenient():
        try:
            ds = dcmread(DicomBytesIO(file))
            for element in ds.iterall():
                if element.VR == "PN":
                    str(element.value)
        except UNREADABLE:
            raise Refusal("Q01", CODES["Q01"].en) from None
    return ds


def transfer_syntax(file: bytes) -> str:
    """(0002,0010) of a Part 10 file.

    Raises:
        Refusal: Q01.
    """
    if file[128:132] != b"DICM":
        raise Refusal("Q01", CODES["Q01"].en)
    at = 132
    try:
        while file[at : at + 2] == b"\2\0":
            element = int(struct.unpack_from("<H", file, at + 2)[0])
            start, length = _explicit(file, at)
            if element == 0x10:
                return file[start : start + length].rstrip(b"\0 ").decode("ascii")
            at = start + length
    except (struct.error, UnicodeDecodeError):
        pass
    raise Refusal("Q01", CODES["Q01"].en)


@contextmanager
def lenient() -> Iterator[None]:
    """Values that pydicom would complain about are the partner's: judged by rules, not by it."""
    with config.disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _explicit(data: bytes, at: int) -> tuple[int, int]:
    """Where an explicit VR element's value starts and its length."""
    if data[at + 4 : at + 6] in _LONG:
        return at + 12, int(struct.unpack_from("<I", data, at + 8)[0])
    return at + 8, int(struct.unpack_from("<H", data, at + 6)[0])


class _Structure:
    """Lengths, depth and count of elements, before any parser builds objects of them."""

    def __init__(self, data: bytes, implicit: int) -> None:
        self.data, self.implicit, self.elements = data, implicit, 0

    def check(self) -> None:
        """Raises Refusal Q01 or Q16."""
        at = 132
        while self.data[at : at + 2] == b"\2\0":
            start, length = _explicit(self.data, at)
            at = start + length
        try:
            self._elements(at, len(self.data), 0, self.implicit)
        except struct.error:
            raise Refusal("Q01", CODES["Q01"].en) from None

    def _elements(self, at: int, stop: int, depth: int, implicit: int) -> int:
        if depth > MOST_DEPTH:
            raise Refusal("Q16", CODES["Q16"].en)
        while at < stop:
            self.elements += 1
            if self.elements > MOST_ELEMENTS:
                raise Refusal("Q16", CODES["Q16"].en)
            if self._tag(at) == _ITEM_END and depth:
                return at + 8
            at = self._element(at, stop, depth, implicit)
        return at

    def _element(self, at: int, stop: int, depth: int, implicit: int) -> int:
        tag = self._tag(at)
        if implicit:
            vr, start = _known_vr(tag), at + 8
            length = self._number(at + 4)
        else:
            vr = self.data[at + 4 : at + 6]
            start, length = _explicit(self.data, at)
            if not vr.isupper():
                raise Refusal("Q01", CODES["Q01"].en)
        if length == _UNDEFINED:
            if tag == _PIXELS:
                return self._fragments(start, stop)
            if vr not in (b"SQ", b"UN"):
                raise Refusal("Q01", CODES["Q01"].en)
            # UN of undefined length is coded implicit (PS3.5 6.2.2).
            return self._items(start, stop, depth, int(implicit or vr == b"UN"))
        end = self._within(start + length, stop)
        if vr == b"SQ":
            self._items(start, end, depth, implicit)
        elif vr == b"UN" and _known_vr(tag) == b"SQ":
            self._items(start, end, depth, 1)
        return end

    def _items(self, at: int, stop: int, depth: int, implicit: int) -> int:
        while at < stop:
            mark, length = self._tag(at), self._number(at + 4)
            if mark == _SEQUENCE_END:
                return at + 8
            if mark != _ITEM:
                raise Refusal("Q01", CODES["Q01"].en)
            end = stop if length == _UNDEFINED else self._within(at + 8 + length, stop)
            at = self._elements(at + 8, end, depth + 1, implicit)
        return at

    def _fragments(self, at: int, stop: int) -> int:
        while at < stop:
            mark, length = self._tag(at), self._number(at + 4)
            if mark == _SEQUENCE_END:
                return at + 8
            if mark != _ITEM:
                break
            at = self._within(at + 8 + length, stop)
        raise Refusal("Q01", CODES["Q01"].en)

    def _tag(self, at: int) -> int:
        group, element = struct.unpack_from("<HH", self.data, at)
        return int(group) << 16 | int(element)

    def _number(self, at: int) -> int:
        return int(struct.unpack_from("<I", self.data, at)[0])

    def _within(self, end: int, stop: int) -> int:
        if end > stop:
            raise Refusal("Q01", CODES["Q01"].en)
        return end


@lru_cache(maxsize=4096)
def _known_vr(tag: int) -> bytes:
    try:
        return dictionary_VR(tag)[:2].encode()
    except KeyError:
        return b"UN"
