"""The positive control: a guard that finds nothing is believed only after it found this.

A made-up person is planted in every place and in every encoding of a made-up file, one at a time.
"""

import binascii
import struct
import zlib
from base64 import b64encode
from collections.abc import Callable, Mapping
from urllib.parse import quote

from appliance.deid.guard.needles import needles
from appliance.deid.guard.search import SENSES, Senses, search

# Not a person: no name list has it, and it has an accent, as half of the encodings differ by that.
FAMILY = "Zyqwénorth"
UID = "1.2.826.0.1.999999.17"
# Another script, for the character sets that only such names need.
SCRIPTS = {
    "gb18030": "张伟明", "shift_jis": "山田太郎", "iso2022_jp": "山田太郎", "euc_jp": "山田太郎",
    "euc_kr": "홍길동", "iso8859_5": "Люкceмбург", "iso8859_7": "Διονυσος", "iso8859_6": "قباني",
    "iso8859_8": "שרון", "iso8859_9": "Çavuşoğlu", "iso8859_2": "Wiśniewski", "tis_620": "นามสกุล",
}  # fmt: skip

_LONG = frozenset({b"OB", b"OW", b"UN", b"SQ", b"UT"})
_STOP = b"\xfe\xff\xdd\xe0\0\0\0\0"


def control(senses: Senses = SENSES) -> None:
    """Find the planted person everywhere, or raise RuntimeError: then nothing may leave."""
    person = needles([f"{FAMILY}^Qrx"], [UID], 3)
    if search(_file({}), person, senses):
        raise RuntimeError("the leak guard sees a leak where none is")
    seen: dict[str, bool] = {
        f"a name in place: {name}": bool(search(place(_even(FAMILY.encode())), person, senses))
        for name, place in PLACES.items()
    }
    text = PLACES["text"]
    for encoding, planted in {**_encoded(), "UID": UID.encode()}.items():
        seen[f"encoding: {encoding}"] = bool(search(text(_even(planted)), person, senses))
    for coding, name in SCRIPTS.items():
        found = search(text(_even(name.encode(coding))), needles([name], [], 3), senses)
        seen[f"character set: {coding}"] = bool(found)
    if blind := [what for what, found in seen.items() if not found]:
        raise RuntimeError(f"the leak guard is blind: {', '.join(blind)}")


def _even(planted: bytes) -> bytes:
    return planted + b" " * (len(planted) % 2)


def _encoded() -> Mapping[str, bytes]:
    """The planted name as it may be written."""
    plain = FAMILY.encode()
    written = {
        "latin-1": FAMILY.encode("latin-1"),
        "utf-16-le": FAMILY.encode("utf-16-le"),
        "utf-16-be": FAMILY.encode("utf-16-be"),
        "upper case": FAMILY.upper().encode(),
        "upper case latin-1": FAMILY.upper().encode("latin-1"),
        "lower case": FAMILY.lower().encode(),
        "without accents": b"Zyqwenorth",
        "decomposed": "Zyqwe\u0301north".encode(),
        "hex": binascii.hexlify(plain),
        "hex, upper case": binascii.hexlify(plain).upper(),
        "hex, odd": b"f" + binascii.hexlify(plain),
        "url": quote(FAMILY).encode(),
        "url, every byte": b"".join(b"%%%02X" % byte for byte in plain),
        "deflate": zlib.compress(plain * 3),
        "gzip": zlib.compress(plain * 3, wbits=31),
    }
    phases = {f"base64 {n}": b64encode(b"~" * n + plain).strip(b"=") for n in range(3)}
    return {**written, **phases}


def _explicit(tag: int, vr: bytes, value: bytes) -> bytes:
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr
    if vr in _LONG:
        return head + struct.pack("<HI", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def _open(tag: int, vr: bytes, value: bytes) -> bytes:
    """A sequence (or fragments) of undefined length with one item of defined length."""
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr + b"\0\0\xff\xff\xff\xff"
    return head + struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value + _STOP


def _item(value: bytes) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value


_NOISE = bytes((n * 7919 >> 3) & 0xFF for n in range(512))


def _file(
    elements: Mapping[int, bytes], head: bytes = b"", meta: bytes = b"", tail: bytes = b""
) -> bytes:
    syntax = _explicit(0x00020010, b"UI", b"1.2.840.10008.1.2.1\0")
    data = b"".join(elements[tag] for tag in sorted(elements))
    return head.ljust(128, b"\0")[:128] + b"DICM" + syntax + meta + data + tail


def _with(element: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    return lambda planted: _file({0: element(planted)})


PLACES: Mapping[str, Callable[[bytes], bytes]] = {
    "preamble": lambda planted: _file({}, head=planted),
    "file meta": lambda planted: _file({}, meta=_explicit(0x00020016, b"AE", planted)),
    "text": _with(lambda planted: _explicit(0x00104000, b"LT", planted)),
    "terms": _with(lambda planted: _explicit(0x00180015, b"CS", planted)),
    "numbers": _with(lambda planted: _explicit(0x00181050, b"DS", planted)),
    "UN": _with(lambda planted: _explicit(0x00091010, b"UN", _NOISE + planted)),
    "private": _with(lambda planted: _explicit(0x00090010, b"LO", planted)),
    "nested": _with(
        lambda planted: _explicit(
            0x00081140,
            b"SQ",
            _item(_open(0x0040A730, b"SQ", _explicit(0x0040A160, b"UT", planted))),
        )
    ),
    "UN of unknown length": _with(
        lambda planted: _open(
            0x00091011, b"UN", struct.pack("<HHI", 0x0040, 0xA160, len(planted)) + planted
        )
    ),
    "bytes": _with(lambda planted: _explicit(0x00420011, b"OB", _NOISE + planted)),
    "overlay": _with(lambda planted: _explicit(0x60003000, b"OW", _NOISE + planted)),
    "large overlay": _with(lambda planted: _explicit(0x60003000, b"OW", _NOISE * 16 + planted)),
    "pixels": _with(lambda planted: _explicit(0x7FE00010, b"OW", _NOISE + planted)),
    "fragments": _with(lambda planted: _open(0x7FE00010, b"OB", _NOISE + planted)),
    "JPEG segments": _with(
        lambda planted: _open(
            0x7FE00010,
            b"OB",
            b"\xff\xd8\xff\xfe" + struct.pack(">H", len(b64encode(planted)) + 2) + b64encode(planted)
            + b"\xff\xda" + _NOISE,
        )
    ),
    "after the data set": lambda planted: _file({0: _explicit(0xFFFCFFFC, b"OB", planted)}),
    "unread": lambda planted: _file({}, tail=b"??" + planted),
}  # fmt: skip
