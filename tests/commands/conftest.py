"""Data folders under the commands: one after a walk of real files, and an empty one."""

import shutil
from pathlib import Path

import pytest
import yaml

from appliance.profile import parse
from appliance.store.entry import State
from tests.box import Box, tree
from tests.commands.typed import PATIENT
from tests.studies import ct_study


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder after a walk: entry 1 claimed by no project; 2 and 3 a parcel that waits for review."""
    changed = tree() | {"notifications": {}}
    (project,) = changed["projects"]
    project["release"] = "review"
    folder = tmp_path_factory.mktemp("walked") / "data"
    with Box(folder, parse(yaml.safe_dump(changed))) as box:
        box.receive(ct_study("PAT-1", study="nobody's"), called_ae="RESEARCHPACS")
        box.receive(ct_study(PATIENT), called_ae="RPACS_DEM")
        box.run(300)
        held = {entry.code: entry.id for entry in box.entries() if entry.state is State.HELD}
    assert held == {"no-project": 1, "review": 3}
    return folder


@pytest.fixture
def data(walked: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    copied = tmp_path / "data"
    shutil.copytree(walked, copied, ignore=shutil.ignore_patterns("*.sock"))
    return copied


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder
