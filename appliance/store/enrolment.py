"""A list of patients becomes subjects of a project: the whole list, or every mistake in it at once.

A mistake is named by its row number in the list, never by the patient.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from appliance.errors import Problem, ProfileError
from appliance.store import vault_table as table
from appliance.store.schema import Connection
from appliance.store.vault_values import Enrolment, Patient

# It becomes PatientID (LO, 64 characters) and part of file names at the partner.
PSEUDONYM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# A list is one message of the socket.
MOST_ROWS = 100_000


def enrol(connection: Connection, project: str, rows: Sequence[Enrolment]) -> int:
    """Admit the patients that are new and name those that have no pseudonym yet; how many.

    Raises ProfileError with all mistakes; then the caller's transaction must leave nothing.
    """
    if len(rows) > MOST_ROWS:
        raise ProfileError([Problem("list", f"more than {MOST_ROWS} rows: split it")])
    known = {
        row: table.subject_of(connection, Patient(project, row.issuer, row.patient_id))
        for row in rows
    }
    problems = [*_repeated(rows), *_wrong_rows(connection, project, rows, known)]
    if problems:
        raise ProfileError(sorted(problems, key=lambda problem: int(problem.where.split()[1])))
    return sum(_admitted(connection, project, row, subject) for row, subject in known.items())


def _admitted(
    connection: Connection, project: str, row: Enrolment, subject: table.Known | None
) -> bool:
    """Whether a good row said something new."""
    if subject is None:
        patient = Patient(project, row.issuer, row.patient_id)
        table.admit(connection, patient, row.pseudonym or "")
        return True
    if row.pseudonym is not None and not subject.pseudonym:
        table.name(connection, subject.key, (row.pseudonym,))
        return True
    return False


def _wrong_rows(
    connection: Connection,
    project: str,
    rows: Sequence[Enrolment],
    known: Mapping[Enrolment, table.Known | None],
) -> Iterator[Problem]:
    patient_ids = {row.patient_id for row in rows}
    for number, row in enumerate(rows, start=1):
        wrong = _wrong(connection, project, row, known[row])
        if row.pseudonym is not None and row.pseudonym in patient_ids:
            wrong = "the pseudonym is a PatientID of the list: swap the columns"
        if wrong:
            yield Problem(f"row {number}", wrong)


def _wrong(connection: Connection, project: str, row: Enrolment, known: table.Known | None) -> str:
    """What is wrong with one row, or ""."""
    if not row.patient_id:
        return "no PatientID"
    if known is not None and known.standing == "withdrawn":
        return "this patient withdrew from the project"
    if row.pseudonym is None or (known is not None and known.pseudonym == row.pseudonym):
        return ""
    if not PSEUDONYM.fullmatch(row.pseudonym):
        return "the pseudonym is not 1 to 64 of A-Z a-z 0-9 . _ -"
    if known is not None and known.pseudonym:
        return "this patient has another pseudonym, and keeps it"
    if table.subject_named(connection, row.pseudonym) is not None:
        return "the pseudonym belongs to another subject of this device"
    if table.is_patient_id(connection, project, row.pseudonym):
        return "the pseudonym is somebody's PatientID"
    return ""


def _repeated(rows: Sequence[Enrolment]) -> Iterator[Problem]:
    """Two rows that contradict each other: one patient twice, or one pseudonym for two."""
    wishes = {(row.issuer, row.patient_id, row.pseudonym) for row in rows}
    patients = Counter((issuer, patient_id) for issuer, patient_id, _ in wishes)
    pseudonyms = Counter(pseudonym for _, _, pseudonym in wishes if pseudonym is not None)
    for number, row in enumerate(rows, start=1):
        if patients[row.issuer, row.patient_id] > 1:
            yield Problem(f"row {number}", "the list gives this patient several pseudonyms")
        if row.pseudonym is not None and pseudonyms[row.pseudonym] > 1:
            yield Problem(f"row {number}", "the list gives this pseudonym to several patients")
