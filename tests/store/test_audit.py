"""Law: nobody edits, removes or reorders an entry unseen; what is chained once is chained for good."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import Refusal
from appliance.store.audit import Audit, Head, Source

KEY = bytes(range(32))
STAMP = {"boot": "b", "monotonic": 1.5, "wall": "2026-11-21T10:00:00+00:00"}


def opened(path: Path, key: bytes = KEY) -> "closing[Audit]":
    return closing(Audit(path, key, lambda: STAMP))


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    path = tmp_path / "audit.db"
    with opened(path) as audit:
        for number in range(1, 11):
            audit.append([{"event": "resolve", "who": f"DEMO-{number}"}], "vault")
    return path


def spoil(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as stranger:
        for statement in statements:
            stranger.execute(statement)


def found(path: Path, anchor: Head | None = None) -> list[str]:
    with opened(path) as audit:
        return audit.verify(anchor)


def test_an_entry_says_when_where_and_what_in_canonical_json(chain: Path) -> None:
    with closing(sqlite3.connect(chain)) as stranger:
        (text,) = stranger.execute("SELECT text FROM entry WHERE seq = 1").fetchone()
    assert json.loads(text) == {
        **STAMP,
        "seq": 1,
        "source": "vault",
        "what": {"event": "resolve", "who": "DEMO-1"},
    }
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))


def test_an_untouched_chain_has_nothing_wrong_also_after_a_restart(chain: Path) -> None:
    with opened(chain) as audit:
        before = audit.head()
        after = audit.append([{"event": "more"}], "vault")
        assert after == audit.head()
        assert after.count == before.count + 1 == 11
        assert audit.verify(before) == audit.verify(after) == []


@pytest.mark.parametrize(
    ("statements", "problem"),
    [
        (
            ["UPDATE entry SET text = replace(text, 'DEMO-4', 'DEMO-9') WHERE seq = 4"],
            "entry 4: changed",
        ),
        (["UPDATE entry SET text = 'no json' WHERE seq = 4"], "entry 4: changed"),
        (["UPDATE entry SET mac = zeroblob(32) WHERE seq = 4"], "entry 4: changed"),
        (["DELETE FROM entry WHERE seq = 4"], "entry 4: missing"),
        (["DELETE FROM entry WHERE seq = 1"], "entry 1: missing"),
        (
            ["DELETE FROM entry WHERE seq = 4", "UPDATE entry SET seq = seq - 1 WHERE seq > 4"],
            "entry 4: changed, or not in its place",
        ),
        (
            [
                "UPDATE entry SET seq = 99 WHERE seq = 4",
                "UPDATE entry SET seq = 4 WHERE seq = 5",
                "UPDATE entry SET seq = 5 WHERE seq = 99",
            ],
            "entry 4: changed, or not in its place",
        ),
        (["INSERT INTO entry SELECT 11, text, mac FROM entry WHERE seq = 10"], "entry 11: changed"),
    ],
)
def test_what_was_done_to_the_chain_is_found_at_the_entry(
    chain: Path, statements: list[str], problem: str
) -> None:
    spoil(chain, *statements)
    assert found(chain)[0].startswith(problem)


def test_a_cut_tail_is_found_with_an_anchor_and_only_with_one(chain: Path) -> None:
    with opened(chain) as audit:
        anchor = audit.head()
    spoil(chain, "DELETE FROM entry WHERE seq > 7")
    assert found(chain) == []
    assert found(chain, anchor) == ["entry 8: missing, with all up to entry 10"]
    with opened(chain) as audit:
        audit.append([{"event": "as if nothing had been"}] * 3, "vault")
        assert audit.verify() == []
        assert audit.verify(anchor) == ["entry 10: not the one that was anchored"]


def test_a_chain_of_another_key_is_wrong_from_its_first_entry(chain: Path) -> None:
    with opened(chain, bytes(32)) as audit:
        assert audit.verify()[0].startswith("entry 1: changed")


def test_the_list_of_problems_has_an_end(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    with opened(path) as audit:
        audit.append([{"event": str(number)} for number in range(300)], "vault")
    spoil(path, "UPDATE entry SET mac = zeroblob(32)")
    assert len(found(path)) == 100


def test_a_batch_is_chained_whole_or_not_at_all(chain: Path) -> None:
    spoil(
        chain,
        "CREATE TRIGGER third BEFORE INSERT ON entry WHEN new.seq = 13"
        " BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    with opened(chain) as audit:
        with pytest.raises(sqlite3.IntegrityError):
            audit.append_with_cursor([{"n": number} for number in range(5)], "ledger", "5")
        assert audit.head().count == 10
        assert audit.cursor("ledger") == ""
        assert audit.append([{"n": 0}], "ledger").count == 11
        assert audit.verify() == []


def test_something_that_is_no_json_is_a_bug_and_chains_nothing(chain: Path) -> None:
    with opened(chain) as audit:
        with pytest.raises(TypeError):
            audit.append([{"event": b"bytes"}], "vault")
        with pytest.raises(ValueError, match="float"):
            audit.append([{"event": float("nan")}], "vault")
        assert audit.head().count == 10


def counting(total: int, batch: int) -> Callable[[str], tuple[list[dict[str, int]], str]]:
    def since(cursor: str) -> tuple[list[dict[str, int]], str]:
        first = int(cursor or 0)
        last = min(first + batch, total)
        return [{"number": number} for number in range(first + 1, last + 1)], str(last)

    return since


class PowerCut(BaseException):
    """Nobody catches it."""


@settings(max_examples=15, deadline=None)
@given(
    total=st.integers(0, 30),
    batch=st.integers(1, 7),
    cuts=st.lists(st.integers(0, 8), max_size=3),
)
def test_every_event_is_chained_once_whatever_is_cut_off(
    tmp_path_factory: pytest.TempPathFactory, total: int, batch: int, cuts: list[int]
) -> None:
    path = tmp_path_factory.mktemp("audit") / "audit.db"
    for cut in [*cuts, None]:
        left = _countdown(cut)

        def stamp(left: Iterator[bool] = left) -> dict[str, int]:
            if next(left):
                raise PowerCut
            return {"wall": 0}

        with closing(Audit(path, KEY, stamp)) as audit:
            try:
                while audit.tail(Source("ledger", counting(total, batch))):
                    pass
            except PowerCut:
                continue
    with closing(sqlite3.connect(path)) as stranger:
        texts = stranger.execute("SELECT text FROM entry ORDER BY seq").fetchall()
    assert [json.loads(text)["what"]["number"] for (text,) in texts] == list(range(1, total + 1))
    assert found(path) == []


def _countdown(cut: int | None) -> Iterator[bool]:
    turn = 0
    while True:
        yield turn == cut
        turn += 1


def test_two_sources_have_a_cursor_each(tmp_path: Path) -> None:
    with opened(tmp_path / "audit.db") as audit:
        assert audit.tail(Source("ledger", counting(5, 2))) == 5
        assert audit.tail(Source("console", counting(3, 2))) == 3
        assert audit.tail(Source("ledger", counting(6, 2))) == 1
        assert (audit.cursor("ledger"), audit.cursor("console")) == ("6", "3")
        assert audit.head().count == 9


def test_a_source_without_end_does_not_keep_the_vault_from_answering(tmp_path: Path) -> None:
    with opened(tmp_path / "audit.db") as audit:
        assert audit.tail(Source("ledger", counting(10**9, 10))) == 200


def test_verifying_does_not_stop_the_chain(chain: Path) -> None:
    with opened(chain) as audit, closing(sqlite3.connect(chain)) as reader:
        rows = reader.execute("SELECT * FROM entry")
        rows.fetchone()
        audit.append([{"event": "meanwhile"}], "vault")
        assert audit.verify() == []


def test_a_damaged_audit_is_not_written_on(chain: Path) -> None:
    content = chain.read_bytes()
    chain.write_bytes(b"x" * 100 + content[100:])
    with pytest.raises(Refusal, match=r"D11: audit\.db is damaged"):
        Audit(chain, KEY, lambda: STAMP)
