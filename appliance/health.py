"""Facts about the device become findings: what a person should know, and what he should do.

Pure: the caller looks at disk, clocks and neighbours, this file only judges. The morning page and
`appliance status` print the same sentences. No finding carries a name of a patient, an identifier
or a UID: neighbours are called by the profile's names, entries by their number.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

HOUR_S = 3_600.0
DAY_S = 86_400.0
# A large CT study takes 1 % of a 128 GB card: below 5 % a busy afternoon fills it.
DISK_URGENT = 0.05
DISK_LOW = 0.15
# A neighbour restarts within minutes; an hour is worth a look, a day is worth a telephone call.
AWAY_WARNING_S = HOUR_S
AWAY_URGENT_S = DAY_S
# A held study that nobody looked at over a long weekend.
WAITING_WARNING_S = 4 * DAY_S


class Level(Enum):
    """How soon a person should act; the order of the values is the order on the page."""

    URGENT = "urgent"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One thing to know, with what to do about it, in both languages. `code` never changes."""

    code: str
    level: Level
    en: str
    fr: str

    def sentence(self, language: str) -> str:
        """The finding in `fr` or `en`."""
        return self.fr if language == "fr" else self.en


@dataclass(frozen=True)
class Away:
    """A neighbour of the profile that has not answered for `away_s` seconds."""

    name: str
    away_s: float


@dataclass(frozen=True)
class Waiting:
    """The entry that has been held longest."""

    entry: int
    waiting_s: float


@dataclass(frozen=True)
class Facts:
    """What was seen at one moment; `stopped` names parts of the appliance that do not run."""

    free_bytes: int
    total_bytes: int
    clock_trusted: bool
    vault_reachable: bool
    away: tuple[Away, ...] = ()
    oldest: Waiting | None = None
    undelivered: int = 0
    stopped: tuple[str, ...] = ()


def findings(facts: Facts) -> tuple[Finding, ...]:
    """Everything worth telling, the most urgent first; nothing when all is well."""
    found = [
        *_stopped(facts),
        *_vault(facts),
        *_disk(facts),
        *_clock(facts),
        *_away(facts),
        *_oldest(facts),
        *_undelivered(facts),
    ]
    order = list(Level)
    return tuple(sorted(found, key=lambda finding: order.index(finding.level)))


def lasted(seconds: float, language: str) -> str:
    """How long something has lasted, in one unit that a person reads at a glance."""
    french = language == "fr"
    if seconds < 60:
        return "moins d'une minute" if french else "less than a minute"
    if seconds < HOUR_S:
        return f"{int(seconds // 60)} min"
    if seconds < 2 * DAY_S:
        return f"{int(seconds // HOUR_S)} h"
    return f"{int(seconds // DAY_S)} {'jours' if french else 'days'}"


def _stopped(facts: Facts) -> Iterator[Finding]:
    for part in facts.stopped:
        yield Finding(
            "stopped",
            Level.URGENT,
            f"The part “{part}” of the box is not running. Restart the box; if it stays so, call the person in charge of it.",
            f"La partie « {part} » de l'appareil ne fonctionne pas. Redémarrer l'appareil ; si cela persiste, appeler la personne qui en est chargée.",
        )


def _vault(facts: Facts) -> Iterator[Finding]:
    if not facts.vault_reachable:
        yield Finding(
            "vault",
            Level.URGENT,
            "The vault of identities does not answer: images are kept, but nothing leaves and nothing comes home. Unlock the box, or restart it.",
            "Le coffre des identités ne répond pas : les images sont gardées, mais rien ne part et rien ne revient. Déverrouiller l'appareil, ou le redémarrer.",
        )


def _disk(facts: Facts) -> Iterator[Finding]:
    free = facts.free_bytes / max(1, facts.total_bytes)
    if free >= DISK_LOW:
        return
    percent = int(free * 100)
    if free < DISK_URGENT:
        yield Finding(
            "disk",
            Level.URGENT,
            f"The disk is nearly full ({percent} % free): new images will be refused. Decide what is held, then have the disk enlarged.",
            f"Le disque est presque plein ({percent} % libre) : les nouvelles images seront refusées. Décider de ce qui est en attente, puis faire agrandir le disque.",
        )
    else:
        yield Finding(
            "disk",
            Level.WARNING,
            f"The disk is filling up ({percent} % free). Decide what is held: what has left is erased by itself.",
            f"Le disque se remplit ({percent} % libre). Décider de ce qui est en attente : ce qui est parti s'efface tout seul.",
        )


def _clock(facts: Facts) -> Iterator[Finding]:
    if not facts.clock_trusted:
        yield Finding(
            "clock",
            Level.WARNING,
            "The box does not know the time for sure: what depends on a date waits. Check that it reaches the time servers of the profile.",
            "L'appareil n'est pas sûr de l'heure : ce qui dépend d'une date attend. Vérifier qu'il atteint les serveurs de temps du profil.",
        )


def _away(facts: Facts) -> Iterator[Finding]:
    for neighbour in sorted(facts.away, key=lambda away: -away.away_s):
        if neighbour.away_s < AWAY_WARNING_S:
            continue
        level = Level.URGENT if neighbour.away_s >= AWAY_URGENT_S else Level.WARNING
        name = neighbour.name
        yield Finding(
            "away",
            level,
            f"“{name}” has not answered for {lasted(neighbour.away_s, 'en')}. Nothing is lost: the box keeps asking. Ask its administrator whether it is running and reachable.",
            f"« {name} » ne répond plus depuis {lasted(neighbour.away_s, 'fr')}. Rien n'est perdu : l'appareil réessaie. Demander à son administrateur s'il fonctionne et s'il est joignable.",
        )


def _oldest(facts: Facts) -> Iterator[Finding]:
    oldest = facts.oldest
    if oldest is not None and oldest.waiting_s >= WAITING_WARNING_S:
        yield Finding(
            "waiting",
            Level.WARNING,
            f"Entry {oldest.entry} has waited {lasted(oldest.waiting_s, 'en')} for a decision. Decide below.",
            f"L'entrée {oldest.entry} attend une décision depuis {lasted(oldest.waiting_s, 'fr')}. Décider ci-dessous.",
        )


def _undelivered(facts: Facts) -> Iterator[Finding]:
    count = facts.undelivered
    if count:
        yield Finding(
            "notices",
            Level.WARNING,
            f"Notifications not delivered so far: {count}. Check the mail server and the webhooks of the profile; this page tells the same.",
            f"Notifications pas encore remises : {count}. Vérifier le serveur de courriel et les webhooks du profil ; cette page dit la même chose.",
        )
