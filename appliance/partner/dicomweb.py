"""A partner that speaks DICOMweb: STOW-RS out, QIDO-RS for the proof, WADO-RS home (PS3.18)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from secrets import token_hex
from types import TracebackType
from typing import Self

from appliance.errors import Unavailable, Undecided
from appliance.partner import answers, multipart
from appliance.partner.answers import Row, Verdict
from appliance.partner.wire import Answer, Wire
from appliance.profile import Device, Partner

# A store answer names one instance.
MOST_STORE_ANSWER_BYTES = 1 << 20


@dataclass(frozen=True)
class Limits:
    """How much a partner may say. Beyond it his answer is not used at all."""

    # Rows asked for in one request; a list is read until a page brings nothing new.
    page: int = 1_000
    # Room for a page of a server that adds every attribute to each row.
    list_bytes: int = 64 << 20
    # Four times the largest study we know of (a dynamic perfusion CT).
    instances: int = 100_000
    # The largest single instance that a card with some free space can still take home.
    instance_bytes: int = 2 << 30
    # After so many seconds an answer must have come at a bearable rate.
    patience_s: float = 60.0


_JSON = "application/dicom+json"
_ANY_SYNTAX = 'multipart/related; type="application/dicom"; transfer-syntax=*'


@dataclass(frozen=True)
class Outgoing:
    """One pseudonymised instance on its way: `body` yields its `length` Part 10 bytes, once."""

    sop_class: str
    sop_instance: str
    study: str
    body: Iterable[multipart.Chunk]
    length: int


@dataclass(frozen=True)
class OfferedSeries:
    """One series in the partner's list of a study."""

    uid: str
    modality: str


@dataclass(frozen=True)
class Offered:
    """One instance in the partner's list of a series."""

    sop_instance: str
    sop_class: str


class DicomWeb:
    """One partner; keeps a connection open between requests, so close it or use `with`.

    Every method raises Unavailable when the partner is not ready, whatever the cause.
    """

    def __init__(
        self,
        partner: Partner,
        secrets: Mapping[str, str],
        device: Device,
        limits: Limits = Limits(),
    ) -> None:
        self._limits = limits
        self._wire = Wire(partner.send, secrets, device, limits.patience_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connections that are kept open for the next request."""
        self._wire.close()

    def store(self, instance: Outgoing) -> None:
        """The partner has the instance when this returns; it may have it too when it raises.

        The answer is read whatever its status says (partner.md 4.1); where it is lost, silent or
        a conflict, the partner's list decides.

        Raises:
            Undecided: partner-refused, the partner will not take it, also tomorrow.
        """
        body = multipart.Body(instance.body, instance.length, token_hex(16))
        headers = {"Content-Type": body.content_type, "Accept": _JSON}
        try:
            with self._wire.post("/studies", headers, body) as answer:
                head, told = answer, answer.whole(MOST_STORE_ANSWER_BYTES)
        except Unavailable:
            if self._has(instance):
                return
            raise
        row = answers.status(head.status)
        if row.verdict is Verdict.LATER:
            raise _not_ready(head)
        if row.verdict is Verdict.PERSON:
            raise Undecided("partner-refused", row.says)
        if _confirmed(head, told, instance.sop_instance) or self._has(instance):
            return
        raise Unavailable("the partner did not confirm an instance, and its list lacks it")

    def listed(self, study: str) -> frozenset[str]:
        """All SOP instances of a study at the partner; empty when it does not know the study."""
        rows = self._pages(f"/studies/{study}/instances", "00080018", _sop_instance)
        return frozenset(row.sop_instance for row in rows)

    def series(self, study: str) -> dict[str, OfferedSeries]:
        """All series of a study at the partner, by their UID."""
        rows = self._pages(f"/studies/{study}/series", "00080060", _series)
        return {row.series: OfferedSeries(row.series, row.modality) for row in rows}

    def instances(self, study: str, series: str) -> tuple[Offered, ...]:
        """All instances of a series at the partner, in the order of their UIDs."""
        path = f"/studies/{study}/series/{series}/instances"
        rows = sorted(self._pages(path, "00080016", _sop_instance), key=_sop_instance)
        return tuple(Offered(row.sop_instance, row.sop_class) for row in rows)

    def fetch(self, study: str, series: str, sop: str, sink: Callable[[bytes], None]) -> None:
        """Give one instance to `sink`, piece by piece; what it got is void when this raises.

        Raises:
            Refusal: Q16, the instance is larger than `Limits.instance_bytes`.
        """
        path = f"/studies/{study}/series/{series}/instances/{sop}"
        with self._wire.get(path, _ANY_SYNTAX) as answer:
            if answer.status != 200:
                raise _not_ready(answer)
            mark = multipart.boundary(answer.content_type)
            multipart.pass_on(answer.chunks, mark, self._limits.instance_bytes, sink)

    def _has(self, instance: Outgoing) -> bool:
        path = f"/studies/{instance.study}/instances?SOPInstanceUID={instance.sop_instance}"
        return any(row.sop_instance == instance.sop_instance for row in self._page(path))

    def _pages(self, path: str, field: str, key: Callable[[Row], str]) -> Iterator[Row]:
        # Servers cap pages as they like, or ignore them: the end is a page without news.
        seen: set[str] = set()
        while True:
            page = self._page(
                f"{path}?includefield={field}&limit={self._limits.page}&offset={len(seen)}"
            )
            fresh = {key(row): row for row in page if key(row) not in seen}
            if not fresh:
                return
            if "" in fresh:
                raise Unavailable("the partner's list has a line without a UID")
            seen.update(fresh)
            if len(seen) > self._limits.instances:
                raise Unavailable(f"the partner lists more than {self._limits.instances} lines")
            yield from fresh.values()

    def _page(self, path: str) -> tuple[Row, ...]:
        with self._wire.get(path, _JSON) as answer:
            if answer.status in (204, 404):
                return ()
            if answer.status not in (200, 206):
                raise _not_ready(answer)
            if not answers.is_json(answer.content_type):
                raise Unavailable("the partner answers a list in another type than asked for")
            return answers.rows(answer.whole(self._limits.list_bytes))


def _confirmed(head: Answer, told: bytes, sop_instance: str) -> bool:
    """Whether the answer says that the instance is stored; if not, the list must be asked."""
    stored = answers.stored(head.content_type, told)
    if stored is None:
        return False
    reason = stored.failed.get(sop_instance)
    if reason is not None and answers.is_final(reason):
        raise Undecided("partner-refused", f"the partner refused an instance (0x{reason:04X})")
    return not stored.failed and sop_instance in stored.accepted


def _not_ready(answer: Answer) -> Unavailable:
    return Unavailable(answers.status(answer.status).says, answers.wait_s(answer.retry_after))


def _sop_instance(row: Row) -> str:
    return row.sop_instance


def _series(row: Row) -> str:
    return row.series
