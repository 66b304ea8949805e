"""An enemy on the way out: what was acknowledged is never lost, and a patient is who he is.

Arrivals come in the middle of a step, people decide at the wrong moment, parcels leave half, projects
leave the profile and come back, and instances say odd things about themselves.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace

import pytest
from pydicom import Dataset

from appliance.dicom.heads import identify
from appliance.store.entry import State
from appliance.store.vault_values import Enrolment
from tests.box import EXPLICIT, Box, data_set, head, tree
from tests.enemy.outward import INTAKE, PARCEL, states
from tests.studies import ct, ct_study

DAY_S = 86_400.0


def received_raw(box: Box, datasets: Sequence[Dataset]) -> None:
    """Instances as the listener reads them: the head comes from the bytes."""
    for dataset in datasets:
        data = data_set(dataset)
        found = identify(data, EXPLICIT)
        plain = head(ct("X", "x", "x", 1))
        box.spool.keep(
            replace(
                plain,
                study=found.study,
                series=found.series,
                sop_class=found.sop_class,
                sop_instance=found.sop_instance,
                patient_id=found.patient_id,
                issuer=found.issuer,
                character_set=found.character_set,
            ),
            [data],
        )


def reversed_pixels(dataset: Dataset, times: int = 1) -> Dataset:
    dataset.PixelData = bytes(dataset.PixelData[times:] + dataset.PixelData[:times])
    return dataset


# ── nothing acknowledged is lost ─────────────────────────────────────────────────────────────────


def test_an_instance_that_comes_while_its_study_is_frozen_is_not_lost(box: Box, partner) -> None:
    box.receive(ct_study(instances=2))
    late = [ct("PAT-4711", "one", "a", 3)]
    members = box.ledger.view.members

    def read_and_receive(entry: int):
        found = members(entry)
        while late:
            box.receive([late.pop()])
            box.walk.listen(box.now())
        return found

    box.ledger.view.members = read_and_receive
    box.run()
    assert len(partner.stored) == 3, "acknowledged, and never sent"
    assert {state for _, _, state in states(box)} == {"CONFIRMED"}


def test_a_subject_withdrawn_from_one_of_two_assigned_projects_goes_to_the_other(
    box_of, partner
) -> None:
    changed = tree()
    first = changed["projects"][0] | {"route": {"subjects": "enrolled"}}
    changed["projects"] = [first, deepcopy(first) | {"code": "OTH"}]
    box = box_of(changed)
    box.vault.enrol("DEM", (Enrolment("PAT-4711", "", "DEMO-GIVEN-1"),))
    box.vault.withdraw("DEMO-GIVEN-1")
    box.receive(ct_study(), called_ae="RESEARCHPACS")
    box.run()
    box.decide("assign", box.only(INTAKE), "DEM", "OTH")
    box.run()
    assert states(box) == [("OTH", 1, "CONFIRMED")]


def test_a_study_that_waited_days_for_an_enrolment_is_not_said_to_be_growing(
    box_of, partner
) -> None:
    changed = tree()
    changed["projects"][0]["route"] = {"subjects": "enrolled"}
    box = box_of(changed)
    box.receive(ct_study(), called_ae="RESEARCHPACS")
    box.run()
    box.device_s += 3 * DAY_S
    box.vault.enrol("DEM", (Enrolment("PAT-4711"),))
    box.run()
    assert states(box) == [("DEM", 1, "CONFIRMED")]


def test_other_content_after_an_excluded_half_sent_parcel_is_no_silent_success(
    box: Box, partner
) -> None:
    partner.most = 2
    box.receive(ct_study())
    box.run()
    assert box.only(PARCEL).code == "partner-refused"
    box.decide("exclude", box.only(PARCEL))
    box.run()
    partner.most = 1_000
    box.receive([reversed_pixels(dataset) for dataset in ct_study()])
    box.run()
    (again,) = [entry for entry in box.entries(PARCEL) if entry.n == 2]
    assert (again.state, again.code) == (State.HELD, "correction")
    box.decide("release", again)
    box.run()
    assert states(box)[-1] == ("DEM", 2, "CONFIRMED")
    assert set(partner.stored.values()) == {1}
    assert len(partner.stored) == 5, "two of the excluded parcel, three as they are now"


def test_the_same_content_after_an_excluded_half_sent_parcel_leaves_whole(
    box: Box, partner
) -> None:
    partner.most = 2
    box.receive(ct_study())
    box.run()
    box.decide("exclude", box.only(PARCEL))
    box.run()
    partner.most = 1_000
    box.receive(ct_study())
    box.run()
    assert states(box) == [("DEM", 1, "EXCLUDED"), ("DEM", 2, "CONFIRMED")]
    assert len(partner.stored) == 3


def test_an_excluded_half_sent_parcel_never_holds_up_the_proof_of_the_next(
    box: Box, partner
) -> None:
    partner.most = 2
    box.receive(ct_study())
    box.run()
    box.decide("exclude", box.only(PARCEL))
    box.run()
    partner.most = 1_000
    box.receive([ct("PAT-4711", "one", "a", 9)])
    box.run()
    assert states(box) == [("DEM", 1, "EXCLUDED"), ("DEM", 2, "CONFIRMED")]


def test_two_corrections_of_one_instance_in_one_parcel_are_both_known_to_the_vault(
    box: Box, partner
) -> None:
    box.receive(ct_study())
    box.run()
    box.receive([reversed_pixels(ct("PAT-4711", "one", "a", 2), times) for times in (2, 4)])
    box.run()
    (held,) = [entry for entry in box.entries(PARCEL) if entry.state is State.HELD]
    box.decide("release", held)
    box.run()
    assert states(box)[-1] == ("DEM", 2, "CONFIRMED")
    kept = box.vault.resolve("DEM", held.pstudy or box.entries(PARCEL)[0].pstudy)
    assert kept is not None
    assert set(partner.stored) <= set(kept.uids), "a result about it could not come home"


def test_an_instance_whose_bytes_changed_on_the_disk_is_missed_before_the_others_leave(
    box: Box, partner
) -> None:
    box.receive(ct_study())
    victim = next((box.folder / "spool" / "objects").iterdir())
    victim.write_bytes(victim.read_bytes()[:-2] + b"xx")
    box.run()
    assert (box.only(PARCEL).state, box.only(PARCEL).code) == (State.HELD, "D09")
    assert not partner.stored
    box.decide("release", box.only(PARCEL))
    box.run()
    assert states(box) == [("DEM", 1, "CONFIRMED")]
    assert (len(partner.stored), box.only(PARCEL).quarantined) == (2, 1)


@pytest.mark.parametrize("state", [State.RECEIVED, State.FROZEN, State.DELIVERED])
def test_a_project_that_comes_back_into_the_profile_takes_up_what_it_left(
    box_of, partner, state: State
) -> None:
    changed = tree()
    changed["projects"].append(deepcopy(changed["projects"][0]) | {"code": "OTH"})
    changed["projects"][1]["route"]["called_ae"] = "RPACS_OTH"
    box = box_of(changed)
    whole = box.profile
    box.receive(ct_study())
    while not any(entry.state is state for entry in box.entries()):
        box.walk.tick()
        box.device_s += 5.0
    box.restart(whole.model_copy(update={"projects": whole.projects[1:]}))
    box.run()
    assert [entry.code for entry in box.entries() if entry.state is State.HELD] == ["no-project"]
    box.restart(whole)
    box.run()
    assert states(box) == [("DEM", 1, "CONFIRMED")]
    assert set(partner.stored.values()) == {1}


# ── who a patient is ─────────────────────────────────────────────────────────────────────────────


def in_set(datasets: Sequence[Dataset], character_set: str, patient: str) -> Sequence[Dataset]:
    for dataset in datasets:
        dataset.SpecificCharacterSet = character_set
        dataset.PatientID = patient
    return datasets


def test_a_patient_is_the_same_in_every_character_set(box_of, partner) -> None:
    changed = tree()
    changed["projects"][0]["route"]["subjects"] = "enrolled"
    box = box_of(changed)
    box.vault.enrol("DEM", (Enrolment("MÜLLER-1"),))
    received_raw(box, in_set(ct_study(instances=2), "ISO_IR 100", "MÜLLER-1"))
    received_raw(box, in_set([ct("PAT-4711", "one", "a", 3)], "ISO_IR 192", "MÜLLER-1"))
    box.run()
    assert states(box) == [("DEM", 1, "CONFIRMED")]
    kept = box.vault.resolve("DEM", box.only(PARCEL).pstudy)
    assert kept is not None
    assert kept.identity["patient_id"] == "MÜLLER-1", "else no result finds its way home"


@pytest.mark.parametrize(
    "patient", [" " * 64, "\\", "\\\\ \\", "?*", "%_'\";--", "\x01\n", "0", "É" * 64]
)
def test_no_absurd_patient_id_ends_the_walk_or_leaves(box: Box, partner, patient: str) -> None:
    received_raw(box, in_set(ct_study(instances=1), "ISO_IR 192", patient))
    box.run()
    assert {entry.state for entry in box.entries(INTAKE)} <= {State.FROZEN, State.HELD}
    raw = patient.strip().encode()
    assert len(raw) < 4 or not any(raw in seen for seen in partner.witness)
