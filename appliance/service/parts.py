"""The four processes: each opens its own files, says that it is ready, and runs until a signal."""

import ctypes
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event

from appliance.service.falls import tell_without_values
from appliance.service.place import Place

PR_SET_PDEATHSIG = 1


def run(part: str, place: Place, console: tuple[str, int]) -> None:
    """Run one part until SIGTERM."""
    os.umask(0o007)
    end_with_parent()
    tell_without_values()
    with stop_signal() as stop:
        loaded(part, console)(place, stop)


def loaded(part: str, console: tuple[str, int]) -> Callable[[Place, Event], None]:
    """One part, without the others: each process holds in memory only what it runs."""
    match part:
        case "vault":
            from appliance.service.part_vault import run_vault  # noqa: PLC0415

            return run_vault
        case "walk":
            from appliance.service.part_walk import run_walk  # noqa: PLC0415

            return run_walk
        case "receive":
            from appliance.service.part_receive import run_receive  # noqa: PLC0415

            return run_receive
        case _:
            from appliance.service.part_console import run_console  # noqa: PLC0415

            return lambda place, stop: run_console(place, stop, console)


def end_with_parent() -> None:
    """A killed supervisor leaves no part behind (prctl(2)); systemd's own process never ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@contextmanager
def stop_signal() -> Iterator[Event]:
    """An event that SIGTERM and Ctrl-C set."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    yield stop
