"""The page's lists as text, for `appliance held` and `appliance status`: same rows, same words."""

from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo

from appliance.console.rows import HeldRow, Row, done, held, on_its_way, quarantined
from appliance.console.words import Words
from appliance.store.entry import Entry


def held_lines(entries: Iterable[Entry], language: str, zone: tzinfo = UTC) -> tuple[str, ...]:
    """What waits for a person, each with the commands that decide it."""
    words = Words(language, zone)
    rows = held(entries, words, ("PROJECT",))
    return tuple(line for row in rows for line in _held(row, words)) or (words.say("held.none"),)


def way_lines(
    entries: Iterable[Entry], language: str, device_s: float, zone: tzinfo = UTC
) -> tuple[str, ...]:
    """What is on its way, one line each; `device_s` is the walk's clock (`LedgerView.device_s`)."""
    words = Words(language, zone)
    rows = on_its_way(entries, words, device_s)
    return tuple(_line(row, words) for row in rows) or (words.say("way.none"),)


def done_lines(
    entries: Iterable[Entry], language: str, now: datetime, zone: tzinfo = UTC
) -> tuple[str, ...]:
    """What was finished today and in the last days: the counts, then one line each."""
    words = Words(language, zone)
    finished = done(entries, words, now)
    if not finished.rows:
        return (words.say("done.none"),)
    counts = words.say("done.counts", today=finished.today, week=finished.week)
    return (counts, *(_line(row, words) for row in finished.rows))


def quarantined_lines(
    entries: Iterable[Entry], language: str, zone: tzinfo = UTC
) -> tuple[str, ...]:
    """What a rule refused, one line each with its code; nothing when there is none."""
    words = Words(language, zone)
    return tuple(f"{_line(row, words)} ({row.code})" for row in quarantined(entries, words))


def _held(row: HeldRow, words: Words) -> tuple[str, ...]:
    commands = (
        f"appliance {offer.verb} {row.number} {offer.project}".rstrip() for offer in row.offers
    )
    return (
        f"{row.number}  {row.since}  {_whose(row)}  {row.kind}"
        f"  {words.say('entry.images')}: {row.images}",
        f"    {row.code}: {row.matter}. {row.advice}".rstrip(),
        f"    {' · '.join(commands) or words.say('held.self')}",
    )


def _line(row: Row, words: Words) -> str:
    waiting = f"  ({row.waiting})" if row.waiting else ""
    return (
        f"{row.number}  {row.since}  {_whose(row)}  {row.state}"
        f"  {words.say('entry.images')}: {row.images}{waiting}"
    )


def _whose(row: HeldRow | Row) -> str:
    return f"{row.project} → {row.partner}" if row.partner else row.project
