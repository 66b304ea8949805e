"""One data set rewritten by the rules: kept elements stay ranges of the received bytes."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from pydicom._uid_dict import UID_dictionary

from appliance.deid import dates, values
from appliance.deid.elements import Coding, Element, Item
from appliance.deid.encoding import element as encoded
from appliance.deid.encoding import header, sequence
from appliance.deid.rules import Act, Place, Rule
from appliance.deid.splices import Keep, Splice
from appliance.deid.tables import Tables
from appliance.deid.top import CHARACTER_SET
from appliance.deid.values import Words, dummy
from appliance.errors import Refusal

_CODE_VALUES = (0x00080100, 0x00080119, 0x00080120)
_SCHEME = 0x00080102
_PATIENT_ID, _PATIENT_NAME = 0x00100020, 0x00100010


class Given(NamedTuple):
    """What a rewriting is told: tables, UID map, offset, pseudonym, the patient's words."""

    tables: Tables
    uids: Mapping[str, str]
    offset_days: int
    pseudonym: str
    words: Words


class Rewriting:
    """Walks one data set; `counts` says how often each act was done."""

    def __init__(self, data: memoryview, given: Given, coding: Coding) -> None:
        self.counts: Counter[str] = Counter()
        self._data = data
        self._given = given
        self._coding = coding
        self._charset = b""
        self._item: Item = Item((), coding)
        self._checks: Mapping[Act, Callable[[Element, Rule], bytes | None]] = {
            Act.MAP: self._mapped,
            Act.SHIFT: self._shifted,
            Act.DATE: self._dated,
            Act.TIMEZONE: self._timezone,
            Act.AGE: self._age,
            Act.TERM: self._term,
            Act.NUMBER: self._number,
            Act.TEXT: self._text,
            Act.MEANING: self._meaning,
            Act.KIND: self._kind,
        }

    def level(self, item: Item, place: Place) -> list[tuple[int, list[Splice]]]:
        """The elements of one level that remain, by tag, in order."""
        outer = self._charset, self._item
        self._item = item
        for element in item.elements:
            if element.tag >= CHARACTER_SET:
                if element.tag == CHARACTER_SET:
                    self._charset = self._value(element)
                break
        out: list[tuple[int, list[Splice]]] = []
        for element in item.elements:
            pieces = self._element(element, place)
            if pieces is not None:
                out.append((element.tag, pieces))
        self._charset, self._item = outer
        return out

    def _element(self, element: Element, place: Place) -> list[Splice] | None:
        rule = place.rule(element.tag, element.vr)
        act = rule.act
        if act is Act.DESCEND:
            if element.items is not None:
                return self._sequence(element, place)
            act = Act.REMOVE if element.stop > element.value else Act.EMPTY
        check = self._checks.get(act)
        if check is not None:
            value = check(element, rule)
            act = rule.instead if value is None else Act.KEEP
            if value is not None and value != self._value(element):
                self.counts[rule.act.value] += 1
                return [encoded(element.tag, rule.vr, value, self._coding)]
        self.counts[act.value] += 1
        return self._plain(element, act, rule.vr)

    def _plain(self, element: Element, act: Act, vr: str) -> list[Splice] | None:
        """What needs no look at the value."""
        if act is Act.REMOVE:
            return None
        if act is Act.KEEP:
            return self._kept(element)
        if act is Act.EMPTY or element.stop == element.value:
            return [encoded(element.tag, vr, b"", self._coding)]
        return self._dummy((element.tag,), vr)

    def _kept(self, element: Element) -> list[Splice]:
        if self._item.coding is self._coding:
            return [Keep(element.start, element.stop)]
        size = element.stop - element.value
        return [
            header(element.tag, element.vr, size, self._coding),
            Keep(element.value, element.stop),
        ]

    def _dummy(self, path: tuple[int, ...], vr: str) -> list[Splice]:
        """The dummy of an attribute; for a sequence the item that the table of dummies has for it."""
        tag = path[-1]
        if vr != "SQ":
            value = (
                self._given.pseudonym.encode() if tag in (_PATIENT_ID, _PATIENT_NAME) else dummy(vr)
            )
            return [encoded(tag, vr, value, self._coding)]
        return sequence(tag, [self._dummy_item(path)], self._coding)

    def _dummy_item(self, path: tuple[int, ...]) -> list[Splice]:
        rows = [row for row in self._given.tables.dummies if row[0][: len(path)] == path]
        inside: dict[int, list[Splice]] = {}
        for steps, vr, text in rows:
            tag = steps[len(path)]
            if len(steps) > len(path) + 1:
                inside[tag] = sequence(tag, [self._dummy_item((*path, tag))], self._coding)
            elif vr == "SQ":
                inside[tag] = sequence(tag, [], self._coding)
            else:
                inside[tag] = [encoded(tag, vr, text.encode() or dummy(vr), self._coding)]
        return [piece for tag in sorted(inside) for piece in inside[tag]]

    def _sequence(self, element: Element, place: Place) -> list[Splice]:
        inner = place.inside(element.tag)
        items: list[Sequence[Splice]] = []
        for item in element.items or ():
            items.append([piece for _, pieces in self.level(item, inner) for piece in pieces])
        return sequence(element.tag, items, self._coding)

    def _value(self, element: Element) -> bytes:
        return bytes(self._data[element.value : element.stop])

    def _mapped(self, element: Element, _: Rule) -> bytes:
        return b"\\".join(
            self._mapped_one(part.strip("\0 "), element.tag).encode()
            for part in self._value(element).decode("latin-1").split("\\")
        )

    def _mapped_one(self, uid: str, tag: int) -> str:
        if not uid or uid in UID_dictionary:
            return uid
        mapped = self._given.uids.get(uid)
        if mapped is None:
            raise Refusal(
                "D09", f"a UID at ({tag >> 16:04X},{tag & 0xFFFF:04X}) is not in the plan"
            )
        return mapped

    def _shifted(self, element: Element, rule: Rule) -> bytes | None:
        moved = dates.moved(self._value(element), rule.vr, self._given.offset_days)
        return _rejoined(moved, dummy(rule.vr) if rule.instead is Act.DUMMY else b"")

    def _dated(self, element: Element, rule: Rule) -> bytes | None:
        checked = dates.checked(self._value(element), rule.vr)
        return _rejoined(checked, dummy(rule.vr) if rule.instead is Act.DUMMY else b"")

    def _timezone(self, element: Element, _: Rule) -> bytes | None:
        value = self._value(element)
        return value if dates.is_utc_offset(value) else None

    def _age(self, element: Element, _: Rule) -> bytes | None:
        return values.capped_age(self._value(element))

    def _term(self, element: Element, _: Rule) -> bytes | None:
        value = self._value(element)
        parts = values.term(value)
        return value if None not in parts else _rejoined(parts, b"")

    def _number(self, element: Element, _: Rule) -> bytes | None:
        value = self._value(element)
        return value if values.is_number(value) else None

    def _text(self, element: Element, _: Rule) -> bytes | None:
        value = self._value(element)
        return value if self._given.words.clean(value, self._charset) else None

    def _kind(self, element: Element, _: Rule) -> bytes | None:
        value = self._value(element)
        return value if values.is_uids(value) else None

    def _meaning(self, element: Element, rule: Rule) -> bytes | None:
        """The meaning of a code of a private scheme is free text: its code stands for it."""
        inside = {one.tag: one for one in self._item.elements}
        scheme = self._value(inside[_SCHEME]).strip(b" \0") if _SCHEME in inside else b""
        if scheme not in (b"", b"L") and not scheme.startswith(b"99"):
            return self._text(element, rule)
        codes = (self._text(inside[tag], rule) for tag in _CODE_VALUES if tag in inside)
        code = next((code for code in codes if code), None)
        return None if code is None else code.strip(b" \0")[:64]


def _rejoined(parts: list[bytes | None], instead: bytes) -> bytes | None:
    """The values together; each lost one replaced, None if none is left."""
    if not any(parts) and None in parts:
        return None
    return b"\\".join(instead if part is None else part for part in parts)
