"""A power cut in one process: what was not flushed is gone, names included.

`Power(root)` stands between the code and the kernel for every file below `root` that is opened
through the standard library (`os.open`, `open`, `Path.open`, …). It counts the calls that change
the disk and raises PowerCut before the `cut_at`-th one; from then on every such call raises. After
the `with` block, `fall(...)` turns the folder into what a disk may hold after the cut:

    LOST    nothing that was not flushed: neither content nor name
    NAMES   all names, but no content that was not flushed (a rename overtakes its bytes)
    TORN    all names, and half of what was appended since the last flush
    ALL     everything (a process that was killed while the machine went on)

`deaf` names flushes that do nothing: a test that still passes with one of them has no teeth.
`fault` lets one call fail instead. SQLite writes below Python: its files count as
they are at the cut, which is right for synchronous=FULL.
"""

import builtins
import io
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any
from unittest.mock import patch


class PowerCut(BaseException):
    """The plug was pulled. Nobody catches it."""


class Rest(Enum):
    """What is left on the disk."""

    LOST = "lost"
    NAMES = "names"
    TORN = "torn"
    ALL = "all"


@dataclass
class _Made:
    folder: Path
    path: Path


@dataclass
class _Moved:
    folder: Path
    source: Path
    target: Path
    before: bytes | None


@dataclass
class _Removed:
    folder: Path
    path: Path
    content: bytes


def nothing(_path: Path) -> bool:
    """No flush is deaf."""
    return False


class Power:
    """The kernel's memory of what is flushed below `root`, for one run of the code."""

    def __init__(
        self,
        root: Path,
        cut_at: int | None = None,
        deaf: Callable[[Path], bool] = nothing,
    ) -> None:
        self.root = root.absolute()
        self.calls = 0
        self.journal: list[str] = []
        self._cut_at = cut_at
        self._deaf = deaf
        self._faults: dict[int, int] = {}
        self._off = False
        self._handles: dict[int, Path] = {}
        self._flushed: dict[int, bytes] = {}
        self._pending: list[_Made | _Moved | _Removed] = []
        self._patches: list[Any] = []
        self._real = {name: getattr(os, name) for name in _OURS}
        self._real_open = io.open

    def __enter__(self) -> "Power":
        for name in _OURS:
            self._patches.append(patch.object(os, name, getattr(self, f"_{name}")))
        self._patches.append(patch.object(io, "open", self._io_open))
        self._patches.append(patch.object(builtins, "open", self._io_open))
        for one in self._patches:
            one.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        for one in self._patches:
            one.stop()
        for handle in list(self._handles):
            with suppress(OSError):
                self._real["close"](handle)
        self._handles.clear()
        return kind is not None and issubclass(kind, PowerCut)

    def fault(self, ahead: int, number: int) -> None:
        """Let the `ahead`-th call from now fail with an errno."""
        self._faults = {self.calls + ahead: number}

    def fall(self, rest: Rest) -> None:
        """Make the folder what the disk holds after the cut."""
        if rest is Rest.ALL:
            return
        self._lose_content(torn=rest is Rest.TORN)
        if rest is Rest.LOST:
            for change in reversed(self._pending):
                self._undo(change)

    # -- what the code calls -------------------------------------------------------------------

    def _open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        place = self._place(path, dir_fd)
        if place is None:
            return int(self._real["open"](path, flags, mode, dir_fd=dir_fd))
        writes = bool(flags & (os.O_WRONLY | os.O_RDWR))
        new = bool(flags & os.O_CREAT) and not place.exists()
        if writes and not new and place.is_file():
            self._remember(place)
        if new:
            self._call("create", place)
        elif writes and flags & os.O_TRUNC:
            self._call("truncate", place)
        handle = int(self._real["open"](path, flags, mode))
        if new:
            self._pending.append(_Made(place.parent, place))
            self._flushed[os.fstat(handle).st_ino] = b""
        self._handles[handle] = place
        return handle

    def _io_open(self, file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if not isinstance(file, int) and set(mode) & set("wax+") and self._place(file, None):
            kwargs.setdefault("opener", self._open)
        return self._real_open(file, mode, *args, **kwargs)

    def _close(self, handle: int) -> None:
        self._handles.pop(handle, None)
        self._real["close"](handle)

    def _changing(self, name: str, handle: int, *args: Any) -> Any:
        if handle in self._handles:
            self._call(name, self._handles[handle])
        return self._real[name](handle, *args)

    def _write(self, handle: int, data: Any) -> int:
        return int(self._changing("write", handle, data))

    def _pwrite(self, handle: int, data: Any, offset: int) -> int:
        return int(self._changing("pwrite", handle, data, offset))

    def _writev(self, handle: int, buffers: Any) -> int:
        return int(self._changing("writev", handle, buffers))

    def _ftruncate(self, handle: int, length: int) -> None:
        self._changing("ftruncate", handle, length)

    def _fsync(self, handle: int) -> None:
        place = self._handles.get(handle)
        if place is None:
            self._real["fsync"](handle)
            return
        self._call("fsync", place)
        if self._deaf(place):
            return
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            self._pending = [change for change in self._pending if change.folder != place]
        else:
            self._flushed[status.st_ino] = self._content(place)

    def _fdatasync(self, handle: int) -> None:
        self._fsync(handle)

    def _replace(self, source: Any, target: Any, **kwargs: Any) -> None:
        old, new = self._place(source, None), self._place(target, None)
        if old and new:
            self._call("rename", new)
            before = self._durable(new) if new.is_file() else None
            self._pending.append(_Moved(new.parent, old, new, before))
        self._real["replace"](source, target, **kwargs)

    def _rename(self, source: Any, target: Any, **kwargs: Any) -> None:
        self._replace(source, target, **kwargs)

    def _unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        place = self._place(path, dir_fd)
        if place and place.exists():
            self._call("unlink", place)
            self._pending.append(_Removed(place.parent, place, self._durable(place)))
        self._real["unlink"](path, dir_fd=dir_fd)

    def _remove(self, path: Any, *, dir_fd: int | None = None) -> None:
        self._unlink(path, dir_fd=dir_fd)

    def _mkdir(self, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        place = self._place(path, dir_fd)
        if place and not place.exists():
            self._call("mkdir", place)
            self._pending.append(_Made(place.parent, place))
        self._real["mkdir"](path, mode, dir_fd=dir_fd)

    # -- the disk ------------------------------------------------------------------------------

    def _call(self, name: str, place: Path) -> None:
        if self._off:
            raise PowerCut
        self.calls += 1
        self.journal.append(f"{name} {place.relative_to(self.root)}")
        if self.calls == self._cut_at:
            self._off = True
            raise PowerCut
        if self.calls in self._faults:
            number = self._faults[self.calls]
            raise OSError(number, os.strerror(number), str(place))

    def _place(self, path: Any, dir_fd: int | None) -> Path | None:
        if dir_fd is not None or isinstance(path, int):
            return None
        place = Path(os.fsdecode(path)).absolute()
        return place if place.is_relative_to(self.root) else None

    def _remember(self, place: Path) -> None:
        """Content that stood before the code opened the file counts as flushed."""
        self._flushed.setdefault(place.stat().st_ino, self._content(place))

    def _durable(self, place: Path) -> bytes:
        self._remember(place)
        return self._flushed[place.stat().st_ino]

    def _content(self, place: Path) -> bytes:
        with self._real_open(place, "rb") as file:
            return bytes(file.read())

    def _lose_content(self, *, torn: bool) -> None:
        for path in self.root.rglob("*"):
            if not path.is_file():
                continue
            flushed = self._flushed.get(path.stat().st_ino)
            if flushed is None:
                continue
            now = path.read_bytes()
            if torn and now.startswith(flushed):
                flushed = now[: len(flushed) + (len(now) - len(flushed)) // 2]
            if now != flushed:
                path.write_bytes(flushed)

    def _undo(self, change: _Made | _Moved | _Removed) -> None:
        if isinstance(change, _Made):
            if change.path.is_dir():
                shutil.rmtree(change.path)
            else:
                change.path.unlink(missing_ok=True)
        elif isinstance(change, _Moved):
            if change.target.exists():
                change.target.rename(change.source)
            if change.before is not None:
                change.target.write_bytes(change.before)
        elif change.folder.is_dir():
            change.path.write_bytes(change.content)


_OURS = (
    "open",
    "close",
    "write",
    "pwrite",
    "writev",
    "ftruncate",
    "fsync",
    "fdatasync",
    "replace",
    "rename",
    "unlink",
    "remove",
    "mkdir",
)
