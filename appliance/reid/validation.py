"""R0–R4 and R15: what a partner returns is judged as a whole, before anything is rewritten.

A refusal of one instance refuses the delivery. What a person must look at (Q09) is held only
when nothing of the delivery is refused.
"""

import re
from collections.abc import Mapping, Set

from pydicom import Dataset

from appliance.errors import CODES, Refusal, Undecided
from appliance.reid.acceptance import kind_of
from appliance.reid.reading import UNREADABLE, lenient, read
from appliance.reid.references import TEXT, closed, each_data_set, introduced, places
from appliance.reid.values import Expectation, Returned, Sent

# What may be a pseudonym: letters, digits and what stands between them.
_WORD = re.compile(r"[A-Za-z0-9]+(?:[._-]+[A-Za-z0-9]+)*")
# As many as a study has slices, several times over.
MOST_INSTANCES = 10_000


def validate(
    files: Mapping[str, bytes], sent: Sent, expectation: Expectation
) -> tuple[Returned, ...]:
    """The accepted instances of a delivery, with the UIDs that each introduces.

    Raises:
        Refusal: Q01–Q06, Q15, Q16.
        Undecided: Q09, corrected.
    """
    if len(files) > MOST_INSTANCES:
        raise Refusal("Q16", CODES["Q16"].en)
    returned: list[Returned] = []
    patients: set[str] = set()
    looks: set[bool] = set()
    named: set[str] = set()
    strangers: set[bool] = set()
    for file in files.values():
        ds = read(file)
        with lenient():
            try:
                returned.append(_accepted(ds, sent))
                patients.add(_text(ds, "PatientID"))
                _of_study(ds, sent, expectation)
                strangers |= {_names(ds, sent.strangers)}
                named |= {uid for place in places(ds) for uid in place.values} & sent.superseded
            except UNREADABLE:
                raise Refusal("Q01", CODES["Q01"].en) from None
        looks.add(kind_of(returned[-1].sop_class).look)
    _one_patient(patients, sent)
    if True in strangers:
        raise Refusal("Q06", CODES["Q06"].en)
    _closed(files, sent, frozenset(returned))
    if True in looks and "Q09" not in expectation.settled:
        raise Undecided("Q09", CODES["Q09"].en)
    if named and "corrected" not in expectation.settled:
        raise Undecided("corrected", CODES["corrected"].en)
    return tuple(returned)


def _accepted(ds: Dataset, sent: Sent) -> Returned:
    """R1: the class is on the list, and it is a result, not what was sent."""
    sop_class, sop = _text(ds, "SOPClassUID"), _text(ds, "SOPInstanceUID")
    series = _text(ds, "SeriesInstanceUID")
    if not (sop and series):
        raise Refusal("Q01", CODES["Q01"].en)
    kind = kind_of(sop_class)
    originals = {*sent.uids.keys(), *sent.uids.values(), *sent.sops}
    if sop in originals or (kind.derived and _text(ds, "ImageType").split("\\")[0] != "DERIVED"):
        raise Refusal("Q15", CODES["Q15"].en)
    return Returned(sop, sop_class, series, introduced(ds, sent))


def _of_study(ds: Dataset, sent: Sent, expectation: Expectation) -> None:
    """R2: the study is the one that was sent to this partner."""
    study = _text(ds, "StudyInstanceUID")
    if study != expectation.study or sent.uids.get(study) != sent.study:
        raise Refusal("Q03", CODES["Q03"].en)


def _one_patient(patients: set[str], sent: Sent) -> None:
    """R3: one subject in the delivery, and it is the study's."""
    if len(patients) > 1:
        raise Refusal("Q06", CODES["Q06"].en)
    if patients - {sent.pseudonym}:
        raise Refusal("Q04", CODES["Q04"].en)


def _names(ds: Dataset, subjects: Set[str]) -> bool:
    """R3 in the text: whether one of these is named wherever a person may read it."""
    return any(
        word.casefold() in subjects
        for item in each_data_set(ds)
        for element in item
        if element.VR in TEXT and element.value
        for word in _WORD.findall(str(element.value))
    )


def _closed(files: Mapping[str, bytes], sent: Sent, delivery: frozenset[Returned]) -> None:
    """R4, when all that the delivery introduces is known; one data set in memory at a time."""
    for file in files.values():
        ds = read(file)
        with lenient():
            try:
                closed(ds, sent, delivery)
            except UNREADABLE:
                raise Refusal("Q01", CODES["Q01"].en) from None


def _text(ds: Dataset, keyword: str) -> str:
    """A value as text, several joined as DICOM joins them; empty when absent."""
    value = ds.get(keyword)
    if value is None:
        return ""
    many = [value] if isinstance(value, str) else list(value)
    return "\\".join(str(part) for part in many).strip("\0 ")
