"""Whether a thing may still move: asked before every act, not once (law 9 of the walk)."""

from collections.abc import Collection

from appliance import dossier
from appliance.errors import CODES, Refusal, Undecided
from appliance.journey.doors import Doors
from appliance.profile import Peer, Project
from appliance.store.entry import Entry, Kind
from appliance.timing import Now


def project_of(doors: Doors, code: str, now: Now) -> Project:
    """The project, while it stands in the profile and its dossier has not expired.

    Raises:
        Undecided: no-project, dossier/C07.
    """
    project = doors.profile.project(code)
    if project is None:
        raise Undecided("no-project", "the project is no longer in the profile")
    if now.trusted and dossier.expired(dossier.read(project.dossier), now.wall.date()):
        raise Undecided("dossier/C07", CODES["dossier/C07"].en)
    return project


def one_person(patients: Collection[tuple[str, str]]) -> bool:
    """Whether these (issuer, Patient ID) of one study are one patient.

    A PACS adds the issuer that a modality leaves out; two issuers are two patients.
    """
    issuers = {issuer for issuer, _ in patients if issuer}
    return len({patient for _, patient in patients}) <= 1 and len(issuers) <= 1


def trusted_time(now: Now) -> None:
    """Nothing leaves and nothing is purged while nobody knows what time it is."""
    if not now.trusted:
        raise Undecided("clock", CODES["clock"].en)


def subject_stands(doors: Doors, entry: Entry) -> None:
    """Refuse what concerns a withdrawn subject (D10 outward, Q13 homeward)."""
    standing = doors.vault.standing(entry.project, entry.issuer, entry.patient_id)
    if standing == "withdrawn":
        code = "Q13" if entry.kind is Kind.DELIVERY else "D10"
        raise Refusal(code, CODES[code].en)


def partner_stands(doors: Doors, project: Project, partner: str) -> None:
    """Hold what was meant for a partner that the profile no longer names."""
    if partner not in project.partners or partner not in doors.partners:
        raise Undecided("absent", "this partner is no longer in the project's profile")


def clinic_peer(doors: Doors, project: Project) -> Peer:
    """The peer that takes this project's results."""
    peer = doors.profile.peer(project.results.send_to or "")
    if peer is None or "results" not in peer.may:
        raise Undecided("absent", "no peer of the profile takes this project's results")
    return peer
