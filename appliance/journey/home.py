"""FETCHED → VALIDATED → RECONCILED → STORED → VERIFIED → ACKED: home, under the right patient.

The rules R0–R12 are `reid`'s; here stand the questions to vault and PACS and the order of acts.
A delivery is atomic: nothing of it is stored before all of it is reconciled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from shutil import rmtree

from appliance import ENGINE, keyed, reid
from appliance.dicom.find import StudyMatch
from appliance.dicom.send import Instance
from appliance.errors import CODES, Refusal, Unavailable, Undecided
from appliance.journey.doors import Doors
from appliance.journey.permission import clinic_peer, project_of, subject_stands, trusted_time
from appliance.journey.work import Homecoming, Verdict
from appliance.journey.work import reconcile as reconciled_file
from appliance.profile import Peer, Project
from appliance.store.entry import Done, Entry, Returned, State
from appliance.store.files import keep_file, sync_folder
from appliance.store.vault import Kept
from appliance.timing import Now

# C-STORE statuses (PS3.4 B.2.3): 0000 kept; Bxxx kept with a warning; A7xx no room just now.
WARNING = 0xB000
NO_ROOM = 0xA700
KIND_MASK = 0xF000
ROOM_MASK = 0xFF00
LEFT = ("DELIVERED", "CONFIRMED", "PURGED")


def validate(entry: Entry, doors: Doors, now: Now) -> Done:
    """R0–R4: the study is ours, the pseudonym is the study's, nothing refers to what never left.

    Raises:
        Refusal: Q01–Q06, Q13–Q16.
        Undecided: Q09, dossier/C07.
        Unavailable: the vault.
    """
    project = project_of(doors, entry.project, now)
    subject_stands(doors, entry)
    sent, _ = sent_to_partner(entry, doors, project)
    files = returned_files(entry, doors)
    checked = reid.validate(files, sent, reid.Expectation(entry.pstudy, entry.settled))
    rows = {item.sop: item for item in doors.ledger.view.returned(entry.id)}
    if {item.sop_instance for item in checked} != set(rows):
        raise Refusal("Q14", "what was fetched is not what was offered")
    return Done(State.VALIDATED, notes={"count": len(checked)})


def reconcile(entry: Entry, doors: Doors, now: Now) -> Done:
    """R7–R12: ask the PACS who this is today, rewrite, read again, keep.

    Raises:
        Refusal: Q13, Q17.
        Undecided: Q11, Q12, Q18, absent, dossier/C07.
        Unavailable: the PACS or the vault.
    """
    project = project_of(doors, entry.project, now)
    subject_stands(doors, entry)
    sent, kept = sent_to_partner(entry, doors, project)
    patient = patient_now(doors, clinic_peer(doors, project), kept)
    files = returned_files(entry, doors)
    checked = reid.validate(files, sent, reid.Expectation(entry.pstudy, entry.settled))
    introduced = frozenset().union(*(item.introduced for item in checked))
    stamp = reid.Stamp(ENGINE, doors.digest)
    rows = doors.ledger.view.returned(entry.id)
    cases = [
        Homecoming(
            row.number,
            doors.home_file(entry.id, row.number, "dcm"),
            sent,
            patient,
            introduced,
            stamp,
        )
        for row in rows
    ]
    results: list[Returned] = []
    for row, answer in zip(rows, doors.workers.run(reconciled_file, cases), strict=True):
        results.append(reconciled(entry, doors, row, answer, sent))
    return Done(State.RECONCILED, returned=tuple(results))


def reconciled(
    entry: Entry,
    doors: Doors,
    row: Returned,
    answer: tuple[int, bytes] | Verdict | None,
    sent: reid.Sent,
) -> Returned:
    """Keep one reconciled instance, or raise its verdict."""
    if answer is None:
        raise Refusal("Q16", CODES["Q16"].en)
    if isinstance(answer, Verdict):
        raise (Undecided if answer.held else Refusal)(answer.code, answer.reason)
    _, file = answer
    keep_file(doors.home_file(entry.id, row.number, "home.dcm"), (file,))
    return replace(
        row,
        new_sop=keyed.home_uid(sent.k_uid, row.sop),
        new_series=keyed.home_uid(sent.k_uid, row.series),
        home_digest=sha256(file).hexdigest(),
    )


def store(entry: Entry, doors: Doors, now: Now) -> Done:
    """C-STORE to the clinic's PACS, after a person's release; what it lists is not sent again.

    Raises:
        Undecided: review, clock, pacs-warning, pacs-refused, absent, dossier/C07.
        Refusal: Q13, Q14 (bytes changed on the disk).
        Unavailable: the PACS.
    """
    project = project_of(doors, entry.project, now)
    subject_stands(doors, entry)
    trusted_time(now)
    if project.results.release == "review" and "review" not in entry.settled:
        raise Undecided("review", CODES["review"].en)
    peer = clinic_peer(doors, project)
    rows = doors.ledger.view.returned(entry.id)
    present = stored_already(doors, peer, entry, rows)
    missing = [row for row in rows if row.new_sop not in present]
    statuses = doors.clinic.store(peer, [instance(entry, doors, row) for row in missing])
    judge(statuses, entry)
    return Done(State.STORED, notes={"count": len(rows), "peer": peer.name})


def verify(entry: Entry, doors: Doors, now: Now) -> Done:
    """The proof that the peer gives: every image listed, the right count, or a person's word.

    Raises:
        Undecided: proof, absent.
        Unavailable: the PACS, or it does not list everything yet.
    """
    peer = clinic_peer(doors, project_of(doors, entry.project, now))
    rows = doors.ledger.view.returned(entry.id)
    if peer.proof == "person" or "proof" in entry.settled:
        if "proof" not in entry.settled:
            raise Undecided("proof", CODES["proof"].en)
    elif peer.proof == "find-series":
        counted(doors, peer, entry, rows)
    else:
        every_image(doors, peer, entry, rows)
    proof = "person" if "proof" in entry.settled else peer.proof
    return Done(State.VERIFIED, {"proof": proof}, notes={"count": len(rows), "proof": proof})


def acknowledge(entry: Entry, doors: Doors, now: Now) -> Done:
    """A DICOMweb partner has no acknowledgement: the event says so, and the walk is over."""
    return Done(State.ACKED, notes={"acknowledgement": "not supported"})


def purge(entry: Entry, doors: Doors, now: Now) -> Done:
    """Retention has passed: the staged bytes go, the rows stay."""
    trusted_time(now)
    folder = doors.home_file(entry.id, 0, "dcm").parent
    if folder.exists():
        rmtree(folder)
    # Else a power cut could bring the files back, and nobody would look for them again.
    sync_folder(folder.parent)
    return Done(State.PURGED)


def sent_to_partner(entry: Entry, doors: Doors, project: Project) -> tuple[reid.Sent, Kept]:
    """What this partner may refer to: what was sent to it of this study, and nothing else."""
    kept = doors.vault.resolve(entry.project, entry.pstudy)
    if kept is None or kept.study != entry.study:
        raise Refusal("Q03", CODES["Q03"].en)
    mine = doors.ledger.past.sent(entry.study, entry.project, entry.partner, LEFT)
    sops = frozenset(member.new_sop for member in mine)
    if not sops:
        raise Refusal("Q03", CODES["Q03"].en)
    # A series that this delivery goes on with is its own; the others it may refer to.
    mine_too = {row.series for row in doors.ledger.view.returned(entry.id)}
    already = {
        uid: home
        for uid, home in doors.ledger.past.home_already(entry.partner, entry.pstudy).items()
        if uid not in mine_too
    }
    others = frozenset(
        pseudo
        for pseudo, original in kept.uids.items()
        if pseudo not in sops and original in doors.ledger.past.sops_of(entry.study)
    )
    return (
        reid.Sent(
            study=kept.study,
            pseudonym=kept.pseudonym,
            uids={pseudo: uid for pseudo, uid in kept.uids.items() if pseudo not in others}
            | already,
            sops=sops,
            k_uid=kept.k_uid,
            offset_days=kept.offset_days,
            shifted=project.deid.dates.policy == "shift",
        ),
        kept,
    )


def returned_files(entry: Entry, doors: Doors) -> Mapping[str, bytes]:
    """The fetched bytes by SOP instance, unchanged since they came.

    Raises:
        Refusal: Q14.
    """
    files: dict[str, bytes] = {}
    for row in doors.ledger.view.returned(entry.id):
        files[row.sop] = unchanged(doors, entry, row, "dcm", row.digest)
    return files


def unchanged(doors: Doors, entry: Entry, row: Returned, kind: str, digest: str) -> bytes:
    """A staged file, if it still is what was kept."""
    try:
        file = doors.home_file(entry.id, row.number, kind).read_bytes()
    except FileNotFoundError:
        raise Refusal("Q14", CODES["Q14"].en) from None
    if sha256(file).hexdigest() != digest:
        raise Refusal("Q14", CODES["Q14"].en)
    return file


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
    """Same Patient ID; birth date and sex not contradicted (a name may be corrected)."""
    return match.patient_id.strip() == snapshot["patient_id"].strip() and all(
        not told or not known or told == known
        for told, known in (
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


def instance(entry: Entry, doors: Doors, row: Returned) -> Instance:
    """A reconciled file as the sender wants it."""
    unchanged(doors, entry, row, "home.dcm", row.home_digest)
    path = doors.home_file(entry.id, row.number, "home.dcm")
    return Instance(row.sop_class, row.new_sop, reid.transfer_syntax(path.read_bytes()), path)


def stored_already(
    doors: Doors, peer: Peer, entry: Entry, rows: Sequence[Returned]
) -> frozenset[str]:
    """What the PACS lists of our series; a PACS without that level gets all again, same UIDs."""
    present: set[str] = set()
    for series in {row.new_series for row in rows}:
        present |= doors.clinic.images(peer, entry.study, series) or frozenset()
    return frozenset(present)


def judge(statuses: Mapping[str, int], entry: Entry) -> None:
    """Every status counts: kept, warned, no room, refused."""
    for status in sorted(statuses.values()):
        word = f"0x{status:04X}"
        if status & ROOM_MASK == NO_ROOM:
            raise Unavailable(f"the PACS has no room just now ({word})")
        if status & KIND_MASK == WARNING:
            if "pacs-warning" not in entry.settled:
                raise Undecided("pacs-warning", f"{CODES['pacs-warning'].en} ({word})")
        elif status:
            raise Undecided("pacs-refused", f"{CODES['pacs-refused'].en} ({word})")


def every_image(doors: Doors, peer: Peer, entry: Entry, rows: Sequence[Returned]) -> None:
    """find-image: in each of our series exactly our instances."""
    for series, ours in ours_by_series(doors, entry, rows).items():
        found = doors.clinic.images(peer, entry.study, series)
        if found is None:
            raise Undecided(
                "proof",
                "the PACS does not answer at IMAGE level: look there, then release; set its proof to find-series",
            )
        if found != ours:
            raise Unavailable(f"the PACS lists {len(found & ours)} of {len(ours)} instances")


def counted(doors: Doors, peer: Peer, entry: Entry, rows: Sequence[Returned]) -> None:
    """find-series: our series with our count."""
    counts = doors.clinic.series_counts(peer, entry.study)
    for series, ours in ours_by_series(doors, entry, rows).items():
        if counts.get(series) != len(ours):
            raise Unavailable(f"the PACS lists {counts.get(series, 0)} of {len(ours)} instances")


def ours_by_series(
    doors: Doors, entry: Entry, rows: Sequence[Returned]
) -> Mapping[str, frozenset[str]]:
    """What stands in each of our series: this delivery, and what came home into it before."""
    return {
        series: frozenset(row.new_sop for row in rows if row.new_series == series)
        | doors.ledger.past.home_in(entry.study, series)
        for series in sorted({row.new_series for row in rows})
    }
