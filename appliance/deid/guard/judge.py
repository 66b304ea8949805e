"""Whether a match is a leak or what the place holds by chance: the rule, written once.

text     names of 4 letters and more anywhere, unless the word around is one of the standard's
(GINA in ORIGINAL); identifiers of 6 digits and more anywhere; 4 or 5 digits as a whole
number and names of 3 letters as a whole word: SHORT, a person may release them
terms    CS and our own markers: as text, but a defined term is no hit; digits as a whole number
numbers  IS, DS, DA, TM, DT, AS, UI, code values: digits only as a whole value of 6 and more. A
birth date met in another date attribute is SHORT: a newborn's study, or a shift
binary   OB, UN, decoded bytes: from 4 letters or 6 digits on; 3 letters inside printable text
pixels   and arrays of numbers: from 6 letters, 8 digits, 8 characters of UTF-16 on, and only
texts of 3 different characters that are no ramp: an 8-bit gradient holds "456789", a
flat image "111111", speckle any six digits
"""

import re
from collections.abc import Callable, Iterator
from enum import Enum
from itertools import pairwise
from typing import NamedTuple

from appliance.deid.guard.needles import OTHER, Kind, Needle, spellings
from appliance.deid.guard.vocabulary import VOCABULARY
from appliance.deid.guard.walk import PIXELS, Piece

SHORT_WORD = 3
SHORT_NUMBER = 5
IN_PIXELS = 6
NUMBER_IN_PIXELS = 8

_GAP = rb"[-_ ./:^,=']"
_PRINTABLE = re.compile(rb"[\x20-\x7e\x80-\xff]{8,}")
_CONTROL = re.compile(rb"[\x01-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
_ESCAPES = re.compile(rb"\x1b(?:\$[@B]|\([BJ])")
_LETTERS = re.compile(rb"[A-Za-z\x80-\xff]*")
_NUMBER_VRS = frozenset(["IS", "DS", "DA", "TM", "DT", "AS", "UI"])
ARRAY_VRS = frozenset(
    ["OW", "OF", "OD", "OL", "OV", "US", "SS", "UL", "SL", "FL", "FD", "AT", "SV", "UV"]
)
STAMP, CODES = 0x00120063, 0x00120064
_MARKERS = frozenset({0x00120062, STAMP, CODES, 0x00280303})
_CODE_VALUE, _BIRTH_DATE = 0x00080100, 0x00100030


class Holds(Enum):
    """What a place can hold, which decides what counts there."""

    TEXT = "text"
    TERMS = "terms"
    NUMBERS = "numbers"
    BINARY = "binary"
    PIXELS = "pixels"


class Verdict(Enum):
    """CHANCE is no hit; SHORT is one that a person may release."""

    CHANCE = "chance"
    SHORT = "short"
    LEAK = "leak"


class Found(NamedTuple):
    """A match: the needle, the value it lies in, and the bytes around it."""

    needle: Needle
    piece: Piece
    value: bytes
    holds: Holds
    data: bytes
    span: tuple[int, int]
    coding: str

    @property
    def before(self) -> bytes:
        """The byte ahead, zeros of UTF-16 aside."""
        start = self.span[0]
        return self.data[max(0, start - 2) : start].strip(b"\0")[-1:]

    @property
    def after(self) -> bytes:
        """The byte behind, zeros of UTF-16 aside."""
        stop = self.span[1]
        return self.data[stop : stop + 2].strip(b"\0")[:1]

    @property
    def whole_word(self) -> bool:
        """Neither letter nor digit around."""
        return not (_alphanumeric(self.before) or _alphanumeric(self.after))

    @property
    def whole_number(self) -> bool:
        """No digit around, leading zeros aside."""
        start = self.span[0]
        ahead = self.data[max(0, start - 16) : start].rstrip(b"0")[-1:]
        return not (ahead.isdigit() or self.after.isdigit())


def judge(found: Found) -> Verdict:
    """The verdict of the table above on one match."""
    if found.holds is Holds.PIXELS:
        return _in_pixels(found)
    return _JUDGES[found.needle.kind](found)


def patterns(needle: Needle, codings: tuple[str, ...]) -> Iterator[tuple[str, re.Pattern[bytes]]]:
    """The needle in each coding that writes it differently from those before."""
    seen: set[bytes] = set()
    for coding in codings:
        if coding in OTHER and _is_latin(needle.text):
            continue
        for spelling in range(3):
            written = _written(needle, coding, spelling)
            if written and written not in seen:
                seen.add(written)
                yield coding, re.compile(b"(?=(" + written + b"))", re.IGNORECASE | re.DOTALL)


def literals(needle: Needle, codings: tuple[str, ...]) -> frozenset[bytes]:
    """The first word of a name in another script, as each coding writes it in each usual case."""
    word = needle.atoms[0]
    forms = {f for text in spellings(word) for f in (text, text.upper(), text.title())}
    found: set[bytes] = set()
    for coding in codings:
        for form in forms:
            try:
                found.add(_ESCAPES.sub(b"", form.encode(coding)))
            except UnicodeEncodeError:
                continue
    return frozenset(found)


def holds(piece: Piece, value: bytes) -> Holds:
    """What a piece of the file can hold."""
    if piece.place == PIXELS or piece.vr in ARRAY_VRS:
        return Holds.PIXELS
    if piece.vr == "CS" or piece.tag in _MARKERS or any(tag == CODES for tag, _ in piece.path):
        return Holds.TERMS
    if piece.vr in _NUMBER_VRS or piece.tag == _CODE_VALUE:
        return Holds.NUMBERS
    if piece.vr in ("OB", "UN", "") and _CONTROL.search(value):
        return Holds.BINARY
    return Holds.TEXT


def _in_pixels(found: Found) -> Verdict:
    text = found.needle.text
    steps = {ord(b) - ord(a) for a, b in pairwise(text)}
    wide = found.needle.kind in (Kind.DIGITS, Kind.DAY) or found.coding.startswith("utf-16")
    long_enough = len(text) >= (NUMBER_IN_PIXELS if wide else IN_PIXELS)
    telling = long_enough and len(set(text)) >= 3 and len(steps) > 1
    return Verdict.LEAK if telling else Verdict.CHANCE


def _word(found: Found) -> Verdict:
    short = found.needle.length <= SHORT_WORD and found.needle.text.isascii()
    if found.holds is Holds.BINARY:
        whole = found.whole_word and _in_printable(found)
        return _short_if(whole) if short else Verdict.LEAK
    around = _word_around(found)
    if around in VOCABULARY:
        own_name = around == found.needle.text and found.holds is not Holds.TERMS
        return _short_if(own_name)
    return _short_if(found.whole_word) if short else Verdict.LEAK


def _digits(found: Found) -> Verdict:
    short = found.needle.length <= SHORT_NUMBER
    match found.holds:
        case Holds.NUMBERS:
            return Verdict.CHANCE if short else _as_value(found)
        case Holds.TERMS:
            return Verdict.LEAK if found.whole_number and not short else Verdict.CHANCE
        case Holds.TEXT if short:
            whole = found.whole_number if found.needle.length > SHORT_WORD else found.whole_word
            return _short_if(whole)
        case _:
            return Verdict.CHANCE if short else Verdict.LEAK


def _as_value(found: Found) -> Verdict:
    """Digits in a numeric value: the whole of it, or the day of a DT."""
    text = found.needle.text.lstrip("0")
    values = [part.strip(b" \0") for part in found.value.split(b"\\")]
    if found.piece.vr == "DT":
        values = [value[:8] for value in values]
    if not any(value.lstrip(b"0") == text.encode() for value in values):
        return Verdict.CHANCE
    other_day = found.piece.vr in ("DA", "DT") and found.piece.tag != _BIRTH_DATE
    return Verdict.SHORT if other_day else Verdict.LEAK


def _mixed(found: Found) -> Verdict:
    if found.needle.length > SHORT_WORD:
        return Verdict.LEAK
    return _short_if(found.holds is not Holds.BINARY and found.whole_word)


def _day(found: Found) -> Verdict:
    whole = found.whole_number and found.holds is not Holds.NUMBERS
    return Verdict.LEAK if whole else Verdict.CHANCE


_JUDGES: dict[Kind, Callable[[Found], Verdict]] = {
    Kind.WORD: _word,
    Kind.DIGITS: _digits,
    Kind.MIXED: _mixed,
    Kind.DAY: _day,
}


def _short_if(counts: object) -> Verdict:
    return Verdict.SHORT if counts else Verdict.CHANCE


def _word_around(found: Found) -> str:
    """The whole run of letters in which an 8-bit match lies, in lower case."""
    if found.coding.startswith("utf-16") or len(found.needle.atoms) > 1:
        return ""
    start, stop = found.span
    # No defined term is longer than 32 letters.
    ahead = _LETTERS.match(found.data[max(0, start - 32) : start][::-1])
    behind = _LETTERS.match(found.data, stop, stop + 32)
    left = ahead.group()[::-1] if ahead else b""
    right = behind.group() if behind else b""
    return (left + found.data[start:stop] + right).lower().decode("latin-1")


def _in_printable(found: Found) -> bool:
    start, stop = found.span
    around = found.data[max(0, start - 16) : stop + 16]
    inside = start - max(0, start - 16)
    return any(run.start() <= inside < run.end() for run in _PRINTABLE.finditer(around))


def _alphanumeric(byte: bytes) -> bool:
    return byte.isalnum() or byte >= b"\x80"


def _is_latin(text: str) -> bool:
    return all(ord(c) < 256 for c in text)


def _written(needle: Needle, coding: str, spelling: int) -> bytes:
    """The needle as a pattern; empty where the coding has no such letters."""
    gap = {"utf-16-le": b"(?:%s\\0)" % _GAP, "utf-16-be": b"(?:\\0%s)" % _GAP}.get(coding, _GAP)
    between = gap + b"{%d,2}" % needle.gap
    forms = [spellings(atom) for atom in needle.atoms]
    try:
        return between.join(_atom(form[min(spelling, len(form) - 1)], coding) for form in forms)
    except UnicodeEncodeError:
        return b""


def _atom(text: str, coding: str) -> bytes:
    if coding == "iso2022_jp":
        # Its escapes stand around a whole run, not around each letter.
        return re.escape(_ESCAPES.sub(b"", text.encode(coding)))
    return b"".join(_letter(letter, coding) for letter in text)


def _letter(letter: str, coding: str) -> bytes:
    """Both cases; ASCII letters leave that to the pattern's flag."""
    forms = {letter} if letter.isascii() else {letter.lower(), letter.upper()}
    return b"(?:%s)" % b"|".join(sorted(re.escape(form.encode(coding)) for form in forms))
