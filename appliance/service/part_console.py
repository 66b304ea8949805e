"""The console's process: the morning page."""

import sys
import time
from threading import Event, Thread

from appliance.console import app as console_pages
from appliance.service import clock
from appliance.service.facts import findings
from appliance.service.place import Place, shut
from appliance.service.supervisor import tell_ready
from appliance.store.decisions import Decisions
from appliance.store.ledger_view import LedgerView


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
