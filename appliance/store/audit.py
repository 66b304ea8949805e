"""Who did what, in a chain that cannot be edited unseen: the only writer of `audit.db`.

    mac_n = HMAC-SHA256(k_audit, mac_{n-1} ‖ entry_n)        mac_0 = 32 zero bytes
    entry_n = canonical JSON, sorted keys: {boot, monotonic, seq, source, wall, what}

Entries carry entry numbers, pseudonyms and codes; never a name or a UID of the clinic. An edit, a
deletion or another order is found at the entry itself; a cut tail only by comparing with a head
that was kept elsewhere (`Head`). What other processes wrote is copied from their files by cursor;
the cursor stands here, in the transaction of the entries that it stands for.
"""

import hmac
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock

from appliance.store.schema import migrate, open_writer, read_only, transaction

# What json can write.
Fields = Mapping[str, object]
Stamp = Callable[[], Fields]

FIRST_MAC = bytes(32)
# Enough to see what happened to a chain; a chain that is wrong everywhere need not be listed.
MOST_PROBLEMS = 100
# A source that always has more must not keep the vault from answering.
MOST_BATCHES = 20

STEPS = (
    """
    CREATE TABLE entry (
        seq  INTEGER PRIMARY KEY,
        text TEXT NOT NULL,
        mac  BLOB NOT NULL
    ) STRICT;
    CREATE TABLE cursor (
        source TEXT PRIMARY KEY,
        at     TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
)


@dataclass(frozen=True)
class Head:
    """The end of the chain at one moment: how many entries, and the last mac as hex."""

    count: int
    mac: str


@dataclass(frozen=True)
class Source:
    """Another file's events: `since(cursor)` gives a batch and the cursor after it.

    The first cursor is ""; an empty batch means that there is nothing more now.
    """

    name: str
    since: Callable[[str], tuple[Sequence[Fields], str]]


class Audit:
    """The chain. `stamp` gives what stands in every entry: wall time, boot, monotonic seconds."""

    def __init__(self, path: Path, key: bytes, stamp: Stamp) -> None:
        self._path = path
        self._key = key
        self._stamp = stamp
        self._lock = Lock()
        self._connection = open_writer(path)
        migrate(self._connection, STEPS)
        self._count, self._mac = self._end()

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._connection.close()

    def append(self, entries: Sequence[Fields], source: str) -> Head:
        """Chain the entries, durable when it returns; all of them or none."""
        with self._lock:
            return self._chain(entries, source, None)

    def append_with_cursor(self, entries: Sequence[Fields], source: str, cursor: str) -> Head:
        """Chain the entries and keep the source's cursor, in one transaction."""
        with self._lock:
            return self._chain(entries, source, cursor)

    def tail(self, source: Source) -> int:
        """Copy what is new in a source; how many entries came."""
        copied = 0
        for _ in range(MOST_BATCHES):
            entries, cursor = source.since(self.cursor(source.name))
            if not entries and cursor == self.cursor(source.name):
                break
            self.append_with_cursor(entries, source.name, cursor)
            copied += len(entries)
        return copied

    def cursor(self, source: str) -> str:
        """How far a source has been copied; "" at first."""
        with self._lock:
            row = self._connection.execute(
                "SELECT at FROM cursor WHERE source = ?", (source,)
            ).fetchone()
        return "" if row is None else str(row[0])

    def head(self) -> Head:
        """The end of the chain, to be kept elsewhere."""
        with self._lock:
            return Head(self._count, self._mac.hex())

    def verify(self, anchor: Head | None = None) -> list[str]:
        """What is wrong with the chain, in sentences; empty when nothing is.

        Reads over a connection of its own: the vault goes on answering. Only an `anchor` that was
        kept elsewhere finds a cut tail.
        """
        connection = read_only(self._path)
        try:
            rows = connection.execute("SELECT * FROM entry ORDER BY seq")
            problems = list(islice(_wrong(rows, self._key), MOST_PROBLEMS))
        finally:
            connection.close()
        return problems if anchor is None else problems + self.missing(anchor)

    def missing(self, anchor: Head) -> list[str]:
        """Whether the chain still has what it had when the anchor was taken, in sentences."""
        with self._lock:
            row = self._connection.execute(
                "SELECT seq, mac FROM entry WHERE seq <= ? ORDER BY seq DESC LIMIT 1",
                (anchor.count,),
            ).fetchone()
        last, mac = (0, FIRST_MAC) if row is None else (int(row[0]), bytes(row[1]))
        if last < anchor.count:
            return [f"entry {last + 1}: missing, with all up to entry {anchor.count}"]
        if anchor.count and mac.hex() != anchor.mac:
            return [f"entry {anchor.count}: not the one that was anchored"]
        return []

    def _end(self) -> tuple[int, bytes]:
        row = self._connection.execute(
            "SELECT seq, mac FROM entry ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        return (0, FIRST_MAC) if row is None else (int(row[0]), bytes(row[1]))

    def _chain(self, entries: Sequence[Fields], source: str, cursor: str | None) -> Head:
        count, mac = self._count, self._mac
        rows: list[tuple[int, str, bytes]] = []
        for fields in entries:
            count += 1
            text = _canonical({**self._stamp(), "seq": count, "source": source, "what": fields})
            mac = _mac(self._key, mac, text)
            rows.append((count, text, mac))
        with transaction(self._connection):
            self._connection.executemany("INSERT INTO entry VALUES (?, ?, ?)", rows)
            if cursor is not None:
                self._connection.execute("REPLACE INTO cursor VALUES (?, ?)", (source, cursor))
        self._count, self._mac = count, mac
        return Head(count, mac.hex())


def _wrong(rows: Iterator[tuple[int, str, bytes]], key: bytes) -> Iterator[str]:
    last, mac = 0, FIRST_MAC
    for seq, text, kept in rows:
        if seq != last + 1:
            yield f"entry {last + 1}: missing, with all before entry {seq}"
        elif not hmac.compare_digest(_mac(key, mac, text), kept):
            yield f"entry {seq}: changed, or not in its place"
        last, mac = seq, kept


def _canonical(fields: Fields) -> str:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _mac(key: bytes, before: bytes, text: str) -> bytes:
    return hmac.digest(key, before + text.encode(), "sha256")
