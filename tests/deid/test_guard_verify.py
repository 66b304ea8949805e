"""Law: a finished file that is not what its plan says never leaves (D09)."""

import re
from collections.abc import Callable
from io import BytesIO

import pytest
from pydicom import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from appliance.deid import guard
from appliance.errors import Refusal
from appliance.keyed import mapped_uid

KEY = b"k" * 32
SOP = mapped_uid(KEY, "1.2.3.4")
STUDY = mapped_uid(KEY, "1.2.3")
EXPECTED = guard.Expected("DEMO-1", frozenset({SOP, STUDY}), "MODIFIED")
CT = "1.2.840.10008.5.1.4.1.1.2"


def code(value: str, scheme: str = "DCM") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "x"
    return item


def good() -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = CT
    ds.file_meta.MediaStorageSOPInstanceUID = SOP
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID, ds.StudyInstanceUID = CT, SOP, STUDY
    ds.PatientName = ds.PatientID = "DEMO-1"
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = "research-pacs"
    ds.DeidentificationMethodCodeSequence = Sequence([code("113100"), code("113107")])
    ds.LongitudinalTemporalInformationModified = "MODIFIED"
    return ds


def written(ds: Dataset) -> bytes:
    stream = BytesIO()
    ds.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def test_a_good_file_passes() -> None:
    guard.verify(written(good()), EXPECTED)


def nested(ds: Dataset) -> Dataset:
    ds.ReferencedImageSequence = Sequence([Dataset()])
    return ds.ReferencedImageSequence[0]


SPOILED: dict[str, Callable[[Dataset], object]] = {
    "marker (0012,0062)": lambda ds: setattr(ds, "PatientIdentityRemoved", "NO"),
    "marker (0012,0063)": lambda ds: setattr(ds, "DeidentificationMethod", ""),
    "marker (0028,0303)": lambda ds: delattr(ds, "LongitudinalTemporalInformationModified"),
    "claims too much": lambda ds: ds.DeidentificationMethodCodeSequence.append(code("113110")),
    "(0012,0064) is missing": lambda ds: ds.DeidentificationMethodCodeSequence.pop(0),
    "does not match the dates": lambda ds: ds.DeidentificationMethodCodeSequence.pop(1),
    "(0010,0020) is not": lambda ds: setattr(ds, "PatientID", "4711"),
    "(0010,0010) is not": lambda ds: delattr(ds, "PatientName"),
    "(0008,1140)[0]>(0010,0020)": lambda ds: setattr(nested(ds), "PatientID", "4711"),
    "(0010,0030) is not empty": lambda ds: setattr(ds, "PatientBirthDate", "19740311"),
    "unmapped UID at (0020,000E)": lambda ds: setattr(ds, "SeriesInstanceUID", "1.2.3.9"),
    "unmapped UID at (0008,1140)[0]>(0008,1155)": lambda ds: setattr(
        nested(ds), "ReferencedSOPInstanceUID", "1.2.840.10008.5.1.4.1.1.2.77"
    ),
    "(0002,0016)": lambda ds: setattr(ds.file_meta, "SourceApplicationEntityTitle", "CT01"),
    "(0009,0010) must not": lambda ds: ds.private_block(9, "ACME", create=True),
    "(0400,0561) must not": lambda ds: setattr(ds, "OriginalAttributesSequence", Sequence()),
    "(0400,0500) must not": lambda ds: setattr(
        nested(ds), "EncryptedAttributesSequence", Sequence()
    ),
    "preamble": lambda ds: setattr(ds, "preamble", b"II" + bytes(126)),
}


@pytest.mark.parametrize("what", SPOILED)
def test_a_spoiled_file_is_refused_with_its_place(what: str) -> None:
    ds = good()
    if what.startswith("(0009"):
        ds.private_block(9, "ACME", create=True).add_new(1, "LO", "x")
    else:
        SPOILED[what](ds)
    spoiled = written(ds)
    with pytest.raises(Refusal, match=re.escape(what)) as refusal:
        guard.verify(spoiled, EXPECTED)
    assert refusal.value.code == "D09"
    assert "4711" not in str(refusal.value)
    assert "19740311" not in str(refusal.value)


@pytest.mark.parametrize(
    "spoiled", [b"", b"\0" * 200, written(good())[:-3], written(good()) + b"x"]
)
def test_a_file_that_cannot_be_read_back_is_refused(spoiled: bytes) -> None:
    with pytest.raises(Refusal, match="D09"):
        guard.verify(spoiled, EXPECTED)


def test_bytes_after_the_data_set_are_refused() -> None:
    padded = written(good()) + b"\xfc\xff\xfc\xffOB\0\0\2\0\0\0ab"
    with pytest.raises(Refusal, match="after the data set"):
        guard.verify(padded, EXPECTED)


OTHER = SOP[:-1] + str((int(SOP[-1]) + 1) % 10)
BYTES = {
    "an unmapped instance": lambda file: file.replace(SOP.encode(), OTHER.encode(), 1),
    "another instance": lambda file: OTHER.encode().join(file.rsplit(SOP.encode(), 1)),
    "another SOP class": lambda file: file.replace(CT.encode(), CT[:-1].encode() + b"1", 1),
    "(0008,0000) must not": lambda file: file.replace(
        b"\x08\0\x16\0UI", b"\x08\0\0\0UL\x04\0\x08\0\0\0\x08\0\x16\0UI"
    ),
    "unmapped UID at (0028,0304)": lambda file: file + b"\x28\0\x04\x03UN\0\0\x08\0\0\0001.2.3.9\0",
}


@pytest.mark.parametrize("what", BYTES)
def test_spoiled_bytes_are_refused_with_their_place(what: str) -> None:
    spoiled = BYTES[what](written(good()))
    expected = guard.Expected(
        "DEMO-1", EXPECTED.uids | ({OTHER} if what == "another instance" else set()), "MODIFIED"
    )
    with pytest.raises(Refusal, match=re.escape(what)):
        guard.verify(spoiled, expected)
