"""Law: a data set is read to its last byte or refused with D01; whatever the bytes, nothing crashes."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance import deid
from appliance.deid.elements import MOST_DEPTH, Coding, read
from appliance.deid.encoding import element, sequence
from appliance.errors import Refusal, Undecided
from tests.deid.making import (
    CODINGS,
    EXPLICIT,
    IMPLICIT,
    bare,
    deidentified,
    made,
    parsed,
    plan_for,
    public_files,
    undefined,
)

NAMES = (
    "CT_small.dcm",
    "liver_1frame.dcm",
    "reportsi.dcm",
    "JPEG2000.dcm",
    "MR_small_implicit.dcm",
    "rtplan.dcm",
)
SEEDS = [bare(path.read_bytes()) for path in public_files() if path.name in NAMES]
ITEM = b"\xfe\xff\x00\xe0"
ITEM_END = b"\xfe\xff\x0d\xe0\0\0\0\0"
OPEN_ITEM = ITEM + b"\xff\xff\xff\xff"
# Damage among the pixels is no news.
HEAD = 6000
DAMAGES = st.tuples(
    st.sampled_from(["flip", "flip", "insert", "drop", "cut"]),
    st.integers(0, HEAD),
    st.binary(min_size=1, max_size=6),
)
NAME = element(0x00100010, "PN", b"CNRY", Coding.EXPLICIT)


def treat(data: bytes, syntax: str) -> bytes | None:
    """The output, or None when it was refused or held; anything else is a crash."""
    try:
        facts = deid.scan(data, syntax)
        outcome = deid.apply(data, syntax, plan_for(facts))
    except (Refusal, Undecided):
        return None
    return b"".join(deid.assemble(outcome.splices, data))


@given(st.binary(max_size=400), st.sampled_from([EXPLICIT, IMPLICIT]))
def test_random_bytes_never_crash(data, syntax):
    assert treat(data, syntax) is None
    treat(made({}, syntax) + data, syntax)


# The law is about crashes, not about time.
@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(SEEDS) - 1), st.lists(DAMAGES, min_size=1, max_size=4))
def test_damaged_files_never_crash(number, damages):
    syntax, seed = SEEDS[number]
    changed = seed
    for kind, place, filling in damages:
        at = place % min(len(changed), HEAD) if changed else 0
        if kind == "cut":
            changed = changed[:at]
        else:
            gone = {"flip": len(filling), "insert": 0, "drop": 2 * len(filling)}[kind]
            added = b"" if kind == "drop" else filling
            changed = changed[:at] + added + changed[at + gone :]
    output = treat(changed, syntax)
    assert output is None or output[128:132] == b"DICM"


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_every_cut_of_a_file_is_refused_or_ends_between_elements(syntax):
    data = made({0x00081115: [{0x00081140: [{0x00081155: b"1.2.3"}]}], 0x00280010: b"\1\0"}, syntax)
    ends = {e.stop for e in read(data, CODINGS[syntax]).elements}
    for stop in range(1, len(data)):
        if stop in ends:
            read(data[:stop], CODINGS[syntax])
        else:
            with pytest.raises(Refusal, match="D01"):
                read(data[:stop], CODINGS[syntax])


BROKEN = {
    "garbage behind": made({}) + b"garbage!!",
    "three bytes behind": made({}) + b"\0\0\0",
    "no VR": made({}) + b"\x28\0\x10\0\0\0\0\0",
    "longer than the rest": made({}) + b"\x28\0\x10\0US\xff\xff\0\0",
    "undefined length of a text": made({}) + undefined(0x00324000, "LT", b"text"),
    "a sequence without end": made({}) + undefined(0x00400275, "SQ", b"")[:-8],
    "an item without end": made({}) + undefined(0x00400275, "SQ", OPEN_ITEM + NAME),
    "an item longer than its sequence": made({})
    + undefined(0x00400275, "SQ", ITEM + b"\x7f\0\0\0"),
    "no item in a sequence": made({}) + element(0x00400275, "SQ", NAME, Coding.EXPLICIT),
    "an element longer than its item": made({})
    + undefined(0x00400275, "SQ", ITEM + b"\x0a\0\0\0" + NAME),
    "a stray delimiter": made({}) + ITEM_END,
    "pixels without end": made({}) + undefined(0x7FE00010, "OB", ITEM + b"\2\0\0\0ab")[:-8],
    "a fragment too long": made({}) + undefined(0x7FE00010, "OB", ITEM + b"\xff\0\0\0ab"),
    "twice the same tag": made({}) + element(0x00080018, "UI", b"1.2.3", Coding.EXPLICIT),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_does_not_read_is_refused(kind):
    with pytest.raises(Refusal, match="D01"):
        deid.scan(BROKEN[kind], EXPLICIT)


def nested(depth: int) -> bytes:
    inside = b""
    for _ in range(depth):
        inside = b"".join(sequence(0x00081140, [[inside]], Coding.EXPLICIT))
    return made({}) + inside


def test_the_depth_has_a_limit():
    read(nested(MOST_DEPTH), Coding.EXPLICIT)
    for depth in (MOST_DEPTH + 1, 200):
        with pytest.raises(Refusal, match="deeper"):
            read(nested(depth), Coding.EXPLICIT)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_defined_and_undefined_lengths_read_alike(syntax):
    coding = CODINGS[syntax]
    step = element(0x00081155, "UI", b"1.2.3.4", coding)
    defined = b"".join(sequence(0x00081115, [[step], [step]], coding))
    head = struct.pack("<HH", 8, 0x1115) + (b"SQ\0\0" if coding is Coding.EXPLICIT else b"")
    open_items = head + b"\xff\xff\xff\xff" + 2 * (OPEN_ITEM + step + ITEM_END)
    open_items += b"\xfe\xff\xdd\xe0\0\0\0\0"
    one, two = (deidentified(made({}, syntax) + both, syntax) for both in (defined, open_items))
    assert one == two
    uids = [item.ReferencedSOPInstanceUID for item in parsed(one).ReferencedSeriesSequence]
    assert len(uids) == 2
    assert set(uids) == {uids[0]}
    assert uids[0].startswith("2.25.")


def test_a_sequence_of_unknown_vr_is_read_implicitly():
    inside = element(0x00081155, "UI", b"1.2.3.4", Coding.IMPLICIT)
    for length in (struct.pack("<I", len(inside)), b"\xff\xff\xff\xff"):
        end = ITEM_END if length == b"\xff\xff\xff\xff" else b""
        data = made({}) + undefined(0x00081115, "UN", ITEM + length + inside + end)
        output = parsed(deidentified(data))
        assert output.ReferencedSeriesSequence[0].ReferencedSOPInstanceUID.startswith("2.25.")


def test_an_unreadable_sequence_of_unknown_vr_is_removed():
    data = made({}) + element(0x00081115, "UN", b"CNRYCNRYCNRY", Coding.EXPLICIT)
    assert "ReferencedSeriesSequence" not in parsed(deidentified(data))


def test_implicit_items_in_an_explicit_data_set_come_out_explicit():
    inside = element(0x00080070, "LO", b"MAKER", Coding.IMPLICIT)
    inside += element(0x00081155, "UI", b"1.2.3.4", Coding.IMPLICIT)
    data = made({}) + undefined(0x00081115, "SQ", OPEN_ITEM + inside + ITEM_END)
    item = parsed(deidentified(data)).ReferencedSeriesSequence[0]
    assert item.Manufacturer == "MAKER"
    assert item.ReferencedSOPInstanceUID.startswith("2.25.")


def test_elements_out_of_order_are_put_in_order():
    data = made({}) + element(0x00080060, "CS", b"CT", Coding.EXPLICIT)
    output = parsed(deidentified(data))
    assert output.Modality == "CT"
    assert list(output.keys()) == sorted(output.keys())


@pytest.mark.parametrize(
    "syntax",
    ["1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.94", "1.2.3", "", "x"],
)
def test_an_encoding_that_is_not_read_is_refused(syntax):
    with pytest.raises(Refusal, match="D02"):
        deid.scan(made({}), syntax)
