"""Law: a kept value has the form of its VR and nothing of the patient; what replaces one is ASCII."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance import deid
from appliance.deid.characters import decoded
from appliance.deid.tables import tables
from appliance.deid.values import Words, dummy, is_number, term
from tests.deid.making import (
    EXPLICIT,
    OPEN,
    PSEUDONYM,
    deidentified,
    made,
    parsed,
    plan_for,
    with_options,
)

PATIENT = {0x00100010: b"DUPONT^ANNE^LI", 0x00100020: b"PAT-4711", 0x00100030: b"19610203"}


@pytest.mark.parametrize(
    ("value", "legal"),
    [
        (b"1", True), (b"-1.5e-3 ", True), (b" 1\\2\\ 3.", True), (b"", True), (b"1\\\\2", True),
        (b".5", True), (b"1\0", True), (b"1-2", False), (b"19-09-1961", False), (b"1 2", False),
        (b"NaN", False), (b"1,5", False), (b"06 12 34", False), (b"1" * 65, False),
        (b"0.5\\" * 100_000 + b"1", True), (b"1.2.3", False), (b"e5", False), (b"1\xb2", False),
    ],
)  # fmt: skip
def test_numbers_are_numbers(value, legal):
    assert is_number(value) is legal


@given(st.binary(max_size=40))
def test_terms_hold_nothing_but_terms(value):
    for part in term(value):
        assert part is None or (len(part) <= 16 and part == part.upper() and part.isascii())


def test_each_wrong_value_goes_alone_and_the_number_of_values_stays():
    output = parsed(deidentified(made({0x00080008: b"ORIGINAL\\Anne Dupont\\AXIAL"})))
    assert list(output.ImageType) == ["ORIGINAL", "", "AXIAL"]
    output = parsed(deidentified(made({0x00281050: b"40\\A", 0x00180015: b"Anne Dupont"})))
    assert output.WindowCenter in (None, "")
    assert output.BodyPartExamined == ""


@pytest.mark.parametrize(
    "vr",
    [
        "AE",
        "AS",
        "CS",
        "DA",
        "DS",
        "DT",
        "IS",
        "LO",
        "LT",
        "PN",
        "SH",
        "ST",
        "TM",
        "UC",
        "UR",
        "UT",
    ],
)
def test_a_dummy_is_ascii_and_legal(vr):
    assert dummy(vr).isascii()
    assert 0 < len(dummy(vr)) <= 16


KEPT = {
    0x00080070: "Manufacturer",
    0x00081090: "ManufacturerModelName",
    0x00181020: "SoftwareVersions",
}


@pytest.mark.parametrize("text", ["TOMO 3000", "V1.2\\B", "Syngo MR"])
def test_a_technical_text_stays(text):
    output = parsed(deidentified(made({**PATIENT, **dict.fromkeys(KEPT, text.encode())})))
    for keyword in KEPT.values():
        value = output[keyword].value
        assert (value if isinstance(value, str) else "\\".join(value)) == text


@pytest.mark.parametrize(
    "text",
    [b"for DUPONT", b"dupontx", b"PAT-4711", b"4711", b"A 1.2.3.4.5.6", b"M\xfcller", b"\x1b$Bx"],
)
def test_a_technical_text_with_something_of_the_patient_or_unreadable_does_not_stay(text):
    output = parsed(deidentified(made({**PATIENT, 0x00080070: text, 0x00181250: text})))
    assert output.Manufacturer == "REMOVED"
    assert output.ReceiveCoilName == "REMOVED"


def test_a_text_in_its_declared_character_set_stays_to_the_byte():
    name = "Müller".encode("latin-1")
    output = deidentified(made({0x00080005: b"ISO_IR 100", 0x00080070: name}))
    assert name in output
    assert b"M\xfcller" not in deidentified(made({0x00080005: b"ISO_IR 192", 0x00080070: name}))


def test_an_item_reads_by_its_own_character_set():
    name = "Müller".encode()
    item = {0x00080005: b"ISO_IR 192", 0x00080070: name}
    output = parsed(deidentified(made({0x00080005: b"ISO_IR 100", 0x00081115: [item]})))
    assert output.ReferencedSeriesSequence[0].Manufacturer == "Müller"
    without = {0x00081115: [item, {0x00080070: name}]}
    output = parsed(deidentified(made(without)))
    assert output.ReferencedSeriesSequence[1].Manufacturer == "REMOVED"


@pytest.mark.parametrize(
    ("value", "declared", "text"),
    [
        (b"Buc^J\xe9r\xf4me", b"ISO_IR 100", "Buc^Jérôme"),
        ("山田^太郎".encode(), b"ISO_IR 192", "山田^太郎"),
        ("王^小东".encode("gb18030"), b"GB18030", "王^小东"),
        (
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B",
            b"\\ISO 2022 IR 87",
            "Yamada^Tarou=山田^太郎",
        ),
        (b"Hong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce", b"\\ISO 2022 IR 149", "Hong=洪^吉"),
        (b"\x1b-A\xe9", b"\\ISO 2022 IR 100", "é"),
        (b"J\xe9", b"", None),
        (b"J\xe9", b"ISO_IR 6", None),
        (b"J\xe9", b"ISO_IR 192", None),
        (b"J\xe9", b"NOT A SET", None),
        (b"x\x1b$Z", b"\\ISO 2022 IR 87", None),
        (b"\x1b$B;3", b"ISO_IR 100", None),
    ],
)
def test_text_is_read_in_its_declared_character_set_or_not_at_all(value, declared, text):
    assert decoded(value, declared) == text


@given(st.binary(max_size=60), st.binary(max_size=30))
def test_no_bytes_and_no_declaration_crash_the_reading(value, declared):
    decoded(value, declared)


def test_a_short_name_counts_as_a_whole_word_only():
    words = Words(("LI^ANN",), 3, lambda uid: uid == "1.2.3.4.5")
    assert words.clean(b"SCANNER", b"")
    assert not words.clean(b"FOR ANN", b"")
    assert not words.clean(b"SEE 1.2.3.4.5", b"")


CODED = {0x00080100: b"A-1", 0x00080102: b"DCM", 0x00080104: b"Free words"}


@pytest.mark.parametrize(
    ("scheme", "meaning"),
    [
        (b"DCM", "Free words"),
        (b"SCT", "Free words"),
        (b"99LOC", "A-1"),
        (b"L", "A-1"),
        (b"", "A-1"),
    ],
)
def test_the_meaning_of_a_private_code_is_its_code(scheme, meaning):
    output = parsed(deidentified(made({0x00082218: [{**CODED, 0x00080102: scheme}]})))
    item = output.AnatomicRegionSequence[0]
    assert (item.CodeValue, item.CodeMeaning) == ("A-1", meaning)


def test_the_subject_is_the_pseudonym_wherever_the_patient_stood():
    elements = {**PATIENT, 0x00200010: b"4711", 0x00080050: b"ACC1", 0x00080090: b"HOUSE^G"}
    output = parsed(deidentified(made(elements)))
    assert (output.PatientID, str(output.PatientName)) == (PSEUDONYM, PSEUDONYM)
    assert (output.StudyID, output.AccessionNumber, output.ReferringPhysicianName) == (
        "ABCDEFGHJK",
        "",
        "",
    )
    assert parsed(deidentified(made({}))).PatientID == PSEUDONYM


def test_options_keep_what_they_say_and_nothing_else():
    elements = {
        **PATIENT, 0x00100040: b"F", 0x00101030: b"70", 0x00102110: b"none known",
        0x00181000: b"SN42", 0x00181002: b"1.2.3.9", 0x00080055: b"STATION", 0x00080080: b"CHU",
    }  # fmt: skip
    bare_profile = parsed(deidentified(made(elements)))
    assert bare_profile.PatientSex == ""
    assert not {"PatientWeight", "Allergies", "InstitutionName"} & set(bare_profile.dir())
    everything = with_options(
        OPEN,
        "retain_patient_characteristics",
        "retain_device_identity",
        "retain_institution_identity",
    )
    output = parsed(deidentified(made(elements), policy=everything))
    assert (output.PatientSex, output.PatientWeight, output.InstitutionName) == ("F", 70, "CHU")
    assert output.DeviceSerialNumber == "SN42"
    assert output.DeviceUID.startswith("2.25.")
    assert "Allergies" not in output
    assert "StationAETitle" not in output


def test_markers_say_what_was_done_and_earlier_ones_go():
    earlier = {
        0x00120010: b"SPONSOR", 0x00120020: b"P1", 0x00120040: b"SUBJ", 0x00120062: b"NO",
        0x00120063: b"somebody", 0x00120064: [{0x00080100: b"113110"}], 0x00280303: b"UNMODIFIED",
    }  # fmt: skip
    output = parsed(deidentified(made(earlier)))
    assert output.PatientIdentityRemoved == "YES"
    assert list(output.DeidentificationMethod) == list(
        plan_for(deid.scan(made({}), EXPLICIT)).stamp
    )
    codes = [
        (i.CodeValue, i.CodingSchemeDesignator) for i in output.DeidentificationMethodCodeSequence
    ]
    assert codes == [("113100", "DCM")]
    assert [e.keyword for e in output.group_dataset(0x0012)] == [
        "PatientIdentityRemoved",
        "DeidentificationMethod",
        "DeidentificationMethodCodeSequence",
    ]


def test_a_stamp_fits_its_vr():
    output = parsed(deidentified(made({}), stamp=("x" * 99, "y")))
    assert list(output.DeidentificationMethod) == ["x" * 64, "y"]


def test_file_meta_is_ours():
    file = deidentified(made({}))
    output = parsed(file)
    assert file[:132] == bytes(128) + b"DICM"
    assert [e.keyword for e in output.file_meta] == [
        "FileMetaInformationGroupLength", "FileMetaInformationVersion", "MediaStorageSOPClassUID",
        "MediaStorageSOPInstanceUID", "TransferSyntaxUID", "ImplementationClassUID", "ImplementationVersionName",
    ]  # fmt: skip
    assert output.file_meta.MediaStorageSOPInstanceUID == output.SOPInstanceUID
    assert output.file_meta.ImplementationVersionName.startswith("RPACS_")
    assert len(output.file_meta.ImplementationVersionName) <= 16


def test_classes_and_schemes_are_never_mapped_and_the_prefix_alone_exempts_nothing():
    elements = {
        0x00081150: b"1.2.840.113619.4.27", 0x0008010C: b"1.2.840.113619.9", 0x00083010: b"1.2.840.10008.9999.1",
        0x00200052: b"1.2.840.10008.1.4.1.1", 0x00080058: b"1.2.3.4.7\\\\1.2.3.4.8",
    }  # fmt: skip
    data = made(elements)
    assert "1.2.840.10008.9999.1" in deid.scan(data, EXPLICIT).uids
    output = parsed(deidentified(data))
    assert output.ReferencedSOPClassUID == "1.2.840.113619.4.27"
    assert output.CodingSchemeUID == "1.2.840.113619.9"
    assert output.IrradiationEventUID.startswith("2.25.")
    assert output.FrameOfReferenceUID == "1.2.840.10008.1.4.1.1"
    first, empty, last = output.FailedSOPInstanceUIDList
    assert (first[:5], empty, last[:5]) == ("2.25.", "", "2.25.")


def test_the_dummies_of_sequences_are_complete():
    outcome = {row[0][0] for row in tables().dummies}
    replaced = {0x00080082, 0x00081072, 0x00340001, 0x0040A073, 0x00401101, 0x0040A730}
    assert outcome == replaced
