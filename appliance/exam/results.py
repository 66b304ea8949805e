"""What a research partner makes of a study: a segmentation or a report, true DICOM, and spoiled ones.

References are right by construction: they name instances that the partner has received. The
spoilers break one thing each, and the appliance must name it by its code.
"""

import copy
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from random import Random

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from appliance.exam.material import made_uid

SEGMENTATION = UID("1.2.840.10008.5.1.4.1.1.66.4")
COMPREHENSIVE_SR = UID("1.2.840.10008.5.1.4.1.1.88.33")
_PROCEDURE_STEP = UID("1.2.840.10008.3.1.2.3.3")

# What a tool copies from the images that it has worked on (PS3.3 C.7.1, C.7.2).
_TAKEN_OVER = (
    "SpecificCharacterSet",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "StudyInstanceUID",
    "StudyID",
)
# Type 2: present, empty where the images have none.
_NEVER_ABSENT = (
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
)


class ResultKind(StrEnum):
    """What the partner returns."""

    SEG = "seg"
    SR = "sr"


class Spoiler(StrEnum):
    """One named defect of a delivery."""

    # The pseudonym of another patient with this study: Q04.
    PATIENT_SWAP = "patient-swap"
    # A study that was never sent: Q03.
    UNKNOWN_STUDY = "unknown-study"
    # A reference to an instance that was never sent: Q05.
    FOREIGN_REF = "foreign-ref"
    # An original image instead of a result: Q15.
    ORIGINALS_BACK = "originals-back"


def made_result(
    kind: ResultKind, received: Sequence[Dataset], draw: Random, now: datetime
) -> Dataset:
    """A result about the largest series of the received instances of one study."""
    sources = _largest_series(received)
    return {ResultKind.SEG: _segmentation, ResultKind.SR: _report}[kind](sources, draw, now)


def spoiled(
    spoiler: Spoiler, result: Dataset, received: Sequence[Dataset], draw: Random
) -> Dataset:
    """The result with one defect; the others of its attributes stay as they were."""
    bad = copy.deepcopy(result)
    match spoiler:
        case Spoiler.PATIENT_SWAP:
            bad.PatientID = bad.PatientName = _turned(str(result.PatientID))
        case Spoiler.UNKNOWN_STUDY:
            bad.StudyInstanceUID = made_uid(draw)
        case Spoiler.FOREIGN_REF:
            _first_reference(bad).ReferencedSOPInstanceUID = made_uid(draw)
        case Spoiler.ORIGINALS_BACK:
            bad = copy.deepcopy(_largest_series(received)[0])
            bad.SeriesInstanceUID = made_uid(draw)
    return bad


def _largest_series(received: Sequence[Dataset]) -> list[Dataset]:
    series: dict[str, list[Dataset]] = {}
    for one in received:
        if "ImagePositionPatient" in one and "PixelData" in one:
            series.setdefault(str(one.SeriesInstanceUID), []).append(one)
    largest = max(series.values(), key=len)
    return sorted(largest, key=lambda one: float(one.ImagePositionPatient[2]))


def _turned(pseudonym: str) -> str:
    site, dash, rest = pseudonym.rpartition("-")
    return site + dash + rest[::-1]


def _first_reference(result: Dataset) -> Dataset:
    found = [one for one in _items(result) if "ReferencedSOPInstanceUID" in one]
    return found[0]


def _items(dataset: Dataset) -> list[Dataset]:
    inside = [item for element in dataset if element.VR == "SQ" for item in element.value]
    return [below for item in inside for below in (item, *_items(item))]


def _started(sources: Sequence[Dataset], sop_class: UID, draw: Random, now: datetime) -> Dataset:
    made = Dataset()
    for keyword in _TAKEN_OVER:
        if keyword in sources[0]:
            made.add(copy.deepcopy(sources[0][keyword]))
    for keyword in _NEVER_ABSENT:
        if keyword not in made:
            setattr(made, keyword, "")
    made.SOPClassUID, made.SOPInstanceUID = sop_class, made_uid(draw)
    made.SeriesInstanceUID = made_uid(draw)
    made.SeriesNumber, made.InstanceNumber = 900, 1
    made.SeriesDate = made.ContentDate = now.strftime("%Y%m%d")
    made.SeriesTime = made.ContentTime = now.strftime("%H%M%S")
    made.Manufacturer, made.ManufacturerModelName = "synthetic partner", "exam"
    made.DeviceSerialNumber, made.SoftwareVersions = "1", "1"
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID = sop_class
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _image(source: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = source.SOPClassUID
    item.ReferencedSOPInstanceUID = source.SOPInstanceUID
    return item


def _evidence(sources: Sequence[Dataset]) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = sources[0].SeriesInstanceUID
    series.ReferencedSOPSequence = [_image(source) for source in sources]
    study = Dataset()
    study.StudyInstanceUID = sources[0].StudyInstanceUID
    study.ReferencedSeriesSequence = [series]
    return study


def _segmentation(sources: Sequence[Dataset], draw: Random, now: datetime) -> Dataset:
    """A binary SEG (PS3.3 A.51): one square segment on each slice."""
    made = _started(sources, SEGMENTATION, draw, now)
    first = sources[0]
    made.Modality, made.SeriesDescription = "SEG", "Square"
    made.ImageType = ["DERIVED", "PRIMARY"]
    made.FrameOfReferenceUID = first.FrameOfReferenceUID
    made.PositionReferenceIndicator = ""
    made.ContentLabel, made.ContentDescription, made.ContentCreatorName = "SQUARE", "", ""
    made.Rows, made.Columns = first.Rows, first.Columns
    made.NumberOfFrames = len(sources)
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 1
    made.HighBit = made.PixelRepresentation = 0
    made.LossyImageCompression = "00"
    made.SegmentationType = "BINARY"
    made.SegmentSequence = [_segment(draw)]
    used = Dataset()
    used.SeriesInstanceUID = first.SeriesInstanceUID
    used.ReferencedInstanceSequence = [_image(source) for source in sources]
    made.ReferencedSeriesSequence = [used]
    _add_dimensions(made, draw)
    _add_frames(made, sources)
    made.PixelData = _square(first.Rows, first.Columns) * len(sources)
    if len(made.PixelData) % 2:
        made.PixelData += b"\0"
    return made


def _segment(draw: Random) -> Dataset:
    segment = Dataset()
    segment.SegmentNumber, segment.SegmentLabel = 1, "Square"
    segment.SegmentAlgorithmType, segment.SegmentAlgorithmName = "AUTOMATIC", "exam"
    segment.SegmentedPropertyCategoryCodeSequence = [_code("85756007", "SCT", "Tissue")]
    segment.SegmentedPropertyTypeCodeSequence = [_code("85756007", "SCT", "Tissue")]
    segment.TrackingID, segment.TrackingUID = "Square", made_uid(draw)
    return segment


def _add_dimensions(made: Dataset, draw: Random) -> None:
    organization = made_uid(draw)
    owner = Dataset()
    owner.DimensionOrganizationUID = organization
    made.DimensionOrganizationSequence = [owner]
    made.DimensionOrganizationType = "3D"
    made.DimensionIndexSequence = []
    for pointer, group in ((0x0062000B, 0x0062000A), (0x00200032, 0x00209113)):
        index = Dataset()
        index.DimensionOrganizationUID = organization
        index.DimensionIndexPointer, index.FunctionalGroupPointer = pointer, group
        made.DimensionIndexSequence.append(index)


def _add_frames(made: Dataset, sources: Sequence[Dataset]) -> None:
    first = sources[0]
    measures, orientation, shared = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = first.PixelSpacing, first.SliceThickness
    measures.SpacingBetweenSlices = first.SliceThickness
    orientation.ImageOrientationPatient = first.ImageOrientationPatient
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    made.SharedFunctionalGroupsSequence = [shared]
    made.PerFrameFunctionalGroupsSequence = [
        _frame(number, source) for number, source in enumerate(sources, 1)
    ]


def _frame(number: int, source: Dataset) -> Dataset:
    content, position, identity = Dataset(), Dataset(), Dataset()
    content.DimensionIndexValues = [1, number]
    position.ImagePositionPatient = source.ImagePositionPatient
    identity.ReferencedSegmentNumber = 1
    used = _image(source)
    used.PurposeOfReferenceCodeSequence = [
        _code("121322", "DCM", "Source Image for Image Processing Operation")
    ]
    derivation = Dataset()
    derivation.DerivationCodeSequence = [_code("113076", "DCM", "Segmentation")]
    derivation.SourceImageSequence = [used]
    frame = Dataset()
    frame.FrameContentSequence, frame.PlanePositionSequence = [content], [position]
    frame.SegmentIdentificationSequence, frame.DerivationImageSequence = [identity], [derivation]
    return frame


def _square(rows: int, columns: int) -> bytes:
    """A frame of bits, the least significant first (PS3.5 8.1.1), with a square in its middle."""
    bits = [
        rows // 4 <= row < 3 * rows // 4 and columns // 4 <= column < 3 * columns // 4
        for row in range(rows)
        for column in range(columns)
    ]
    return bytes(
        sum(bit << place for place, bit in enumerate(bits[at : at + 8]))
        for at in range(0, len(bits), 8)
    )


def _report(sources: Sequence[Dataset], draw: Random, now: datetime) -> Dataset:
    """A Comprehensive SR with one measurement group after TID 1500 (PS3.16)."""
    made = _started(sources, COMPREHENSIVE_SR, draw, now)
    made.Modality, made.SeriesDescription = "SR", "Measurements"
    made.ReferencedPerformedProcedureStepSequence = []
    made.CompletionFlag, made.VerificationFlag = "COMPLETE", "UNVERIFIED"
    made.PerformedProcedureCodeSequence = []
    made.CurrentRequestedProcedureEvidenceSequence = [_evidence(sources)]
    made.ValueType, made.ContinuityOfContent = "CONTAINER", "SEPARATE"
    made.ConceptNameCodeSequence = [_code("126000", "DCM", "Imaging Measurement Report")]
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "1500"
    made.ContentTemplateSequence = [template]
    language = _item(
        "HAS CONCEPT MOD", "CODE", ("121049", "Language of Content Item and Descendants")
    )
    language.ConceptCodeSequence = [_code("en", "RFC5646", "English")]
    observer = _item("HAS OBS CONTEXT", "CODE", ("121005", "Observer Type"))
    observer.ConceptCodeSequence = [_code("121007", "DCM", "Device")]
    device = _item("HAS OBS CONTEXT", "UIDREF", ("121012", "Device Observer UID"))
    device.UID = made_uid(draw)
    procedure = _item("HAS CONCEPT MOD", "CODE", ("121058", "Procedure reported"))
    procedure.ConceptCodeSequence = [_code("77477000", "SCT", "Computed tomography")]
    measured = _container(
        ("126010", "Imaging Measurements"), [_group(sources[len(sources) // 2], draw)]
    )
    made.ContentSequence = [language, observer, device, procedure, measured]
    return made


def _group(source: Dataset, draw: Random) -> Dataset:
    identifier = _item("HAS OBS CONTEXT", "TEXT", ("112039", "Tracking Identifier"))
    identifier.TextValue = "Square"
    unique = _item("HAS OBS CONTEXT", "UIDREF", ("112040", "Tracking Unique Identifier"))
    unique.UID = made_uid(draw)
    image = _item("CONTAINS", "IMAGE", ("121112", "Source of Measurement"))
    image.ReferencedSOPSequence = [_image(source)]
    length = _item("CONTAINS", "NUM", ("121206", "Distance"))
    value = Dataset()
    value.MeasurementUnitsCodeSequence = [_code("mm", "UCUM", "millimeter")]
    value.NumericValue = "42.0"
    length.MeasuredValueSequence = [value]
    return _container(("125007", "Measurement Group"), [identifier, unique, image, length])


def _item(relation: str, value_type: str, concept: tuple[str, str]) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = relation, value_type
    item.ConceptNameCodeSequence = [_code(concept[0], "DCM", concept[1])]
    return item


def _container(concept: tuple[str, str], content: list[Dataset]) -> Dataset:
    item = _item("CONTAINS", "CONTAINER", concept)
    item.ContinuityOfContent = "SEPARATE"
    item.ContentSequence = content
    return item
