"""What a DICOMweb server says: statuses as a table, store answers and lists as checked values.

PS3.18 10.5.3 (store), 10.6 (search). Nothing of the partner's text goes into a message.
"""

import io
import re
from dataclasses import dataclass
from enum import Enum
from typing import Annotated
from xml.parsers import expat

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from appliance.errors import Unavailable
from appliance.timing import LONGEST_WAIT_S

# PS3.5 9.1; leading zeros are forbidden there and common outside: they do no harm here.
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
LONGEST_UID = 64


class Verdict(Enum):
    """What a status means for us; the words of a person are in `STATUSES`."""

    READ = "the body tells"
    TRUTH = "ask the list"
    LATER = "try again later"
    PERSON = "a person decides"


@dataclass(frozen=True)
class Status:
    """One row: the verdict and the sentence for it."""

    verdict: Verdict
    says: str = ""


_STOPPED = "the partner refuses our credentials: ask it for access, then change the secret"
_PARTNER_ILL = "the partner is out of order"

STATUSES: dict[int, Status] = {
    200: Status(Verdict.READ),
    201: Status(Verdict.READ),
    202: Status(Verdict.READ),
    204: Status(Verdict.READ),
    400: Status(Verdict.PERSON, "the partner calls the request wrong (400)"),
    401: Status(Verdict.LATER, _STOPPED + " (401)"),
    403: Status(Verdict.LATER, _STOPPED + " (403)"),
    404: Status(Verdict.LATER, "the partner does not know this address (404)"),
    406: Status(Verdict.PERSON, "the partner does not answer in this type (406)"),
    409: Status(Verdict.TRUTH, "the partner reports a conflict (409)"),
    410: Status(Verdict.LATER, "the partner says that this is gone (410)"),
    413: Status(Verdict.PERSON, "the instance is too large for the partner (413)"),
    415: Status(Verdict.PERSON, "the partner does not take this type or transfer syntax (415)"),
    429: Status(Verdict.LATER, "the partner asks us to wait (429)"),
    500: Status(Verdict.LATER, _PARTNER_ILL + " (500)"),
    502: Status(Verdict.LATER, _PARTNER_ILL + " (502)"),
    503: Status(Verdict.LATER, "the partner asks us to wait (503)"),
    504: Status(Verdict.LATER, _PARTNER_ILL + " (504)"),
}
_CLASSES = {
    2: Status(Verdict.READ),
    3: Status(Verdict.LATER, "the partner redirects: put the final address into the profile"),
    4: Status(Verdict.PERSON, "the partner refuses the request"),
    5: Status(Verdict.LATER, _PARTNER_ILL),
}


def status(code: int) -> Status:
    """The row of a status, by its class when it has none of its own."""
    unheard = Status(Verdict.LATER, "the partner answered with an unknown status")
    return STATUSES.get(code, _CLASSES.get(code // 100, unheard))


def wait_s(retry_after: str) -> float | None:
    """The partner's own wish in seconds, capped; a date is not honoured (whose clock?)."""
    if not (retry_after.isascii() and retry_after.isdecimal()):
        return None
    return min(float(retry_after[:9]), LONGEST_WAIT_S)


# PS3.4 GG.4.2 and PS3.7 annex C: what a person must look at. Every other reason (out of
# resources, processing failure) may pass with time.
_FOR_A_PERSON = {0x0117, 0x0122, 0x0124}


def is_final(reason: int) -> bool:
    """Whether a FailureReason (0008,1197) will be the same tomorrow."""
    return reason in _FOR_A_PERSON or reason >> 8 == 0xA9 or reason >> 12 == 0xC


@dataclass(frozen=True)
class Stored:
    """What a store answer says: the accepted SOP instances, and the failed with their reasons."""

    accepted: frozenset[str]
    failed: dict[str, int]


def stored(content_type: str, body: bytes) -> Stored | None:
    """A store answer in JSON or in the native model in XML; None when it says nothing readable.

    Orthanc labels only its good answers, so the first character decides where the type is absent.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind.endswith("xml") or (not kind and body.lstrip()[:1] == b"<"):
        return _stored_xml(body)
    if kind.endswith("json") or not kind:
        return _stored_json(body)
    return None


def is_json(content_type: str) -> bool:
    """Whether a list came in the type that was asked for."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind in ("application/dicom+json", "application/json")


def _uid(text: str) -> str:
    if len(text) > LONGEST_UID or _UID.fullmatch(text) is None:
        raise ValueError("not a UID")
    return text


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class _Uids(_Read):
    value: tuple[Annotated[str, AfterValidator(_uid)], ...] = Field(alias="Value", default=())


class _Texts(_Read):
    value: tuple[str | None, ...] = Field(alias="Value", default=())


class _Numbers(_Read):
    value: tuple[int | str | None, ...] = Field(alias="Value", default=())


class _Outcome(_Read):
    sop_instance: _Uids = Field(alias="00081155", default=_Uids())
    reason: _Numbers = Field(alias="00081197", default=_Numbers())


class _Outcomes(_Read):
    value: tuple[_Outcome, ...] = Field(alias="Value", default=())


class _StoreAnswer(_Read):
    failed: _Outcomes = Field(alias="00081198", default=_Outcomes())
    accepted: _Outcomes = Field(alias="00081199", default=_Outcomes())


class _Row(_Read):
    sop_class: _Uids = Field(alias="00080016", default=_Uids())
    sop_instance: _Uids = Field(alias="00080018", default=_Uids())
    modality: _Texts = Field(alias="00080060", default=_Texts())
    series: _Uids = Field(alias="0020000E", default=_Uids())


@dataclass(frozen=True)
class Row:
    """One line of a partner's list; what it left out is empty."""

    sop_class: str
    sop_instance: str
    series: str
    modality: str


_ROWS: TypeAdapter[tuple[_Row, ...]] = TypeAdapter(tuple[_Row, ...])


def rows(body: bytes) -> tuple[Row, ...]:
    """A list in the DICOM JSON model (PS3.18 annex F).

    Raises:
        Unavailable: not JSON, nested too deep, or a UID that is none.
    """
    try:
        found = _ROWS.validate_json(body)
    except ValidationError as error:
        raise Unavailable(
            "the partner's list cannot be read, or names a UID that is none"
        ) from error
    return tuple(
        Row(
            next(iter(row.sop_class.value), ""),
            next(iter(row.sop_instance.value), ""),
            next(iter(row.series.value), ""),
            next(iter(row.modality.value), None) or "",
        )
        for row in found
    )


def _stored_json(body: bytes) -> Stored | None:
    try:
        answer = _StoreAnswer.model_validate_json(body)
    except ValidationError:
        return None
    accepted = frozenset(uid for item in answer.accepted.value for uid in item.sop_instance.value)
    failed = {
        uid: _number(next(iter(item.reason.value), None))
        for item in answer.failed.value
        for uid in item.sop_instance.value
    }
    return Stored(accepted, failed)


def _stored_xml(body: bytes) -> Stored | None:
    reader = _NativeModel()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.ParseFile(io.BytesIO(body))
    except expat.ExpatError:
        return None
    return Stored(frozenset(reader.accepted), reader.failed)


class _NativeModel:
    """Reads PS3.19 A.1: DicomAttribute tag=… around Item and Value. Entities are refused."""

    def __init__(self) -> None:
        self.accepted: list[str] = []
        self.failed: dict[str, int] = {}
        self._tags: list[str] = []
        self._text = ""
        self._uid = ""
        self._reason = ""

    def doctype(self, *_: object) -> None:
        raise expat.ExpatError("a document type is not expected here")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._text = ""
        if name == "DicomAttribute":
            self._tags.append(attributes.get("tag", ""))
        elif name == "Item" and len(self._tags) == 1:
            self._uid = self._reason = ""

    def text(self, text: str) -> None:
        self._text += text

    def end(self, name: str) -> None:
        inside = self._tags[0] if self._tags else ""
        if name == "DicomAttribute":
            self._tags.pop()
        elif name == "Value" and len(self._tags) == 2:
            if self._tags[1] == "00081155":
                self._uid = self._text.strip()
            elif self._tags[1] == "00081197":
                self._reason = self._text.strip()
        elif name == "Item" and len(self._tags) == 1:
            if inside == "00081199":
                self.accepted.append(self._uid)
            elif inside == "00081198":
                self.failed[self._uid] = _number(self._reason)


def _number(value: int | str | None) -> int:
    text = str(value or 0)
    return int(text) if text.isdecimal() and len(text) < 6 else 0
