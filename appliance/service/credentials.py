"""The secrets that a profile names: read from `$CREDENTIALS_DIRECTORY/NAME`, as systemd gives them."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from appliance.errors import Problem, ProfileError
from appliance.profile import Profile


def credentials(profile: Profile) -> Mapping[str, str]:
    """Every secret that the profile names, by its name.

    Raises:
        ProfileError: all that are missing, at once.
    """
    folder = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nowhere"))
    values: dict[str, str] = {}
    problems: list[Problem] = []
    for where, name in named(profile.model_dump(), ""):
        try:
            values[name] = (folder / name).read_text().strip()
        except OSError:
            what = f"the secret {name} is not on this device: put it into $CREDENTIALS_DIRECTORY"
            problems.append(Problem(where, what))
    if problems:
        raise ProfileError(problems)
    return values


def named(tree: object, where: str) -> Iterator[tuple[str, str]]:
    """(path, name) of every secret that is named below a place."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            if key == "secret" and isinstance(value, str):
                yield f"{where}{key}", value
            else:
                yield from named(value, f"{where}{key}.")
    elif isinstance(tree, list | tuple):
        for number, value in enumerate(tree):
            yield from named(value, f"{where}{number}.")
