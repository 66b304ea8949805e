"""An enemy of who withdrew: images on the wire, parcels held, issuers that come and go."""

from dataclasses import replace

import pytest

from appliance.exam.partner import Fault
from appliance.store.entry import State
from tests.box import Box, tree
from tests.enemy.outward import INTAKE, PARCEL, Meddling, kinds, states
from tests.studies import ct_study


def withdrawing_after(box: Box, count: int) -> None:
    """The subject withdraws while the instance after so many is being sent."""
    web = box.doors.partners["lab"]
    sent: list[int] = []

    def meddle() -> None:
        sent.append(1)
        if len(sent) == count:
            box.vault.withdraw(box.entries(PARCEL)[0].pseudonym)

    partners = {"lab": Meddling(web, "store", meddle)}
    box.walk.doors = replace(box.doors, partners=partners)


def test_a_withdrawal_stops_after_the_instance_under_way_and_names_what_left(
    box: Box, partner
) -> None:
    box.receive(ct_study())
    withdrawing_after(box, 1)
    box.run()
    assert len(partner.stored) == 1
    assert states(box) == [("DEM", 1, "WITHDRAWN")]
    assert "subject.recall" in kinds(box)


def test_a_withdrawal_that_is_heard_during_a_delivery_is_not_undone_by_its_end(
    box: Box, partner
) -> None:
    box.receive(ct_study())
    web = box.doors.partners["lab"]

    def hear() -> None:
        if len(partner.stored) == 2:
            box.vault.withdraw(box.only(PARCEL).pseudonym)
            box.walk.hear(box.now())

    box.walk.doors = replace(box.doors, partners={"lab": Meddling(web, "store", hear)})
    box.run()
    assert states(box) == [("DEM", 1, "WITHDRAWN")]
    assert "subject.recall" in kinds(box)


def until(box: Box, state: State) -> None:
    """Tick by tick, until the one parcel stands there."""
    for _ in range(100):
        if any(entry.state is state for entry in box.entries(PARCEL)):
            return
        box.walk.tick()
        box.device_s += 5.0
    pytest.fail(f"never {state}")


def test_a_withdrawal_names_a_parcel_that_was_delivered_and_then_held(box: Box, partner) -> None:
    box.receive(ct_study())
    until(box, State.DELIVERED)
    project = box.profile.projects[0].model_copy(update={"partners": ("other",)})
    box.restart(box.profile.model_copy(update={"projects": (project,)}))
    box.run()
    assert (box.only(PARCEL).state, box.only(PARCEL).resume) == (State.HELD, "DELIVERED")
    box.vault.withdraw(box.only(PARCEL).pseudonym)
    box.run()
    assert states(box) == [("DEM", 1, "WITHDRAWN")]
    assert "subject.recall" in kinds(box)


def test_a_withdrawal_names_nothing_of_what_waited_for_its_review(box_of, partner) -> None:
    changed = tree()
    changed["projects"][0]["release"] = "review"
    box = box_of(changed)
    box.receive(ct_study())
    box.run()
    box.vault.withdraw(box.only(PARCEL).pseudonym)
    box.run()
    assert states(box) == [("DEM", 1, "WITHDRAWN")]
    assert "subject.recall" not in kinds(box)


def test_a_withdrawn_parcel_waits_for_no_neighbour(box: Box, partner) -> None:
    box.receive(ct_study())
    partner.suffer(Fault.STATUS, times=50, status=503)
    web = box.doors.partners["lab"]

    def hear() -> None:
        box.vault.withdraw(box.only(PARCEL).pseudonym)
        box.walk.hear(box.now())

    box.walk.doors = replace(box.doors, partners={"lab": Meddling(web, "instances", hear)})
    box.run()
    assert states(box) == [("DEM", 1, "WITHDRAWN")]
    assert box.ledger.view.waiting() == ()


@pytest.mark.parametrize(("first", "then"), [("", "CHU-NORD"), ("CHU-NORD", "")])
def test_who_withdrew_is_not_taken_in_anew_because_an_issuer_came_or_went(
    box: Box, partner, first: str, then: str
) -> None:
    for study, issuer in (("one", first), ("two", then)):
        datasets = ct_study(study=study, instances=1)
        for dataset in datasets:
            dataset.IssuerOfPatientID = issuer
        box.receive(datasets)
        box.run()
        if study == "one":
            box.vault.withdraw(box.only(PARCEL).pseudonym)
    (held,) = [entry for entry in box.entries(INTAKE) if entry.state is State.HELD]
    assert held.code == "unknown-subject", "a person knows whether it is another patient"
    assert len(partner.stored) == 1
    box.decide("release", held)
    box.run()
    assert len(partner.stored) == 2
