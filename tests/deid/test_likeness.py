"""What says the same has one likeness, however it is written; what says something else has another.

On it rests that a study which modality and PACS both send leaves once.
"""

import pytest
from making import EXPLICIT, IMPLICIT, SHIFT, plan_for
from pydicom import Dataset
from pydicom.sequence import Sequence as Items

from appliance import deid
from tests.box import data_set
from tests.studies import ct
from tests.week.material import Instance


def image() -> Dataset:
    """A slice with text that stays, and a sequence."""
    dataset = ct("PAT-1", "one", "a", 1)
    dataset.SpecificCharacterSet = "ISO_IR 100"
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "T-62000", "SRT", "Foie gelé"
    dataset.AnatomicRegionSequence = Items([code])
    return dataset


def likeness(dataset: Dataset, syntax: str = EXPLICIT) -> str:
    data = Instance(dataset, syntax).encoded()
    return deid.apply(data, syntax, plan_for(deid.scan(data, syntax), policy=SHIFT)).likeness


def test_an_instance_without_vrs_is_the_same() -> None:
    assert likeness(image()) == likeness(image(), IMPLICIT)


def test_an_instance_in_another_character_set_is_the_same() -> None:
    unicode = image()
    unicode.SpecificCharacterSet = "ISO_IR 192"
    assert data_set(unicode) != data_set(image())
    assert likeness(unicode) == likeness(image())


def test_padding_and_names_of_the_patient_change_nothing() -> None:
    coerced = image()
    coerced.PatientName, coerced.AccessionNumber, coerced.Modality = "other", "9", "CT "
    coerced.ImageType = [*coerced.ImageType[:-1], f"{coerced.ImageType[-1]} "]
    assert likeness(coerced) == likeness(image())


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("InstanceNumber", 7),
        ("ImagePositionPatient", [1, 2, 3]),
        ("StudyDate", "20260302"),
        ("PixelData", b"\0\1" * (128 * 128)),
        ("SliceThickness", None),
    ],
)
def test_any_other_value_makes_another_likeness(keyword: str, value: object) -> None:
    other = image()
    if value is None:
        delattr(other, keyword)
    else:
        setattr(other, keyword, value)
    assert likeness(other) != likeness(image())
    assert likeness(other, IMPLICIT) == likeness(other)


def test_what_stands_in_a_sequence_counts_and_where_it_stands() -> None:
    other, twice = image(), image()
    other.AnatomicRegionSequence[0].CodeValue = "T-62001"
    twice.AnatomicRegionSequence = Items([*twice.AnatomicRegionSequence, Dataset()])
    assert len({likeness(one) for one in (other, twice, image())}) == 3


def test_compressed_pixels_are_compared_as_they_are() -> None:
    data = data_set(image())
    facts = deid.scan(data, EXPLICIT)
    native = deid.apply(data, EXPLICIT, plan_for(facts)).likeness
    assert deid.apply(data, "1.2.840.10008.1.2.4.70", plan_for(facts)).likeness != native
