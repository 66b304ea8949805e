"""RECEIVED → parcels: a settled study is routed, permitted, and frozen for each partner."""

from dataclasses import replace

from appliance.errors import CODES, Refusal, Unavailable, Undecided
from appliance.journey.doors import Doors
from appliance.journey.permission import one_person, project_of
from appliance.profile import Profile, Project
from appliance.store.arrivals import Arrival
from appliance.store.entry import Done, Entry, Kind, Member, NewEntry, State
from appliance.store.vault import Enrolment
from appliance.timing import Now, growing, settled

# A PACS may list objects that it never sends: after these waits the study is taken as it came.
MOST_LISTING_WAITS = 4


def called_projects(profile: Profile, arrival: Arrival) -> tuple[str, ...]:
    """The projects that claim an arrival by its called (and, where they say so, calling) AE."""
    head = arrival.head
    return tuple(
        project.code
        for project in profile.projects
        if project.route.called_ae == head.called_ae
        and (not project.route.calling_ae or head.calling_ae in project.route.calling_ae)
    )


def settle_min(profile: Profile, entry: Entry) -> float:
    """How long an intake must be quiet, in minutes."""
    project = profile.project(entry.project)
    if project is not None:
        return project.settle_min
    return min((project.settle_min for project in profile.projects), default=0.0)


def freeze(entry: Entry, doors: Doors, now: Now) -> Done:
    """Freeze the arrivals of an intake into one parcel for each project and partner.

    Raises:
        Undecided: D03, patient-changed, no-project, unknown-subject, growing, dossier/C07.
        Refusal: D10.
        Unavailable: the vault, or a PACS that lists more than it has sent.
    """
    one_patient(entry, doors)
    entry = as_first_named(entry, doors)
    claiming = routed(entry, doors, now)
    projects = tuple(project for project in claiming if admitted(entry, project, doors))
    if not projects:
        raise Refusal("D10", CODES["D10"].en)
    if never_quiet(entry, doors, now) and "growing" not in entry.settled:
        raise Undecided("growing", CODES["growing"].en)
    all_here(entry, doors, projects)
    members = tuple(
        Member(member.seq, member.sop) for member in doors.ledger.view.members(entry.id)
    )
    opened = tuple(
        parcel(entry, project.code, partner, members)
        for project in projects
        for partner in project.partners or ("",)
    )
    notes: dict[str, str | int] = {"count": len(members)}
    if left := " ".join(project.code for project in claiming if project not in projects):
        notes["withdrawn_from"] = left
    return Done(State.FROZEN, opened=opened, notes=notes)


def never_quiet(entry: Entry, doors: Doors, now: Now) -> bool:
    """Whether a study has grown for too long and grows still; one that waited is only old."""
    quiet = settled(entry.last_s, settle_min(doors.profile, entry), now.device_s)
    return growing(entry.first_s, now.device_s) and not quiet


def one_patient(entry: Entry, doors: Doors) -> None:
    """A study belongs to one patient; two are never merged by the box."""
    if not entry.patient_id:
        raise Undecided("D03", CODES["D03"].en)
    patients = doors.ledger.past.patients_in(entry.id)
    if not one_person(patients):
        raise Undecided("D03", CODES["D03"].en)
    known = doors.ledger.past.patients(entry.study)
    if not one_person(patients | known) and "patient-changed" not in entry.settled:
        raise Undecided("patient-changed", CODES["patient-changed"].en)


def as_first_named(entry: Entry, doors: Doors) -> Entry:
    """The entry under the issuer that its study came with first, where one of the two is missing.

    The subject of a study is found by issuer and Patient ID, and stays the one that it was.
    """
    first = doors.ledger.past.first_issuer(entry.study, entry.patient_id)
    return replace(entry, issuer=first) if "" in (first, entry.issuer) else entry


def routed(entry: Entry, doors: Doors, now: Now) -> tuple[Project, ...]:
    """The projects of an intake: by its called AE, by a person, else by enrolment."""
    named = entry.assigned or ((entry.project,) if entry.project else ())
    if not named:
        named = tuple(
            project.code
            for project in doors.profile.projects
            if project.route.called_ae is None
            and doors.vault.standing(project.code, entry.issuer, entry.patient_id) == "enrolled"
        )
    if not named:
        raise Undecided("no-project", CODES["no-project"].en)
    return tuple(project_of(doors, code, now) for code in named)


def admitted(entry: Entry, project: Project, doors: Doors) -> bool:
    """The subject is enrolled, or enrolled now where the project or a person says so.

    Not one who withdrew: that concerns this project alone.
    """
    standing = doors.vault.standing(project.code, entry.issuer, entry.patient_id)
    if standing == "withdrawn":
        return False
    if "patient-changed" in entry.settled:
        link(entry, project, doors)
    elif standing == "enrolled":
        return True
    elif (
        (project.route.subjects == "any" and not namesake_left(entry, project, doors))
        or {"unknown-subject", "no-project"} & entry.settled
        or entry.assigned
    ):
        doors.vault.enrol(project.code, (Enrolment(entry.patient_id, entry.issuer),))
    else:
        raise Undecided("unknown-subject", CODES["unknown-subject"].en)
    return True


def namesake_left(entry: Entry, project: Project, doors: Doors) -> bool:
    """Whether the same Patient ID withdrew under an issuer that one of the two leaves out."""
    others = doors.ledger.past.issuers(entry.patient_id) - {entry.issuer}
    return any(
        doors.vault.standing(project.code, issuer, entry.patient_id) == "withdrawn"
        for issuer in others
        if "" in (issuer, entry.issuer)
    )


def link(entry: Entry, project: Project, doors: Doors) -> None:
    """A person said that this Patient ID is the same person: one pseudonym for both."""
    earlier = doors.ledger.past.pseudonym_of(entry.study, project.code)
    if earlier:
        doors.vault.link(project.code, entry.issuer, entry.patient_id, earlier)
    else:
        doors.vault.enrol(project.code, (Enrolment(entry.patient_id, entry.issuer),))


def all_here(entry: Entry, doors: Doors, projects: tuple[Project, ...]) -> None:
    """Where the peer may be asked, wait until as many instances are here as it lists.

    A peer that does not answer, or that goes on listing more, stops nothing: what comes late opens
    the next parcel.
    """
    peer = doors.profile.peer(entry.peer)
    if peer is None or peer.kind != "pacs" or "query" not in peer.may:
        return
    if entry.waits >= MOST_LISTING_WAITS:
        return
    try:
        listed = [match.instances for match in doors.clinic.study(peer, entry.study)]
    except Unavailable:
        return
    here = doors.ledger.past.instances_of(entry.study)
    if any(count is not None and count > here for count in listed):
        wait_s = 60.0 * min(project.settle_min for project in projects)
        raise Unavailable("the PACS lists more instances than it has sent", wait_s)


def parcel(entry: Entry, project: str, partner: str, members: tuple[Member, ...]) -> NewEntry:
    """What goes to one partner for one project; the ledger gives it its number."""
    return NewEntry(
        Kind.PARCEL,
        State.FROZEN,
        project,
        partner,
        entry.study,
        entry.patient_id,
        entry.issuer,
        called_ae=entry.called_ae,
        peer=entry.peer,
        members=members,
    )
