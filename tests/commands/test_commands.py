"""The contract of the `appliance` command: exit codes, one object under --json, never a traceback.

0 done · 1 failed · 2 usage · 3 partly done · 4 refused by a rule. The folders under the commands
are real: made by a walk.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from copy import deepcopy
from pathlib import Path

import click
import pytest
import yaml
from docs_tables import commands

from appliance import VERSION
from appliance.store.decisions import Decisions, DecisionsView
from tests.box import DEMO, tree
from tests.commands.typed import one_object, run


def decided(data: Path) -> list[tuple[str, int, tuple[str, ...], str]]:
    view = DecisionsView(data / "console" / "console.db")
    return [(one.verb, one.entry, one.projects, one.reason) for _, one in view.since(0)]


def test_an_empty_folder_has_nothing_to_tell(empty: Path) -> None:
    profile = ("--profile", DEMO)
    assert run("held", "--data", empty).exit_code == 0
    assert one_object(run("held", "--json", "--data", empty)) == {"held": []}
    told = one_object(run("status", *profile, "--json", "--data", empty))
    assert (told["states"], told["held"]) == ({}, [])
    # The vault does not run: that is what a person should know.
    assert told["findings"]
    assert run("status", *profile, "--data", empty).exit_code == 0
    assert run("verify", "--data", empty).stdout == "nothing wrong found\n"
    assert list(empty.iterdir()) == []


def test_held_lists_what_waits_with_the_commands_that_decide(data: Path) -> None:
    lines = run("held", "--data", data).stdout
    assert "appliance assign 1 PROJECT" in lines
    assert "appliance release 3" in lines
    told = one_object(run("held", "--json", "--data", data))["held"]
    assert [(one["entry"], one["code"], one["offers"]) for one in told] == [
        (1, "no-project", ["assign", "exclude"]),
        (3, "review", ["release", "exclude", "refuse"]),
    ]


def test_status_says_what_is_where(data: Path) -> None:
    told = one_object(run("status", "--profile", DEMO, "--json", "--data", data))
    assert told["states"] == {"HELD": 2, "FROZEN": 1}
    assert "no-project" in run("status", "--profile", DEMO, "--data", data).stdout


def test_help_is_complete_and_needs_no_profile() -> None:
    for line, command in commands("appliance"):
        words = line.split()[1:]
        answer = run(*words, "--help")
        assert answer.exit_code == 0
        options = [one for one in command.params if isinstance(one, click.Option)]
        assert all(option.help for option in options), line
    for group in ((), ("subjects",)):
        listed = run(*group, "--help").stdout.partition("Commands:")[2]
        assert listed
        assert "..." not in listed
    assert "0 done, 1 failed, 2 usage, 3 partly done, 4 refused" in run("--help").stdout


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (("assign", "1", "DEM"), ("assign", 1, ("DEM",), "")),
        (("exclude", "1", "--reason", "not ours"), ("exclude", 1, (), "not ours")),
        (("release", "3"), ("release", 3, (), "")),
        (("exclude", "3"), ("exclude", 3, (), "")),
        (("refuse", "3", "--reason", "wrong leg"), ("refuse", 3, (), "wrong leg")),
    ],
)
def test_a_decision_that_is_offered_is_noted_once(
    data: Path, words: tuple[str, ...], kept: tuple[str, int, tuple[str, ...], str]
) -> None:
    first = run(*words, "--data", data)
    assert (first.exit_code, first.stderr) == (0, "")
    assert first.stdout.startswith(f"noted: {words[0]} {words[1]}")
    again = run(*words, "--data", data)
    assert (again.exit_code, again.stdout) == (4, "")
    assert again.stderr == f"appliance: somebody has decided entry {words[1]} already\n"
    assert decided(data) == [kept]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("release", "99"), "entry 99 does not wait: see `appliance held`"),
        (("assign", "99", "DEM"), "entry 99 does not wait: see `appliance held`"),
        # Number 2 is there, but frozen and on its way.
        (("exclude", "2"), "entry 2 does not wait: see `appliance held`"),
        (("release", "1"), "entry 1 (no-project) offers assign, exclude"),
        (("refuse", "1", "--reason", "x"), "entry 1 (no-project) offers assign, exclude"),
        (("assign", "3", "DEM"), "entry 3 (review) offers release, exclude, refuse"),
    ],
)
def test_a_decision_that_is_not_offered_is_refused_with_what_is(
    data: Path, words: tuple[str, ...], sentence: str
) -> None:
    answer = run(*words, "--data", data)
    assert (answer.exit_code, answer.stdout) == (4, "")
    assert answer.stderr == f"appliance: {sentence}\n"
    assert decided(data) == []


def test_nothing_can_be_decided_in_an_empty_folder(empty: Path) -> None:
    answer = run("release", "1", "--data", empty)
    assert (answer.exit_code, answer.stderr) == (
        4, "appliance: entry 1 does not wait: see `appliance held`\n",
    )  # fmt: skip


def test_a_project_that_the_profile_does_not_have_is_refused(data: Path) -> None:
    answer = run("assign", "1", "DEN", "--profile", DEMO, "--data", data)
    assert answer.exit_code == 4
    assert "no project DEN" in answer.stderr
    assert "it has DEM" in answer.stderr
    assert decided(data) == []


def test_a_new_password_is_said_once_and_is_the_one_that_opens(data: Path) -> None:
    answer = run("password", "--data", data)
    assert answer.exit_code == 0
    with closing(Decisions(data / "console" / "console.db")) as decisions:
        assert decisions._matches(answer.stdout.strip())
        assert decisions.first_password() is None


def test_before_the_first_start_there_is_no_password_to_change(empty: Path) -> None:
    answer = run("password", "--data", empty)
    assert answer.exit_code == 1
    assert "no morning page was ever started" in answer.stderr
    assert list(empty.iterdir()) == []


PROFILED = ("serve", "status", "exam")


@pytest.mark.parametrize("command", PROFILED)
def test_a_missing_profile_is_a_usage_error_with_a_sentence(command: str, tmp_path: Path) -> None:
    words = [command, "--profile", tmp_path / "absent.yaml"]
    answer = run(*words, *([] if command == "exam" else ["--data", tmp_path]))
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "absent.yaml cannot be read: " in answer.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", PROFILED)
def test_a_profile_with_mistakes_is_refused_with_a_line_for_each(
    command: str, tmp_path: Path
) -> None:
    changed = deepcopy(tree())
    changed["site"]["code"] = "demo"
    changed["clinic"]["listen"]["port"] = 0
    changed["projects"][0]["partners"] = ["nobody"]
    profile = tmp_path / "profile.yaml"
    profile.write_text(yaml.safe_dump(changed))
    words = [command, "--profile", profile]
    answer = run(*words, *([] if command == "exam" else ["--data", tmp_path]))
    assert (answer.exit_code, answer.stdout) == (4, "")
    lines = answer.stderr.splitlines()
    for where in ("site.code", "clinic.listen.port", "projects.0.partners"):
        assert [line for line in lines if line.startswith(f"profile: {where}")], where
    assert all(line.startswith("profile: ") for line in lines)


def nonsense(folder: Path) -> Iterator[tuple[list[str], set[int]]]:
    """Every command with words that nobody means, and the codes with which it may end."""
    junk = folder / "junk"
    junk.write_bytes(bytes(range(256)) * 40)
    absent = str(folder / "absent")
    for line, _ in commands("appliance"):
        command = line.split()[1:]
        yield [*command, "--nonsense"], {2}
        yield [*command, "\x00", "-1", "ü", "--data", absent], {2}
        yield [*command, "--profile", str(junk), "--data", str(folder)], {2}
        yield [*command, "--data", str(junk)], {2}
    where = ["--data", str(folder)]
    for verb in ("release", "exclude", "assign", "refuse"):
        more = {"assign": ["DEM"], "refuse": ["--reason", "x"]}.get(verb, [])
        for number in ("0", "-5", "1.5", "one", str(2**70)):
            yield [verb, number, *more, *where], {2}
        yield [verb, str(2**63 - 1), *more, *where], {4}
    yield ["refuse", "1", *where], {2}
    yield ["assign", "1", *where], {2}
    yield ["subjects", "import", str(junk), "--project", "DEM", *where], {4}
    yield ["subjects", "withdraw", "", *where], {1}
    yield ["exam", "--pacs", "kind"], {2}
    yield ["serve", "--listen", "nowhere", *where], {2}
    yield ["serve", "--part", "kitchen", *where], {2}
    yield ["frobnicate"], {2}


def test_nonsense_gets_a_sentence_and_never_a_traceback(tmp_path: Path) -> None:
    for words, codes in nonsense(tmp_path):
        answer = run(*words)
        assert answer.exit_code in codes, (words, answer.output)
        assert answer.stdout == "", words
        assert answer.stderr.strip(), words


def test_the_installed_command_is_the_same(empty: Path) -> None:
    program = Path(sys.executable).parent / "appliance"
    spoken = subprocess.run([program, "--version"], capture_output=True, text=True)
    assert (spoken.returncode, spoken.stderr) == (0, "")
    assert VERSION in spoken.stdout
    words = [program, "release", "1", "--data", str(empty)]
    refused = subprocess.run(words, capture_output=True, text=True)
    assert (refused.returncode, refused.stdout) == (4, "")
    assert refused.stderr == "appliance: entry 1 does not wait: see `appliance held`\n"
