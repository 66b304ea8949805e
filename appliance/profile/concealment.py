"""What in a profile is, or may be, a secret: never shown again, and never allowed to stay."""

import re
from collections.abc import Iterator

from appliance.errors import Problem
from appliance.profile.query import everything
from appliance.profile.reading import Tree
from appliance.profile.values import is_secret_name

LONGEST_SHOWN = 40

_KEY = re.compile(
    r"(pass|password|passwd|passphrase|pwd|token|jeton|secrets?|api_?key|private_?key|credentials?|"
    r"mot_?de_?passe|mdp)$"
)
# Settings whose name only sounds like a secret.
_HARMLESS_KEYS = frozenset({"min_token"})
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY")
_USER_IN_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s]*@", re.IGNORECASE)
_LOOKS_RANDOM = re.compile(
    r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9+/_=.~-]{16,}|.*eyJ[A-Za-z0-9_-]{8,}.*", re.DOTALL
)
_LOOKS_LIKE_A_NUMBER_OF_A_PERSON = re.compile(r"(?<![0-9.])[0-9]{8,}(?![0-9.])")


def shown(value: Tree, where: str) -> str:
    """A value as a message may repeat it: short, and hidden when it may be a secret."""
    if isinstance(value, dict):
        return "a section"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    if value == "":
        return "an empty text"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if _is_secret_key(where.rpartition(".")[2]) or _may_be_secret(text):
        return "the value (not repeated here)"
    short = text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"
    return "`" + short.replace("\n", " ").replace("\t", " ") + "`"


def secrets_in(tree: Tree) -> Iterator[Problem]:
    """Every secret that was written into the profile instead of being named."""
    for where, key, value in everything(tree):
        if _is_secret_key(key) and not _is_name_of_secret(key, value):
            yield Problem(
                where,
                "a secret never stands in the profile: put it into the secrets file and write its "
                "name here, as `secret: NAME`; change the secret if others could read this file",
            )
        elif isinstance(value, str) and _PRIVATE_KEY.search(value):
            yield Problem(where, "a private key never stands in the profile: remove and replace it")
        elif isinstance(value, str) and _USER_IN_URL.match(value):
            yield Problem(
                where,
                "user and password do not belong in an address: remove them and name a secret",
            )


def _is_name_of_secret(key: str, value: Tree) -> bool:
    """Only the key `secret` may name one; under `password` even a plain word is the thing itself."""
    if value is None:
        return True
    return key == "secret" and isinstance(value, str) and is_secret_name(value)


def _is_secret_key(key: str) -> bool:
    return key not in _HARMLESS_KEYS and _KEY.search(key.lower()) is not None


def _may_be_secret(text: str) -> bool:
    return bool(
        _PRIVATE_KEY.search(text)
        or _USER_IN_URL.match(text)
        or _LOOKS_RANDOM.fullmatch(text)
        or _LOOKS_LIKE_A_NUMBER_OF_A_PERSON.search(text)
    )
