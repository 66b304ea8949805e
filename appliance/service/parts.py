"""The four processes: each opens its own files, says that it is ready, and runs until a signal."""

import ctypes
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from appliance.console import app as console_pages
from appliance.dicom.receive import Receiver
from appliance.errors import Problem, ProfileError, Unavailable
from appliance.journey.doors import Clinic, Doors
from appliance.journey.messages import Messages, channels
from appliance.journey.walk import Walk
from appliance.partner.dicomweb import DicomWeb
from appliance.profile import Profile, digest
from appliance.service import clock, sources
from appliance.service.credentials import credentials
from appliance.service.facts import findings
from appliance.service.supervisor import tell_ready
from appliance.service.workers import Pool
from appliance.store import vault_door
from appliance.store.decisions import Decisions, DecisionsView
from appliance.store.journal import Journal
from appliance.store.ledger import Ledger
from appliance.store.ledger_view import LedgerView
from appliance.store.spool import Spool
from appliance.store.vault_door import VaultClient

TICK_S = 0.25
PR_SET_PDEATHSIG = 1
# Acts that mostly wait for a neighbour; one study or partner each.
ACTS = 4


@dataclass(frozen=True)
class Place:
    """Where this appliance lives: its profile and its data folder."""

    profile: Profile
    data: Path

    @property
    def spool(self) -> Path:
        """Receive's folder."""
        return self.data / "spool"

    @property
    def ledger(self) -> Path:
        """The walk's file."""
        return self.data / "ledger" / "ledger.db"

    @property
    def console(self) -> Path:
        """The console's file."""
        return self.data / "console" / "console.db"

    @property
    def socket(self) -> Path:
        """The vault's door."""
        return self.data / "run" / "vault.sock"


def run(part: str, place: Place, console: tuple[str, int]) -> None:
    """Run one part until SIGTERM."""
    parts: Mapping[str, Callable[[Place, Event], None]] = {
        "vault": run_vault,
        "walk": run_walk,
        "receive": run_receive,
        "console": lambda where, stop: run_console(where, stop, console),
    }
    os.umask(0o007)
    end_with_parent()
    with stop_signal() as stop:
        parts[part](place, stop)


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


def run_vault(place: Place, stop: Event) -> None:
    """The only process with the root key."""
    place.socket.parent.mkdir(parents=True, exist_ok=True)
    Thread(target=ready_when_listening, args=(place.socket, stop), daemon=True).start()
    told = (
        sources.ledger(LedgerView(place.ledger)),
        sources.decisions(DecisionsView(place.console)),
        sources.journal(Journal(place.spool)),
    )
    vault_door.serve(place.data / "vault", place.socket, told, stop)


def ready_when_listening(socket: Path, stop: Event) -> None:
    """Say ready once the vault answers."""
    client = VaultClient(socket)
    while not stop.wait(0.05):
        try:
            client.generation()
        except Unavailable:
            continue
        tell_ready("vault")
        break
    client.close()


def run_receive(place: Place, stop: Event) -> None:
    """The clinic's door: keeps, and answers when it is kept."""
    spool = Spool(place.spool)
    receiver = Receiver(place.profile, spool, clock.today(place.profile), died)
    try:
        receiver.start()
    except OSError as error:
        raise shut("clinic.listen.port", place.profile.clinic.listen.port, error) from None
    tell_ready("receive")
    stop.wait()
    receiver.stop()
    spool.close()


def shut(where: str, port: int, error: OSError) -> ProfileError:
    """A port that we cannot have."""
    reason = os.strerror(error.errno or 0)
    what = f"port {port} cannot be opened ({reason}); end what uses it, or choose another"
    return ProfileError([Problem(where, what)])


def died(error: OSError) -> None:
    """A flush failed: nothing may be acknowledged any more, the process ends at once."""
    sys.stderr.write(f"appliance: receive: the disk failed (errno {error.errno}); ending\n")
    sys.stderr.flush()
    os._exit(1)


def run_walk(place: Place, stop: Event) -> None:
    """The one mover of things."""
    profile = place.profile
    secrets = credentials(profile)
    ledger = Ledger(place.ledger.parent, channels(profile))
    look = clock.clock(profile, ledger.view.device_s())
    pool = Pool()
    doors = Doors(
        profile=profile,
        digest=digest(profile),
        folder=place.data,
        ledger=ledger,
        journal=Journal(place.spool),
        vault=VaultClient(place.socket),
        clinic=Clinic(profile.clinic.listen.ae_title),
        partners={
            partner.name: DicomWeb(partner, secrets, profile.device) for partner in profile.partners
        },
        workers=pool,
    )
    messages = Messages(profile, secrets, ledger.outbox)
    tell_ready("walk")
    with closing(ledger), ThreadPoolExecutor(ACTS, "walk") as threads:
        walk = Walk(
            doors, DecisionsView(place.console), messages, look, random.random, submitter(threads)
        )
        while not stop.wait(TICK_S):
            walk.tick()
        ledger.beat(look())
        pool.stop()


def submitter(threads: ThreadPoolExecutor) -> Callable[[Callable[[], None]], None]:
    """Acts run in threads; one that raises anything but the four words ends the process."""

    def finished(future: "Future[None]") -> None:
        error = future.exception()
        if error is not None:
            sys.excepthook(type(error), error, error.__traceback__)
            sys.stderr.flush()
            os._exit(1)

    def submit(act: Callable[[], None]) -> None:
        threads.submit(act).add_done_callback(finished)

    return submit


def run_console(place: Place, stop: Event, address: tuple[str, int]) -> None:
    """The morning page."""
    place.console.parent.mkdir(parents=True, exist_ok=True)
    decisions = Decisions(place.console)
    view = LedgerView(place.ledger)
    app = console_pages.create_app(
        view,
        decisions,
        place.profile,
        lambda: findings(place.profile, place.data, view),
        clock.wall,
    )
    host, port = address
    try:
        server = console_pages.listen(app, host, port)
    except OSError as error:
        raise shut("--console", port, error) from None
    # Made only now: it is shown once, and a start that fails would have shown it to nobody.
    password = decisions.first_password()
    sys.stdout.write(f"morning page http://{host}:{server.effective_port}/\n")
    if password is not None:
        sys.stdout.write(f"its password, shown only now: {password}\n")
    sys.stdout.flush()
    tell_ready("console")
    Thread(target=server.run, daemon=True).start()
    stop.wait()
    server.close()
    time.sleep(0.1)
