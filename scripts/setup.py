"""Makes `.venv` with all that is missing: `setup.py [workstation|test]`; standard library only.

Every package comes from `requirements/PLACE.txt` and must have the digest written there. Network is
used for what this machine has not kept yet (`cache.py`), and for nothing else.
"""

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import debian
from cache import Cache

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
# What .venv was made of; written last, so that a half-made one is never taken for whole.
MADE_OF = VENV / "made-of"
# A later place holds all that an earlier one does.
PLACES = ("workstation", "test")
PIP = ("-m", "pip", "--disable-pip-version-check", "-q")
PINNED = ("--require-hashes", "--no-deps", "--only-binary", ":all:")


def main() -> None:
    """Set up the place that the command line names."""
    place = sys.argv[1] if len(sys.argv) > 1 else PLACES[0]
    if place not in PLACES or len(sys.argv) > 2:
        print(f"usage: scripts/setup [{'|'.join(PLACES)}]", file=sys.stderr)
        sys.exit(2)
    if place == "test":
        debian.install(debian.TESTING)
    cache = Cache("venv")
    with cache.alone():
        if not _ready(place):
            _make(place, cache)


def _ready(place: str) -> bool:
    made_of = MADE_OF.read_text() if MADE_OF.exists() else ""
    return made_of in {_recipe(larger) for larger in PLACES[PLACES.index(place) :]}


def _make(place: str, cache: Cache) -> None:
    if importlib.util.find_spec("ensurepip") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        shown_by = f"/usr/lib/python{version}/ensurepip/__init__.py"
        debian.install([debian.Package("python3-venv", shown_by, "makes .venv")])
    lock = ROOT / "requirements" / f"{place}.txt"
    kept = cache.tree(_key(place), lambda part: _build(part, lock))
    shutil.rmtree(VENV, ignore_errors=True)
    shutil.copytree(kept, VENV, symlinks=True, copy_function=_link)
    _move_scripts(kept.with_name(f"{kept.name}.part"))
    install = ("install", "--no-index", "--no-build-isolation", "--no-deps", "-e", str(ROOT))
    _run(VENV / "bin" / "python", *PIP, *install)
    MADE_OF.write_text(_recipe(place))
    print(f"setup: .venv is ready ({place})", file=sys.stderr)


def _recipe(place: str) -> str:
    ours = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    return f"{place} {_key(place)} {ours} {ROOT}\n"


def _key(place: str) -> str:
    # The cached environment depends on these and on nothing else.
    parts = [
        (ROOT / "requirements" / f"{place}.txt").read_text(),
        Path(__file__).read_text(),
        sys.version,
        platform.machine(),
        os.path.realpath(sys.executable),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _build(part: Path, lock: Path) -> None:
    print(f"setup: installing {lock.relative_to(ROOT)}", file=sys.stderr)
    _run(sys.executable, "-m", "venv", part)
    python = part / "bin" / "python"
    digests = [word.removeprefix("--hash=sha256:") for word in lock.read_text().split()]
    wheels = Cache("wheel")
    with wheels.alone(), tempfile.TemporaryDirectory(prefix="rpacs-wheel-") as folder:
        links, fresh = Path(folder, "kept"), Path(folder, "fresh")
        links.mkdir()
        for path in wheels.files(digests):
            shutil.copyfile(path, links / path.name)
        download = (*PIP, "download", *PINNED, "--find-links", links, "-d", fresh, "-r", lock)
        # Without the network first: a machine that has all wheels needs none.
        if not _tried(python, *download, "--no-index"):
            _run(python, *download)
        for path in fresh.glob("*.whl"):
            wheels.keep(path)
        _run(python, *PIP, "install", *PINNED, "--no-index", "--find-links", fresh, "-r", lock)


def _link(source: str, target: str) -> None:
    # Bytes are shared between checkouts; another file system or a busy inode gets a copy.
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _move_scripts(built_at: Path) -> None:
    # The commands name the folder in which they were made; a shell line finds a path with spaces too.
    old = os.fsencode(built_at)
    for path in (VENV / "bin").iterdir():
        if path.is_symlink() or old not in (text := path.read_bytes()):
            continue
        mode = path.stat().st_mode
        first, newline, rest = text.partition(b"\n")
        if first.startswith(b"#!" + old):
            python = os.fsencode(VENV / "bin" / "python")
            first = b"#!/bin/sh\n'''exec' \"" + python + b'" "$0" "$@"\n\' \'\'\''
        path.unlink()
        path.write_bytes((first + newline + rest).replace(old, os.fsencode(VENV)))
        path.chmod(mode)


def _tried(*command: str | Path) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _run(*command: str | Path) -> None:
    # What a tool has to say matters only when it fails.
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        print(answer.stdout + answer.stderr, file=sys.stderr)
        sys.exit("setup: failed; the lines above say why")


if __name__ == "__main__":
    main()
