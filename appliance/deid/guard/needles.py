"""Who must not be found: the identity of one subject, in every spelling, as values in memory.

The values come as plain text, so their form tells what they are: letters only is a name, eight
digits of a possible day is a birth date, the rest is an identifier, phone or address.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import permutations

from pydicom._uid_dict import UID_dictionary

# Instance numbers and Study ID "1" are everywhere: nothing shorter is ever searched.
LEAST = 3
# The parts of a longer name are still searched one by one.
MOST_PARTS = 4
# A digit run inside an identifier counts by itself from here on.
LONG_RUN = 6
SEPARATORS = " -_./:^,='’"
_PARTICLES = frozenset(
    [
        "van",
        "von",
        "der",
        "den",
        "des",
        "les",
        "del",
        "dos",
        "mme",
        "mlle",
        "prof",
        "jun",
        "sen",
        "and",
        "the",
        "und",
        "nee",
        "née",
        "unknown",
        "none",
        "removed",
        "anonymous",
        "anonymized",
        "anonymised",
    ]
)
_MONTHS = (
    "jan january janv janvier", "feb february fev févr février", "mar march mars", "apr april avr avril",
    "may mai", "jun june juin", "jul july juil juillet", "aug august aout août", "sep sept september septembre",
    "oct october octobre", "nov november novembre", "dec december déc décembre",
)  # fmt: skip
_DAY = re.compile(r"(\d{4})[-./ ]?(\d\d)[-./ ]?(\d\d)$")
_RUN = re.compile(rf"\d{{{LONG_RUN},}}")
_UID = re.compile(r"[0-2](\.\d+){3,}$")
_DROPPED = bytes(b for b in range(256) if not chr(b).isalnum() or b >= 128)
_LOWER = bytes(range(65)) + bytes(range(97, 123)) + bytes(range(91, 256))

# How text may stand in the bytes. The last eight are asked for names in other scripts only.
LATIN = ("utf-8", "latin-1", "utf-16-le", "utf-16-be")
OTHER = (
    "gb18030", "shift_jis", "iso2022_jp", "euc_jp", "euc_kr", "iso8859_5", "iso8859_7", "iso8859_6",
    "iso8859_8", "iso8859_9", "iso8859_2", "tis_620",
)  # fmt: skip


class Kind(Enum):
    """What a needle is made of; `search` says where each kind counts."""

    WORD = "word"
    DIGITS = "digits"
    MIXED = "mixed"
    DAY = "day"


@dataclass(frozen=True)
class Needle:
    """Atoms which follow each other with `gap` (0 or 1) to 2 separators in between."""

    kind: Kind
    atoms: tuple[str, ...]
    gap: int
    keys: frozenset[bytes]

    @property
    def text(self) -> str:
        """Lower case, without separators."""
        return "".join(self.atoms)

    @property
    def length(self) -> int:
        """Its letters and digits."""
        return len(self.text)


@dataclass(frozen=True)
class Needles:
    """What `search` looks for, and what of our own it must not mistake for it."""

    items: tuple[Needle, ...]
    uids: frozenset[str]
    own: frozenset[bytes]

    def __repr__(self) -> str:
        return f"Needles({len(self.items)}, {len(self.uids)} UIDs)"


def needles(
    values: Iterable[str], original_uids: Iterable[str], min_token: int, own: Collection[str] = ()
) -> Needles:
    """The needles of a subject out of his raw values and the original UIDs of the whole study.

    `own` are values that we write ourselves (pseudonym, study code) and that may by chance hold a
    needle, as a given pseudonym does with the hospital's name. A value that is itself a needle
    stays one.
    """
    uids = {uid.strip("\0 ") for uid in original_uids}
    found: dict[tuple[tuple[str, ...], int], Needle] = {}
    for value in values:
        if _UID.match(value.strip("\0 ")):
            uids.add(value.strip("\0 "))
            continue
        for needle in _of_value(value, min_token):
            found.setdefault((needle.atoms, needle.gap), needle)
    texts = {needle.text for needle in found.values()}
    ours = frozenset(text.encode() for text in own if text and _squeezed(text) not in texts)
    return Needles(tuple(found.values()), frozenset(uids - UID_dictionary.keys() - {""}), ours)


def fold(data: bytes) -> bytes:
    """Letters and digits of ASCII only, in lower case.

    A text found in bytes is also found in their fold, whatever stands between its letters:
    separators, the zeros of UTF-16, accents. So a fold without the needle's key is proof.
    """
    return data.translate(_LOWER, _DROPPED)


def spellings(text: str) -> tuple[str, ...]:
    """As it is, decomposed, and without accents."""
    apart = unicodedata.normalize("NFKD", text)
    bare = "".join(c for c in apart if not unicodedata.combining(c))
    return tuple(dict.fromkeys((unicodedata.normalize("NFC", text), apart, bare)))


def _of_value(value: str, min_token: int) -> Iterator[Needle]:
    value = value.strip("\0 ").lower()
    letters = [c for c in value if c not in SEPARATORS]
    if not letters:
        return
    if all(c.isalpha() or unicodedata.combining(c) for c in letters):
        yield from _of_name(value, max(min_token, LEAST))
    else:
        yield from _of_identifier(value, letters)
    if day := _DAY.match(value):
        yield from _of_day(*day.groups())


def _of_name(value: str, min_token: int) -> Iterator[Needle]:
    for component in re.split("[=,]", value):
        parts = [part for part in re.split(r"[\s^.'’_/:]+", component) if part]
        pieces = {piece for part in parts for piece in (part, *part.split("-")) if piece.strip("-")}
        for piece in sorted(pieces):
            if piece not in _PARTICLES and _enough(piece.replace("-", ""), min_token):
                yield _made(Kind.WORD, tuple(piece.split("-")), 0)
        parts = [part for part in parts if part.strip("-")]
        if 2 <= len(parts) <= MOST_PARTS:
            for order in permutations(parts, 2):
                if len("".join(order)) > LEAST:
                    yield _made(Kind.WORD, order, 0)


def _enough(part: str, min_token: int) -> bool:
    """A name in another script is short in letters, not in bytes."""
    return len(part) >= (min_token if part[0] < "\u0370" else 2)


def _of_identifier(value: str, letters: list[str]) -> Iterator[Needle]:
    plain = "".join(letters)
    for text in {plain, plain.lstrip("0"), *_RUN.findall(plain)}:
        if len(text) >= LEAST:
            yield _made(Kind.DIGITS if text.isdecimal() else Kind.MIXED, tuple(text), 0)
    if value.startswith("+") and len(plain) > 10:
        yield _made(Kind.DIGITS, tuple(plain[-9:]), 0)
    # An address is also known by its lines.
    for line in re.split(r"[\n\r^,;]+", value):
        line_text = _squeezed(line)
        if len(line_text) > LONG_RUN and line_text != plain:
            yield _made(Kind.MIXED, tuple(line_text), 0)


def _of_day(year: str, month: str, day: str) -> Iterator[Needle]:
    """The usual spellings of a birth date: Y M D, D M Y, M D Y, unpadded, and with a month's name."""
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31 and 1850 <= int(year) <= 2150):
        return
    for order in ((year, month, day), (day, month, year), (month, day, year)):
        yield _made(Kind.DIGITS, tuple("".join(order)), 0)
    d, m = str(int(day)), str(int(month))
    for order in ((d, m, year), (m, d, year), (year, m, d)):
        yield _made(Kind.DAY, order, 1)
    for name in _MONTHS[int(month) - 1].split():
        for first in {d, day}:
            yield _made(Kind.DAY, (first, name, year), 0)
            yield _made(Kind.DAY, (name, first, year), 0)


def _made(kind: Kind, atoms: tuple[str, ...], gap: int) -> Needle:
    text = "".join(atoms)
    keys = frozenset(fold(form.encode()) for form in spellings(text))
    # Too little is left of a name in another script: then no key, and its bytes are looked for.
    return Needle(kind, atoms, gap, keys if all(len(key) >= 2 for key in keys) else frozenset())


def _squeezed(text: str) -> str:
    return "".join(c for c in text.lower() if c not in SEPARATORS and not c.isspace())
