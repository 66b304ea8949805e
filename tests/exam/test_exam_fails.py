"""Breaking a step makes exactly that step fail: those before it pass, it says why, none comes after.

Each test is a walk of its own through the real processes; something around the appliance is spoiled
on the way, where it cannot be noticed before the step that it must break.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from flask import Response

from appliance.exam.material import MadeStudy
from appliance.exam.partner import Fault, SyntheticPartner
from appliance.exam.results import Spoiler
from appliance.exam.run import Result, attempted, tried
from appliance.exam.stage import Failed, Stage, staged
from appliance.exam.steps import STEPS
from appliance.profile import Profile, parse

DEMO = Path(__file__).parents[2] / "examples" / "demo.yaml"
# The step that is to fail is not waited for as long as one that is to pass.
PATIENCE_S = 1.5
OTHER_SECRET = "whsec_" + "b3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXI="
# More requests than a box sends while nobody is patient.
ALWAYS = 1000


@dataclass(frozen=True)
class Break:
    """What is spoiled before which step, and what the exam then says."""

    before: int
    act: Callable[[Stage], Stage]
    words: tuple[str, ...]


def called_by_a_wrong_name(stage: Stage) -> Stage:
    project = stage.profile.projects[0]
    route = project.route.model_copy(update={"called_ae": "NOBODY"})
    projects = (project.model_copy(update={"route": route}),)
    return replace(stage, profile=stage.profile.model_copy(update={"projects": projects}))


def without_patient_id(stage: Stage) -> Stage:
    instances = copy.deepcopy(stage.study.instances)
    for one in instances:
        one.PatientID = ""
    study = MadeStudy(stage.study.uid, stage.study.identity, stage.study.canaries, instances)
    return replace(stage, study=study)


def partner_down(stage: Stage) -> Stage:
    stage.partner.down()
    return stage


def webhook_with_another_secret(stage: Stage) -> Stage:
    stage.partner.hook_secret = OTHER_SECRET
    return stage


def partner_forgets_everything(stage: Stage) -> Stage:
    with SyntheticPartner() as empty:
        return replace(stage, partner=empty)


def partner_is_busy(stage: Stage) -> Stage:
    stage.partner.suffer(Fault.STATUS, ALWAYS, status=503)
    return stage


def partner_lost_the_bytes(stage: Stage) -> Stage:
    stage.partner._give = lambda _: Response(status=404)
    return stage


def partner_mixes_patients(stage: Stage) -> Stage:
    (study,) = stage.partner.studies()
    stage.partner.make_result(study, spoiler=Spoiler.PATIENT_SWAP)
    return stage


def pacs_closed(stage: Stage) -> Stage:
    stage.clinic.close()
    return stage


BREAKS = {
    1: Break(1, called_by_a_wrong_name, ("refused the association",)),
    2: Break(1, without_patient_id, ("intake held: D03", "no Patient ID")),
    3: Break(1, partner_down, ("no parcel.confirmed", "does not answer")),
    4: Break(1, webhook_with_another_secret, ("no signed webhook", "with a wrong signature")),
    5: Break(5, partner_forgets_everything, ("0 studies",)),
    6: Break(5, partner_is_busy, ("no delivery.claimed",)),
    7: Break(5, partner_lost_the_bytes, ("no delivery.fetched", "404")),
    8: Break(6, partner_mixes_patients, ("delivery quarantined: Q06", "several patients")),
    9: Break(9, pacs_closed, ("no delivery.verified", "pacs cannot be reached")),
    10: Break(9, webhook_with_another_secret, ("no signed webhook", "with a wrong signature")),
}


@pytest.fixture(scope="module")
def demo() -> Profile:
    return parse(DEMO.read_text(encoding="utf-8"))


def walked(stage: Stage, broken: Break, failing: int) -> list[Result]:
    results: list[Result] = []
    for number in range(1, len(STEPS) + 1):
        if number == broken.before:
            stage = broken.act(stage)
        patience_s = PATIENCE_S if number == failing else stage.patience_s
        results.append(tried(number, replace(stage, patience_s=patience_s)))
        if not results[-1].passed:
            break
    return results


# Four processes start, and the walk goes on for real until it breaks: two to nine seconds.
@pytest.mark.timeout(90)
@pytest.mark.parametrize("failing", BREAKS)
def test_a_broken_step_fails_alone_and_says_why(failing: int, demo: Profile) -> None:
    broken = BREAKS[failing]
    with staged(demo, frozenset()) as stage:
        results = walked(stage, broken, failing)
    assert [result.number for result in results if not result.passed] == [failing], results
    assert [result.number for result in results] == list(range(1, failing + 1))
    for words in broken.words:
        assert words in results[-1].detail


def test_every_step_is_broken_once() -> None:
    assert list(BREAKS) == list(range(1, len(STEPS) + 1))


# The words of every kind of surprise; the stage is not looked at.
SURPRISES = (ValueError("a"), KeyError("a"), AttributeError("a"), OSError("a"), ZeroDivisionError())


@pytest.mark.parametrize("surprise", SURPRISES)
def test_a_surprise_in_a_step_is_a_failure_in_words(surprise: Exception) -> None:
    def step(_: Stage) -> str:
        raise surprise

    passed, words = attempted(step, None)
    assert not passed
    assert type(surprise).__name__ in words


def test_a_failure_says_what_was_seen() -> None:
    def step(_: Stage) -> str:
        raise Failed("nobody came")

    assert attempted(step, None) == (False, "nobody came")
