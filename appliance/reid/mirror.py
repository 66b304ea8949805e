"""R12: the written file is read again, and nothing of the partner's side is in it.

It shares only the reading and the walk over UIDs with the rewriting, and looks at raw bytes too.
"""

import re
from collections.abc import Iterator

from pydicom import Dataset
from pydicom._uid_dict import UID_dictionary
from pydicom.dataelem import DataElement

from appliance.errors import CODES, Refusal
from appliance.reid.reading import UNREADABLE, lenient, read
from appliance.reid.references import TEXT, each_data_set, places
from appliance.reid.rewriting import PREFIX
from appliance.reid.values import Sent

# From here on a pseudonym is searched in raw bytes; a shorter one may stand there by chance.
SURE_IN_BYTES = 10
SURE_IN_TEXT = 6

_UID = re.compile(rb"[0-2]\0?(?:\.\0?(?:[0-9]\0?)+){2,}")
_TRIAL = 0x0012


def mirrored(file: bytes, sent: Sent) -> None:
    """The reconciled file is the clinic's alone.

    Raises:
        Refusal: Q17, or Q01 and Q16 when it cannot be read back.
    """
    if any(file[:128]):
        raise _residue()
    ds = read(file)
    with lenient():
        try:
            good = _identified(ds, sent) and _clean_uids(ds, sent) and _clean_text(ds, sent)
        except UNREADABLE:
            raise _residue() from None
    if not (good and _clean_bytes(file, sent)):
        raise _residue()


def _residue() -> Refusal:
    return Refusal("Q17", CODES["Q17"].en)


def _identified(ds: Dataset, sent: Sent) -> bool:
    """The clinic's study and patient, marked as research, no sign of de-identification."""
    tags = [tag for item in each_data_set(ds) for tag in list(item.keys())]
    return (
        str(ds.StudyInstanceUID) == sent.study
        and str(ds.PatientID).strip().casefold() != sent.pseudonym.casefold()
        and str(ds.PatientIdentityRemoved) == "NO"
        and [int(tag) for tag in tags if tag.group == _TRIAL] == [0x00120062]
        and "LongitudinalTemporalInformationModified" not in ds
        and str(ds.SeriesDescription).startswith(PREFIX)
        and str(ds.file_meta.MediaStorageSOPInstanceUID) == str(ds.SOPInstanceUID)
        and not any(tag.is_private for tag in tags)
    )


def _clean_uids(ds: Dataset, sent: Sent) -> bool:
    """Every UID is an original of what was sent, or one that we made for the way home."""
    originals = frozenset(sent.uids.values())
    new = (str(ds.SOPInstanceUID), str(ds.SeriesInstanceUID))
    return all(uid not in originals for uid in new) and all(
        uid in originals or uid in UID_dictionary or (_is_home(uid) and uid not in sent.uids)
        for place in places(ds)
        for uid in place.values
    )


def _clean_text(ds: Dataset, sent: Sent) -> bool:
    word = sent.pseudonym.casefold()
    texts = [text.casefold() for item in each_data_set(ds) for text in _texts(item)]
    if len(word) < SURE_IN_TEXT:
        return all(text.strip() != word for text in texts)
    return all(word not in text for text in texts)


def _texts(item: Dataset) -> Iterator[str]:
    for element in item:
        if element.VR in TEXT and element.value:
            yield from _parts(element)


def _parts(element: DataElement) -> Iterator[str]:
    many = [element.value] if element.VM == 1 else list(element.value)
    yield from (str(value) for value in many)


def _clean_bytes(file: bytes, sent: Sent) -> bool:
    """The pseudonym and pseudonymous UIDs as plain text and UTF-16, anywhere."""
    if len(sent.pseudonym) >= SURE_IN_BYTES:
        low = file.lower()
        word = sent.pseudonym.lower()
        if any(word.encode(coding) in low for coding in ("utf-8", "utf-16-le", "utf-16-be")):
            return False
    found = {uid.group().replace(b"\0", b"").decode() for uid in _UID.finditer(file)}
    return found.isdisjoint(sent.uids.keys() - set(sent.uids.values()))


def _is_home(uid: str) -> bool:
    """The form of keyed.home_uid: `2.25.` and a UUIDv8."""
    root, _, number = uid.rpartition(".")
    if root != "2.25" or not number.isdecimal() or len(number) > 39:
        return False
    bits = int(number)
    return bits >> 128 == 0 and bits >> 76 & 0xF == 8 and bits >> 62 & 3 == 2
