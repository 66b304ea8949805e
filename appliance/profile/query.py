"""Looking into a tree that may be wrong anywhere: what is there, and at which path."""

from collections.abc import Iterator

from appliance.profile.reading import Tree, joined


def at(tree: Tree, pattern: str) -> list[tuple[str, Tree]]:
    """Path and value of everything that a pattern such as `projects.*.route.called_ae` meets.

    `*` stands for every item of a list. What is absent or of another kind is left out.
    """
    found: list[tuple[str, Tree]] = [("", tree)]
    for step in pattern.split("."):
        found = [each for where, value in found for each in _below(where, value, step)]
    return found


def texts(tree: Tree, pattern: str) -> list[tuple[str, str]]:
    """As `at`, text values alone."""
    return [(where, value) for where, value in at(tree, pattern) if isinstance(value, str)]


def text(tree: Tree, pattern: str, otherwise: str = "") -> str:
    """The one text at a path, or what stands for it when it is left out."""
    return next((value for _, value in texts(tree, pattern)), otherwise)


def everything(tree: Tree, where: str = "") -> Iterator[tuple[str, str, Tree]]:
    """Path, last key and value of every value of a tree, from the top down."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield joined(where, key), key, value
            yield from everything(value, joined(where, key))
    elif isinstance(tree, list):
        for number, value in enumerate(tree):
            yield joined(where, str(number)), "", value
            yield from everything(value, joined(where, str(number)))


def _below(where: str, value: Tree, step: str) -> list[tuple[str, Tree]]:
    if step == "*":
        items = value if isinstance(value, list) else []
        return [(joined(where, str(number)), item) for number, item in enumerate(items)]
    if isinstance(value, dict) and step in value:
        return [(joined(where, step), value[step])]
    return []
