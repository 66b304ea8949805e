"""What the workers do: bytes and a plan in, splices out; no key, no ledger, no network.

A verdict on an instance comes back as a value: exceptions do not cross a process well.
"""

import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from zlib import crc32

from appliance import deid, reid
from appliance.deid import Facts, Outcome, Plan, guard
from appliance.errors import CODES, Refusal, Undecided


@dataclass(frozen=True)
class Job:
    """One arrival: where its bytes lie, how they are coded, their CRC-32."""

    seq: int
    path: Path
    syntax: str
    crc: int


@dataclass(frozen=True)
class Verdict:
    """An instance that cannot go on: `held` when a person may decide, else refused."""

    seq: int
    code: str
    reason: str
    held: bool


@dataclass(frozen=True)
class Batch:
    """Some arrivals under one plan; `versions` gives the UID of those that are corrections."""

    jobs: tuple[Job, ...]
    plan: Plan
    needles: guard.Needles
    versions: Mapping[int, str]


@dataclass(frozen=True)
class Treated:
    """A pseudonymised instance: its packed splices, digests and what the leak guard saw."""

    seq: int
    new_sop: str
    packed: bytes
    likeness: str
    digest: str
    hits: tuple[guard.Hit, ...]


def look(jobs: tuple[Job, ...]) -> list[tuple[int, Facts] | Verdict]:
    """What stands in each instance, for routing, the plan and the leak guard."""
    return [_look(job) for job in jobs]


def treat(batch: Batch) -> list[Treated | Verdict]:
    """De-identify each instance and search the finished bytes for the patient."""
    return [_treat(job, batch) for job in batch.jobs]


def _look(job: Job) -> tuple[int, Facts] | Verdict:
    try:
        return job.seq, deid.scan(_bytes(job), job.syntax)
    except Refusal as refusal:
        return Verdict(job.seq, refusal.code, refusal.reason, held=False)
    except Undecided as undecided:
        return Verdict(job.seq, undecided.code, undecided.reason, held=True)


def _treat(job: Job, batch: Batch) -> Treated | Verdict:
    plan = batch.plan
    try:
        data = _unchanged(job)
        if job.seq in batch.versions:
            sop = deid.scan(data, job.syntax).sop_instance
            plan = replace(plan, uids={**plan.uids, sop: batch.versions[job.seq]})
        outcome = deid.apply(data, job.syntax, plan)
        return _searched(job, outcome, data, plan, batch.needles)
    except Refusal as refusal:
        return Verdict(job.seq, refusal.code, refusal.reason, held=False)
    except Undecided as undecided:
        return Verdict(job.seq, undecided.code, undecided.reason, held=True)


def _searched(
    job: Job, outcome: Outcome, data: memoryview, plan: Plan, needles: guard.Needles
) -> Treated:
    finished = b"".join(deid.assemble(outcome.splices, data))
    longitudinal = {"remove": "REMOVED", "shift": "MODIFIED", "keep": "UNMODIFIED"}
    expected = guard.Expected(
        plan.pseudonym, frozenset(plan.uids.values()), longitudinal[plan.policy.dates.policy]
    )
    guard.verify(finished, expected)
    return Treated(
        job.seq,
        outcome.sop_instance,
        deid.pack(outcome.splices),
        outcome.likeness,
        sha256(finished).hexdigest(),
        guard.search(finished, needles),
    )


def _unchanged(job: Job) -> memoryview:
    data = _bytes(job)
    if crc32(data) != job.crc:
        raise Refusal("D09", "the received bytes changed on the disk")
    return data


def _bytes(job: Job) -> memoryview:
    try:
        with job.path.open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (FileNotFoundError, ValueError):
        raise Refusal("D09", "the received bytes are missing on the disk") from None


@dataclass(frozen=True)
class Fetched:
    """A delivery as it was fetched: by SOP instance where each file lies, and its digest."""

    files: tuple[tuple[str, Path, str], ...]
    sent: reid.Sent
    expectation: reid.Expectation


class _OneAtATime(Mapping[str, bytes]):
    """The files of a delivery, of which only the one that is looked at is in memory.

    Raises:
        Refusal: Q14, the bytes are not those that were fetched.
    """

    def __init__(self, files: tuple[tuple[str, Path, str], ...]) -> None:
        self._files = {sop: (path, digest) for sop, path, digest in files}

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __getitem__(self, sop: str) -> bytes:
        path, digest = self._files[sop]
        try:
            file = path.read_bytes()
        except FileNotFoundError:
            raise Refusal("Q14", CODES["Q14"].en) from None
        if sha256(file).hexdigest() != digest:
            raise Refusal("Q14", CODES["Q14"].en)
        return file


def validated(case: Fetched) -> tuple[reid.Returned, ...] | Verdict:
    """R0–R4: what a delivery holds, in the order of its files."""
    try:
        return reid.validate(_OneAtATime(case.files), case.sent, case.expectation)
    except Refusal as refusal:
        return Verdict(0, refusal.code, refusal.reason, held=False)
    except Undecided as undecided:
        return Verdict(0, undecided.code, undecided.reason, held=True)
    except MemoryError:
        return Verdict(0, "Q16", CODES["Q16"].en, held=False)


@dataclass(frozen=True)
class Homecoming:
    """One returned instance and what it needs to become a clinical one again."""

    number: int
    path: Path
    sent: reid.Sent
    patient: reid.PatientNow
    introduced: frozenset[str]
    stamp: reid.Stamp


def reconcile(case: Homecoming) -> tuple[int, bytes] | Verdict:
    """The returned instance under the patient's real identity, checked by a second reading."""
    try:
        file = reid.reconcile(
            case.path.read_bytes(), case.sent, case.patient, case.introduced, case.stamp
        )
        reid.mirrored(file, case.sent)
    except Refusal as refusal:
        return Verdict(case.number, refusal.code, refusal.reason, held=False)
    except Undecided as undecided:
        return Verdict(case.number, undecided.code, undecided.reason, held=True)
    except MemoryError:
        return Verdict(case.number, "Q16", CODES["Q16"].en, held=False)
    return case.number, file
