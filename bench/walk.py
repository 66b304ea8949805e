"""The outward walk beside a plain pipeline: storescp, then dicognito, then a STOW loop.

Both sides get the same study from the same sender (dcmtk's storescu) and deliver it to an Orthanc of
their own. Measured is the time from the last C-STORE answer until the partner lists every instance and,
on our side, the parcel is CONFIRMED. The plain pipeline waits for no settle time, forgets its UIDs and
keys, flushes nothing and confirms nothing; our settle time is set to its least and counts as ours.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pydicom
import requests
from dicognito.anonymizer import Anonymizer

from appliance.store.ledger_view import LedgerView
from bench import study
from bench.figures import Bench, less_is_better, machine, more_is_better, versions
from tests.orthanc import Orthanc, started

# Slices, pixels of a side, runs.
SIZES = {"quick": (40, 128, 1), "full": (2000, 512, 3)}
# dcmtk waits 40 ms for each answer without it.
NO_DELAY = {**os.environ, "TCP_NODELAY": "1"}
SETTLE_S = 1.0
GIVE_UP_S = 1800.0
PROFILE = """
schema: research-pacs/profile/1
site: {{name: Bench, code: BEN, language: en}}
device: {{hostname: bench, board: generic, data: sd}}
clinic:
  listen: {{ae_title: BENCH, port: {port}, host: 127.0.0.1}}
  peers: [{{name: ct, kind: modality, ae_title: STORESCU, host: 127.0.0.1, may: [store]}}]
partners:
  - {{name: lab, send: {{kind: stow-rs, url: "{dicomweb}", auth: {{kind: none}}}}, results: {{kind: none}}}}
projects:
  - code: BEN
    route: {{subjects: any, called_ae: BENCH_BEN}}
    deid: {{pixels: {{review: never}}}}
    partners: [lab]
    release: automatic
    settle_min: {settle_min}
    dossier:
      dossier: {{profile: test_phantom, lang: en, expires_on: 2035-12-31}}
      retention: {{link_table_until: 2035-12-31}}
      feedback: {{enabled: false}}
"""


@dataclass(frozen=True)
class Taken:
    """How long the clinic waited for its answers, and then the partner for all instances."""

    receive_s: float
    deliver_s: float


def measured(size: str) -> Bench:
    """Both sides in turn, each run with a study of its own."""
    slices, pixels, runs = SIZES[size]
    ours: list[Taken] = []
    peer: list[Taken] = []
    for run in range(runs):
        with tempfile.TemporaryDirectory(prefix="rpacs-bench-") as name:
            folder = Path(name)
            study.write(folder / "study", slices, pixels, run + 1)
            for side, taken in ((_plain, peer), (_ours, ours)):
                place = folder / side.__name__
                place.mkdir()
                with started("PARTNER", place) as partner:
                    taken.append(side(place, folder / "study", partner))
                _say(f"run {run + 1}, {side.__name__.strip('_')}: {taken[-1]}")
    what = f"{slices} slices of {pixels}×{pixels}"
    rows = (
        less_is_better(
            f"{what}: last answer → at the partner",
            "s",
            [taken.deliver_s for taken in ours],
            [taken.deliver_s for taken in peer],
        ),
        more_is_better(
            f"{what}: received",
            "1/s",
            [slices / taken.receive_s for taken in ours],
            [slices / taken.receive_s for taken in peer],
        ),
    )
    named = versions("pydicom", "pynetdicom", "dicognito") | _debian("dcmtk", "orthanc")
    return Bench("walk", machine(), named, rows)


def _ours(place: Path, files: Path, partner: Orthanc) -> Taken:
    port = _free_port()
    profile = place / "profile.yaml"
    settle_min = round(SETTLE_S / 60, 4)
    profile.write_text(PROFILE.format(port=port, dicomweb=partner.dicomweb, settle_min=settle_min))
    data = place / "data"
    program = Path(sys.executable).with_name("appliance")
    console = f"127.0.0.1:{_free_port()}"
    words = ("serve", "--profile", profile, "--data", data, "--console", console)
    with _process(place / "log", program, *words), _until(lambda: "ready" in _log(place)):
        receive_s = _sent(files, port, "BENCH_BEN")
        view = LedgerView(data / "ledger" / "ledger.db")
        expected = len(list(files.iterdir()))
        began = time.monotonic()
        _wait(lambda: sum(e.members for e in view.entries(("CONFIRMED",), ("parcel",))) == expected)
        return Taken(receive_s, time.monotonic() - began)


def _plain(place: Path, files: Path, partner: Orthanc) -> Taken:
    port, inbox = _free_port(), place / "inbox"
    inbox.mkdir()
    with (
        _process(place / "log", "storescp", "-od", inbox, str(port)),
        _until(lambda: _listens(port)),
    ):
        receive_s = _sent(files, port, "PLAIN")
        began = time.monotonic()
        anonymizer = Anonymizer()
        with requests.Session() as session:
            for path in inbox.iterdir():
                dataset = pydicom.dcmread(path)
                anonymizer.anonymize(dataset)
                dataset.save_as(path)
                _stow(session, partner, path.read_bytes())
        _wait(lambda: _listed(partner) == len(list(files.iterdir())))
        return Taken(receive_s, time.monotonic() - began)


def _sent(files: Path, port: int, called: str) -> float:
    began = time.monotonic()
    words = ["storescu", "-aet", "STORESCU", "-aec", called, "+sd", "127.0.0.1", str(port)]
    subprocess.run([*words, files], check=True, capture_output=True, env=NO_DELAY)
    return time.monotonic() - began


def _stow(session: requests.Session, partner: Orthanc, body: bytes) -> None:
    kind = 'multipart/related; type="application/dicom"; boundary=bench'
    whole = b"--bench\r\nContent-Type: application/dicom\r\n\r\n" + body + b"\r\n--bench--\r\n"
    headers = {"Content-Type": kind, "Accept": "application/dicom+json"}
    answer = session.post(f"{partner.dicomweb}/studies", whole, headers=headers, timeout=60)
    answer.raise_for_status()


def _listed(partner: Orthanc) -> int:
    found = partner.ask("/statistics")
    return int(found["CountInstances"]) if isinstance(found, dict) else 0


@contextmanager
def _process(log: Path, *words: str | Path) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen(words, stdout=out, stderr=out, env=NO_DELAY)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def _until(true: Callable[[], bool]) -> Iterator[None]:
    _wait(true)
    yield


def _wait(true: Callable[[], bool]) -> None:
    until = time.monotonic() + GIVE_UP_S
    while not true():
        if time.monotonic() > until:
            sys.exit(f"bench: gave up after {GIVE_UP_S:.0f} s")
        time.sleep(0.05)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _log(place: Path) -> str:
    return (place / "log").read_text()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _debian(*names: str) -> dict[str, str]:
    command = ["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *names]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(line.split() for line in answer.stdout.splitlines())


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"bench: {text}", file=sys.stderr)
