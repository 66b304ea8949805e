"""Elements as bytes: headers, padding, sequences of defined length, our own file meta (PS3.10 7.1)."""

import struct
from collections.abc import Sequence

from appliance import IMPLEMENTATION, IMPLEMENTATION_VERSION
from appliance.deid.elements import Coding
from appliance.deid.splices import Splice, length

_LONG = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"])
_LONGEST_SHORT = 0xFFFE
_NUL_PADDED = frozenset(["UI", "OB", "UN"])
_ITEM = 0xFFFEE000


def header(tag: int, vr: str, size: int, coding: Coding) -> bytes:
    """Tag, VR and length; a value too long for its VR is written as UN (PS3.5 6.2.2)."""
    group, number = tag >> 16, tag & 0xFFFF
    if coding is Coding.IMPLICIT or tag == _ITEM:
        return struct.pack("<HHI", group, number, size)
    if vr not in _LONG and size <= _LONGEST_SHORT:
        return struct.pack("<HH2sH", group, number, vr.encode(), size)
    letters = vr if vr in _LONG else "UN"
    return struct.pack("<HH2sHI", group, number, letters.encode(), 0, size)


def element(tag: int, vr: str, value: bytes, coding: Coding) -> bytes:
    """One element with its value padded to even length."""
    if len(value) % 2:
        value += b"\0" if vr in _NUL_PADDED else b" "
    return header(tag, vr, len(value), coding) + value


def sequence(tag: int, items: Sequence[Sequence[Splice]], coding: Coding) -> list[Splice]:
    """A sequence around finished items, all lengths defined."""
    inside: list[Splice] = []
    for item in items:
        inside.append(header(_ITEM, "", length(item), coding))
        inside += item
    return [header(tag, "SQ", length(inside), coding), *inside]


def part10(sop_class: str, sop_instance: str, syntax: str) -> bytes:
    """What stands ahead of the data set: an empty preamble and file meta with nothing of the sender."""
    explicit = Coding.EXPLICIT
    meta = b"".join(
        (
            element(0x00020001, "OB", b"\0\1", explicit),
            element(0x00020002, "UI", sop_class.encode(), explicit),
            element(0x00020003, "UI", sop_instance.encode(), explicit),
            element(0x00020010, "UI", syntax.encode(), explicit),
            element(0x00020012, "UI", IMPLEMENTATION.encode(), explicit),
            element(0x00020013, "SH", IMPLEMENTATION_VERSION.encode(), explicit),
        )
    )
    size = element(0x00020000, "UL", struct.pack("<I", len(meta)), explicit)
    return bytes(128) + b"DICM" + size + meta
