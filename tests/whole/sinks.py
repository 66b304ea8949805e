"""Where people and programs are told: a mail server with STARTTLS, and a webhook that checks."""

import ipaddress
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook, WebhookVerificationError


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate for 127.0.0.1: its PEM text, and a file with its key."""

    pem: str
    path: Path

    def context(self) -> ssl.SSLContext:
        """What a server shows."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.path)
        return made


def certificate(folder: Path, last_year: int = 2120) -> Certificate:
    """A certificate that ends with a year."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"server until {last_year}")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(last_year, 12, 31, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{last_year}.pem"
    path.write_bytes(pem + secret)
    return Certificate(pem.decode(), path)


class Mailbox:
    """Keeps every letter as it came over the wire."""

    def __init__(self) -> None:
        self.letters: list[bytes] = []

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        self.letters.append(bytes(envelope.content or b""))
        return "250 kept"


class _Port0(Controller):
    """aiosmtpd's controller cannot tell a port that it did not choose."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def mail_server(shown: Certificate) -> Iterator[tuple[dict[str, object], Mailbox]]:
    """A running mail server: the profile's section, and what arrived."""
    box = Mailbox()
    server = _Port0(box, "127.0.0.1", 0, tls_context=shown.context(), require_starttls=True)
    server.start()
    section = {
        "host": "127.0.0.1",
        "port": server.port,
        "security": "starttls",
        "sender": "box@hospital.example",
        "to": ["team@hospital.example"],
        "language": "en",
    }
    try:
        yield section, box
    finally:
        server.stop()


@dataclass
class Inbox:
    """Webhooks that came: headers and body, and whether a stranger's library trusts them."""

    secret: str
    url: str = ""
    raw: list[bytes] = field(default_factory=list)
    events: list[dict[str, object]] = field(default_factory=list)
    forged: int = 0

    def hear(self, headers: dict[str, str], body: bytes) -> None:
        """Keep it, if its signature is right."""
        self.raw.append(f"{headers}".encode() + body)
        try:
            self.events.append(Webhook(self.secret).verify(body, headers))
        except WebhookVerificationError:
            self.forged += 1


@contextmanager
def webhook(secret: str) -> Iterator[Inbox]:
    """A running webhook."""
    inbox = Inbox(secret)

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            inbox.hear({name.lower(): value for name, value in self.headers.items()}, body)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """The inbox tells."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        inbox.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        try:
            yield inbox
        finally:
            server.shutdown()
            thread.join()
