"""Enrolment and withdrawal from the command line: the vault alone writes."""

import csv
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from appliance.errors import Problem, ProfileError, Refusal
from appliance.store.vault_door import VaultClient
from appliance.store.vault_values import Enrolment

# A list of that many rows is a registry export gone wrong.
MOST_ROWS = 100_000
COLUMNS = {"PatientID", "IssuerOfPatientID", "Pseudonym"}


def enrolled(file: Path, project: str, data: Path) -> int:
    """Enrol every row of a CSV file; how many there were.

    Raises:
        ProfileError: all rows that cannot be used, by line; nothing is enrolled then.
        Refusal, Unavailable: the vault's answer.
    """
    rows = tuple(rows_of(file))
    with closing(client(data)) as vault:
        return vault.enrol(project, rows)


def rows_of(file: Path) -> Iterator[Enrolment]:
    """The rows of a list of subjects; UTF-8, comma or semicolon."""
    text = file.read_text(encoding="utf-8-sig")
    head = text.partition("\n")[0]
    reader = csv.DictReader(text.splitlines(), delimiter=";" if ";" in head else ",")
    names = set(reader.fieldnames or ())
    if "PatientID" not in names or names - COLUMNS:
        wanted = ", ".join(sorted(COLUMNS))
        raise ProfileError([Problem("line 1", f"the columns are {wanted}; PatientID is needed")])
    problems: list[Problem] = []
    for number, row in enumerate(reader, start=2):
        patient = (row["PatientID"] or "").strip()
        if not patient or number > MOST_ROWS:
            problems.append(Problem(f"line {number}", "a Patient ID is needed"))
            continue
        yield Enrolment(
            patient,
            (row.get("IssuerOfPatientID") or "").strip(),
            (row.get("Pseudonym") or "").strip() or None,
        )
    if problems:
        raise ProfileError(problems)


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
