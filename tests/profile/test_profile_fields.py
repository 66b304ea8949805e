"""Law: a setting is one annotated field. Each has an English and a French label, a help text, and a
unit where it counts something; form, messages and tables are drawn from these.
"""

from collections.abc import Iterator
from typing import get_args

import pytest
from pydantic.fields import FieldInfo

from appliance.dossier import DossierSection, Feedback
from appliance.dossier import Retention as DossierRetention
from appliance.profile import Policy, Profile, Section

UNITS = {"_min": "min", "_days": "days", "_hours": "hours", "_years": "years", "_months": "months"}


def sections(annotation: object) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
        return
    for part in get_args(annotation):
        yield from sections(part)


def fields(model: type[Section], seen: set[type[Section]]) -> Iterator[tuple[str, FieldInfo]]:
    if model in seen:
        return
    seen.add(model)
    for name, field in model.model_fields.items():
        yield f"{model.__name__}.{name}", field
        for below in sections(field.annotation):
            yield from fields(below, seen)


ALL = [
    pair
    for model in (Profile, DossierSection, DossierRetention, Feedback)
    for pair in fields(model, set())
]


def test_the_walk_reaches_every_part_of_the_profile():
    names = {name for name, _ in ALL}
    assert {
        "Listen.port",
        "Bearer.secret",
        "Qido.every_min",
        "Dates.max_days",
        "Webhook.url",
    } <= names
    assert len(names) > 90


@pytest.mark.parametrize(("name", "field"), ALL, ids=[name for name, _ in ALL])
def test_a_field_has_both_labels_and_a_help_text(name, field):
    assert field.title
    assert field.description
    assert field.description.rstrip(" )").endswith((".", "?")) or field.description[-1] in ".)"
    assert field.json_schema_extra["fr"]
    assert isinstance(field.json_schema_extra["unit"], str)


@pytest.mark.parametrize(("name", "field"), ALL, ids=[name for name, _ in ALL])
def test_a_field_that_counts_names_its_unit(name, field):
    kinds = {field.annotation, *get_args(field.annotation)}
    ending = next((unit for tail, unit in UNITS.items() if name.endswith(tail)), None)
    if kinds & {int, float} and ending:
        assert field.json_schema_extra["unit"] == ending


def test_the_schema_for_other_programs_carries_titles_and_french_labels():
    schema = Profile.model_json_schema(by_alias=True)
    port = schema["$defs"]["Listen"]["properties"]["port"]
    assert (port["title"], port["fr"], port["minimum"], port["maximum"]) == (
        "Port",
        "Port",
        1,
        65535,
    )
    assert "schema" in schema["required"]


def test_nothing_can_be_changed_after_reading():
    with pytest.raises(ValueError, match="frozen"):
        Policy().mode = "pseudonymise"
