"""What becomes of an element: decided once per place, tag and VR, from the tables and the policy.

PS3.15 E.1-1 goes first, at every depth; then what it does not name, by VR. Nothing is kept because
no rule was found: what cannot be proven safe is removed.
"""

from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from pydicom.datadict import dictionary_has_tag, dictionary_keyword, repeater_has_tag

from appliance.deid.elements import known_vrs
from appliance.deid.tables import Entry, Tables, resolved
from appliance.profile import Policy


class Act(Enum):
    """What is done with an element. The last ones look at the value and may fall back."""

    KEEP = "kept"
    REMOVE = "removed"
    EMPTY = "emptied"
    DUMMY = "replaced"
    DESCEND = "searched"
    MAP = "mapped"
    SHIFT = "shifted"
    DATE = "date checked"
    TIMEZONE = "time zone checked"
    AGE = "age checked"
    TERM = "term checked"
    NUMBER = "number checked"
    TEXT = "text checked"
    MEANING = "code meaning checked"
    KIND = "class UID checked"


class Rule(NamedTuple):
    """An act, what is done instead when the value does not allow it, and the VR to write."""

    act: Act
    instead: Act
    vr: str


# A worker lives long; odd files must not fill its memory with rules for tags of their own.
MOST_REMEMBERED = 2048

DATES = frozenset(["DA", "DT", "TM"])
TEXTS = frozenset(["LO", "LT", "SH", "ST", "UC", "UR", "UT", "AE"])
# Numbers and arrays of them, in which no text stands.
_ARRAYS = frozenset(
    ["AT", "FD", "FL", "OB", "OD", "OF", "OL", "OV", "OW", "SL", "SS", "SV", "UL", "UN", "US", "UV"]
)  # fmt: skip
_BYTES = frozenset(["OB", "UN"])
# Their value is checked form by form, so text in a wrong VR cannot hide behind them.
_STRICT = frozenset(["AS", "CS", "DS", "IS", "UI"]) | DATES
_CHARACTERS = TEXTS | _STRICT | {"PN"}
_BY_LETTER = {"X": Act.REMOVE, "Z": Act.EMPTY, "D": Act.DUMMY, "U": Act.MAP, "U*": Act.DESCEND}
_BY_VR = {
    "CS": Act.TERM,
    "DS": Act.NUMBER,
    "IS": Act.NUMBER,
    "AS": Act.AGE,
    "SQ": Act.DESCEND,
    "UI": Act.MAP,
}
_BY_TYPE = {"1": Act.DUMMY, "2": Act.EMPTY, "3": Act.REMOVE}
_OPTION_OF_DATES = {"shift": "retain_modified_dates", "keep": "retain_full_dates", "remove": ""}

# Signatures, former and encrypted attributes and icons speak of the original.
_FORMER = frozenset({0x04000500, 0x04000550, 0x04000561, 0xFFFAFFFA, 0x00880200})
# Commands, file meta, directories, padding; the Clinical Trial module, of which ours is written.
_FOREIGN_GROUPS = frozenset({0x0000, 0x0002, 0x0004, 0x0012, 0xFFFC, 0xFFFE})
_IMAGE_PIXELS = 0x7FE0
# UIDs of kinds and schemes, never of an instance (PS3.3 8.8, C.12.1).
_SCHEMES = frozenset({0x0008010C, 0x0008010D, 0x00080117, 0x00080118})
_TIMEZONE, _MEANING, _ICC_PROFILE = 0x00080201, 0x00080104, 0x00282000
_FILL = frozenset({0x00700256, 0x00701808})
# Public dates of code lists: a shifted one would give the offset away.
_PUBLIC_DATES = frozenset({0x00080106, 0x00080107})
_CONTENT, _GRAPHICS, _ANNOTATIONS, _STEPS = 0x0040A730, 0x00700001, 0x0040B020, 0x00081111
_REPORTS, _KEY_OBJECTS = "1.2.840.10008.5.1.4.1.1.88.", "1.2.840.10008.5.1.4.1.1.88.59"


class Place:
    """A level of the tree: the sequences above it, and the rules found for it so far."""

    __slots__ = ("_book", "_inner", "_rules", "path")

    def __init__(self, book: "Book", path: tuple[int, ...]) -> None:
        self.path = path
        self._book = book
        self._rules: dict[tuple[int, str], Rule] = {}
        self._inner: dict[int, Place] = {}

    def rule(self, tag: int, vr: str) -> Rule:
        """The rule for a tag which the bytes say is of this VR."""
        known = self._rules.get((tag, vr))
        if known is None:
            if len(self._rules) > MOST_REMEMBERED:
                self._rules.clear()
            known = self._rules[tag, vr] = decided(self._book, self.path, tag, vr)
        return known

    def inside(self, tag: int) -> "Place":
        """The level of the items of a sequence."""
        place = self._inner.get(tag)
        if place is None:
            if len(self._inner) > MOST_REMEMBERED:
                self._inner.clear()
            place = self._inner[tag] = Place(self._book, (*self.path, tag))
        return place


class Book(NamedTuple):
    """What the rules of an instance depend on: tables, policy, SOP class."""

    tables: Tables
    policy: Policy
    sop_class: str


@lru_cache(maxsize=64)
def places(tables: Tables, policy: Policy, sop_class: str) -> Place:
    """The top level under a policy; what was decided for one instance serves the next."""
    return Place(Book(tables, policy, sop_class), ())


def decided(book: Book, path: tuple[int, ...], tag: int, vr: str) -> Rule:
    """The one rule for an element."""
    known = known_vrs(tag)
    if _never_kept(tag) or not known or known[0] == "NONE":
        return Rule(Act.REMOVE, Act.REMOVE, vr)
    entry = book.tables.entries.get(tag)
    rule = _off_table(book, tag, known[0]) if entry is None else _by_table(book, entry, path, tag)
    return _strictest(rule, vr, known)


def _never_kept(tag: int) -> bool:
    """Private, group lengths, other worlds' groups, curves, overlays, retired pixel groups, former values."""
    group = tag >> 16
    return (
        bool(group & 1)
        or not tag & 0xFFFF
        or group in _FOREIGN_GROUPS
        or group & 0xFF00 in (0x5000, 0x6000)
        or (group & 0xFF00 == 0x7F00 and group != _IMAGE_PIXELS)
        or tag in _FORMER
        or not _named(tag)
    )


@lru_cache(maxsize=8192)
def _named(tag: int) -> bool:
    """Whether PS3.6 still has a name for it: some retired attributes have lost theirs."""
    return (dictionary_has_tag(tag) or repeater_has_tag(tag)) and bool(dictionary_keyword(tag))


def _by_table(book: Book, entry: Entry, path: tuple[int, ...], tag: int) -> Rule:
    vr = known_vrs(tag)[0]
    letter = resolved(book.tables, entry.basic, book.sop_class, (*path, tag))
    basic = _act(book, letter, tag, vr)
    dated = _OPTION_OF_DATES[book.policy.dates.policy]
    if "retain_full_dates" in entry.options:
        return _dated(entry, tag, Rule(basic, basic, vr), dated)
    active = {entry.options.get(option, "") for option in book.policy.options}
    # Cleaning needs a cleaner: without one the Basic Profile stands.
    if "K" not in active or "C" in active:
        return Rule(basic, basic, vr)
    return Rule(_kept(tag, vr), basic, vr)


def _act(book: Book, letter: str, tag: int, vr: str) -> Act:
    if vr == "UI" and letter == "D":
        return Act.MAP
    if letter == "D" and tag in (_ANNOTATIONS, _STEPS):
        return Act.DESCEND
    if tag == _CONTENT:
        return _content(book.sop_class)
    # Drawings are refused with their object; elsewhere they have no place.
    return Act.REMOVE if tag == _GRAPHICS else _BY_LETTER[letter]


def _content(sop_class: str) -> Act:
    """Key objects are a list of references; another report's tree is replaced as a whole."""
    if sop_class == _KEY_OBJECTS:
        return Act.DESCEND
    return Act.DUMMY if sop_class.startswith(_REPORTS) else Act.REMOVE


def _dated(entry: Entry, tag: int, basic: Rule, option: str) -> Rule:
    """Dates, times, time stamps and the time zone under the policy for dates."""
    if not option:
        return basic
    shifted = option == "retain_modified_dates"
    if tag == _TIMEZONE:
        return basic._replace(act=Act.TIMEZONE)
    if basic.vr not in DATES:
        return basic if shifted else basic._replace(act=Act.KEEP)
    # Dates of the device are known to many: moved by the subject's offset they would give it away.
    if shifted and (tag in _PUBLIC_DATES or "retain_device_identity" in entry.options):
        return basic
    return basic._replace(act=Act.SHIFT if shifted else Act.DATE)


def _kept(tag: int, vr: str) -> Act:
    """Kept as far as its VR can be proven."""
    if vr in TEXTS:
        return Act.MEANING if tag == _MEANING else Act.TEXT
    return _BY_VR.get(vr, Act.KEEP)


def _off_table(book: Book, tag: int, vr: str) -> Rule:
    if vr in DATES:
        option = _OPTION_OF_DATES[book.policy.dates.policy]
        public = "retain_device_identity" if tag in _PUBLIC_DATES else ""
        return _dated(Entry("X", {public: "K"}), tag, Rule(Act.REMOVE, Act.REMOVE, vr), option)
    if vr in TEXTS:
        text = book.tables.texts.get(tag)
        instead = _BY_TYPE[text.type[0]] if text else Act.REMOVE
        return Rule(_kept(tag, vr) if text and text.kept == "yes" else instead, instead, vr)
    if vr == "UI":
        return Rule(Act.KIND if is_kind(tag) else Act.MAP, Act.REMOVE, vr)
    if vr == "PN" or (
        vr in _BYTES and len(known_vrs(tag)) == 1 and tag not in _FILL | {_ICC_PROFILE}
    ):
        return Rule(Act.REMOVE, Act.REMOVE, vr)
    return Rule(_kept(tag, vr), Act.EMPTY, vr)


@lru_cache(maxsize=1024)
def is_kind(tag: int) -> bool:
    """Whether a UID attribute names a class, a syntax or a scheme: these are never mapped."""
    if tag in _SCHEMES:
        return True
    word = dictionary_keyword(tag) if dictionary_has_tag(tag) else ""
    return "SOPClass" in word or "TransferSyntax" in word


def _strictest(rule: Rule, vr: str, known: tuple[str, ...]) -> Rule:
    """Where bytes and dictionary name different VRs, the stricter reading of both."""
    if vr in known or rule.act in (Act.REMOVE, Act.EMPTY, Act.DUMMY):
        return rule
    if rule.act is Act.DESCEND or vr == "SQ":
        return rule._replace(act=rule.instead if rule.act is not Act.DESCEND else Act.REMOVE)
    if vr == "UN" or (vr in _CHARACTERS and rule.vr in _STRICT):
        return rule
    if vr in TEXTS and rule.vr in TEXTS:
        return rule
    if vr in _ARRAYS and rule.vr in _ARRAYS:
        return rule
    return rule._replace(act=Act.REMOVE if rule.instead is Act.KEEP else rule.instead)
