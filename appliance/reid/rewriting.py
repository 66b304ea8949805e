"""R8–R11: the returned instance under the patient's identity, marked as research.

The same input gives the same bytes: no clock, no chance. Identity comes from the PACS alone.
"""

import re
from collections.abc import Callable, Iterable

from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.datadict import dictionary_has_tag
from pydicom.dataelem import DataElement
from pydicom.filebase import DicomBytesIO
from pydicom.sequence import Sequence
from pydicom.uid import UID

from appliance import IMPLEMENTATION, IMPLEMENTATION_VERSION
from appliance.errors import CODES, Refusal
from appliance.keyed import home_uid
from appliance.reid.acceptance import kind_of
from appliance.reid.dates import known_dates, unshifted
from appliance.reid.reading import UNREADABLE, lenient, read
from appliance.reid.references import TEXT, each_data_set, replace_uids
from appliance.reid.values import PatientNow, Sent, Stamp

PREFIX = "RESEARCH - not for diagnosis"
LONGEST_LO = 64
# A pseudonym shorter than this is a word: it is replaced only where it stands alone.
SHORT_PSEUDONYM = 6
UID_IN_TEXT = re.compile(r"(?<![\d.])[0-2](?:\.\d+){2,}")

# Type 2 in the Patient and General Study modules: present, empty where the PACS has nothing.
_ALWAYS = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber",
    "StudyID", "ReferringPhysicianName",
)  # fmt: skip
_WHERE_KNOWN = ("IssuerOfPatientID", "StudyDescription")
# The rest of the study modules (PS3.3 C.7.2): a partner cannot know it.
_STUDY = frozenset(
    {
        0x00080051, 0x00080096, 0x0008009C, 0x0008009D, 0x00081032, 0x00081048, 0x00081049, 0x00081060,
        0x00081062, 0x00081080, 0x00081084, 0x00081110, 0x00101021, 0x00321032, 0x00321033, 0x00321034,
        0x00401012, 0x00324000,
    }
)  # fmt: skip
# Where to fetch it at the partner, what it was before, and signatures over it.
_GONE = frozenset(
    {
        0x00080054, 0x00081190, 0x0040E010, 0x0040E025, 0x00280303, 0x04000500, 0x04000550, 0x04000561,
        0xFFFAFFFA, 0x4FFE0001, 0xFFFCFFFC,
    }
)  # fmt: skip
# Command, file meta and directory groups, and the trial's.
_GROUPS = frozenset({0, 2, 4, 0x0012})
_DATES = frozenset(["DA", "DT"])


def reconcile(
    file: bytes, sent: Sent, now: PatientNow, introduced: frozenset[str], stamp: Stamp
) -> bytes:
    """A Part 10 file that the clinic's PACS may store.

    Raises:
        Refusal: Q01, Q02, Q16 as in `validate`; Q05 for a UID that the delivery does not explain.
    """
    ds = read(file)
    home = _Home(sent, introduced)
    with lenient():
        try:
            sop, series = (
                home_uid(sent.k_uid, ds.SOPInstanceUID),
                home_uid(sent.k_uid, ds.SeriesInstanceUID),
            )
            _drop(ds)
            replace_uids(ds, home.uid)
            ds.SOPInstanceUID, ds.SeriesInstanceUID = sop, series
            _texts(ds, home, now)
            _dates(ds, sent, now)
            _identity(ds, now)
            _mark(ds)
            _contribute(ds, stamp)
            _characters(ds)
            return _written(ds)
        except UNREADABLE:
            raise Refusal("Q01", CODES["Q01"].en) from None


class _Home:
    """Where a UID or a text of the delivery belongs on the clinic's side."""

    def __init__(self, sent: Sent, introduced: frozenset[str]) -> None:
        self.sent, self.introduced = sent, introduced
        word = re.escape(sent.pseudonym)
        alone = rf"(?<![A-Za-z0-9]){word}(?![A-Za-z0-9])"
        pattern = alone if len(sent.pseudonym) < SHORT_PSEUDONYM else word
        if pattern == alone and sent.pseudonym.isdecimal():
            # 12 of "12 mm" is a measurement: it is the pseudonym only where nothing else stands.
            pattern = rf"\A{word}\Z"
        self.pseudonym = re.compile(pattern, re.IGNORECASE)

    def uid(self, uid: str) -> str:
        """The original of what was sent, a home UID for what the delivery introduced."""
        if uid in self.sent.uids:
            return self.sent.uids[uid]
        if uid in self.introduced:
            return home_uid(self.sent.k_uid, uid)
        raise Refusal("Q05", CODES["Q05"].en)

    def text(self, text: str) -> str:
        """Known UIDs replaced, the pseudonym struck out."""
        text = UID_IN_TEXT.sub(self._known, text)
        return self.pseudonym.sub("", text)

    def _known(self, found: re.Match[str]) -> str:
        uid = found.group()
        return self.uid(uid) if uid in self.sent.uids or uid in self.introduced else uid


def _drop(ds: Dataset) -> None:
    """Private, unknown and unread elements, group lengths, foreign groups and whatever is `_GONE`."""
    for item in each_data_set(ds):
        for tag in list(item.keys()):
            unread = item[tag].VR == "UN"
            unknown = tag.is_private or unread or not dictionary_has_tag(tag)
            if unknown or tag.group in _GROUPS or tag.element == 0 or int(tag) in _GONE:
                del item[tag]


def _texts(ds: Dataset, home: _Home, now: PatientNow) -> None:
    for item in each_data_set(ds):
        for element in item:
            if element.VR in TEXT and element.value:
                person = now.PatientName if element.VR == "PN" else now.PatientID
                whole = home.sent.pseudonym.casefold()

                def renamed(text: str, person: str = person, whole: str = whole) -> str:
                    return person if text.strip().casefold() == whole else home.text(text)

                _change(element, renamed)


def _dates(ds: Dataset, sent: Sent, now: PatientNow) -> None:
    known = known_dates(sent, now)
    for item in each_data_set(ds):
        for element in item:
            if element.VR in _DATES and element.value:
                _change(element, lambda value: unshifted(value, known))


def _change(element: DataElement, change: Callable[[str], str]) -> None:
    """Set an element only where a value really changes: what is untouched is written as it was."""
    many = [element.value] if element.VM == 1 else list(element.value)
    old = [str(value) for value in many]
    new = [change(text) for text in old]
    if new != old:
        element.value = new[0] if len(new) == 1 else new


def _identity(ds: Dataset, now: PatientNow) -> None:
    """R8: patient and study from the PACS; no trial, no mark of de-identification."""
    for tag in list(ds.keys()):
        if tag.group == 0x0010 or int(tag) in _STUDY:
            del ds[tag]
    for keyword in (*_ALWAYS, *_WHERE_KNOWN):
        value = str(getattr(now, keyword))
        if value or keyword in _ALWAYS:
            setattr(ds, keyword, value)
        elif keyword in ds:
            delattr(ds, keyword)
    ds.PatientIdentityRemoved = "NO"


def _mark(ds: Dataset) -> None:
    """R10: everybody who opens it sees what it is."""
    said = str(ds.get("SeriesDescription") or "").strip()
    marked = said if said.startswith(PREFIX) else f"{PREFIX}: {said}" if said else PREFIX
    ds.SeriesDescription = marked[:LONGEST_LO].rstrip()
    marks = kind_of(str(ds.SOPClassUID)).marks
    if marks:
        said_types = [ds.ImageType] if isinstance(ds.ImageType, str) else list(ds.ImageType)
        ds.ImageType = [*marks, *said_types[2:]]
    if "ContentQualification" in ds:
        ds.ContentQualification = "RESEARCH"
    if "VerificationFlag" in ds:
        ds.VerificationFlag = "UNVERIFIED"
        ds.pop("VerifyingObserverSequence", None)


def _contribute(ds: Dataset, stamp: Stamp) -> None:
    """R11: who changed it; what it was before stays out of the PACS."""
    steps = (("109104", "De-identifying Equipment"), ("109103", "Modifying Equipment"))
    own = [_equipment(code, meaning, stamp) for code, meaning in steps]
    ds.ContributingEquipmentSequence = Sequence(
        [*ds.get("ContributingEquipmentSequence", []), *own]
    )


def _equipment(code: str, meaning: str, stamp: Stamp) -> Dataset:
    purpose = Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator, purpose.CodeMeaning = code, "DCM", meaning
    item = Dataset()
    item.Manufacturer = "research-pacs"
    item.SoftwareVersions = stamp.engine
    item.ContributionDescription = f"profile {stamp.digest}"
    item.PurposeOfReferenceCodeSequence = Sequence([purpose])
    return item


def _characters(ds: Dataset) -> None:
    """One character set for the whole instance: Latin-1 where it suffices, else UTF-8."""
    for item in each_data_set(ds):
        item.pop("SpecificCharacterSet", None)
    latin = all(_is_latin(text) for item in each_data_set(ds) for text in _values(item))
    ds.SpecificCharacterSet = "ISO_IR 100" if latin else "ISO_IR 192"


def _values(item: Dataset) -> Iterable[str]:
    for element in item:
        if element.VR in TEXT and element.value:
            yield str(element.value)


def _is_latin(text: str) -> bool:
    return all(ord(letter) < 256 for letter in text)


def _written(ds: Dataset) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.TransferSyntaxUID = ds.file_meta.TransferSyntaxUID
    meta.ImplementationClassUID = UID(IMPLEMENTATION)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION
    ds.file_meta = meta
    ds.preamble = bytes(128)
    stream = DicomBytesIO()
    dcmwrite(stream, ds, enforce_file_format=True)
    return bytes(stream.getvalue())
