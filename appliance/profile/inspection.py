"""Text → profile, or every mistake in it at once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from appliance.errors import Problem, ProfileError
from appliance.profile import reading
from appliance.profile.model import Profile
from appliance.profile.reading import Tree


@dataclass(frozen=True)
class Inspection:
    """A text looked at whole: its tree, the profile if there is one, its mistakes, its lines."""

    tree: dict[str, Tree]
    profile: Profile | None
    problems: tuple[Problem, ...]
    lines: Mapping[str, int]


def parse(text: str) -> Profile:
    """The profile of a text. Raises ProfileError with all its mistakes."""
    found = inspect(text)
    if found.profile is None:
        raise ProfileError(found.problems)
    return found.profile


def inspect(text: str) -> Inspection:
    """Everything that can be told of a text; never raises."""
    document = reading.read(text)
    problems = list(document.problems)
    profile = None
    if not problems or document.tree:
        try:
            profile = Profile.model_validate_json(json.dumps(document.tree), strict=True)
        except ValidationError as error:
            problems += [
                Problem(".".join(str(step) for step in each["loc"]), each["msg"])
                for each in error.errors()
            ]
    return Inspection(document.tree, None if problems else profile, tuple(problems), document.lines)
