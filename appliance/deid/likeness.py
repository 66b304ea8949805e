"""One name for what an instance says, however it is written.

A PACS forwards what a modality has sent with or without VRs, with other padding, in another
character set: that is the same instance. Compressed pixels are compared as they are: nobody has
looked at what a compression did.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256

from appliance.deid.characters import decoded
from appliance.deid.elements import Coding, Element, Item, implicit_vr, read
from appliance.deid.splices import Splice, assemble
from appliance.deid.top import CHARACTER_SET

STAMP = 0x00120063
_PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_NATIVE = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1"})
# Tag, VR, reserved and length; without VRs tag and length alone.
_HEADER = {Coding.EXPLICIT: 12, Coding.IMPLICIT: 8}
_TEXT = frozenset(["LO", "LT", "PN", "SH", "ST", "UC", "UT"])
_PADDED = _TEXT | {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"}


def likeness(
    level: Mapping[int, Sequence[Splice]], view: memoryview, coding: Coding, syntax: str
) -> str:
    """SHA-256 over the finished elements of the data set, our stamp left out."""
    tags = sorted(level)
    written = b"".join(
        piece for tag in tags if tag not in _PIXELS for piece in assemble(level[tag], view)
    )
    digest = sha256(b"native" if syntax in _NATIVE else syntax.encode())
    for words in _said(read(written, coding), written, b""):
        digest.update(words)
    for tag in sorted(_PIXELS.intersection(tags)):
        digest.update(b"\npixels %08X " % tag)
        for piece in _after(_HEADER[coding], assemble(level[tag], view)):
            digest.update(piece)
    return digest.hexdigest()


def _said(item: Item, data: bytes, charset: bytes) -> Iterator[bytes]:
    """Tag, length and value of every element at every depth, text in UTF-8."""
    for element in item.elements:
        value = data[element.value : element.stop]
        if element.tag == CHARACTER_SET:
            charset = value
        elif element.items is not None:
            yield b"\n%08X %d items" % (element.tag, len(element.items))
            for inner in element.items:
                yield b"\nitem"
                yield from _said(inner, data, charset)
            yield b"\nend"
        elif element.tag != STAMP:
            plain = _plain(element, value, charset)
            yield b"\n%08X %d " % (element.tag, len(plain))
            yield plain


def _plain(element: Element, value: bytes, charset: bytes) -> bytes:
    vr = implicit_vr(element.tag)
    if vr in _TEXT:
        text = decoded(value, charset)
        value = value if text is None else text.encode()
    return value.rstrip(b" \0") if vr in _PADDED else value


def _after(skipped: int, pieces: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    for piece in pieces:
        yield piece[skipped:]
        skipped = max(0, skipped - len(piece))
