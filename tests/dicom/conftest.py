"""A running receiver, and neighbours that are real programs."""

import subprocess
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from appliance.dicom.quiet import silence
from appliance.dicom.receive import Receiver
from appliance.store.spool import Spool
from tests.dicom.reception import CLIENTS, Reception, profile_on


@pytest.fixture(autouse=True)
def _clients() -> Iterator[None]:
    silence()
    yield
    for client in CLIENTS:
        client.close()
    CLIENTS.clear()


@pytest.fixture
def reception(tmp_path: Path) -> Iterator[Reception]:
    folder = tmp_path / "spool"
    spool = Spool(folder)
    failures: list[OSError] = []
    day: list[date | None] = [date(2026, 11, 21)]
    receiver = Receiver(profile_on(0), spool, lambda: day[0], failures.append)
    receiver.start()
    yield Reception(folder, receiver, spool, failures, day)
    receiver.stop()
    spool.close()


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a program in the background; it ends with the test."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(*command: object) -> subprocess.Popen[bytes]:
        words = [str(word) for word in command]
        running.append(
            subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )
        return running[-1]

    yield begin
    for one in running:
        one.kill()
        one.wait()
