"""A box in one process between a synthetic clinic and a synthetic partner, both on loopback."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from appliance.exam.clinic import SyntheticClinic
from appliance.exam.partner import SyntheticPartner
from appliance.profile import Profile, parse
from tests.box import Box, tree


@pytest.fixture
def partner() -> Iterator[SyntheticPartner]:
    with SyntheticPartner() as neighbour:
        yield neighbour


@pytest.fixture
def clinic() -> Iterator[SyntheticClinic]:
    with SyntheticClinic(ae_title="DEMO_PACS") as neighbour:
        yield neighbour


def between(
    changed: dict[str, object], partner: SyntheticPartner, clinic: SyntheticClinic
) -> Profile:
    """The profile with the addresses of these neighbours and nobody to be told."""
    changed = changed | {"notifications": {}}
    for one in changed["partners"]:
        one["send"]["url"] = partner.url
    for peer in changed["clinic"]["peers"]:
        if peer["kind"] == "pacs":
            peer["port"] = clinic.node.port
    return parse(yaml.safe_dump(changed))


@pytest.fixture
def box_of(
    tmp_path: Path, partner: SyntheticPartner, clinic: SyntheticClinic
) -> Iterator[Callable[[dict[str, object]], Box]]:
    with ExitStack() as stack:

        def make(changed: dict[str, object]) -> Box:
            box = Box(tmp_path / "data", between(changed, partner, clinic))
            return stack.enter_context(box)

        yield make


@pytest.fixture
def box(box_of: Callable[[dict[str, object]], Box]) -> Box:
    return box_of(tree())
