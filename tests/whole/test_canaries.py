"""Law: nothing that names a patient leaves the clinic, or is written for people or logs.

Spool, ledger (studies, patients) and vault hold identities by design and are not searched; all
else is: what the partner got, mails, webhooks, pages, commands, output, names of files and
processes, audit, events, decisions.
"""

import pytest

from tests.whole.canaries import BORN, EXAMINED, exact, found, spelled
from tests.whole.conftest import Walked

CHANNELS = (
    "partner", "mails", "webhooks", "pages", "commands", "output", "process table", "file names",
    "audit", "events", "decisions",
)  # fmt: skip
# What each channel truly carries: a search that does not see it would see no canary either.
CARRIED = {"output": "morning page", "process table": "--part", "file names": "ledger.db"}
CARRIED |= {"decisions": "not ours"}

# The first test of this file walks there and home, in all its settle and retry times.
pytestmark = pytest.mark.timeout(90)


@pytest.mark.parametrize("channel", CHANNELS)
def test_no_channel_carries_a_value_of_the_patient(walked: Walked, channel: str) -> None:
    texts = walked.texts[channel]
    assert found([*walked.canaries.words, *walked.canaries.uids, BORN, EXAMINED], texts) == []


@pytest.mark.parametrize("channel", CHANNELS)
def test_the_search_sees_what_a_channel_truly_carries(walked: Walked, channel: str) -> None:
    word = CARRIED.get(channel, walked.site)
    assert found([word], walked.texts[channel]) == [word]


def test_the_search_finds_every_word_in_what_the_modality_sent(walked: Walked) -> None:
    names = len(walked.sent)
    assert found(walked.canaries.words[:-names], walked.sent) == walked.canaries.words[:-names]
    assert found(walked.canaries.uids, walked.sent) == walked.canaries.uids


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_planted_canary_is_found_in_each_channel_and_encoding(
    walked: Walked, channel: str
) -> None:
    word = walked.canaries.words[0]
    for coded in (*spelled(word), *exact(word)):
        planted = [
            text[: len(text) // 2] + coded + text[len(text) // 2 :]
            for text in walked.texts[channel][:1]
        ]
        assert found([word], planted) == [word]


def test_the_walk_was_seen_to_its_end(walked: Walked) -> None:
    assert set(walked.texts) == set(CHANNELS)
    assert len(walked.canaries.words) > 500
    said = b"".join(walked.texts["webhooks"])
    for kind in (
        "parcel.confirmed",
        "parcel.held",
        "delivery.held",
        "delivery.verified",
        "delivery.quarantined",
    ):
        assert kind.encode() in said
