"""Text as its declared character set says (PS3.3 C.12.1.1.2), or not at all."""

import re
from functools import lru_cache

from pydicom.charset import (
    CODES_TO_ENCODINGS,
    STAND_ALONE_ENCODINGS,
    default_encoding,
    python_encoding,
)

_ESCAPE = re.compile(b"|".join(re.escape(escape) for escape in CODES_TO_ENCODINGS))
_ASCII = "ascii"
# Delimiters that end a shift to another set (PS3.5 6.1.2.5.3).
_RESET = re.compile(rb"([\r\n\f\t^=\\])")


def decoded(value: bytes, declared: bytes) -> str | None:
    """The text of a value under a Specific Character Set; None where it cannot be read."""
    if value.isascii() and b"\x1b" not in value:
        return value.decode(_ASCII)
    first, *others = _codecs(declared)
    try:
        text = "".join(_pieces(value, first)) if others else value.decode(first)
    except (UnicodeDecodeError, LookupError):
        return None
    return None if "\x1b" in text else text


def readable(value: bytes, declared: bytes) -> str:
    """The text at any price: what does not decode is read byte by byte, as a search needs it."""
    text = decoded(value, declared)
    return value.decode("latin-1") if text is None else text


@lru_cache(maxsize=256)
def _codecs(declared: bytes) -> tuple[str, ...]:
    """Python's names; nothing declared is ASCII."""
    names = [name.strip() for name in declared.decode("latin-1").rstrip("\0 ").split("\\")]
    if len(names) > 1 and names[0] in STAND_ALONE_ENCODINGS:
        names = names[:1]
    return tuple(_codec(python_encoding.get(name, "unknown")) for name in names)


def _codec(name: str) -> str:
    """The dictionary reads the default repertoire as Latin-1, which hides what is wrong."""
    return _ASCII if name == default_encoding else name


def _pieces(value: bytes, first: str) -> list[str]:
    texts: list[str] = []
    for stretch in _RESET.split(value):
        codec, at = first, 0
        for escape in _ESCAPE.finditer(stretch):
            texts.append(_read(stretch[at : escape.start()], codec))
            codec, at = _codec(CODES_TO_ENCODINGS[escape[0]]), escape.start()
        texts.append(_read(stretch[at:], codec))
    return texts


def _read(stretch: bytes, codec: str) -> str:
    """Codecs of Japan and Korea read the escape themselves; for the others it is taken off."""
    escape = _ESCAPE.match(stretch)
    if escape is None or codec.startswith("iso2022_jp"):
        return stretch.decode(codec)
    return stretch[escape.end() :].decode(codec)
