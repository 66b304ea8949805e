"""Every check, two at a time, all of them even when one fails; run by `scripts/check`."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BIN = Path(sys.executable).parent
# cog writes the tables of these from the code; a check fails when they are not current.
GENERATED = ("README.md", "docs/settings.md", "docs/codes.md")
# The longest first, so that two cores end together.
CHECKS: tuple[tuple[str, ...], ...] = (
    ("mypy",),
    ("mypy", "scripts", "bench"),
    ("lint-imports",),
    ("pytest", "tests/house", "-p", "no:randomly"),
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("cog", "-I", "scripts", "--check", *GENERATED),
)


def main() -> None:
    """Run them and say in one line each how they ended."""
    with ThreadPoolExecutor(2) as two:
        ended = list(two.map(_passed, CHECKS))
    if not all(ended):
        sys.exit(f"check: {ended.count(False)} of {len(ended)} failed")


def _passed(check: tuple[str, ...]) -> bool:
    started = time.monotonic()
    command = [str(BIN / check[0]), *check[1:]]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    passed = answer.returncode == 0
    if not passed:
        print(answer.stdout + answer.stderr)
    word = "ok    " if passed else "FAILED"
    print(f"check: {word} {time.monotonic() - started:5.1f} s  {' '.join(check)}", flush=True)
    return passed


if __name__ == "__main__":
    main()
