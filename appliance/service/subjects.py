"""Enrolment and withdrawal from the command line: the vault alone writes."""

import csv
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from appliance.errors import Problem, ProfileError, Refusal
from appliance.store.vault_door import VaultClient
from appliance.store.vault_values import Enrolment

# A list of that many rows is a registry export gone wrong.
MOST_ROWS = 100_000
COLUMNS = {"PatientID", "IssuerOfPatientID", "Pseudonym"}


def enrolled(file: Path, project: str, data: Path) -> int:
    """Enrol every row of a CSV file; how many were new.

    Raises:
        ProfileError: all rows that cannot be used, by line; nothing is enrolled then.
        Refusal, Unavailable: the vault's answer.
    """
    rows = rows_of(file)
    with closing(client(data)) as vault:
        try:
            return vault.enrol(project, tuple(rows.values()))
        except ProfileError as error:
            lines = dict(enumerate(rows, start=1))
            raise ProfileError([at_line(problem, lines) for problem in error.problems]) from None


def at_line(problem: Problem, lines: Mapping[int, int]) -> Problem:
    """What the vault says about the n-th row, by its line in the file."""
    word, _, number = problem.where.partition(" ")
    if word != "row" or not number.isdecimal():
        return problem
    return Problem(f"line {lines[int(number)]}", problem.what)


def rows_of(file: Path) -> Mapping[int, Enrolment]:
    """The rows of a list of subjects by their line; UTF-8, comma or semicolon.

    Raises:
        ProfileError: every line that cannot be used.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        what = "it is not UTF-8 text: save it as CSV UTF-8"
        raise ProfileError([Problem("file", what)]) from None
    head = text.partition("\n")[0]
    reader = csv.DictReader(text.splitlines(), delimiter=";" if ";" in head else ",")
    names = set(reader.fieldnames or ())
    if "PatientID" not in names or names - COLUMNS:
        wanted = ", ".join(sorted(COLUMNS))
        raise ProfileError([Problem("line 1", f"the columns are {wanted}; PatientID is needed")])
    rows: dict[int, Enrolment] = {}
    problems: list[Problem] = []
    try:
        for row in reader:
            wrong = unfit(row, len(rows))
            if wrong:
                problems.append(Problem(f"line {reader.line_num}", wrong))
            else:
                rows[reader.line_num] = enrolment(row)
    except csv.Error:
        problems.append(Problem(f"line {reader.line_num}", "it is no line of CSV"))
    if problems:
        raise ProfileError(problems)
    return rows


def unfit(row: Mapping[str | None, object], before: int) -> str:
    """What is wrong with a row, or nothing."""
    if before >= MOST_ROWS:
        return f"more than {MOST_ROWS} rows: split the list"
    if None in row:
        return "more cells than columns"
    if not str(row["PatientID"] or "").strip():
        return "a Patient ID is needed"
    return ""


def enrolment(row: Mapping[str, str | None]) -> Enrolment:
    """A good row."""
    patient, issuer, pseudonym = (
        (row.get(name) or "").strip() for name in ("PatientID", "IssuerOfPatientID", "Pseudonym")
    )
    return Enrolment(patient, issuer, pseudonym or None)


def listed_subjects(project: str, data: Path) -> list[tuple[str, str]]:
    """(pseudonym, standing) of a project's subjects; no identity."""
    with closing(client(data)) as vault:
        return [(one.pseudonym, one.standing) for one in vault.subjects(project)]


def withdrawn(pseudonym: str, data: Path) -> None:
    """Withdraw a subject by pseudonym.

    Raises:
        Refusal: no subject has this pseudonym.
    """
    with closing(client(data)) as vault:
        if not vault.withdraw(pseudonym):
            raise Refusal("unknown-subject", "no subject of this device has that pseudonym")


def client(data: Path) -> VaultClient:
    """The vault of a running appliance."""
    return VaultClient(data / "run" / "vault.sock")
