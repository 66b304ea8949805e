"""Law: a subject's identity is found wherever it stands in finished bytes, and chance is no leak."""

import struct
from dataclasses import replace
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance import keyed
from appliance.deid import guard
from appliance.deid.guard.control import PLACES
from appliance.deid.guard.search import SENSES
from appliance.keyed import mapped_uid, pseudonym

KEY = b"k" * 32
EXPLICIT = b"1.2.840.10008.1.2.1\0"


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    value += (b"\0" if vr in (b"UI", b"OB", b"OW", b"UN") else b" ") * (len(value) % 2)
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr
    if vr in (b"OB", b"OW", b"UN", b"UT", b"SQ"):
        return head + struct.pack("<HI", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def file_of(*elements: bytes) -> bytes:
    return bytes(128) + b"DICM" + element(0x00020010, b"UI", EXPLICIT) + b"".join(elements)


def text(value: str) -> bytes:
    return file_of(element(0x00104000, b"LT", value.encode()))


def found(output: bytes, *values: str, uids: tuple[str, ...] = ()) -> list[bool]:
    """Whether each hit is short; an empty list means clean."""
    return [hit.short for hit in guard.search(output, guard.needles(values, uids, 3))]


def test_the_positive_control_finds_the_planted_person() -> None:
    guard.control()


@pytest.mark.parametrize("place", SENSES.places)
def test_a_guard_blind_in_one_place_fails_its_control(place: str) -> None:
    blind = replace(SENSES, places=tuple(p for p in SENSES.places if p != place))
    with pytest.raises(RuntimeError, match="blind"):
        guard.control(blind)


@pytest.mark.parametrize("coding", SENSES.codings)
def test_a_guard_blind_to_one_character_set_fails_its_control(coding: str) -> None:
    blind = replace(SENSES, codings=tuple(c for c in SENSES.codings if c != coding))
    with pytest.raises(RuntimeError, match="blind"):
        guard.control(blind)


@pytest.mark.parametrize("name", [name for name, _ in SENSES.decodings])
def test_a_guard_blind_to_one_encoding_fails_its_control(name: str) -> None:
    blind = replace(SENSES, decodings=tuple(row for row in SENSES.decodings if row[0] != name))
    with pytest.raises(RuntimeError, match="blind"):
        guard.control(blind)


def test_a_guard_that_cries_wolf_fails_its_control() -> None:
    def everything(data: bytes):  # type: ignore[no-untyped-def]
        yield 0, "Zyqwénorth".encode()

    with pytest.raises(RuntimeError, match="where none is"):
        guard.control(replace(SENSES, decodings=(("any", everything),)))


@pytest.mark.parametrize("place", PLACES)
def test_a_hit_names_the_place_and_never_the_text(place: str) -> None:
    hits = guard.search(PLACES[place](b"QUXZOVTAR^FYLP"), guard.needles(["Quxzovtar^Fylp"], [], 3))
    assert hits
    assert all("offset" in hit.where for hit in hits)
    assert not any("quxz" in hit.where.lower() for hit in hits)


NAMES = ["DUPONT MARIE", "Marie DUPONT", "marie_dupont", "xxDUPONTxx", "Mme Dupont-Durand"]


@pytest.mark.parametrize("spelling", NAMES)
def test_a_name_is_found_in_any_order_and_case(spelling: str) -> None:
    assert found(text(spelling), "Dupont^Marie") != []


def test_a_name_of_two_letters_is_found_beside_its_other_half_only() -> None:
    assert found(text("patient xu li"), "LI^XU") == [False]
    assert found(text("linear xu"), "LI^XU") == []


@pytest.mark.parametrize(
    "spelling", ["00123456", "123456", "12 34 56", "12-34-56", "ID:X123456", "0000123456"]
)
def test_an_identifier_is_found_without_zeros_and_with_separators(spelling: str) -> None:
    assert found(text(spelling), "00123456") != []


DAYS = [
    "19740311", "11031974", "03111974", "1974-03-11", "11/03/1974", "11.3.1974", "3/11/1974",
    "11 MAR 1974", "11 mars 1974", "March 11, 1974",
]  # fmt: skip


@pytest.mark.parametrize("spelling", DAYS)
def test_a_birth_date_is_found_in_its_usual_spellings(spelling: str) -> None:
    assert False in found(text(f"born {spelling}"), "19740311")


def test_phone_and_address_are_found_by_their_parts() -> None:
    assert found(text("06 12 34 56 78"), "+33612345678") != []
    assert found(text("12, RUE DES LILAS"), "12 rue des Lilas^75002 PARIS") != []
    assert found(text("75002 PARIS"), "12 rue des Lilas^75002 PARIS") != []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_an_original_uid_is_found_as_text_and_with_something_appended(encoding: str) -> None:
    uid = "1.2.840.113619.2.5.1"
    for written in (uid, f"{uid}.7", f"http://pacs/{uid}/series"):
        output = file_of(element(0x00204000, b"LT", written.encode(encoding)))
        assert found(output, uids=(uid,)) == [False]


def test_an_original_uid_is_found_in_base64_and_hex() -> None:
    uid = "1.2.840.113619.2.5.1"
    assert found(text(uid.encode().hex()), uids=(uid,)) == [False]
    assert found(text("MS4yLjg0MC4xMTM2MTkuMi41LjE="), uids=(uid,)) == [False]


def test_an_original_uid_that_looks_like_ours_is_still_an_original() -> None:
    uid = mapped_uid(KEY, "1.2.3")
    assert found(file_of(element(0x0020000D, b"UI", uid.encode())), uids=(uid,)) == [False]


def test_short_names_count_as_whole_words_that_a_person_may_release() -> None:
    assert found(text("seen by Roy today"), "Roy^Al") == [True]
    assert found(text("corduroy"), "Roy^Al") == []


def test_a_name_inside_a_defined_term_is_no_hit() -> None:
    output = file_of(element(0x00080008, b"CS", b"ORIGINAL\\PRIMARY\\AXIAL"))
    assert found(output, "GINA^RIMA") == []
    assert found(file_of(element(0x00180015, b"CS", b"HEAD")), "HEAD^JOHN") == []
    assert found(text("Head first"), "HEAD^JOHN") == [True]
    assert found(text("Gina"), "GINA^RIMA") == [False]


def test_a_study_number_of_one_digit_is_never_searched() -> None:
    assert (
        found(file_of(element(0x00200013, b"IS", b"1"), element(0x00200010, b"SH", b"1")), "1")
        == []
    )


@given(st.integers(0, 10**6 - 1), st.text("0123456789", min_size=1, max_size=20))
def test_digits_of_our_own_uids_and_of_numbers_are_chance(number: int, original: str) -> None:
    identifier = f"{number:06}"
    output = file_of(
        element(0x00080018, b"UI", mapped_uid(KEY, f"1.2.{original}").encode()),
        element(0x00080032, b"TM", f"101530.{identifier}".encode()),
        element(0x00200032, b"DS", f"-1.{identifier}\\0.{identifier}1\\12{identifier}".encode()),
    )
    assert found(output, identifier) == []


def test_an_identifier_that_is_a_whole_number_is_a_hit() -> None:
    assert found(file_of(element(0x00181050, b"DS", b"1.5\\123456")), "0123456") == [False]


def test_the_birth_date_in_another_date_is_for_a_person_to_judge() -> None:
    assert found(file_of(element(0x00080020, b"DA", b"19740311")), "19740311") == [True]
    assert found(file_of(element(0x00080020, b"DT", b"19740311101500")), "19740311") == [True]
    assert found(file_of(element(0x00100030, b"DA", b"19740311")), "19740311") == [False]


def test_a_ramp_a_flat_image_and_short_texts_in_pixels_are_chance() -> None:
    pixels = bytes(range(256)) * 20 + b"111111111111DUPON"
    assert found(file_of(element(0x7FE00010, b"OW", pixels)), "456789", "11111111", "DUPON") == []
    assert found(file_of(element(0x7FE00010, b"OW", pixels + b"DUPONT")), "Dupont") == [False]


def test_what_we_write_ourselves_is_no_hit() -> None:
    name = pseudonym(KEY, "LYON", "", "4711")
    digest = "ab12345678cd" * 5 + "beef"
    stamp = element(0x00120063, b"LO", f"research-pacs 0.1.0\\{digest}\\2024e+2025b".encode())
    output = file_of(element(0x00100010, b"PN", name.encode()), stamp)
    assert found(output, "CHU de Lyon", "12345678", "2024", "Beef^Ab") == []


def test_a_given_pseudonym_is_spared_unless_it_is_the_identity() -> None:
    output = file_of(element(0x00100020, b"LO", b"LYON-17-A"))
    spared = guard.needles(["CHU Lyon"], [], 3, own=["LYON-17-A"])
    leaking = guard.needles(["LYON17A"], [], 3, own=["LYON-17-A"])
    assert guard.search(output, spared) == ()
    assert guard.search(output, leaking) != ()


@given(st.binary(max_size=400))
def test_no_bytes_make_the_guard_stumble(noise: bytes) -> None:
    needles = guard.needles(["Dupont^Marie", "19740311", "山田^太郎"], ["1.2.3.4.5"], 3)
    guard.search(noise, needles)
    guard.search(file_of(noise), needles)


@given(st.text(min_size=0, max_size=30))
def test_any_value_makes_needles(value: str) -> None:
    guard.search(text("plain"), guard.needles([value], [value], 3))


def test_the_needles_do_not_print_themselves() -> None:
    assert "Dupont" not in repr(guard.needles(["Dupont^Marie"], [], 3))


def test_a_ct_slice_with_four_thousand_original_uids_costs_a_few_milliseconds() -> None:
    noise = b"".join(struct.pack("<H", n * 2654435761 >> 7 & 0xFFF) for n in range(512 * 512))
    header = [
        element(0x00080018, b"UI", mapped_uid(KEY, f"1.2.{n}").encode()) for n in range(30)
    ] + [element(0x00104000, b"LT", b"plain text of a header, as there is") for _ in range(150)]
    output = file_of(*header, element(0x7FE00010, b"OW", noise))
    needles = guard.needles(
        ["Dupont^Marie Hélène", "00123456", "A2024001", "19740311", "12 rue des Lilas"],
        [f"1.2.840.113619.2.5.{n}" for n in range(4000)],
        3,
    )
    assert guard.search(output, needles) == ()
    begun = process_time()
    for _ in range(10):
        guard.search(output, needles)
    # Measured 3.5 ms; the margin is for a busy machine.
    assert (process_time() - begun) / 10 < 0.02


def test_our_own_forms_are_those_of_keyed() -> None:
    assert keyed.pseudonym(KEY, "DEMO", "", "1").startswith("DEMO-")
