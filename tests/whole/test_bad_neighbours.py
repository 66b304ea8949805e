"""Law: a neighbour that is away, ill or not to be trusted costs time, never a study.

Four partners of one project fail in four ways at once; `appliance status` says in words why each
is waited for, and each gets every instance once when it is well again.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from threading import Thread
from urllib.parse import urlsplit

import pytest

from appliance.egress import NOT_TRUSTED
from appliance.exam.clinic import Node, SyntheticClinic
from appliance.exam.material import MadeStudy, made_study
from appliance.exam.partner import Fault, SyntheticPartner
from appliance.store.entry import Entry, Kind, State
from tests.whole.device import (
    CALLED,
    CALLING,
    Device,
    demo_tree,
    free_port,
    lab,
    running,
    until,
)
from tests.whole.sinks import Certificate, certificate

# An unavailable neighbour is asked again after 2.5 to 5 s, then after 2.5 to 10 s.
pytestmark = pytest.mark.timeout(90)
DRAW = Random(20_261_121)


@dataclass(frozen=True)
class Troubled:
    """The appliance among partners that fail, without a PACS."""

    device: Device
    partners: dict[str, SyntheticPartner]
    study: MadeStudy
    pacs_port: int


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Troubled]:
    place = tmp_path_factory.mktemp("neighbours")
    study = made_study(DRAW)
    pacs_port = free_port()
    with ExitStack() as stack:
        partners = {
            name: stack.enter_context(SyntheticPartner()) for name in ("away", "ill", "choosy")
        }
        partners["ill"].suffer(Fault.STATUS, status=500)
        partners["choosy"].suffer(Fault.FAILED_IN_200)
        # Trusted, so that its end is all that is wrong with it.
        old = certificate(place, 2021)
        expired = stack.enter_context(server_of(old))
        tree = demo_tree(partners["away"].url, ("PACS", pacs_port))
        tree["partners"] = [lab(name, one.url) for name, one in partners.items()]
        tree["partners"].append(lab("expired", f"{expired}/dicom-web"))
        tree["projects"][0]["partners"] = [*partners, "expired"]
        tree["device"] |= {"ca": [old.pem]}
        partners["away"].down()
        device = stack.enter_context(running(place / "box", tree))
        with SyntheticClinic() as clinic:
            node = Node("127.0.0.1", device.port, CALLED)
            assert set(clinic.send(study, node, CALLING).values()) == {0}
        yield Troubled(device, partners, study, pacs_port)


class _Silent(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nobody gets this far."""


class _Refusing(ThreadingHTTPServer):
    """A server whose callers hang up at its certificate."""

    def handle_error(self, request: object, client_address: object) -> None:
        """That is what is wanted."""


@contextmanager
def server_of(shown: Certificate) -> Iterator[str]:
    """An https server with a certificate; gives its address."""
    with _Refusing(("127.0.0.1", 0), _Silent) as server:
        server.socket = shown.context().wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def parcel(troubled: Troubled, partner: str) -> Entry:
    """What is on its way to a partner."""
    return until(
        lambda: next(
            (
                entry
                for entry in troubled.device.view.entries((), (Kind.PARCEL,))
                if entry.partner == partner
            ),
            None,
        )
    )


def reason(troubled: Troubled, partner: str) -> str:
    """Why a partner was waited for: kept until the step is done."""
    until(lambda: parcel(troubled, partner).waits)
    return parcel(troubled, partner).reason


def arrives_once(troubled: Troubled, partner: str) -> None:
    """Everything that is taken is there, and nothing twice."""
    until(lambda: parcel(troubled, partner).state is State.CONFIRMED)
    counts = troubled.partners[partner].stored
    assert len(counts) == len(troubled.study.instances)
    assert set(counts.values()) == {1}


def test_an_absent_partner_is_waited_for_and_gets_everything_once(troubled: Troubled) -> None:
    port = urlsplit(troubled.partners["away"].url).port
    said = until(lambda: parcel(troubled, "away").reason)
    assert said == f"127.0.0.1 port {port} does not answer: Connection refused"
    assert said in troubled.device.status()
    troubled.partners["away"].up()
    arrives_once(troubled, "away")


@pytest.mark.parametrize(
    ("partner", "words"),
    [
        ("ill", "the partner is out of order (500)"),
        ("choosy", "the partner did not confirm an instance, and its list lacks it"),
    ],
)
def test_a_partner_that_fails_once_is_asked_again(
    troubled: Troubled, partner: str, words: str
) -> None:
    arrives_once(troubled, partner)
    told = troubled.device.command("held").stdout
    assert words not in told


def test_an_expired_certificate_is_named_and_nothing_leaves(troubled: Troubled) -> None:
    said = until(lambda: parcel(troubled, "expired").reason)
    assert said == f"partner: {NOT_TRUSTED}"
    assert said in troubled.device.status()
    assert parcel(troubled, "expired").state is State.PSEUDONYMISED


def test_an_absent_pacs_is_waited_for_and_gets_the_result_once(troubled: Troubled) -> None:
    device, ill = troubled.device, troubled.partners["ill"]
    arrives_once(troubled, "ill")
    (study,) = ill.studies()
    ill.make_result(study)

    def waiting() -> str:
        deliveries = device.view.entries((State.VALIDATED,), (Kind.DELIVERY,))
        return deliveries[0].reason if deliveries else ""

    said = until(waiting)
    assert "pacs" in said
    assert said in device.status()
    with SyntheticClinic(port=troubled.pacs_port) as clinic:
        clinic.pacs.has(troubled.study.instances)
        entry = device.held("review")
        assert f"appliance release {entry.id}" in device.command("held").stdout
        assert device.command("release", str(entry.id)).returncode == 0
        until(lambda: device.events("delivery.verified"))
        (files,) = clinic.pacs.stored.values()
        assert len(files) == 1
