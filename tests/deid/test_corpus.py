"""Law: a public file is de-identified or refused with its code; what is kept is kept to the byte."""

import re
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from pydicom import Dataset

from appliance import deid
from appliance.deid import Keep, guard
from appliance.deid.elements import Item, read
from appliance.deid.objects import coding_of
from appliance.errors import Refusal, Undecided
from appliance.profile import Policy
from tests.deid.making import OPEN, SHIFT, bare, parsed, plan_for, public_files, with_options

# Without identifiers of their own, damaged, or in an encoding that is not read.
REFUSED = {
    "D01": {
        "DICOMDIR", "DICOMDIR-empty.dcm", "DICOMDIR-implicit", "DICOMDIR-nooffset",
        "DICOMDIR-nopatient", "DICOMDIR-reordered", "MR_truncated.dcm", "SC_rgb_jpeg.dcm",
        "UN_sequence.dcm", "chrSQEncoding.dcm", "chrSQEncoding1.dcm", "empty_charset_LEI.dcm",
        "emri_small_jpeg_2k_lossless_too_short.dcm", "nested_priv_SQ.dcm",
        "no_meta_group_length.dcm", "priv_SQ.dcm", "rtplan_truncated.dcm", "winter.dcm",
    },
    "D02": {
        "DICOMDIR-bigEnd", "ExplVR_BigEnd.dcm", "MR_small_bigendian.dcm", "MR_small_expb.dcm",
        "OBXXXX1A_expb.dcm", "OBXXXX1A_expb_2frame.dcm", "SC_rgb_expb.dcm",
        "SC_rgb_expb_16bit.dcm", "SC_rgb_expb_16bit_2frame.dcm", "SC_rgb_expb_2frame.dcm",
        "SC_rgb_expb_32bit.dcm", "SC_rgb_expb_32bit_2frame.dcm",
        "SC_rgb_small_odd_big_endian.dcm", "emri_small_big_endian.dcm",
        "gdcm-US-ALOKA-16_big.dcm", "image_dfl.dcm", "liver_expb.dcm", "liver_expb_1frame.dcm",
        "meta_missing_tsyntax.dcm", "rtdose_expb.dcm", "rtdose_expb_1frame.dcm",
    },
    # Colour palettes which are instances of the standard itself: nobody's to rename.
    "D09": {
        "fall.dcm", "hotiron.dcm", "hotmetalblue.dcm", "pet.dcm", "pet20step.dcm", "spring.dcm",
        "summer.dcm",
    },
}  # fmt: skip
SMALL = [path for path in public_files() if path.stat().st_size < 1_000_000]
SAMPLE = (
    "CT_small.dcm", "MR_small.dcm", "MR_small_implicit.dcm", "JPEG2000.dcm", "rtplan.dcm", "rtdose.dcm",
    "rtstruct.dcm", "liver_1frame.dcm", "test-SR.dcm", "reportsi.dcm", "waveform_ecg.dcm", "emri_small.dcm",
    "SC_rgb.dcm", "color3d_jpeg_baseline.dcm", "examples_palette.dcm", "eCT_Supplemental.dcm", "mlut_18.dcm",
    "vlut_04.dcm", "chrX1.dcm", "bad_sequence.dcm", "693_UNCI.dcm", "examples_overlay.dcm",
)  # fmt: skip
EVERYTHING = with_options(
    SHIFT,
    "retain_patient_characteristics",
    "retain_device_identity",
    "retain_institution_identity",
)


def outcome_of(path: Path, policy: Policy = OPEN) -> tuple[bytes, str, deid.Facts, deid.Outcome]:
    syntax, data = bare(path.read_bytes())
    facts = deid.scan(data, syntax)
    return data, syntax, facts, deid.apply(data, syntax, plan_for(facts, policy=policy))


def finished(data: bytes, outcome: deid.Outcome) -> bytes:
    return b"".join(deid.assemble(outcome.splices, data))


def readable(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        try:
            outcome_of(path)
        except Refusal:
            continue
        yield path


@pytest.mark.timeout(60)  # two hundred files, twice
def test_every_public_file_is_treated_or_refused_with_its_code():
    refused: dict[str, set[str]] = {code: set() for code in REFUSED}
    treated = 0
    for path in public_files():
        try:
            outcome_of(path)
            treated += 1
        except Refusal as refusal:
            refused[refusal.code].add(path.name)
    assert refused == REFUSED
    assert treated == 208


@pytest.mark.timeout(60)
@pytest.mark.parametrize("policy", [OPEN, SHIFT, EVERYTHING], ids=["remove", "shift", "options"])
def test_no_original_uid_is_left_and_the_guard_agrees(policy):
    words = {"remove": "REMOVED", "shift": "MODIFIED"}
    for path in readable(SMALL):
        data, _, facts, outcome = outcome_of(path, policy)
        output = finished(data, outcome)
        assert [uid for uid in facts.uids if len(uid) > 8 and uid.encode() in output] == [], (
            path.name
        )
        plan = plan_for(facts)
        guard.verify(
            output,
            guard.Expected(
                plan.pseudonym, frozenset(plan.uids.values()), words[policy.dates.policy]
            ),
        )


@pytest.mark.timeout(60)
def test_a_second_run_gives_the_same_bytes_and_another_stamp_the_same_likeness():
    for path in readable(SMALL):
        data, syntax, facts, outcome = outcome_of(path)
        again = deid.apply(data, syntax, plan_for(facts))
        stamped = deid.apply(data, syntax, plan_for(facts, stamp=("research-pacs 9", "x" * 64)))
        other = deid.apply(data, syntax, plan_for(facts, pseudonym="DEMO-0000000000000"))
        assert finished(data, again) == finished(data, outcome)
        assert stamped.splices != outcome.splices
        assert stamped.likeness == outcome.likeness != other.likeness


@pytest.mark.timeout(60)
def test_pixels_are_kept_ranges_and_come_out_as_they_came_in():
    for path in readable(SMALL):
        data, syntax, _, outcome = outcome_of(path)
        pixels = [
            e
            for e in read(data, coding_of(syntax)).elements
            if e.tag >> 16 == 0x7FE0 and e.tag & 0xFFFF
        ]
        for element in pixels:
            assert any(
                isinstance(s, Keep) and s.start <= element.start and element.stop <= s.stop
                for s in outcome.splices
            ), path.name
        output = parsed(finished(data, outcome))
        if pixels and "PixelData" in output:
            value = data[pixels[-1].value : pixels[-1].stop]
            assert value.startswith(output.PixelData[:-1])


@pytest.mark.timeout(60)
def test_our_reading_sees_the_same_elements_as_the_reference_implementation():
    for path in readable(SMALL):
        syntax, data = bare(path.read_bytes())
        assert not differences(read(data, coding_of(syntax)), parsed(path.read_bytes())), path.name


def differences(item: Item, dataset: Dataset) -> list[str]:
    found = [f"{e.tag:08X}" for e in item.elements if e.tag not in dataset]
    if len(item.elements) != len(dataset):
        found.append(f"{len(item.elements)} elements against {len(dataset)}")
    for element in item.elements:
        if element.items is not None and dataset[element.tag].VR == "SQ":
            items = dataset[element.tag].value
            for ours, theirs in zip(element.items, items, strict=True):
                found += differences(ours, theirs)
    return found


def complaints(file: bytes, folder: Path) -> set[str]:
    """What dciodvfy finds wrong, without values and places."""
    path = folder / f"{sha256(file).hexdigest()[:16]}.dcm"
    path.write_bytes(file)
    answer = subprocess.run(["dciodvfy", str(path)], capture_output=True, timeout=120, check=False)
    path.unlink()
    lines = (answer.stderr + answer.stdout).decode("latin-1").splitlines()
    return {re.sub(r"<[^>]*>|\[\d+\]", "", line) for line in lines if line.startswith("Error")}


def new_complaints(paths: list[Path], policy: Policy, folder: Path) -> dict[str, set[str]]:
    found = {}
    for path in readable(paths):
        data, _, _, outcome = outcome_of(path, policy)
        new = complaints(finished(data, outcome), folder) - complaints(path.read_bytes(), folder)
        if new:
            found[path.name] = new
    return found


@pytest.mark.timeout(60)  # two processes per file
@pytest.mark.parametrize("policy", [OPEN, EVERYTHING], ids=["remove", "options"])
def test_an_output_is_no_worse_dicom_than_its_input(policy, tmp_path):
    sample = [path for path in SMALL if path.name in SAMPLE]
    assert len(sample) >= 18
    assert new_complaints(sample, policy, tmp_path) == {}


@pytest.mark.corpus
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("policy", [OPEN, SHIFT, EVERYTHING], ids=["remove", "shift", "options"])
def test_no_output_of_the_whole_corpus_is_worse_than_its_input(policy, tmp_path):
    assert new_complaints(list(public_files()), policy, tmp_path) == {}


@pytest.mark.corpus
@pytest.mark.timeout(1800)
def test_no_original_uid_is_left_in_the_whole_corpus():
    for path in public_files():
        try:
            data, _, facts, outcome = outcome_of(path)
        except (Refusal, Undecided):
            continue
        output = finished(data, outcome)
        assert [uid for uid in facts.uids if len(uid) > 8 and uid.encode() in output] == []
