"""A result never reaches the wrong patient, and never the PACS without a reason that was looked at.

What a partner does wrong is quarantined with its code; what changed in the PACS is held with the
decision offered, and the decision leads on; what is only away for a while comes home by itself.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from copy import deepcopy
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pynetdicom import evt

from appliance.errors import CODES
from appliance.exam.clinic import SyntheticClinic
from appliance.exam.partner import SyntheticPartner
from appliance.exam.results import ResultKind, Spoiler
from appliance.exam.traits import Trait
from appliance.store.entry import Entry, Kind, State
from tests.box import Box, tree
from tests.journey.conftest import between
from tests.studies import ct_study

DELIVERY, PARCEL = Kind.DELIVERY, Kind.PARCEL
Places = Callable[..., tuple[Box, SyntheticClinic]]


class Refusing(SyntheticClinic):
    """A PACS that answers C-STORE with these statuses first."""

    def __init__(self, *statuses: int) -> None:
        super().__init__(ae_title="DEMO_PACS")
        self.statuses = list(statuses)

    def _keep(self, event: evt.Event) -> int:
        return self.statuses.pop(0) if self.statuses else super()._keep(event)


@pytest.fixture
def places(tmp_path: Path, partner: SyntheticPartner) -> Iterator[Places]:
    """A box before the clinic that is given, or before one of these traits."""
    with ExitStack() as stack:

        def make(
            *traits: Trait, clinic: SyntheticClinic | None = None, proof: str = "find-image"
        ) -> tuple[Box, SyntheticClinic]:
            clinic = stack.enter_context(
                clinic or SyntheticClinic(frozenset(traits), ae_title="DEMO_PACS")
            )
            changed = tree()
            changed["clinic"]["peers"][1]["proof"] = proof
            box = Box(tmp_path / "data", between(changed, partner, clinic))
            return stack.enter_context(box), clinic

        yield make


def sent(
    box: Box, clinic: SyntheticClinic, patient: str = "PAT-4711", study: Sequence[Dataset] = ()
) -> Entry:
    """The parcel of a study that the partner has."""
    study = study or ct_study(patient, 2)
    clinic.pacs.has(study)
    box.receive(study)
    box.run()
    parcel = box.entries(PARCEL)[-1]
    assert parcel.state is State.CONFIRMED, (parcel.code, parcel.reason)
    return parcel


def delivery(box: Box) -> Entry:
    """The one delivery, after a while."""
    box.run()
    return box.only(DELIVERY)


def released(box: Box) -> Entry:
    """The delivery after a person released its hold."""
    box.decide("release", box.only(DELIVERY))
    return delivery(box)


def at_home(clinic: SyntheticClinic) -> list[Dataset]:
    """What came into the PACS over the network, in order."""
    return [dcmread(BytesIO(file)) for files in clinic.pacs.stored.values() for file in files]


# ── the wrong patient ─────────────────────────────────────────────────────────────────────────


def test_the_pseudonym_of_one_patient_with_the_study_of_another_is_quarantined(
    places: Places, partner: SyntheticPartner
) -> None:
    box, clinic = places()
    first, second = sent(box, clinic, "PAT-A"), sent(box, clinic, "PAT-B")
    result = partner.make_result(second.pstudy)
    result.PatientID = result.PatientName = first.pseudonym
    partner.offer(result, second.pstudy)
    wrong = delivery(box)
    assert (wrong.state, wrong.code) == (State.QUARANTINED, "Q04")
    assert at_home(clinic) == []


def test_a_reference_to_an_image_of_another_patient_is_quarantined(
    places: Places, partner: SyntheticPartner
) -> None:
    box, clinic = places()
    first, second = sent(box, clinic, "PAT-A"), sent(box, clinic, "PAT-B")
    result = partner.make_result(second.pstudy)
    foreign = partner.received(first.pstudy)[0].SOPInstanceUID
    result.ReferencedSeriesSequence[0].ReferencedInstanceSequence[
        0
    ].ReferencedSOPInstanceUID = foreign
    partner.offer(result, second.pstudy)
    wrong = delivery(box)
    assert (wrong.state, wrong.code) == (State.QUARANTINED, "Q05")
    assert at_home(clinic) == []


@pytest.mark.parametrize(
    ("spoiler", "code"),
    [
        (Spoiler.PATIENT_SWAP, "Q04"),
        (Spoiler.UNKNOWN_STUDY, "Q03"),
        (Spoiler.FOREIGN_REF, "Q05"),
        (Spoiler.ORIGINALS_BACK, "Q15"),
    ],
)
@pytest.mark.parametrize("kind", ResultKind)
def test_each_spoiled_result_is_quarantined_by_its_code_and_stays_so(
    places: Places, partner: SyntheticPartner, kind: ResultKind, spoiler: Spoiler, code: str
) -> None:
    box, clinic = places()
    partner.make_result(sent(box, clinic).pstudy, kind, spoiler)
    wrong = delivery(box)
    assert (wrong.state, wrong.code) == (State.QUARANTINED, code)
    box.run(600.0)
    assert box.only(DELIVERY).state is State.QUARANTINED, "offered on and on, refused once"
    assert at_home(clinic) == []


def test_one_spoiled_instance_refuses_its_whole_delivery(
    places: Places, partner: SyntheticPartner
) -> None:
    box, clinic = places()
    study = sent(box, clinic).pstudy
    partner.make_result(study)
    partner.make_result(study, ResultKind.SR, Spoiler.FOREIGN_REF)
    wrong = delivery(box)
    assert (wrong.state, wrong.code, wrong.members) == (State.QUARANTINED, "Q05", 2)
    assert at_home(clinic) == []


# ── withdrawn ─────────────────────────────────────────────────────────────────────────────────


def test_a_result_of_a_subject_that_left_meanwhile_is_not_even_fetched(
    places: Places, partner: SyntheticPartner
) -> None:
    box, clinic = places()
    parcel = sent(box, clinic)
    box.vault.withdraw(parcel.pseudonym)
    result = partner.make_result(parcel.pstudy)
    wrong = delivery(box)
    assert (wrong.state, wrong.code) == (State.QUARANTINED, "Q13")
    assert not [line for line in partner.asked if f"/instances/{result.SOPInstanceUID}" in line]


def test_a_result_that_waits_for_its_release_is_stopped_by_a_withdrawal(
    places: Places, partner: SyntheticPartner
) -> None:
    box, clinic = places()
    parcel = sent(box, clinic)
    partner.make_result(parcel.pstudy)
    assert delivery(box).code == "review"
    box.vault.withdraw(parcel.pseudonym)
    wrong = delivery(box)
    assert (wrong.state, wrong.code) == (State.QUARANTINED, "Q13")
    assert at_home(clinic) == []


# ── what changed in the PACS ──────────────────────────────────────────────────────────────────


def test_a_result_of_a_study_that_the_pacs_lost_waits_and_comes_home_when_it_is_back(
    places: Places, partner: SyntheticPartner
) -> None:
    box, clinic = places()
    study = ct_study(instances=2)
    parcel = sent(box, clinic, study=study)
    clinic.pacs.delete(parcel.study)
    partner.make_result(parcel.pstudy)
    assert (delivery(box).state, delivery(box).code) == (State.HELD, "Q11")
    clinic.pacs.has(study)
    assert released(box).code == "review"
    assert released(box).state is State.ACKED
    assert len(at_home(clinic)) == 1


@pytest.mark.parametrize("change", ["merged", "two matches", "another birth date"])
def test_a_patient_who_changed_in_the_pacs_is_a_matter_for_a_person(
    places: Places, partner: SyntheticPartner, change: str
) -> None:
    box, clinic = places()
    parcel = sent(box, clinic)
    if change == "merged":
        clinic.pacs.merge(parcel.study, "PAT-0815")
    elif change == "two matches":
        clinic.pacs.two_matches(parcel.study)
    else:
        study = ct_study(instances=2)
        for one in study:
            one.PatientBirthDate = "19990101"
        clinic.pacs.has(study)
    partner.make_result(parcel.pstudy)
    held = delivery(box)
    assert (held.state, held.code) == (State.HELD, "Q12")
    assert released(box).code == "Q12", "a release looks again, it does not overrule"
    box.decide("refuse", box.only(DELIVERY))
    assert delivery(box).state is State.REFUSED
    assert at_home(clinic) == []


def test_a_result_comes_home_under_the_name_that_the_patient_has_today(
    places: Places, partner: SyntheticPartner
) -> None:
    box, clinic = places()
    study = ct_study(instances=2)
    parcel = sent(box, clinic, study=study)
    clinic.pacs.rename(parcel.study, "NEUNAME^VORNAME")
    result = partner.make_result(parcel.pstudy)
    delivery(box)
    assert released(box).state is State.ACKED
    (home,) = at_home(clinic)
    assert (home.PatientName, home.PatientID) == ("NEUNAME^VORNAME", study[0].PatientID)
    assert (home.StudyInstanceUID, home.StudyDate) == (parcel.study, study[0].StudyDate)
    assert home.SeriesInstanceUID not in {study[0].SeriesInstanceUID, result.SeriesInstanceUID}
    assert home.SOPInstanceUID != result.SOPInstanceUID
    named = {item.value for item in home.iterall() if item.keyword == "ReferencedSOPInstanceUID"}
    assert named == {one.SOPInstanceUID for one in study}
    assert parcel.pseudonym not in str(home)
    assert parcel.pstudy not in str(home)


# ── a difficult PACS ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("traits", "proof"),
    [((Trait.B007,), "find-image"), ((Trait.B007, Trait.NO_IMAGE_FIND), "find-series")],
    ids=["listed", "counted"],
)
def test_a_warning_of_the_pacs_is_looked_at_and_nothing_is_stored_twice(
    places: Places, partner: SyntheticPartner, traits: tuple[Trait, ...], proof: str
) -> None:
    box, clinic = places(*traits, proof=proof)
    partner.make_result(sent(box, clinic).pstudy)
    delivery(box)
    assert released(box).code == "pacs-warning"
    assert released(box).state is State.ACKED
    assert len(at_home(clinic)) == 1


@pytest.mark.parametrize("status", [0xA900, 0xC000, 0x0124])
def test_a_refusal_of_the_pacs_is_held_and_tried_again_when_released(
    places: Places, partner: SyntheticPartner, status: int
) -> None:
    box, clinic = places(clinic=Refusing(status))
    partner.make_result(sent(box, clinic).pstudy)
    delivery(box)
    held = released(box)
    assert (held.code, held.reason[-8:]) == ("pacs-refused", f"(0x{status:04X})")
    assert released(box).state is State.ACKED
    assert len(at_home(clinic)) == 1


def test_a_pacs_without_room_is_tried_again_without_anybody(
    places: Places, partner: SyntheticPartner
) -> None:
    box, clinic = places(clinic=Refusing(0xA700, 0xA700))
    partner.make_result(sent(box, clinic).pstudy)
    delivery(box)
    assert released(box).state is State.ACKED
    assert len(at_home(clinic)) == 1


def test_a_pacs_that_is_away_for_an_hour_gets_the_result_when_it_is_back(
    places: Places, partner: SyntheticPartner
) -> None:
    box, clinic = places()
    partner.make_result(sent(box, clinic).pstudy)
    delivery(box)
    clinic.close()
    box.decide("release", box.only(DELIVERY))
    box.run(3_600.0, step_s=300.0)
    waiting = box.only(DELIVERY)
    assert (waiting.state, waiting.waiting_since is None) == (State.RECONCILED, False)
    with SyntheticClinic(ae_title="DEMO_PACS", port=clinic.node.port) as back:
        back.pacs = clinic.pacs
        box.run(1_200.0, step_s=300.0)
        assert box.only(DELIVERY).state is State.ACKED
    assert len(at_home(clinic)) == 1


def test_a_pacs_without_image_level_proves_by_counting_its_series(
    places: Places, partner: SyntheticPartner
) -> None:
    box, clinic = places(Trait.NO_IMAGE_FIND, proof="find-series")
    partner.make_result(sent(box, clinic).pstudy)
    delivery(box)
    done = released(box)
    assert (done.state, done.proof) == (State.ACKED, "find-series")
    assert len(at_home(clinic)) == 1


def test_a_proof_that_the_pacs_cannot_give_is_given_by_a_person(
    places: Places, partner: SyntheticPartner
) -> None:
    box, clinic = places(Trait.NO_IMAGE_FIND)
    partner.make_result(sent(box, clinic).pstudy)
    delivery(box)
    assert released(box).code == "proof"
    done = released(box)
    assert (done.state, done.proof) == (State.ACKED, "person")
    assert len(at_home(clinic)) == 1


# ── a second result ───────────────────────────────────────────────────────────────────────────


def both_at_home(box: Box) -> None:
    """The delivery after the one that is home is released, and comes home."""
    box.run()
    (last,) = [entry for entry in box.entries(DELIVERY) if entry.state is not State.ACKED]
    assert last.code == "review", last.reason
    box.decide("release", last)
    box.run()
    assert [entry.state for entry in box.entries(DELIVERY)] == [State.ACKED] * 2


def test_a_second_result_that_refers_to_the_first_comes_home_too(
    places: Places, partner: SyntheticPartner
) -> None:
    box, clinic = places()
    study = sent(box, clinic).pstudy
    first = partner.make_result(study)
    delivery(box)
    released(box)
    second = partner.make_result(study, ResultKind.SR)
    evidence = second.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    named = deepcopy(evidence[0])
    named.SeriesInstanceUID = first.SeriesInstanceUID
    del named.ReferencedSOPSequence[1:]
    named.ReferencedSOPSequence[0].ReferencedSOPClassUID = first.SOPClassUID
    named.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = first.SOPInstanceUID
    evidence.append(named)
    partner.offer(second, study)
    both_at_home(box)
    homes = at_home(clinic)
    assert len(homes) == 2
    assert homes[0].SOPInstanceUID in str(homes[1])
    assert homes[0].SeriesInstanceUID in str(homes[1])


@pytest.mark.parametrize("proof", ["find-image", "find-series"])
def test_a_second_result_in_the_series_of_the_first_is_proven_beside_it(
    places: Places, partner: SyntheticPartner, proof: str
) -> None:
    box, clinic = places(proof=proof)
    study = sent(box, clinic).pstudy
    first = partner.make_result(study)
    delivery(box)
    released(box)
    second = partner.make_result(study)
    second.SeriesInstanceUID = first.SeriesInstanceUID
    partner.offer(second, study)
    both_at_home(box)
    homes = at_home(clinic)
    assert len({home.SOPInstanceUID for home in homes}) == 2
    assert len({home.SeriesInstanceUID for home in homes}) == 1


def test_every_hold_of_this_file_offers_a_way_out() -> None:
    for code in ("Q11", "Q12", "pacs-warning", "pacs-refused", "proof", "review"):
        assert CODES[code].offers
