"""What counts as storage here: SOP classes and transfer syntaxes (PS3.4 B.5, PS3.5 10)."""

import re
from collections.abc import Sequence

from pydicom.uid import UID
from pynetdicom import build_context
from pynetdicom.presentation import PresentationContext

VERIFICATION = "1.2.840.10008.1.1"
STANDARD = "1.2.840.10008."
# Standard Storage SOP classes stand below this root, those of tomorrow too.
STORAGE_ROOT = "1.2.840.10008.5.1.4.1.1."
EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
MOST_CONTEXTS = 128

# Deflated is absent because a few kilobytes of it may unpack to gigabytes; Big Endian and JPIP
# because nobody behind us reads them.
TRANSFER_SYNTAXES = (
    EXPLICIT,
    IMPLICIT,
    *(
        f"{IMPLICIT}.{tail}"
        for tail in (
            *("4.50", "4.51", "4.57", "4.70", "4.80", "4.81", "4.90", "4.91", "4.92", "4.93"),
            *(f"4.{number}" for number in range(100, 109)),
            *("4.201", "4.202", "4.203", "5"),
        )
    ),
)
UID_SYNTAX = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*")
MOST_UID = 64


def is_uid(text: str) -> bool:
    """Whether a text keeps the UID rule (PS3.5 9.1)."""
    return len(text) <= MOST_UID and UID_SYNTAX.fullmatch(text) is not None


def is_storage(sop_class: str) -> bool:
    """Whether instances of this class are taken.

    Storage classes of the standard, known or not, and private ones: refusing those makes a PACS
    repeat a whole job.
    """
    if not is_uid(sop_class):
        return False
    if not sop_class.startswith(STANDARD):
        return True
    known = UID(sop_class)
    if known.name == sop_class:
        return sop_class.startswith(STORAGE_ROOT)
    return known.type == "SOP Class" and "Storage" in known.name and not _is_service(known)


def supported(asked: Sequence[PresentationContext]) -> list[PresentationContext]:
    """What we support of what a peer proposes, each with its transfer syntaxes in our order.

    Uncompressed first, Explicit before Implicit; then the peer's own order.
    """
    syntaxes: dict[str, list[str]] = {}
    for context in asked[:MOST_CONTEXTS]:
        syntaxes.setdefault(str(context.abstract_syntax), []).extend(context.transfer_syntax)
    answer = []
    for sop_class, proposed in syntaxes.items():
        if sop_class == VERIFICATION:
            answer.append(build_context(sop_class, [EXPLICIT, IMPLICIT]))
        elif is_storage(sop_class):
            taken = [syntax for syntax in proposed if syntax in TRANSFER_SYNTAXES]
            ordered = list(dict.fromkeys([EXPLICIT, IMPLICIT, *taken]))
            answer.append(build_context(sop_class, ordered))
    return answer


def _is_service(known: UID) -> bool:
    """Names with "Storage" that store nothing: commitment, management, media directories."""
    return any(word in known.name for word in ("Commitment", "Management", "Media Storage"))
