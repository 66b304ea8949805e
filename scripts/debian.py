"""Debian packages that setup needs: which are missing, why, and how they come."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cache import Cache


@dataclass(frozen=True)
class Package:
    """A Debian package, the file by which it shows, and why we want it."""

    name: str
    shown_by: str
    why: str

    def missing(self) -> bool:
        """Whether no file of this machine matches `shown_by`."""
        return not any(Path("/").glob(self.shown_by.lstrip("/")))


TESTING = (
    Package("dcmtk", "/usr/bin/storescu", "a DICOM neighbour that is not ours"),
    Package("dicom3tools", "/usr/bin/dciodvfy", "checks every DICOM object that we write"),
    Package("orthanc", "/usr/sbin/Orthanc", "the clinic's PACS of the tests"),
    Package(
        "orthanc-dicomweb", "/usr/lib/orthanc/libOrthancDicomWeb.so.*", "the partner of the tests"
    ),
)
# A slow set's own wants; installed when it is run.
SETS = {"browser": (Package("chromium", "/usr/bin/chromium", "a browser that looks at the pages"),)}


def install(packages: Sequence[Package]) -> None:
    """Install what is missing, as root or through sudo; says what and why."""
    missing = [package for package in packages if package.missing()]
    if not missing:
        return
    for package in missing:
        print(f"setup: Debian package {package.name}: {package.why}", flush=True)
    names = [package.name for package in missing]
    cache = Cache("deb")
    with cache.alone(), tempfile.TemporaryDirectory(prefix="rpacs-deb-") as folder:
        archives = Path(folder)
        (archives / "partial").mkdir()
        if not _offered(names, archives):
            _apt(archives, "update")
        offered = _offered(names, archives)
        for path in cache.files(offered):
            shutil.copyfile(path, archives / path.name)
        _apt(archives, "install", "--download-only", *names)
        for path in archives.glob("*.deb"):
            cache.keep(path)
        _apt(archives, "install", *names)


def _offered(names: Sequence[str], archives: Path) -> list[str]:
    # Lines read: 'address' file size SHA256:digest
    command = [*_apt_get(archives), "-qq", "--print-uris", "install", *names]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return [
        line.rpartition("SHA256:")[2] for line in answer.stdout.splitlines() if "SHA256:" in line
    ]


def _apt(archives: Path, *words: str) -> None:
    command = [*_as_root(), *_apt_get(archives), "-qq", *words]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        print(answer.stdout + answer.stderr, file=sys.stderr)
        sys.exit(f"setup: apt-get {words[0]} failed; the lines above say why")


def _apt_get(archives: Path) -> list[str]:
    # apt judges a kept archive by its size alone: it sees only those whose digest we have verified.
    options = [
        f"Dir::Cache::archives={archives}",
        "Acquire::ForceHash=SHA256",
        "APT::Sandbox::User=root",
        "APT::Keep-Downloaded-Packages=true",
    ]
    given = [word for option in options for word in ("-o", option)]
    return [
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "-y",
        "--no-install-recommends",
        *given,
    ]


def _as_root() -> list[str]:
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        sys.exit("setup: run it as root once, or install sudo: Debian packages are missing")
    return ["sudo"]
