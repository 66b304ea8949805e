"""A real ledger with made entries, a real console.db, and the console over both."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from appliance.health import Finding
from appliance.store.book import Book
from appliance.store.decisions import Decisions
from appliance.store.ledger_schema import STEPS
from appliance.store.schema import migrate, open_writer

NOW = datetime(2026, 11, 21, 7, 30, tzinfo=UTC)
DEVICE_S = 1_000_000.0
# What no page may ever show: the clinic's identifiers, each unmistakable.
STUDY = "1.2.826.0.1.77777"
PATIENT_ID = "CANARY-PATIENT-ID"
ISSUER = "CANARY-ISSUER"
REASON = "CANARY-REASON"
PARTNERS_STUDY = "2.25.88888"
DEMO = Path(__file__).parents[2] / "examples" / "demo.yaml"
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Shelf:
    """A ledger file whose rows a test makes."""

    def __init__(self, path: Path) -> None:
        connection = open_writer(path)
        migrate(connection, STEPS)
        self._book = Book(connection)
        with self._book.atomic():
            self._book.do("UPDATE clock SET device_s = ?", (DEVICE_S,))

    def put(self, kind: str, state: str, **facts: str | float | None) -> int:
        """One entry; `ago_s` and `images` are ours, the rest are columns."""
        ago_s = float(facts.pop("ago_s", 3600) or 0)
        images = int(facts.pop("images", 3) or 0)
        wall = (NOW - timedelta(seconds=ago_s)).isoformat()
        then_s = DEVICE_S - ago_s
        row: dict[str, str | float | None] = {
            "kind": kind, "state": state, "project": "DEM", "partner": "lab",
            "study": STUDY, "n": 1, "pseudonym": "DEMO-0001", "pstudy": PARTNERS_STUDY,
            "patient_id": PATIENT_ID, "issuer": ISSUER, "called_ae": "RPACS_DEM",
            "peer": "modality", "reason": REASON, "first_s": then_s, "last_s": then_s,
            "since_s": then_s, "wall_first": wall, "wall_since": wall,
        } | facts  # fmt: skip
        with self._book.atomic():
            (last,) = self._book.rows("SELECT coalesce(max(id), 0) FROM entry")[0]
            row["study"] = f"{row['study']}.{last}"
            number = self._book.do(
                f"INSERT INTO entry ({','.join(row)}) VALUES ({','.join('?' * len(row))})",
                tuple(row.values()),
            )
            table, unit = (
                ("returned", "series, sop_class, number") if kind == "delivery" else ("", "")
            )
            for place in range(images):
                if table:
                    self._book.do(
                        f"INSERT INTO returned (entry, sop, {unit}) VALUES (?, ?, '', '', ?)",
                        (number, f"{STUDY}.9.{place}", place),
                    )
                else:
                    self._book.do(
                        "INSERT INTO member (entry, seq, sop, state) VALUES (?, ?, ?, 'FROZEN')",
                        (number, place, f"{STUDY}.9.{place}"),
                    )
        return number

    def change(self, number: int, **facts: str | float) -> None:
        """New values of some columns."""
        with self._book.atomic():
            for column, value in facts.items():
                self._book.do(f"UPDATE entry SET {column} = ? WHERE id = ?", (value, number))

    def close(self) -> None:
        self._book.close()


@dataclass
class Hospital:
    """The console and everything under it; `at` and `findings` are what the console asks for."""

    app: Flask
    shelf: Shelf
    decisions: Decisions
    folder: Path
    password: str
    clock: list[datetime]
    findings: list[Finding] = field(default_factory=list)

    def browser(self) -> FlaskClient:
        return self.app.test_client()

    def signed_in(self, person: str = "Anne") -> FlaskClient:
        browser = self.browser()
        answer = sign_in(browser, person, self.password)
        assert answer.status_code == 303
        return browser


def token_of(browser: FlaskClient, path: str = "/sign-in") -> str:
    found = TOKEN.search(browser.get(path).text)
    assert found is not None
    return found.group(1)


def sign_in(browser: FlaskClient, person: str, password: str) -> TestResponse:
    form = {"person": person, "password": password, "csrf_token": token_of(browser)}
    return browser.post("/sign-in", data=form)
