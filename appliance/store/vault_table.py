"""What `vault.db` remembers: subjects, the identities that lead to them, studies and their UIDs.

Every function runs inside the vault's own transaction. Rows are added; what a study once was
called is never changed, and a pseudonym that was given is never free again.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from appliance.store.audit import Head
from appliance.store.schema import Connection, Value
from appliance.store.vault_values import Patient, Withdrawal

# key_version: of the derivation in `appliance.keyed`; a live project is never keyed anew.
STEPS = (
    """
    CREATE TABLE state (
        one         INTEGER PRIMARY KEY CHECK (one = 1),
        generation  INTEGER NOT NULL,
        acts        INTEGER NOT NULL,
        audit_count INTEGER NOT NULL,
        audit_mac   TEXT NOT NULL
    ) STRICT;
    INSERT INTO state VALUES (1, 0, 0, 0, '');
    CREATE TABLE subject (
        key         INTEGER PRIMARY KEY AUTOINCREMENT,
        project     TEXT NOT NULL,
        pseudonym   TEXT UNIQUE,
        standing    TEXT NOT NULL DEFAULT 'enrolled' CHECK (standing IN ('enrolled', 'withdrawn')),
        offset_days INTEGER,
        key_version INTEGER NOT NULL DEFAULT 1,
        same_as     INTEGER REFERENCES subject
    ) STRICT;
    CREATE TABLE identity (
        project    TEXT NOT NULL,
        issuer     TEXT NOT NULL,
        patient_id TEXT NOT NULL,
        subject    INTEGER NOT NULL REFERENCES subject,
        PRIMARY KEY (project, issuer, patient_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX identity_of ON identity (subject);
    CREATE TABLE study (
        key          INTEGER PRIMARY KEY AUTOINCREMENT,
        project      TEXT NOT NULL,
        original     TEXT NOT NULL,
        pseudonymous TEXT NOT NULL,
        subject      INTEGER NOT NULL REFERENCES subject,
        offset_days  INTEGER,
        UNIQUE (project, original),
        UNIQUE (project, pseudonymous)
    ) STRICT;
    CREATE TABLE snapshot (
        study    INTEGER NOT NULL REFERENCES study,
        version  INTEGER NOT NULL,
        wall     TEXT NOT NULL,
        identity TEXT NOT NULL,
        PRIMARY KEY (study, version),
        UNIQUE (study, identity)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE uid (
        study        INTEGER NOT NULL REFERENCES study,
        pseudonymous TEXT NOT NULL,
        original     TEXT NOT NULL,
        version      INTEGER NOT NULL,
        PRIMARY KEY (study, pseudonymous),
        UNIQUE (study, original, version)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE withdrawal (
        number  INTEGER PRIMARY KEY AUTOINCREMENT,
        subject INTEGER NOT NULL UNIQUE REFERENCES subject
    ) STRICT;
    """,
)

_SUBJECT = """
    SELECT s.key, s.project, coalesce(s.pseudonym, ''), s.standing, s.offset_days FROM subject s
"""
_STUDY = "SELECT key, original, subject, offset_days FROM study"
# Who was linked to whom, up and down: one person, however many Patient IDs and pseudonyms.
_RELATIVES = """
    WITH RECURSIVE person (key) AS (
        VALUES (?)
        UNION SELECT s.same_as FROM subject s JOIN person p ON s.key = p.key
            WHERE s.same_as IS NOT NULL
        UNION SELECT s.key FROM subject s JOIN person p ON s.same_as = p.key
    ) SELECT key FROM person
"""


@dataclass(frozen=True)
class Known:
    """A subject's row; the pseudonym is "" until the first study is pseudonymised."""

    key: int
    project: str
    pseudonym: str
    standing: Literal["enrolled", "withdrawn"]
    offset_days: int | None


@dataclass(frozen=True)
class Study:
    """A study's row."""

    key: int
    original: str = field(repr=False)
    subject: int
    offset_days: int | None


def subject_of(connection: Connection, patient: Patient) -> Known | None:
    """The subject that an identity leads to."""
    return _perhaps(
        connection.execute(
            f"{_SUBJECT} JOIN identity i ON i.subject = s.key"
            " WHERE i.project = ? AND i.issuer = ? AND i.patient_id = ?",
            (patient.project, patient.issuer, patient.patient_id),
        ).fetchone()
    )


def subject_named(connection: Connection, pseudonym: str) -> Known | None:
    """The subject that has a pseudonym; pseudonyms are unique over all projects."""
    return _perhaps(
        connection.execute(f"{_SUBJECT} WHERE s.pseudonym = ?", (pseudonym,)).fetchone()
    )


def subject_by_key(connection: Connection, key: int) -> Known:
    """The subject of a row that refers to it."""
    return _known(connection.execute(f"{_SUBJECT} WHERE s.key = ?", (key,)).fetchall()[0])


def subjects_in(connection: Connection, project: str) -> list[Known]:
    """The subjects of a project, oldest first."""
    rows = connection.execute(
        f"{_SUBJECT} WHERE s.project = ? ORDER BY s.key", (project,)
    ).fetchall()
    return [_known(row) for row in rows]


def is_patient_id(connection: Connection, project: str, text: str) -> bool:
    """Whether a text is the Patient ID of somebody in the project."""
    return (
        connection.execute(
            "SELECT 1 FROM identity WHERE project = ? AND patient_id = ?", (project, text)
        ).fetchone()
        is not None
    )


def admit(connection: Connection, patient: Patient, pseudonym: str) -> int:
    """A new subject, with or without ("") a pseudonym, and its first identity; its key."""
    row = connection.execute(
        "INSERT INTO subject (project, pseudonym) VALUES (?, nullif(?, '')) RETURNING key",
        (patient.project, pseudonym),
    ).fetchall()[0]
    key = _int(row[0])
    point(connection, patient, key)
    return key


def point(connection: Connection, patient: Patient, subject: int) -> None:
    """Let an identity lead to a subject."""
    connection.execute(
        "REPLACE INTO identity VALUES (?, ?, ?, ?)",
        (patient.project, patient.issuer, patient.patient_id, subject),
    )


def join(connection: Connection, left: Known, subject: int) -> None:
    """The person of a subject that no identity leads to any more is that of another subject."""
    others = connection.execute(
        "SELECT 1 FROM identity WHERE subject = ? LIMIT 1", (left.key,)
    ).fetchone()
    if others is not None:
        return
    if not left.pseudonym:
        connection.execute("DELETE FROM subject WHERE key = ?", (left.key,))
    else:
        connection.execute("UPDATE subject SET same_as = ? WHERE key = ?", (subject, left.key))


def relatives(connection: Connection, subject: int) -> frozenset[int]:
    """All subjects that are this person, itself included."""
    return frozenset(_int(key) for (key,) in connection.execute(_RELATIVES, (subject,)).fetchall())


def name(connection: Connection, subject: int, candidates: Iterable[str]) -> str:
    """Give a subject the first candidate that nobody ever had."""
    for pseudonym in candidates:
        if subject_named(connection, pseudonym) is None:
            connection.execute(
                "UPDATE subject SET pseudonym = ? WHERE key = ?", (pseudonym, subject)
            )
            return pseudonym
    raise LookupError("no free pseudonym among the candidates")


def study_of(connection: Connection, project: str, original: str) -> Study | None:
    """What is remembered of a clinic's study."""
    return _study(
        connection.execute(
            f"{_STUDY} WHERE project = ? AND original = ?", (project, original)
        ).fetchone()
    )


def study_sent(connection: Connection, project: str, pseudonymous: str) -> Study | None:
    """What is remembered of a study under the partner's UID."""
    return _study(
        connection.execute(
            f"{_STUDY} WHERE project = ? AND pseudonymous = ?", (project, pseudonymous)
        ).fetchone()
    )


def keep_study(connection: Connection, subject: Known, original: str, pseudonymous: str) -> Study:
    """A new study of a subject; its date offset is not decided yet."""
    row = connection.execute(
        "INSERT INTO study (project, original, pseudonymous, subject) VALUES (?, ?, ?, ?)"
        " RETURNING key",
        (subject.project, original, pseudonymous, subject.key),
    ).fetchall()[0]
    return Study(_int(row[0]), original, subject.key, None)


def keep_offset(connection: Connection, study: Study, days: int) -> None:
    """The offset of a study and of its subject."""
    connection.execute(
        "UPDATE study SET offset_days = ? WHERE key = ? AND offset_days IS NOT ?",
        (days, study.key, days),
    )
    connection.execute(
        "UPDATE subject SET offset_days = ? WHERE key = ? AND offset_days IS NOT ?",
        (days, study.subject, days),
    )


def keep_snapshot(
    connection: Connection, study: Study, identity: Mapping[str, str], wall: str
) -> None:
    """A version of what the clinic called patient and study; one that is known adds nothing."""
    connection.execute(
        "INSERT OR IGNORE INTO snapshot SELECT ?1, coalesce(max(version), 0) + 1, ?2, ?3"
        " FROM snapshot WHERE study = ?1",
        (study.key, wall, json.dumps(dict(identity), sort_keys=True)),
    )


def identity_of(connection: Connection, study: Study) -> dict[str, str]:
    """The latest version of what the clinic called patient and study."""
    row = connection.execute(
        "SELECT identity FROM snapshot WHERE study = ? ORDER BY version DESC LIMIT 1",
        (study.key,),
    ).fetchone()
    kept = {} if row is None else json.loads(str(row[0]))
    return {str(keyword): str(value) for keyword, value in kept.items()}


def keep_uids(connection: Connection, study: Study, pairs: Sequence[tuple[str, str, int]]) -> None:
    """(pseudonymous, original, version) of a study; those that are known add nothing."""
    rows: list[tuple[Value, ...]] = [(study.key, *pair) for pair in pairs]
    connection.executemany("INSERT OR IGNORE INTO uid VALUES (?, ?, ?, ?)", rows)


def uids_of(connection: Connection, study: Study) -> dict[str, str]:
    """From the partner's UID to the clinic's, all versions."""
    rows = connection.execute(
        "SELECT pseudonymous, original FROM uid WHERE study = ?", (study.key,)
    ).fetchall()
    return {str(pseudonymous): str(original) for pseudonymous, original in rows}


def withdraw(connection: Connection, subject: int) -> bool:
    """Mark a subject as withdrawn and number it; False when it was already."""
    found = connection.execute(
        "UPDATE subject SET standing = 'withdrawn' WHERE key = ? AND standing = 'enrolled'"
        " RETURNING key",
        (subject,),
    ).fetchall()
    if found:
        connection.execute("INSERT INTO withdrawal (subject) VALUES (?)", (subject,))
    return bool(found)


def withdrawals(connection: Connection, after: int) -> tuple[Withdrawal, ...]:
    """Who left, in order, after a number."""
    rows = connection.execute(
        "SELECT w.number, s.project, coalesce(s.pseudonym, '') FROM withdrawal w"
        " JOIN subject s ON s.key = w.subject WHERE w.number > ? ORDER BY w.number",
        (after,),
    ).fetchall()
    return tuple(Withdrawal(_int(number), str(project), str(p)) for number, project, p in rows)


def generation(connection: Connection) -> int:
    """A number that grows with every enrolment, link and withdrawal."""
    return _int(connection.execute("SELECT generation FROM state").fetchall()[0][0])


def next_generation(connection: Connection) -> None:
    """Who is enrolled has changed: what was held for that reason may try again."""
    connection.execute("UPDATE state SET generation = generation + 1")


def acts(connection: Connection) -> tuple[int, Head]:
    """How often vault.db has changed, and the end of the audit chain at the last change."""
    count, length, mac = connection.execute(
        "SELECT acts, audit_count, audit_mac FROM state"
    ).fetchall()[0]
    return _int(count), Head(_int(length), str(mac))


def count_act(connection: Connection, head: Head) -> None:
    """One more change; an old copy of vault.db or audit.db is known by these numbers."""
    connection.execute(
        "UPDATE state SET acts = acts + 1, audit_count = ?, audit_mac = ?", (head.count, head.mac)
    )


def _study(row: tuple[Value, ...] | None) -> Study | None:
    if row is None:
        return None
    key, original, subject, offset = row
    days = None if offset is None else _int(offset)
    return Study(_int(key), str(original), _int(subject), days)


def _perhaps(row: tuple[Value, ...] | None) -> Known | None:
    return None if row is None else _known(row)


def _known(row: tuple[Value, ...]) -> Known:
    key, project, pseudonym, standing, offset = row
    return Known(
        _int(key),
        str(project),
        str(pseudonym),
        "enrolled" if standing == "enrolled" else "withdrawn",
        None if offset is None else _int(offset),
    )


def _int(value: Value) -> int:
    if not isinstance(value, int):
        raise TypeError("a number of vault.db is not one")
    return value
