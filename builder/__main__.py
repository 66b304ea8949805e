"""The command `research-pacs`: what a person does with a profile before there is a box.

Exit codes: 0 done · 1 failed · 2 usage · 3 partly done · 4 refused by a rule.
"""

import json
import sys
from pathlib import Path

import click

from appliance import VERSION, dossier, profile
from appliance.errors import Problem

MISTAKES = 4


@click.group()
@click.version_option(VERSION)
def main() -> None:
    """Make and check the profile of a research-pacs box."""


@main.command()
@click.argument("path", metavar="PROFILE", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(path: Path, as_json: bool) -> None:  # noqa: FBT001 click passes flags so
    """Report every mistake in PROFILE at once: where it is, what is wrong, what to do."""
    found = profile.inspect(_text(path))
    problems = _all_problems(found)
    digest = "" if found.profile is None or problems else profile.digest(found.profile)
    if as_json:
        _print_json(path, digest, problems)
    else:
        _print(path, digest, [(found.line(problem.where), problem) for problem in problems])
    sys.exit(MISTAKES if problems else 0)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise click.UsageError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise click.UsageError(
            f"{path}: byte {error.start} is not UTF-8 text; save the profile as UTF-8"
        ) from None


def _all_problems(found: profile.Inspection) -> tuple[Problem, ...]:
    concealed = {problem.where for problem in found.problems}
    others = [each for each in dossier.problems(found.tree) if each.where not in concealed]
    both = [*found.problems, *others]
    return tuple(sorted(both, key=lambda problem: found.line(problem.where) or 0))


def _print_json(path: Path, digest: str, problems: tuple[Problem, ...]) -> None:
    answer = {
        "profile": str(path),
        "digest": digest or None,
        "problems": [{"where": problem.where, "what": problem.what} for problem in problems],
    }
    click.echo(json.dumps(answer, ensure_ascii=False))


def _print(path: Path, digest: str, problems: list[tuple[int | None, Problem]]) -> None:
    for line, problem in problems:
        click.echo(f"{path}:{line}: {problem}" if line else f"{path}: {problem}")
    if problems:
        click.echo(f"{len(problems)} to mend in {path}.", err=True)
    else:
        click.echo(f"{path}: no mistake found. Digest {digest}")


if __name__ == "__main__":
    main()
