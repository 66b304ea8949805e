"""Kinds of objects: which are refused, which a person must decide about, where names may be burned in.

The rules clean attributes; what is drawn, spoken, filmed or written as a document they cannot clean.
"""

from collections.abc import Mapping
from typing import Literal

from pydicom._uid_dict import UID_dictionary

from appliance.deid.elements import Coding
from appliance.deid.top import Top
from appliance.errors import Refusal, Undecided
from appliance.profile import Policy

_IMPLICIT = "1.2.840.10008.1.2"
# Big endian and deflated bytes are not read; the others carry a reference or no DICOM encoding.
_UNREAD = frozenset(
    {
        "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.4.94",
        "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.204", "1.2.840.10008.1.2.4.205",
        "1.2.840.10008.1.2.6.1", "1.2.840.10008.1.2.6.2", "1.2.840.10008.1.20",
    }
)  # fmt: skip
_FILMED = ("1.2.840.10008.1.2.4.10", "1.2.840.10008.1.2.7.")

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_KEY_OBJECTS = f"{_STORAGE}88.59"
_DIRECTORY = "1.2.840.10008.1.3.10"
# A list of the studies of an archive: nothing but identities.
_INVENTORY = f"{_STORAGE}201.1"
# Kinds by the start of their SOP class, and the setting which says what happens to them.
_KINDS: Mapping[str, Literal["sr", "presentation_state", "encapsulated", "video"]] = {
    f"{_STORAGE}88.": "sr",
    f"{_STORAGE}11.": "presentation_state",
    f"{_STORAGE}104.": "encapsulated",
    f"{_STORAGE}9.4.": "video",
    f"{_STORAGE}77.1.1.1": "video",
    f"{_STORAGE}77.1.2.1": "video",
    f"{_STORAGE}77.1.4.1": "video",
}
_WORDS = {
    "sr": "a structured report",
    "presentation_state": "a presentation state",
    "encapsulated": "an encapsulated document",
    "video": "video or sound",
}

_PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
# What draws text into its images, and what photographs people.
_DRAWING = frozenset(
    {"US", "IVUS", "XA", "RF", "ES", "XC", "GM", "SM", "OP", "OT", "SC", "DOC", "LS"}
)
_PICTURES = (f"{_STORAGE}7.", f"{_STORAGE}77.1.")
_SECONDARY = f"{_STORAGE}7"
_SCREENS = frozenset({"SCREEN SAVE", "SCREENSHOT", "SCREEN", "DOSE_INFO", "DOSE REPORT"})


def coding_of(syntax: str) -> Coding:
    """How a transfer syntax writes elements.

    Raises:
        Refusal: D02 for a syntax that is not read.
    """
    known = UID_dictionary.get(syntax)
    if known is None or known[1] != "Transfer Syntax" or syntax in _UNREAD:
        raise Refusal("D02", f"transfer syntax {known[0] if known else 'unknown'} is not read")
    return Coding.IMPLICIT if syntax == _IMPLICIT else Coding.EXPLICIT


def admit(top: Top, syntax: str, policy: Policy, settled: frozenset[str]) -> None:
    """Let pass what rules can clean.

    Raises:
        Refusal: D02, D06.
        Undecided: D04, D05, D06.
    """
    sop_class = top.text(0x00080016)
    if sop_class in (_DIRECTORY, _INVENTORY):
        raise Refusal("D02", "a directory or inventory is no image of a patient")
    _admit_kind(top, _kind(sop_class, syntax), policy)
    if (
        policy.already_deidentified == "hold"
        and top.text(0x00120062).upper() == "YES"
        and "D04" not in settled
    ):
        raise Undecided("D04", "it is marked as de-identified by somebody else")
    found = risks(top)
    if found and policy.pixels.review == "on_risk" and "D05" not in settled:
        raise Undecided("D05", f"names may be burned in: {', '.join(found)}")


def risks(top: Top) -> tuple[str, ...]:
    """Why names may be burned into the pixels, in words; empty without pixels or without risk."""
    found: list[str] = []
    if not top.elements.keys() & _PIXELS:
        return ()
    image_type = {part.strip().upper() for part in top.text(0x00080008).split("\\")}
    sop_class, modality = top.text(0x00080016), top.text(0x00080060)
    burned_in = top.text(0x00280301).upper()
    if burned_in == "YES":
        found.append("Burned In Annotation is YES")
    if image_type & _SCREENS:
        found.append("a screen save")
    if _overlay_bits(top):
        found.append("overlay bits among the pixels")
    # NO is the sender's word; it settles the kind of image, not what it shows.
    if burned_in != "NO":
        if modality in _DRAWING:
            found.append(f"modality {modality}")
        elif sop_class == _SECONDARY or sop_class.startswith(_PICTURES):
            found.append("a secondary capture or photograph")
    return tuple(found)


def _kind(
    sop_class: str, syntax: str
) -> Literal["sr", "presentation_state", "encapsulated", "video", ""]:
    if syntax.startswith(_FILMED):
        return "video"
    if sop_class == _KEY_OBJECTS:
        return ""
    return next((kind for start, kind in _KINDS.items() if _under(sop_class, start)), "")


def _admit_kind(
    top: Top, kind: Literal["sr", "presentation_state", "encapsulated", "video", ""], policy: Policy
) -> None:
    image_type = {part.strip() for part in top.text(0x00080008).split("\\")}
    if image_type & {"LABEL", "OVERVIEW"} and top.text(0x00080060) == "SM":
        raise Refusal("D06", "the label or overview of a slide")
    if not kind:
        return
    answer: str = {
        "sr": policy.objects.sr,
        "presentation_state": policy.objects.presentation_state,
        "encapsulated": policy.objects.encapsulated,
        "video": policy.objects.video,
    }[kind]
    if answer == "quarantine":
        raise Refusal("D06", f"{_WORDS[kind]} cannot be cleaned")
    if answer == "hold":
        raise Undecided("D06", f"{_WORDS[kind]} cannot be cleaned")


def _under(sop_class: str, start: str) -> bool:
    return sop_class.startswith(start) if start.endswith(".") else sop_class == start


def _overlay_bits(top: Top) -> bool:
    """Overlays without data of their own lie in unused bits of the pixels."""
    groups = {tag >> 16 for tag in top.elements if tag >> 24 == 0x60 and not tag >> 16 & 1}
    return any(
        group << 16 | 0x0010 in top.elements and group << 16 | 0x3000 not in top.elements
        for group in groups
    )
