"""Modality and PACS both send a study: it leaves once, and nobody is asked.

A PACS spells people differently, adds the issuer of the Patient ID, writes UTF-8 or leaves the VRs
out. None of it makes another instance or another patient; two issuers do.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace

import pytest
from pydicom import Dataset

from appliance.store.entry import Kind, State
from tests.box import Box, head
from tests.studies import ct_study
from tests.week.material import IMPLICIT, Instance, coerced, implicit, in_unicode, with_issuer

INTAKE, PARCEL = Kind.INTAKE, Kind.PARCEL
HABITS = [(), (in_unicode,), (with_issuer,), (implicit,), (in_unicode, with_issuer, implicit)]


def receive(box: Box, instances: Sequence[Instance], peer: str) -> None:
    for one in instances:
        told = replace(head(one.dataset, peer=peer), transfer_syntax=one.syntax)
        box.spool.keep(told, [one.encoded()])


def study() -> list[Instance]:
    datasets = ct_study()
    for dataset in datasets:
        dataset.SpecificCharacterSet, dataset.PatientName = "ISO_IR 100", "Lefèvre^Zoé"
    return [Instance(dataset) for dataset in datasets]


@pytest.mark.parametrize(
    "habits", HABITS, ids=lambda habits: " ".join(one.__name__ for one in habits)
)
@pytest.mark.parametrize("first", ["modality", "pacs"])
@pytest.mark.parametrize("between_s", [0.0, 600.0])
def test_a_study_of_modality_and_pacs_leaves_once_and_is_held_by_nobody(
    box: Box,
    clinic,
    partner,
    habits: tuple[Callable[[Instance], Instance], ...],
    first: str,
    between_s: float,
) -> None:
    images = study()
    clinic.pacs.has(one.dataset for one in images)
    sent = {"modality": images, "pacs": coerced(images, *habits)}
    second = "pacs" if first == "modality" else "modality"
    receive(box, sent[first], first)
    box.run(between_s)
    receive(box, sent[second], second)
    box.run()
    assert {entry.state for entry in box.entries(INTAKE)} == {State.FROZEN}
    assert {entry.state for entry in box.entries(PARCEL)} <= {State.CONFIRMED, State.REPEATED}
    assert len(partner.stored) == 3
    assert set(partner.stored.values()) == {1}
    assert len(box.vault.subjects("DEM")) == 1


@pytest.mark.parametrize(("between_s", "code"), [(0.0, "D03"), (600.0, "patient-changed")])
def test_two_issuers_are_two_patients(box: Box, partner, between_s: float, code: str) -> None:
    def issued(by: str) -> list[Dataset]:
        images = [deepcopy(one.dataset) for one in study()]
        for one in images:
            one.IssuerOfPatientID = by
        return images

    box.receive(issued("CHUVE"))
    box.run(between_s)
    box.receive(issued("OTHER"))
    box.run()
    assert code in [entry.code for entry in box.entries(INTAKE)]
    assert len(partner.stored) in (0, 3)


def test_what_is_written_without_vrs_is_written_so_here() -> None:
    (one, *_) = study()
    assert implicit(one).syntax == IMPLICIT
    assert implicit(one).encoded() != one.encoded()
