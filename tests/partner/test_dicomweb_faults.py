"""Whatever a partner answers, an instance is stored, or held, or tried again: never believed lost."""

import gzip
import json

import pytest
from faulty import Faulty, Said
from outward import SOP, STUDY, outgoing, partner_at

from appliance.errors import Refusal, Unavailable, Undecided
from appliance.partner.dicomweb import DicomWeb, Limits, Outgoing
from appliance.profile import Basic, Bearer, Device

JSON = {"Content-Type": "application/dicom+json"}
LISTED = Said(200, JSON, json.dumps([{"00080018": {"vr": "UI", "Value": [SOP]}}]).encode())
EMPTY = Said(200, JSON, b"[]")


def store_answer(accepted: list[str], failed: dict[str, int]) -> bytes:
    def item(uid: str, reason: int) -> dict[str, object]:
        return {
            "00081155": {"vr": "UI", "Value": [uid]},
            "00081197": {"vr": "US", "Value": [reason]},
        }

    return json.dumps(
        {
            "00081198": {"vr": "SQ", "Value": [item(uid, why) for uid, why in failed.items()]},
            "00081199": {"vr": "SQ", "Value": [item(uid, 0) for uid in accepted]},
        }
    ).encode()


def answering(faulty: Faulty, stow: Said, qido: Said) -> None:
    faulty.to_post, faulty.to_get = stow, qido


@pytest.mark.parametrize("status", [200, 201, 202, 204, 409])
def test_success_is_believed_only_when_the_body_or_the_list_names_the_instance(
    faulty: Faulty, at_faulty: DicomWeb, status: int
) -> None:
    answering(faulty, Said(status), EMPTY)
    with pytest.raises(Unavailable):
        at_faulty.store(outgoing())
    answering(faulty, Said(status), LISTED)
    at_faulty.store(outgoing())
    if status != 204:
        answering(faulty, Said(status, JSON, store_answer([SOP], {})), EMPTY)
        at_faulty.store(outgoing())


@pytest.mark.parametrize("status", [200, 202, 409])
def test_a_failure_inside_the_answer_is_tried_again_or_shown_to_a_person(
    faulty: Faulty, at_faulty: DicomWeb, status: int
) -> None:
    for reason in (0xA700, 0x0110, 0x0111, 0):
        body = store_answer([], {SOP: reason})
        answering(faulty, Said(status, JSON, body), EMPTY)
        with pytest.raises(Unavailable):
            at_faulty.store(outgoing())
    for reason in (0x0122, 0x0124, 0xA900, 0xC000):
        body = store_answer([], {SOP: reason})
        answering(faulty, Said(status, JSON, body), EMPTY)
        with pytest.raises(Undecided, match=f"0x{reason:04X}"):
            at_faulty.store(outgoing())


def test_an_answer_that_contradicts_itself_is_not_believed(
    faulty: Faulty, at_faulty: DicomWeb
) -> None:
    body = store_answer([SOP], {SOP: 0xA700})
    answering(faulty, Said(200, JSON, body), EMPTY)
    with pytest.raises(Unavailable):
        at_faulty.store(outgoing())


@pytest.mark.parametrize("status", [400, 406, 413, 415, 418, 451])
def test_what_the_partner_will_never_take_is_held(
    faulty: Faulty, at_faulty: DicomWeb, status: int
) -> None:
    answering(faulty, Said(status), EMPTY)
    with pytest.raises(Undecided) as held:
        at_faulty.store(outgoing())
    assert held.value.code == "partner-refused"


@pytest.mark.parametrize(
    "status", [401, 403, 404, 410, 429, 500, 502, 503, 504, 599, 302, 307, 600]
)
def test_what_may_pass_is_tried_later(faulty: Faulty, at_faulty: DicomWeb, status: int) -> None:
    answering(faulty, Said(status, {"Location": faulty.url + "/elsewhere"}), EMPTY)
    with pytest.raises(Unavailable):
        at_faulty.store(outgoing())
    assert not any("elsewhere" in path for _, path, _, _ in faulty.seen)


@pytest.mark.parametrize(
    ("wish", "waits"),
    [("30", 30.0), ("1000000000", 900.0), ("9" * 400, 900.0), ("soon", None), ("", None)],
)
def test_a_wish_to_wait_is_honoured_for_at_most_a_quarter_of_an_hour(
    faulty: Faulty, at_faulty: DicomWeb, wish: str, waits: float | None
) -> None:
    answering(faulty, Said(503, {"Retry-After": wish}), EMPTY)
    with pytest.raises(Unavailable) as later:
        at_faulty.store(outgoing())
    assert later.value.wait_s == waits


def test_after_a_lost_answer_the_list_decides(faulty: Faulty, at_faulty: DicomWeb) -> None:
    answering(faulty, Said(silent=True), LISTED)
    at_faulty.store(outgoing())
    assert [method for method, *_ in faulty.seen] == ["POST", "GET"]
    answering(faulty, Said(silent=True), EMPTY)
    with pytest.raises(Unavailable):
        at_faulty.store(outgoing())
    assert f"SOPInstanceUID={SOP}" in faulty.seen[-1][1]


def test_the_body_has_a_length_and_is_the_instance_between_two_lines(
    faulty: Faulty, at_faulty: DicomWeb
) -> None:
    answering(faulty, Said(200), LISTED)
    at_faulty.store(outgoing(b"x" * 200_000))
    _, path, headers, body = faulty.seen[0]
    assert path == "/dicom-web/studies"
    assert int(headers["Content-Length"]) == len(body)
    assert b"\r\n\r\n" + b"x" * 200_000 + b"\r\n--" in body
    assert set(headers) == {
        "Host",
        "Accept-Encoding",
        "Content-Type",
        "Accept",
        "Content-Length",
        "User-Agent",
    }


def test_an_instance_of_another_length_than_announced_is_a_bug_and_stops(
    at_faulty: DicomWeb,
) -> None:
    short = outgoing()
    with pytest.raises(ValueError, match="announced"):
        at_faulty.store(Outgoing("", SOP, STUDY, short.body, short.length + 1))


@pytest.mark.parametrize(
    "said",
    [
        Said(200, JSON, b"no json"),
        Said(200, JSON, b"[" * 100_000),
        Said(200, JSON, b"{}"),
        Said(200, JSON, b"[{}]"),
        Said(200, JSON, b'[{"00080018": {"vr": "UI", "Value": ["../../etc"]}}]'),
        Said(200, JSON, b'[{"00080018": {"vr": "UI", "Value": ["' + b"1" * 65 + b'"]}}]'),
        Said(200, JSON, b'[{"00080018": {"vr": "UI", "Value": [1]}}]'),
        Said(200, {"Content-Type": "text/html"}, b"[]"),
        Said(200, {}, b"[]"),
        Said(200, JSON | {"Content-Encoding": "gzip"}, gzip.compress(b"[]")),
        Said(200, JSON | {"Content-Encoding": "gzip"}, gzip.compress(b" " * (1 << 24))),
        Said(200, JSON, b"[" + b" " * 4000 + b"]"),
        Said(200, JSON, b"[]", cut=1),
        Said(302, {"Location": "/dicom-web/studies/1/instances"}),
        Said(400),
        Said(500),
        Said(silent=True),
    ],
)
def test_a_list_is_believed_only_when_it_is_one(faulty: Faulty, said: Said) -> None:
    faulty.to_get = said
    limits = Limits(list_bytes=4000 if len(said.body) < 5000 else 1 << 20)
    with (
        DicomWeb(partner_at(faulty.url), {}, Device(), limits) as partner,
        pytest.raises(Unavailable),
    ):
        partner.listed(STUDY)


@pytest.mark.parametrize("status", [204, 404])
def test_a_study_that_the_partner_does_not_know_is_empty(
    faulty: Faulty, at_faulty: DicomWeb, status: int
) -> None:
    faulty.to_get = Said(status)
    assert at_faulty.listed(STUDY) == frozenset()


def test_a_server_that_ignores_pages_is_read_once_and_an_endless_one_is_stopped(
    faulty: Faulty, at_faulty: DicomWeb
) -> None:
    faulty.to_get = LISTED
    assert at_faulty.listed(STUDY) == {SOP}
    assert len(faulty.seen) == 2

    def endless(number: int) -> Said:
        row = {"00080018": {"vr": "UI", "Value": [f"2.25.{number}"]}}
        return Said(200, JSON, json.dumps([row]).encode())

    faulty.script = endless
    with (
        DicomWeb(partner_at(faulty.url), {}, Device(), Limits(instances=20)) as partner,
        pytest.raises(Unavailable, match="more than 20"),
    ):
        partner.listed(STUDY)


MULTIPART = {"Content-Type": 'multipart/related; type="application/dicom"; boundary="b"'}
ONE = b"--b\r\nContent-Type: application/dicom\r\n\r\nDICOM\r\n--b--"


@pytest.mark.parametrize(
    "said",
    [
        Said(200, {"Content-Type": "text/html"}, ONE),
        Said(200, {"Content-Type": "multipart/related"}, ONE),
        Said(200, {"Content-Type": "multipart/related; boundary=" + "b" * 71}, ONE),
        Said(200, MULTIPART, ONE[:-6]),
        Said(200, MULTIPART, b""),
        Said(200, MULTIPART, b"x" * 200_000),
        Said(
            200, MULTIPART, ONE[:-2] + b"\r\nContent-Type: application/dicom\r\n\r\nMORE\r\n--b--"
        ),
        Said(200, MULTIPART | {"Content-Encoding": "gzip"}, gzip.compress(ONE)),
        Said(200, MULTIPART, ONE, cut=30),
        Said(206, MULTIPART, ONE),
        Said(404),
        Said(503),
        Said(silent=True),
    ],
)
def test_an_instance_that_does_not_come_whole_is_fetched_later(
    faulty: Faulty, at_faulty: DicomWeb, said: Said
) -> None:
    faulty.to_get = said
    with pytest.raises(Unavailable):
        at_faulty.fetch("1", "2", "3", [].append)


def test_an_instance_comes_also_as_a_bare_answer(faulty: Faulty, at_faulty: DicomWeb) -> None:
    for said in (
        Said(200, MULTIPART, ONE),
        Said(200, {"Content-Type": "application/dicom"}, b"DICOM"),
    ):
        faulty.to_get = said
        got: list[bytes] = []
        at_faulty.fetch("1", "2", "3", got.append)
        assert b"".join(got) == b"DICOM"


def test_an_instance_beyond_the_limit_is_refused(faulty: Faulty) -> None:
    faulty.to_get = Said(200, MULTIPART, ONE)
    got: list[bytes] = []
    with (
        DicomWeb(partner_at(faulty.url), {}, Device(), Limits(instance_bytes=4)) as partner,
        pytest.raises(Refusal) as refused,
    ):
        partner.fetch("1", "2", "3", got.append)
    assert refused.value.code == "Q16"
    assert sum(map(len, got)) <= 4


def test_credentials_are_the_profiles_and_a_missing_secret_is_told(faulty: Faulty) -> None:
    faulty.to_get = EMPTY
    basic = Basic(kind="basic", user="box", secret="lab")
    with DicomWeb(partner_at(faulty.url, basic), {"lab": "pässword"}, Device()) as partner:
        partner.listed(STUDY)
    assert faulty.seen[-1][2]["Authorization"] == "Basic Ym94OnDDpHNzd29yZA=="
    bearer = Bearer(kind="bearer", secret="lab")
    with DicomWeb(partner_at(faulty.url, bearer), {"lab": "token"}, Device()) as partner:
        partner.listed(STUDY)
    assert faulty.seen[-1][2]["Authorization"] == "Bearer token"
    with (
        DicomWeb(partner_at(faulty.url, bearer), {}, Device()) as partner,
        pytest.raises(Unavailable, match="secret lab"),
    ):
        partner.listed(STUDY)


@pytest.mark.parametrize("token", ["tök", "line\n", "a\r\nX-Evil: 1", "\u2028"])
def test_a_token_that_http_cannot_carry_is_told(faulty: Faulty, token: str) -> None:
    bearer = Bearer(kind="bearer", secret="lab")
    with (
        DicomWeb(partner_at(faulty.url, bearer), {"lab": token}, Device()) as partner,
        pytest.raises(Unavailable, match="secret lab"),
    ):
        partner.listed(STUDY)
    assert not faulty.seen


def test_cookies_are_not_kept(faulty: Faulty, at_faulty: DicomWeb) -> None:
    faulty.to_get = Said(200, JSON | {"Set-Cookie": "who=box"}, b"[]")
    at_faulty.listed(STUDY)
    at_faulty.listed(STUDY)
    assert "Cookie" not in faulty.seen[-1][2]
