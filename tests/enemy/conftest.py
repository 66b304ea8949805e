"""A box in one process before a partner that can stop taking."""

import pytest

from appliance.exam.clinic import SyntheticClinic
from tests.box import Box, tree
from tests.enemy.outward import Picky
from tests.journey.conftest import between


@pytest.fixture
def partner():
    with Picky() as neighbour:
        yield neighbour


@pytest.fixture
def box_of(tmp_path, partner):
    boxes: list[Box] = []
    with SyntheticClinic(ae_title="DEMO_PACS") as clinic:

        def make(changed: dict[str, object]) -> Box:
            boxes.append(Box(tmp_path / "data", between(changed, partner, clinic)))
            return boxes[-1].__enter__()

        yield make
        for box in boxes:
            box.__exit__()


@pytest.fixture
def box(box_of) -> Box:
    return box_of(tree())
