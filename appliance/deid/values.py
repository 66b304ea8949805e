"""Values: what stands in the place of a removed one, and what a kept one must look like."""

import re
from collections.abc import Callable, Mapping

from pydicom._uid_dict import UID_dictionary

from appliance.deid.characters import decoded
from appliance.deid.dates import DUMMIES

# Above this age a person is one of few (PS3.15 E.3.7 leaves the number to the policy).
AGE_CAP = 89
REMOVED = b"REMOVED"
_OLDEST = b"090Y"
_ZEROS = {
    "US": 2, "SS": 2, "UL": 4, "SL": 4, "FL": 4, "FD": 8, "SV": 8, "UV": 8, "AT": 4, "OB": 2,
    "OW": 2, "OF": 4, "OD": 8, "OL": 4, "OV": 8, "UN": 2,
}  # fmt: skip
_TEXTS: Mapping[str, bytes] = {
    **DUMMIES,
    "AS": b"000Y",
    "IS": b"0",
    "DS": b"0",
    "UR": b"urn:removed",
}

_TERM = re.compile(rb"[A-Z0-9_ ]{0,16}")
_NUMBER = rb" *+(?:[+-]?(?:\d++\.?\d*+|\.\d++)(?:[Ee][+-]?\d{1,3})?)? *+"
_NUMBERS = re.compile(rb"%s(?:\\%s)*+\0?" % (_NUMBER, _NUMBER))
# An identifier of the clinic may hide in a long run of digits.
_LONGEST_NUMBER = 64
_AGE = re.compile(rb"(\d{3})([DWMY])")
_UID = re.compile(r"[0-2](?:\.\d+){3,}")
_UID_VALUE = re.compile(rb"[0-2](?:\.\d++){2,}+|")
_LONGEST_UID = 64
# Versions of software have fewer parts.
_PARTS_OF_A_UID = 6
_WHOLE_WORDS = re.compile(r"[^\W_]+")
# Words of the patient from here on are found inside other words as well.
_LONG_WORD = 4


def dummy(vr: str) -> bytes:
    """A value for an attribute that must have one; ASCII, so no character set changes."""
    return bytes(_ZEROS[vr]) if vr in _ZEROS else _TEXTS.get(vr, REMOVED)


def term(value: bytes) -> list[bytes | None]:
    """CS, value by value; None where it is no term."""
    parts = [part.strip(b" ") for part in value.rstrip(b"\0").split(b"\\")]
    return [part if _TERM.fullmatch(part) else None for part in parts]


def is_number(value: bytes | memoryview) -> bool:
    """Whether DS or IS holds numbers only; contours of megabytes are read once."""
    if _NUMBERS.fullmatch(value) is None:
        return False
    if len(value) <= _LONGEST_NUMBER:
        return True
    return max(map(len, bytes(value).split(b"\\"))) <= _LONGEST_NUMBER


def is_uids(value: bytes) -> bool:
    """Whether UIDs stand there and no words."""
    parts = [part.strip(b"\0 ") for part in value.split(b"\\")]
    return all(len(part) <= _LONGEST_UID and _UID_VALUE.fullmatch(part) for part in parts)


def capped_age(value: bytes) -> bytes | None:
    """An age that names nobody; None where it is no age."""
    read = _AGE.fullmatch(value.strip(b" \0"))
    if read is None:
        return None
    return _OLDEST if read[2] == b"Y" and int(read[1]) > AGE_CAP else read[0]


class Words:
    """The words of one patient; a text which has one of them is not kept."""

    def __init__(
        self, needles: tuple[str, ...], least: int, is_original: Callable[[str], bool]
    ) -> None:
        found = {word for text in needles for word in _WHOLE_WORDS.findall(text.lower())}
        self._short = frozenset(word for word in found if least <= len(word) < _LONG_WORD)
        self._long = tuple(word for word in found if len(word) >= max(least, _LONG_WORD))
        self._is_original = is_original

    def clean(self, value: bytes, charset: bytes) -> bool:
        """Whether a text decodes and holds neither the patient's words nor an original UID."""
        text = decoded(value, charset)
        if text is None:
            return False
        low = text.lower()
        if any(word in low for word in self._long):
            return False
        if self._short and not self._short.isdisjoint(_WHOLE_WORDS.findall(low)):
            return False
        return not any(self._is_instance(uid) for uid in _UID.findall(low))

    def _is_instance(self, uid: str) -> bool:
        """One of the plan's, or any other that the standard does not know."""
        foreign = uid.count(".") + 1 >= _PARTS_OF_A_UID and uid not in UID_dictionary
        return foreign or self._is_original(uid)
