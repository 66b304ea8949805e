"""The few elements by which an instance is filed, read without decoding it.

A bounded scan of the bytes as received, little-endian, explicit or implicit: no recursion, no
character decoding, no pixel, nothing after group 0020. What cannot be scanned is not kept.
"""

import struct
from dataclasses import dataclass

from appliance.dicom.storage import IMPLICIT, MOST_UID

LAST_GROUP = 0x0020
# PS3.5 allows any depth; no real instance nests deeper, and a bomb of 5,000 sequences does.
MOST_DEPTH = 64
# Patient IDs have 64 characters, sets of character sets a few dozen; more is not an identifier.
MOST_VALUE = 1024
UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
SHORT_VRS = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split()  # PS3.5 7.1.2
)
CHARACTER_SET, SOP_CLASS, SOP_INSTANCE = 0x00080005, 0x00080016, 0x00080018
PATIENT_ID, ISSUER, STUDY, SERIES = 0x00100020, 0x00100021, 0x0020000D, 0x0020000E
WANTED = frozenset(
    {CHARACTER_SET, SOP_CLASS, SOP_INSTANCE, PATIENT_ID, ISSUER, STUDY, SERIES},
)


class Unreadable(ValueError):
    """The bytes cannot be scanned as a DICOM data set, or lack what files them."""


@dataclass(frozen=True)
class Identified:
    """The values that file an instance; text is Latin-1, padding removed."""

    character_set: str
    sop_class: str
    sop_instance: str
    patient_id: str
    issuer: str
    study: str
    series: str


@dataclass(frozen=True)
class _Element:
    tag: int
    start: int
    length: int
    implicit: bool


def identify(data: bytes, syntax: str) -> Identified:
    """The identifying values of a data set. Raises Unreadable; no message holds a value."""
    values: dict[int, str] = {}
    at = 0
    while at < len(data):
        element = _element(data, at, implicit=syntax == IMPLICIT)
        group = element.tag >> 16
        if group > LAST_GROUP:
            break
        if group < 0x0008:
            raise Unreadable("a group that no data set has")
        if element.length == UNDEFINED:
            at = _after(data, element)
            continue
        if element.tag in WANTED:
            values[element.tag] = _text(data, element)
        at = element.start + element.length
    return _complete(values)


def _complete(values: dict[int, str]) -> Identified:
    for tag in (STUDY, SERIES):
        value = values.get(tag, "")
        if not 0 < len(value) <= MOST_UID or set(value) - set("0123456789."):
            raise Unreadable("no usable study or series UID")
    return Identified(
        *(
            values.get(tag, "")
            for tag in (CHARACTER_SET, SOP_CLASS, SOP_INSTANCE, PATIENT_ID, ISSUER, STUDY, SERIES)
        )
    )


def _text(data: bytes, element: _Element) -> str:
    if element.length > MOST_VALUE:
        raise Unreadable("an identifying value without measure")
    value = data[element.start : element.start + element.length]
    return value.decode("latin-1").strip("\0 ")


def _element(data: bytes, at: int, *, implicit: bool) -> _Element:
    """The element that starts at `at`; its value ends inside the data."""
    if at + 8 > len(data):
        raise Unreadable("an element is cut off")
    group, number = struct.unpack_from("<HH", data, at)
    tag = group << 16 | number
    start = at + 8
    if implicit or group == 0xFFFE:
        length: int = struct.unpack_from("<I", data, at + 4)[0]
        kept_implicit = implicit
    else:
        start, length = _explicit(data, at)
        # PS3.5 6.2.2: UN of undefined length holds implicit little-endian.
        kept_implicit = data[at + 4 : at + 6] == b"UN" and length == UNDEFINED
    if length != UNDEFINED and start + length > len(data):
        raise Unreadable("a value ends behind the data set")
    return _Element(tag, start, length, kept_implicit)


def _explicit(data: bytes, at: int) -> tuple[int, int]:
    vr = data[at + 4 : at + 6]
    if vr in SHORT_VRS:
        return at + 8, struct.unpack_from("<H", data, at + 6)[0]
    if not (vr.isalpha() and vr.isupper()) or at + 12 > len(data):
        raise Unreadable("not explicit VR little-endian")
    return at + 12, struct.unpack_from("<I", data, at + 8)[0]


def _after(data: bytes, opened: _Element) -> int:
    """Where the value of undefined length ends: a stack of what is open, never recursion.

    An entry is the encoding inside a sequence or item of undefined length.
    """
    open_items = [opened.implicit]
    at = opened.start
    while open_items:
        element = _element(data, at, implicit=open_items[-1])
        at = element.start
        if element.tag in (ITEM_END, SEQUENCE_END):
            open_items.pop()
        elif element.length == UNDEFINED:
            inside = open_items[-1] if element.tag == ITEM else element.implicit
            open_items.append(inside)
        else:
            at += element.length
        if len(open_items) > 2 * MOST_DEPTH:
            raise Unreadable("nested too deep")
    return at
