"""R9: a date that was moved on the way out moves back, when it is one that we know."""

from collections.abc import Mapping
from datetime import date, timedelta

from appliance.reid.values import PatientNow, Sent


def known_dates(sent: Sent, now: PatientNow) -> Mapping[str, str]:
    """Shifted → original, of the dates that are known: the study's own.

    A partner's own dates (content, series, structure set) are today's and stay.
    """
    day = now.StudyDate.strip()
    if not sent.shifted or len(day) != 8 or not day.isdecimal():
        return {}
    try:
        moved = date(int(day[:4]), int(day[4:6]), int(day[6:])) + timedelta(sent.offset_days)
    except (ValueError, OverflowError):
        return {}
    return {f"{moved:%Y%m%d}": day}


def unshifted(value: str, known: Mapping[str, str]) -> str:
    """A DA or DT value with its date put back; any other value as it is."""
    return known.get(value[:8], value[:8]) + value[8:]
