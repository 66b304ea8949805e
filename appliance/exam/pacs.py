"""What a synthetic archive has in memory: found by attributes, changed by people, counted."""

import copy
import io
from collections.abc import Iterable
from fnmatch import fnmatchcase
from threading import RLock

from pydicom import Dataset, dcmread
from pydicom.dataelem import DataElement

_NO_KEY = {"QueryRetrieveLevel", "SpecificCharacterSet", "RetrieveAETitle", "InstanceAvailability"}
_UNIQUE = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}


class Pacs:
    """The archive: `stored` holds each Part 10 file that came over the network, in order."""

    def __init__(self) -> None:
        self.stored: dict[str, list[bytes]] = {}
        self._kept: dict[str, Dataset] = {}
        self._twice: set[str] = set()
        self._lock = RLock()

    def has(self, acquired: Iterable[Dataset]) -> None:
        """It has these instances already, as if a modality had sent them."""
        with self._lock:
            for dataset in acquired:
                self._kept[str(dataset.SOPInstanceUID)] = _header(dataset)

    def keep(self, part10: bytes) -> None:
        """An instance came over the network."""
        dataset = dcmread(io.BytesIO(part10))
        with self._lock:
            self.stored.setdefault(str(dataset.SOPInstanceUID), []).append(part10)
            self._kept[str(dataset.SOPInstanceUID)] = _header(dataset)

    def find(self, query: Dataset) -> list[Dataset]:
        """The answers to a C-FIND identifier (PS3.4 C.2.2): one for each entity of its level."""
        level = _UNIQUE[str(query.QueryRetrieveLevel)]
        with self._lock:
            matching = [one for one in self._kept.values() if _matches(one, query)]
            first = {str(one.get(level)): one for one in reversed(matching)}
            answers = [self._answer(query, one) for one in reversed(first.values())]
            answers += [
                _other_patient(answer)
                for answer in answers
                if level == "StudyInstanceUID" and answer.StudyInstanceUID in self._twice
            ]
        return answers

    def rename(self, study: str, name: str) -> None:
        """The patient of a study has another name now."""
        self._change(study, "PatientName", name)

    def merge(self, study: str, patient_id: str) -> None:
        """The study belongs to another patient now."""
        self._change(study, "PatientID", patient_id)

    def delete(self, study: str) -> None:
        """The study is gone."""
        with self._lock:
            for uid in [uid for uid, one in self._kept.items() if one.StudyInstanceUID == study]:
                del self._kept[uid]

    def two_matches(self, study: str) -> None:
        """A query for the study finds it under two patients."""
        with self._lock:
            self._twice.add(study)

    def _change(self, study: str, keyword: str, value: str) -> None:
        with self._lock:
            for one in self._kept.values():
                if one.StudyInstanceUID == study:
                    setattr(one, keyword, value)

    def _answer(self, query: Dataset, found: Dataset) -> Dataset:
        answer = Dataset()
        answer.SpecificCharacterSet = found.get("SpecificCharacterSet", "ISO_IR 100")
        for key in query:
            if key.keyword in ("QueryRetrieveLevel", "SpecificCharacterSet"):
                continue
            if key.tag in found:
                answer.add(copy.deepcopy(found[key.tag]))
            else:
                answer.add(DataElement(key.tag, key.VR, None))
        answer.QueryRetrieveLevel = query.QueryRetrieveLevel
        for keyword, of in _COUNTS.items():
            if keyword in query:
                setattr(answer, keyword, self._count(found, of))
        return answer

    def _count(self, found: Dataset, of: tuple[str, str]) -> int:
        within, unit = of
        mine = [one for one in self._kept.values() if one.get(within) == found.get(within)]
        return len({str(one.get(unit)) for one in mine})


_COUNTS = {
    "NumberOfStudyRelatedInstances": ("StudyInstanceUID", "SOPInstanceUID"),
    "NumberOfStudyRelatedSeries": ("StudyInstanceUID", "SeriesInstanceUID"),
    "NumberOfSeriesRelatedInstances": ("SeriesInstanceUID", "SOPInstanceUID"),
}


def _header(dataset: Dataset) -> Dataset:
    kept = copy.deepcopy(dataset)
    if "PixelData" in kept:
        del kept.PixelData
    return kept


def _other_patient(answer: Dataset) -> Dataset:
    other = copy.deepcopy(answer)
    other.PatientID = f"{answer.PatientID}2" if "PatientID" in answer else "2"
    return other


def _matches(found: Dataset, query: Dataset) -> bool:
    return all(
        _fits(str(found.get(key.tag, DataElement(key.tag, key.VR, "")).value), key)
        for key in query
        if key.keyword not in _NO_KEY
        and key.keyword not in _COUNTS
        and key.VR != "SQ"
        and key.value
    )


def _fits(value: str, key: DataElement) -> bool:
    if key.VR == "UI":
        wanted = key.value if key.VM > 1 else [key.value]
        return value in [str(uid) for uid in wanted]
    return fnmatchcase(value.lower(), str(key.value).lower())
