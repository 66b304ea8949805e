"""The process behind the clinic's door: it keeps, and answers when it is kept."""

import os
import sys
from threading import Event

from appliance.dicom.receive import Receiver
from appliance.service import clock
from appliance.service.place import Place, shut
from appliance.service.supervisor import tell_ready
from appliance.store.spool import Spool


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


def died(error: OSError) -> None:
    """A flush failed: nothing may be acknowledged any more, the process ends at once."""
    sys.stderr.write(f"appliance: receive: the disk failed (errno {error.errno}); ending\n")
    sys.stderr.flush()
    os._exit(1)
