"""A vault behind its socket, in a thread or a process: what the tests of its door share."""

import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from appliance.errors import Unavailable
from appliance.store.audit import Source
from appliance.store.vault import Request
from appliance.store.vault_door import VaultClient, serve

STUDY = "1.2.3.4"
REQUEST = Request(
    project="ABC",
    site="DEMO",
    identity={"patient_id": "P1", "issuer": "H", "patient_name": "Any^One"},
    study=STUDY,
    uids=(STUDY, "1.2.3.4.5", "1.2.3.4.5.6"),
    unknown="enrol",
    least_days=1,
    most_days=3650,
)

# A server whose first `sendall` is its last act: the grant is committed, and never answered.
DIES_BEFORE_IT_ANSWERS = """
import os, signal, socket, sys
from pathlib import Path
from threading import Event
from appliance.store.vault_door import serve
if sys.argv[3] == "dies":
    socket.socket.sendall = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
serve(Path(sys.argv[1]), Path(sys.argv[2]), (), Event())
"""


class Served:
    """A vault served in a thread of the test."""

    def __init__(self, folder: Path, sources: tuple[Source, ...] = ()) -> None:
        self.folder = folder / "vault"
        self.address = folder / "run" / "vault.sock"
        self.stop = Event()
        self._thread = ThreadPoolExecutor(1)
        self.ended = self._thread.submit(serve, self.folder, self.address, sources, self.stop)

    def client(self) -> VaultClient:
        client = VaultClient(self.address)
        until = time.monotonic() + 5
        while time.monotonic() < until and not self.ended.done():
            try:
                client.generation()
            except Unavailable:
                time.sleep(0.01)
            else:
                break
        return client

    def close(self) -> None:
        self.stop.set()
        self._thread.shutdown()


@contextmanager
def served(folder: Path, *sources: Source) -> Iterator[VaultClient]:
    vault = Served(folder, sources)
    client = vault.client()
    try:
        yield client
    finally:
        client.close()
        vault.close()
    vault.ended.result()


def start(folder: Path, how: str) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, "-c", DIES_BEFORE_IT_ANSWERS, folder / "vault", folder / "vault.sock", how]
    )
    until = time.monotonic() + 20
    while not (folder / "vault.sock").exists() and time.monotonic() < until:
        time.sleep(0.01)
    return process


def batches(
    events: list[dict[str, object]],
) -> Callable[[str], tuple[list[dict[str, object]], str]]:
    def since(cursor: str) -> tuple[list[dict[str, object]], str]:
        start = int(cursor or 0)
        batch = events[start : start + 3]
        return batch, str(start + len(batch))

    return since


def until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def dialled(folder: Path) -> socket.socket:
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    door.settimeout(5)
    handle = os.open(folder / "run", os.O_PATH)
    door.connect(f"/proc/self/fd/{handle}/vault.sock")
    os.close(handle)
    return door


def exchange(door: socket.socket, payload: bytes) -> bytes:
    door.sendall(struct.pack(">I", len(payload)) + payload)
    (length,) = struct.unpack(">I", door.recv(4, socket.MSG_WAITALL))
    return door.recv(length, socket.MSG_WAITALL)
