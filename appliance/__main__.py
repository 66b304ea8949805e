"""The `appliance` command: the device itself, and a person's decisions.

Exit codes: 0 done · 1 failed · 2 usage · 3 partly done · 4 refused by a rule.
"""

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import click

from appliance import VERSION
from appliance.console.lines import done_lines, held_lines, quarantined_lines, way_lines
from appliance.errors import CODES, ProfileError, Refusal, Unavailable, Undecided
from appliance.exam.traits import Trait
from appliance.profile import Profile, parse
from appliance.service import clock, parts
from appliance.service.facts import findings
from appliance.service.place import Place
from appliance.service.subjects import enrolled, listed_subjects, withdrawn
from appliance.service.supervisor import supervise
from appliance.service.verify import verified
from appliance.store.decisions import Decision, Decisions, hold_of
from appliance.store.entry import Entry, State
from appliance.store.ledger_view import LedgerView

DATA = Path("/var/lib/research-pacs")
Given = ParamSpec("Given")
PROFILE = Path("/etc/research-pacs/profile.yaml")
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
        except (Refusal, Undecided, Unavailable) as error:
            click.echo(f"appliance: {error}", err=True)
            code = EXITS[type(error)]
        except OSError as error:
            click.echo(f"appliance: {error.strerror}: {error.filename}", err=True)
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
person_option = click.option(
    "--person", default="command line", show_default=True, help="Who decides, for the audit."
)


class Address(click.ParamType[tuple[str, int]]):
    """HOST:PORT."""

    name = "HOST:PORT"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Split at the last colon; the port is a number."""
        if isinstance(value, tuple):
            return str(value[0]), int(value[1])
        host, _, port = str(value).rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65_535:
            self.fail(f"{value} is not HOST:PORT, such as 127.0.0.1:8080", param, ctx)
        return host, int(port)


class Traits(click.ParamType[frozenset[Trait]]):
    """TRAIT,TRAIT."""

    name = "TRAITS"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> frozenset[Trait]:
        """Split at the commas; every name is a trait's."""
        named = [word.strip() for word in str(value).split(",") if word.strip()]
        strange = [word for word in named if word not in set(Trait)]
        if strange:
            words = f"there is no trait {', '.join(strange)}; the traits are {', '.join(Trait)}"
            self.fail(words, param, ctx)
        return frozenset(Trait(word) for word in named)


@click.group()
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
    """Run the appliance in the foreground; prints `ready` when it accepts."""
    profile = read_profile(profile_path)
    if part is None:
        arguments = ["--profile", str(profile_path), "--data", str(data)]
        arguments += ["--console", f"{console[0]}:{console[1]}"]
        if listen is not None:
            arguments += ["--listen", f"{listen[0]}:{listen[1]}"]
        return supervise(data, arguments)
    parts.run(part, Place(at(profile, listen), data), console)
    return 0


def read_profile(path: Path) -> Profile:
    """The profile, or every mistake in it."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"the profile {path} cannot be read: {error}") from None


def at(profile: Profile, listen: tuple[str, int] | None) -> Profile:
    """The profile, listening elsewhere where the command line says so."""
    if listen is None:
        return profile
    door = profile.clinic.listen.model_copy(update={"host": listen[0], "port": listen[1]})
    clinic = profile.clinic.model_copy(update={"listen": door})
    return profile.model_copy(update={"clinic": clinic})


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


def described(entry: Entry) -> Mapping[str, str | int | list[str]]:
    """An entry without anything that names the clinic's patient or study."""
    return {
        "entry": entry.id,
        "kind": entry.kind.value,
        "state": entry.state.value,
        "project": entry.project,
        "partner": entry.partner,
        "n": entry.n,
        "count": entry.members,
        "code": entry.code,
        "reason": entry.reason,
        "since": entry.wall_since,
        "offers": list(CODES[entry.code].offers) if entry.code in CODES else [],
    }


@main.command()
@click.argument("entry", type=int)
@click.argument("projects", nargs=-1, required=True)
@data_option
@person_option
@spoken
def assign(entry: int, projects: tuple[str, ...], data: Path, person: str) -> None:
    """Give the held study ENTRY to one or more PROJECTS."""
    decide(data, Decision("assign", entry, person, "", projects))


@main.command()
@click.argument("entry", type=int)
@click.option("--reason", default="", help="Why, for the audit.")
@data_option
@person_option
@spoken
def release(entry: int, reason: str, data: Path, person: str) -> None:
    """Let the held ENTRY go on; all rules are asked again."""
    decide(data, Decision("release", entry, person, reason))


@main.command()
@click.argument("entry", type=int)
@click.option("--reason", default="", help="Why, for the audit.")
@data_option
@person_option
@spoken
def exclude(entry: int, reason: str, data: Path, person: str) -> None:
    """Put the held ENTRY aside: it is not taken, and that is no error."""
    decide(data, Decision("exclude", entry, person, reason))


@main.command()
@click.argument("entry", type=int)
@click.option("--reason", required=True, help="Why, for the audit.")
@data_option
@person_option
@spoken
def refuse(entry: int, reason: str, data: Path, person: str) -> None:
    """Refuse the held ENTRY for good."""
    decide(data, Decision("refuse", entry, person, reason))


def decide(data: Path, decision: Decision) -> None:
    """Write a decision for the walk, if the entry waits for just that."""
    entry = LedgerView(data / "ledger" / "ledger.db").entry(decision.entry)
    if entry is None or entry.state is not State.HELD:
        raise Undecided("review", f"entry {decision.entry} does not wait: see `appliance held`")
    offers = CODES[entry.code].offers if entry.code in CODES else ()
    if decision.verb not in offers:
        words = ", ".join(offers) or "nothing: mend the cause"
        raise Undecided("review", f"entry {entry.id} ({entry.code}) offers {words}")
    with closing(Decisions(data / "console" / "console.db")) as decisions:
        noted = decisions.note(
            replace(decision, hold=hold_of(entry), wall=clock.wall().isoformat())
        )
    if noted is None:
        raise Undecided("review", f"somebody has decided entry {entry.id} already")
    click.echo(f"noted: {decision.verb} {entry.id}; the walk takes it within a second")


@main.command()
@data_option
@spoken
def password(data: Path) -> None:
    """Make a new password for the morning page and show it once; everybody is signed out."""
    decisions = Decisions(data / "console" / "console.db")
    click.echo(decisions.new_password(clock.wall().isoformat()))
    decisions.close()


@main.group()
def subjects() -> None:
    """The people of a project: enrolment, given pseudonyms, withdrawal."""


@subjects.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--project", required=True, help="The project's code.")
@data_option
@spoken
def import_subjects(file: Path, project: str, data: Path) -> None:
    """Enrol the patients of a CSV FILE: PatientID, and optionally IssuerOfPatientID, Pseudonym."""
    click.echo(f"{enrolled(file, project, data)} enrolled")


@subjects.command("list")
@click.option("--project", required=True, help="The project's code.")
@data_option
@json_option
@spoken
def list_subjects(project: str, data: Path, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """List the project's pseudonyms and whether each subject still takes part."""
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
    """Withdraw a subject: nothing more leaves, received bytes go, what left is named for recall."""
    withdrawn(pseudonym, data)
    click.echo("withdrawn; the walk stops what is under way within a second")


@main.command()
@data_option
@json_option
@spoken
def verify(data: Path, as_json: bool) -> int:  # noqa: FBT001 - click passes flags so
    """Check audit chain, journal checksums, and ledger against spool; changes nothing."""
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
    """Walk one study out and one result home between a synthetic clinic and partner."""
    profile = read_profile(profile_path)
    # Only an exam needs a clinic and a partner; every other command answers without them.
    from appliance.exam import run, telling  # noqa: PLC0415

    audience: run.Audience = telling.OneObject() if as_json else telling.Lines()
    with telling.ending_in_order():
        heard = telling.Staying(audience) if stay else audience
        return 0 if run.examine(profile, traits, heard) else 1


if __name__ == "__main__":
    main()
