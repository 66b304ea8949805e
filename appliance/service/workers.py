"""The worker processes: no key, no ledger, no network, bounded memory and time.

A worker that dies, hangs or grows costs its one piece of work, never the walk.
"""

import os
import resource
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, ProcessPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from multiprocessing import get_context, parent_process
from signal import SIG_IGN, SIGINT, signal
from threading import Lock, Thread
from typing import TypeVar

from appliance.errors import Unavailable
from appliance.service.falls import tell

Given = TypeVar("Given")
Made = TypeVar("Made")

# A device has 1 to 8 GiB; the largest instances are mapped, not read.
MOST_BYTES = 4 << 30
# A batch of 64 large instances on the slowest board; beyond it something hangs.
LONGEST_S = 600.0


class Pool:
    """`cores - 1` processes, at least one; started by `start`, else at the first piece of work."""

    def __init__(self) -> None:
        self._processes = max(1, (os.cpu_count() or 2) - 1)
        self._lock = Lock()
        self._pool: ProcessPoolExecutor | None = None
        self._ending = False

    def start(self, work: Callable[[Given], Made], nothing: Given) -> None:
        """Let the processes load what they need before the first study waits for them."""
        self._started().submit(work, nothing)

    def run(self, work: Callable[[Given], Made], pieces: Sequence[Given]) -> list[Made | None]:
        """Results in the order of the pieces; `None` where the worker failed or died, twice.

        Raises:
            Unavailable: the pool was stopped meanwhile.
        """
        made = self._made(work, pieces)
        for number, piece in enumerate(pieces):
            if number not in made:
                # By itself, so that it takes no other piece with it.
                alone = self._made(work, (piece,))
                made |= {number: alone[0]} if alone else {}
        return [made.get(number) for number in range(len(pieces))]

    def stop(self) -> None:
        """End the processes; work under way is lost and will be done again."""
        with self._lock:
            self._ending = True
            pool = self._pool
        if pool is not None:
            self._kill(pool)
            # Waited for at its first shutdown: a second one no longer knows the pool's own thread,
            # and Python's exit races with it.
            pool.shutdown(wait=True, cancel_futures=True)

    def _made(self, work: Callable[[Given], Made], pieces: Sequence[Given]) -> dict[int, Made]:
        """What became of the pieces, by number; a failure is told and costs its piece."""
        pool = self._started()
        made: dict[int, Made] = {}
        try:
            futures = [pool.submit(work, piece) for piece in pieces]
            for number, future in enumerate(futures):
                error = future.exception(LONGEST_S)
                if error is None:
                    made[number] = future.result()
                elif isinstance(error, BrokenExecutor):
                    self._drop(pool)
                    break
                else:
                    tell(error)
        except (TooLate, CancelledError, RuntimeError):
            # It hangs, or another study's piece made its thread give the pool up.
            self._drop(pool)
        return made

    def _started(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._ending:
                raise Unavailable("this appliance is ending")
            if self._pool is None:
                self._pool = ProcessPoolExecutor(
                    self._processes, mp_context=get_context("spawn"), initializer=bounded
                )
            return self._pool

    def _drop(self, pool: ProcessPoolExecutor) -> None:
        self._kill(pool)
        pool.shutdown(wait=False, cancel_futures=True)

    def _kill(self, pool: ProcessPoolExecutor) -> None:
        with self._lock:
            if self._pool is pool:
                self._pool = None
        for process in tuple((pool._processes or {}).values()):  # noqa: SLF001 - a hung worker ignores shutdown
            process.kill()


def bounded() -> None:
    """First thing in a worker: limits, and no reaction to the terminal's Ctrl-C."""
    signal(SIGINT, SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    Thread(target=end_with_walk, daemon=True).start()


def end_with_walk() -> None:
    """A killed walk cannot end its workers, and one that waits for work would wait for ever."""
    walk = parent_process()
    if walk is not None:
        walk.join()
        os._exit(1)
