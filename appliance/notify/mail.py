"""A mail to people, over TLS or not at all."""

import smtplib
import socket
from contextlib import closing, suppress
from email.headerregistry import Address
from email.message import EmailMessage
from ssl import SSLError

from appliance import egress
from appliance.errors import Unavailable
from appliance.notify.message import Message, subject, text
from appliance.profile import Device, Email


def send(email: Email, secret: str | None, message: Message, device: Device) -> int:
    """The mail server has the mail when this returns; tells how many recipients it refused.

    Raises:
        Unavailable: it offers no TLS, its certificate is not trusted, or it does not take the mail.
    """
    letter = compose(email, message)
    try:
        with closing(_server(email, device)) as server:
            if email.security == "starttls":
                server.starttls(context=egress.tls_context(device))
            if email.user is not None and secret is not None:
                server.login(email.user, secret)
            refused = server.send_message(letter)
            # The mail is theirs since their 250; a failed farewell must not send it again.
            with suppress(smtplib.SMTPException, OSError):
                server.quit()
            return len(refused)
    except SSLError as error:
        raise Unavailable(f"mail: {egress.NOT_TRUSTED}") from error
    except (smtplib.SMTPException, OSError) as error:
        raise Unavailable(f"mail: {_words(error)}") from error


def compose(email: Email, message: Message) -> EmailMessage:
    """The mail; the same message gives the same Message-ID, so that a repeat can be told.

    Raises:
        ValueError: an address or a heading holds a line break.
    """
    letter = EmailMessage()
    letter["From"] = Address(addr_spec=email.sender)
    letter["To"] = [Address(addr_spec=to) for to in email.to]
    letter["Subject"] = subject(message, email.language)
    letter["Message-ID"] = f"<{message.id}@{email.sender.rpartition('@')[2]}>"
    letter["Auto-Submitted"] = "auto-generated"
    if message.wall is not None:
        letter["Date"] = message.wall
    letter.set_content(text(message, email.language))
    return letter


class _Checked(smtplib.SMTP):
    """smtplib over a connection whose address was checked."""

    def _get_socket(self, host: str, port: int, _timeout: float) -> socket.socket:
        return egress.connect(host, port)


class _CheckedTls(smtplib.SMTP_SSL):
    """The same with TLS from the first byte."""

    def _get_socket(self, host: str, port: int, _timeout: float) -> socket.socket:
        return self.context.wrap_socket(egress.connect(host, port), server_hostname=host)


def _server(email: Email, device: Device) -> smtplib.SMTP:
    if email.security == "tls":
        trust = egress.tls_context(device)
        return _CheckedTls(email.host, email.port, device.hostname, context=trust)
    return _Checked(email.host, email.port, device.hostname)


# What smtplib raises, in words a person can act on; the nearest ancestor counts.
FAILURES: dict[type[Exception], str] = {
    smtplib.SMTPNotSupportedError: "the mail server offers no STARTTLS; nothing is sent unencrypted",
    smtplib.SMTPAuthenticationError: "the mail server refuses user or password: check the secret",
    smtplib.SMTPRecipientsRefused: "the mail server refuses every recipient: check the addresses",
    smtplib.SMTPSenderRefused: "the mail server refuses the sender: check the address",
    smtplib.SMTPServerDisconnected: "the mail server hung up",
    smtplib.SMTPException: "the mail server does not take the mail",
    OSError: "the connection was lost",
}


def _words(error: Exception) -> str:
    return next(FAILURES[kind] for kind in type(error).__mro__ if kind in FAILURES)
