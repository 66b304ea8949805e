"""The exam walks one study out and one result home through the real processes, whatever the PACS's habits.

Habits that do not contradict each other are examined in one run; `b007` wants a PACS that can be
asked what it has kept. `slow` and the others that prolong the way in share the run with them.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from appliance.exam.loopback import loopback
from appliance.exam.run import START, Result, examine
from appliance.exam.stage import Page
from appliance.exam.steps import STEPS
from appliance.exam.traits import Trait
from appliance.profile import Profile, parse

EXAMPLES = Path(__file__).parents[2] / "examples"
RUNS = {
    "an easy PACS": frozenset(),
    "a PACS that refuses": frozenset(
        {Trait.ONE_AE, Trait.REFUSES_PRIVATE, Trait.NO_IMAGE_FIND, Trait.SLOW}
    ),
    "a PACS with its own ways": frozenset(
        {Trait.COERCES, Trait.ONE_ASSOCIATION_PER_INSTANCE, Trait.B007}
    ),
}


class Listener:
    """What an audience was told, in order."""

    def __init__(self) -> None:
        self.pages: list[Page] = []
        self.results: list[Result] = []
        self.ends = 0

    def opened(self, page: Page) -> None:
        self.pages.append(page)

    def saw(self, result: Result) -> None:
        self.results.append(result)

    def ended(self, results: Sequence[Result]) -> None:
        assert results == self.results
        self.ends += 1


@pytest.fixture(scope="module")
def demo() -> Profile:
    return parse((EXAMPLES / "demo.yaml").read_text(encoding="utf-8"))


def test_every_trait_has_its_run() -> None:
    assert frozenset().union(*RUNS.values()) == frozenset(Trait)


@pytest.mark.parametrize("trait", [None, *Trait])
def test_no_address_of_the_hospital_is_left_in_an_exam(trait: Trait | None) -> None:
    hospital = parse((EXAMPLES / "hospital.yaml").read_text(encoding="utf-8"))
    here = "http://127.0.0.1:1/"
    traits = frozenset({trait} if trait else ())
    changed = loopback(hospital, traits, (1111, 2222), here, here)
    hosts = [changed.clinic.listen.host, *(peer.host for peer in changed.clinic.peers)]
    assert set(hosts) == {"127.0.0.1"}
    assert [partner.send.url for partner in changed.partners] == [here]
    assert [hook.url for hook in changed.notifications.webhooks] == [here]
    assert changed.notifications.email is None
    assert (changed.device.proxy, changed.device.time.servers) == (None, ())
    (walked,) = changed.projects
    (project, *_) = [one for one in hospital.projects if one.partners]
    assert walked.deid == project.deid
    assert walked.take == ()


# Four processes start, a study settles for a second, a partner is polled: seven to nine seconds.
@pytest.mark.timeout(90)
@pytest.mark.parametrize("name", RUNS)
def test_the_exam_passes_with(name: str, demo: Profile, capfd: pytest.CaptureFixture[str]) -> None:
    listener = Listener()
    assert examine(demo, RUNS[name], listener), listener.results[-1]
    assert [result.name for result in listener.results] == [START, *STEPS]
    assert [result.number for result in listener.results] == list(range(11))
    assert all(result.passed and result.detail for result in listener.results)
    assert listener.ends == 1
    (page,) = listener.pages
    assert page.address.startswith("http://127.0.0.1:")
    assert len(page.password) > 12
    # The processes complain about nothing, and say nothing beside.
    assert capfd.readouterr() == ("", "")
