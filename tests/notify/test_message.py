"""A notification holds counts, a code and a link; nothing else fits into it."""

import dataclasses
import datetime
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import CODES
from appliance.notify.message import KINDS, Message, event, subject, text

HELD = Message(
    id="n-17",
    kind="delivery.held",
    site="DEMO",
    project="ABC",
    count=3,
    code="Q12",
    link="https://device.example/held/17",
    wall=datetime.datetime(2026, 11, 20, 10, 0, tzinfo=datetime.UTC),
)


def test_the_event_is_a_cloudevent() -> None:
    assert json.loads(event(HELD)) == {
        "specversion": "1.0",
        "id": "n-17",
        "source": "urn:research-pacs:DEMO",
        "type": "org.researchpacs.delivery.held",
        "time": "2026-11-20T10:00:00Z",
        "datacontenttype": "application/json",
        "data": {
            "project": "ABC",
            "count": 3,
            "code": "Q12",
            "link": "https://device.example/held/17",
        },
    }


def test_a_time_that_is_not_trusted_is_left_out() -> None:
    unsure = dataclasses.replace(HELD, wall=None)
    assert "time" not in json.loads(event(unsure))
    assert "2026" not in text(unsure, "en")


def test_a_person_reads_his_language() -> None:
    assert subject(HELD, "en") == "[research-pacs DEMO ABC] a result waits for a person"
    assert subject(HELD, "fr") == "[research-pacs DEMO ABC] un résultat attend une personne"
    assert CODES["Q12"].fr in text(HELD, "fr")
    assert CODES["Q12"].en in text(HELD, "en")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_kind_can_be_told(kind: str, language: str) -> None:
    message = dataclasses.replace(HELD, kind=kind, code="", project="", link="")
    assert text(message, language).count("\n") == 4  # type: ignore[arg-type]


@given(st.sampled_from(["id", "site", "project", "link", "code", "kind"]), st.text())
def test_free_text_does_not_fit_in(field: str, free: str) -> None:
    marked = free + "\r\nBcc: Doe^Jane 1.2.840.113619.2.55"
    with pytest.raises(ValueError, match="notification"):
        dataclasses.replace(HELD, **{field: marked})
