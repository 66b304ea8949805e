"""Dates and times move by whole days or stay; what cannot be read is never passed on.

One offset for every date of a subject keeps all intervals; times of day are not changed.
"""

import re
from datetime import date, timedelta

# Values that everybody knows would give the offset away; the last one is our own dummy.
KNOWN = frozenset(["00010101", "19000101", "19700101", "99991231", "00000000", "20000101"])
DUMMIES = {"DA": b"20000101", "TM": b"000000", "DT": b"20000101000000"}

# `YYYY.MM.DD` and `HH:MM:SS` are the forms of ACR-NEMA (PS3.5 6.2, notes).
_DA = re.compile(rb"(\d{4})(\.?)(\d{2})\2(\d{2})")
_TM = re.compile(rb"([01]\d|2[0-3])(?:(:?)([0-5]\d)(?:\2([0-5]\d|60)(\.\d{1,6})?)?)?")
_DT = re.compile(
    rb"(\d{8})(?:([01]\d|2[0-3])(?:[0-5]\d(?:(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?)?(?:[+-](?:0\d|1[0-4])[0-5]\d)?"
)
_COARSE = re.compile(rb"\d{4}(?:\d{2})?(?:[+-](?:0\d|1[0-4])[0-5]\d)?")
_OFFSET = re.compile(rb"[+-](?:0\d|1[0-4])[0-5]\d")
_PADDING = b" \0"


def moved(value: bytes, vr: str, days: int) -> list[bytes | None]:
    """Each value moved by `days`; None where it cannot be, empty where it was empty."""
    move = {"DA": _moved_date, "DT": _moved_moment, "TM": _read_time}[vr]
    return [move(one, days) if one else one for one in _split(value)]


def checked(value: bytes, vr: str) -> list[bytes | None]:
    """Each value as it is; None where it is no date or time."""
    if vr == "DT":
        return [
            one if not one or _DT.fullmatch(one) or _COARSE.fullmatch(one) else None
            for one in _split(value)
        ]
    return moved(value, vr, 0)


def is_utc_offset(value: bytes) -> bool:
    """Whether a value is a Timezone Offset From UTC (PS3.3 C.12.1.1.8)."""
    return _OFFSET.fullmatch(value.strip(_PADDING)) is not None


def _split(value: bytes) -> list[bytes]:
    return [one.strip(_PADDING) for one in value.split(b"\\")]


def _moved_date(one: bytes, days: int) -> bytes | None:
    read = _DA.fullmatch(one)
    if read is None:
        return None
    year, _, month, day = read.groups()
    return _shifted(year + month + day, days)


def _moved_moment(one: bytes, days: int) -> bytes | None:
    """The date part alone moves: precision, fraction and UTC suffix stay."""
    read = _DT.fullmatch(one)
    day = _shifted(read[1], days) if read else None
    return None if day is None else day + one[8:]


def _read_time(one: bytes, _: int) -> bytes | None:
    read = _TM.fullmatch(one)
    return (
        None
        if read is None
        else b"".join(part for n, part in enumerate(read.groups()) if n != 1 and part)
    )


def _shifted(digits: bytes, days: int) -> bytes | None:
    text = digits.decode("ascii")
    if days and text in KNOWN:
        return None
    try:
        day = date(int(text[:4]), int(text[4:6]), int(text[6:])) + timedelta(days)
    except (ValueError, OverflowError):
        return None
    return day.strftime("%Y%m%d").rjust(8, "0").encode()
