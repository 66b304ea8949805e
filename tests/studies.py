"""Small studies made from the CT that pydicom ships, with identities and UIDs of their own."""

from copy import deepcopy
from hashlib import sha256
from pathlib import Path

import pydicom
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID

CT = Path(pydicom.__file__).parent / "data" / "test_files" / "CT_small.dcm"
MADE = dcmread(CT)


def uid(*words: object) -> UID:
    """A UID that depends on the words alone."""
    digest = sha256("/".join(str(word) for word in words).encode()).digest()
    return UID(f"1.3.6.1.4.1.99999.{int.from_bytes(digest[:12], 'big')}")


def ct_study(
    patient: str = "PAT-4711", instances: int = 3, study: str = "one", series: str = "a"
) -> list[Dataset]:
    """A CT series of this patient; the same words give the same study."""
    return [ct(patient, study, series, number) for number in range(1, instances + 1)]


def ct(patient: str, study: str, series: str, number: int) -> Dataset:
    """One slice."""
    dataset = deepcopy(Dataset(MADE))
    dataset.PatientID = patient
    dataset.PatientName = f"NACHNAME{patient}^VORNAME"
    dataset.PatientBirthDate = "19610203"
    dataset.PatientSex = "F"
    dataset.AccessionNumber = f"ACC{patient}"
    dataset.StudyID = f"SID{study}"
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = "20260301"
    dataset.ContentDate = "20260301"
    dataset.StudyInstanceUID = uid("study", patient, study)
    dataset.SeriesInstanceUID = uid("series", patient, study, series)
    dataset.SOPInstanceUID = uid("sop", patient, study, series, number)
    dataset.FrameOfReferenceUID = uid("frame", patient, study)
    dataset.InstanceNumber = number
    dataset.ImagePositionPatient = [-158.1, -179.0, -75.7 + 2 * number]
    return dataset
