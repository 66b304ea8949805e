"""Law: the real server answers on its port, refuses what is too large, and ends when it is told."""

import threading
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest
import requests

from appliance.console.app import listen
from tests.console.hospital import Hospital


@pytest.fixture
def address(hospital: Hospital) -> Iterator[str]:
    server = listen(hospital.app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield f"http://127.0.0.1:{server.effective_port}"
    server.close()
    thread.join(10)
    assert not thread.is_alive()


def test_the_page_is_served_without_naming_its_software(address: str) -> None:
    with requests.Session() as browser:
        answer = browser.get(f"{address}/", timeout=5)
        assert answer.url.endswith("/sign-in")
        assert answer.headers.get("Server", "") == ""
        assert browser.get(f"{address}/health", timeout=5).json()["status"] == "well"


def test_a_body_that_is_too_large_is_refused_before_it_is_read(address: str) -> None:
    host, port = address.removeprefix("http://").split(":")
    connection = HTTPConnection(host, int(port), timeout=5)
    connection.putrequest("POST", "/sign-in")
    connection.putheader("Content-Length", "1000000000")
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    answer.close()
    connection.close()


def test_the_port_is_taken_before_anybody_is_answered(hospital: Hospital) -> None:
    first = listen(hospital.app, "127.0.0.1", 0)
    with pytest.raises(OSError, match="in use"):
        listen(hospital.app, "127.0.0.1", first.effective_port)
    first.close()


def test_a_server_that_never_ran_and_one_that_is_asked_by_a_silent_client_both_end(
    hospital: Hospital,
) -> None:
    listen(hospital.app, "127.0.0.1", 0).close()
    server = listen(hospital.app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    silent = HTTPConnection("127.0.0.1", server.effective_port, timeout=5)
    silent.request("GET", "/health")
    silent.getresponse().read()
    server.close()
    thread.join(5)
    assert not thread.is_alive()
    silent.close()
