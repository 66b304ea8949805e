"""What a synthetic partner has in memory: instances as they came, found by their UIDs."""

import copy
import io
from collections.abc import Mapping, Sequence
from threading import RLock

from pydicom import Dataset, dcmread
from pydicom.datadict import tag_for_keyword

_NUMBER_OF_INSTANCES = "NumberOfSeriesRelatedInstances"
# What each level answers unasked (PS3.18 10.6.3.3); includefield adds to it.
LEVELS: Mapping[str, tuple[str, ...]] = {
    "StudyInstanceUID": ("StudyDate", "AccessionNumber", "PatientName", "PatientID", "StudyInstanceUID", "StudyID"),
    "SeriesInstanceUID": ("Modality", "SeriesDescription", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber"),
    "SOPInstanceUID": ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "InstanceNumber"),
}  # fmt: skip

Query = Mapping[str, str]


class Shelf:
    """Instances by SOP instance UID; the first bytes of a UID stay."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}
        self._read: dict[str, Dataset] = {}
        self._lock = RLock()

    def put(self, part10: bytes) -> Dataset:
        """The instance, now on the shelf.

        Raises:
            pydicom.errors.InvalidDicomError: the bytes are no Part 10 file.
        """
        dataset = dcmread(io.BytesIO(part10))
        uid = str(dataset.SOPInstanceUID)
        with self._lock:
            self._files.setdefault(uid, part10)
            self._read.setdefault(uid, dataset)
        return dataset

    def replace(self, dataset: Dataset, study: str) -> None:
        """Put an instance of the partner's own making, in the place of one with its UID.

        It is listed under `study`, whatever study it names itself.
        """
        listed = copy.deepcopy(dataset)
        listed.StudyInstanceUID = study
        written = io.BytesIO()
        dataset.save_as(written, enforce_file_format=True)
        with self._lock:
            self._files[str(dataset.SOPInstanceUID)] = written.getvalue()
            self._read[str(dataset.SOPInstanceUID)] = listed

    def where(self, query: Query) -> list[Dataset]:
        """The instances whose attributes have one of the values (`a,b` names two)."""
        with self._lock:
            return [
                one
                for one in self._read.values()
                if all(
                    str(one.get(keyword)) in value.split(",") for keyword, value in query.items()
                )
            ]

    def file(self, query: Query) -> bytes | None:
        """The bytes of the one instance that the query names."""
        found = self.where(query)
        with self._lock:
            return self._files[str(found[0].SOPInstanceUID)] if len(found) == 1 else None

    def rows(self, level: str, query: Query, more: Sequence[str]) -> list[dict[str, object]]:
        """A list in the DICOM JSON model: one row for each entity of a level."""
        entities: dict[str, list[Dataset]] = {}
        for one in self.where(query):
            entities.setdefault(str(one.get(level)), []).append(one)
        return [_row(members, (*LEVELS[level], *more)) for members in entities.values()]


def _row(members: Sequence[Dataset], keywords: Sequence[str]) -> dict[str, object]:
    row = Dataset()
    for keyword in dict.fromkeys(keywords):
        tag = tag_for_keyword(keyword)
        if keyword == _NUMBER_OF_INSTANCES:
            row.NumberOfSeriesRelatedInstances = len(members)
        elif tag is not None and tag in members[0]:
            row.add(members[0][tag])
    return row.to_json_dict()
