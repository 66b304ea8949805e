"""Law: nothing comes home that is not ours, not this patient's, or refers to what never left."""

import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian

from appliance import reid
from appliance.errors import Refusal, Undecided
from appliance.keyed import mapped_uid
from appliance.reid.reading import MOST_BYTES
from appliance.reid.references import STUDY as STUDY_TAG
from appliance.reid.references import places
from tests.reid import results
from tests.reid.results import KEY, PSEUDONYM, PSTUDY, RESULTS, SENT, changed, delivery, reading

EXPECTED = reid.Expectation(PSTUDY)
FOREIGN = "1.2.999.4.5.6"
STAMP = reid.Stamp("research-pacs 0.1.0", "d" * 64)


def code_of(files: dict[str, bytes], sent: reid.Sent = SENT) -> str:
    try:
        reid.validate(files, sent, EXPECTED)
    except (Refusal, Undecided) as verdict:
        return verdict.code
    return ""


def spoiled(name: str, change: object) -> dict[str, bytes]:
    """The whole delivery, one instance of it changed."""
    files = [RESULTS[other]() for other in RESULTS if other != name]
    files.append(changed(RESULTS[name](), change))  # type: ignore[arg-type]
    return {str(number): file for number, file in enumerate(files)}


def test_a_delivery_of_good_results_is_accepted_with_what_it_introduces() -> None:
    accepted = reid.validate(delivery(), SENT, EXPECTED)
    assert {item.sop_instance for item in accepted} == set(delivery())
    introduced = frozenset().union(*(item.introduced for item in accepted))
    assert "1.3.6.1.4.1.5962.1.77" in introduced
    assert not introduced & SENT.uids.keys()


@pytest.mark.parametrize("name", RESULTS)
def test_a_foreign_reference_at_every_referring_position_is_refused(name: str) -> None:
    positions = [
        n for n, place in enumerate(places(reading(RESULTS[name]()))) if not place.introduces
    ]
    verdicts = {}
    for position in positions:

        def plant(ds: Dataset, position: int = position) -> None:
            place = list(places(ds))[position]
            place.element.value = FOREIGN
            verdicts[position] = "Q03" if (place.tag, place.depth) == (STUDY_TAG, 0) else "Q05"

        files = spoiled(name, plant)
        assert code_of(files) == verdicts[position]
    assert len(verdicts) >= 2


@pytest.mark.parametrize("name", RESULTS)
def test_an_instance_reference_to_something_that_is_no_instance_is_refused(name: str) -> None:
    """A UID which the delivery introduces as a device does not vouch for an image."""

    def plant(ds: Dataset) -> None:
        ds.DeviceUID = FOREIGN
        next(place for place in places(ds) if place.tag == 0x00081155).element.value = FOREIGN

    assert code_of(spoiled(name, plant)) == "Q05"


def test_an_unregistered_class_uid_is_refused() -> None:
    def plant(ds: Dataset) -> None:
        ds.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[
            0
        ].ReferencedSOPSequence[0].ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2.99"

    assert code_of(spoiled("sr", plant)) == "Q05"


def test_the_pseudonym_of_a_with_the_study_of_b_is_refused() -> None:
    assert code_of(delivery(), results.other_patient()) == "Q04"
    files = {"1": changed(results.seg(), lambda ds: setattr(ds, "PatientID", "DEMO-0000000000000"))}
    assert code_of(files) == "Q04"


def test_two_patients_in_one_delivery_are_refused() -> None:
    assert code_of(spoiled("seg", lambda ds: setattr(ds, "PatientID", "DEMO-OTHER"))) == "Q06"


def test_another_study_is_refused() -> None:
    other = mapped_uid(KEY, "1.2.840.113619.9.99")
    assert code_of(spoiled("seg", lambda ds: setattr(ds, "StudyInstanceUID", other))) == "Q03"
    known_elsewhere = replace(SENT, uids={**SENT.uids, other: "1.2.840.113619.9.99"})
    files = spoiled("seg", lambda ds: setattr(ds, "StudyInstanceUID", other))
    assert code_of(files, known_elsewhere) == "Q03"


@pytest.mark.parametrize("original", ["sent slice", "its original", "not derived"])
def test_an_original_sent_back_is_refused(original: str) -> None:
    ds = results.series()[0]
    if original == "sent slice":
        assert code_of({"1": results.written(ds)}) == "Q15"
    elif original == "its original":
        assert (
            code_of(spoiled("sr", lambda ds: setattr(ds, "SOPInstanceUID", results.SOPS[0])))
            == "Q15"
        )
    else:
        files = spoiled("seg", lambda ds: setattr(ds, "ImageType", ["ORIGINAL", "PRIMARY"]))
        assert code_of(files) == "Q15"


@pytest.mark.parametrize("sop_class", ["1.2.840.10008.5.1.4.1.1.9.1.1", "1.2.840.113619.4.27", ""])
def test_a_class_that_is_not_on_the_list_is_refused(sop_class: str) -> None:
    assert code_of(spoiled("sr", lambda ds: setattr(ds, "SOPClassUID", sop_class))) == "Q02"


def test_big_endian_and_deflated_are_refused() -> None:
    file = results.seg()
    for tail in (b"2\0", b"1.99"):
        assert code_of({"1": _with_syntax(file, b"1.2.840.10008.1.2." + tail)}) == "Q02"
    assert ExplicitVRBigEndian == "1.2.840.10008.1.2.2"


def _with_syntax(file: bytes, uid: bytes) -> bytes:
    old = b"1.2.840.10008.1.2.1\0"
    at = file.index(old)
    header = struct.pack("<H", len(uid) + len(uid) % 2)
    return file[: at - 2] + header + uid + b"\0" * (len(uid) % 2) + file[at + len(old) :]


def test_a_picture_waits_for_a_person_unless_something_is_refused() -> None:
    files = {"1": results.picture()}
    with pytest.raises(Undecided, match="Q09"):
        reid.validate(files, SENT, EXPECTED)
    assert reid.validate(files, SENT, replace(EXPECTED, settled=frozenset({"Q09"})))
    spoilt = changed(results.picture(), lambda ds: setattr(ds, "FrameOfReferenceUID", FOREIGN))
    assert code_of({"1": spoilt}) == "Q05"


def nested(depth: int, vr: bytes) -> bytes:
    item = b""
    for _ in range(depth):
        head = b"\x40\0\x30\xa7" + (vr + b"\0\0" if vr else b"")
        body = struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item
        item = head + struct.pack("<I", len(body)) + body
    return item


def test_a_tree_that_is_too_deep_is_refused() -> None:
    meta = results.sr()[: results.sr().index(b"\x08\0\x05\0CS")]
    implicit = _with_syntax(meta, b"1.2.840.10008.1.2")
    unknown = b"\x40\0\x30\xa7UN\0\0" + struct.pack("<I", len(nested(70, b"")) - 8)
    for depth, verdict in ((70, "Q16"), (5, "Q01")):
        assert code_of({"1": meta + nested(depth, b"SQ")}) == verdict
        assert code_of({"1": implicit + nested(depth, b"")}) == verdict
    assert code_of({"1": meta + unknown + nested(70, b"")[8:]}) == "Q16"


def test_a_file_beyond_the_limit_is_refused_unread() -> None:
    # The kernel hands out zero pages only when they are touched: this costs no memory.
    assert code_of({"1": bytes(MOST_BYTES + 1)}) == "Q16"


@pytest.mark.parametrize("name", RESULTS)
def test_a_truncated_file_is_refused(name: str) -> None:
    file = RESULTS[name]()
    for cut in range(1, len(file) // 2, 331):
        assert code_of({"1": file[:-cut]}) != ""
    for broken in (b"", b"DICM", file[:132], bytes(200)):
        assert code_of({"1": broken}) == "Q01"


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_bytes_end_otherwise_than_in_a_verdict(data: st.DataObject) -> None:
    file = bytearray(RESULTS[data.draw(st.sampled_from(sorted(RESULTS)))]())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(132, len(file) - 1))
        file[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    verdict = verdict_of(bytes(file))
    assert verdict[:1] in ("Q", "")
    assert PSEUDONYM not in verdict


def verdict_of(file: bytes) -> str:
    """The whole way home of one file."""
    try:
        accepted = reid.validate({"1": file}, SENT, replace(EXPECTED, settled=frozenset({"Q09"})))
        home = reid.reconcile(file, SENT, results.NOW, accepted[0].introduced, STAMP)
        reid.mirrored(home, SENT)
    except (Refusal, Undecided) as verdict:
        return str(verdict)
    return ""
