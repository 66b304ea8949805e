"""Results as a partner makes them, from a pseudonymised CT series: SEG, SR, RT and pictures.

The samples of pydicom hold odd values, about which it warns: making them is `lenient`.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from io import BytesIO
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
from highdicom.sr.coding import CodedConcept
from pydicom import Dataset, FileMetaDataset
from pydicom.data import get_testdata_file
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes

from appliance.keyed import mapped_uid
from appliance.reid import PatientNow, Sent
from appliance.reid.reading import lenient

KEY = b"k" * 32
PSEUDONYM = "DEMO-7QK2V9XM3B4TZ"
OFFSET = -417
STUDY = "1.2.840.113619.9.1"
SERIES = "1.2.840.113619.9.1.2"
FRAME = "1.2.840.113619.9.1.3"
SOPS = tuple(f"1.2.840.113619.9.1.2.{n}" for n in range(1, 4))
ORIGINALS = (STUDY, SERIES, FRAME, *SOPS)
STUDY_DATE = "20240311"
SENT = Sent(
    study=STUDY,
    pseudonym=PSEUDONYM,
    uids={mapped_uid(KEY, uid): uid for uid in ORIGINALS},
    sops=frozenset(mapped_uid(KEY, uid) for uid in SOPS),
    k_uid=KEY,
    offset_days=OFFSET,
    shifted=True,
)
PSTUDY = mapped_uid(KEY, STUDY)
NOW = PatientNow(
    PatientID="0012345678",
    IssuerOfPatientID="CHU",
    PatientName="Lefèvre^Zoé",
    PatientBirthDate="19740311",
    PatientSex="F",
    StudyDate=STUDY_DATE,
    StudyTime="101530",
    AccessionNumber="A2024001",
    StudyID="17",
    ReferringPhysicianName="Garçon^Noël",
    StudyDescription="Scanner thoracique à jeun",
)


def shifted_date() -> str:
    day = date(2024, 3, 11) + timedelta(OFFSET)
    return f"{day:%Y%m%d}"


@lenient()
def written(ds: Dataset) -> bytes:
    stream = BytesIO()
    ds.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


@lenient()
def reading(file: bytes) -> Dataset:
    ds = pydicom.dcmread(BytesIO(file))
    for element in ds.iterall():
        str(element.value)
    return ds


@cache
@lenient()
def series() -> tuple[Dataset, ...]:
    """pydicom's CT slice, three times over, as the partner got it."""
    slices = []
    for number, sop in enumerate(SOPS):
        ds = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
        ds.remove_private_tags()
        ds.StudyInstanceUID, ds.SeriesInstanceUID = PSTUDY, mapped_uid(KEY, SERIES)
        ds.FrameOfReferenceUID, ds.SOPInstanceUID = mapped_uid(KEY, FRAME), mapped_uid(KEY, sop)
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        ds.PatientID = ds.PatientName = PSEUDONYM
        ds.PatientBirthDate, ds.StudyDate, ds.AccessionNumber = "", shifted_date(), ""
        ds.ImagePositionPatient = [-100, -100, number * 5]
        ds.InstanceNumber = number + 1
        slices.append(ds)
    return tuple(slices)


def _common(ds: Dataset) -> Dataset:
    """What a partner's tool copies from the series, and its own marks of de-identification."""
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = "research-pacs"
    ds.LongitudinalTemporalInformationModified = "MODIFIED"
    ds.ClinicalTrialSubjectID = PSEUDONYM
    ds.private_block(0x0099, "ACME", create=True).add_new(1, "LO", f"for {PSEUDONYM}")
    return ds


@cache
@lenient()
def seg() -> bytes:
    algorithm = hd.AlgorithmIdentificationSequence("net", codes.cid7162.ArtificialIntelligence, "1")
    segment = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="lesion",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
        tracking_uid="1.3.6.1.4.1.5962.1.77",
        tracking_id="lesion 1",
    )
    mask = np.zeros((3, 128, 128), dtype=np.uint8)
    mask[:, 20:40, 20:40] = 1
    ds = hd.seg.Segmentation(
        source_images=list(series()),
        pixel_array=mask,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[segment],
        series_instance_uid="1.3.6.1.4.1.5962.1.1",
        series_number=100,
        sop_instance_uid="1.3.6.1.4.1.5962.1.2",
        instance_number=1,
        manufacturer="Partner",
        manufacturer_model_name="net",
        software_versions="1",
        device_serial_number="1",
        series_description=f"mask of {PSEUDONYM}",
        content_label="MASK",
    )
    return written(_common(ds))


@cache
@lenient()
def sr() -> bytes:
    finding = hd.sr.TrackingIdentifier("1.3.6.1.4.1.5962.1.78", "lesion 1")
    region = hd.sr.ImageRegion(
        graphic_type=hd.sr.GraphicTypeValues.CIRCLE,
        graphic_data=np.array([[10.0, 10.0], [20.0, 20.0]]),
        source_image=hd.sr.SourceImageForRegion(
            referenced_sop_class_uid=series()[0].SOPClassUID,
            referenced_sop_instance_uid=series()[0].SOPInstanceUID,
        ),
    )
    group = hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=finding,
        referenced_region=region,
        finding_type=codes.SCT.Lesion,
        measurements=[
            hd.sr.Measurement(name=codes.SCT.Diameter, value=12.0, unit=codes.UCUM.Millimeter)
        ],
    )
    observer = hd.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid="1.3.6.1.4.1.5962.1.79"
        ),
    )
    report = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=observer),
        procedure_reported=CodedConcept("77477000", "SCT", "CT"),
        imaging_measurements=[group],
    )
    ds = hd.sr.Comprehensive3DSR(
        evidence=list(series()),
        content=report,
        series_instance_uid="1.3.6.1.4.1.5962.2.1",
        series_number=101,
        sop_instance_uid="1.3.6.1.4.1.5962.2.2",
        instance_number=1,
        manufacturer="Partner",
        series_description="measurements",
        is_complete=True,
        is_verified=True,
        verifying_observer_name="Robot^One",
        verifying_organization="Partner",
    )
    ds = reading(written(ds))
    ds.ContentSequence.append(_note(f"{PSEUDONYM}: see {series()[0].SOPInstanceUID}, café"))
    ds.SpecificCharacterSet = "ISO_IR 192"
    return written(_common(ds))


def _note(text: str) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType, item.TextValue = "CONTAINS", "TEXT", text
    item.ConceptNameCodeSequence = [CodedConcept("121106", "DCM", "Comment")]
    item.ObservationDateTime = f"{shifted_date()}101530"
    return item


SAMPLES = Path(pydicom.__file__).parent / "data" / "test_files"


def _sample(name: str, number: int) -> Dataset:
    """One of pydicom's RT files, made to refer to what was sent."""
    ds = pydicom.dcmread(SAMPLES / name, force=True)
    if "TransferSyntaxUID" not in (ds.get("file_meta") or FileMetaDataset()):
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
    ds.remove_private_tags()
    ds.StudyInstanceUID, ds.PatientID, ds.PatientName = PSTUDY, PSEUDONYM, PSEUDONYM
    ds.StudyDate = shifted_date()
    ds.SOPInstanceUID = f"1.3.6.1.4.1.5962.{number}.2"
    ds.SeriesInstanceUID = f"1.3.6.1.4.1.5962.{number}.1"
    return ds


@cache
@lenient()
def rtstruct() -> bytes:
    ds = _sample("rtstruct.dcm", 3)
    ds.FrameOfReferenceUID = mapped_uid(KEY, FRAME)
    frame = ds.ReferencedFrameOfReferenceSequence[0]
    frame.FrameOfReferenceUID = mapped_uid(KEY, FRAME)
    study = frame.RTReferencedStudySequence[0]
    study.ReferencedSOPInstanceUID = PSTUDY
    image = Dataset()
    image.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    image.ReferencedSOPInstanceUID = mapped_uid(KEY, SOPS[0])
    study.RTReferencedSeriesSequence[0].SeriesInstanceUID = mapped_uid(KEY, SERIES)
    study.RTReferencedSeriesSequence[0].ContourImageSequence = Sequence([image])
    for roi in ds.StructureSetROISequence:
        roi.ReferencedFrameOfReferenceUID = mapped_uid(KEY, FRAME)
    return written(_common(ds))


@cache
@lenient()
def rtplan() -> bytes:
    ds = _sample("rtplan.dcm", 4)
    ds.ReferencedStructureSetSequence[0].ReferencedSOPInstanceUID = "1.3.6.1.4.1.5962.3.2"
    for item in ds.get("ReferencedRTPlanSequence", []):
        item.ReferencedSOPInstanceUID = "1.3.6.1.4.1.5962.4.2"
    return written(_common(ds))


@cache
@lenient()
def rtdose() -> bytes:
    ds = _sample("rtdose.dcm", 5)
    ds.FrameOfReferenceUID = mapped_uid(KEY, FRAME)
    ds.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID = "1.3.6.1.4.1.5962.4.2"
    return written(_common(ds))


@cache
@lenient()
def picture() -> bytes:
    ds = pydicom.dcmread(SAMPLES / "SC_rgb_small_odd.dcm")
    ds.remove_private_tags()
    ds.StudyInstanceUID, ds.PatientID, ds.PatientName = PSTUDY, PSEUDONYM, PSEUDONYM
    ds.SeriesInstanceUID, ds.SOPInstanceUID = "1.3.6.1.4.1.5962.6.1", "1.3.6.1.4.1.5962.6.2"
    ds.ImageType = ["DERIVED", "PRIMARY"]
    for element in [element for element in ds if element.VR == "SQ"]:
        del ds[element.tag]
    return written(_common(ds))


RESULTS: dict[str, Callable[[], bytes]] = {
    "seg": seg, "sr": sr, "rtstruct": rtstruct, "rtplan": rtplan, "rtdose": rtdose,
}  # fmt: skip


def delivery(*names: str) -> dict[str, bytes]:
    files = [RESULTS[name]() for name in (names or RESULTS)]
    return {str(reading(file).SOPInstanceUID): file for file in files}


@lenient()
def changed(file: bytes, change: Callable[[Dataset], object]) -> bytes:
    ds = reading(file)
    change(ds)
    return written(ds)


def other_patient() -> Sent:
    return replace(SENT, pseudonym="DEMO-0000000000000")
