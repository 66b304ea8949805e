"""What a result rests on: what was sent to whom, and who the PACS says today that it is about.

It is asked anew right before a result is stored: a review may take weeks, and in the meantime
patients are merged, renamed and withdrawn, and images are corrected.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256

from appliance import ENGINE, reid
from appliance.dicom.find import StudyMatch
from appliance.errors import CODES, Refusal, Undecided
from appliance.journey.doors import Doors
from appliance.journey.permission import clinic_peer
from appliance.profile import Peer, Project
from appliance.store.entry import Entry, Member
from appliance.store.vault import Kept

# A shorter pseudonym is a word, which a report may hold by chance.
SHORTEST_NAME = 6
LEFT = ("DELIVERED", "CONFIRMED", "PURGED")


@dataclass(frozen=True)
class Ground:
    """What was sent and who it is about, under one profile."""

    sent: reid.Sent
    patient: reid.PatientNow
    profile: str

    def name(self) -> str:
        """One name for all of it: another name, and every rule is asked again."""
        sent = self.sent
        words = (
            ENGINE, self.profile, sorted(asdict(self.patient).items()), sent.study, sent.pseudonym,
            sorted(sent.uids.items()), sorted(sent.sops), sorted(sent.superseded),
            sent.offset_days, sent.shifted,
        )  # fmt: skip
        return sha256(repr(words).encode()).hexdigest()


def ground_of(entry: Entry, doors: Doors, project: Project) -> Ground:
    """The ground under a delivery as it is now.

    Raises:
        Refusal: Q03, Q13.
        Undecided: Q11, Q12, absent.
        Unavailable: the PACS or the vault.
    """
    sent, kept = sent_to_partner(entry, doors, project)
    return Ground(sent, patient_now(doors, clinic_peer(doors, project), kept), doors.digest)


def sent_to_partner(entry: Entry, doors: Doors, project: Project) -> tuple[reid.Sent, Kept]:
    """What this partner may refer to: what was sent to it of this study, and nothing else.

    Raises:
        Refusal: Q03, Q13.
        Unavailable: the vault.
    """
    kept = doors.vault.resolve(entry.project, entry.pstudy)
    if kept is None or kept.study != entry.study:
        raise Refusal("Q03", CODES["Q03"].en)
    # Patient IDs are linked anew; the study stays his under whose pseudonym it left.
    if kept.standing == "withdrawn":
        raise Refusal("Q13", CODES["Q13"].en)
    mine = doors.ledger.past.sent(entry.study, entry.project, entry.partner, LEFT)
    sops = frozenset(member.new_sop for member in mine)
    if not sops:
        raise Refusal("Q03", CODES["Q03"].en)
    # A series that this delivery goes on with is its own; the others it may refer to.
    its_own = {row.series for row in doors.ledger.view.returned(entry.id)}
    already = {
        uid: home
        for uid, home in doors.ledger.past.home_already(entry.partner, entry.pstudy).items()
        if uid not in its_own
    }
    arrived = doors.ledger.past.sops_of(entry.study)
    others = frozenset(
        pseudo
        for pseudo, original in kept.uids.items()
        if pseudo not in sops and original in arrived
    )
    return (
        reid.Sent(
            study=kept.study,
            pseudonym=kept.pseudonym,
            uids={pseudo: uid for pseudo, uid in kept.uids.items() if pseudo not in others}
            | already,
            sops=sops | others,
            k_uid=kept.k_uid,
            offset_days=kept.offset_days,
            shifted=project.deid.dates.policy == "shift",
            superseded=superseded(mine),
            strangers=strangers(entry, doors, kept),
        ),
        kept,
    )


def strangers(entry: Entry, doors: Doors, kept: Kept) -> frozenset[str]:
    """How the other subjects of the project are called, as far as no text holds it by chance."""
    named = (subject.pseudonym.casefold() for subject in doors.vault.subjects(entry.project))
    return frozenset(name for name in named if len(name) >= SHORTEST_NAME) - {
        entry.pseudonym.casefold(),
        kept.pseudonym.casefold(),
    }


def superseded(sent: tuple[Member, ...]) -> frozenset[str]:
    """The pseudonymous instances of which a correction left later."""
    newest: dict[str, int] = {}
    for member in sent:
        newest[member.sop] = max(member.version, newest.get(member.sop, 1))
    return frozenset(member.new_sop for member in sent if member.version < newest[member.sop])


def patient_now(doors: Doors, peer: Peer, kept: Kept) -> reid.PatientNow:
    """R7: exactly one match in the PACS, the same person; his values of today.

    Raises:
        Undecided: Q11, Q12.
        Unavailable: the PACS does not answer; the old values are never used instead.
    """
    matches = doors.clinic.study(peer, kept.study)
    if not matches:
        raise Undecided("Q11", CODES["Q11"].en)
    if len(matches) > 1 or not same_person(matches[0], kept.identity):
        raise Undecided("Q12", CODES["Q12"].en)
    return current(matches[0], kept.identity)


def same_person(match: StudyMatch, snapshot: Mapping[str, str]) -> bool:
    """Same Patient ID; issuer, birth date and sex not contradicted (a name may be corrected)."""
    return match.patient_id.strip() == snapshot["patient_id"].strip() and all(
        not told or not known or told == known
        for told, known in (
            (match.issuer.strip(), snapshot["issuer"].strip()),
            (match.birth_date.strip(), snapshot["birth_date"].strip()),
            (match.sex.strip(), snapshot["sex"].strip()),
        )
    )


def current(match: StudyMatch, snapshot: Mapping[str, str]) -> reid.PatientNow:
    """The PACS's values; where it does not tell, those that came with the images."""

    def value(told: str, known: str) -> str:
        return told or snapshot.get(known, "")

    return reid.PatientNow(
        PatientID=value(match.patient_id, "patient_id"),
        IssuerOfPatientID=value(match.issuer, "issuer"),
        PatientName=value(match.patient_name, "patient_name"),
        PatientBirthDate=value(match.birth_date, "birth_date"),
        PatientSex=value(match.sex, "sex"),
        StudyDate=value(match.study_date, "study_date"),
        StudyTime=value(match.study_time, "study_time"),
        AccessionNumber=value(match.accession, "accession"),
        StudyID=value(match.study_id, "study_id"),
        ReferringPhysicianName=value(match.referring_physician, "referring_physician"),
        StudyDescription=value(match.study_description, "study_description"),
    )
