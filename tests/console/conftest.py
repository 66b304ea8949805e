"""A hospital for each test: the console over a real ledger and a real console.db."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.console.app import create_app
from appliance.health import Finding
from appliance.profile import Profile, parse
from appliance.store.decisions import Decisions
from appliance.store.ledger_view import LedgerView
from tests.console.hospital import DEMO, NOW, Hospital, Shelf


@pytest.fixture(scope="session")
def demo() -> Profile:
    return parse(DEMO.read_text("utf-8"))


@pytest.fixture
def hospital(tmp_path: Path, demo: Profile) -> Iterator[Hospital]:
    shelf = Shelf(tmp_path / "ledger.db")
    decisions = Decisions(tmp_path / "console.db")
    password = decisions.first_password()
    assert password is not None
    clock = [NOW]
    findings: list[Finding] = []
    view = LedgerView(tmp_path / "ledger.db")
    app = create_app(view, decisions, demo, lambda: findings, lambda: clock[0])
    yield Hospital(app, shelf, decisions, tmp_path, password, clock, findings)
    decisions.close()
    shelf.close()
