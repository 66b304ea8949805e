"""Objects of an ordinary radiology week, made from the headers of pydicom's public files.

Headers are those of real devices, private elements included; pixels are cut down to a few
kilobytes. Names, numbers and dates are invented. Nothing is downloaded.
"""

import warnings
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID

from tests.studies import uid

IMPLICIT, EXPLICIT, JPEG_2000, RLE = (
    f"1.2.840.10008.1.2{tail}" for tail in ("", ".1", ".4.91", ".5")
)
STORAGE = "1.2.840.10008.5.1.4.1.1."
SIEMENS_NON_IMAGE = "1.3.12.2.1107.5.9.1"
SIDE = 16
# What the publishers of the files wrote into them; no scanner does.
PUBLISHED = (
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
)


@dataclass(frozen=True)
class Patient:
    """An invented person, as the worklist has him."""

    number: str
    name: str
    born: str
    sex: str


@dataclass(frozen=True)
class Instance:
    """One object as it goes over the network."""

    dataset: Dataset
    syntax: str = EXPLICIT

    def encoded(self) -> bytes:
        """The bare data set, as C-STORE carries it."""
        out = DicomBytesIO()
        out.is_little_endian, out.is_implicit_VR = True, self.syntax == IMPLICIT
        with warnings.catch_warnings():
            # Real devices write odd values; they are meant to arrive as they are.
            warnings.simplefilter("ignore")
            write_dataset(out, self.dataset)
        return out.getvalue()


@cache
def pattern(package: str, *path: str) -> Dataset:
    """A public file as it is; `package` is pydicom or its companion with larger files."""
    place = (
        files("pydicom") / "data" / "test_files"
        if package == "pydicom"
        else files(package) / "data"
    )
    for part in path:
        place /= part
    with warnings.catch_warnings(), place.open("rb") as stream:
        warnings.simplefilter("ignore")
        dataset = dcmread(stream, force=True)
        for element in dataset.iterall():
            str(element.value)
    return Dataset(dataset)


CT = ("pydicom", "CT_small.dcm")
CT_ENHANCED = ("data_store", "eCT_Supplemental.dcm")
MR = ("pydicom", "MR_small.dcm")
MR_SIEMENS = ("data_store", "MR-SIEMENS-DICOM-WithOverlays.dcm")
MR_ENHANCED = ("data_store", "emri_small.dcm")
CR = ("data_store", "RG3_J2KI.dcm")
US = ("data_store", "OBXXXX1A_rle.dcm")
NM = ("pydicom", "JPEG2000.dcm")
SCREEN = ("data_store", "SC_rgb.dcm")
REPORT = ("pydicom", "test-SR.dcm")
RTSTRUCT, RTPLAN = ("pydicom", "rtstruct.dcm"), ("pydicom", "rtplan.dcm")


def cut(dataset: Dataset) -> Dataset:
    """The same header over a small uncompressed picture."""
    dataset.Rows = dataset.Columns = SIDE
    frames = min(int(dataset.get("NumberOfFrames", None) or 1), 2)
    if "NumberOfFrames" in dataset:
        dataset.NumberOfFrames = frames
    if "PerFrameFunctionalGroupsSequence" in dataset:
        del dataset.PerFrameFunctionalGroupsSequence[frames:]
    size = SIDE * SIDE * int(dataset.SamplesPerPixel) * int(dataset.BitsAllocated) // 8 * frames
    dataset.PixelData = bytes(number * 7 % 251 for number in range(size))
    dataset["PixelData"].VR = "OB" if dataset.BitsAllocated == 8 else "OW"
    dataset["PixelData"].is_undefined_length = False
    return dataset


@dataclass(frozen=True)
class Examination:
    """A study of one patient: what all its objects share."""

    name: str
    patient: Patient
    day: str
    description: str

    def made(self, of: Sequence[str], series: str, number: int, **values: object) -> Dataset:
        """One object from a pattern; `values` are set last, by keyword."""
        dataset = deepcopy(pattern(*of))
        for keyword in PUBLISHED:
            if keyword in dataset:
                delattr(dataset, keyword)
        if "PixelData" in dataset:
            cut(dataset)
        patient, order = self.patient, int(uid("order", self.name).split(".")[-1]) % 10**6
        shared = {
            "SpecificCharacterSet": "ISO_IR 100",
            "PatientID": patient.number,
            "PatientName": patient.name,
            "PatientBirthDate": patient.born,
            "PatientSex": patient.sex,
            "AccessionNumber": f"A26{order:06}",
            "StudyID": f"{order % 1000}",
            "StudyDescription": self.description,
            "InstitutionName": "CHU de Ville-Exemple",
            "ReferringPhysicianName": "Garçon^Noël^^Dr",
            "OperatorsName": "Manip^Aude",
            "StudyInstanceUID": uid("study", self.name),
            "SeriesInstanceUID": uid("series", self.name, series),
            "SOPInstanceUID": uid("sop", self.name, series, number),
            "SeriesNumber": 1 + len(series),
            "InstanceNumber": number,
            "SeriesDescription": series,
            "StudyTime": "081500",
        }
        for keyword in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
            shared[keyword] = self.day
        if "FrameOfReferenceUID" in dataset:
            shared["FrameOfReferenceUID"] = uid("frame", self.name)
        for keyword, value in (shared | values).items():
            setattr(dataset, keyword, value)
        return dataset

    def images(
        self, of: Sequence[str], series: str, count: int, **values: object
    ) -> list[Instance]:
        """A series of images."""
        return [Instance(self.made(of, series, number, **values)) for number in range(1, count + 1)]

    # ── what comes beside the images ──────────────────────────────────────────────────────────

    def dose_report(self) -> Instance:
        """A radiation dose SR, as every scanner writes it."""
        made = self.made(
            REPORT, "Dose Report", 1, Modality="SR", SOPClassUID=UID(STORAGE + "88.67")
        )
        return Instance(made)

    def screen_save(self, series: str = "Patient Protocol") -> Instance:
        """A page of the console as a picture, with the name in its pixels."""
        made = self.made(SCREEN, series, 1, Modality="CT", BurnedInAnnotation="YES")
        made.ImageType = ["DERIVED", "SECONDARY", "SCREEN SAVE"]
        return Instance(made)

    def presentation_state(self, images: Sequence[Instance]) -> Instance:
        """A GSPS with a remark, which the radiologist's workstation stores."""
        made = self._beside("GSPS", "PR", STORAGE + "11.1", images)
        made.ContentLabel, made.ContentCreatorName = "ARROW", "Radiologue^Inès"
        made.PresentationCreationDate, made.PresentationCreationTime = self.day, "101500"
        text = Dataset()
        text.UnformattedTextValue, text.BoundingBoxAnnotationUnits = "lésion ?", "PIXEL"
        note = Dataset()
        note.GraphicLayer, note.TextObjectSequence = "LAYER", Items([text])
        made.GraphicAnnotationSequence = Items([note])
        return Instance(made)

    def key_object(self, images: Sequence[Instance]) -> Instance:
        """A key object selection, "of interest"."""
        made = self._beside("Key images", "KO", STORAGE + "88.59", images)
        title = Dataset()
        title.CodeValue, title.CodingSchemeDesignator, title.CodeMeaning = (
            "113000",
            "DCM",
            "Of Interest",
        )
        made.ValueType, made.ContinuityOfContent = "CONTAINER", "SEPARATE"
        made.ConceptNameCodeSequence = Items([title])
        made.CurrentRequestedProcedureEvidenceSequence = made.ReferencedSeriesSequence
        del made.ReferencedSeriesSequence
        return Instance(made)

    def raw_object(self) -> Instance:
        """An object of a class that only its manufacturer knows."""
        made = self.made(MR, "Raw", 1, SOPClassUID=UID(SIEMENS_NON_IMAGE), Modality="MR")
        del made.PixelData
        return Instance(made)

    def _beside(
        self, series: str, modality: str, sop_class: str, images: Sequence[Instance]
    ) -> Dataset:
        made = self.made(REPORT, series, 1, Modality=modality, SOPClassUID=UID(sop_class))
        for keyword in ("ContentSequence", "ConceptNameCodeSequence", "VerifyingObserverSequence"):
            if keyword in made:
                delattr(made, keyword)
        first = images[0].dataset
        named = Dataset()
        named.SeriesInstanceUID = first.SeriesInstanceUID
        named.ReferencedImageSequence = Items([_reference(one.dataset) for one in images])
        made.ReferencedSeriesSequence = Items([named])
        return made


def _reference(target: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = target.SOPClassUID
    item.ReferencedSOPInstanceUID = target.SOPInstanceUID
    return item


def coerced(
    instances: Sequence[Instance], *habits: Callable[[Instance], Instance]
) -> list[Instance]:
    """The same instances as the PACS forwards them: its own spelling of who and where."""
    again = []
    for one in instances:
        made = Instance(deepcopy(one.dataset), one.syntax)
        ds = made.dataset
        ds.PatientName = str(ds.PatientName).upper()
        ds.InstitutionName = "CHU VILLE-EXEMPLE"
        ds.ReferringPhysicianName = "GARCON^NOEL"
        ds.RetrieveAETitle = "PACS_CHUVE"
        ds.RequestedProcedureDescription = ds.StudyDescription.upper()
        former, original = Dataset(), Dataset()
        original.PatientName = one.dataset.PatientName
        former.ModifiedAttributesSequence = Items([original])
        former.AttributeModificationDateTime = "20261120120000"
        former.ModifyingSystem, former.SourceOfPreviousValues = "PACS_CHUVE", "CT_RADIO_1"
        former.ReasonForTheAttributeModification = "COERCE"
        ds.OriginalAttributesSequence = Items([former])
        for habit in habits:
            made = habit(made)
        again.append(made)
    return again


def in_unicode(one: Instance) -> Instance:
    """Text is written in UTF-8."""
    one.dataset.SpecificCharacterSet = "ISO_IR 192"
    return one


def with_issuer(one: Instance) -> Instance:
    """The hospital's assigner stands beside the Patient ID."""
    one.dataset.IssuerOfPatientID = "CHUVE"
    return one


def implicit(one: Instance) -> Instance:
    """The data set is written without VRs, which every DICOM node must understand."""
    return Instance(one.dataset, IMPLICIT)
