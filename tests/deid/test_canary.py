"""Law: nothing that stands in an attribute of Table E.1-1, or beside the table, is in the output."""

from dataclasses import replace
from io import BytesIO

import pydicom
import pytest

from appliance import deid
from appliance.deid.elements import Coding
from appliance.deid.encoding import element
from appliance.deid.tables import Entry, Tables, Text, tables
from appliance.errors import Refusal
from tests.deid import canaries
from tests.deid.canaries import at_the_top, leaks, table_tags, two_deep
from tests.deid.making import (
    CT_CLASS,
    EXPLICIT,
    IMPLICIT,
    OPEN,
    SHIFT,
    deidentified,
    made,
    parsed,
    plan_for,
    undefined,
    vr_of,
    with_options,
)

CLASSES = (CT_CLASS, "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.9999")
TAGS = table_tags(tables())


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize("sop_class", CLASSES)
@pytest.mark.parametrize("place", [at_the_top, two_deep])
def test_no_attribute_of_the_table_survives_at_any_depth(place, sop_class, syntax):
    data = place(TAGS, syntax, sop_class.encode())
    assert leaks(data, syntax, tables(), TAGS, OPEN) == set()


def test_every_canary_stands_in_the_input():
    data = at_the_top(TAGS, EXPLICIT, CT_CLASS.encode())
    searched = [tag for tag in TAGS if vr_of(tag) not in canaries.BY_TAG]
    numbers = {tag: number for number, tag in enumerate(TAGS, 1)}
    kinds = {tag: "LT" if vr_of(tag) == "SQ" else vr_of(tag) for tag in searched}
    assert [t for t in searched if canaries.canary(numbers[t], kinds[t]) not in data] == []
    assert len(searched) > 640


@pytest.mark.parametrize("place", [at_the_top, two_deep])
def test_under_shifted_dates_only_times_of_day_stay(place):
    data = place(TAGS, EXPLICIT, CT_CLASS.encode())
    left = leaks(data, EXPLICIT, tables(), TAGS, SHIFT)
    assert {vr_of(tag) for tag in left} == {"TM"}


@pytest.mark.parametrize("place", [at_the_top, two_deep])
def test_what_is_too_short_to_be_searched_for_is_gone_by_tag(place):
    output = pydicom.dcmread(BytesIO(deidentified(place(TAGS, EXPLICIT, CT_CLASS.encode()))))
    short = {tag for tag in TAGS if vr_of(tag) in canaries.BY_TAG}
    assert len(short) >= 4
    left = [e for e in output.iterall() if int(e.tag) in short]
    assert [e.tag for e in left if e.value not in ("", "000Y", 0, [])] == []


BESIDE: dict[str, bytes] = {
    "group length": element(0x00080000, "UL", b"CNRY", Coding.EXPLICIT),
    "source AE title": element(0x00020016, "AE", b"CNRY00001Z", Coding.EXPLICIT),
    "implementation name": element(0x00020013, "SH", b"CNRY00001Z", Coding.EXPLICIT),
    "private information": element(0x00020102, "OB", b"CNRY00001Z", Coding.EXPLICIT),
    "command": element(0x00000600, "AE", b"CNRY00001Z", Coding.EXPLICIT),
    "directory": element(0x00041130, "CS", b"CNRY00001Z", Coding.EXPLICIT),
    "trailing padding": element(0xFFFCFFFC, "OB", b"CNRY00001Z", Coding.EXPLICIT),
    "overlay data": element(0x60023000, "OW", b"CNRY00001Z", Coding.EXPLICIT),
    "overlay comments": element(0x60024000, "LT", b"CNRY00001Z", Coding.EXPLICIT),
    "overlay label": element(0x60FE1500, "LO", b"CNRY00001Z", Coding.EXPLICIT),
    "curve label": element(0x50022500, "LO", b"CNRY00001Z", Coding.EXPLICIT),
    "curve audio": element(0x50FE200C, "OW", b"CNRY00001Z", Coding.EXPLICIT),
    "private creator": element(0x00090010, "LO", b"CNRY00001Z", Coding.EXPLICIT),
    "private": element(0x00091001, "LO", b"CNRY00001Z", Coding.EXPLICIT),
    "private sequence": undefined(
        0x00091002,
        "SQ",
        b"\xfe\xff\x00\xe0\x12\0\0\0" + element(0x00100010, "PN", b"CNRY00001Z", Coding.EXPLICIT),
    ),
    "a sequence without a name": undefined(
        0x00081115,
        "UN",
        b"\xfe\xff\x00\xe0\x12\0\0\0" + element(0x00100010, "PN", b"CNRY00001Z", Coding.IMPLICIT),
    ),
    "unknown element": element(0x00080FFE, "LO", b"CNRY00001Z", Coding.EXPLICIT),
    "UN of a known tag": element(0x00104000, "UN", b"CNRY00001Z", Coding.EXPLICIT),
    "text in a number": element(0x00180050, "LO", b"CNRY00001Z", Coding.EXPLICIT),
    "text in a DS": element(0x00180050, "DS", b"CNRY00001Z", Coding.EXPLICIT),
    "text in a CS": element(0x00180015, "CS", b"cnry CNRY0001", Coding.EXPLICIT),
    "text in a US": element(0x00280010, "LO", b"CNRY00001Z", Coding.EXPLICIT),
    "text in a sequence": element(0x00081115, "LO", b"CNRY00001Z", Coding.EXPLICIT),
    "text in a UID": element(0x00080017, "LO", b"CNRY00001Z", Coding.EXPLICIT),
    "a person beside the table": element(0x00142006, "PN", b"CNRY00001Z", Coding.EXPLICIT),
    "text beside the table": element(0x00181006, "LO", b"CNRY00001Z", Coding.EXPLICIT),
    "date beside the table": element(0x00141020, "DA", b"18010203", Coding.EXPLICIT),
    "icon": undefined(
        0x00880200,
        "SQ",
        b"\xfe\xff\x00\xe0\x16\0\0\0" + element(0x7FE00010, "OB", b"CNRY00001Z", Coding.EXPLICIT),
    ),
    "former values": element(0x04000561, "UN", b"CNRY00001Z", Coding.EXPLICIT),
    "encrypted values": element(0x04000500, "OB", b"CNRY00001Z", Coding.EXPLICIT),
    "meaning of a local code": b"".join(
        [
            b"\x08\0\x18\x22SQ\0\0\x2c\0\0\0\xfe\xff\0\xe0\x24\0\0\0",
            element(0x00080100, "SH", b"A1", Coding.EXPLICIT),
            element(0x00080102, "SH", b"99X", Coding.EXPLICIT)[:-1] + b" ",
            element(0x00080104, "LO", b"CNRY1Z", Coding.EXPLICIT),
        ]
    ),
}


@pytest.mark.parametrize("place", BESIDE)
def test_nothing_survives_beside_the_table(place):
    tag = int.from_bytes(BESIDE[place][:2], "little") << 16
    tag |= int.from_bytes(BESIDE[place][2:4], "little")
    data = b"".join(
        piece
        for _, piece in sorted([*split(made({})), (tag, BESIDE[place])], key=lambda pair: pair[0])
    )
    output = deidentified(data)
    assert b"CNRY" not in output
    assert b"18010203" not in output
    parsed(output)


def split(data: bytes) -> list[tuple[int, bytes]]:
    """The explicit short elements of a data set, by tag."""
    found, at = [], 0
    while at < len(data):
        group, number, size = (
            int.from_bytes(data[at + n : at + n + 2], "little") for n in (0, 2, 6)
        )
        found.append((group << 16 | number, data[at : at + 8 + size]))
        at += 8 + size
    return found


def without(table: Tables, *tags: int) -> Tables:
    """A table that has lost rows."""
    return replace(table, entries={t: e for t, e in table.entries.items() if t not in tags})


def loosened(table: Tables, tag: int) -> Tables:
    """A table in which a text attribute is kept."""
    return replace(without(table, tag), texts={**table.texts, tag: Text("3", "yes")})


def recoded(table: Tables, tag: int, entry: Entry) -> Tables:
    """A table with another row for a tag."""
    return replace(table, entries={**table.entries, tag: entry})


DEVICE = with_options(OPEN, "retain_device_identity")
KEPT = {"retain_device_identity": "K"}
MUTANTS = {
    "Patient's Weight has no row": (without(tables(), 0x00101030), OPEN),
    "Patient's Sex has no row": (without(tables(), 0x00100040), OPEN),
    "Institution Name is a technical text": (loosened(tables(), 0x00080080), OPEN),
    "Patient Comments is a technical text": (loosened(tables(), 0x00104000), OPEN),
    "Station Name is a technical text": (loosened(tables(), 0x00081010), OPEN),
    "Medical Alerts go with the device": (recoded(tables(), 0x00102000, Entry("X", KEPT)), DEVICE),
    "Study Date goes with the device": (recoded(tables(), 0x00080020, Entry("Z", KEPT)), DEVICE),
    "a physician goes with the device": (recoded(tables(), 0x00081060, Entry("X", KEPT)), DEVICE),
    "Image Comments stay inside a removed sequence": (loosened(tables(), 0x00204000), OPEN),
}  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_wrong_table_is_caught_by_its_canary(mutant):
    table, policy = MUTANTS[mutant]
    caught = set()
    for place in (at_the_top, two_deep):
        data = place(TAGS, EXPLICIT, CT_CLASS.encode())
        assert leaks(data, EXPLICIT, tables(), TAGS, OPEN) == set()
        caught |= leaks(data, EXPLICIT, table, TAGS, policy) - leaks(
            data, EXPLICIT, tables(), TAGS, policy
        )
    assert caught


def test_the_plan_must_know_every_uid():
    data = made({})
    plan = plan_for(deid.scan(data, EXPLICIT))
    with pytest.raises(Refusal, match="D09"):
        deid.apply(data, EXPLICIT, replace(plan, uids={"1.2.3.4.5.6": "2.25.1"}))
