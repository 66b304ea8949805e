"""`appliance exam` as a person types it: what it prints, how it ends, and that nothing of it stays."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import yaml

from appliance.exam.stage import Failed, ready
from appliance.exam.traits import Trait

DEMO = Path(__file__).parents[2] / "examples" / "demo.yaml"
WITHIN_S = 60.0


@contextmanager
def exam(folder: Path, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """The command, leader of a process group; its temporary files go below a folder of ours."""
    command = [sys.executable, "-m", "appliance", "exam", "--profile", str(DEMO), *words]
    with subprocess.Popen(
        command,
        env=os.environ | {"TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(WITHIN_S)


def left_of(folder: Path) -> list[str]:
    """The command lines of processes that name the folder, and what lies in it."""
    lines = [path.read_text() for path in Path("/proc").glob("[0-9]*/cmdline") if readable(path)]
    return [line for line in lines if str(folder) in line] + [p.name for p in folder.iterdir()]


def readable(path: Path) -> bool:
    try:
        path.read_text()
    except (OSError, UnicodeDecodeError):
        return False
    return True


def read_until(process: "subprocess.Popen[str]", start: str) -> list[str]:
    """The lines of stdout up to the one that starts so."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.rstrip())
        if line.startswith(start):
            break
    return lines


# A whole exam, about nine seconds.
@pytest.mark.timeout(90)
def test_a_person_reads_where_to_look_a_line_per_step_and_pass_and_may_stay(tmp_path: Path) -> None:
    with exam(tmp_path, "--stay") as process:
        lines = read_until(process, "PASS")
        assert [line.split("  ")[0] for line in lines[:2]] == ["morning page", "its password"]
        address, password = (line.split()[-1] for line in lines[:2])
        assert [line.split()[:2] for line in lines[2:-1]] == [[str(n), "PASS"] for n in range(11)]
        assert all(line.split()[3] == "s" and float(line.split()[2]) > 0 for line in lines[3:-1])
        assert "of a private class" in lines[3]
        assert lines[-1] == "PASS"
        assert process.stderr is not None
        staying = process.stderr.readline()
        assert address in staying
        assert password in staying
        assert "Sign in" in requests.get(address, timeout=5).text
        os.killpg(process.pid, signal.SIGINT)
        # What the exam found is what it ends with: staying is no part of it.
        assert process.wait(WITHIN_S) == 0
        assert "Traceback" not in process.stderr.read()
    assert left_of(tmp_path) == []


# The first four steps of an exam, and its end.
@pytest.mark.timeout(90)
@pytest.mark.parametrize("reached", ["morning page", " 1 PASS"])
def test_ctrl_c_ends_an_exam_with_one_and_leaves_nothing(tmp_path: Path, reached: str) -> None:
    with exam(tmp_path) as process:
        read_until(process, reached)
        assert left_of(tmp_path) != []
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(WITHIN_S) == 1
        assert process.stderr is not None
        assert process.stderr.read().strip() == "Aborted!"
    assert left_of(tmp_path) == []


@pytest.mark.timeout(90)  # an exam starts, is ended, and starts again
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_whoever_ends_it_while_it_starts_leaves_nothing(
    tmp_path: Path, number: signal.Signals
) -> None:
    with exam(tmp_path) as process:
        deadline = time.monotonic() + WITHIN_S
        while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
        assert process.wait(WITHIN_S) == 1
    assert left_of(tmp_path) == []


# A whole exam, about nine seconds.
@pytest.mark.timeout(90)
def test_a_program_reads_one_object(tmp_path: Path) -> None:
    with exam(tmp_path, "--json") as process:
        out, err = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0
    assert err == ""
    told = json.loads(out)
    assert (told["passed"], told["failed_at"]) == (True, None)
    assert [step["number"] for step in told["steps"]] == list(range(11))
    assert set(told["page"]) == {"address", "password"}


def test_an_unknown_trait_is_a_usage_error_that_names_the_traits(tmp_path: Path) -> None:
    with exam(tmp_path, "--pacs", "slow,friendly") as process:
        out, err = process.communicate(timeout=WITHIN_S)
    assert (process.returncode, out) == (2, "")
    assert "there is no trait friendly" in err
    assert all(trait in err for trait in Trait)


@pytest.mark.parametrize("said", ["", "print('morning page here')", "print('ready')"])
def test_an_appliance_that_does_not_start_is_a_failure_in_words(said: str) -> None:
    command = [sys.executable, "-c", f"{said}\nraise SystemExit(4)"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
        pytest.raises(Failed, match=r"`appliance serve` ended with 4 before it was ready"),
    ):
        ready(process)


def test_a_profile_without_a_project_to_examine_is_refused(tmp_path: Path) -> None:
    tree = yaml.safe_load(DEMO.read_text())
    tree["projects"][0] |= {"kind": "registry", "partners": []}
    profile = tmp_path / "registry.yaml"
    profile.write_text(yaml.safe_dump(tree))
    with exam(tmp_path, "--profile", str(profile)) as process:
        out, err = process.communicate(timeout=WITHIN_S)
    assert (process.returncode, out) == (4, "")
    assert "needs a research project with a partner" in err
