"""Law: a head is read as pydicom reads it, or not at all; no input costs more than a look."""

import time
from contextlib import suppress
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.dsutils import encode, split_dataset

from appliance.dicom.heads import Unreadable, identify
from appliance.dicom.storage import TRANSFER_SYNTAXES, is_storage, is_uid

FILES = Path(pydicom.__file__).parent / "data" / "test_files"


def test_every_file_of_the_bundle_is_read_as_pydicom_reads_it() -> None:
    read = 0
    for path in sorted(FILES.glob("*.dcm")):
        try:
            dataset = pydicom.dcmread(path)
            meta, offset = split_dataset(path)
            syntax = str(meta.TransferSyntaxUID)
            found = identify(path.read_bytes()[offset:], syntax)
        except (Unreadable, pydicom.errors.InvalidDicomError, AttributeError):
            continue
        if syntax not in TRANSFER_SYNTAXES:
            continue
        read += 1
        for value, keyword in (
            (found.sop_class, "SOPClassUID"),
            (found.sop_instance, "SOPInstanceUID"),
            (found.study, "StudyInstanceUID"),
            (found.series, "SeriesInstanceUID"),
            (found.patient_id, "PatientID"),
        ):
            assert value == str(dataset.get(keyword) or "").strip(), (path.name, keyword)
    assert read >= 40


def nested(depth: int) -> Dataset:
    dataset = Dataset()
    dataset.CodeMeaning = "x"
    for _ in range(depth):
        outer = Dataset()
        outer.ReferencedImageSequence = Sequence([dataset])
        outer["ReferencedImageSequence"].is_undefined_length = True
        dataset.is_undefined_length_sequence_item = True
        dataset = outer
    return dataset


@pytest.mark.parametrize("implicit", [True, False])
def test_sequences_of_undefined_length_are_passed_over_at_any_honest_depth(implicit: bool) -> None:
    dataset = nested(60)
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    dataset.SOPInstanceUID = "1.2.3"
    dataset.PatientID = "after"
    dataset.StudyInstanceUID = "1.2"
    dataset.SeriesInstanceUID = "1.3"
    data = encode(dataset, implicit, True)
    assert data is not None
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    assert identify(data, syntax).patient_id == "after"


@settings(max_examples=500, deadline=None)
@given(data=st.binary(max_size=3000), implicit=st.booleans())
def test_any_bytes_are_read_or_unreadable(data: bytes, implicit: bool) -> None:
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    with suppress(Unreadable):
        identify(data, syntax)


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, 1200), value=st.integers(0, 255), cut=st.integers(0, 1200))
def test_a_changed_or_cut_file_is_read_or_unreadable(at: int, value: int, cut: int) -> None:
    _, offset = split_dataset(FILES / "CT_small.dcm")
    data = bytearray((FILES / "CT_small.dcm").read_bytes()[offset:])
    data[at] = value
    for attempt in (bytes(data), bytes(data[:cut])):
        with suppress(Unreadable):
            identify(attempt, ExplicitVRLittleEndian)


def test_a_bomb_of_items_ends_soon() -> None:
    item = b"\xfe\xff\x00\xe0\0\0\0\0"
    data = b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff" + item * 500_000
    started = time.monotonic()
    with pytest.raises(Unreadable):
        identify(data, ExplicitVRLittleEndian)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("uid", "storage"),
    [
        ("1.2.840.10008.5.1.4.1.1.2", True),
        ("1.2.840.10008.5.1.4.1.1.99999", True),
        ("1.3.12.2.1107.5.9.1", True),
        ("1.2.840.10008.5.1.1.29", True),
        ("1.2.840.10008.1.1", False),
        ("1.2.840.10008.1.20.1", False),
        ("1.2.840.10008.1.3.10", False),
        ("1.2.840.10008.5.1.4.1.2.2.1", False),
        ("1.2.840.10008.5.1.4.1.1.201.2", False),
        ("1.2.840.10008.5.1.4.31", False),
        ("../../etc", False),
    ],
)
def test_what_counts_as_storage(uid: str, storage: bool) -> None:
    assert is_storage(uid) is storage


@pytest.mark.parametrize(
    "text", ["", "1.", ".1", "1..2", "01.2", "1.02", "1.2\n", "1.2 ", "1." * 40]
)
def test_what_is_no_uid(text: str) -> None:
    assert not is_uid(text)
