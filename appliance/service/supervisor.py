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
# A part that falls so often in ten minutes will not be cured by starting it again.
MOST_FALLS = 3
WITHIN_S = 600.0
STOP_S = 15.0
# What a wrong profile or a second start ends with: starting again would not help.
FINAL = (2, 4)


@dataclass
class Part:
    """One child: its process, whether it accepts, when it fell."""

    name: str
    process: subprocess.Popen[bytes]
    ready: bool = False
    falls: list[float] = field(default_factory=list)


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
        for part in parts.values():
            code = part.process.poll()
            if code is None:
                continue
            if code in FINAL or fell_too_often(part):
                sys.stderr.write(f"appliance: {part.name} ended with {code}; stopping\n")
                return code if code > 0 else 1
            path = Path(str(door.getsockname()))
            part.ready, part.process = False, start(part.name, arguments, path)
    return 0


def heard(door: socket.socket) -> str:
    """The part that says READY=1, if one does within the time-out."""
    try:
        words = door.recv(4096).decode().splitlines()
    except TimeoutError:
        return ""
    named = [word.removeprefix("PART=") for word in words if word.startswith("PART=")]
    return named[0] if "READY=1" in words and named else ""


def fell_too_often(part: Part) -> bool:
    """Whether a part fell more than a few times in ten minutes."""
    now = time.monotonic()
    part.falls = [*(at for at in part.falls if now - at < WITHIN_S), now]
    return len(part.falls) > MOST_FALLS


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
