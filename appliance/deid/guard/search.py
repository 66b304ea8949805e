"""Whether a subject's identity stands anywhere in a finished file, and where; never what.

Nearly every file is clean, so the cheap proof comes first: the bytes are folded to lower-case
letters and digits, and a needle whose key is not in the fold is nowhere. The rest goes to `judge`.

Original UIDs are not searched one by one: what looks like a UID is taken out and looked up, with
each of its prefixes, outside the pixels. UIDs and pseudonyms of our own making are known by their
form (2.25 and a UUIDv8; a check character) and blotted out first, registered UIDs likewise, and
the profile's digest in our own marker: digits in them are chance. Pixels and large arrays are
searched as they are; base64, hex, URL and deflate are undone everywhere else.
"""

import binascii
import re
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from pydicom._uid_dict import UID_dictionary

from appliance.deid.guard.judge import (
    ARRAY_VRS,
    IN_PIXELS,
    STAMP,
    Found,
    Holds,
    Verdict,
    holds,
    judge,
    literals,
    patterns,
)
from appliance.deid.guard.needles import LATIN, OTHER, Needle, Needles, fold
from appliance.deid.guard.walk import (
    DATA,
    META,
    PIXELS,
    PREAMBLE,
    SEGMENTS,
    TRAILING,
    UNREAD,
    Piece,
    walk,
)
from appliance.keyed import BASE32, check_character

# A person needs a few places to understand; a file full of hits needs no more.
MOST_HITS = 50
# Arrays of numbers longer than this are set aside with the pixels.
LARGE_ARRAY = 4096
# PDF and gzip members: a document has hundreds; each is inflated up to 4 MiB.
MOST_MEMBERS = 512
MOST_MEMBER = 4 << 20

Decoding = Callable[[bytes], Iterator[tuple[int, bytes]]]


@dataclass(frozen=True)
class Hit:
    """Where (tag path, offset, encoding), never the text; `short`: a person may release it."""

    where: str
    short: bool


def _base64(data: bytes) -> Iterator[tuple[int, bytes]]:
    for run in re.finditer(rb"[A-Za-z0-9+/]{6,}", data):
        for phase in range(4):
            text = run.group()[phase:]
            text = text[:-1] if len(text) % 4 == 1 else text
            yield run.start() + phase, binascii.a2b_base64(text + b"=" * (-len(text) % 4))


def _hex(data: bytes) -> Iterator[tuple[int, bytes]]:
    for run in re.finditer(rb"[0-9A-Fa-f]{6,}", data):
        for phase in range(2):
            text = run.group()[phase:]
            yield run.start() + phase, binascii.unhexlify(text[: len(text) // 2 * 2])


def _url(data: bytes) -> Iterator[tuple[int, bytes]]:
    if b"%" in data:
        # Whole runs, each looked at once: a pattern around the sign takes minutes for a long one.
        for run in re.finditer(rb"[^\s\\\0]+", data):
            if b"%" in run.group():
                yield run.start(), unquote_to_bytes(run.group())


def _deflate(data: bytes) -> Iterator[tuple[int, bytes]]:
    starts = re.finditer(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]", data)
    for start in islice(starts, MOST_MEMBERS):
        try:
            plain = zlib.decompressobj(47).decompress(data[start.start() :], MOST_MEMBER)
        except zlib.error:
            continue
        yield start.start(), plain


@dataclass(frozen=True)
class Senses:
    """How the guard sees: without any of these rows it is blind, and the control notices."""

    places: tuple[str, ...] = (PREAMBLE, META, DATA, PIXELS, SEGMENTS, TRAILING, UNREAD)
    codings: tuple[str, ...] = LATIN + OTHER
    decodings: tuple[tuple[str, Decoding], ...] = (
        ("base64", _base64),
        ("hex", _hex),
        ("url", _url),
        ("deflate", _deflate),
    )


SENSES = Senses()


def search(output: bytes, needles: Needles, senses: Senses = SENSES) -> tuple[Hit, ...]:
    """Every place of a finished Part 10 file where the identity stands, up to `MOST_HITS`."""
    return tuple(islice(_Search(output, needles, senses).hits(), MOST_HITS))


class _View(NamedTuple):
    """Bytes to search and where they lie in the file: (start in view, offset in file), ascending."""

    encoding: str
    data: bytes
    cuts: tuple[tuple[int, int], ...]

    def offset(self, at: int) -> int:
        start, offset = self.cuts[bisect_right(self.cuts, at, key=lambda cut: cut[0]) - 1]
        # In decoded bytes the beginning of what was decoded is the place.
        return offset if self.encoding else offset + at - start


_SHAPE = re.compile(rb"[0-2]\0?(?:\.\0?(?:[0-9]\0?)+){2,}")
_PSEUDONYM = re.compile(rb"[A-Z0-9]{2,6}-[%s]{12}[0-9A-Z](?![0-9A-Z])" % BASE32.encode())
_DIGEST = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


class _Search:
    """One file under the guard's eyes."""

    def __init__(self, output: bytes, needles: Needles, senses: Senses) -> None:
        read = walk(output)
        self.data, self.needles, self.senses = read.data, needles, senses
        self.texts = frozenset(needle.text for needle in needles.items)
        self.pieces = [piece for piece in read.pieces if piece.place in senses.places]
        self.starts = [piece.start for piece in self.pieces]

    def hits(self) -> Iterator[Hit]:
        near = self._view(piece for piece in self.pieces if not _is_large(piece))
        near = near._replace(data=self._blotted(near.data))
        for view in (near, *self._decoded(near)):
            yield from self._uids(view)
            yield from self._texts(view, self.needles.items)
        far = self._view(piece for piece in self.pieces if _is_large(piece))
        long = [needle for needle in self.needles.items if needle.length >= IN_PIXELS]
        yield from self._texts(far, long)

    def _view(self, pieces: Iterable[Piece]) -> _View:
        parts: list[bytes] = []
        cuts: list[tuple[int, int]] = []
        filled = 0
        for piece in pieces:
            value = self.data[piece.start : piece.stop]
            if piece.tag == STAMP:
                value = _DIGEST.sub(_blot, value)
            cuts.append((filled, piece.start))
            parts += (value, b"\1\1")
            filled += len(value) + 2
        return _View("", b"".join(parts), tuple(cuts))

    def _decoded(self, near: _View) -> Iterator[_View]:
        for name, decoding in self.senses.decodings:
            parts: list[bytes] = []
            cuts: list[tuple[int, int]] = []
            filled = 0
            for start, part in decoding(near.data):
                cuts.append((filled, near.offset(start)))
                parts += (part, b"\1\1")
                filled += len(part) + 2
            yield _View(name, b"".join(parts), tuple(cuts))

    def _blotted(self, data: bytes) -> bytes:
        data = _SHAPE.sub(self._blot_uid, data)
        data = _PSEUDONYM.sub(self._blot_pseudonym, data)
        for own in self.needles.own:
            data = data.replace(own, b"\2" * len(own))
        return data

    def _blot_uid(self, found: re.Match[bytes]) -> bytes:
        uid = _uid(found)
        harmless = uid not in self.needles.uids and (_is_ours(uid) or uid in UID_dictionary)
        return _blot(found) if harmless else found.group()

    def _blot_pseudonym(self, found: re.Match[bytes]) -> bytes:
        site, _, body = found.group().decode().partition("-")
        known = f"{site}{body}".lower() in self.texts
        ours = check_character(site + body[:-1]) == body[-1] and not known
        return _blot(found) if ours else found.group()

    def _uids(self, view: _View) -> Iterator[Hit]:
        for found in _SHAPE.finditer(view.data):
            parts = _uid(found).split(".")
            # A UID with something appended is still that UID.
            names = {".".join(parts[:count]) for count in (*range(4, len(parts)), len(parts))}
            if not self.needles.uids.isdisjoint(names):
                yield self._hit(view, found.start(), "UID", Verdict.LEAK)

    def _texts(self, view: _View, needles: Iterable[Needle]) -> Iterator[Hit]:
        folded = fold(view.data)
        for needle in needles:
            if not self._likely(needle, view.data, folded):
                continue
            for coding, pattern in patterns(needle, self.senses.codings):
                for found in pattern.finditer(view.data):
                    verdict = judge(self._found(view, needle, coding, found.span(1)))
                    if verdict is not Verdict.CHANCE:
                        yield self._hit(view, found.start(), coding, verdict)

    def _likely(self, needle: Needle, data: bytes, folded: bytes) -> bool:
        """The cheap proof of absence: no key in the fold, or none of its letters in the bytes."""
        if needle.keys:
            return any(key in folded for key in needle.keys)
        return any(literal in data for literal in literals(needle, self.senses.codings))

    def _found(self, view: _View, needle: Needle, coding: str, span: tuple[int, int]) -> Found:
        piece = self._piece(view.offset(span[0]))
        value = self.data[piece.start : piece.stop]
        place = Holds.BINARY if view.encoding else holds(piece, value)
        return Found(needle, piece, value, place, view.data, span, coding)

    def _piece(self, offset: int) -> Piece:
        return self.pieces[bisect_right(self.starts, offset) - 1]

    def _hit(self, view: _View, at: int, coding: str, verdict: Verdict) -> Hit:
        offset = view.offset(at)
        encoding = f"{view.encoding} {coding}".strip()
        where = f"{self._piece(offset).where} offset {offset} {encoding}"
        return Hit(where, verdict is Verdict.SHORT)


def _is_large(piece: Piece) -> bool:
    array = piece.vr in ARRAY_VRS and piece.stop - piece.start > LARGE_ARRAY
    return piece.place == PIXELS or array


def _blot(found: re.Match[bytes]) -> bytes:
    return b"\2" * len(found.group())


def _uid(found: re.Match[bytes]) -> str:
    return found.group().replace(b"\0", b"").decode()


def _is_ours(uid: str) -> bool:
    """`2.25.` and a number with a UUIDv8's version and variant: the form of keyed.mapped_uid."""
    root, _, number = uid.rpartition(".")
    if root != "2.25" or len(number) > 39:
        return False
    bits = int(number)
    return bits >> 128 == 0 and bits >> 76 & 0xF == 8 and bits >> 62 & 3 == 2
