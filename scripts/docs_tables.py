"""Draws the tables of README.md and docs/ from the code; `cog -r README.md docs/*.md` writes them."""

import importlib
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass

import click

from appliance.errors import CODES
from appliance.profile import Profile, Section

PROGRAMS = {"appliance": "appliance", "builder": "research-pacs"}


@dataclass(frozen=True)
class Setting:
    """One field of the profile as a person meets it; `[]` in the path means one of several."""

    path: str
    en: str
    fr: str
    asks: str
    values: str
    default: str


def settings() -> tuple[Setting, ...]:
    """Every setting once, in the order of the file."""
    found: dict[str, Setting] = {}
    for setting in _section(Profile, ""):
        known = found.get(setting.path)
        if known is None:
            found[setting.path] = setting
        elif known.values != setting.values:
            both = f"{known.values}, {setting.values}"
            found[setting.path] = Setting(**{**vars(known), "values": both, "asks": ""})
    return tuple(found.values())


def commands(package: str) -> list[tuple[str, click.Command]]:
    """Every command of a package's program with the line that a person types."""
    main = importlib.import_module(f"{package}.__main__").main
    return list(_below(PROGRAMS[package], main))


def settings_table() -> str:
    """The settings, one row each."""
    rows = ["| setting | question · question en français | values | default | help |", _rule(5)]
    for one in settings():
        question = f"{one.en} · {one.fr}"
        rows.append(_row(f"`{one.path}`", question, one.values, one.default, one.asks))
    return "\n".join(rows)


def codes_table() -> str:
    """Why something is held or quarantined, and what a person may decide."""
    rows = ["| code | means | veut dire | decisions |", _rule(4)]
    for code, entry in CODES.items():
        rows.append(_row(f"`{code}`", entry.en, entry.fr, ", ".join(entry.offers) or "—"))
    return "\n".join(rows)


def commands_table(package: str) -> str:
    """The commands of a program, one row each."""
    rows = ["| command | does |", _rule(2)]
    for line, command in commands(package):
        words = [_shown(parameter) for parameter in command.params]
        usage = " ".join([line, *(word for word in words if word)])
        rows.append(_row(f"`{usage}`", command.get_short_help_str(limit=200)))
    return "\n".join(rows)


def _section(model: type[Section], prefix: str) -> Iterator[Setting]:
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        inner = _sections(field.annotation)
        several = "tuple" in str(field.annotation)
        for section in inner:
            yield from _section(section, f"{path}[]." if several else f"{path}.")
        if inner:
            continue
        extra = field.json_schema_extra
        notes = extra if isinstance(extra, dict) else {}
        default = (
            "" if field.is_required() else _default(field.get_default(call_default_factory=True))
        )
        values = _values(field.annotation) + (f" ({notes['unit']})" if notes.get("unit") else "")
        asks = field.description or ""
        yield Setting(path, field.title or "", str(notes.get("fr", "")), asks, values, default)


def _sections(annotation: object) -> list[type[Section]]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return [annotation] if issubclass(annotation, Section) else []
    return [section for part in typing.get_args(annotation) for section in _sections(part)]


def _values(annotation: object) -> str:
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin is typing.Annotated:
        return _values(parts[0])
    if origin is tuple:
        return f"list of: {_values(parts[0])}"
    if parts and origin in (types.UnionType, typing.Union):
        return " or ".join(_values(part) for part in parts if part is not types.NoneType)
    plain = {str: "text", int: "whole number", float: "number", bool: "true, false"}
    return (
        plain.get(annotation, "a section of the dossier")
        if isinstance(annotation, type)
        else "a section of the dossier"
    )


def _default(value: object) -> str:
    if value is None or value in ((), ""):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return ", ".join(f"`{part}`" for part in value)
    return f"`{value}`" if isinstance(value, str | int | float) else "empty"


def _below(line: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield line, command
        return
    for name, inner in sorted(command.commands.items()):
        if not inner.hidden:
            yield from _below(f"{line} {name}", inner)


def _shown(parameter: click.Parameter) -> str:
    value = parameter.make_metavar(click.Context(click.Command("any")))
    if not isinstance(parameter, click.Option):
        return value
    if parameter.hidden:
        return ""
    flag = parameter.opts[-1] if parameter.is_flag else f"{parameter.opts[-1]} {value}"
    return flag if parameter.required else f"[{flag}]"


def _row(*cells: str) -> str:
    return (
        "| "
        + " | ".join(
            cell.replace("|", "\\|").replace(" *", " \\*").replace("\n", " ") for cell in cells
        )
        + " |"
    )


def _rule(columns: int) -> str:
    return "|" + "---|" * columns
