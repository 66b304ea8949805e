"""What every part of the profile is made of: frozen, complete, each field with its question."""

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo


class Section(BaseModel):
    """A part of the profile: unknown keys are refused, nothing changes after reading."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False
    )


def label(en: str, fr: str, asks: str, unit: str = "") -> FieldInfo:
    """The question of one field; form, messages and tables are drawn from it."""
    info: FieldInfo = Field(title=en, description=asks, json_schema_extra=_extra(fr, unit))
    return info


def choice(en: str, fr: str, asks: str) -> FieldInfo:
    """The question of a section that comes in several kinds, told apart by its key `kind`."""
    info: FieldInfo = Field(
        title=en, description=asks, json_schema_extra=_extra(fr, ""), discriminator="kind"
    )
    return info


def within(least: float, most: float) -> FieldInfo:
    """The range of a number, both ends included."""
    info: FieldInfo = Field(ge=least, le=most)
    return info


def _extra(fr: str, unit: str) -> JsonDict:
    return {"fr": fr, "unit": unit}
