"""What is told to people and programs: counts, a code and a link; nothing that names anyone.

The form is CloudEvents 1.0 in JSON for programs and a few lines of French or English for people.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from appliance.errors import CODES

Language = Literal["fr", "en"]

# Event types of partner.md 8, each with what a person reads: English, French.
KINDS: dict[str, tuple[str, str]] = {
    "parcel.confirmed": (
        "sent, and the partner has all of it",
        "envoyé, le partenaire a tout reçu",
    ),
    "parcel.held": ("a study waits for a person", "un examen attend une personne"),
    "parcel.quarantined": ("a study was refused", "un examen a été refusé"),
    "delivery.verified": ("a result is in the PACS", "un résultat est dans le PACS"),
    "delivery.held": ("a result waits for a person", "un résultat attend une personne"),
    "delivery.quarantined": ("a result was refused", "un résultat a été refusé"),
    "health.degraded": ("the box is unwell", "l'appareil va mal"),
    "health.restored": ("the box is well again", "l'appareil va de nouveau bien"),
    "security.alert": ("security alert", "alerte de sécurité"),
    "escrow.unverified": ("the spare key was never tried", "la clé de secours n'a pas été essayée"),
    "certificate.expiring": ("a certificate ends soon", "un certificat expire bientôt"),
    "audit.head": ("head of the audit chain", "tête de la chaîne d'audit"),
}

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SITE = re.compile(r"[A-Z]{2,6}")
_PROJECT = re.compile(r"[A-Za-z0-9]{0,4}")
# A host and a path made of short words: no room for a UID, an identifier or a line break.
_LINK = re.compile(r"(https?://[A-Za-z0-9.:\[\]-]{1,253}(/[A-Za-z0-9_-]{0,40}){0,4})?")


@dataclass(frozen=True)
class Message:
    """One notification; `id` is the outbox's and stays the same over all attempts.

    Raises:
        ValueError: a field holds what does not belong into a notification; this is a bug of ours.
    """

    id: str
    kind: str
    site: str
    project: str
    count: int
    code: str
    link: str
    # Absent while the time is not trusted.
    wall: datetime | None

    def __post_init__(self) -> None:
        patterns = {"id": _ID, "site": _SITE, "project": _PROJECT, "link": _LINK}
        for name, pattern in patterns.items():
            if pattern.fullmatch(getattr(self, name)) is None:
                raise ValueError(f"{name} of a notification holds what does not belong there")
        if self.kind not in KINDS or not (self.code == "" or self.code in CODES):
            raise ValueError("kind or code of a notification is not in the tables")


def event(message: Message) -> bytes:
    """The body of a webhook: a CloudEvent, the same bytes at every attempt."""
    body: dict[str, object] = {
        "specversion": "1.0",
        "id": message.id,
        "source": f"urn:research-pacs:{message.site}",
        "type": f"org.researchpacs.{message.kind}",
        "datacontenttype": "application/json",
        "data": {
            "project": message.project,
            "count": message.count,
            "code": message.code,
            "link": message.link,
        },
    }
    if message.wall is not None:
        body["time"] = _rfc3339(message.wall)
    return json.dumps(body, separators=(",", ":"), sort_keys=True).encode()


def subject(message: Message, language: Language) -> str:
    """The subject of a mail."""
    project = f" {message.project}" if message.project else ""
    return f"[research-pacs {message.site}{project}] {_said(message.kind, language)}"


def text(message: Message, language: Language) -> str:
    """The text of a mail: what, how many, why, where to look."""
    lines = [_said(message.kind, language).capitalize() + "."]
    if message.project:
        lines.append(f"{_word('Project', 'Projet', language)}: {message.project}")
    lines.append(f"{_word('Instances or studies', 'Images ou examens', language)}: {message.count}")
    if message.code:
        code = CODES[message.code]
        meaning = code.fr if language == "fr" else code.en
        lines.append(f"{_word('Reason', 'Motif', language)}: {message.code}, {meaning}")
    if message.link:
        lines.append(f"{_word('Look here', 'À voir ici', language)}: {message.link}")
    if message.wall is not None:
        lines.append(f"{_word('Time', 'Heure', language)}: {_rfc3339(message.wall)}")
    lines.append(
        _word(
            "This mail names no patient; the page does.",
            "Ce courriel ne nomme aucun patient ; la page le fait.",
            language,
        )
    )
    return "\n".join(lines) + "\n"


def _said(kind: str, language: Language) -> str:
    return _word(*KINDS[kind], language)


def _word(english: str, french: str, language: Language) -> str:
    return french if language == "fr" else english


def _rfc3339(wall: datetime) -> str:
    return wall.isoformat(timespec="seconds").replace("+00:00", "Z")
