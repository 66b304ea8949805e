"""The parcel's case table of the house, row by row, on real files, vault, partner and PACS.

Each row ends where the table says; what needs a person is HELD with the decision offered, and the
decision leads on.
"""

from copy import deepcopy
from pathlib import Path

import data_store
import pytest
import yaml
from pydicom import dcmread
from pydicom.dataset import Dataset

from appliance.profile import parse
from appliance.store.entry import Kind, State
from appliance.store.vault_values import Enrolment
from tests.box import Box, tree
from tests.studies import ct, ct_study

PARCEL, INTAKE = Kind.PARCEL, Kind.INTAKE


def states(box: Box, kind: Kind = PARCEL) -> list[tuple[str, str, int, str]]:
    return [
        (entry.project, entry.partner, entry.n, entry.state.value) for entry in box.entries(kind)
    ]


def test_a_settled_study_is_frozen_once_and_confirmed(box: Box, partner) -> None:
    box.receive(ct_study())
    box.walk.tick()
    assert box.only(INTAKE).state is State.RECEIVED, "still settling"
    box.run()
    assert states(box) == [("DEM", "lab", 1, "CONFIRMED")]
    assert len(partner.stored) == 3
    assert set(partner.stored.values()) == {1}


def test_an_instance_that_comes_late_opens_the_next_parcel_under_the_same_pseudonym(
    box: Box, partner
) -> None:
    box.receive(ct_study(instances=2))
    box.run()
    box.receive([ct("PAT-4711", "one", "a", 3)])
    box.run()
    assert states(box) == [("DEM", "lab", 1, "CONFIRMED"), ("DEM", "lab", 2, "CONFIRMED")]
    first, second = box.entries(PARCEL)
    assert (first.pseudonym, first.pstudy) == (second.pseudonym, second.pstudy)
    assert set(partner.stored.values()) == {1}
    assert len(partner.stored) == 3


def test_two_projects_get_two_parcels_two_pseudonyms_and_one_copy_of_the_bytes(
    box_of, partner
) -> None:
    changed = tree()
    other = deepcopy(changed["projects"][0]) | {"code": "OTH"}
    changed["projects"].append(other)
    box = box_of(changed)
    box.receive(ct_study())
    box.run()
    assert states(box) == [("DEM", "lab", 1, "CONFIRMED"), ("OTH", "lab", 1, "CONFIRMED")]
    first, second = box.entries(PARCEL)
    assert first.pseudonym != second.pseudonym
    assert first.pstudy != second.pstudy
    assert len(list((box.folder / "spool" / "objects").iterdir())) == 3


def test_an_ended_project_of_two_never_holds_up_the_other(box_of, partner) -> None:
    changed = tree()
    other = deepcopy(changed["projects"][0]) | {"code": "OTH"}
    other["dossier"]["dossier"]["expires_on"] = "2026-11-19"
    changed["projects"].append(other)
    box = box_of(changed)
    box.receive(ct_study())
    box.run()
    assert states(box) == [("DEM", "lab", 1, "CONFIRMED")]
    (held,) = [entry for entry in box.entries(INTAKE) if entry.state is State.HELD]
    assert (held.project, held.code) == ("OTH", "dossier/C07")


def test_what_is_sent_again_with_coerced_attributes_is_nothing_new(box: Box, partner) -> None:
    box.receive(ct_study())
    box.run()
    again = ct_study()
    for dataset in again:
        dataset.PatientName = "nachnamepat-4711^vorname"
        dataset.AccessionNumber = "PACS-77"
        dataset.InstitutionName = "A coerced hospital"
    box.receive(again, peer="pacs")
    box.run()
    assert states(box) == [("DEM", "lab", 1, "CONFIRMED"), ("DEM", "lab", 2, "REPEATED")]
    assert set(partner.stored.values()) == {1}


def test_the_same_instance_twice_before_the_freeze_leaves_once(box: Box, partner) -> None:
    box.receive(ct_study())
    box.receive(ct_study(), peer="pacs")
    box.run()
    assert states(box) == [("DEM", "lab", 1, "CONFIRMED")]
    assert len(partner.stored) == 3
    assert set(partner.stored.values()) == {1}


def corrected(numbers: tuple[int, ...] = (2,)):
    datasets = [ct("PAT-4711", "one", "a", number) for number in numbers]
    for dataset in datasets:
        dataset.PixelData = bytes(reversed(dataset.PixelData))
    return datasets


def test_other_content_under_a_known_uid_is_held_and_leaves_as_a_new_instance_when_released(
    box: Box, partner
) -> None:
    box.receive(ct_study())
    box.run()
    box.receive(corrected())
    box.run()
    (held,) = [entry for entry in box.entries(PARCEL) if entry.state is State.HELD]
    assert (held.n, held.code) == (2, "correction")
    box.decide("release", held)
    box.run()
    assert states(box)[-1] == ("DEM", "lab", 2, "CONFIRMED")
    assert len(partner.stored) == 4
    assert set(partner.stored.values()) == {1}, "nothing overwritten"
    box.receive(corrected())
    box.run()
    assert states(box)[-1] == ("DEM", "lab", 3, "REPEATED"), "the correction again is nothing new"


def test_an_excluded_correction_lets_the_rest_of_its_parcel_go(box: Box, partner) -> None:
    box.receive(ct_study())
    box.run()
    box.receive([*corrected(), ct("PAT-4711", "one", "a", 4)])
    box.run()
    (held,) = [entry for entry in box.entries(PARCEL) if entry.state is State.HELD]
    box.decide("exclude", held)
    box.run()
    assert states(box)[-1] == ("DEM", "lab", 2, "CONFIRMED")
    assert len(partner.stored) == 4


def test_the_same_study_under_another_patient_is_held_and_never_merged(box: Box, partner) -> None:
    box.receive(ct_study())
    box.run()
    mixed = ct("PAT-4711", "one", "a", 9)
    mixed.PatientID = "PAT-0815"
    box.receive([mixed])
    box.run()
    (held,) = [entry for entry in box.entries(INTAKE) if entry.state is State.HELD]
    assert held.code == "patient-changed"
    assert len(partner.stored) == 3
    box.decide("release", held)
    box.run()
    assert states(box)[-1] == ("DEM", "lab", 2, "CONFIRMED")
    first, second = box.entries(PARCEL)
    assert first.pseudonym == second.pseudonym, "a person said that it is the same one"


def test_two_patients_in_one_study_are_held_together(box: Box, partner) -> None:
    mixed = ct("PAT-4711", "one", "a", 9)
    mixed.PatientID = "PAT-0815"
    box.receive([*ct_study(), mixed])
    box.run()
    assert (box.only(INTAKE).state, box.only(INTAKE).code) == (State.HELD, "D03")
    assert not partner.stored


def test_a_study_without_patient_id_is_held(box: Box, partner) -> None:
    datasets = ct_study()
    for dataset in datasets:
        dataset.PatientID = ""
    box.receive(datasets)
    box.run()
    assert box.only(INTAKE).code == "D03"


def test_private_classes_and_what_the_project_does_not_take_are_excluded_not_held(
    box_of, partner
) -> None:
    changed = tree()
    changed["projects"][0]["take"] = [{"modality": ["CT"]}]
    box = box_of(changed)
    private, report = ct("PAT-4711", "one", "b", 1), ct("PAT-4711", "one", "c", 1)
    private.SOPClassUID = "1.3.12.2.1107.5.9.1"
    report.Modality, report.SOPClassUID = "SR", "1.2.840.10008.5.1.4.1.1.88.67"
    box.receive([*ct_study(), private, report])
    box.run()
    parcel = box.only(PARCEL)
    assert (parcel.state, parcel.members, parcel.excluded) == (State.CONFIRMED, 5, 2)
    assert len(partner.stored) == 3


def test_a_study_of_which_nothing_is_taken_is_excluded(box_of, partner) -> None:
    changed = tree()
    changed["projects"][0]["take"] = [{"modality": ["MR"]}]
    box = box_of(changed)
    box.receive(ct_study())
    box.run()
    assert states(box) == [("DEM", "lab", 1, "EXCLUDED")]


def test_a_study_of_which_a_rule_refuses_everything_is_quarantined_and_told(
    box: Box, partner
) -> None:
    drawing = ct("PAT-4711", "one", "d", 1)
    drawing.Modality, drawing.SOPClassUID = "PR", "1.2.840.10008.5.1.4.1.1.11.1"
    box.receive([drawing])
    box.run()
    assert (box.only(PARCEL).state, box.only(PARCEL).code) == (State.QUARANTINED, "D06")
    assert not partner.stored


def by_enrolment() -> dict[str, object]:
    changed = tree()
    changed["projects"][0]["route"] = {"subjects": "enrolled"}
    return changed


def test_a_study_that_no_project_claims_is_held_until_it_is_assigned(box_of, partner) -> None:
    box = box_of(by_enrolment())
    box.receive(ct_study(), called_ae="RESEARCHPACS")
    box.run()
    assert box.only(INTAKE).code == "no-project"
    box.decide("assign", box.only(INTAKE), "DEM")
    box.run()
    assert states(box) == [("DEM", "lab", 1, "CONFIRMED")]


def test_an_enrolment_after_the_fact_frees_what_waited_for_it(box_of, partner) -> None:
    box = box_of(by_enrolment())
    box.receive(ct_study(), called_ae="RESEARCHPACS")
    box.run()
    assert box.only(INTAKE).code == "no-project"
    box.vault.enrol("DEM", (Enrolment("PAT-4711"),))
    box.run()
    assert states(box) == [("DEM", "lab", 1, "CONFIRMED")]


def test_an_unknown_subject_is_held_and_a_release_enrols_it(box_of, partner) -> None:
    changed = tree()
    changed["projects"][0]["route"]["subjects"] = "enrolled"
    box = box_of(changed)
    box.receive(ct_study())
    box.run()
    assert box.only(INTAKE).code == "unknown-subject"
    box.decide("release", box.only(INTAKE))
    box.run()
    assert states(box) == [("DEM", "lab", 1, "CONFIRMED")]


def test_a_withdrawal_stops_what_has_not_left_and_erases_its_bytes(box_of, partner) -> None:
    changed = tree()
    changed["projects"][0]["release"] = "review"
    box = box_of(changed)
    box.receive(ct_study())
    box.run()
    assert box.only(PARCEL).code == "review"
    box.vault.withdraw(box.only(PARCEL).pseudonym)
    box.run()
    assert states(box) == [("DEM", "lab", 1, "WITHDRAWN")]
    assert not list((box.folder / "spool" / "objects").iterdir())
    box.receive(ct_study(study="two"))
    box.run()
    assert [entry.state for entry in box.entries(INTAKE)][-1] is State.WITHDRAWN
    assert not partner.stored


def test_what_left_before_a_withdrawal_is_named_for_the_recall(box: Box, partner) -> None:
    box.receive(ct_study())
    box.run()
    box.vault.withdraw(box.only(PARCEL).pseudonym)
    box.run()
    kinds = [event.kind for event in box.ledger.view.events_since(0, 1000)]
    assert "subject.recall" in kinds
    assert box.only(PARCEL).state is State.CONFIRMED


def test_an_expired_dossier_holds_what_has_not_left_until_it_is_renewed(box_of, partner) -> None:
    changed = tree()
    changed["projects"][0]["dossier"]["dossier"]["expires_on"] = "2026-11-19"
    box = box_of(changed)
    box.receive(ct_study())
    box.run()
    assert box.only(INTAKE).code == "dossier/C07"
    box.restart(parse(yaml.safe_dump(tree())).model_copy(update={"partners": box.profile.partners}))
    box.run()
    assert states(box) == [("DEM", "lab", 1, "CONFIRMED")]


def test_a_parcel_not_yet_pseudonymised_takes_the_new_policy(box_of, partner) -> None:
    changed = tree()
    changed["projects"][0]["deid"]["pixels"] = {"review": "on_risk"}
    box = box_of(changed)
    datasets = ct_study()
    for dataset in datasets:
        dataset.BurnedInAnnotation = "YES"
    box.receive(datasets)
    box.run()
    assert box.only(PARCEL).code == "D05"
    before = box.profile
    project = before.projects[0]
    pixels = project.deid.pixels.model_copy(update={"review": "never"})
    policy = project.deid.model_copy(update={"pixels": pixels})
    changed_project = project.model_copy(update={"deid": policy})
    box.restart(before.model_copy(update={"projects": (changed_project,)}))
    box.decide("release", box.only(PARCEL))
    box.run()
    assert states(box) == [("DEM", "lab", 1, "CONFIRMED")]


def test_a_pseudonymised_parcel_keeps_its_policy_and_is_held_without_its_partner(
    box_of, partner
) -> None:
    changed = tree()
    changed["projects"][0]["release"] = "review"
    box = box_of(changed)
    box.receive(ct_study())
    box.run()
    policy = box.only(PARCEL).policy
    box.decide("release", box.only(PARCEL))
    project = box.profile.projects[0].model_copy(update={"partners": ("other",)})
    box.restart(box.profile.model_copy(update={"projects": (project,)}))
    box.run()
    assert (box.only(PARCEL).code, box.only(PARCEL).policy) == ("absent", policy)


def test_nothing_leaves_while_the_time_is_not_trusted_and_it_goes_on_by_itself(
    box: Box, partner
) -> None:
    box.trusted = False
    box.receive(ct_study())
    box.run()
    assert box.only(PARCEL).code == "clock"
    box.trusted = True
    box.run()
    assert states(box) == [("DEM", "lab", 1, "CONFIRMED")]


def test_a_study_that_grows_for_a_day_is_held(box: Box, partner) -> None:
    for number in range(1, 60):
        box.receive([ct("PAT-4711", "one", "a", number)])
        box.run(seconds=30.0)
        box.device_s += 1_500.0 if number > 1 else 0.0
        if any(entry.code == "growing" for entry in box.entries(INTAKE)):
            break
    else:
        pytest.fail("never held")


def test_bytes_go_when_the_last_parcel_over_them_is_purged(box: Box, partner) -> None:
    box.receive(ct_study())
    box.run()
    objects = box.folder / "spool" / "objects"
    assert len(list(objects.iterdir())) == 3
    days = box.profile.projects[0].retention.bytes_days
    box.device_s += days * 86_400.0 + 61
    box.run()
    assert states(box) == [("DEM", "lab", 1, "PURGED")]
    box.device_s += days * 86_400.0 + 61
    box.run()
    assert not list(objects.iterdir())


def test_a_refused_wish_is_told_and_changes_nothing(box: Box, partner) -> None:
    box.receive(ct_study())
    box.run()
    parcel = box.only(PARCEL)
    box.decide("release", parcel)
    box.run()
    kinds = [event.kind for event in box.ledger.view.events_since(0, 1000)]
    assert "decision.ignored" in kinds
    assert box.only(PARCEL).state is State.CONFIRMED


def test_a_patient_born_on_the_day_of_our_dummy_dates_is_not_held_for_it(box_of, partner) -> None:
    changed = tree()
    changed["projects"][0]["deid"] = {}
    box = box_of(changed)
    enhanced = dcmread(Path(data_store.__file__).parent / "data" / "emri_small.dcm")
    del enhanced.PatientIdentityRemoved
    enhanced.PatientID, enhanced.PatientBirthDate = "PAT-4711", "20000101"
    box.receive([Dataset(enhanced)])
    box.run()
    assert states(box) == [("DEM", "lab", 1, "CONFIRMED")]
    assert b"20000101" in b"".join(partner.witness), "our own dummy dates stand in it"
