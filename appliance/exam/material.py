"""A study to be examined with: a real public CT slice, copied into a study of an invented patient.

Every identifying value is a random word of its own, so that a single one found outside tells what
leaked. The slice is `CT_small.dcm`, which pydicom carries in its package.
"""

import copy
import string
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from random import Random

from pydicom import Dataset, dcmread
from pydicom.uid import UID

SLICES = 6
SPACING_MM = 5.0
# A class of a manufacturer's own, as scanners store beside their images.
PRIVATE_SOP_CLASS = UID("1.2.840.113619.4.27")


@dataclass(frozen=True)
class MadeStudy:
    """A study, who it is of, and every text that must never be seen outside the clinic."""

    uid: str
    identity: Mapping[str, str]
    canaries: tuple[str, ...]
    instances: tuple[Dataset, ...]

    def uids(self) -> frozenset[str]:
        """The study, series and SOP instance UIDs, and the frames of reference."""
        keywords = (
            "StudyInstanceUID",
            "SeriesInstanceUID",
            "SOPInstanceUID",
            "FrameOfReferenceUID",
        )
        return frozenset(
            str(one.get(keyword))
            for one in self.instances
            for keyword in keywords
            if keyword in one
        )


def ct_slice() -> Dataset:
    """The real slice that everything here is made of."""
    path = files("pydicom") / "data" / "test_files" / "CT_small.dcm"
    with path.open("rb") as stream:
        return dcmread(stream)


def made_uid(draw: Random) -> UID:
    """A UID that nobody has used (PS3.5 B.2)."""
    return UID(f"2.25.{draw.getrandbits(120)}")


def made_study(draw: Random, slices: int = SLICES) -> MadeStudy:
    """A CT study of a localizer and one axial series, whose slices refer to the localizer."""
    identity = _identity(draw)
    hidden = {keyword: _word(draw) for keyword in _HIDDEN}
    study, frame = made_uid(draw), made_uid(draw)
    pattern = _pattern(identity, hidden, study, frame)
    localizer = copy.deepcopy(pattern)
    _place(localizer, made_uid(draw), made_uid(draw), 1, 1)
    localizer.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    localizer.SeriesDescription = "SCOUT"
    series = made_uid(draw)
    axial = []
    for number in range(1, slices + 1):
        made = copy.deepcopy(pattern)
        _place(made, series, made_uid(draw), 2, number)
        made.SeriesDescription = "AXIAL 5MM"
        made.ReferencedImageSequence = [_reference(localizer)]
        axial.append(made)
    words = [word for value in (*identity.values(), *hidden.values()) for word in value.split("^")]
    canaries = tuple(word for word in words if len(word) > 2)
    return MadeStudy(study, identity, canaries, (localizer, *axial))


def with_private_series(study: MadeStudy, draw: Random) -> MadeStudy:
    """The study with one more series of a class that only its manufacturer knows."""
    raw = copy.deepcopy(study.instances[0])
    _place(raw, made_uid(draw), made_uid(draw), 99, 1)
    raw.SOPClassUID = raw.file_meta.MediaStorageSOPClassUID = PRIVATE_SOP_CLASS
    raw.SeriesDescription = "RAW"
    del raw.PixelData
    return MadeStudy(study.uid, study.identity, study.canaries, (*study.instances, raw))


def coerced(study: MadeStudy) -> MadeStudy:
    """The study as an archive sends it again: same instances, its own spelling of who and where."""
    again = copy.deepcopy(study.instances)
    hospital = study.identity["AccessionNumber"][::-1]
    for made in again:
        made.PatientName = str(made.PatientName).lower()
        made.InstitutionName = hospital
        made.RetrieveAETitle = "PACS"
        made.RequestedProcedureDescription = "CT"
    return MadeStudy(study.uid, study.identity, (*study.canaries, hospital), again)


# Where people and systems leave traces besides the attributes that name the patient.
_HIDDEN = (
    "InstitutionAddress",
    "InstitutionName",
    "OperatorsName",
    "OtherPatientIDs",
    "PatientAddress",
    "PatientComments",
    "PatientTelephoneNumbers",
    "PerformingPhysicianName",
    "StationName",
    "private",
    "request",
)


def _identity(draw: Random) -> dict[str, str]:
    return {
        "PatientID": _word(draw),
        "IssuerOfPatientID": _word(draw),
        "PatientName": f"{_word(draw)}^{_word(draw)}",
        "PatientBirthDate": f"19{draw.randint(20, 99)}{draw.randint(1, 12):02}{draw.randint(1, 28):02}",
        "PatientSex": draw.choice("FM"),
        "AccessionNumber": _word(draw),
        "StudyID": _word(draw),
        "ReferringPhysicianName": f"{_word(draw)}^{_word(draw)}",
    }


def _word(draw: Random) -> str:
    return "".join(draw.choice(string.ascii_uppercase) for _ in range(12))


def _pattern(
    identity: Mapping[str, str], hidden: Mapping[str, str], study: UID, frame: UID
) -> Dataset:
    made = ct_slice()
    for keyword, value in identity.items():
        setattr(made, keyword, value)
    for keyword, value in hidden.items():
        if keyword not in ("private", "request", "OtherPatientIDs"):
            setattr(made, keyword, value)
    made.StudyInstanceUID, made.FrameOfReferenceUID = study, frame
    made.StudyDescription = "CT ABDOMEN"
    other = Dataset()
    other.PatientID, other.TypeOfPatientID = hidden["OtherPatientIDs"], "TEXT"
    made.OtherPatientIDsSequence = [other]
    request = Dataset()
    request.RequestedProcedureID = request.ScheduledProcedureStepID = hidden["request"]
    made.RequestAttributesSequence = [request]
    made.private_block(0x0009, "GEMS_IDEN_01").add_new(0x30, "SH", hidden["private"])
    return made


def _place(made: Dataset, series: UID, instance: UID, series_number: int, number: int) -> None:
    made.SeriesInstanceUID = series
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = instance
    made.SeriesNumber, made.InstanceNumber = series_number, number
    x, y, z = made.ImagePositionPatient
    made.ImagePositionPatient = [x, y, f"{z + SPACING_MM * number:.6f}"]
    made.SliceLocation = made.ImagePositionPatient[2]


def _reference(target: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = target.SOPClassUID
    item.ReferencedSOPInstanceUID = target.SOPInstanceUID
    return item
