"""Identifiers that are keyed hashes: UIDs, pseudonyms, date offsets. Nothing here is reversible.

PS3.15 E.1.1 warns of dictionary attacks on unkeyed hashes; every function takes its key. A key
belongs to one project, so two projects of one device cannot be linked.
"""

import hmac
from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PSEUDONYM_LENGTH = 12
UID_LABEL = b"rpacs/uid/v1\0"
HOME_LABEL = b"rpacs/back/v1\0"


@dataclass(frozen=True)
class ProjectKeys:
    """The four keys of one project, 32 bytes each; never written down, never sent to a worker."""

    uid: bytes
    patient: bytes
    accession: bytes
    date: bytes

    def __repr__(self) -> str:
        return "ProjectKeys(hidden)"


def derived(root: bytes, salt: str, label: str) -> bytes:
    """32 bytes for one purpose: HKDF-SHA256 (RFC 5869) of the device's root key."""
    return HKDF(SHA256(), 32, salt.encode(), label.encode()).derive(root)


def project_keys(root: bytes, project: str) -> ProjectKeys:
    """The keys of a project, the same ones at every call."""
    uid, patient, accession, date = (
        derived(root, f"project/{project}", label) for label in ("uid", "pid", "acc", "date")
    )
    return ProjectKeys(uid, patient, accession, date)


def mapped_uid(k_uid: bytes, uid: str, version: int = 1) -> str:
    """The partner's UID of a clinic's UID: `2.25.` and a UUIDv8 made of 122 keyed bits.

    A correction (`version` 2 and up) is another instance, hence another UID.
    """
    text = _trimmed(uid)
    return _uuid_uid(k_uid, UID_LABEL + (text if version == 1 else text + b"\0%d" % version))


def home_uid(k_uid: bytes, uid: str) -> str:
    """The clinic's UID of a UID that a partner made (PS3.3 C.12.1.1.4, mirrored)."""
    return _uuid_uid(k_uid, HOME_LABEL + _trimmed(uid))


def pseudonym(k_patient: bytes, site: str, issuer: str, patient_id: str, attempt: int = 0) -> str:
    """`SITE-` and 12 base32 characters and one check character (ISO 7064 MOD 37,36).

    `attempt` counts collisions: the vault owns uniqueness.
    """
    message = issuer.encode() + b"\0" + patient_id.encode()
    if attempt:
        message += b"\0%d" % attempt
    number = int.from_bytes(hmac.digest(k_patient, message, "sha256")[:8], "big") >> 4
    body = "".join(BASE32[(number >> (5 * place)) & 31] for place in range(PSEUDONYM_LENGTH))
    return f"{site}-{body}{check_character(site + body)}"


def check_character(text: str) -> str:
    """ISO 7064 MOD 37,36: finds every wrong character and every swap of neighbours."""
    rest = 36
    for character in text:
        rest = (rest + ALPHABET.index(character)) % 36 or 36
        rest = rest * 2 % 37
    return ALPHABET[(37 - rest) % 36]


def offset_days(k_date: bytes, subject_key: str, least: int, most: int) -> int:
    """How many days all dates of a subject move: between -most and -least, one value for life."""
    draw = int.from_bytes(hmac.digest(k_date, subject_key.encode(), "sha256")[:8], "big")
    return -(least + draw % (most - least + 1))


def short_code(key: bytes, text: str) -> str:
    """Ten base32 characters standing for a text (Study ID, accession number)."""
    number = int.from_bytes(hmac.digest(key, text.encode(), "sha256")[:8], "big")
    return "".join(BASE32[(number >> (5 * place)) & 31] for place in range(10))


def _trimmed(uid: str) -> bytes:
    return uid.rstrip("\0 ").encode()


def _uuid_uid(key: bytes, message: bytes) -> str:
    number = int.from_bytes(hmac.new(key, message, sha256).digest()[:16], "big")
    number &= ~(0xF << 76) & ~(0x3 << 62)
    return f"2.25.{number | (0x8 << 76) | (0x2 << 62)}"
