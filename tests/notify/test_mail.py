"""A mail leaves encrypted or not at all, and a repeat can be told by its Message-ID."""

import dataclasses
import datetime
import email
import email.policy
import ipaddress
import smtplib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from test_message import HELD

from appliance.errors import Unavailable
from appliance.notify import mail
from appliance.profile import Device, Email


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A self-signed certificate for 127.0.0.1 with its key in one file, and its PEM text."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail server of a test")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2120, 1, 1, tzinfo=datetime.UTC))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = tmp_path_factory.mktemp("tls") / "mail.pem"
    path.write_bytes(pem + secret)
    return path, pem.decode()


class Mailbox:
    """Keeps what arrives; refuses recipients of another domain."""

    def __init__(self) -> None:
        self.letters: list[bytes] = []
        self.answer = "250 kept"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _s: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if not address.endswith("@hospital.example"):
            return "550 not here"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        self.letters.append(bytes(envelope.content or b""))
        return self.answer


def _only_box(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
) -> AuthResult:
    assert isinstance(data, LoginPassword)
    return AuthResult(success=(data.login, data.password) == (b"box", b"open"), handled=False)


class Port0(Controller):
    """aiosmtpd's controller cannot tell a port that it did not choose."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def box() -> Mailbox:
    return Mailbox()


def _context(certificate: tuple[Path, str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate[0])
    return context


@pytest.fixture
def starttls(box: Mailbox, certificate: tuple[Path, str]) -> Iterator[Email]:
    running = Port0(
        box, "127.0.0.1", 0, tls_context=_context(certificate), require_starttls=True,
        authenticator=_only_box, auth_require_tls=True,
    )  # fmt: skip
    running.start()
    yield email_to(running.port)
    running.stop()


@pytest.fixture
def tls(box: Mailbox, certificate: tuple[Path, str]) -> Iterator[Email]:
    running = Port0(box, "127.0.0.1", 0, ssl_context=_context(certificate))
    running.start()
    yield email_to(running.port).model_copy(update={"security": "tls"})
    running.stop()


@pytest.fixture
def plain(box: Mailbox) -> Iterator[Email]:
    running = Port0(box, "127.0.0.1", 0)
    running.start()
    yield email_to(running.port)
    running.stop()


def email_to(port: int) -> Email:
    return Email(
        host="127.0.0.1",
        port=port,
        sender="box@hospital.example",
        to=("team@hospital.example", "dpo@hospital.example"),
        language="fr",
    )


def test_a_mail_arrives_by_starttls_with_a_name_and_a_password(
    starttls: Email, box: Mailbox, certificate: tuple[Path, str]
) -> None:
    signed_in = starttls.model_copy(update={"user": "box", "secret": "mail"})
    assert mail.send(signed_in, "open", HELD, Device(ca=(certificate[1],))) == 0
    letter = email.message_from_bytes(box.letters[0], policy=email.policy.default)
    assert letter["Message-ID"] == "<n-17@hospital.example>"
    assert letter["Subject"] == "[research-pacs DEMO ABC] un résultat attend une personne"
    assert "https://device.example/held/17" in letter.get_content()
    with pytest.raises(Unavailable, match="password"):
        mail.send(signed_in, "wrong", HELD, Device(ca=(certificate[1],)))


def test_a_mail_arrives_by_tls(tls: Email, box: Mailbox, certificate: tuple[Path, str]) -> None:
    assert mail.send(tls, None, HELD, Device(ca=(certificate[1],))) == 0
    assert len(box.letters) == 1


def test_a_certificate_that_nobody_vouches_for_gets_no_mail(
    starttls: Email, tls: Email, box: Mailbox
) -> None:
    for setting in (starttls, tls):
        with pytest.raises(Unavailable, match="certificate"):
            mail.send(setting, None, HELD, Device())
    assert not box.letters


def test_a_server_without_tls_gets_no_mail(plain: Email, box: Mailbox) -> None:
    with pytest.raises(Unavailable, match="unencrypted"):
        mail.send(plain, None, HELD, Device())
    with pytest.raises(Unavailable):
        mail.send(plain.model_copy(update={"security": "tls"}), None, HELD, Device())
    assert not box.letters


def test_a_refused_recipient_is_counted_and_the_others_get_the_mail(
    tls: Email, box: Mailbox, certificate: tuple[Path, str]
) -> None:
    device = Device(ca=(certificate[1],))
    some = tls.model_copy(update={"to": ("team@hospital.example", "left@elsewhere.example")})
    assert mail.send(some, None, HELD, device) == 1
    assert len(box.letters) == 1
    none = tls.model_copy(update={"to": ("left@elsewhere.example",)})
    with pytest.raises(Unavailable, match="every recipient"):
        mail.send(none, None, HELD, device)


def test_a_server_that_is_busy_or_absent_is_tried_later(
    tls: Email, box: Mailbox, certificate: tuple[Path, str]
) -> None:
    box.answer = "451 later"
    with pytest.raises(Unavailable):
        mail.send(tls, None, HELD, Device(ca=(certificate[1],)))
    with pytest.raises(Unavailable):
        mail.send(email_to(9), None, HELD, Device())


def test_the_same_message_is_the_same_mail() -> None:
    assert (
        mail.compose(email_to(25), HELD).as_bytes() == mail.compose(email_to(25), HELD).as_bytes()
    )
    other = dataclasses.replace(HELD, id="n-18")
    assert mail.compose(email_to(25), other)["Message-ID"] == "<n-18@hospital.example>"


@pytest.mark.parametrize("field", ["sender", "to"])
def test_a_line_break_in_an_address_is_refused(field: str) -> None:
    broken = "team@hospital.example\r\nBcc: all@elsewhere.example"
    update = {field: broken if field == "sender" else (broken,)}
    with pytest.raises(ValueError, match=r"."):
        mail.compose(email_to(25).model_copy(update=update), HELD)


def test_every_failure_of_smtplib_has_its_words() -> None:
    for name, kind in vars(smtplib).items():
        if isinstance(kind, type) and issubclass(kind, smtplib.SMTPException):
            assert any(parent in mail.FAILURES for parent in kind.__mro__), name
