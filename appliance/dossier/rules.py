"""Where dossier and profile must agree: looked at in the tree, so that all mistakes show at once."""

from collections.abc import Iterator

from appliance.dossier.sections import PHANTOM, read
from appliance.errors import Problem, ProfileError
from appliance.profile import Tree, at, host_of, is_loopback, text, texts


def problems(tree: Tree) -> tuple[Problem, ...]:
    """Every mistake in the dossiers of a profile's tree, and every rule that it breaks."""
    return (*_dossiers(tree), *_results_are_provided_for(tree), *_nothing_in_clear(tree))


def _dossiers(tree: Tree) -> Iterator[Problem]:
    for where, project in at(tree, "projects.*"):
        dossiers = [value for _, value in at(project, "dossier")]
        if not dossiers or dossiers == [{}]:
            yield Problem(
                f"{where}.dossier",
                "is missing: write at least `dossier: {profile: …, expires_on: …}` below it",
            )
        for dossier in dossiers:
            if isinstance(dossier, dict) and dossier:
                yield from _mistakes(dossier, f"{where}.dossier")


def _mistakes(dossier: dict[str, Tree], where: str) -> tuple[Problem, ...]:
    try:
        read(dossier, where)
    except ProfileError as error:
        return error.problems
    return ()


def _results_are_provided_for(tree: Tree) -> Iterator[Problem]:
    for where, project in at(tree, "projects.*"):
        if not texts(project, "results.send_to"):
            continue
        for key in ("enabled", "reidentify"):
            if [value for _, value in at(project, f"dossier.feedback.{key}")] != [True]:
                yield Problem(
                    f"{where}.dossier.feedback.{key}",
                    f"results.send_to brings results to the patient: write `{key}: true` "
                    "if the protocol provides for it, or leave send_to out",
                )


def _nothing_in_clear(tree: Tree) -> Iterator[Problem]:
    for where, partner in at(tree, "partners.*"):
        users = [
            project
            for _, project in at(tree, "projects.*")
            if text(partner, "name") in [name for _, name in texts(project, "partners.*")]
        ]
        if _is_open(text(partner, "send.url")) and not _all_phantom(users):
            yield Problem(
                f"{where}.send.url",
                "dossier/R06: health data may not go to the partner in clear: write https:// "
                "(http:// only on this machine, or for projects of profile test_phantom)",
            )
    for where, url in texts(tree, "notifications.webhooks.*.url"):
        if _is_open(url) and not _all_phantom([project for _, project in at(tree, "projects.*")]):
            yield Problem(
                where,
                "dossier/R06: messages may not leave in clear: write https:// "
                "(http:// only on this machine, or for projects of profile test_phantom)",
            )


def _is_open(url: str) -> bool:
    return url.lower().startswith("http:") and not is_loopback(host_of(url))


def _all_phantom(projects: list[Tree]) -> bool:
    return bool(projects) and all(
        text(project, "dossier.dossier.profile") == PHANTOM for project in projects
    )
