"""A profile as text and as a digest: the same profile always gives the same ones."""

import json
from hashlib import sha256

import yaml

from appliance.profile import reading
from appliance.profile.model import Profile


def digest(profile: Profile) -> str:
    """SHA-256 (hex) of the canonical profile: sorted keys, every default written out."""
    canonical = json.dumps(
        profile.model_dump(mode="json", by_alias=True),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
    return sha256(canonical.encode()).hexdigest()


def dump(profile: Profile) -> str:
    """YAML that `parse` reads back to the same profile; every default is written out."""
    text: str = yaml.dump(
        profile.model_dump(mode="json", by_alias=True),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )
    return text


class _Dumper(yaml.SafeDumper):
    """Quotes what `reading`, or a reader of YAML 1.1, would take for something else than text."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 PyYAML's signature
        return True


def _represented(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    node: yaml.ScalarNode = dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)
    return node


_Dumper.add_representer(str, _represented)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:null", reading.NULL, None)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:bool", reading.BOOL, None)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", reading.INT, None)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", reading.FLOAT, None)
