"""A patient all of whose values are words that nobody else has, and the search for such words.

The words stand wherever PS3.15 Table E.1-1 says that somebody may be named: at the top, in
sequences inside sequences, in private groups, overlays and bytes.
"""

import base64
import string
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from pydicom import Dataset
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.sequence import Sequence

from appliance.deid.tables import tables
from appliance.exam.material import ct_slice, made_uid

LENGTH = 12
TEXTS = frozenset(["AE", "LO", "LT", "SH", "ST", "UC", "UR", "UT"])
BYTES = frozenset(["OB", "UN"])
# What files an instance is set by hand; without pixels it would be no image.
BY_HAND = frozenset([0x00080018, 0x00100010, 0x0020000D, 0x0020000E, 0x00200052, 0x7FE00010])
BORN, EXAMINED = "19340217", "20260305"


@dataclass
class Canaries:
    """Gives words and UIDs away, each once, and remembers them."""

    draw: Random
    words: list[str] = field(default_factory=list)
    uids: list[str] = field(default_factory=list)

    def word(self) -> str:
        """Twelve capitals: they fit into every VR of text."""
        made = "".join(self.draw.choice(string.ascii_uppercase) for _ in range(LENGTH))
        self.words.append(made)
        return made

    def uid(self) -> str:
        """A UID of the clinic."""
        made = str(made_uid(self.draw))
        self.uids.append(made)
        return made


def study(canaries: Canaries, folder: Path, slices: int = 3) -> tuple[list[Path], list[Dataset]]:
    """A CT series of that patient, in files that are named after him too."""
    pattern = _pattern(canaries)
    datasets, paths = [], []
    for number in range(1, slices + 1):
        made = deepcopy(pattern)
        made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = canaries.uid()
        made.InstanceNumber = number
        made.ImagePositionPatient = [-158.1, -179.0, -75.7 + 5 * number]
        datasets.append(made)
        paths.append(folder / f"{canaries.word()}.dcm")
        made.save_as(paths[-1], enforce_file_format=True)
    return paths, datasets


def _pattern(canaries: Canaries) -> Dataset:
    made = ct_slice()
    for tag in sorted(tables().entries):
        if tag not in BY_HAND and dictionary_has_tag(tag) and tag >> 16 > 0x0004:
            _fill(made, tag, canaries)
    made.StudyInstanceUID, made.SeriesInstanceUID = canaries.uid(), canaries.uid()
    made.FrameOfReferenceUID = canaries.uid()
    made.StudyDate = made.SeriesDate = made.AcquisitionDate = made.ContentDate = EXAMINED
    made.PatientBirthDate, made.PatientSex = BORN, "F"
    made.PatientName = f"É{canaries.word()}^Zoë{canaries.word()}"
    made.SpecificCharacterSet = "ISO_IR 100"
    block = made.private_block(0x0029, canaries.word(), create=True)
    block.add_new(1, "LO", canaries.word())
    block.add_new(2, "UN", canaries.word().encode())
    block.add_new(3, "SQ", Sequence([_item(canaries)]))
    made.add_new(0x60004000, "LT", canaries.word())
    return made


def _fill(made: Dataset, tag: int, canaries: Canaries) -> None:
    vr = dictionary_VR(tag)
    if vr in TEXTS:
        made.add_new(tag, vr, canaries.word())
    elif vr == "PN":
        made.add_new(tag, vr, f"{canaries.word()}^{canaries.word()}")
    elif vr == "UI":
        made.add_new(tag, vr, canaries.uid())
    elif vr == "SQ":
        made.add_new(tag, vr, Sequence([_item(canaries)]))
    elif vr in BYTES:
        made.add_new(tag, vr, canaries.word().encode())


def _item(canaries: Canaries) -> Dataset:
    inner, outer = Dataset(), Dataset()
    inner.PatientID, inner.PatientName = canaries.word(), canaries.word()
    inner.InstitutionName, inner.TextValue = canaries.word(), canaries.word()
    inner.private_block(0x0029, canaries.word(), create=True).add_new(1, "LO", canaries.word())
    outer.PersonName, outer.PatientComments = canaries.word(), canaries.word()
    outer.RequestAttributesSequence = Sequence([inner])
    return outer


def found(words: Iterable[str], texts: Iterable[bytes]) -> list[str]:
    """The words that stand in one of the texts, in any of the usual encodings and either case."""
    seen = [(text, text.lower()) for text in texts]
    return [
        word
        for word in words
        if any(
            any(one in text for one in exact(word)) or any(one in lower for one in spelled(word))
            for text, lower in seen
        )
    ]


def spelled(word: str) -> Iterator[bytes]:
    """As text, and as hexadecimal digits, in small letters."""
    for encoding in ("utf-8", "utf-16-le", "utf-16-be", "latin-1"):
        yield word.lower().encode(encoding)
    yield word.encode().hex().encode()
    yield word.lower().encode().hex().encode()


def exact(word: str) -> Iterator[bytes]:
    """As Base64, at each of the three places where it may start; the cut ends are left out."""
    for spoken in (word, word.lower()):
        for before in range(3):
            coded = base64.b64encode(bytes(before) + spoken.encode())
            whole = (before + len(spoken)) * 8 // 6
            yield coded[(0, 2, 3)[before] : whole]
