"""Law: a file is at one whole version, never between two; damage and newer versions are refused."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.errors import Refusal
from appliance.store.schema import migrate, open_writer, read_only, transaction, version

FIRST = "CREATE TABLE subject (name TEXT NOT NULL) STRICT; INSERT INTO subject VALUES ('one');"
SECOND = "ALTER TABLE subject ADD COLUMN size INTEGER NOT NULL DEFAULT 7;"

DIES_IN_THE_SECOND_STEP = """
import os, signal, sys
from pathlib import Path
from appliance.store.schema import migrate, open_writer
connection = open_writer(Path(sys.argv[1]))
connection.create_function("die", 0, lambda: os.kill(os.getpid(), signal.SIGKILL))
migrate(connection, [sys.argv[2], sys.argv[3] + "INSERT INTO subject VALUES ('two', 1); SELECT die();"])
"""


def test_a_writer_is_durable_and_checks_foreign_keys(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / "a.db")
    pragmas = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    }
    connection.close()
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 5000,
    }


def test_a_new_file_takes_all_steps_and_takes_none_twice(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / "a.db")
    migrate(connection, [FIRST, SECOND])
    migrate(connection, [FIRST, SECOND])
    assert version(connection) == 2
    assert connection.execute("SELECT * FROM subject").fetchall() == [("one", 7)]
    connection.close()


def test_an_old_file_keeps_its_rows_when_it_migrates(tmp_path: Path) -> None:
    old = open_writer(tmp_path / "a.db")
    migrate(old, [FIRST])
    old.execute("INSERT INTO subject VALUES ('kept')")
    old.close()
    new = open_writer(tmp_path / "a.db")
    migrate(new, [FIRST, SECOND])
    assert new.execute("SELECT * FROM subject").fetchall() == [("one", 7), ("kept", 7)]
    new.close()


def test_a_newer_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / "a.db")
    migrate(connection, [FIRST, SECOND])
    with pytest.raises(Refusal, match=r"D11: .*version 2, this appliance knows 1: install"):
        migrate(connection, [FIRST])
    assert version(connection) == 2
    connection.close()


def test_a_step_that_fails_leaves_the_version_before_it(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / "a.db")
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, [FIRST, SECOND + "INSERT INTO absent VALUES (1);"])
    assert version(connection) == 1
    assert connection.execute("SELECT * FROM subject").fetchall() == [("one",)]
    connection.close()


def test_a_crash_in_the_middle_of_a_step_leaves_the_version_before_it(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    dead = subprocess.run(
        [sys.executable, "-c", DIES_IN_THE_SECOND_STEP, path, FIRST, SECOND], check=False
    )
    assert dead.returncode == -signal.SIGKILL
    connection = open_writer(path)
    assert version(connection) == 1
    assert connection.execute("SELECT * FROM subject").fetchall() == [("one",)]
    migrate(connection, [FIRST, SECOND])
    assert connection.execute("SELECT * FROM subject").fetchall() == [("one", 7)]
    connection.close()


@pytest.mark.parametrize("opener", [open_writer, read_only])
def test_a_file_that_is_no_database_is_refused_in_one_sentence(tmp_path: Path, opener) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(os.urandom(8192))
    with pytest.raises(Refusal, match=r"D11: a\.db is damaged .* restore"):
        opener(path)


def test_a_torn_page_is_found_at_opening(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    connection = open_writer(path)
    migrate(connection, [FIRST])
    with transaction(connection):
        connection.executemany("INSERT INTO subject VALUES (?)", [("x" * 500,)] * 200)
    connection.close()
    content = bytearray(path.read_bytes())
    content[3 * 4096 : 4 * 4096] = os.urandom(4096)
    path.write_bytes(content)
    with pytest.raises(Refusal, match="D11"):
        open_writer(path)


def test_a_transaction_that_raises_leaves_nothing(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / "a.db")
    migrate(connection, [FIRST])
    with pytest.raises(sqlite3.IntegrityError), transaction(connection):
        connection.executemany("INSERT INTO subject VALUES (?)", [("lost",), (None,)])
    assert connection.execute("SELECT count(*) FROM subject").fetchone() == (1,)
    connection.close()


def test_a_reader_sees_what_is_committed_and_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "a b?c.db"
    writer = open_writer(path)
    migrate(writer, [FIRST])
    reader = read_only(path)
    assert reader.execute("SELECT name FROM subject").fetchall() == [("one",)]
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("INSERT INTO subject VALUES ('no')")
    reader.close()
    writer.close()


def test_a_reader_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        read_only(tmp_path / "absent.db")
    assert list(tmp_path.iterdir()) == []
