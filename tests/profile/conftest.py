"""The two examples as text, and the loopback one as a tree that a test may spoil."""

from pathlib import Path

import pytest

from appliance.profile.reading import read

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="session")
def demo_text():
    return (EXAMPLES / "demo.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def hospital_text():
    return (EXAMPLES / "hospital.yaml").read_text(encoding="utf-8")


@pytest.fixture
def demo(demo_text):
    return read(demo_text).tree
