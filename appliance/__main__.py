"""The `appliance` command: the device itself, and a person's decisions.

Exit codes: 0 done · 1 failed · 2 usage · 3 partly done · 4 refused by a rule.
"""

import json
import sys
from collections.abc import Callable
from contextlib import closing
from functools import wraps
from pathlib import Path
from sqlite3 import DatabaseError
from typing import ParamSpec

import click

from appliance import VERSION
from appliance.console.lines import done_lines, held_lines, quarantined_lines, way_lines
from appliance.errors import ProfileError, Refusal, Unavailable, Undecided
from appliance.exam.traits import Trait
from appliance.service import clock, parts
from appliance.service.deciding import decide, described
from appliance.service.facts import findings
from appliance.service.place import Place
from appliance.service.subjects import enrolled, listed_subjects, withdrawn
from appliance.service.supervisor import supervise
from appliance.service.typed import Address, Traits, at, known, read_profile
from appliance.service.verify import verified
from appliance.store.decisions import Decision, Decisions
from appliance.store.entry import State
from appliance.store.ledger_view import LedgerView
from appliance.store.schema import NO_ROOM, is_full

DATA = Path("/var/lib/research-pacs")
Given = ParamSpec("Given")
PROFILE = Path("/etc/research-pacs/profile.yaml")
EPILOG = "Exit codes: 0 done, 1 failed, 2 usage, 3 partly done, 4 refused by a rule."
EXITS = {ProfileError: 4, Refusal: 4, Undecided: 4, Unavailable: 1}


def spoken(command: Callable[Given, int | None]) -> Callable[Given, None]:
    """Turn what a command raises into one clear message on stderr and its exit code."""

    @wraps(command)
    def run(*args: Given.args, **kwargs: Given.kwargs) -> None:
        try:
            code = command(*args, **kwargs) or 0
        except ProfileError as error:
            for problem in error.problems:
                click.echo(f"profile: {problem}", err=True)
            code = EXITS[ProfileError]
        except Undecided as error:
            click.echo(f"appliance: {error.reason}", err=True)
            code = EXITS[Undecided]
        except (Refusal, Unavailable) as error:
            click.echo(f"appliance: {error}", err=True)
            code = EXITS[type(error)]
        except OSError as error:
            click.echo(f"appliance: {error}", err=True)
            code = EXITS[Unavailable]
        except DatabaseError as error:
            words = NO_ROOM if is_full(error) else f"a data file cannot be read ({error})"
            click.echo(f"appliance: {words}", err=True)
            code = EXITS[Unavailable]
        sys.exit(code)

    return run


FOLDER = click.Path(path_type=Path, file_okay=False)
# Every command but `serve` looks at what a start has made: elsewhere it would say "all is well".
data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=DATA,
    show_default=True,
    help="The data folder.",
)
profile_option = click.option(
    "--profile",
    "profile_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=PROFILE,
    show_default=True,
    help="The profile.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
# SQLite counts as far as that.
entry_argument = click.argument("entry", type=click.IntRange(1, 2**63 - 1))
person_option = click.option(
    "--person", default="command line", show_default=True, help="Who decides, for the audit."
)


@click.group(epilog=EPILOG)
@click.version_option(VERSION)
def main() -> None:
    """The box between the clinic and the research partner."""


@main.command()
@profile_option
@click.option("--data", type=FOLDER, default=DATA, show_default=True, help="The data folder.")
@click.option("--listen", type=Address(), help="Where DICOM is received; the profile says it.")
@click.option(
    "--console",
    type=Address(),
    default=("127.0.0.1", 8080),
    show_default="127.0.0.1:8080",
    help="Where the morning page answers.",
)
@click.option(
    "--part",
    type=click.Choice(["vault", "walk", "receive", "console"]),
    help="Run this process alone, as its systemd unit does.",
)
@spoken
def serve(
    profile_path: Path,
    data: Path,
    listen: tuple[str, int] | None,
    console: tuple[str, int],
    part: str | None,
) -> int:
    """Run the appliance; prints `ready` when it accepts.

    It stays in the foreground until Ctrl-C or SIGTERM. Secrets are read from
    $CREDENTIALS_DIRECTORY/NAME.
    """
    profile = read_profile(profile_path)
    if part is None:
        arguments = ["--profile", str(profile_path), "--data", str(data)]
        arguments += ["--console", f"{console[0]}:{console[1]}"]
        if listen is not None:
            arguments += ["--listen", f"{listen[0]}:{listen[1]}"]
        return supervise(data, arguments)
    parts.run(part, Place(at(profile, listen), data), console)
    return 0


@main.command()
@profile_option
@data_option
@json_option
@spoken
def status(profile_path: Path, data: Path, as_json: bool) -> int:  # noqa: FBT001 - click passes flags so
    """Say what is where, and what a person should know."""
    profile = read_profile(profile_path)
    language = profile.site.language
    view = LedgerView(data / "ledger" / "ledger.db")
    found = findings(profile, data, view)
    if as_json:
        told = {
            "states": dict(view.counts()),
            "findings": [{"code": one.code, "level": one.level.value} for one in found],
            "held": [described(entry) for entry in view.entries((State.HELD,))],
            "waiting": [described(entry) for entry in view.waiting()],
        }
        click.echo(json.dumps(told))
        return 0
    entries = view.entries()
    lines = [
        *(one.sentence(language) for one in found),
        *held_lines(entries, language),
        *quarantined_lines(entries, language),
        *way_lines(entries, language, view.device_s()),
        *(f"  {entry.id}: {entry.reason}" for entry in view.waiting()),
        *done_lines(entries, language, clock.wall()),
    ]
    click.echo("\n".join(lines))
    return 0


@main.command()
@profile_option
@data_option
@json_option
@spoken
def held(profile_path: Path, data: Path, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """List what waits for a person, with the decisions that are open."""
    entries = LedgerView(data / "ledger" / "ledger.db").entries((State.HELD,))
    if as_json:
        click.echo(json.dumps({"held": [described(entry) for entry in entries]}))
        return
    language = read_profile(profile_path).site.language if profile_path.exists() else "en"
    click.echo("\n".join(held_lines(entries, language)))


@main.command()
@entry_argument
@click.argument("projects", nargs=-1, required=True)
@profile_option
@data_option
@person_option
@spoken
def assign(
    entry: int, projects: tuple[str, ...], profile_path: Path, data: Path, person: str
) -> None:
    """Give the held study ENTRY to one or more PROJECTS."""
    known(profile_path, *projects)
    note(data, Decision("assign", entry, person, "", projects))


@main.command()
@entry_argument
@click.option("--reason", default="", help="Why, for the audit.")
@data_option
@person_option
@spoken
def release(entry: int, reason: str, data: Path, person: str) -> None:
    """Let the held ENTRY go on; all rules are asked again."""
    note(data, Decision("release", entry, person, reason))


@main.command()
@entry_argument
@click.option("--reason", default="", help="Why, for the audit.")
@data_option
@person_option
@spoken
def exclude(entry: int, reason: str, data: Path, person: str) -> None:
    """Put the held ENTRY aside: it is not taken, which is no error."""
    note(data, Decision("exclude", entry, person, reason))


@main.command()
@entry_argument
@click.option("--reason", required=True, help="Why, for the audit.")
@data_option
@person_option
@spoken
def refuse(entry: int, reason: str, data: Path, person: str) -> None:
    """Refuse the held ENTRY for good."""
    note(data, Decision("refuse", entry, person, reason))


def note(data: Path, decision: Decision) -> None:
    """Decide, and say that it was heard."""
    decide(data, decision)
    click.echo(f"noted: {decision.verb} {decision.entry}; the walk takes it within a second")


@main.command()
@data_option
@spoken
def password(data: Path) -> None:
    """Make a new password for the morning page, shown once.

    Everybody is signed out.
    """
    path = data / "console" / "console.db"
    if not path.exists():
        raise Unavailable(f"no morning page was ever started on {data}: its first start says one")
    with closing(Decisions(path)) as decisions:
        click.echo(decisions.new_password(clock.wall().isoformat()))


@main.group()
def subjects() -> None:
    """Enrol, list and withdraw the subjects of a project."""


@subjects.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--project", required=True, help="The project's code.")
@profile_option
@data_option
@spoken
def import_subjects(file: Path, project: str, profile_path: Path, data: Path) -> None:
    """Enrol the patients of a CSV FILE, all or none.

    The first line names the columns: PatientID, and if wanted IssuerOfPatientID and Pseudonym.
    """
    known(profile_path, project)
    try:
        click.echo(f"{enrolled(file, project, data)} enrolled")
    except ProfileError as error:
        for problem in error.problems:
            click.echo(f"{file.name}: {problem}", err=True)
        sys.exit(EXITS[ProfileError])


@subjects.command("list")
@click.option("--project", required=True, help="The project's code.")
@data_option
@json_option
@spoken
def list_subjects(project: str, data: Path, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """List pseudonyms and whether each subject still takes part."""
    rows = listed_subjects(project, data)
    if as_json:
        click.echo(json.dumps({"subjects": [{"pseudonym": n, "standing": s} for n, s in rows]}))
        return
    for pseudonym, standing in rows:
        click.echo(f"{pseudonym or '(no study yet)'}  {standing}")


@subjects.command("withdraw")
@click.argument("pseudonym")
@data_option
@spoken
def withdraw_subject(pseudonym: str, data: Path) -> None:
    """Withdraw a subject: nothing more of it leaves.

    Received bytes go; what has left is named, to be recalled.
    """
    withdrawn(pseudonym, data)
    click.echo("withdrawn; the walk stops what is under way within a second")


@main.command()
@data_option
@json_option
@spoken
def verify(data: Path, as_json: bool) -> int:  # noqa: FBT001 - click passes flags so
    """Check audit, journal, ledger and spool; changes nothing."""
    problems = verified(data)
    if as_json:
        click.echo(json.dumps({"problems": problems}))
    else:
        click.echo("\n".join(problems) if problems else "nothing wrong found")
    return 1 if problems else 0


@main.command()
@click.option(
    "--profile",
    "profile_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=PROFILE,
    show_default=True,
    help="The profile whose rules are walked; none of its addresses is contacted.",
)
@click.option(
    "--pacs",
    "traits",
    type=Traits(),
    default="",
    help="Traits of a difficult PACS, with commas between: " + ", ".join(Trait) + ".",
)
@click.option("--stay", is_flag=True, help="Keep everything up at the end, until Ctrl-C.")
@json_option
@spoken
def exam(profile_path: Path, traits: frozenset[Trait], stay: bool, as_json: bool) -> int:  # noqa: FBT001 - click passes flags so
    """Walk one study out and one result home, step by step.

    A synthetic clinic and a synthetic partner stand around a real appliance in a folder of its
    own; nothing leaves this machine. Ends with PASS, or names the step that failed.
    """
    profile = read_profile(profile_path)
    # Only an exam needs a clinic and a partner; every other command answers without them.
    from appliance.exam import run, telling  # noqa: PLC0415

    audience: run.Audience = telling.OneObject() if as_json else telling.Lines()
    with telling.ending_in_order():
        heard = telling.Staying(audience) if stay else audience
        return 0 if run.examine(profile, traits, heard) else 1


if __name__ == "__main__":
    main(prog_name="appliance")
