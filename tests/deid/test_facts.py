"""Law: the facts name every UID to be mapped and every value by which the patient is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance import deid
from appliance.deid import Identity, Keep
from appliance.errors import Refusal
from tests.deid.making import EXPLICIT, IMPLICIT, deidentified, made, plan_for

PATIENT = {
    0x00080005: b"ISO_IR 100",
    0x00080050: b"ACC-77",
    0x00080060: b"CT",
    0x00080090: b"HOUSE^G",
    0x0008103E: b"THORAX ",
    0x00100010: "Müller^Jörg".encode("latin-1"),
    0x00100020: b"PAT-4711 ",
    0x00100021: b"CHU",
    0x00100030: b"19610203",
    0x00100040: b"F",
    0x00101000: b"OLD-1\\OLD-2",
    0x00200010: b"S77",
    0x00400275: [{0x00401001: b"REQ-9", 0x0040A123: b"NURSE^N"}],
    0x00081115: [{0x0020000E: b"1.2.3.4.8", 0x00081150: b"1.2.840.10008.5.1.4.1.1.2"}],
    0x00090010: ("LO", b"ACME"),
    0x00091001: ("UI", b"1.2.3.4.99"),
}


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_the_facts_of_an_instance(syntax):
    facts = deid.scan(made(PATIENT, syntax), syntax)
    assert (facts.sop_instance, facts.study, facts.series) == (
        "1.2.3.4.5.6",
        "1.2.3.4.5",
        "1.2.3.4",
    )
    assert (facts.modality, facts.description) == ("CT", "THORAX")
    assert (facts.patient_id, facts.issuer) == ("PAT-4711", "CHU")
    assert facts.identity.patient_name == "Müller^Jörg"
    assert (facts.identity.birth_date, facts.identity.sex) == ("19610203", "F")
    assert facts.uids == {"1.2.3.4.5.6", "1.2.3.4.5", "1.2.3.4", "1.2.3.4.8"}
    wanted = {
        "ACC-77",
        "HOUSE^G",
        "PAT-4711",
        "19610203",
        "OLD-1",
        "OLD-2",
        "S77",
        "REQ-9",
        "NURSE^N",
    }
    assert wanted | {"Müller^Jörg"} == set(facts.needles)


def test_an_identity_goes_to_the_vault_and_back():
    identity = deid.scan(made(PATIENT), EXPLICIT).identity
    assert Identity.from_dict(identity.as_dict()) == identity
    assert set(identity.as_dict().values()) >= {"PAT-4711", "CHU", "19610203"}


def test_nothing_of_the_patient_shows_in_a_representation():
    facts = deid.scan(made(PATIENT), EXPLICIT)
    shown = repr((facts, facts.identity, plan_for(facts)))
    assert not [text for text in (*facts.needles, *facts.uids) if text in shown]


@pytest.mark.parametrize(
    "elements", [{0x00080016: b""}, {0x00080018: b""}, {0x00080016: b"not a UID"}]
)
def test_an_instance_without_name_or_class_is_refused(elements):
    with pytest.raises(Refusal, match="D01"):
        deid.scan(made(elements), EXPLICIT)


keeps = st.builds(
    lambda start, size: Keep(start, start + size), st.integers(0, 2**40), st.integers(0, 99)
)


@given(st.lists(keeps | st.binary(max_size=20)))
def test_splices_survive_their_packed_form(splices):
    packed = deid.pack(splices)
    assert list(deid.unpack(packed)) == splices
    for stop in range(1, len(packed)):
        try:
            assert deid.pack(deid.unpack(packed[:stop])) == packed[:stop]
        except ValueError:
            continue


def test_damaged_splices_are_refused():
    for packed in (b"X", b"K\0", b"B\5\0\0\0ab", b"B\0"):
        with pytest.raises(ValueError, match="packed splices"):
            deid.unpack(packed)


def test_what_is_kept_never_becomes_bytes_of_ours():
    pixels = bytes(range(256)) * 4096
    data = made({0x7FE00010: ("OW", pixels)})
    outcome = deid.apply(data, EXPLICIT, plan_for(deid.scan(data, EXPLICIT)))
    fresh = sum(len(splice) for splice in outcome.splices if isinstance(splice, bytes))
    output = deidentified(data)
    assert deid.length(outcome.splices) == len(output)
    assert fresh < 2000
    assert pixels in output
    assert all(
        isinstance(piece, memoryview) == isinstance(splice, Keep)
        for piece, splice in zip(deid.assemble(outcome.splices, data), outcome.splices, strict=True)
    )


def test_the_counts_say_what_was_done():
    data = made(PATIENT)
    counts = deid.apply(data, EXPLICIT, plan_for(deid.scan(data, EXPLICIT))).counts
    assert counts["removed"] >= 5
    assert counts["mapped"] == 4
