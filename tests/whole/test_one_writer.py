"""Law: every file of the data folder has one writer, and it is the process that the house names.

Seen at the open files of all processes during a whole walk there and home.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from appliance.store.ledger import Ledger
from appliance.store.schema import read_only
from tests.whole.conftest import Walked

# Who writes what (the house): receive the spool, the walk the ledger, the vault its own, the
# console the decisions. Workers and supervisor write no data.
WRITERS = {"spool": "receive", "ledger": "walk", "vault": "vault", "console": "console"}
# The supervisor's lock, and nothing else of its.
SERVING = "serving"
READ_ONLY = 0
ALWAYS = (
    "ledger/ledger.db", "vault/vault.db", "vault/audit.db", "console/console.db",
    "spool/journal/0000000000000001.log",
)  # fmt: skip

# The first test of this file walks there and home, in all its settle and retry times.
pytestmark = pytest.mark.timeout(90)


def writers(walked: Walked, path: str) -> set[str]:
    """The processes that had a file open for writing.

    SQLite opens the log of a database (-wal) for writing also in a connection that may only read;
    such a connection never appends to it, so that the writers of a log are those of its database.
    """
    opened = walked.opened[path.removesuffix("-wal")]
    return {name for name, modes in opened.items() if modes - {READ_ONLY}}


def test_every_file_has_one_writer_and_it_is_the_right_one(walked: Walked) -> None:
    assert set(ALWAYS) <= set(walked.opened)
    wrong = {
        path: names
        for path in walked.opened
        # SQLite's -shm is memory that all connections share, readers too: rebuilt, never kept.
        if not path.endswith("-shm")
        and (names := writers(walked, path))
        and names != {WRITERS.get(path.partition("/")[0], "supervisor")}
    }
    assert wrong == {}
    assert writers(walked, SERVING) == {"supervisor"}


def test_readers_of_a_file_are_seen_too(walked: Walked) -> None:
    assert {"walk", "vault", "console"} <= set(walked.opened["ledger/ledger.db"])
    assert len(walked.opened["ledger/ledger.db-shm"]) > 1


def test_a_reader_of_the_ledger_cannot_write_it(tmp_path: Path) -> None:
    Ledger(tmp_path, ()).close()
    with closing(read_only(tmp_path / "ledger.db")) as connection:
        connection.execute("SELECT count(*) FROM entry").fetchone()
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("UPDATE clock SET device_s = 1")
