"""A planted value in every attribute of Table E.1-1, at the top and two sequences deep."""

from datetime import date, timedelta

from appliance import deid
from appliance.deid.engine import applied
from appliance.deid.tables import Tables
from appliance.profile import Policy
from tests.deid.making import made, plan_for, vr_of

DEEP = (0x52009229, 0x00289110)
ROOT = "1.2.826.0.1.3680043.9.7777"
# Not the table's, so that no canary stands where a rule must look for its orders.
STRUCTURE = frozenset({0x00080016})
# Too short to be searched for in bytes: looked at by tag.
BY_TAG = frozenset({"AS", "US", "AT"})


def canary(number: int, vr: str) -> bytes:
    """A value of this VR that nothing else writes."""
    day = (date(1801, 1, 1) + timedelta(number)).strftime("%Y%m%d")
    values = {
        "DA": day,
        "TM": f"0102{number % 60:02}.{number:06}",
        "DT": f"{day}0102{number % 60:02}.{number:06}",
        "UI": f"{ROOT}.{number}",
        "DS": f"{number}7.53125",
        "IS": f"7753{number:06}",
        "AS": "077Y",
        "US": "\\x4d\\x4d",
    }
    return values.get(vr, f"CNRY{number:05}Z").encode()


def planted(tags: list[int]) -> dict[int, object]:
    """An element for each tag; a sequence holds a comment, which its own row removes."""
    return {
        tag: [{0x00204000: canary(number, "LT")}]
        if vr_of(tag) == "SQ"
        else canary(number, vr_of(tag))
        for number, tag in enumerate(tags, 1)
        if tag not in STRUCTURE
    }


def table_tags(tables: Tables) -> list[int]:
    """The tags of the table that a data set can hold, in order."""
    return sorted(tables.entries)


def leaks(data: bytes, syntax: str, tables: Tables, tags: list[int], policy: Policy) -> set[int]:
    """The tags whose canary stands somewhere in the finished file."""
    outcome = applied(data, syntax, plan_for(deid.scan(data, syntax), policy=policy), tables)
    output = b"".join(deid.assemble(outcome.splices, data))
    found = set()
    for number, tag in enumerate(tags, 1):
        vr = vr_of(tag)
        value = canary(number, "LT" if vr == "SQ" else vr)
        if vr not in BY_TAG and tag not in STRUCTURE and value in output:
            found.add(tag)
    return found


def at_the_top(tags: list[int], syntax: str, sop_class: bytes) -> bytes:
    """All canaries on the data set's own level."""
    return made({0x00080016: sop_class, **planted(tags)}, syntax)


def two_deep(tags: list[int], syntax: str, sop_class: bytes) -> bytes:
    """All canaries below two sequences that the table does not name."""
    outer, inner = DEEP
    return made({0x00080016: sop_class, outer: [{inner: [planted(tags)]}]}, syntax)
