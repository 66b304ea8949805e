"""Data sets written element by element, plans for them, and the public files that pydicom ships."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import data_store
import pydicom
from pydicom.datadict import dictionary_VR

from appliance import deid, keyed
from appliance.deid import Facts, Plan
from appliance.deid.elements import Coding, implicit_vr
from appliance.deid.encoding import element, sequence
from appliance.profile import Policy

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
CODINGS = {EXPLICIT: Coding.EXPLICIT, IMPLICIT: Coding.IMPLICIT}
CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"
PSEUDONYM = "DEMO-ABCDEFGHJKMN0"
KEY = b"k" * 32
# What no person would look at is let through, so that the rules are seen at work.
OPEN = Policy.model_validate(
    {"pixels": {"review": "never"}, "already_deidentified": "send", "objects": {"sr": "replace"}}
)
SHIFT = OPEN.model_copy(
    update={
        "options": ("retain_modified_dates",),
        "dates": OPEN.dates.model_copy(update={"policy": "shift"}),
    }
)
KEEP_DATES = OPEN.model_copy(
    update={
        "options": ("retain_full_dates",),
        "dates": OPEN.dates.model_copy(update={"policy": "keep"}),
    }
)


def with_options(policy: Policy, *options: str) -> Policy:
    """The policy with more options."""
    return policy.model_copy(update={"options": (*policy.options, *options)})


def plan_for(facts: Facts, **changes: object) -> Plan:
    """A plan which maps every UID that the facts name."""
    plan = Plan(
        policy=OPEN,
        policy_digest="0" * 64,
        pseudonym=PSEUDONYM,
        offset_days=-1234,
        uids={uid: keyed.mapped_uid(KEY, uid) for uid in facts.uids},
        study_code="ABCDEFGHJK",
        stamp=("research-pacs 0.1.0", "policy 0123456789", deid.EDITION),
    )
    return replace(plan, **changes)


def deidentified(data: bytes, syntax: str = EXPLICIT, **changes: object) -> bytes:
    """The whole output file of a data set."""
    outcome = deid.apply(data, syntax, plan_for(deid.scan(data, syntax), **changes))
    return b"".join(deid.assemble(outcome.splices, data))


def parsed(file: bytes) -> pydicom.Dataset:
    """A finished file as the reference implementation reads it."""
    return pydicom.dcmread(BytesIO(file))


def made(elements: Mapping[int, object], syntax: str = EXPLICIT) -> bytes:
    """A data set of these values: bytes, (VR, bytes), or a list of items; SOP class CT if none is given."""
    coding = CODINGS[syntax]
    whole = {
        0x00080016: CT_CLASS.encode(),
        0x00080018: b"1.2.3.4.5.6",
        0x0020000D: b"1.2.3.4.5",
        0x0020000E: b"1.2.3.4",
        **elements,
    }
    return b"".join(written(tag, whole[tag], coding) for tag in sorted(whole))


def written(tag: int, value: object, coding: Coding) -> bytes:
    if isinstance(value, list):
        items = [[written(tag, item[tag], coding) for tag in sorted(item)] for item in value]
        return b"".join(sequence(tag, items, coding))
    if isinstance(value, tuple):
        return element(tag, value[0], value[1], coding)
    return element(tag, vr_of(tag), value, coding)


def vr_of(tag: int) -> str:
    """The dictionary's VR; UN for what it does not know."""
    try:
        return dictionary_VR(tag).split(" or ")[0] if not tag >> 16 & 1 else "UN"
    except KeyError:
        return implicit_vr(tag)


def undefined(tag: int, vr: str, content: bytes) -> bytes:
    """An explicit element of undefined length around some bytes."""
    head = struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr.encode(), 0, 0xFFFFFFFF)
    return head + content + b"\xfe\xff\xdd\xe0\0\0\0\0"


def bare(file: bytes) -> tuple[str, bytes]:
    """Transfer syntax and data set of a Part 10 file, as C-STORE would carry them."""
    at, syntax = 132, ""
    while file[at : at + 2] == b"\2\0":
        long = file[at + 4 : at + 6] in (b"OB", b"UN")
        size, start = ("<I", at + 8) if long else ("<H", at + 6)
        (length,) = struct.unpack_from(size, file, start)
        value = start + struct.calcsize(size)
        if file[at : at + 4] == b"\2\0\x10\0":
            syntax = file[value : value + length].rstrip(b"\0 ").decode()
        at = value + length
    return syntax, file[at:]


def public_files() -> Iterator[Path]:
    """Every Part 10 file of the packages pydicom and pydicom-data, by path."""
    for root in (Path(pydicom.__file__).parent / "data", Path(data_store.__file__).parent):
        for path in sorted(root.rglob("*")):
            if path.is_file():
                with path.open("rb") as stream:
                    if stream.read(132)[128:] == b"DICM":
                        yield path
