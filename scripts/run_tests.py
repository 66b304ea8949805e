"""The core tests, a slow set by name, or everything within CI's time; run by `scripts/test`.

A set that holds no test, or for which no time is left, is named as such and never counts as passed.
"""

import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import debian

BIN = Path(sys.executable).parent
SETS = ("machine", "crash", "corpus", "fuzz", "browser")
# CI is stopped at minute 90: no set starts after minute 65, none runs beyond minute 82.
LAST_START_S = 65 * 60.0
LAST_END_S = 82 * 60.0
NO_TESTS = 5
# Two cores: a third worker only takes time from the two.
CORE = ("-n", "2")


@dataclass
class Run:
    """What ended how, so far; `counts` adds up pytest's own closing lines."""

    started: float
    counts: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)

    def spent_s(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.started


def main() -> None:
    """Choose by the first word of the command line."""
    words = sys.argv[1:]
    run = Run(time.monotonic())
    match words:
        case ["--every-set"]:
            _core(run, [])
            for name in SETS:
                _set(run, name)
        case ["--set", name, *rest] if name in SETS:
            _set(run, name, rest)
            run.failed += run.absent
        case ["--set", *_]:
            usage = f"usage: scripts/test [--set {'|'.join(SETS)}] [pytest arguments]"
            print(usage, file=sys.stderr)
            sys.exit(2)
        case _:
            _core(run, words)
    _close(run)


def _core(run: Run, words: list[str]) -> None:
    # Words narrow the tests down; the checks look at the whole house all the same.
    if (
        not words
        and subprocess.run([BIN / "python", "scripts/run_checks.py"], check=False).returncode
    ):
        run.failed.append("checks")
    if _pytest(run, [*CORE, *words]) != 0:
        run.failed.append("core")


def _set(run: Run, name: str, words: list[str] | None = None) -> None:
    if run.spent_s() > LAST_START_S:
        run.absent.append(f"{name} (no time left)")
        return
    debian.install(debian.SETS.get(name, ()))
    status = _pytest(run, ["-m", name, *(words or [])])
    if status == NO_TESTS:
        run.absent.append(f"{name} (it has no test yet)")
    elif status != 0:
        run.failed.append(name)


def _pytest(run: Run, words: list[str]) -> int:
    print(f"test: pytest {' '.join(words)}", flush=True)
    command = ["timeout", str(int(LAST_END_S - run.spent_s())), str(BIN / "pytest"), *words]
    last = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as pytest:
        for line in pytest.stdout or ():
            print(line, end="", flush=True)
            last = line if line.strip() else last
    for number, word in re.findall(r"(\d+) (passed|failed|errors?|skipped)", last):
        run.counts["failed" if word.startswith("error") else word] += int(number)
    return pytest.returncode


def _close(run: Run) -> None:
    for name in run.absent:
        print(f"test: did not run: {name}")
    for name in run.failed:
        print(f"test: FAILED: {name}")
    print(f"test: {run.spent_s():.0f} s")
    print(", ".join(f"{run.counts[word]} {word}" for word in ("passed", "failed", "skipped")))
    sys.exit(1 if run.failed else 0)


if __name__ == "__main__":
    main()
