"""A server that answers exactly what a test tells it, byte by byte, and keeps what it was sent."""

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Said:
    """One answer; `cut` ends the connection after so many bytes of the body."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: int | None = None
    silent: bool = False


@dataclass
class Faulty:
    port: int
    to_post: Said = Said(500)
    to_get: Said = Said(500)
    # Where set, what a GET is answered, by how many requests there were before.
    script: Callable[[int], Said] | None = None
    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def answer(self, method: str) -> Said:
        if method == "POST":
            return self.to_post
        return self.to_get if self.script is None else self.script(len(self.seen))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/dicom-web"


class _Server(ThreadingHTTPServer):
    faulty: Faulty
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what many tests are about."""


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _act(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.faulty.seen.append((self.command, self.path, dict(self.headers), body))
        said = self.server.faulty.answer(self.command)
        if said.silent:
            self.close_connection = True
            return
        self.send_response(said.status)
        for name, value in said.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(said.body)))
        self.end_headers()
        self.wfile.write(said.body[: said.cut])
        self.close_connection = said.cut is not None

    do_GET = do_POST = do_CONNECT = _act  # noqa: N815 - the names of http.server

    def log_message(self, *_: object) -> None:
        """Tests read `seen` instead."""


@contextmanager
def faulty_server(tls: ssl.SSLContext | None = None) -> Iterator[Faulty]:
    with _Server(("127.0.0.1", 0), _Answers) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.faulty = Faulty(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.faulty
        finally:
            server.shutdown()
            thread.join()
