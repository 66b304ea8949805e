"""The synthetic clinic behaves as a PACS does, with each difficult habit switched on by name."""

import copy
import io
import random
from collections.abc import Iterator

import pytest
from pydicom import Dataset, dcmread
from pynetdicom import AE, evt
from pynetdicom.presentation import build_context

from appliance.errors import Unavailable
from appliance.exam.clinic import Node, SyntheticClinic
from appliance.exam.material import (
    PRIVATE_SOP_CLASS,
    MadeStudy,
    coerced,
    made_study,
    with_private_series,
)
from appliance.exam.traits import Trait

CT = "1.2.840.10008.5.1.4.1.1.2"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"


class Box:
    """What stands for the appliance here: a stranger's SCP that keeps what it gets."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, Dataset]] = []
        self.associations = 0
        self.ae = AE("RESEARCHPACS")
        for abstract in (CT, "1.2.840.10008.5.1.4.1.1.4"):
            self.ae.add_supported_context(abstract)
        server = self.ae.start_server(
            ("127.0.0.1", 0),
            block=False,
            evt_handlers=[(evt.EVT_C_STORE, self.keep), (evt.EVT_ACCEPTED, self.count)],
        )
        assert server is not None
        self.node = Node("127.0.0.1", server.socket.getsockname()[1], "RPACS_ABC")

    def keep(self, event: evt.Event) -> int:
        requestor = event.assoc.requestor
        self.got.append((requestor.ae_title, requestor.primitive.called_ae_title, event.dataset))
        return 0

    def count(self, _event: evt.Event) -> None:
        self.associations += 1


@pytest.fixture
def box() -> Iterator[Box]:
    made = Box()
    yield made
    made.ae.shutdown()


@pytest.fixture
def study() -> MadeStudy:
    return made_study(random.Random(1), slices=2)


def find(
    clinic: SyntheticClinic, level: str, calling: str = "RESEARCHPACS", **keys: str
) -> list[Dataset]:
    query = Dataset()
    query.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(query, keyword, value)
    asking = AE(calling)
    asking.add_requested_context(FIND)
    association = asking.associate(clinic.node.host, clinic.node.port, ae_title=clinic.ae_title)
    assert association.is_established
    answers = list(association.send_c_find(query, FIND))
    association.release()
    assert answers[-1][0].Status in (0x0000, 0xA900), answers[-1]
    if answers[-1][0].Status == 0xA900:
        raise LookupError("level")
    return [answer for _, answer in answers[:-1] if answer is not None]


def test_a_made_study_is_new_each_time_and_every_identifying_value_is_its_own(
    study: MadeStudy,
) -> None:
    other = made_study(random.Random(2), slices=2)
    assert not study.uids() & other.uids()
    assert not set(study.canaries) & set(other.canaries)
    assert len(set(study.canaries)) == len(study.canaries) >= 18
    written = io.BytesIO()
    study.instances[1].save_as(written)
    planted = written.getvalue()
    assert all(canary.encode() in planted for canary in study.canaries)


def test_a_study_arrives_as_it_was_made(box: Box, study: MadeStudy) -> None:
    with SyntheticClinic() as clinic:
        answers = clinic.send(study, box.node)
    assert answers == {str(one.SOPInstanceUID): 0 for one in study.instances}
    assert [(calling, called) for calling, called, _ in box.got] == [("CT1", "RPACS_ABC")] * 3
    for sent, (_, _, got) in zip(study.instances, box.got, strict=True):
        assert got == Dataset(sent)
    assert box.associations == 1


def test_the_pacs_finds_what_it_has_at_each_level(box: Box, study: MadeStudy) -> None:
    with SyntheticClinic() as clinic:
        clinic.send(study, box.node)
        keys = {
            "StudyInstanceUID": study.uid,
            "PatientID": "",
            "PatientName": "",
            "IssuerOfPatientID": "",
        }
        found = find(clinic, "STUDY", NumberOfStudyRelatedInstances="", **keys)
        assert [one.NumberOfStudyRelatedInstances for one in found] == [3]
        assert found[0].PatientID == study.identity["PatientID"]
        assert found[0].IssuerOfPatientID == study.identity["IssuerOfPatientID"]
        series = find(
            clinic,
            "SERIES",
            StudyInstanceUID=study.uid,
            SeriesInstanceUID="",
            NumberOfSeriesRelatedInstances="",
        )
        assert sorted(one.NumberOfSeriesRelatedInstances for one in series) == [1, 2]
        images = find(clinic, "IMAGE", StudyInstanceUID=study.uid, SOPInstanceUID="")
        assert {one.SOPInstanceUID for one in images} == {
            one.SOPInstanceUID for one in study.instances
        }
        assert find(clinic, "STUDY", StudyInstanceUID="1.2.3", PatientID="") == []
        prefix = study.identity["PatientID"][:5]
        assert len(find(clinic, "STUDY", PatientID=prefix + "*", StudyInstanceUID="")) == 1


def test_people_rename_merge_double_and_delete(study: MadeStudy) -> None:
    with SyntheticClinic() as clinic:
        clinic.pacs.has(study.instances)
        clinic.pacs.rename(study.uid, "New^Name")
        clinic.pacs.merge(study.uid, "NEWID")
        (found,) = find(clinic, "STUDY", StudyInstanceUID=study.uid, PatientID="", PatientName="")
        assert (found.PatientID, found.PatientName) == ("NEWID", "New^Name")
        clinic.pacs.two_matches(study.uid)
        assert len(find(clinic, "STUDY", StudyInstanceUID=study.uid, PatientID="")) == 2
        clinic.pacs.delete(study.uid)
        assert find(clinic, "STUDY", StudyInstanceUID=study.uid, PatientID="") == []


def stored(clinic: SyntheticClinic, one: Dataset, calling: str = "RESEARCHPACS") -> int | None:
    """The status of storing one instance in the PACS; None when it refuses the context."""
    sender = AE(calling)
    syntax = one.file_meta.TransferSyntaxUID
    context = build_context(one.SOPClassUID, syntax)
    association = sender.associate(
        clinic.node.host, clinic.node.port, contexts=[context], ae_title=clinic.ae_title
    )
    if not association.is_established:
        return None
    status: int = association.send_c_store(one).Status
    association.release()
    return status


@pytest.mark.parametrize(("traits", "status"), [((), 0x0000), ((Trait.B007,), 0xB007)])
def test_what_is_stored_is_counted_and_found(
    study: MadeStudy, traits: tuple[Trait, ...], status: int
) -> None:
    one = study.instances[0]
    with SyntheticClinic(frozenset(traits)) as clinic:
        assert stored(clinic, one) == stored(clinic, one) == status
        assert [len(copies) for copies in clinic.pacs.stored.values()] == [2]
        assert len(find(clinic, "IMAGE", SOPInstanceUID=one.SOPInstanceUID)) == 1
    kept = clinic.pacs.stored[str(one.SOPInstanceUID)][0]
    assert dcmread(io.BytesIO(kept)).PatientID == one.PatientID


def test_without_image_level_the_query_fails_but_series_answer(study: MadeStudy) -> None:
    with SyntheticClinic(frozenset({Trait.NO_IMAGE_FIND})) as clinic:
        clinic.pacs.has(study.instances)
        assert len(find(clinic, "SERIES", StudyInstanceUID=study.uid, SeriesInstanceUID="")) == 2
        with pytest.raises(LookupError):
            find(clinic, "IMAGE", StudyInstanceUID=study.uid, SOPInstanceUID="")


def test_with_one_ae_it_calls_and_knows_only_that(box: Box, study: MadeStudy) -> None:
    with SyntheticClinic(frozenset({Trait.ONE_AE}), box_ae="RESEARCHPACS") as clinic:
        clinic.send(study, box.node)
        assert {called for _, called, _ in box.got} == {"RESEARCHPACS"}
        assert stored(clinic, study.instances[0], "OTHER") is None
        assert stored(clinic, study.instances[0], "RESEARCHPACS") == 0


def test_with_coercion_each_instance_comes_twice_with_corrected_attributes(
    box: Box, study: MadeStudy
) -> None:
    with SyntheticClinic(frozenset({Trait.COERCES})) as clinic:
        clinic.send(study, box.node)
    first, second = box.got[:3], box.got[3:]
    assert {calling for calling, _, _ in second} == {"PACS"}
    for (_, _, once), (_, _, again) in zip(first, second, strict=True):
        assert once.SOPInstanceUID == again.SOPInstanceUID
        assert str(again.PatientName) == str(once.PatientName).lower()
        assert once.InstitutionName != again.InstitutionName
    assert second[0][2].InstitutionName in coerced(study).canaries


def test_with_one_association_per_instance_it_opens_as_many(box: Box, study: MadeStudy) -> None:
    with SyntheticClinic(frozenset({Trait.ONE_ASSOCIATION_PER_INSTANCE, Trait.SLOW})) as clinic:
        clinic.send(study, box.node)
    assert box.associations == 3


def test_a_private_series_is_offered_and_an_old_pacs_refuses_what_is_not_plain(
    box: Box, study: MadeStudy
) -> None:
    private = with_private_series(study, random.Random(3))
    assert private.instances[-1].SOPClassUID == PRIVATE_SOP_CLASS
    assert set(private.canaries) == set(study.canaries)
    jpeg = copy.deepcopy(study.instances[0])
    jpeg.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.70"
    with SyntheticClinic(frozenset({Trait.REFUSES_PRIVATE})) as clinic:
        assert stored(clinic, private.instances[-1]) is None
        assert stored(clinic, jpeg) is None
        assert stored(clinic, study.instances[0]) == 0


def test_a_box_that_refuses_is_told(box: Box, study: MadeStudy) -> None:
    box.ae.require_calling_aet = ["MR7"]
    with SyntheticClinic() as clinic, pytest.raises(Unavailable, match="refused"):
        clinic.send(study, box.node)
