"""One SQLite connection and its lock: how the ledger and the decisions are read and written."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from appliance.store.schema import newer, read_only, version

Value = str | int | float | None


class Book:
    """One connection to the ledger, usable from several threads, one at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.RLock()

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Value, ...]]:
        """All rows of a question."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def do(self, sql: str, values: Sequence[Value] = ()) -> int:
        """One statement inside `atomic`; gives the row id it made."""
        return self._connection.execute(sql, values).lastrowid or 0

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """Everything inside is durable when the block ends, or nothing of it happened."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()


def reader(path: Path, steps: Sequence[str]) -> Book | None:
    """A reading connection, or nothing while the writer has not made the file and its tables.

    Raises:
        Refusal: D11, the file is damaged or newer than this program.
    """
    if not path.exists():
        return None
    connection = read_only(path)
    found = version(connection)
    if found < len(steps):
        connection.close()
        return None
    if found > len(steps):
        connection.close()
        raise newer(found, len(steps))
    return Book(connection)
