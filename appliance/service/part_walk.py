"""The process of the walk: the one mover of things, with its workers."""

import os
import random
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from sqlite3 import OperationalError
from threading import Event

from appliance.journey.doors import Clinic, Doors
from appliance.journey.messages import Messages, channels
from appliance.journey.walk import Walk
from appliance.journey.work import look
from appliance.partner.dicomweb import DicomWeb
from appliance.profile import digest
from appliance.service import clock
from appliance.service.credentials import credentials
from appliance.service.place import Place
from appliance.service.supervisor import tell_ready
from appliance.service.workers import Pool
from appliance.store.decisions import DecisionsView
from appliance.store.journal import Journal
from appliance.store.ledger import Ledger
from appliance.store.schema import NO_ROOM, is_full
from appliance.store.vault_door import VaultClient

TICK_S = 0.25
# Acts that mostly wait for a neighbour; one study or partner each.
ACTS = 4


def run_walk(place: Place, stop: Event) -> None:
    """The one mover of things."""
    profile = place.profile
    secrets = credentials(profile)
    ledger = Ledger(place.ledger.parent, channels(profile))
    now = clock.clock(profile, ledger.view.device_s())
    pool = Pool()
    pool.start(look, ())
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
            doors, DecisionsView(place.console), messages, now, random.random, submitter(threads)
        )
        while not stop.wait(TICK_S):
            walk.tick()
        ledger.beat(now())
        pool.stop()


def submitter(threads: ThreadPoolExecutor) -> Callable[[Callable[[], None]], None]:
    """Acts run in threads; one that raises anything but the four words ends the process."""

    def finished(future: "Future[None]") -> None:
        error = future.exception()
        if error is not None:
            if isinstance(error, OperationalError) and is_full(error):
                sys.stderr.write(f"appliance: {NO_ROOM}\n")
            else:
                sys.excepthook(type(error), error, error.__traceback__)
            sys.stderr.flush()
            os._exit(1)

    def submit(act: Callable[[], None]) -> None:
        threads.submit(act).add_done_callback(finished)

    return submit
