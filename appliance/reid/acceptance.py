"""R1: what a partner may return, as a table; everything else is Q02.

Reports and masks pass. Pictures and documents may carry text that no rule can read: a person
looks at them (Q09). An image that is not DERIVED is an original sent back (Q15).
"""

from dataclasses import dataclass

from pydicom.uid import UID

from appliance.errors import CODES, Refusal


@dataclass(frozen=True)
class Kind:
    """`look`: Q09 until settled. `derived`: (0008,0008) must begin so, and becomes `marks`."""

    look: bool = False
    derived: bool = False
    marks: tuple[str, ...] = ()


_STORE = "1.2.840.10008.5.1.4.1.1."
# SEG and Parametric Map are DERIVED\\PRIMARY by their IOD (PS3.3 A.51, A.75).
_MASK = Kind(derived=True)
_REPORT = Kind()
_PICTURE = Kind(look=True, derived=True, marks=("DERIVED", "SECONDARY"))
_DOCUMENT = Kind(look=True)

_KINDS = {
    "66.4": _MASK,  # Segmentation
    "30": _MASK,  # Parametric Map
    "88.22": _REPORT,  # Enhanced SR
    "88.33": _REPORT,  # Comprehensive SR
    "88.34": _REPORT,  # Comprehensive 3D SR
    "88.59": _REPORT,  # Key Object Selection
    "481.2": _REPORT,  # RT Dose: an image without Image Type in practice
    "481.3": _REPORT,  # RT Structure Set
    "481.5": _REPORT,  # RT Plan
    "11.1": _REPORT,  # Grayscale Softcopy Presentation State
    "11.2": _REPORT,  # Color Softcopy Presentation State
    "104.1": _DOCUMENT,  # Encapsulated PDF
    "7": _PICTURE,  # Secondary Capture
    "7.1": _PICTURE,  # and its multi-frame variants
    "7.2": _PICTURE,
    "7.3": _PICTURE,
    "7.4": _PICTURE,
}
# Images of a modality which a partner may have derived (filtered, registered, subtracted).
_DERIVABLE = (
    "1", "1.1", "1.2", "1.3", "2", "2.1", "2.2", "3.1", "4", "4.1", "4.3", "4.4", "6.1", "6.2", "12.1", "12.2",
    "13.1.3", "20", "128", "128.1", "130",
)  # fmt: skip
ACCEPTED = {UID(_STORE + tail): kind for tail, kind in _KINDS.items()} | {
    UID(_STORE + tail): _PICTURE for tail in _DERIVABLE
}


def kind_of(sop_class: str) -> Kind:
    """The row of a SOP class.

    Raises:
        Refusal: Q02.
    """
    kind = ACCEPTED.get(UID(sop_class))
    if kind is None:
        raise Refusal("Q02", CODES["Q02"].en)
    return kind
