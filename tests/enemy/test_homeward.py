"""An enemy on the way home: a result never reaches the wrong patient.

The partner lies in its lists, repeats its UIDs and swaps its files; the PACS merges patients while a
result waits for its release. Nothing comes home that somebody would have to take back.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import Dataset

from appliance.exam.clinic import SyntheticClinic
from appliance.exam.partner import SyntheticPartner
from appliance.exam.results import ResultKind
from appliance.store.entry import State
from appliance.store.vault_values import Enrolment
from tests.box import Box, tree
from tests.enemy.homeward import (
    DELIVERY,
    PARCEL,
    Answering,
    Lying,
    Picky,
    at_home,
    last,
    released,
    sent,
)
from tests.journey.conftest import between
from tests.studies import ct, ct_study, uid

Places = Callable[..., tuple[Box, SyntheticClinic, SyntheticPartner]]


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    """A box between a clinic and a partner, or those that are given."""
    with ExitStack() as stack:

        def make(
            clinic: SyntheticClinic | None = None, partner: SyntheticPartner | None = None
        ) -> tuple[Box, SyntheticClinic, SyntheticPartner]:
            clinic = stack.enter_context(clinic or SyntheticClinic(ae_title="DEMO_PACS"))
            partner = stack.enter_context(partner or SyntheticPartner())
            box = Box(tmp_path / "data", between(tree(), partner, clinic))
            return stack.enter_context(box), clinic, partner

        yield make


# ── while a result waits for its release ──────────────────────────────────────────────────────


def test_a_patient_who_is_merged_during_the_review_gets_no_result_under_the_old_identity(
    places: Places,
) -> None:
    box, clinic, partner = places()
    parcel = sent(box, clinic)
    partner.make_result(parcel.pstudy)
    assert last(box).code == "review"
    clinic.pacs.merge(parcel.study, "PAT-0815")
    assert (released(box).state, released(box).code) == (State.HELD, "Q12")
    assert at_home(clinic) == []


def test_a_study_that_is_deleted_during_the_review_is_not_brought_back_by_its_result(
    places: Places,
) -> None:
    box, clinic, partner = places()
    parcel = sent(box, clinic)
    partner.make_result(parcel.pstudy)
    assert last(box).code == "review"
    clinic.pacs.delete(parcel.study)
    assert (released(box).state, released(box).code) == (State.HELD, "Q11")
    assert at_home(clinic) == []


def test_a_name_that_is_corrected_during_the_review_is_the_name_that_comes_home(
    places: Places,
) -> None:
    box, clinic, partner = places()
    parcel = sent(box, clinic)
    partner.make_result(parcel.pstudy)
    assert last(box).code == "review"
    clinic.pacs.rename(parcel.study, "NEUNAME^VORNAME")
    assert released(box).state is State.ACKED
    (home,) = at_home(clinic)
    assert home.PatientName == "NEUNAME^VORNAME"


def test_an_image_that_is_corrected_during_the_review_is_named_to_the_person_who_releases(
    places: Places,
) -> None:
    box, clinic, partner = places()
    parcel = sent(box, clinic)
    partner.make_result(parcel.pstudy)
    assert last(box).code == "review"
    first = box.entries(DELIVERY)[-1]
    corrected = ct("PAT-4711", "one", "a", 2)
    corrected.PixelData = bytes(reversed(corrected.PixelData))
    box.receive([corrected])
    box.run()
    box.decide("release", box.entries(PARCEL)[-1])
    box.run()
    assert box.entries(PARCEL)[-1].state is State.CONFIRMED
    box.decide("release", first)
    held = last(box)
    assert (held.id, held.state, held.code) == (first.id, State.HELD, "corrected")
    assert at_home(clinic) == []
    assert released(box).state is State.ACKED


# ── the same UID for two ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "SeriesInstanceUID"])
def test_one_uid_in_the_results_of_two_patients_never_makes_one_uid_in_the_pacs(
    places: Places, keyword: str
) -> None:
    box, clinic, partner = places()
    one = sent(box, clinic, *ct_study("PAT-A", 1))
    two = sent(box, clinic, *ct_study("PAT-B", 1))
    first = partner.make_result(one.pstudy)
    assert last(box).code == "review"
    assert released(box).state is State.ACKED
    second = partner.make_result(two.pstudy)
    setattr(second, keyword, first[keyword].value)
    if keyword == "SOPInstanceUID":
        second.file_meta.MediaStorageSOPInstanceUID = first.SOPInstanceUID
    partner.offer(second, two.pstudy)
    wrong = last(box)
    assert (wrong.study, wrong.state, wrong.code) == (two.study, State.QUARANTINED, "Q07")
    assert [home.PatientID for home in at_home(clinic)] == ["PAT-A"]


# ── a list that lies ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("said", ["1.2.840.10008.5.1.4.1.1.2", "1.2.3", ""])
def test_a_class_that_the_list_does_not_tell_truly_stops_nobody(places: Places, said: str) -> None:
    box, clinic, partner = places(partner=Lying())
    parcel = sent(box, clinic)
    partner.make_result(parcel.pstudy)
    partner.said = {"00080016": {"vr": "UI", "Value": [said] if said else []}}
    assert last(box).code == "review"
    assert released(box).state is State.ACKED
    (home,) = at_home(clinic)
    assert home.Modality == "SEG"


def test_a_file_that_is_another_than_the_list_names_is_refused(places: Places) -> None:
    box, clinic, partner = places(partner=Lying())
    parcel = sent(box, clinic)
    first = partner.make_result(parcel.pstudy, ResultKind.SEG)
    second = partner.make_result(parcel.pstudy, ResultKind.SR)
    one, two = str(first.SOPInstanceUID), str(second.SOPInstanceUID)
    partner.swapped = {one: two, two: one}
    assert (last(box).state, last(box).code) == (State.QUARANTINED, "Q14")
    assert at_home(clinic) == []


# ── a PACS with half an answer ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("words", [(0xB000, 0xA700), (0xB000, "abort")])
def test_a_warning_is_looked_at_also_when_the_rest_did_not_come_through(
    places: Places, words: tuple[int | str, ...]
) -> None:
    box, clinic, partner = places(Answering(*words))
    parcel = sent(box, clinic)
    partner.make_result(parcel.pstudy)
    partner.make_result(parcel.pstudy)
    assert last(box).code == "review"
    assert released(box).code == "pacs-warning"
    assert released(box).state is State.ACKED
    assert len({home.SOPInstanceUID for home in at_home(clinic)}) == 2
    assert len(at_home(clinic)) == 2, "each once"


def test_the_same_number_from_another_hospital_is_another_patient(places: Places) -> None:
    box, clinic, partner = places()
    study = ct_study(instances=2)
    for one in study:
        one.IssuerOfPatientID = "CHU"
    parcel = sent(box, clinic, *study)
    for one in study:
        one.IssuerOfPatientID = "CLINIC"
    clinic.pacs.has(study)
    partner.make_result(parcel.pstudy)
    assert (last(box).state, last(box).code) == (State.HELD, "Q12")


# ── what was ours ─────────────────────────────────────────────────────────────────────────────


def test_what_left_of_a_parcel_that_was_then_excluded_does_not_come_back_as_a_result(
    places: Places,
) -> None:
    box, clinic, partner = places(partner=Picky())
    sent(box, clinic)
    partner.most = 3
    more = [ct("PAT-4711", "one", "b", number) for number in (1, 2)]
    for one in more:
        one.ImageType = ["DERIVED", "PRIMARY", "AXIAL"]
    clinic.pacs.has(more)
    box.receive(more)
    box.run()
    held = box.entries(PARCEL)[-1]
    assert (held.code, len(partner.stored)) == ("partner-refused", 3)
    box.decide("exclude", held)
    box.run()
    assert box.entries(PARCEL)[-1].state is State.EXCLUDED
    assert box.entries(DELIVERY) == ()


def test_an_original_of_an_excluded_parcel_in_a_new_series_is_an_original_still(
    places: Places,
) -> None:
    box, clinic, partner = places(partner=Picky())
    parcel = sent(box, clinic)
    partner.most = 3
    more = [ct("PAT-4711", "one", "b", number) for number in (1, 2)]
    for one in more:
        one.ImageType = ["DERIVED", "PRIMARY", "AXIAL"]
    box.receive(more)
    box.run()
    box.decide("exclude", box.entries(PARCEL)[-1])
    box.run()
    (back,) = [one for one in partner.received(parcel.pstudy) if one.ImageType[0] == "DERIVED"]
    back.SeriesInstanceUID = uid("a series of the partner")
    partner.offer(back, parcel.pstudy)
    assert (last(box).state, last(box).code) == (State.QUARANTINED, "Q15")


# ── withdrawn ─────────────────────────────────────────────────────────────────────────────────


def test_the_owner_of_the_study_counts_not_only_the_number_that_it_came_under(
    places: Places,
) -> None:
    box, clinic, partner = places()
    parcel = sent(box, clinic)
    other = sent(box, clinic, *ct_study("PAT-0815", 1))
    box.vault.enrol("DEM", (Enrolment("PAT-9"),))
    box.vault.link("DEM", "", "PAT-9", parcel.pseudonym)
    # The number is another's now; the study still is of the first, whom PAT-9 keeps alive.
    box.vault.link("DEM", "", "PAT-4711", other.pseudonym)
    box.vault.withdraw(parcel.pseudonym)
    box.run()
    partner.make_result(parcel.pstudy)
    assert (last(box).state, last(box).code) == (State.QUARANTINED, "Q13")
    assert at_home(clinic) == []


# ── a file made to kill its reader ────────────────────────────────────────────────────────────


class Killed:
    """Workers that die of whatever they read."""

    def run(self, _work: object, pieces: list[object]) -> list[None]:
        return [None] * len(pieces)


def test_what_kills_its_reader_kills_a_worker_and_is_refused(places: Places) -> None:
    box, clinic, partner = places()
    parcel = sent(box, clinic)
    box.walk.doors = replace(box.walk.doors, workers=Killed())
    partner.make_result(parcel.pstudy)
    assert (last(box).state, last(box).code) == (State.QUARANTINED, "Q16")
    kinds = [event.kind for event in box.ledger.view.events_since(0, 1_000)]
    assert "delivery.validated" not in kinds, "nothing of it was read in the walk itself"


# ── a report about somebody else ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize("keyword", ["SeriesDescription", "TextValue"])
def test_a_result_that_names_another_subject_in_its_text_is_refused(
    places: Places, keyword: str
) -> None:
    box, clinic, partner = places()
    parcel = sent(box, clinic)
    other = sent(box, clinic, *ct_study("PAT-0815", 1))
    result = partner.make_result(parcel.pstudy, ResultKind.SR)
    where = next(item for item in (result, *texts(result)) if keyword in item)
    setattr(where, keyword, f"Lesion of {other.pseudonym.lower()}.")
    partner.offer(result, parcel.pstudy)
    assert (last(box).state, last(box).code) == (State.QUARANTINED, "Q06")


def texts(dataset: Dataset) -> list[Dataset]:
    """The items of a content tree that hold text; one is made where there is none."""
    made = Dataset()
    made.RelationshipType, made.ValueType, made.TextValue = "CONTAINS", "TEXT", "nothing"
    name = Dataset()
    name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = "121106", "DCM", "Comment"
    made.ConceptNameCodeSequence = [name]
    dataset.ContentSequence.append(made)
    return [made]


# ── what is proven ────────────────────────────────────────────────────────────────────────────


def test_a_result_beside_the_remains_of_a_refused_one_is_proven(places: Places) -> None:
    box, clinic, partner = places(Answering(0, 0xA900))
    parcel = sent(box, clinic)
    one, two = partner.make_result(parcel.pstudy), partner.make_result(parcel.pstudy)
    two.SeriesInstanceUID = one.SeriesInstanceUID
    partner.offer(two, parcel.pstudy)
    assert last(box).code == "review"
    assert released(box).code == "pacs-refused"
    box.decide("refuse", box.only(DELIVERY))
    box.run()
    assert (box.only(DELIVERY).state, len(at_home(clinic))) == (State.REFUSED, 1)
    third = partner.make_result(parcel.pstudy)
    third.SeriesInstanceUID = one.SeriesInstanceUID
    partner.offer(third, parcel.pstudy)
    assert last(box).code == "review"
    assert released(box).state is State.ACKED


def test_a_picture_with_one_word_of_image_type_keeps_its_words_whole(places: Places) -> None:
    box, clinic, partner = places()
    parcel = sent(box, clinic)
    picture = deepcopy(partner.received(parcel.pstudy)[0])
    picture.ImageType = "DERIVED"
    picture.SOPInstanceUID = picture.file_meta.MediaStorageSOPInstanceUID = uid("picture")
    picture.SeriesInstanceUID = uid("pictures")
    partner.offer(picture, parcel.pstudy)
    assert last(box).code == "Q09"
    assert released(box).code == "review"
    assert released(box).state is State.ACKED
    (home,) = at_home(clinic)
    assert list(home.ImageType) == ["DERIVED", "SECONDARY"]


def test_a_number_in_a_report_stays_when_a_pseudonym_is_that_number(places: Places) -> None:
    box, clinic, partner = places()
    box.vault.enrol("DEM", (Enrolment("PAT-4711", "", "12"),))
    parcel = sent(box, clinic)
    result = partner.make_result(parcel.pstudy)
    result.SegmentSequence[0].SegmentDescription = "Lesion of 12 mm"
    result.SegmentSequence[0].SegmentLabel = "12"
    partner.offer(result, parcel.pstudy)
    assert last(box).code == "review"
    assert released(box).state is State.ACKED
    (home,) = at_home(clinic)
    assert home.SegmentSequence[0].SegmentDescription == "Lesion of 12 mm"
    assert home.SegmentSequence[0].SegmentLabel == "PAT-4711"
