"""Whether a finished file is what it says: markers, pseudonym, mapped UIDs, our own file meta.

A mistake of the rules ends here as D09. A message names the place, never the value.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import dictionary_keyword

from appliance.deid.guard.walk import META, TRAILING, Piece, Walk, known_vr, walk
from appliance.errors import Refusal

# What PS3.10 7.1 asks for, and our implementation's name; nothing of the sender's.
_META_TAGS = frozenset(0x00020000 | element for element in (0, 1, 2, 3, 0x10, 0x12, 0x13))
# Digital signatures, former and encrypted attributes speak of the original (deid.md 4).
_FORBIDDEN = frozenset({0x04000500, 0x04000550, 0x04000561, 0xFFFAFFFA})
_PATIENT_TAGS = frozenset({0x00100010, 0x00100020})
_BIRTH_DATE, _CODES, _CODE_VALUE, _SCHEME = 0x00100030, 0x00120064, 0x00080100, 0x00080102
# CID 7050: what the device can do; 113102 (faces) and 113110 (UIDs kept) are never claimed.
_CLAIMS = frozenset(f"1131{n:02}" for n in (0, 1, 3, 4, 5, 6, 7, 8, 9, 11, 12))
_DATES = {"REMOVED": frozenset[str](), "MODIFIED": {"113107"}, "UNMODIFIED": {"113106"}}
# UIDs of classes and schemes which are not instances: PS3.15 never maps them.
_KINDS = frozenset({0x0008010C, 0x0008010D, 0x00080117, 0x00080118})


@dataclass(frozen=True)
class Expected:
    """What the plan says: pseudonym, all mapped UIDs, and the word for the dates (0028,0303)."""

    pseudonym: str
    uids: frozenset[str]
    longitudinal: str


def verify(output: bytes, expected: Expected) -> None:
    """A second reading of the finished file against the plan.

    Raises:
        Refusal: D09.
    """
    read = walk(output)
    if not read.whole:
        _refuse("cannot be read back")
    for check in (_frame, _file_meta, _markers, _claims, _patient, _uids, _structure):
        check(read, expected)


def _frame(read: Walk, expected: Expected) -> None:
    if any(read.data[:128]):
        _refuse("the preamble is not empty")
    if any(piece.place == TRAILING for piece in read.pieces):
        _refuse("bytes after the data set")
    if not expected.pseudonym:
        _refuse("no pseudonym")


def _file_meta(read: Walk, expected: Expected) -> None:
    meta = [piece for piece in read.pieces if piece.place == META]
    if stranger := [piece for piece in meta if piece.tag not in _META_TAGS]:
        _refuse(f"file meta not ours at {stranger[0].where}")
    values = {piece.tag: _text(read, piece) for piece in meta}
    if values.get(0x00020003) not in expected.uids:
        _refuse("file meta names an unmapped instance")
    if values.get(0x00020003) != _top(read, 0x00080018):
        _refuse("file meta names another instance")
    if values.get(0x00020002) != _top(read, 0x00080016):
        _refuse("file meta names another SOP class")


def _markers(read: Walk, expected: Expected) -> None:
    if _top(read, 0x00120062) != "YES":
        _refuse("marker (0012,0062) is not YES")
    if not _top(read, 0x00120063):
        _refuse("marker (0012,0063) is missing")
    if _top(read, 0x00280303) != expected.longitudinal:
        _refuse("marker (0028,0303) does not match the policy")


def _claims(read: Walk, expected: Expected) -> None:
    """(0012,0064): codes of CID 7050, the basic profile among them, dates as marked."""
    codes = {
        piece.path: _text(read, piece)
        for piece in read.pieces
        if piece.tag == _CODE_VALUE and [tag for tag, _ in piece.path] == [_CODES]
    }
    schemes = {
        piece.path
        for piece in read.pieces
        if piece.tag == _SCHEME and piece.path in codes and _text(read, piece) == "DCM"
    }
    claimed = set(codes.values())
    if "113100" not in claimed or claimed - _CLAIMS or schemes != codes.keys():
        _refuse("marker (0012,0064) is missing or claims too much")
    if claimed & {"113106", "113107"} != _DATES[expected.longitudinal]:
        _refuse("marker (0012,0064) does not match the dates")


def _patient(read: Walk, expected: Expected) -> None:
    for tag in _PATIENT_TAGS:
        if _top(read, tag) != expected.pseudonym:
            _refuse(f"{_shown(tag)} is not the pseudonym")
    for piece in read.pieces:
        if piece.tag in _PATIENT_TAGS and _text(read, piece) not in ("", expected.pseudonym):
            _refuse(f"{piece.where} is not the pseudonym")
        if piece.tag == _BIRTH_DATE and _text(read, piece):
            _refuse(f"{piece.where} is not empty")


def _uids(read: Walk, expected: Expected) -> None:
    """Every UID of an instance is a mapped one; classes and schemes are as they were."""
    for piece in read.pieces:
        if piece.vr != "UI" and not (piece.vr == "UN" and known_vr(piece.tag) == "UI"):
            continue
        if piece.place == META and piece.tag != 0x00020003:
            continue
        for uid in _text(read, piece).split("\\"):
            uid = uid.strip("\0 ")
            if uid and uid not in expected.uids and not _is_kind(piece.tag, uid):
                _refuse(f"unmapped UID at {piece.where}")


def _structure(read: Walk, _: Expected) -> None:
    for piece in _strangers(read):
        _refuse(f"{piece.where} must not be in an output")
    for path, tag in read.sequences:
        if tag in _FORBIDDEN or tag >> 16 & 1:
            _refuse(f"{Piece('', path, tag, '', 0, 0).where} must not be in an output")


def _strangers(read: Walk) -> Iterator[Piece]:
    """Private elements, group lengths, command and file meta groups, foreign signatures."""
    for piece in read.pieces:
        if piece.place == META or not piece.tag or (piece.path and piece.path[0][0] == 0x7FE00010):
            continue
        group, element = piece.tag >> 16, piece.tag & 0xFFFF
        if group & 1 or group <= 4 or not element or piece.tag in _FORBIDDEN:
            yield piece


def _is_kind(tag: int, uid: str) -> bool:
    return uid in UID_dictionary or tag in _KINDS or _names_a_class(tag)


def _names_a_class(tag: int) -> bool:
    try:
        keyword = dictionary_keyword(tag)
    except KeyError:
        return False
    return "SOPClass" in keyword or "TransferSyntax" in keyword


def _top(read: Walk, tag: int) -> str:
    """The text of a top-level element of the data set; empty when it is absent."""
    found = [piece for piece in read.pieces if piece.tag == tag and not piece.path]
    return _text(read, found[0]) if len(found) == 1 else ""


def _text(read: Walk, piece: Piece) -> str:
    return read.data[piece.start : piece.stop].decode("latin-1").strip("\0 ")


def _shown(tag: int) -> str:
    return Piece("", (), tag, "", 0, 0).where


def _refuse(what: str) -> NoReturn:
    raise Refusal("D09", what)
