"""Who is who: the only place that knows both sides, and the only writer of `vault.db`.

What an answer rests on is committed before it is answered, and every access to an identity is
chained in `audit.db` before it is answered. The root key never leaves; a project's UID key goes
out with the one act that needs it.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock

from appliance import keyed
from appliance.errors import CODES, Refusal, Undecided
from appliance.store import enrolment
from appliance.store import vault_table as table
from appliance.store.audit import Audit, Head, Source
from appliance.store.custody import (
    AUDIT_DB,
    VAULT_DB,
    keep_private_folder,
    locked,
    open_encrypted,
    root_key,
)
from appliance.store.schema import Connection, migrate, transaction
from appliance.store.vault_values import (
    Enrolment,
    Grant,
    Kept,
    Patient,
    Request,
    Standing,
    Subject,
    Withdrawal,
)

__all__ = [
    "Enrolment",
    "Grant",
    "Kept",
    "Patient",
    "Request",
    "Standing",
    "Subject",
    "Vault",
    "Withdrawal",
]

# 60 bits: a second collision of one patient is already beyond belief.
MOST_COLLISIONS = 100
# The vault's own entries in the audit; their cursor counts the acts of vault.db.
OWN = "vault"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Vault:
    """The open vault of one folder; a second one of the same folder raises Unavailable.

    Raises `Refusal("D11")` when key, file or audit are missing, damaged, newer, or not of one time.
    """

    def __init__(self, folder: Path) -> None:
        with ExitStack() as opened:
            keep_private_folder(folder)
            opened.callback(os.close, locked(folder))
            self._lock = RLock()
            self._root = root_key(folder)
            self._connection = open_encrypted(folder / VAULT_DB, self._root)
            opened.callback(self._connection.close)
            migrate(self._connection, table.STEPS)
            key = keyed.derived(self._root, "device", "audit")
            self._audit = Audit(folder / AUDIT_DB, key, _stamps(BOOT_ID.read_text().strip()))
            opened.callback(self._audit.close)
            _of_one_time(self._connection, self._audit)
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Give files and folder back."""
        with self._lock:
            self._opened.close()

    def standing(self, patient: Patient) -> Standing:
        """Whether the project knows this patient, and whether he left it."""
        with self._lock:
            known = table.subject_of(self._connection, patient)
        return "unknown" if known is None else known.standing

    def pseudonymise(self, request: Request) -> Grant:
        """What this study is pseudonymised with; the same answer for the same question, for ever.

        Raises:
            Undecided: D03 without Patient ID; unknown-subject; patient-changed when the project
                remembers the study under somebody else.
            Refusal: D10 when the subject withdrew.
        """
        keys = keyed.project_keys(self._root, request.project)
        patient = Patient(
            request.project,
            request.identity.get("issuer", ""),
            request.identity.get("patient_id", ""),
        )
        with self._changing() as connection:
            asked = _admitted(connection, patient, request.unknown)
            named = _named(connection, asked, request.site, (keys.patient, patient))
            study = _study(connection, named, _trimmed(request.study), keys.uid)
            owner = table.subject_by_key(connection, study.subject)
            days = _offset(study, owner, request, keys.date)
            table.keep_offset(connection, study, days)
            wall = datetime.now(UTC).isoformat(timespec="seconds")
            table.keep_snapshot(connection, study, request.identity, wall)
            table.keep_uids(connection, study, _pairs(request, keys.uid))
            generation = table.generation(connection)
        self._note("pseudonymise", owner, {"uids": len(request.uids), "generation": generation})
        code = keyed.short_code(keys.accession, study.original)
        return Grant(owner.pseudonym, days, keys.uid, code, generation)

    def resolve(self, project: str, pseudonymous_study: str) -> Kept | None:
        """Everything needed to bring a result home; None for a study that was never sent."""
        with self._lock:
            study = table.study_sent(self._connection, project, pseudonymous_study)
            if study is None:
                return None
            owner = table.subject_by_key(self._connection, study.subject)
            kept = Kept(
                study.original,
                owner.pseudonym,
                table.identity_of(self._connection, study),
                table.uids_of(self._connection, study),
                keyed.project_keys(self._root, project).uid,
                study.offset_days or 0,
                owner.standing,
            )
        self._note("resolve", owner, {"uids": len(kept.uids)})
        return kept

    def enrol(self, project: str, rows: Sequence[Enrolment]) -> int:
        """Enrol the patients of a list, all or none; how many are new or newly named.

        Raises ProfileError with every mistake, by row number: a message never names a patient.
        """
        with self._changing() as connection:
            new = enrolment.enrol(connection, project, rows)
            if new:
                table.next_generation(connection)
        if new:
            self._note("enrol", None, {"project": project, "new": new})
        return new

    def link(self, patient: Patient, to_pseudonym: str) -> None:
        """A person said that this Patient ID is that subject.

        Studies sent before keep their pseudonym; withdrawing either of the two withdraws both.

        Raises:
            Undecided: unknown-subject when the project has no such pseudonym.
            Refusal: D10 when one of the two withdrew: a link never undoes a withdrawal.
        """
        with self._changing() as connection:
            subject = table.subject_named(connection, to_pseudonym)
            if subject is None or subject.project != patient.project:
                raise Undecided("unknown-subject", "no subject of the project has this pseudonym")
            left = table.subject_of(connection, patient)
            if left is not None and left.key == subject.key:
                return
            if left is not None and left.standing != subject.standing:
                raise Refusal("D10", "one of the two withdrew: withdraw the other instead")
            table.point(connection, patient, subject.key)
            if left is not None:
                table.join(connection, left, subject.key)
            table.next_generation(connection)
        self._note("link", subject, {"from": "" if left is None else left.pseudonym})

    def withdraw(self, pseudonym: str) -> bool:
        """Take a subject, under all his Patient IDs, out of his project; False if there is none."""
        with self._changing() as connection:
            subject = table.subject_named(connection, pseudonym)
            if subject is None:
                return False
            keys = sorted(table.relatives(connection, subject.key))
            new = [key for key in keys if table.withdraw(connection, key)]
            if new:
                table.next_generation(connection)
        if new:
            self._note("withdraw", subject, {"subjects": len(new)})
        return True

    def withdrawn(self, after: int) -> tuple[Withdrawal, ...]:
        """Who left since a number, in order."""
        with self._lock:
            return table.withdrawals(self._connection, after)

    def subjects(self, project: str) -> tuple[Subject, ...]:
        """The subjects of a project, without their identities."""
        with self._lock:
            known = table.subjects_in(self._connection, project)
        return tuple(Subject(one.pseudonym, one.standing) for one in known)

    def generation(self) -> int:
        """A number that grows with every enrolment, link and withdrawal."""
        with self._lock:
            return table.generation(self._connection)

    def head(self) -> Head:
        """The end of the audit chain, to be kept outside the device."""
        return self._audit.head()

    def verify(self, anchor: Head | None) -> tuple[str, ...]:
        """What is wrong with the audit chain, compared with the vault's own anchor and another."""
        with self._lock:
            _, own = table.acts(self._connection)
        problems = [*self._audit.verify(), *self._audit.missing(own)]
        if anchor is not None:
            problems += self._audit.missing(anchor)
        return tuple(dict.fromkeys(problems))

    def tail(self, source: Source) -> int:
        """Chain what another process wrote since the last time; how many entries."""
        return self._audit.tail(source)

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        with self._lock, transaction(self._connection):
            before = self._connection.total_changes
            yield self._connection
            if self._connection.total_changes != before:
                table.count_act(self._connection, self._audit.head())

    def _note(
        self, event: str, subject: table.Known | None, fields: Mapping[str, str | int]
    ) -> None:
        whom = {} if subject is None else {"project": subject.project, "who": subject.pseudonym}
        with self._lock:
            acts, _ = table.acts(self._connection)
            self._audit.append_with_cursor([{"event": event, **whom, **fields}], OWN, str(acts))


def _admitted(connection: Connection, patient: Patient, unknown: str) -> table.Known:
    if not patient.patient_id:
        raise Undecided("D03", CODES["D03"].en)
    known = table.subject_of(connection, patient)
    if known is None:
        if unknown == "refuse":
            raise Undecided("unknown-subject", CODES["unknown-subject"].en)
        table.next_generation(connection)
        return table.subject_by_key(connection, table.admit(connection, patient, ""))
    if known.standing == "withdrawn":
        raise Refusal("D10", CODES["D10"].en)
    return known


def _named(
    connection: Connection, asked: table.Known, site: str, identity: tuple[bytes, Patient]
) -> table.Known:
    if asked.pseudonym:
        return asked
    key, patient = identity
    candidates = (
        keyed.pseudonym(key, site, patient.issuer, patient.patient_id, attempt)
        for attempt in range(MOST_COLLISIONS)
    )
    return replace(asked, pseudonym=table.name(connection, asked.key, candidates))


def _study(connection: Connection, asked: table.Known, original: str, k_uid: bytes) -> table.Study:
    study = table.study_of(connection, asked.project, original)
    if study is None:
        return table.keep_study(connection, asked, original, keyed.mapped_uid(k_uid, original))
    # A study keeps the pseudonym that it was first sent under, also when its Patient IDs are linked.
    if study.subject not in table.relatives(connection, asked.key):
        raise Undecided("patient-changed", CODES["patient-changed"].en)
    return study


def _offset(study: table.Study, owner: table.Known, request: Request, key: bytes) -> int:
    """One offset for the life of a subject, unless the policy no longer allows it."""
    for days in (study.offset_days, owner.offset_days):
        if days is not None and request.least_days <= -days <= request.most_days:
            return days
    return keyed.offset_days(key, owner.pseudonym, request.least_days, request.most_days)


def _pairs(request: Request, k_uid: bytes) -> list[tuple[str, str, int]]:
    versions = {_trimmed(uid): version for uid, version in request.versions.items()}
    wanted = {(_trimmed(uid), 1) for uid in (request.study, *request.uids)}
    wanted |= set(versions.items())
    return [(keyed.mapped_uid(k_uid, uid, version), uid, version) for uid, version in wanted if uid]


def _trimmed(uid: str) -> str:
    return uid.rstrip("\0 ")


def _stamps(boot: str) -> Callable[[], Mapping[str, str | float]]:
    def stamp() -> Mapping[str, str | float]:
        return {
            "boot": boot,
            "monotonic": round(time.monotonic(), 3),
            "wall": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }

    return stamp


def _of_one_time(connection: Connection, audit: Audit) -> None:
    acts, anchor = table.acts(connection)
    if int(audit.cursor(OWN) or 0) > acts:
        raise Refusal("D11", "vault.db is older than audit.db: restore both from one backup")
    if audit.missing(anchor):
        raise Refusal(
            "D11", "audit.db is older than vault.db, or another: restore both from one backup"
        )
