"""FROZEN → PSEUDONYMISED: facts, plan, splices, leak guard; the vault knows before anything stays."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256

from appliance import ENGINE, deid, keyed
from appliance.deid import Facts, Plan, guard
from appliance.errors import CODES, Undecided
from appliance.journey.doors import Doors
from appliance.journey.permission import one_person, partner_stands, project_of, subject_stands
from appliance.journey.work import Batch, Job, Treated, Verdict, look, treat
from appliance.profile import Project, Take
from appliance.store.entry import Done, Entry, Member, State
from appliance.store.files import keep_file, keep_folder
from appliance.store.vault import Grant, Request
from appliance.timing import Now

# A batch shares one pickled plan; small enough that several workers share a parcel.
BATCH = 64
STANDARD_ROOT = "1.2.840.10008."
# What left, or is about to, is what a re-sent instance is compared with.
MADE = ("PSEUDONYMISED", "DELIVERED", "CONFIRMED", "PURGED", "HELD")
# What was put aside may have left in part: its UIDs stand for what they stood for.
ASIDE = ("EXCLUDED", "QUARANTINED", "WITHDRAWN")
# An instance that these concern is missed by a person before the others leave without it.
TELLING = frozenset({"D01", "D09"})


@dataclass(frozen=True)
class Case:
    """One parcel at work: who it is for and where its bytes are."""

    entry: Entry
    doors: Doors
    project: Project
    jobs: Mapping[int, Job]
    series: Mapping[int, str]


def pseudonymise(entry: Entry, doors: Doors, now: Now) -> Done:
    """Make the partner's version of every instance that is taken.

    Same received bytes, plan, policy and engine: same output, so a repeated step changes nothing.

    Raises:
        Undecided: D01, D03, D04, D05, D06, D08, D09, D12, D13, D14, correction, absent, dossier/C07.
        Refusal: D10.
        Unavailable: the vault.
    """
    project = project_of(doors, entry.project, now)
    if entry.partner:
        partner_stands(doors, project, entry.partner)
    subject_stands(doors, entry)
    case = opened(entry, doors, project)
    taken, aside = chosen(case)
    if not taken:
        return nothing_left(aside, {})
    grant = doors.vault.pseudonymise(request(case, taken, {}))
    made, refused = treated(case, taken, plan(case, taken, grant), {})
    members, versions = compared(case, taken, made)
    if versions:
        made |= again(case, taken, versions)
    aside = (*aside, *refused)
    return finished(case, grant, made, members, aside)


def opened(entry: Entry, doors: Doors, project: Project) -> Case:
    """The parcel's arrivals as jobs."""
    rows = doors.ledger.past.arrivals(entry.id)
    jobs = {
        seq: Job(seq, doors.journal.path(seq), syntax, crc) for seq, _, _, _, syntax, crc in rows
    }
    return Case(entry, doors, project, jobs, {seq: series for seq, series, *_ in rows})


def chosen(case: Case) -> tuple[dict[int, Facts], tuple[Member, ...]]:
    """Read every instance; what the project does not take is set aside, not an error."""
    taken: dict[int, Facts] = {}
    aside: list[Member] = []
    for verdict in looked(case):
        if isinstance(verdict, Verdict):
            aside.append(settle(case, verdict))
            continue
        seq, facts = verdict
        if not facts.sop_class.startswith(STANDARD_ROOT) or not takes(case.project.take, facts):
            aside.append(Member(seq, facts.sop_instance, State.EXCLUDED))
        else:
            taken[seq] = facts
    if not one_person({(facts.issuer, facts.patient_id) for facts in taken.values()}):
        raise Undecided("D03", CODES["D03"].en)
    return taken, tuple(aside)


def takes(rules: Sequence[Take], facts: Facts) -> bool:
    """Whether one of the project's rules takes an instance; no rule takes everything."""
    return not rules or any(
        (not rule.modality or facts.modality in rule.modality)
        and (not rule.sop_class or facts.sop_class in rule.sop_class)
        and (
            not rule.description
            or any(
                fnmatchcase(facts.description.lower(), glob.lower()) for glob in rule.description
            )
        )
        for rule in rules
    )


def request(case: Case, taken: Mapping[int, Facts], versions: Mapping[str, int]) -> Request:
    """What the vault must remember before anything of this parcel exists."""
    first = taken[min(taken)]
    dates = case.project.deid.dates
    # The subject is the one who was admitted, as the receiver read him.
    identity = first.identity.as_dict() | {
        "patient_id": case.entry.patient_id,
        "issuer": case.entry.issuer,
    }
    return Request(
        project=case.entry.project,
        site=case.doors.profile.site.code,
        identity=identity,
        study=case.entry.study,
        uids=tuple(sorted(frozenset().union(*(facts.uids for facts in taken.values())))),
        unknown="refuse",
        least_days=dates.min_days,
        most_days=dates.max_days,
        versions=versions,
    )


def plan(case: Case, taken: Mapping[int, Facts], grant: Grant) -> Plan:
    """Policy, pseudonym, offset and UID map for every instance of the parcel."""
    policy = case.project.deid
    uids = frozenset().union(*(facts.uids for facts in taken.values()))
    return Plan(
        policy=policy,
        policy_digest=policy_digest(case.project),
        pseudonym=grant.pseudonym,
        offset_days=grant.offset_days,
        uids={uid: keyed.mapped_uid(grant.k_uid, uid) for uid in uids},
        study_code=grant.study_code,
        stamp=(
            ENGINE,
            f"policy {policy_digest(case.project)[:40]}",
            case.doors.digest,
            deid.EDITION,
        ),
        settled=case.entry.settled,
    )


def policy_digest(project: Project) -> str:
    """One name for a policy and the tables that it is read with."""
    return sha256(f"{deid.EDITION}\n{project.deid.model_dump_json()}".encode()).hexdigest()


def treated(
    case: Case, taken: Mapping[int, Facts], made_by: Plan, versions: Mapping[int, str]
) -> tuple[dict[int, Treated], tuple[Member, ...]]:
    """De-identify and search every instance; what a rule refuses is set aside with its code."""
    needles = guard.needles(
        # A patient born on the day of our dummy dates is not betrayed by them.
        {needle for facts in taken.values() for needle in facts.needles} - set(deid.DUMMIES),
        made_by.uids,
        made_by.policy.leak_guard.min_token,
        (made_by.pseudonym, made_by.study_code, *made_by.stamp),
    )
    jobs = tuple(case.jobs[seq] for seq in sorted(taken))
    batches = tuple(
        Batch(jobs[start : start + BATCH], made_by, needles, versions)
        for start in range(0, len(jobs), BATCH)
    )
    results: dict[int, Treated] = {}
    aside: list[Member] = []
    for batch, answers in zip(batches, case.doors.workers.run(treat, batches), strict=True):
        if answers is None:
            raise Undecided("D14", f"{CODES['D14'].en} ({len(batch.jobs)} instances)")
        for answer in answers:
            if isinstance(answer, Verdict):
                aside.append(settle(case, answer))
            else:
                results[answer.seq] = searched(case, answer)
    return results, tuple(aside)


def searched(case: Case, item: Treated) -> Treated:
    """Nothing leaves in which the guard found the patient; short words may be released."""
    serious = [hit for hit in item.hits if not (hit.short and "D08" in case.entry.settled)]
    if serious:
        raise Undecided("D08", f"{CODES['D08'].en} (found at {serious[0].where})")
    return item


def settle(case: Case, verdict: Verdict) -> Member:
    """Hold the parcel for a person, or set the one instance aside with its code."""
    if verdict.held or verdict.code in TELLING - case.entry.settled:
        raise Undecided(verdict.code, verdict.reason)
    sop = next(m.sop for m in case.doors.ledger.view.members(case.entry.id) if m.seq == verdict.seq)
    return Member(verdict.seq, sop, State.QUARANTINED, verdict.code)


def compared(
    case: Case, taken: Mapping[int, Facts], made: Mapping[int, Treated]
) -> tuple[dict[int, Member], dict[int, int]]:
    """New, the same as before, or a correction: judged on what came out, not on what came in.

    Modality and PACS send the same instance with coerced attributes; the same output is nothing
    new. Other output is a person's decision. Gives the members and the versions of corrections.
    """
    entry = case.entry
    known = earlier_by_sop(case, MADE)
    aside = earlier_by_sop(case, ASIDE)
    members: dict[int, Member] = {}
    versions: dict[int, int] = {}
    for seq in sorted(made):
        sop, likeness = taken[seq].sop_instance, made[seq].likeness
        earlier = known.setdefault(sop, [])
        if any(member.likeness == likeness for member in earlier):
            members[seq] = Member(seq, sop, State.REPEATED)
            continue
        version = next_version(earlier, aside.get(sop, []), likeness)
        if version > 1 and "exclude-correction" in entry.settled:
            members[seq] = Member(seq, sop, State.EXCLUDED, "correction")
            continue
        if version > 1:
            versions[seq] = version
        members[seq] = Member(seq, sop, State.PSEUDONYMISED, likeness=likeness, version=version)
        earlier.append(members[seq])
    if versions and "correction" not in entry.settled:
        reason = f"{CODES['correction'].en} ({len(versions)} of {len(made)} instances)"
        raise Undecided("correction", reason)
    return members, versions


def earlier_by_sop(case: Case, states: Collection[str]) -> dict[str, list[Member]]:
    """What was made before of each instance, in this partner's parcels of these states."""
    entry = case.entry
    found: dict[str, list[Member]] = {}
    for member in case.doors.ledger.past.sent(entry.study, entry.project, entry.partner, states):
        found.setdefault(member.sop, []).append(member)
    return found


def next_version(earlier: Sequence[Member], aside: Sequence[Member], likeness: str) -> int:
    """One UID, one content, also where only a part of a parcel left that was put aside."""
    same = [member.version for member in aside if member.likeness == likeness]
    if same and not earlier:
        return same[-1]
    return 1 + max((member.version for member in (*earlier, *aside)), default=0)


def again(
    case: Case, taken: Mapping[int, Facts], versions: Mapping[int, int]
) -> dict[int, Treated]:
    """Corrections once more, each under the UID of its version; the vault remembers that too."""
    # One version after the other: an instance may have been corrected twice.
    grants = [
        case.doors.vault.pseudonymise(
            request(
                case, taken, {taken[seq].sop_instance: v for seq, v in versions.items() if v == one}
            )
        )
        for one in sorted(set(versions.values()))
    ]
    grant = grants[-1]
    uids = {
        seq: keyed.mapped_uid(grant.k_uid, taken[seq].sop_instance, version)
        for seq, version in versions.items()
    }
    changed = {seq: taken[seq] for seq in versions}
    made_by = plan(case, taken, grant)
    results, _ = treated(case, changed, made_by, uids)
    return results


def finished(
    case: Case,
    grant: Grant,
    made: Mapping[int, Treated],
    members: Mapping[int, Member],
    aside: Sequence[Member],
) -> Done:
    """Splices durable in one file, then the rows that point into it."""
    rows: list[Member] = list(aside)
    packed: list[bytes] = []
    start = 0
    for seq, member in members.items():
        if member.state is not State.PSEUDONYMISED:
            rows.append(member)
            continue
        item = made[seq]
        packed.append(item.packed)
        rows.append(
            Member(
                seq,
                member.sop,
                State.PSEUDONYMISED,
                new_sop=item.new_sop,
                new_series=keyed.mapped_uid(grant.k_uid, case.series[seq]),
                likeness=member.likeness,
                digest=item.digest,
                version=member.version,
                start=start,
                length=len(item.packed),
            )
        )
        start += len(item.packed)
    facts = {
        "pseudonym": grant.pseudonym,
        "pstudy": keyed.mapped_uid(grant.k_uid, case.entry.study),
        "policy": policy_digest(case.project),
    }
    if not packed:
        return nothing_left(tuple(rows), facts)
    path = case.doors.parcel_file(case.entry.id)
    keep_folder(path.parent)
    keep_file(path, packed)
    notes: dict[str, str | int] = {"count": len(packed), "pseudonym": grant.pseudonym}
    return Done(State.PSEUDONYMISED, facts, tuple(rows), notes=notes)


def looked(case: Case) -> list[tuple[int, Facts] | Verdict]:
    """What the workers read in the parcel's instances, in order."""
    jobs = tuple(case.jobs.values())
    batches = tuple(jobs[start : start + BATCH] for start in range(0, len(jobs), BATCH))
    answers: list[tuple[int, Facts] | Verdict] = []
    for answer in case.doors.workers.run(look, batches):
        if answer is None:
            raise Undecided("D14", CODES["D14"].en)
        answers += answer
    return answers


def nothing_left(rows: tuple[Member, ...], facts: Mapping[str, str]) -> Done:
    """Nothing of a parcel leaves: refused if a rule refused any of it, else the same, or not taken."""
    refused = next((row.code for row in rows if row.state is State.QUARANTINED), "")
    if refused:
        return Done(State.QUARANTINED, facts, rows, code=refused)
    repeated = any(row.state is State.REPEATED for row in rows)
    return Done(State.REPEATED if repeated else State.EXCLUDED, facts, rows)
