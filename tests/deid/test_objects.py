"""Law: what rules cannot clean is refused or waits for a person; a settled code lets it go on."""

import pytest

from appliance import deid
from appliance.errors import CODES, Refusal, Undecided
from appliance.profile import Policy
from tests.deid.making import EXPLICIT, OPEN, deidentified, made, parsed, plan_for

STORAGE = "1.2.840.10008.5.1.4.1.1."
DEFAULT = Policy()
CODE = {0x00080100: b"121106", 0x00080102: b"DCM", 0x00080104: b"Comment"}
TREE = {
    0x0040A040: b"CONTAINER",
    0x0040A730: [
        {0x0040A040: b"TEXT", 0x0040A043: [CODE], 0x0040A160: b"CNRY saw Dr CNRY"},
        {0x0040A040: b"PNAME", 0x0040A123: b"CNRY^X"},
        {0x0040A040: b"IMAGE", 0x00081199: [{0x00081155: b"1.2.3.4.9"}]},
    ],
}


def answer(elements: dict[int, object], policy: Policy = DEFAULT, syntax: str = EXPLICIT) -> str:
    """The code with which it ends, marked when it is held; "" when it goes on."""
    data = made(elements, EXPLICIT)
    try:
        deid.apply(data, syntax, plan_for(deid.scan(data, syntax), policy=policy))
    except Undecided as undecided:
        return f"held {undecided.code}"
    except Refusal as refusal:
        return refusal.code
    return ""


@pytest.mark.parametrize(
    ("sop_class", "code"),
    [
        ("2", ""), ("4", ""), ("66.4", ""), ("481.3", ""), ("88.59", ""), ("9.1.1", ""),
        ("88.33", "held D06"), ("88.67", "held D06"), ("11.1", "D06"), ("104.1", "D06"),
        ("77.1.1.1", "held D06"), ("9.4.1", "held D06"), ("201.1", "D02"),
    ],
)  # fmt: skip
def test_each_kind_of_object_has_its_answer(sop_class, code):
    assert answer({0x00080016: f"{STORAGE}{sop_class}".encode()}) == code


def test_the_policy_says_what_happens_to_reports_documents_and_video():
    def under(**answers: str) -> Policy:
        return Policy.model_validate({"objects": answers})

    report, document = (
        {0x00080016: f"{STORAGE}88.11".encode()},
        {0x00080016: f"{STORAGE}104.1".encode()},
    )
    assert answer(report, under(sr="quarantine")) == "D06"
    assert answer(report, under(sr="replace")) == ""
    assert answer(document, under(encapsulated="hold")) == "held D06"
    film = "1.2.840.10008.1.2.4.102.1"
    assert answer({}, syntax=film) == "held D06"
    assert answer({}, under(video="quarantine"), film) == "D06"


def test_a_directory_and_the_label_of_a_slide_are_refused():
    assert answer({0x00080016: b"1.2.840.10008.1.3.10"}) == "D02"
    for kind in (b"LABEL", b"OVERVIEW"):
        assert answer({0x00080060: b"SM", 0x00080008: b"ORIGINAL\\PRIMARY\\" + kind}) == "D06"


PIXELS: dict[int, object] = {0x7FE00010: b"\0\0"}
RISKS = {
    "an ultrasound": {0x00080060: b"US"},
    "a fluoroscopy": {0x00080060: b"RF"},
    "marked YES": {0x00080060: b"CT", 0x00280301: b"YES"},
    "a screen save marked NO": {0x00080008: b"DERIVED\\SECONDARY\\SCREEN SAVE", 0x00280301: b"NO"},
    "a secondary capture": {0x00080016: f"{STORAGE}7".encode(), 0x00080060: b"CT"},
    "a photograph": {0x00080016: f"{STORAGE}77.1.4".encode()},
    "overlay bits": {0x00080060: b"CT", 0x60000010: b"\1\0"},
}
NO_RISKS = {
    "a slice": {0x00080060: b"CT", 0x00080008: b"ORIGINAL\\PRIMARY\\AXIAL"},
    "an ultrasound marked NO": {0x00080060: b"US", 0x00280301: b"NO"},
    "an overlay of its own": {0x00080060: b"CT", 0x60000010: b"\1\0", 0x60003000: b"\0\0"},
}


@pytest.mark.parametrize("risk", RISKS)
def test_names_that_may_be_burned_in_wait_for_a_person(risk):
    elements = {**RISKS[risk], **PIXELS}
    assert answer(elements) == "held D05"
    assert answer(elements, Policy.model_validate({"pixels": {"review": "never"}})) == ""
    assert answer(RISKS[risk]) == ""
    data = made(elements)
    facts = deid.scan(data, EXPLICIT)
    assert facts.risks
    deid.apply(data, EXPLICIT, plan_for(facts, policy=DEFAULT, settled=frozenset({"D05"})))


@pytest.mark.parametrize("kind", NO_RISKS)
def test_ordinary_images_go_on(kind):
    assert answer({**NO_RISKS[kind], **PIXELS}) == ""


def test_what_was_deidentified_before_waits_for_a_person():
    elements = {0x00120062: b"YES"}
    assert answer(elements) == "held D04"
    assert answer(elements, Policy(already_deidentified="send")) == ""
    data = made(elements)
    plan = plan_for(deid.scan(data, EXPLICIT), policy=DEFAULT, settled=frozenset({"D04"}))
    deid.apply(data, EXPLICIT, plan)


def test_every_hold_offers_what_the_table_of_codes_says():
    assert all(CODES[code].offers for code in ("D04", "D05", "D06"))


def test_a_replaced_report_keeps_its_root_and_one_empty_line():
    output = deidentified(made({0x00080016: f"{STORAGE}88.33".encode(), **TREE}))
    assert b"CNRY" not in output
    (line,) = parsed(output).ContentSequence
    assert (line.ValueType, line.TextValue) == ("TEXT", "REMOVED")
    assert parsed(output).ValueType == "CONTAINER"


def test_a_key_object_keeps_its_references_and_loses_its_words():
    output = deidentified(made({0x00080016: f"{STORAGE}88.59".encode(), **TREE}))
    assert b"CNRY" not in output
    text, _, image = parsed(output).ContentSequence
    assert text.TextValue == "REMOVED"
    assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID.startswith("2.25.")


def test_a_content_tree_has_no_place_in_an_image():
    assert "ContentSequence" not in parsed(deidentified(made(TREE)))


def test_annotations_of_a_waveform_lose_their_words_and_keep_their_codes():
    ecg = {0x00080016: f"{STORAGE}9.1.1".encode()}
    note = {0x00700006: b"CNRY was here", 0x0040A043: [CODE]}
    output = deidentified(made({**ecg, 0x0040B020: [note]}))
    assert b"CNRY" not in output
    (item,) = parsed(output).WaveformAnnotationSequence
    assert item.ConceptNameCodeSequence[0].CodeMeaning == "Comment"
    assert item.UnformattedTextValue == "REMOVED"


def test_references_follow_the_type_of_their_object():
    reference = {0x00081150: b"1.2.840.10008.5.1.4.1.1.2", 0x00081155: b"1.2.3.4.9"}
    slice_ = made({0x00081140: [reference], 0x00082112: [reference]})
    assert "ReferencedImageSequence" not in parsed(deidentified(slice_))
    unknown = made({0x00080016: f"{STORAGE}9999".encode(), 0x00081140: [reference]})
    (kept,) = parsed(deidentified(unknown)).ReferencedImageSequence
    assert kept.ReferencedSOPInstanceUID.startswith("2.25.")
    assert parsed(deidentified(unknown, policy=OPEN)).SOPInstanceUID.startswith("2.25.")
