"""Each wall between the floors holds: a violation planted in a copy of the house is refused."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
HOUSE = "The house: form over builder over appliance"
DOORSTEP = "Form and builder know of the appliance only profile, dossier, errors"
FLOORS = "Floors of the appliance"
PURE = "The core is pure"
# What is planted where, and the contract that it must break.
VIOLATIONS = {
    "the builder imports the form": ("builder/planted.py", "import form", HOUSE),
    "the builder imports the engine": ("builder/planted.py", "import appliance.deid", DOORSTEP),
    "the form imports the engine": ("form/planted.py", "import appliance.deid", DOORSTEP),
    "a step imports the service": (
        "appliance/journey/planted.py",
        "import appliance.service",
        FLOORS,
    ),
    "a door imports a door": ("appliance/dicom/planted.py", "import appliance.partner", FLOORS),
    "a rule imports the store": ("appliance/deid/planted.py", "import appliance.store", FLOORS),
    "reconciling imports the engine": (
        "appliance/reid/planted.py",
        "import appliance.deid",
        FLOORS,
    ),
    "a file without a floor": ("appliance/utils.py", "", FLOORS),
    "a rule touches the disk": ("appliance/deid/planted.py", "import os", PURE),
    "a rule looks at the clock": ("appliance/reid/planted.py", "import time", PURE),
    "a rule asks the network": ("appliance/profile/planted.py", "import requests", PURE),
}


def _linted(house: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=house, capture_output=True, text=True, check=False)


@pytest.fixture
def house(tmp_path):
    for name in ("appliance", "builder", "form"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_house_as_it_stands_is_accepted(house):
    answer = _linted(house)
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize("violation", VIOLATIONS)
def test_a_violation_is_refused(house, violation):
    path, text, contract = VIOLATIONS[violation]
    (house / path).write_text(f'"""Planted."""\n{text}\n')
    answer = _linted(house)
    assert answer.returncode == 1
    assert f"{contract} BROKEN" in answer.stdout
