"""Text → profile, or every mistake in it at once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from appliance.errors import Problem, ProfileError
from appliance.profile import reading, rules
from appliance.profile.concealment import secrets_in
from appliance.profile.model import Profile
from appliance.profile.reading import Document, Tree
from appliance.profile.sentences import validated


@dataclass(frozen=True)
class Inspection:
    """A text looked at whole: its tree, the profile if there is one, its mistakes, its lines."""

    tree: dict[str, Tree]
    profile: Profile | None
    problems: tuple[Problem, ...]
    lines: Mapping[str, int]

    def line(self, where: str) -> int | None:
        """The line of a path, or of the nearest section above that stands in the text."""
        while where and where not in self.lines:
            where = where.rpartition(".")[0]
        return self.lines.get(where) if where else None


def parse(text: str) -> Profile:
    """The profile of a text. Raises ProfileError with all its mistakes."""
    found = inspect(text)
    if found.profile is None:
        raise ProfileError(found.problems)
    return found.profile


def inspect(text: str) -> Inspection:
    """Everything that can be told of a text; never raises."""
    document = reading.read(text)
    if not document.tree:
        return Inspection({}, None, document.problems, document.lines)
    profile, shape = validated(Profile, document.tree)
    secrets = tuple(secrets_in(document.tree))
    concealed = {problem.where for problem in secrets}
    others = [*document.problems, *_sections_at_once(shape, document), *rules.broken(document.tree)]
    problems = (*secrets, *(problem for problem in others if problem.where not in concealed))
    found = Inspection(document.tree, profile, problems, document.lines)
    if not problems:
        return found
    return Inspection(document.tree, None, _in_order(found, text), document.lines)


def _sections_at_once(problems: Iterable[Problem], document: Document) -> list[Problem]:
    """Whole sections that are missing make one sentence: most likely the file was cut off."""
    missing = [
        problem.where
        for problem in problems
        if problem.what.startswith("is missing") and problem.where in ("site", "clinic", "projects")
    ]
    rest = [problem for problem in problems if problem.where not in missing]
    if missing:
        what = (
            f"the file ends in line {document.last_line} and has no {' and no '.join(missing)}: "
            "add what is missing; if the file was written only in part, write it again"
        )
        rest.insert(0, Problem(missing[0], what))
    return rest


def _in_order(found: Inspection, text: str) -> tuple[Problem, ...]:
    unique = dict.fromkeys(found.problems)
    ordered = sorted(unique, key=lambda problem: found.line(problem.where) or 0)
    if text.endswith("\n"):
        return tuple(ordered)
    number = len(text.splitlines())
    cut = Problem(
        f"line {number}",
        "the last line has no end: the file may have been written only in part; write it again",
    )
    return (*ordered, cut)
