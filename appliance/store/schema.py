"""How every SQLite file of the appliance is opened, and how it grows from version to version.

`PRAGMA user_version` is the number of migration steps that a file has taken. A file that cannot be
read, or that a newer appliance wrote, raises `Refusal("D11", …)` at opening: nobody works on it.
A failure later than that (disk gone, page torn under a running process) is not translated: it
rises, the process dies and finds the damage at its next start.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from appliance.errors import Refusal

Value = str | bytes | int | float | None

# Readers never block a writer in WAL mode; what is waited for is a checkpoint or a migration.
BUSY_S = 5.0
# The WAL is cut back to this after a checkpoint, so that one burst does not hold the card's space.
WAL_BYTES = 16 << 20
NO_ROOM = "no space left in the data folder: make room, and it goes on where it stood"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_PRIMARY = 0xFF


class Rows(Protocol):
    """What a statement gives back."""

    def fetchone(self) -> tuple[Value, ...] | None:
        """The next row, or None."""

    def fetchall(self) -> list[tuple[Value, ...]]:
        """All rows that are left."""


class Connection(Protocol):
    """What `sqlite3` and `sqlcipher3` connections have in common, as far as we use it."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""

    @property
    def total_changes(self) -> int:
        """How many rows this connection has changed since it was opened."""

    def execute(self, sql: str, parameters: Sequence[Value] = ..., /) -> Rows:
        """Run one statement."""

    def executemany(self, sql: str, parameters: Sequence[Sequence[Value]], /) -> Rows:
        """Run one statement for many rows."""

    def executescript(self, script: str, /) -> Rows:
        """Run many statements."""

    def close(self) -> None:
        """Give the file back."""


def open_writer(path: Path) -> sqlite3.Connection:
    """The one writing connection of a file: WAL, synchronous=FULL, foreign keys, no implicit BEGIN.

    Every page is checked first. The connection may pass between threads: its owner sees to it that
    one uses it at a time. Raises `Refusal("D11")` for a damaged file.
    """
    connection = sqlite3.connect(
        path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )
    try:
        prepare(connection)
        sound = intact(connection)
    except sqlite3.DatabaseError as error:
        connection.close()
        if is_damage(error):
            raise damaged(path) from None
        raise
    if not sound:
        connection.close()
        raise damaged(path)
    return connection


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, beside the one writer. The file must exist.

    Raises `Refusal("D11")` for a file that is no database, `sqlite3.OperationalError` for none.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        timeout=BUSY_S,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.DatabaseError as error:
        connection.close()
        if is_damage(error):
            raise damaged(path) from None
        raise
    return connection


def prepare(connection: Connection) -> None:
    """Make a connection durable: what is committed survives a power cut."""
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_S * 1000)}")
    connection.execute("PRAGMA journal_mode = WAL").fetchone()
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}").fetchone()


def intact(connection: Connection) -> bool:
    """Whether every page can be read and is well formed."""
    return connection.execute("PRAGMA quick_check(1)").fetchall() == [("ok",)]


def migrate(connection: Connection, steps: Sequence[str]) -> None:
    """Bring a file to version `len(steps)`; each step and its version number in one transaction.

    A step is one or more SQL statements and never changes once released: later wishes are later
    steps. A crash leaves the version before the step. Raises `Refusal("D11")` for a newer file.
    """
    found = version(connection)
    if found > len(steps):
        raise newer(found, len(steps))
    for number in range(found, len(steps)):
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{steps[number]}\n;PRAGMA user_version = {number + 1};\nCOMMIT;"
            )
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def version(connection: Connection) -> int:
    """How many migration steps this file has taken."""
    row = connection.execute("PRAGMA user_version").fetchone()
    return row[0] if row is not None and isinstance(row[0], int) else 0


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Everything inside is committed and durable at the end, or nothing of it happened."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def newer(found: int, known: int) -> Refusal:
    """The one sentence about a file of a later version."""
    return Refusal(
        "D11",
        f"a data file has version {found}, this appliance knows {known}: "
        "install the newer appliance again, or restore a backup of its time",
    )


def damaged(path: Path) -> Refusal:
    """The one sentence about a file that cannot be read."""
    return Refusal("D11", f"{path.name} is damaged or no database of ours: restore a backup of it")


def is_damage(error: Exception) -> bool:
    """Whether SQLite (ours or SQLCipher's) says that a file cannot be understood."""
    return _code(error) in _DAMAGED


def is_full(error: Exception) -> bool:
    """Whether SQLite (ours or SQLCipher's) says that there is no space left."""
    return _code(error) == sqlite3.SQLITE_FULL


def _code(error: Exception) -> int:
    # Errors of the module itself (a closed connection) carry no SQLite code.
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & _PRIMARY
