"""`appliance exam`: one study out, one result home, step by step, through the real processes."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from appliance.exam.stage import Failed, Stage, staged
from appliance.exam.steps import STEPS
from appliance.exam.traits import Trait
from appliance.profile import Profile


@dataclass(frozen=True)
class Result:
    """What one step of the exam gave: `seconds` since the step began."""

    number: int
    name: str
    passed: bool
    seconds: float
    detail: str


def traits_named(text: str) -> frozenset[Trait]:
    """Traits of a difficult PACS from a list with commas.

    Raises:
        ValueError: a name that no trait has.
    """
    return frozenset(Trait(word.strip()) for word in text.split(",") if word.strip())


def examine(profile: Profile, traits: frozenset[Trait]) -> Iterator[Result]:
    """Run the steps in order; the first that fails is the last one given."""
    with ExitStack() as stack:
        began = time.monotonic()
        try:
            stage = stack.enter_context(staged(profile, traits))
        except Failed as failed:
            yield Result(
                0,
                "the appliance starts",
                passed=False,
                seconds=time.monotonic() - began,
                detail=str(failed),
            )
            return
        yield Result(
            0,
            "the appliance starts",
            passed=True,
            seconds=time.monotonic() - began,
            detail=stage.page,
        )
        yield from walked(stage)


def walked(stage: Stage) -> Iterator[Result]:
    """The ten steps."""
    for number, (name, step) in enumerate(STEPS.items(), start=1):
        began = time.monotonic()
        try:
            detail = step(stage)
        except Failed as failed:
            yield Result(
                number, name, passed=False, seconds=time.monotonic() - began, detail=str(failed)
            )
            return
        yield Result(number, name, passed=True, seconds=time.monotonic() - began, detail=detail)
