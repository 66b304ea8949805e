"""What pydantic found, said so that a person can mend it: where, what, what to write instead."""

import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TypeVar, get_args

from annotated_types import Ge, Le
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from appliance.errors import Problem
from appliance.profile.concealment import shown
from appliance.profile.reading import Tree, joined
from appliance.profile.section import Section

S = TypeVar("S", bound=Section)

# What the design has and this program has not yet, so that nobody looks for a typing error.
_LATER_VALUES = {
    "mode": {"anonymise"},
    "kind": {"dicom", "rclone", "folder", "ups-rs", "cmove"},
    "proof": {"commitment"},
    "pseudonym": {"derived", "registry", "external"},
    "sr": {"clean"},
    "encapsulated": {"placeholder"},
    "options": {
        "clean_descriptors",
        "clean_structured_content",
        "clean_pixel_data",
        "clean_graphics",
        "clean_recognizable_visual_features",
        "retain_safe_private",
    },
}
_NEVER = {
    "retain_uids": "UIDs never cross: they are replaced by keyed ones, so that nobody can look them up; remove it"
}
_LATER_KEYS = {
    "tls",
    "tables",
    "descriptors",
    "private",
    "overrides",
    "references",
    "risk",
    "regions",
    "masks",
    "ocr",
    "encrypted_attributes",
    "wsi_label",
    "clinical_trial",
    "birth_date",
    "age_cap",
}
_TYPES = {
    "string_type": "text is expected; put it in quotes",
    "int_type": "a whole number without quotes is expected",
    "int_from_float": "a whole number is expected",
    "float_type": "a number without quotes is expected",
    "bool_type": "true or false is expected, without quotes",
    "tuple_type": "a list is expected: `[one, two]`, or lines that start with `- `",
    "date_type": "a date is expected: YYYY-MM-DD",
    "date_parsing": "a date is expected: YYYY-MM-DD",
    "date_from_datetime_parsing": "a date is expected: YYYY-MM-DD",
    "date_from_datetime_inexact": "a date without time is expected: YYYY-MM-DD",
    "dict_type": "a section is expected: `key: value` lines below, indented",
    "mapping_type": "a section is expected: `key: value` lines below, indented",
}


def validated(
    model: type[S], tree: Mapping[str, object], where: str = ""
) -> tuple[S | None, tuple[Problem, ...]]:
    """The section that a tree stands for, or every mistake in it, with paths below `where`."""
    try:
        return model.model_validate_json(json.dumps(tree, default=str), strict=True), ()
    except ValidationError as error:
        return None, tuple(_problem(model, each, where) for each in error.errors())


def _problem(model: type[Section], error: ErrorDetails, above: str) -> Problem:
    where, owner, field = _spot(model, error["loc"])
    where = joined(above, where) if where else above
    kind = error["type"]
    if kind == "extra_forbidden":
        return Problem(where, _unknown_key(where, owner))
    if kind == "missing":
        return Problem(where, f"is missing: {_question(field)}")
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _tag_problem(error, where)
    value: Tree = error["input"]
    return Problem(where, f"{shown(value, where)}: {_remedy(error, where, owner, field)}")


def _remedy(error: ErrorDetails, where: str, owner: type[Section], field: FieldInfo | None) -> str:
    kind = error["type"]
    context = error.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return _not_offered(str(error["input"]), where, _quoted(str(context["expected"])))
    if kind in ("greater_than_equal", "less_than_equal") and field is not None:
        return _range(field)
    if kind == "model_type":
        return f"a section is expected, with the keys {_keys(owner)}"
    return _TYPES.get(kind, error["msg"])


def _not_offered(value: str, where: str, offered: Sequence[str]) -> str:
    name = next(step for step in reversed(where.split(".")) if not step.isdecimal())
    if value in _NEVER:
        return _NEVER[value]
    choose = f"choose one of {', '.join(offered)}"
    if value in _LATER_VALUES.get(name, ()):
        return f"not in this version; {choose}"
    near = get_close_matches(value, offered, 1)
    return f"did you mean {near[0]}? {choose}" if near else choose


def _tag_problem(error: ErrorDetails, where: str) -> Problem:
    context = error.get("ctx", {})
    where = joined(where, "kind")
    if error["type"] == "union_tag_not_found":
        return Problem(where, "is missing: it tells which kind this is; see the examples")
    tag = str(context["tag"])
    offered = _quoted(str(context["expected_tags"]))
    return Problem(where, f"{shown(tag, where)}: {_not_offered(tag, where, offered)}")


def _unknown_key(where: str, owner: type[Section]) -> str:
    key = where.rpartition(".")[2]
    if key in _LATER_KEYS:
        return "not in this version: remove it"
    near = get_close_matches(key, _names(owner), 1, 0.5)
    if near:
        return f"this key is not known here; did you mean `{near[0]}`?"
    return f"this key is not known here; known are {_keys(owner)}"


def _range(field: FieldInfo) -> str:
    least = next((limit.ge for limit in field.metadata if isinstance(limit, Ge)), "")
    most = next((limit.le for limit in field.metadata if isinstance(limit, Le)), "")
    extra = field.json_schema_extra
    unit = extra.get("unit", "") if isinstance(extra, dict) else ""
    return f"from {least} to {most} {unit}".rstrip()


def _question(field: FieldInfo | None) -> str:
    return f"{field.title}. {field.description}" if field is not None else "write it"


def _keys(owner: type[Section]) -> str:
    return ", ".join(_names(owner))


def _names(owner: type[Section]) -> list[str]:
    return [field.alias or name for name, field in owner.model_fields.items()]


def _spot(
    model: type[Section], location: tuple[int | str, ...]
) -> tuple[str, type[Section], FieldInfo | None]:
    """Path, innermost section and field of a location; pydantic puts the kind of a choice into it."""
    owner, field, tag_comes = model, None, False
    sections: list[type[Section]] = [model]
    steps: list[str] = []
    for step in location:
        if isinstance(step, int):
            steps.append(str(step))
        elif tag_comes:
            sections = [section for section in sections if step in _kinds(section)]
            owner, tag_comes = sections[0], False
        else:
            steps.append(step)
            owner = sections[0] if sections else owner
            field = _field(owner, step)
            sections = _sections(field.annotation) if field is not None else []
            tag_comes = field is not None and field.discriminator is not None
    return ".".join(steps), sections[0] if sections else owner, field


def _field(owner: type[Section], key: str) -> FieldInfo | None:
    return next(
        (field for name, field in owner.model_fields.items() if key in (name, field.alias)), None
    )


def _kinds(section: type[Section]) -> tuple[str, ...]:
    return get_args(section.model_fields["kind"].annotation)


def _sections(annotation: object) -> list[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [found for part in get_args(annotation) for found in _sections(part)]


def _quoted(expected: str) -> list[str]:
    return expected.split("'")[1::2]
