"""The tables of PS3.15 Annex E as values: action codes, options, types of an attribute in an IOD.

Code holds no row of them. A file that is not what its README counts is refused: a missing row would
be a silent leak.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import NamedTuple, TypeVar

EDITION = "PS3.15 E.1-1 2024e+2025b"
# What data/README.md counts.
ROWS, PATTERNS, ADDITIONS, COMPOUND, CLASSES = 621, 4, 34, 49, 140
CODES = frozenset(["D", "Z", "X", "K", "C", "U", "Z/D", "X/Z", "X/D", "X/Z/D", "X/Z/U*"])

# Columns of the two files, by the option that they belong to.
_OPTIONS_2024E = {
    "rtnDevIdOpt": "retain_device_identity",
    "rtnInstIdOpt": "retain_institution_identity",
    "rtnPatCharsOpt": "retain_patient_characteristics",
    "rtnLongFullDatesOpt": "retain_full_dates",
    "rtnLongModifDatesOpt": "retain_modified_dates",
}
_OPTIONS_2025B = {
    "retain_device": "retain_device_identity",
    "retain_institution": "retain_institution_identity",
    "retain_patient_chars": "retain_patient_characteristics",
    "full_dates": "retain_full_dates",
    "modified_dates": "retain_modified_dates",
}
_VERBS = {"keep": "K", "shift": "C", "clean": "C"}
# Retired SOP classes, by the one that took their place.
_SUCCESSORS = {
    "1.2.840.10008.5.1.4.1.1.6": "1.2.840.10008.5.1.4.1.1.6.1",
    "1.2.840.10008.5.1.4.1.1.3": "1.2.840.10008.5.1.4.1.1.3.1",
    "1.2.840.10008.5.1.4.1.1.5": "1.2.840.10008.5.1.4.1.1.20",
}
_SHARED, _PER_FRAME, _CONTENT = "52009229", "52009230", "0040A730"
# The type that an attribute has in an IOD, by how much of a compound code it asks for (PS3.15 E.1.1).
_BY_TYPE = {"1": ("D", "U*", "Z", "X"), "2": ("Z", "D", "U*", "X"), "3": ("X", "Z", "D", "U*")}


Counted = TypeVar("Counted", Sequence[Mapping[str, str]], Mapping[str, str])


class Entry(NamedTuple):
    """One row of Table E.1-1: the Basic code, and the codes of the options that have one."""

    basic: str
    options: Mapping[str, str]


class Text(NamedTuple):
    """A text attribute that stands in no row: its strictest type anywhere, whether it may stay."""

    type: str
    kept: str


@dataclass(frozen=True, eq=False)
class Tables:
    """All tables of one edition; two loads are two values, so that rules may be kept per load."""

    entries: Mapping[int, Entry]
    sop_classes: Mapping[str, str]
    types: Mapping[str, Mapping[str, Mapping[str, str]]]
    texts: Mapping[int, Text]
    dummies: tuple[tuple[tuple[int, ...], str, str], ...]
    claims: tuple[tuple[str, str, str], ...]


@lru_cache(maxsize=1)
def tables() -> Tables:
    """The tables that ship with this version."""
    kinds = json.loads(_text("iod_types.json"))
    return Tables(
        entries=entries(
            json.loads(_text("confidentiality_profile_attributes_2024e.json")), additions()
        ),
        sop_classes=_counted(kinds["sop_classes"], CLASSES, "SOP classes"),
        types=_merged(kinds["types"], kinds["types_2025b_additions"]),
        texts={int(r["tag"], 16): Text(r["type"], r["kept"]) for r in _rows("text_attributes.csv")},
        dummies=tuple(
            (tuple(int(tag, 16) for tag in row["path"].split(">")), row["vr"], row["value"])
            for row in _rows("dummy_items.csv")
        ),
        claims=tuple((r["code"], r["meaning"], r["option"]) for r in _rows("cid_7050.csv")),
    )


def entries(
    rows: Sequence[Mapping[str, str]], added: Sequence[Mapping[str, str]]
) -> dict[int, Entry]:
    """Rows of Table E.1-1 by tag; the patterns (curves, overlays, private) are not among them.

    Raises:
        ValueError: a row too many or too few, a tag twice, an unknown code.
    """
    _counted(rows, ROWS, "rows of Table E.1-1")
    _counted(added, ADDITIONS, "rows added in 2025b")
    found: dict[int, Entry] = {}
    patterns = 0
    for row in rows:
        if not _is_tag(row["id"]):
            patterns += 1
            continue
        options = {name: row[column] for column, name in _OPTIONS_2024E.items() if column in row}
        _add(found, int(row["id"], 16), Entry(row["basicProfile"], options))
    if patterns != PATTERNS:
        raise ValueError(f"{patterns} patterns in Table E.1-1 instead of {PATTERNS}")
    for row in added:
        options = {name: _VERBS[row[c]] for c, name in _OPTIONS_2025B.items() if row[c] in _VERBS}
        _add(
            found,
            int(row["tag"][1:5] + row["tag"][6:10], 16),
            Entry(row["inferred_basic_code"], options),
        )
    return found


def additions() -> list[dict[str, str]]:
    """The rows of 2025b that 2024e has not."""
    return _rows("confidentiality_additions_2025b.csv")


def resolved(tables: Tables, code: str, sop_class: str, path: Sequence[int]) -> str:
    """What a code asks for at a place: D, Z, X or U*. `path` ends with the attribute itself.

    PS3.15 E.1.1: the leftmost letter, unless the type in that IOD needs a later one.
    """
    letters = code.split("/")
    if len(letters) == 1:
        return code
    iod = tables.sop_classes.get(_SUCCESSORS.get(sop_class, sop_class), "")
    if not iod:
        return letters[-1]
    *above, tag = (f"{step:08X}" for step in path)
    kind = _type_at(tables.types[iod].get(tag, {}), above)
    if not kind:
        # Functional group macros are not in the data: a missing Type 1 there breaks the object.
        macros = _SHARED in above[:1] or _PER_FRAME in above[:1]
        return letters[-1] if macros else "X"
    return next(letter for letter in _BY_TYPE[kind[0]] if letter in letters)


def _type_at(places: Mapping[str, str], above: list[str]) -> str:
    """The type of an attribute below a path of sequences; empty when the IOD has none there."""
    folded = [
        tag for n, tag in enumerate(above) if tag != _CONTENT or above[n - 1 : n] != [_CONTENT]
    ]
    tries = [above, folded]
    # What stands in the macro's own item is the macro's, not the top level's.
    if above[:1] in ([_SHARED], [_PER_FRAME]) and len(above) > 2:
        tries.append(above[2:])
    return next((places[">".join(path)] for path in tries if ">".join(path) in places), "")


def _add(found: dict[int, Entry], tag: int, entry: Entry) -> None:
    unknown = {entry.basic, *entry.options.values()} - CODES
    if tag in found or unknown:
        what = "an unknown code" if unknown else "a second row"
        raise ValueError(f"{what} at ({tag >> 16:04X},{tag & 0xFFFF:04X}) in Table E.1-1")
    found[tag] = entry


def _is_tag(text: str) -> bool:
    return len(text) == 8 and all(letter in "0123456789abcdef" for letter in text)


def _merged(
    first: Mapping[str, Mapping[str, Mapping[str, str]]],
    second: Mapping[str, Mapping[str, Mapping[str, str]]],
) -> dict[str, Mapping[str, Mapping[str, str]]]:
    return {iod: {**tags, **second.get(iod, {})} for iod, tags in first.items()}


def _counted(rows: Counted, count: int, what: str) -> Counted:
    if len(rows) != count:
        raise ValueError(f"{len(rows)} {what} instead of {count}")
    return rows


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(_text(name).splitlines()))


def _text(name: str) -> str:
    return resources.files("appliance.deid").joinpath("data", name).read_text("utf-8")
