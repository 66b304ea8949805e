"""R4: every UID of a returned instance was sent, or is introduced by the delivery itself.

An *introducing* attribute may name something new; every other UI attribute refers, and what it
refers to must be known. Class and scheme UIDs are not instances: they must be registered.
"""

from collections.abc import Callable, Iterator, Set
from typing import NamedTuple

from pydicom import Dataset
from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import dictionary_keyword, dictionary_VR
from pydicom.dataelem import DataElement

from appliance.errors import CODES, Refusal
from appliance.reid.values import Returned, Sent

SOP_INSTANCE, SERIES, STUDY = 0x00080018, 0x0020000E, 0x0020000D
_UIDREF, _CONCEPT = 0x0040A124, 0x0040A043
# UIDREF items that name something new: Tracking Unique Identifier, and Device Observer UID, the
# report's twin of DeviceUID, which TID 1004 demands of every program that writes one.
_NAMING = frozenset({("112040", "DCM"), ("121012", "DCM")})
_INTRODUCING = frozenset(
    {
        0x00209164,  # DimensionOrganizationUID
        0x00620021,  # TrackingUID
        0x00209161,  # ConcatenationUID
        0x0040A171,  # ObservationUID
        0x0070031A,  # FiducialUID
        0x00080014,  # InstanceCreatorUID
        0x00181002,  # DeviceUID
        0x0018100B,  # ManufacturerDeviceClassUID
    }
)
# Where words stand.
TEXT = frozenset(["AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"])
# Whose vocabulary, not which instance: local ones are allowed (PS3.15 never maps them).
_SCHEMES = frozenset({0x0008010C, 0x0008010D, 0x00080117, 0x00080118})


class Place(NamedTuple):
    """One UI value: the element, the data set that holds it, how deep it is."""

    element: DataElement
    holder: Dataset
    depth: int

    @property
    def tag(self) -> int:
        """The element's tag as a number."""
        return int(self.element.tag)

    @property
    def values(self) -> tuple[str, ...]:
        """Its UIDs, padding and empty ones left out."""
        raw = self.element.value
        if isinstance(raw, bytes):
            raw = raw.decode("latin-1").split("\\")
        many = [raw] if isinstance(raw, str) else list(raw or ())
        return tuple(text for text in (str(uid).strip("\0 ") for uid in many) if text)

    @property
    def introduces(self) -> bool:
        """Whether something new may be named here."""
        if not self.depth and self.tag in (SOP_INSTANCE, SERIES):
            return True
        return self.tag in _INTRODUCING or (
            self.tag == _UIDREF and _concept(self.holder) in _NAMING
        )


def places(ds: Dataset, depth: int = 0) -> Iterator[Place]:
    """Every UI value at every depth which names an instance or anything else that is mapped.

    Private elements are left out: they are dropped on the way home.
    """
    for element in ds:
        if element.tag.is_private:
            continue
        if element.VR == "SQ":
            for item in element.value:
                yield from places(item, depth + 1)
        elif _is_uid(element) and not is_kind(int(element.tag)):
            yield Place(element, ds, depth)


def each_data_set(ds: Dataset) -> Iterator[Dataset]:
    """The data set and every item in it, the outer ones first."""
    yield ds
    for element in ds:
        if element.VR == "SQ":
            for item in element.value:
                yield from each_data_set(item)


def introduced(ds: Dataset, sent: Sent) -> frozenset[str]:
    """The UIDs which this instance is the first to name."""
    return frozenset(
        uid
        for place in places(ds)
        if place.introduces
        for uid in place.values
        if uid not in sent.uids
    )


def closed(ds: Dataset, sent: Sent, delivery: Set[Returned]) -> None:
    """Every reference leads to what was sent or to this delivery.

    Raises:
        Refusal: Q05.
    """
    known: dict[int, Set[str]] = {
        SERIES: {item.series for item in delivery},
        STUDY: frozenset(),
    }
    instances = {item.sop_instance for item in delivery}
    anything = frozenset[str]().union(*(item.introduced for item in delivery))
    for place in places(ds):
        if place.introduces:
            continue
        new = instances if _names_instances(place.tag) else known.get(place.tag, anything)
        if any(
            not (uid in sent.uids or uid in new or uid in UID_dictionary) for uid in place.values
        ):
            raise Refusal("Q05", CODES["Q05"].en)
    if any(not registered(item) for item in each_data_set(ds)):
        raise Refusal("Q05", CODES["Q05"].en)


def replace_uids(ds: Dataset, home: Callable[[str], str]) -> None:
    """Each UID becomes `home(uid)`; registered ones stay."""
    for place in places(ds):
        new = [uid if uid in UID_dictionary else home(uid) for uid in place.values]
        place.element.VR = "UI"
        place.element.value = new[0] if len(new) == 1 else new


def is_kind(tag: int) -> bool:
    """Whether a UI attribute names a class or scheme instead of an instance."""
    return tag in _SCHEMES or _names_a_class(tag)


def registered(item: Dataset) -> bool:
    """Whether the class UIDs of one data set are in the registry: nothing else hides there."""
    for element in item:
        if element.VR == "UI" and _names_a_class(int(element.tag)):
            place = Place(element, item, 0)
            if any(uid not in UID_dictionary for uid in place.values):
                return False
    return True


def _is_uid(element: DataElement) -> bool:
    if element.VR == "UI":
        return True
    try:
        return element.VR == "UN" and dictionary_VR(element.tag) == "UI"
    except KeyError:
        return False


def _names_a_class(tag: int) -> bool:
    try:
        keyword = dictionary_keyword(tag)
    except KeyError:
        return False
    return "SOPClass" in keyword or "TransferSyntax" in keyword


def _names_instances(tag: int) -> bool:
    try:
        return "SOPInstanceUID" in dictionary_keyword(tag)
    except KeyError:
        return False


def _concept(item: Dataset) -> tuple[str, str]:
    """(code value, scheme) of a content item's concept name."""
    if _CONCEPT not in item or not item[_CONCEPT].value:
        return ("", "")
    code = item[_CONCEPT].value[0]
    return str(code.get("CodeValue", "")), str(code.get("CodingSchemeDesignator", ""))
