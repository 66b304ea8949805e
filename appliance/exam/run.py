"""`appliance exam`: one study out, one result home, step by step, through the real processes."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

from appliance.errors import ApplianceError
from appliance.exam.stage import Failed, Page, Stage, staged
from appliance.exam.steps import STEPS
from appliance.exam.traits import Trait
from appliance.profile import Profile

START = "the appliance starts"
# What a step meets where a neighbour answers as nobody expected: the step has failed, not the exam.
SURPRISES = (
    ApplianceError,
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class Result:
    """What one step of the exam gave: `seconds` since the step began."""

    number: int
    name: str
    passed: bool
    seconds: float
    detail: str


class Audience(Protocol):
    """Who hears how the exam goes."""

    def opened(self, page: Page) -> None:
        """The appliance is up; before the first step."""

    def saw(self, result: Result) -> None:
        """A step was taken, or failed."""

    def ended(self, results: Sequence[Result]) -> None:
        """The exam is over; everything is still up until this returns."""


def examine(profile: Profile, traits: frozenset[Trait], audience: Audience) -> bool:
    """Take the steps in order until one fails; whether all passed.

    Raises:
        ProfileError: the profile has no project to be examined.
    """
    results: list[Result] = []
    with ExitStack() as up:
        for result in taken(up, profile, traits, audience):
            results.append(result)
            audience.saw(result)
        audience.ended(results)
    return passed(results)


def passed(results: Sequence[Result]) -> bool:
    """Whether all steps were taken and none failed."""
    return len(results) == len(STEPS) + 1 and all(result.passed for result in results)


def taken(
    up: ExitStack, profile: Profile, traits: frozenset[Trait], audience: Audience
) -> Iterator[Result]:
    """The start, then the ten steps; `up` keeps everything running."""
    began = time.monotonic()
    try:
        stage = up.enter_context(staged(profile, traits))
    except (Failed, OSError) as failed:
        yield Result(0, START, passed=False, seconds=since(began), detail=str(failed))
        return
    audience.opened(stage.page)
    detail = "four processes between a synthetic clinic and a synthetic partner"
    yield Result(0, START, passed=True, seconds=since(began), detail=detail)
    for number in range(1, len(STEPS) + 1):
        result = tried(number, stage)
        yield result
        if not result.passed:
            return


def tried(number: int, stage: Stage) -> Result:
    """One of the ten steps, by its number."""
    name, step = list(STEPS.items())[number - 1]
    began = time.monotonic()
    ended, detail = attempted(step, stage)
    return Result(number, name, ended, since(began), detail)


def attempted(step: Callable[[Stage], str], stage: Stage) -> tuple[bool, str]:
    """Whether a step was done, and what was seen; also a surprise comes back in words."""
    try:
        return True, step(stage)
    except Failed as failed:
        return False, str(failed)
    except SURPRISES as surprise:
        return False, f"what was seen cannot be understood: {type(surprise).__name__}, {surprise}"


def since(began_s: float) -> float:
    """Seconds from a moment to now, as a person reads them."""
    return round(time.monotonic() - began_s, 3)
