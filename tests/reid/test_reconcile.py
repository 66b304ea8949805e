"""Law: what reaches the PACS is the patient's of today, refers to his images, and says research."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset

from appliance import reid
from appliance.errors import Refusal
from appliance.keyed import home_uid
from appliance.reid.references import each_data_set, places
from tests.reid import results
from tests.reid.results import (
    KEY,
    NOW,
    PSEUDONYM,
    PSTUDY,
    RESULTS,
    SENT,
    changed,
    delivery,
    reading,
)

STAMP = reid.Stamp("research-pacs 0.1.0", "d" * 64)


def introduced() -> frozenset[str]:
    accepted = reid.validate(delivery(), SENT, reid.Expectation(PSTUDY))
    return frozenset().union(*(item.introduced for item in accepted))


def home(file: bytes, now: reid.PatientNow = NOW) -> bytes:
    return reid.reconcile(file, SENT, now, introduced(), STAMP)


@pytest.mark.parametrize("name", RESULTS)
def test_the_reference_graph_is_the_same_on_the_clinics_side(name: str) -> None:
    before, after = reading(RESULTS[name]()), reading(home(RESULTS[name]()))
    old = [uid for place in places(before) for uid in place.values]
    new = [uid for place in places(after) for uid in place.values]
    expected = {**{uid: home_uid(KEY, uid) for uid in introduced()}, **SENT.uids}
    assert new == [expected.get(uid, uid) for uid in old]
    assert len(set(new)) == len(set(old))
    assert after.SOPInstanceUID == home_uid(KEY, before.SOPInstanceUID)
    assert after.SeriesInstanceUID == home_uid(KEY, before.SeriesInstanceUID)
    assert after.StudyInstanceUID == results.STUDY


@pytest.mark.parametrize("name", RESULTS)
def test_patient_and_study_are_those_of_the_pacs(name: str) -> None:
    after = reading(home(RESULTS[name]()))
    for keyword in NOW.__dataclass_fields__:
        assert str(after[keyword].value) == getattr(NOW, keyword)
    assert after.PatientIdentityRemoved == "NO"
    assert [element.keyword for element in after if element.tag.group == 0x12] == [
        "PatientIdentityRemoved"
    ]
    assert "LongitudinalTemporalInformationModified" not in after


@pytest.mark.parametrize("name", RESULTS)
def test_the_result_says_that_it_is_research(name: str) -> None:
    before, after = reading(RESULTS[name]()), reading(home(RESULTS[name]()))
    assert after.SeriesDescription.startswith("RESEARCH - not for diagnosis")
    assert len(after.SeriesDescription) <= 64
    assert after.get("VerificationFlag", "UNVERIFIED") == "UNVERIFIED"
    assert "VerifyingObserverSequence" not in after
    purposes = [
        item.PurposeOfReferenceCodeSequence[0].CodeValue
        for item in after.ContributingEquipmentSequence
    ]
    assert purposes[-2:] == ["109104", "109103"]
    kept = len(before.get("ContributingEquipmentSequence", []))
    assert len(purposes) == kept + 2


def test_a_picture_is_marked_derived_and_secondary() -> None:
    file = results.picture()
    accepted = reid.validate({"1": file}, SENT, reid.Expectation(PSTUDY, frozenset({"Q09"})))
    after = reading(reid.reconcile(file, SENT, NOW, accepted[0].introduced, STAMP))
    assert list(after.ImageType) == ["DERIVED", "SECONDARY"]
    assert after.PixelData == reading(file).PixelData


@pytest.mark.parametrize("name", RESULTS)
def test_nothing_private_and_no_trace_of_the_pseudonym_is_left(name: str) -> None:
    file = home(RESULTS[name]())
    reid.mirrored(file, SENT)
    assert PSEUDONYM.encode() not in file
    assert not any(uid.encode() in file for uid in SENT.uids)
    assert b"ACME" not in file
    assert file[:128] == bytes(128)


def test_pseudonyms_and_uids_inside_text_are_replaced() -> None:
    note = reading(home(results.sr())).ContentSequence[-1]
    assert note.TextValue == f": see {results.SOPS[0]}, café"


def test_a_shifted_date_is_put_back_and_a_partners_own_date_stays() -> None:
    def dated(ds: Dataset) -> None:
        ds.ContentDate = "20261121"
        ds.AcquisitionDateTime = f"{results.shifted_date()}101530.5+0100"

    after = reading(home(changed(results.seg(), dated)))
    assert after.StudyDate == results.STUDY_DATE
    assert after.ContentDate == "20261121"
    assert after.AcquisitionDateTime == f"{results.STUDY_DATE}101530.5+0100"
    note = reading(home(results.sr())).ContentSequence[-1]
    assert note.ObservationDateTime == f"{results.STUDY_DATE}101530"


def test_dates_that_were_never_shifted_stay() -> None:
    kept = replace(SENT, shifted=False)
    file = changed(results.seg(), lambda ds: setattr(ds, "ContentDate", results.shifted_date()))
    after = reading(reid.reconcile(file, kept, NOW, introduced(), STAMP))
    assert after.ContentDate == results.shifted_date()


NAMES = ["Lefèvre^Zoé", "Çelik^Œdipe", "山田^太郎=やまだ^たろう", "Люкс^Анна", "O'Brien^Al", ""]


@pytest.mark.parametrize("person", NAMES)
@pytest.mark.parametrize("charset", ["ISO_IR 100", "ISO_IR 192", ""])
def test_names_of_the_pacs_and_words_of_the_partner_share_one_character_set(
    person: str, charset: str
) -> None:
    word = "café" if charset else "cafe"

    def labelled(ds: Dataset) -> None:
        ds.SpecificCharacterSet = charset
        ds.ContentDescription = word
        ds.ContentCreatorName = "Zoë^Noël" if charset else "Zoe^Noel"

    file = home(changed(results.seg(), labelled), replace(NOW, PatientName=person))
    after = reading(file)
    assert str(after.PatientName) == person
    assert after.ContentDescription == word
    assert str(after.ContentCreatorName) == ("Zoë^Noël" if charset else "Zoe^Noel")
    assert after.SpecificCharacterSet in ("ISO_IR 100", "ISO_IR 192")
    encoding = {"ISO_IR 100": "latin-1", "ISO_IR 192": "utf-8"}[after.SpecificCharacterSet]
    assert person.encode(encoding) in file
    reid.mirrored(file, SENT)


@given(
    st.text(
        st.characters(exclude_categories=("C", "Zl", "Zp"), exclude_characters="\\^="), max_size=40
    )
)
@settings(max_examples=30, deadline=None)
def test_any_description_of_the_pacs_survives(description: str) -> None:
    description = description.strip()
    after = reading(home(results.rtdose(), replace(NOW, StudyDescription=description)))
    assert str(after.get("StudyDescription", "")) == description


def test_the_same_input_gives_the_same_bytes() -> None:
    assert home(results.seg()) == home(bytes(results.seg()))


def test_a_uid_that_the_delivery_does_not_explain_is_refused() -> None:
    with pytest.raises(Refusal, match="Q05"):
        reid.reconcile(results.seg(), SENT, NOW, frozenset(), STAMP)


@pytest.mark.parametrize("name", RESULTS)
def test_a_rewriter_that_skips_one_uid_is_caught(name: str) -> None:
    before, file = reading(RESULTS[name]()), home(RESULTS[name]())
    old = list(places(before))
    for position in range(len(old)):

        def skip(ds: Dataset, position: int = position) -> None:
            list(places(ds))[position].element.value = old[position].element.value

        if old[position].values != list(places(reading(file)))[position].values:
            with pytest.raises(Refusal, match="Q17"):
                reid.mirrored(changed(file, skip), SENT)


@pytest.mark.parametrize("name", ["sr", "rtstruct"])
def test_a_rewriter_that_skips_one_text_is_caught(name: str) -> None:
    file = home(RESULTS[name]())
    texts = [
        (number, element.tag)
        for number, item in enumerate(each_data_set(reading(file)))
        for element in item
        if element.VR in ("PN", "LO", "SH", "ST", "LT", "UT")
    ]
    for number, tag in texts[::3]:

        def skip(ds: Dataset, number: int = number, tag: int = tag) -> None:
            list(each_data_set(ds))[number][tag].value = f"x {PSEUDONYM.lower()}"

        with pytest.raises(Refusal, match="Q17"):
            reid.mirrored(changed(file, skip), SENT)


SKIPPED = {
    "the private block": lambda ds: ds.private_block(0x0099, "A", create=True).add_new(
        1, "LO", "x"
    ),
    "the marker": lambda ds: setattr(ds, "PatientIdentityRemoved", "YES"),
    "the method": lambda ds: setattr(ds, "DeidentificationMethod", "x"),
    "the dates' marker": lambda ds: setattr(
        ds, "LongitudinalTemporalInformationModified", "MODIFIED"
    ),
    "the description": lambda ds: setattr(ds, "SeriesDescription", "mask"),
    "the patient": lambda ds: setattr(ds, "PatientID", PSEUDONYM),
    "bytes": lambda ds: ds.add_new(
        0x00420011, "OB", b"\0\1" + PSEUDONYM.encode("utf-16-le") + b"\0"
    ),
    "the preamble": lambda ds: setattr(ds, "preamble", b"II" + bytes(126)),
}


@pytest.mark.parametrize("what", SKIPPED)
def test_a_rewriter_that_forgets_something_is_caught(what: str) -> None:
    spoiled = changed(home(results.seg()), SKIPPED[what])
    with pytest.raises(Refusal, match="Q17"):
        reid.mirrored(spoiled, SENT)


def test_a_short_given_pseudonym_is_a_word_of_its_own() -> None:
    sent = replace(SENT, pseudonym="P7")

    def labelled(ds: Dataset) -> None:
        ds.PatientID = "P7"
        ds.SeriesDescription = "mask P7 of CHP7X"

    file = reid.reconcile(changed(results.seg(), labelled), sent, NOW, introduced(), STAMP)
    assert reading(file).SeriesDescription == "RESEARCH - not for diagnosis: mask  of CHP7X"
    reid.mirrored(file, sent)


def complaints(file: bytes, folder: Path) -> set[str]:
    """dciodvfy's errors, without values and item numbers."""
    path = folder / "checked.dcm"
    path.write_bytes(file)
    said = subprocess.run(["dciodvfy", path], capture_output=True, text=True, errors="replace")
    errors = [line for line in said.stderr.splitlines() if line.startswith("Error")]
    return {re.sub(r"<[^>]*>|\[\d+\]|\d+", "", line) for line in errors}


@pytest.mark.parametrize("name", RESULTS)
def test_dciodvfy_finds_no_new_error(name: str, tmp_path: Path) -> None:
    assert shutil.which("dciodvfy"), "install Debian's dicom3tools"
    old = complaints(RESULTS[name](), tmp_path)
    assert complaints(home(RESULTS[name]()), tmp_path) <= old
