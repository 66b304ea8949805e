"""Asking a peer what it holds: C-FIND, Study Root (PS3.4 C.6.2). No value is ever logged."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pynetdicom import build_context
from pynetdicom.association import Association

from appliance.dicom.asking import association, lost
from appliance.dicom.storage import EXPLICIT, IMPLICIT
from appliance.errors import Unavailable
from appliance.profile import Peer

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
PENDING = frozenset({0xFF00, 0xFF01})
OUT_OF_RESOURCES = 0xA700
# A series of 20,000 images exists; a peer that ignores its keys would go on for ever.
MOST_MATCHES = 50_000

# Field of StudyMatch → attribute asked for.
STUDY_KEYS = {
    "study": "StudyInstanceUID",
    "patient_id": "PatientID",
    "issuer": "IssuerOfPatientID",
    "patient_name": "PatientName",
    "birth_date": "PatientBirthDate",
    "sex": "PatientSex",
    "study_date": "StudyDate",
    "study_time": "StudyTime",
    "accession": "AccessionNumber",
    "study_id": "StudyID",
    "referring_physician": "ReferringPhysicianName",
    "study_description": "StudyDescription",
    "character_set": "SpecificCharacterSet",
}


@dataclass(frozen=True, repr=False)
class StudyMatch:
    """What the peer says today about a study and its patient; decoded text, "" if not told."""

    study: str
    patient_id: str
    issuer: str
    patient_name: str
    birth_date: str
    sex: str
    study_date: str
    study_time: str
    accession: str
    study_id: str
    referring_physician: str
    study_description: str
    character_set: str
    instances: int | None


class _LevelRefused(Exception):
    """The peer answers the query, but not at this level."""


def study(peer: Peer, calling_ae: str, study_uid: str) -> tuple[StudyMatch, ...]:
    """Every study that the peer holds under this UID; more than one is a matter for a person.

    Raises Unavailable: a peer that does not answer has not said that there is none.
    """
    keys = dict.fromkeys(STUDY_KEYS.values(), "")
    del keys["SpecificCharacterSet"]
    keys |= {"StudyInstanceUID": study_uid, "NumberOfStudyRelatedInstances": ""}
    try:
        matches = list(_matches(peer, calling_ae, "STUDY", keys))
    except _LevelRefused:
        raise Unavailable(f"peer {peer.name} refuses to be asked for a study") from None
    return tuple(_match(found, study_uid) for found in matches)


def images(peer: Peer, calling_ae: str, study_uid: str, series_uid: str) -> frozenset[str] | None:
    """The SOP instance UIDs of a series; None if the peer does not answer the IMAGE level.

    Raises Unavailable.
    """
    keys = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series_uid, "SOPInstanceUID": ""}
    try:
        found = [
            _text(match, "SOPInstanceUID") for match in _matches(peer, calling_ae, "IMAGE", keys)
        ]
    except _LevelRefused:
        return None
    return frozenset(uid for uid in found if uid)


def series_counts(peer: Peer, calling_ae: str, study_uid: str) -> Mapping[str, int | None]:
    """Every series of a study and how many instances the peer says it has; None if not told.

    Raises Unavailable.
    """
    keys = {
        "StudyInstanceUID": study_uid,
        "SeriesInstanceUID": "",
        "NumberOfSeriesRelatedInstances": "",
    }
    try:
        matches = list(_matches(peer, calling_ae, "SERIES", keys))
    except _LevelRefused:
        raise Unavailable(f"peer {peer.name} refuses to be asked for series") from None
    counts = {
        _text(match, "SeriesInstanceUID"): _number(match, "NumberOfSeriesRelatedInstances")
        for match in matches
    }
    return {series: count for series, count in counts.items() if series}


def _matches(peer: Peer, calling_ae: str, level: str, keys: Mapping[str, str]) -> Iterator[Dataset]:
    """The answers that bear the keys we asked for; some peers ignore keys and answer with all."""
    query = Dataset()
    query.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(query, keyword, value)
    contexts = [build_context(STUDY_ROOT_FIND, [EXPLICIT, IMPLICIT])]
    with association(peer, calling_ae, contexts) as opened:
        if not opened.is_established:
            raise Unavailable(f"peer {peer.name} refuses queries: ask its administrator")
        for found in _pending(peer, opened, query):
            if _asked_for(found, keys):
                yield found


def _pending(peer: Peer, opened: Association, query: Dataset) -> Iterator[Dataset]:
    """The pending answers until the last one, which must say that all went well."""
    most = MOST_MATCHES
    for answer, found in opened.send_c_find(query, STUDY_ROOT_FIND):
        status = answer.get("Status")
        if status is None:
            raise lost(peer)
        if status not in PENDING:
            _judge(peer, status)
            return
        most -= 1
        if not most:
            opened.abort()
            raise Unavailable(f"peer {peer.name} answers without end")
        if found is None:
            raise Unavailable(f"peer {peer.name} answers what cannot be read")
        yield found
    raise lost(peer)


def _judge(peer: Peer, status: int) -> None:
    if status == OUT_OF_RESOURCES:
        raise Unavailable(f"peer {peer.name} is too busy to be asked")
    if status:
        raise _LevelRefused


def _asked_for(found: Dataset, keys: Mapping[str, str]) -> bool:
    return all(
        _text(found, keyword) in ("", value)
        for keyword, value in keys.items()
        if value and keyword.endswith("UID")
    )


def _match(found: Dataset, study_uid: str) -> StudyMatch:
    values = {field: _text(found, keyword) for field, keyword in STUDY_KEYS.items()}
    values["study"] = study_uid
    return StudyMatch(**values, instances=_number(found, "NumberOfStudyRelatedInstances"))


def _text(found: Dataset, keyword: str) -> str:
    """A value as text, several joined as DICOM does; "" if the peer left it out."""
    value = found.get(keyword)
    if value is None:
        return ""
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return str(value).strip("\0 ")
    if hasattr(value, "components"):
        return str(value).strip("\0 ")
    return "\\".join(str(one) for one in value).strip("\0 ")


def _number(found: Dataset, keyword: str) -> int | None:
    text = _text(found, keyword)
    return int(text) if text.isascii() and text.isdigit() else None
