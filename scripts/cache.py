"""What one machine need not fetch or build twice: files by their SHA-256, folders by their recipe.

Everything taken from here is verified first; what does not match its digest is thrown away and made
anew. One lock per kind, so that two checkouts which start together build once.
"""

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

# Folders kept of one kind: two places, before and after a change of the locks.
MOST_TREES = 4


def home() -> Path:
    """The folder of all kinds, as the XDG base directory specification places it."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "research-pacs"


def digest(path: Path) -> str:
    """The SHA-256 of a file, or of where a symbolic link points."""
    if path.is_symlink():
        return hashlib.sha256(b"link:" + os.fsencode(path.readlink())).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Cache:
    """One kind of things kept: `deb` and `wheel` hold files, `venv` holds folders."""

    def __init__(self, kind: str, root: Path | None = None) -> None:
        self.folder = (root or home()) / kind
        self.folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else reads or writes this kind meanwhile."""
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def keep(self, path: Path) -> Path:
        """A copy of the file under its own digest."""
        place = self.folder / digest(path) / path.name
        if not place.exists():
            place.parent.mkdir(exist_ok=True)
            part = place.with_name(f"{place.name}.part")
            shutil.copyfile(path, part)
            part.rename(place)
        return place

    def files(self, wanted: Iterable[str]) -> Iterator[Path]:
        """The kept files among the wanted digests; a damaged one is dropped and not offered."""
        for name in wanted:
            for path in sorted((self.folder / name).glob("*")):
                if digest(path) == name:
                    yield path
                else:
                    _say(path)
                    path.unlink()

    def tree(self, key: str, make: Callable[[Path], None]) -> Path:
        """The folder that `make` fills for this key; made anew when absent or damaged."""
        place, sums = self.folder / key, self.folder / f"{key}.sums"
        if place.exists():
            if sums.exists() and sums.read_text() == _sums(place):
                sums.touch()
                return place
            _say(place)
            shutil.rmtree(place)
        part = self.folder / f"{key}.part"
        shutil.rmtree(part, ignore_errors=True)
        make(part)
        sums.write_text(_sums(part))
        part.rename(place)
        self._forget()
        return place

    def _forget(self) -> None:
        latest = sorted(self.folder.glob("*.sums"), key=lambda sums: -sums.stat().st_mtime)
        for sums in latest[MOST_TREES:]:
            shutil.rmtree(sums.with_suffix(""), ignore_errors=True)
            sums.unlink()


def _sums(folder: Path) -> str:
    # A half-read folder can never equal: the list names every file in it.
    files = (path for path in sorted(folder.rglob("*")) if path.is_symlink() or path.is_file())
    return "".join(f"{digest(path)}  {path.relative_to(folder)}\n" for path in files)


def _say(path: Path) -> None:
    print(f"setup: {path} was damaged; it is made anew", file=sys.stderr)
