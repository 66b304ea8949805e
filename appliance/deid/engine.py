"""Bytes and a plan in, splices out: PS3.15 Annex E for one instance, a pure function.

Same received bytes, same plan, same version: same output, to the byte.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from appliance.deid.elements import Coding, read
from appliance.deid.encoding import element, part10, sequence
from appliance.deid.facts import Facts, facts
from appliance.deid.likeness import STAMP, likeness
from appliance.deid.objects import admit, coding_of
from appliance.deid.rewriting import Given, Rewriting
from appliance.deid.rules import places
from appliance.deid.splices import Splice, joined
from appliance.deid.tables import Tables, tables
from appliance.deid.top import Top
from appliance.deid.values import Words
from appliance.errors import Refusal
from appliance.profile import Policy

# LO: more would be cut by receivers.
LONGESTSTAMP = 64
_LONGITUDINAL = {"remove": "REMOVED", "shift": "MODIFIED", "keep": "UNMODIFIED"}


@dataclass(frozen=True)
class Plan:
    """What one subject's instances are made of; comes from the walk, which asked the vault."""

    policy: Policy
    policy_digest: str
    pseudonym: str
    offset_days: int = field(repr=False)
    uids: Mapping[str, str] = field(repr=False)
    study_code: str
    stamp: tuple[str, ...]
    settled: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Outcome:
    """The partner's version of an instance.

    `likeness` is equal for outputs that say the same, whatever (0012,0063) and the coding are.
    `counts` says how often each act was done, `claims` are the codes of CID 7050 that were written.
    """

    sop_instance: str
    splices: tuple[Splice, ...] = field(repr=False)
    likeness: str
    counts: Mapping[str, int]
    claims: tuple[str, ...]


def apply(data: bytes | memoryview, syntax: str, plan: Plan) -> Outcome:
    """De-identify a bare data set in its transfer syntax into a Part 10 file.

    Raises:
        Refusal: D01, D02, D06, D09.
        Undecided: D04, D05, D06.
    """
    return applied(data, syntax, plan, tables())


def applied(data: bytes | memoryview, syntax: str, plan: Plan, by: Tables) -> Outcome:
    """The same under given tables."""
    view = memoryview(data)
    coding = coding_of(syntax)
    root = read(view, coding)
    top = Top(root, view)
    seen = facts(root, view)
    admit(top, syntax, plan.policy, plan.settled)
    words = Words(seen.needles, plan.policy.leak_guard.min_token, plan.uids.__contains__)
    given = Given(by, plan.uids, plan.offset_days, plan.pseudonym, words)
    rewriting = Rewriting(view, given, coding)
    place = places(by, plan.policy, seen.sop_class)
    ours = _ours(seen, plan, by, coding)
    level = {tag: pieces for tag, pieces in rewriting.level(root, place) if tag not in ours}
    level |= ours
    body = [piece for tag in sorted(level) for piece in level[tag]]
    instance = plan.uids[seen.sop_instance]
    ahead = part10(seen.sop_class, instance, syntax)
    return Outcome(
        sop_instance=instance,
        splices=joined([ahead, *body]),
        likeness=likeness(level, view, coding, syntax),
        counts=dict(rewriting.counts),
        claims=_claims(plan.policy, by),
    )


def _ours(seen: Facts, plan: Plan, by: Tables, coding: Coding) -> dict[int, list[Splice]]:
    """What we say in every instance, whatever the input said there (PS3.15 E.1.1)."""
    instance = plan.uids.get(seen.sop_instance)
    if instance is None:
        raise Refusal("D09", "the instance's UID is not in the plan")
    pseudonym = plan.pseudonym.encode()
    stamp = "\\".join(text[:LONGESTSTAMP] for text in plan.stamp).encode()
    written: tuple[tuple[int, str, bytes], ...] = (
        (0x00080018, "UI", instance.encode()),
        (0x00100010, "PN", pseudonym),
        (0x00100020, "LO", pseudonym),
        (0x00120062, "CS", b"YES"),
        (STAMP, "LO", stamp),
        (0x00200010, "SH", plan.study_code.encode()),
        (0x00280303, "CS", _LONGITUDINAL[plan.policy.dates.policy].encode()),
    )
    elements: dict[int, list[Splice]] = {
        tag: [element(tag, vr, value, coding)] for tag, vr, value in written
    }
    claimed = _claims(plan.policy, by)
    items = [
        [
            element(0x00080100, "SH", code.encode(), coding),
            element(0x00080102, "SH", b"DCM", coding),
            element(0x00080104, "LO", meaning.encode(), coding),
        ]
        for code, meaning, _ in by.claims
        if code in claimed
    ]
    elements[0x00120064] = sequence(0x00120064, items, coding)
    return elements


def _claims(policy: Policy, by: Tables) -> tuple[str, ...]:
    """CID 7050: what was done, nothing else; the words for dates follow the policy for dates."""
    dated = {"shift": "retain_modified_dates", "keep": "retain_full_dates"}.get(
        policy.dates.policy, ""
    )
    active = {option for option in policy.options if not option.endswith("_dates")} | {dated, ""}
    return tuple(code for code, _, option in by.claims if option in active)
