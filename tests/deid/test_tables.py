"""Law: a table that is not what its README counts is refused; every code has one meaning per place."""

import json
from collections import Counter
from importlib import resources

import pytest

from appliance.deid.tables import additions, entries, resolved, tables

CT, ENHANCED_CT, UNKNOWN = (
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.2.1",
    "1.2.840.10008.5.1.4.1.1.9999",
)


def rows() -> list[dict[str, str]]:
    name = "confidentiality_profile_attributes_2024e.json"
    return json.loads(resources.files("appliance.deid").joinpath("data", name).read_text())


def test_the_table_has_the_counts_of_its_readme():
    assert Counter(row["basicProfile"] for row in rows()) == {
        "X": 384, "D": 92, "U": 54, "Z": 42, "X/D": 22, "X/Z": 11, "X/Z/D": 8, "Z/D": 6, "X/Z/U*": 2,
    }  # fmt: skip
    loaded = tables()
    assert len(loaded.entries) == 617 + 34
    assert (
        sum(len(places) for iod in loaded.types.values() for places in iod.values()) == 6753 + 112
    )
    assert len(loaded.texts) == 185
    assert len(loaded.dummies) == 21


def test_a_missing_row_is_refused():
    with pytest.raises(ValueError, match="620 rows"):
        entries(rows()[1:], additions())


def test_a_second_row_for_a_tag_is_refused():
    with pytest.raises(ValueError, match="second row"):
        entries([*rows()[1:], rows()[5]], additions())


def test_an_unknown_code_is_refused():
    first, *others = rows()
    with pytest.raises(ValueError, match="unknown code"):
        entries([{**first, "basicProfile": "Q"}, *others], additions())


@pytest.mark.parametrize(
    ("code", "sop_class", "path", "letter"),
    [
        ("X/Z/D", CT, [0x00080080], "X"),  # Institution Name is Type 3 in CT
        ("Z/D", CT, [0x00100020], "Z"),  # Patient ID is Type 2
        ("X/Z/D", ENHANCED_CT, [0x00181000], "D"),  # Device Serial Number is Type 1 there
        ("X/Z", ENHANCED_CT, [0x00400555], "Z"),
        ("X/Z/U*", CT, [0x00081140], "X"),
        ("X/D", ENHANCED_CT, [0x00081072], "X"),
        ("X/Z/D", UNKNOWN, [0x00080080], "D"),
        ("X/Z/U*", UNKNOWN, [0x00081140], "U*"),
        ("X/D", ENHANCED_CT, [0x52009230, 0x00189999, 0x00189516], "D"),
        ("X/Z/U*", ENHANCED_CT, [0x52009229, 0x00089124, 0x00082112], "U*"),
        ("X/D", CT, [0x00400275, 0x00189516], "X"),  # not defined there: misplaced
        ("X/Z/D", "1.2.840.10008.5.1.4.1.1.6", [0x00080080], "X"),  # retired, as its successor
    ],
)
def test_a_compound_code_follows_the_type_of_its_place(code, sop_class, path, letter):
    assert resolved(tables(), code, sop_class, path) == letter
