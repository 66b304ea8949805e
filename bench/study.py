"""A CT study to send: one public instance, repeated with other UIDs, positions and noise."""

from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import ExplicitVRLittleEndian

PUBLIC = Path(pydicom.__file__).parent / "data" / "test_files" / "CT_small.dcm"
ROOT = "1.2.826.0.1.3680043.10.1"


def write(folder: Path, slices: int, pixels: int, number: int) -> str:
    """Write the files of study `number` and return its StudyInstanceUID.

    `pixels` is the length of a side; 512 gives the usual 526 kB per instance.
    """
    folder.mkdir(parents=True)
    dice = np.random.default_rng(number)
    study = f"{ROOT}.{number}"
    dataset = pydicom.dcmread(PUBLIC)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, f"{study}.1"
    dataset.PatientID, dataset.PatientName = f"BENCH{number}", f"BENCH^NUMBER{number}"
    dataset.Rows = dataset.Columns = pixels
    for index in range(slices):
        dataset.SOPInstanceUID = f"{study}.1.{index + 1}"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.InstanceNumber, dataset.SliceLocation = index + 1, float(index)
        dataset.PixelData = dice.integers(0, 2048, (pixels, pixels), np.uint16).tobytes()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.save_as(folder / f"{index:05}.dcm", enforce_file_format=True)
    return study
