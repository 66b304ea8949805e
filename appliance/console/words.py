"""The sentences of page and command line in one language; they stand in `texts.yaml`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache
from importlib import resources

import yaml

from appliance.errors import CODES

LANGUAGES = ("en", "fr")
_DAY = {"en": "%Y-%m-%d %H:%M", "fr": "%d/%m/%Y %H:%M"}


@dataclass(frozen=True)
class Words:
    """One language and the hospital's clock: what a person reads."""

    language: str
    zone: tzinfo = UTC

    def say(self, key: str, **values: str | int) -> str:
        """The sentence of a key. A key that does not exist is a mistake of ours (KeyError)."""
        return texts()[key][self.language].format(**values)

    def code(self, code: str) -> str:
        """What a code means and what to do about it."""
        known = CODES.get(code)
        if known is None:
            return self.say("code.unknown", code=code)
        return known.fr if self.language == "fr" else known.en

    def moment(self, wall: str) -> str:
        """A time of the ledger on the hospital's clock, to the minute."""
        return self.clock(datetime.fromisoformat(wall))

    def clock(self, at: datetime) -> str:
        """A time on the hospital's clock, to the minute."""
        return at.astimezone(self.zone).strftime(_DAY[self.language])


@cache
def texts() -> Mapping[str, Mapping[str, str]]:
    """All sentences, read once."""
    text = resources.files("appliance.console").joinpath("texts.yaml").read_text("utf-8")
    found: Mapping[str, Mapping[str, str]] = yaml.safe_load(text)
    return found
