"""What stands in an instance, for routing, for the plan and for the leak guard; nothing is changed."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields

from pydicom._uid_dict import UID_dictionary

from appliance.deid.characters import decoded
from appliance.deid.elements import Element, Item, known_vrs, read
from appliance.deid.objects import coding_of, risks
from appliance.deid.rules import is_kind
from appliance.deid.top import CHARACTER_SET, Top
from appliance.errors import Refusal

# Of a longer text its beginning is searched; of a longer value its first ones.
LONGEST_NEEDLE = 256
LONGEST_VALUE = 65_536
# "CHU" as an issuer names no patient and is found everywhere.
SHORTEST_ISSUER = 6

_ISSUER = 0x00100021
# It stands in the output as it came.
_SOP_CLASS = re.compile(r"[0-9.]{1,64}", re.ASCII)
# Besides every person's name: what identifies the patient, his examination and his order.
_IDENTIFYING = frozenset(
    {
        0x00080050, 0x00100020, 0x00100030, 0x00101000, 0x00101001, 0x00101005, 0x00101040,
        0x00101060, 0x00101090, 0x00102154, 0x00102155, 0x00200010, 0x00380010,
        0x00380060, 0x00401001, 0x00402016, 0x00402017, 0x0040A123, 0x00401006, 0x00401007,
        _ISSUER,
    }
)  # fmt: skip


@dataclass(frozen=True)
class Identity:
    """Who and what an instance is about, as the clinic wrote it; for the vault, never for a message."""

    patient_id: str = field(repr=False)
    issuer: str = field(repr=False)
    patient_name: str = field(repr=False)
    birth_date: str = field(repr=False)
    sex: str = field(repr=False)
    other_ids: str = field(repr=False)
    accession: str = field(repr=False)
    study_id: str = field(repr=False)
    study_date: str = field(repr=False)
    study_time: str = field(repr=False)
    referring_physician: str = field(repr=False)
    study_description: str = field(repr=False)
    character_set: str = field(repr=False)

    def as_dict(self) -> dict[str, str]:
        """Plain values, as the vault keeps them."""
        return {name: str(value) for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, str]) -> "Identity":
        """The same again; what is missing is empty."""
        return cls(*(values.get(each.name, "") for each in fields(cls)))


@dataclass(frozen=True)
class Facts:
    """One instance as the plan and the guard need it. `uids` are all that a plan must map."""

    sop_class: str
    sop_instance: str = field(repr=False)
    study: str = field(repr=False)
    series: str = field(repr=False)
    modality: str
    description: str = field(repr=False)
    image_type: tuple[str, ...]
    patient_id: str = field(repr=False)
    issuer: str = field(repr=False)
    identity: Identity = field(repr=False)
    uids: frozenset[str] = field(repr=False)
    needles: tuple[str, ...] = field(repr=False)
    burned_in: str
    risks: tuple[str, ...]


def scan(data: bytes | memoryview, syntax: str) -> Facts:
    """The facts of a bare data set in its transfer syntax.

    Raises:
        Refusal: D01; D02 for a transfer syntax that is not read.
    """
    return facts(read(data, coding_of(syntax)), memoryview(data))


def facts(root: Item, data: memoryview) -> Facts:
    """The facts of a data set that was read.

    Raises:
        Refusal: D01 without SOP class or SOP instance.
    """
    top = Top(root, data)
    if not _SOP_CLASS.fullmatch(top.text(0x00080016)) or not top.text(0x00080018):
        raise Refusal("D01", "it has no SOP Class UID or no SOP Instance UID")
    uids, needles = _collected(root, data, top.charset)
    return Facts(
        sop_class=top.text(0x00080016),
        sop_instance=top.text(0x00080018),
        study=top.text(0x0020000D),
        series=top.text(0x0020000E),
        modality=top.text(0x00080060),
        description=top.text(0x0008103E),
        image_type=tuple(part.strip() for part in top.text(0x00080008).split("\\")),
        patient_id=top.text(0x00100020),
        issuer=top.text(_ISSUER),
        identity=_identity(top),
        uids=frozenset(uids),
        needles=tuple(dict.fromkeys(needles)),
        burned_in=top.text(0x00280301),
        risks=risks(top),
    )


def _identity(top: Top) -> Identity:
    return Identity(
        patient_id=top.text(0x00100020),
        issuer=top.text(_ISSUER),
        patient_name=top.text(0x00100010),
        birth_date=top.text(0x00100030),
        sex=top.text(0x00100040),
        other_ids=top.text(0x00101000),
        accession=top.text(0x00080050),
        study_id=top.text(0x00200010),
        study_date=top.text(0x00080020),
        study_time=top.text(0x00080030),
        referring_physician=top.text(0x00080090),
        study_description=top.text(0x00081030),
        character_set=top.text(CHARACTER_SET),
    )


def _collected(root: Item, data: memoryview, charset: bytes) -> tuple[set[str], list[str]]:
    """All UIDs that need a mapping, and all identifying texts, at every depth."""
    uids: set[str] = set()
    texts: list[str] = []
    for element, declared in walked(root, data, charset):
        vr = element.vr
        known = known_vrs(element.tag)
        if vr == "UI" or (known and known[0] == "UI"):
            if not is_kind(element.tag) and element.tag >> 16 > 4:
                uids.update(instance_uids(bytes(data[element.value : element.stop])))
        elif vr == "PN" or element.tag in _IDENTIFYING:
            value = bytes(data[element.value : element.stop])
            texts += _needles(element.tag, value, declared)
    return uids, texts


def walked(root: Item, data: memoryview, charset: bytes) -> Iterator[tuple[Element, bytes]]:
    """Every public element at every depth, with the character set that holds there."""
    for element in root.elements:
        if element.tag == CHARACTER_SET:
            charset = bytes(data[element.value : element.stop])
        if element.items is not None:
            for item in element.items:
                yield from walked(item, data, charset)
        elif not element.tag >> 16 & 1:
            yield element, charset


def instance_uids(value: bytes) -> list[str]:
    """The UIDs of a value that are none of the standard's own."""
    uids = (uid.strip("\0 ") for uid in value.decode("latin-1").split("\\"))
    return [uid for uid in uids if uid and uid not in UID_dictionary]


def _needles(tag: int, value: bytes, charset: bytes) -> list[str]:
    value = value[:LONGEST_VALUE]
    text = decoded(value, charset)
    texts = [value.decode("latin-1")] if text is None else [text]
    if text is not None and not value.isascii() and b"\x1b" not in value:
        # What other devices make of the same bytes.
        texts.append(value.decode("latin-1"))
    parts = [part.strip("\0 ") for one in texts for part in one.split("\\")]
    least = SHORTEST_ISSUER if tag == _ISSUER else 1
    return [part[:LONGEST_NEEDLE] for part in parts if len(part) >= least]
