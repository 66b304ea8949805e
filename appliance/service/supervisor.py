"""`appliance serve`: the four processes as children, watched; as systemd does with four units."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from appliance.errors import Unavailable

PARTS = ("vault", "walk", "receive", "console")
# A start that fails says so at once. Later a part may fall more often than one entry can make the
# walk fall before it is held (timing.MOST_CRASHES), and a full disk may be cleared: the clinic's
# door stays open meanwhile. What falls more often in ten minutes is not cured by starting it again.
MOST_FALLS_AT_START, MOST_FALLS = 3, 12
WITHIN_S = 600.0
LONGEST_PAUSE_S = 15.0
STOP_S = 15.0
# What a wrong profile or a second start ends with: starting again would not help.
FINAL = (2, 4)


@dataclass
class Part:
    """One child: its process, whether it accepts, when it fell and when it is started again."""

    name: str
    process: subprocess.Popen[bytes]
    ready: bool = False
    falls: list[float] = field(default_factory=list)
    again_s: float | None = None


def supervise(data: Path, arguments: Sequence[str]) -> int:
    """Run all parts until one cannot go on or a signal comes; prints `ready` when all accept.

    Gives the exit code: 0 after a signal, else that of the part which could not go on.

    Raises:
        Unavailable: another appliance runs on this data folder.
    """
    os.umask(0o007)
    data.mkdir(parents=True, exist_ok=True)
    with (data / "serving").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(f"another appliance runs on {data}: stop it first") from None
        return supervised(arguments)


def supervised(arguments: Sequence[str]) -> int:
    """Start the parts and watch them."""
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: stopping.append(received))
    with TemporaryDirectory(prefix="research-pacs-") as folder:
        path = Path(folder) / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
            door.bind(str(path))
            door.settimeout(0.2)
            parts = {name: Part(name, start(name, arguments, path)) for name in PARTS}
            try:
                return watch(parts, arguments, door, stopping)
            finally:
                stop(parts)


def watch(
    parts: dict[str, Part], arguments: Sequence[str], door: socket.socket, stopping: Sequence[int]
) -> int:
    """Hear who is ready, start again who fell."""
    said = False
    while not stopping:
        name = heard(door)
        if name in parts:
            parts[name].ready = True
        if not said and all(part.ready for part in parts.values()):
            said = True
            sys.stdout.write("ready\n")
            sys.stdout.flush()
        most = MOST_FALLS if said else MOST_FALLS_AT_START
        for part in parts.values():
            code = part.process.poll()
            if code is None:
                continue
            if part.again_s is None and (fell(part) > most or code in FINAL):
                sys.stderr.write(f"appliance: {part.name} ended with {code}; stopping\n")
                return code if code > 0 else 1
            if part.again_s is not None and time.monotonic() >= part.again_s:
                path = Path(str(door.getsockname()))
                part.process, part.again_s = start(part.name, arguments, path), None
    return 0


def heard(door: socket.socket) -> str:
    """The part that says READY=1, if one does within the time-out."""
    try:
        words = door.recv(4096).decode().splitlines()
    except TimeoutError:
        return ""
    named = [word.removeprefix("PART=") for word in words if word.startswith("PART=")]
    return named[0] if "READY=1" in words and named else ""


def fell(part: Part) -> int:
    """Note a fall and when to start again; gives how often it fell in ten minutes."""
    now = time.monotonic()
    part.ready = False
    part.falls = [*(at for at in part.falls if now - at < WITHIN_S), now]
    part.again_s = now + pause_s(len(part.falls))
    return len(part.falls)


def pause_s(falls: int) -> float:
    """The first fall costs no time; then 1, 2, 4 s and so on."""
    return min(LONGEST_PAUSE_S, 2.0 ** (falls - 2)) if falls > 1 else 0.0


def start(name: str, arguments: Sequence[str], notify: Path) -> "subprocess.Popen[bytes]":
    """One part as its own process, in its own session: signals go through the supervisor."""
    command = [sys.executable, "-m", "appliance", "serve", *arguments, "--part", name]
    environment = os.environ | {"NOTIFY_SOCKET": str(notify)}
    return subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603 - our own program


def stop(parts: dict[str, Part]) -> None:
    """SIGTERM to all, receive first; whoever does not end is killed: nothing is lost by it."""
    for part in reversed(parts.values()):
        part.process.terminate()
    deadline = time.monotonic() + STOP_S
    for part in parts.values():
        try:
            part.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            part.process.kill()
            part.process.wait()


def tell_ready(part: str) -> None:
    """sd_notify(3): this part accepts."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.connect("\0" + address[1:] if address.startswith("@") else address)
        door.send(f"READY=1\nPART={part}".encode())
