"""However large an instance is, it passes through in pieces, both ways."""

import threading
import tracemalloc
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from outward import SOP, SOP_CLASS, STUDY, partner_at

from appliance.errors import Unavailable
from appliance.partner.dicomweb import DicomWeb, Outgoing
from appliance.profile import Device

SIZE = 96 << 20
MOST = 4 << 20
PIECE = bytes(1 << 16)


class _Passing(BaseHTTPRequestHandler):
    """Reads a body and drops it; gives a body that it never holds."""

    def do_POST(self) -> None:
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, 1 << 16)))
        self.send_error(503)

    def do_GET(self) -> None:
        self.send_response(404 if "SOPInstanceUID=" in self.path else 200)
        self.send_header("Content-Type", "application/dicom")
        self.end_headers()
        for _ in range(SIZE // len(PIECE)):
            self.wfile.write(PIECE)

    def log_message(self, *_: object) -> None:
        """Nothing to tell."""


@pytest.fixture
def passing() -> Iterator[DicomWeb]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Passing) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/dicom-web"
        with DicomWeb(partner_at(url), {}, Device()) as partner:
            yield partner
        server.shutdown()
        thread.join()


def test_memory_stays_small_while_an_instance_passes(passing: DicomWeb) -> None:
    pieces = (memoryview(PIECE) for _ in range(SIZE // len(PIECE)))
    taken = 0

    def sink(chunk: bytes) -> None:
        nonlocal taken
        taken += len(chunk)

    tracemalloc.start()
    try:
        with pytest.raises(Unavailable):
            passing.store(Outgoing(SOP_CLASS, SOP, STUDY, pieces, SIZE))
        passing.fetch("1", "2", "3", sink)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken == SIZE
    assert peak < MOST
