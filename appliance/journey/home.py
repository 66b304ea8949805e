"""FETCHED → VALIDATED → RECONCILED → STORED → VERIFIED → ACKED: home, under the right patient.

The rules R0–R12 are `reid`'s; here stand the questions to vault and PACS and the order of acts.
A delivery is atomic: nothing of it is stored before all of it is reconciled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from shutil import rmtree

from appliance import ENGINE, keyed, reid
from appliance.dicom.send import Broken, Instance
from appliance.errors import CODES, Refusal, Unavailable, Undecided
from appliance.journey.doors import Doors
from appliance.journey.ground import ground_of, sent_to_partner
from appliance.journey.permission import clinic_peer, project_of, subject_stands, trusted_time
from appliance.journey.work import Fetched, Homecoming, Verdict, validated
from appliance.journey.work import reconcile as reconciled_file
from appliance.profile import Peer
from appliance.store.entry import Done, Entry, Returned, State
from appliance.store.files import keep_file, sync_folder
from appliance.timing import Now

# C-STORE statuses (PS3.4 B.2.3): 0000 kept; Bxxx kept with a warning; A7xx no room just now.
WARNING = 0xB000
NO_ROOM = 0xA700
KIND_MASK = 0xF000
ROOM_MASK = 0xFF00
AT_HOME = (State.VERIFIED, State.ACKED, State.PURGED)


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
    if doors.ledger.past.named_before(entry.id):
        raise Refusal("Q07", CODES["Q07"].en)
    rows = doors.ledger.view.returned(entry.id)
    checked = judged(entry, doors, sent)
    return Done(
        State.VALIDATED,
        # The partner's list is hearsay; what counts stands in the file.
        returned=tuple(
            replace(row, sop_class=item.sop_class) for row, item in zip(rows, checked, strict=True)
        ),
        notes={"count": len(checked)},
    )


def reconcile(entry: Entry, doors: Doors, now: Now) -> Done:
    """R7–R12: ask the PACS who this is today, rewrite, read again, keep.

    Raises:
        Refusal: Q13, Q17.
        Undecided: Q11, Q12, Q18, absent, dossier/C07.
        Unavailable: the PACS or the vault.
    """
    project = project_of(doors, entry.project, now)
    subject_stands(doors, entry)
    ground = ground_of(entry, doors, project)
    checked = judged(entry, doors, ground.sent)
    introduced = frozenset().union(*(item.introduced for item in checked))
    stamp = reid.Stamp(ENGINE, doors.digest)
    rows = doors.ledger.view.returned(entry.id)
    cases = [
        Homecoming(
            row.number,
            doors.home_file(entry.id, row.number, "dcm"),
            ground.sent,
            ground.patient,
            introduced,
            stamp,
        )
        for row in rows
    ]
    results: list[Returned] = []
    for row, answer in zip(rows, doors.workers.run(reconciled_file, cases), strict=True):
        results.append(reconciled(entry, doors, row, answer, ground.sent))
    return Done(State.RECONCILED, {"ground": ground.name()}, returned=tuple(results))


def judged(entry: Entry, doors: Doors, sent: reid.Sent) -> tuple[reid.Returned, ...]:
    """R0–R4 over the fetched files, in a worker: what is made to kill its reader kills that.

    Raises:
        Refusal: Q01–Q06, Q14 (bytes changed on the disk, or not what was offered), Q15, Q16.
        Undecided: Q09, corrected.
    """
    rows = doors.ledger.view.returned(entry.id)
    files = tuple(
        (row.sop, doors.home_file(entry.id, row.number, "dcm"), row.digest) for row in rows
    )
    case = Fetched(files, sent, reid.Expectation(entry.pstudy, entry.settled))
    (answer,) = doors.workers.run(validated, [case])
    if answer is None:
        raise Refusal("Q16", CODES["Q16"].en)
    if isinstance(answer, Verdict):
        raise verdict(answer)
    offered = [(row.sop, row.series) for row in rows]
    if [(item.sop_instance, item.series) for item in answer] != offered:
        raise Refusal("Q14", "what was fetched is not what was offered")
    return answer


def verdict(answer: Verdict) -> Refusal | Undecided:
    """What a worker found, as the word that the walk knows."""
    return (Undecided if answer.held else Refusal)(answer.code, answer.reason)


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
        raise verdict(answer)
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

    Who it is about is asked once more: has anything changed since it was reconciled, all rules are
    asked again.

    Raises:
        Undecided: review, clock, Q11, Q12, pacs-warning, pacs-refused, absent, dossier/C07.
        Refusal: Q03, Q13, Q14 (bytes changed on the disk).
        Unavailable: the PACS.
    """
    project = project_of(doors, entry.project, now)
    subject_stands(doors, entry)
    trusted_time(now)
    if project.results.release == "review" and "review" not in entry.settled:
        raise Undecided("review", CODES["review"].en)
    peer = clinic_peer(doors, project)
    if ground_of(entry, doors, project).name() != entry.ground:
        return Done(State.FETCHED, notes={"again": "what it rests on has changed"})
    rows = doors.ledger.view.returned(entry.id)
    present = stored_already(doors, peer, entry, rows)
    missing = [row for row in rows if row.new_sop not in present]
    try:
        statuses = doors.clinic.store(peer, [instance(entry, doors, row) for row in missing])
    except Broken as broken:
        # What it keeps now will not be sent again: a warning would never be seen.
        warned(broken.statuses, entry)
        raise
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


def unchanged(doors: Doors, entry: Entry, row: Returned, kind: str, digest: str) -> bytes:
    """A staged file, if it still is what was kept."""
    try:
        file = doors.home_file(entry.id, row.number, kind).read_bytes()
    except FileNotFoundError:
        raise Refusal("Q14", CODES["Q14"].en) from None
    if sha256(file).hexdigest() != digest:
        raise Refusal("Q14", CODES["Q14"].en)
    return file


def instance(entry: Entry, doors: Doors, row: Returned) -> Instance:
    """A reconciled file as the sender wants it."""
    unchanged(doors, entry, row, "home.dcm", row.home_digest)
    path = doors.home_file(entry.id, row.number, "home.dcm")
    return Instance(row.sop_class, row.new_sop, reid.transfer_syntax(path.read_bytes()), path)


def stored_already(
    doors: Doors, peer: Peer, entry: Entry, rows: Sequence[Returned]
) -> frozenset[str]:
    """What the PACS keeps of our series; a series that it only counts is there when all of it is."""
    present: set[str] = set()
    for series, ours in by_series(rows).items():
        listed = doors.clinic.images(peer, entry.study, series)
        if listed is not None:
            present |= listed
        elif doors.clinic.series_counts(peer, entry.study).get(series) == wanted(
            doors, entry, series, ours
        ):
            present |= ours
    return frozenset(present)


def judge(statuses: Mapping[str, int], entry: Entry) -> None:
    """Every status counts: kept, warned, no room, refused."""
    warned(statuses, entry)
    for status in sorted(statuses.values()):
        if status & ROOM_MASK == NO_ROOM:
            raise Unavailable(f"the PACS has no room just now (0x{status:04X})")
        if status and status & KIND_MASK != WARNING:
            raise Undecided("pacs-refused", f"{CODES['pacs-refused'].en} (0x{status:04X})")


def warned(statuses: Mapping[str, int], entry: Entry) -> None:
    """A person looks at what the PACS kept with a warning: it may have changed whose it is."""
    for status in sorted(statuses.values()):
        if status & KIND_MASK == WARNING and "pacs-warning" not in entry.settled:
            raise Undecided("pacs-warning", f"{CODES['pacs-warning'].en} (0x{status:04X})")


def every_image(doors: Doors, peer: Peer, entry: Entry, rows: Sequence[Returned]) -> None:
    """find-image: all of ours in our series, and nothing there that never was on its way.

    What a refused delivery had stored before it was refused stays beside it.
    """
    for series, ours in by_series(rows).items():
        found = doors.clinic.images(peer, entry.study, series)
        if found is None:
            raise Undecided(
                "proof",
                "the PACS does not answer at IMAGE level: look there, then release; set its proof to find-series",
            )
        if ours - found:
            raise Unavailable(f"the PACS lists {len(found & ours)} of {len(ours)} instances")
        strange = found - doors.ledger.past.home_in(entry.study, series, tuple(State))
        if strange:
            raise Unavailable(f"the PACS lists {len(strange)} instances that are not ours")


def counted(doors: Doors, peer: Peer, entry: Entry, rows: Sequence[Returned]) -> None:
    """find-series: our series with our count, and that of what came home into it before."""
    counts = doors.clinic.series_counts(peer, entry.study)
    for series, ours in by_series(rows).items():
        most = wanted(doors, entry, series, ours)
        if counts.get(series) != most:
            raise Unavailable(f"the PACS lists {counts.get(series, 0)} of {most} instances")


def wanted(doors: Doors, entry: Entry, series: str, ours: frozenset[str]) -> int:
    """How many instances a home series has when this delivery is in it."""
    return len(ours | doors.ledger.past.home_in(entry.study, series, AT_HOME))


def by_series(rows: Sequence[Returned]) -> Mapping[str, frozenset[str]]:
    """What this delivery puts into each of its series."""
    return {
        series: frozenset(row.new_sop for row in rows if row.new_series == series)
        for series in sorted({row.new_series for row in rows})
    }
