"""What a person types after a command: an address, traits, the path of a profile."""

from pathlib import Path

import click

from appliance.errors import Refusal
from appliance.exam.traits import Trait
from appliance.profile import Profile, parse


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


def read_profile(path: Path) -> Profile:
    """The profile, or every mistake in it."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"the profile {path} cannot be read: {error}") from None


def known(path: Path, *codes: str) -> None:
    """A code that the profile does not have is a slip of the pen; without profile nobody can tell."""
    if not path.exists():
        return
    projects = [project.code for project in read_profile(path).projects]
    strange = [code for code in codes if code not in projects]
    if strange:
        words = f"no project {', '.join(strange)} in {path}: it has {', '.join(projects)}"
        raise Refusal("no-project", words)


def at(profile: Profile, listen: tuple[str, int] | None) -> Profile:
    """The profile, listening elsewhere where the command line says so."""
    if listen is None:
        return profile
    door = profile.clinic.listen.model_copy(update={"host": listen[0], "port": listen[1]})
    clinic = profile.clinic.model_copy(update={"listen": door})
    return profile.model_copy(update={"clinic": clinic})
