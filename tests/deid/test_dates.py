"""Law: shifting keeps every interval and every form; what cannot be read is never passed on."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance import deid
from appliance.deid.dates import KNOWN, checked, moved
from tests.deid.making import (
    EXPLICIT,
    KEEP_DATES,
    OPEN,
    SHIFT,
    deidentified,
    made,
    parsed,
    plan_for,
    with_options,
)

days = st.dates(date(1700, 1, 1), date(2300, 1, 1)).filter(lambda d: f"{d:%Y%m%d}" not in KNOWN)
offsets = st.integers(-3650, -1)


def written(day: date) -> bytes:
    return day.strftime("%Y%m%d").encode()


@given(days, days, offsets)
def test_intervals_are_kept_to_the_day(first, second, offset):
    (one,) = moved(written(first), "DA", offset)
    (two,) = moved(written(second), "DA", offset)
    assert date.fromisoformat(one.decode()) - date.fromisoformat(two.decode()) == first - second


@given(days, offsets)
def test_there_is_a_way_back(day, offset):
    (one,) = moved(written(day), "DA", offset)
    if one.decode() not in KNOWN:
        assert moved(one, "DA", -offset) == [written(day)]


@given(
    days,
    offsets,
    st.sampled_from(["", "07", "0759", "075960", "075959.1", "235959.123456"]),
    st.sampled_from(["", "+0100", "-0930", "+1400"]),
)
def test_of_a_moment_only_the_day_moves(day, offset, time, suffix):
    rest = (time + suffix).encode()
    (one,) = moved(written(day) + rest, "DT", offset)
    assert one == written(day + timedelta(offset)) + rest


@given(st.binary(max_size=24), st.sampled_from(["DA", "TM", "DT"]), offsets)
def test_what_is_no_date_never_passes(value, vr, offset):
    for policy in (moved(value, vr, offset), checked(value, vr)):
        for one in policy:
            assert one is None or not one.strip(b"0123456789.+-")
            assert one is None or len(one) <= 26


@pytest.mark.parametrize("known", sorted(KNOWN))
def test_what_everybody_knows_is_never_shifted(known):
    assert moved(known.encode(), "DA", -7) == [None]
    assert moved(known.encode() + b"120000", "DT", -7) == [None]


@pytest.mark.parametrize(
    ("vr", "value", "out"),
    [
        ("DA", b"1990.01.31", [b"19900130"]),
        ("DA", b"0000000000", [None]),
        ("DA", b"1990/01/", [None]),
        ("DA", b"1990.0131", [None]),
        ("DA", b"19900230", [None]),
        ("DA", b"20200301 ", [b"20200229"]),
        ("DA", b"20200301\0", [b"20200229"]),
        ("DA", b"20200301\\\\text\\20200302", [b"20200229", b"", None, b"20200301"]),
        ("DA", b"", [b""]),
        ("TM", b"07:59:01.5", [b"075901.5"]),
        ("TM", b"0759:01", [None]),
        ("TM", b"245900", [None]),
        ("DT", b"2020", [None]),
        ("DT", b"202003", [None]),
        ("DT", b"20200301250000", [None]),
    ],
)
def test_forms_seen_in_the_wild(vr, value, out):
    assert moved(value, vr, -1) == out


def test_coarse_moments_stay_when_dates_are_kept():
    assert checked(b"2020\\202003+0100\\soon", "DT") == [b"2020", b"202003+0100", None]


DATED = {
    0x00080020: b"20200301",
    0x00080023: b"20200301\\\\20200303",
    0x00080030: b"075901",
    0x0008002A: b"20200301075901.5+0100",
    0x00080201: b"+0100",
    0x00100030: b"19610203",
    0x00101010: b"092Y",
    0x00181200: b"20200101",
    0x00181078: b"20200301075901",
    0x00080106: b"20020904000000",
    0x00141020: b"20200301",
    0x00400275: [{0x00400002: b"20200301", 0x00400004: b"20200302"}],
    0x00081115: [{0x00080022: b"20200301", 0x00100030: b"19610203"}],
}


def test_shifted_dates_stay_consistent_at_every_depth():
    output = parsed(deidentified(made(DATED), policy=SHIFT))
    moved_day = (date(2020, 3, 1) - timedelta(1234)).strftime("%Y%m%d")
    assert output.StudyDate == output.ReferencedSeriesSequence[0].AcquisitionDate == moved_day
    assert output.AcquisitionDateTime == f"{moved_day}075901.5+0100"
    assert [str(d) for d in output.ContentDate] == [
        moved_day,
        "",
        (date(2020, 3, 3) - timedelta(1234)).strftime("%Y%m%d"),
    ]
    assert output.StudyTime == "075901"
    assert output.TimezoneOffsetFromUTC == "+0100"
    assert output.LongitudinalTemporalInformationModified == "MODIFIED"
    assert output[0x00141020].value == moved_day
    assert "20020904" not in str(output.get(0x00080106))


@pytest.mark.parametrize("policy", [OPEN, SHIFT, KEEP_DATES])
@pytest.mark.parametrize(
    "options", [(), ("retain_patient_characteristics", "retain_device_identity")]
)
def test_a_birth_date_never_stays(policy, options):
    output = parsed(deidentified(made(DATED), policy=with_options(policy, *options)))
    births = [e for e in output.iterall() if e.tag == 0x00100030]
    assert [e.value for e in births] == ["", ""]


def test_dates_of_the_device_would_give_the_offset_away():
    device = with_options(SHIFT, "retain_device_identity")
    output = deidentified(made(DATED), policy=device)
    assert "DateOfLastCalibration" not in parsed(output)
    assert b"20200101" not in output
    kept = with_options(KEEP_DATES, "retain_device_identity")
    assert parsed(deidentified(made(DATED), policy=kept)).DateOfLastCalibration == "20200101"


def test_removed_dates_go_by_the_table_and_kept_ones_stay():
    removed = parsed(deidentified(made(DATED)))
    assert removed.StudyDate == ""
    assert "AcquisitionDateTime" not in removed
    assert "TimezoneOffsetFromUTC" not in removed
    assert removed.LongitudinalTemporalInformationModified == "REMOVED"
    kept = parsed(deidentified(made(DATED), policy=KEEP_DATES))
    assert kept.StudyDate == "20200301"
    assert kept.AcquisitionDateTime == "20200301075901.5+0100"
    assert kept.LongitudinalTemporalInformationModified == "UNMODIFIED"


@pytest.mark.parametrize(
    ("age", "out"), [(b"092Y", "090Y"), (b"089Y", "089Y"), (b"090Y", "090Y"), (b"011M", "011M")]
)
def test_an_age_above_the_cap_is_capped(age, out):
    policy = with_options(OPEN, "retain_patient_characteristics")
    assert parsed(deidentified(made({0x00101010: age}), policy=policy)).PatientAge == out


def test_an_age_that_is_none_is_removed():
    policy = with_options(OPEN, "retain_patient_characteristics")
    assert "PatientAge" not in parsed(deidentified(made({0x00101010: b"old"}), policy=policy))
    assert "PatientAge" not in parsed(deidentified(made({0x00101010: b"040Y"})))


def test_the_suv_can_still_be_computed_after_a_shift():
    data = made(
        {
            0x00080016: b"1.2.840.10008.5.1.4.1.1.128",
            0x00080021: b"20200302",
            0x00080031: b"000130",
            0x00101030: b"70",
            0x00540016: [
                {0x00181072: b"235900", 0x00181078: b"20200301235900", 0x00181074: b"4e8"}
            ],
        }
    )
    policy = with_options(SHIFT, "retain_patient_characteristics")
    output = parsed(deidentified(data, policy=policy))
    drug = output.RadiopharmaceuticalInformationSequence[0]
    injected = date.fromisoformat(drug.RadiopharmaceuticalStartDateTime[:8])
    assert date.fromisoformat(output.SeriesDate) - injected == timedelta(1)
    assert (output.SeriesTime, drug.RadiopharmaceuticalStartTime) == ("000130", "235900")
    assert (output.PatientWeight, drug.RadionuclideTotalDose) == (70, 4e8)


def test_one_outcome_says_what_was_claimed():
    data = made(DATED)
    facts = deid.scan(data, EXPLICIT)
    policy = with_options(SHIFT, "retain_patient_characteristics", "retain_device_identity")
    outcome = deid.apply(data, EXPLICIT, plan_for(facts, policy=policy))
    assert outcome.claims == ("113100", "113107", "113108", "113109")
    assert deid.apply(data, EXPLICIT, plan_for(facts)).claims == ("113100",)
    assert deid.apply(data, EXPLICIT, plan_for(facts, policy=KEEP_DATES)).claims == (
        "113100",
        "113106",
    )
