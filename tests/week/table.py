"""The week as a table: what became of each study, by its modality."""

from collections import Counter
from collections.abc import Iterable

from appliance.errors import CODES
from appliance.store.entry import Kind, State
from tests.week.hospital import Hospital
from tests.week.plan import Study

COLUMNS = ("confirmed at the partner", "kept in the registry", "excluded", "waits for a person")
HEAD = ("modality", "studies", *COLUMNS, "why, and what the page offers")


def fate(hospital: Hospital, study: Study) -> str:
    """Where a study ended: in one column."""
    entries = hospital.entries(study)
    parcels = [entry for entry in entries if entry.kind is Kind.PARCEL]
    if any(entry.state is State.HELD for entry in entries):
        return "waits for a person"
    if any(entry.state is State.CONFIRMED for entry in parcels):
        return "confirmed at the partner"
    if any(entry.state is State.PSEUDONYMISED and not entry.partner for entry in parcels):
        return "kept in the registry"
    if entries and all(entry.state is State.EXCLUDED for entry in parcels or entries):
        return "excluded"
    return "; ".join(f"{entry.kind} {entry.state}" for entry in entries)


def why(hospital: Hospital, studies: Iterable[Study]) -> str:
    """The codes of what waits and of what went on by itself."""
    freed = hospital.freed()
    words = [
        f"{entry.code}: {' or '.join(CODES[entry.code].offers)}"
        for study in studies
        for entry in hospital.entries(study)
        if entry.state is State.HELD
    ]
    alone = Counter(freed[study.uid] for study in studies if study.uid in freed)
    words += [f"{code} ×{count}, went on by itself" for code, count in alone.items()]
    return "; ".join(words)


def table(hospital: Hospital) -> str:
    """Markdown: one row for each modality, and their sum."""
    modalities = list(dict.fromkeys(study.modality for study in hospital.week.studies))
    rows = [list(HEAD), ["---"] * len(HEAD)]
    whole: Counter[str] = Counter()
    for modality in modalities:
        studies = [study for study in hospital.week.studies if study.modality == modality]
        fates = Counter(fate(hospital, study) for study in studies)
        whole += fates
        numbers = [str(fates[column] or "") for column in COLUMNS]
        rows.append([modality, str(len(studies)), *numbers, why(hospital, studies)])
    count = len(hospital.week.studies)
    rows.append(["**all**", str(count), *(str(whole[column]) for column in COLUMNS), ""])
    return "\n".join("| " + " | ".join(row).replace("  ", " ") + " |" for row in rows)


def sums(hospital: Hospital) -> str:
    """The week in a few lines."""
    members: Counter[str] = Counter()
    for entry in hospital.box.entries(Kind.PARCEL):
        members.update(m.state.value for m in hospital.box.ledger.view.members(entry.id))
    arrivals = sum(len(sending.instances) for sending in hospital.sendings())
    count, waiting = len(hospital.week.studies), len(hospital.waiting())
    return "\n".join(
        (
            f"- Held for a person at the end of the week: {waiting} of {count} studies"
            f" ({100 * waiting / count:.1f} %).",
            f"- Held for a while and gone on by itself: {len(hospital.freed())} of {count}.",
            f"- Objects received: {arrivals}; pseudonymised {members['PSEUDONYMISED']},"
            f" excluded {members['EXCLUDED']}, nothing new {members['REPEATED']},"
            f" in held studies {held_objects(hospital)}, quarantined {hospital.quarantined()}.",
        )
    )


def held_objects(hospital: Hospital) -> int:
    """Objects that wait with their study."""
    return sum(entry.members for entry in hospital.held())
