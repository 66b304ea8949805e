"""Subjects from the command line: all or none of a list, each mistake at its line, by the vault alone."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from tests.box import DEMO, vault_running
from tests.commands.typed import one_object, run


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "vaulted"
    folder.mkdir()
    with vault_running(folder):
        yield folder


def enrol(folder: Path, text: str | bytes) -> Result:
    file = folder / "list.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return run("subjects", "import", file, "--project", "DEM", "--data", folder)


def test_subjects_are_enrolled_listed_and_withdrawn(vault: Path) -> None:
    answer = enrol(vault, "PatientID;IssuerOfPatientID;Pseudonym\nP1;H;S-001\nP2;H;S-002\n")
    assert (answer.exit_code, answer.stdout) == (0, "2 enrolled\n")
    assert enrol(vault, "PatientID\nP3\n").stdout == "1 enrolled\n"
    where = ("--project", "DEM", "--data", vault)
    assert run("subjects", "withdraw", "S-002", "--data", vault).exit_code == 0
    told = one_object(run("subjects", "list", *where, "--json"))["subjects"]
    assert {(one["pseudonym"], one["standing"]) for one in told} == {
        ("S-001", "enrolled"), ("S-002", "withdrawn"), ("", "enrolled"),
    }  # fmt: skip
    listed = run("subjects", "list", *where).stdout
    assert "S-002  withdrawn" in listed
    assert "(no study yet)  enrolled" in listed
    unknown = run("subjects", "withdraw", "S-009", "--data", vault)
    assert unknown.exit_code == 4
    assert "no subject of this device has that pseudonym" in unknown.stderr


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("PatientID,Pseudonym\nP1,S-1\n,S-2\n\n  ,S-3\nP4,S-4,more\n", [3, 5, 6]),
        ("PatientID,Pseudonym\nP1,no good\nP2,S-2\nP3,also not\n", [2, 4]),
        ("PatientID,Pseudonym\n\nP1,S-1\nP2,S-1\n", [3, 4]),
        ("Patient,Pseudonym\nP1,S-1\n", [1]),
        ("", [1]),
    ],
)
def test_a_bad_list_is_refused_with_all_its_lines_and_enrols_nobody(
    vault: Path, text: str, lines: list[int]
) -> None:
    answer = enrol(vault, text)
    assert (answer.exit_code, answer.stdout) == (4, "")
    said = answer.stderr.splitlines()
    assert [int(re.match(r"list\.csv: line (\d+): \w", line)[1]) for line in said] == lines
    listed = run("subjects", "list", "--project", "DEM", "--data", vault, "--json")
    assert one_object(listed) == {"subjects": []}


def test_a_list_that_is_no_text_is_refused(vault: Path) -> None:
    answer = enrol(vault, "PatientID\nMüller\n".encode("latin-1"))
    assert answer.exit_code == 4
    assert "not UTF-8" in answer.stderr


def test_subjects_need_a_running_appliance_and_a_project_of_the_profile(empty: Path) -> None:
    asked = run("subjects", "list", "--project", "DEM", "--data", empty)
    assert asked.exit_code == 1
    assert "vault" in asked.stderr
    file = empty / "list.csv"
    file.write_text("PatientID\nP1\n")
    words = ("subjects", "import", file, "--project", "DEN", "--profile", DEMO, "--data", empty)
    assert run(*words).exit_code == 4
