"""Who is told when something arrives, is confirmed, or waits for a person."""

from typing import Annotated, Literal

from appliance.profile.section import Section, label, within
from appliance.profile.values import EmailAddress, Host, Line, Name, SecretName, Url


class Email(Section):
    """Mail without patient data, over an encrypted connection."""

    host: Annotated[Host, label("Mail server", "Serveur de courriel", "The hospital's SMTP host.")]
    port: Annotated[
        int, within(1, 65535), label("Port", "Port", "587 for STARTTLS, 465 for TLS.")
    ] = 587
    security: Annotated[
        Literal["starttls", "tls"],
        label("Encryption", "Chiffrement", "starttls or tls; mail never leaves in the clear."),
    ] = "starttls"
    user: Annotated[
        Line | None, label("User name", "Nom d'utilisateur", "If the server asks for one.")
    ] = None
    secret: Annotated[
        SecretName | None,
        label("Password", "Mot de passe", "The name of the secret which holds the password."),
    ] = None
    sender: Annotated[
        EmailAddress, label("Sender", "Expéditeur", "The address that mails come from.")
    ]
    to: Annotated[
        tuple[EmailAddress, ...],
        label("Recipients", "Destinataires", "Who is told; a shared mailbox is best."),
    ]
    language: Annotated[
        Literal["fr", "en"], label("Language", "Langue", "The language of the mails.")
    ] = "fr"


class Webhook(Section):
    """A signed message to another program (Standard Webhooks 1.0)."""

    name: Annotated[Name, label("Name", "Nom", "How this profile and the console call it.")]
    url: Annotated[Url, label("Address", "Adresse", "Where messages are posted.")]
    secret: Annotated[
        SecretName,
        label("Signing key", "Clé de signature", "The name of the secret which signs messages."),
    ]


class Notifications(Section):
    """Every way in which people and programs are told."""

    email: Annotated[
        Email | None, label("Mail", "Courriel", "Mails to people; none when left out.")
    ] = None
    webhooks: Annotated[
        tuple[Webhook, ...],
        label("Webhooks", "Webhooks", "Signed messages to other programs."),
    ] = ()
