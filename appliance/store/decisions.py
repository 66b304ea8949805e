"""What people decided and who signed in: `console.db`, written by console and command line alone.

A decision is a row; the walk tails the rows by number and keeps its cursor in its own file. A
decision belongs to one *hold* (an entry since the moment when it was held): the first person who
decides wins, everybody after him is told so.
"""

import secrets
import threading
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from appliance.errors import Problem, ProfileError
from appliance.store.book import Book, Value, reader
from appliance.store.entry import Entry
from appliance.store.schema import migrate, open_writer

VERBS = ("assign", "release", "exclude", "refuse")
# Crockford's base32 in small letters: nothing in it is mistaken for something else on paper.
_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
_GROUPS, _GROUP_LENGTH = 4, 5
SHORTEST_PASSWORD = 12
# argon2 of a longer text only helps somebody who wants to keep the device busy.
LONGEST_PASSWORD = 200
LONGEST_REASON = 500
LONGEST_PERSON = 60
# A person mistypes; a program tries. After this many, each wrong password doubles the wait.
FREE_TRIES = 5
LONGEST_WAIT_S = 15 * 60.0
# Addresses whose wrong passwords are remembered: more than any hospital subnet needs.
MOST_ADDRESSES = 1_000
MOST_SIGNINGS = 10_000
IDLE_S = 30 * 60.0
# One working day.
ABSOLUTE_S = 10 * 3_600.0
# A visit is written down once a minute, not at each click: every write is a flush.
SEEN_EVERY_S = 60.0
MOST_VISITS = 50

STEPS: tuple[str, ...] = (
    """
    CREATE TABLE decision (
        number INTEGER PRIMARY KEY AUTOINCREMENT, wall TEXT NOT NULL,
        verb TEXT NOT NULL CHECK (verb IN ('assign', 'release', 'exclude', 'refuse')),
        entry INTEGER NOT NULL, person TEXT NOT NULL, reason TEXT NOT NULL,
        projects TEXT NOT NULL, hold TEXT NOT NULL);
    CREATE UNIQUE INDEX decision_hold ON decision (entry, hold) WHERE hold <> '';
    CREATE TABLE secret (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE visit (
        token TEXT PRIMARY KEY, person TEXT NOT NULL, began_s REAL NOT NULL, seen_s REAL NOT NULL)
        WITHOUT ROWID;
    CREATE TABLE attempt (
        address TEXT PRIMARY KEY, wrong INTEGER NOT NULL, until_s REAL NOT NULL, at_s REAL NOT NULL)
        WITHOUT ROWID;
    CREATE TABLE signing (
        number INTEGER PRIMARY KEY AUTOINCREMENT, wall TEXT NOT NULL, person TEXT NOT NULL,
        what TEXT NOT NULL);
    """,
)


@dataclass(frozen=True)
class Decision:
    """What a person wants of an entry. `hold` names the hold he saw (`hold_of`), or is empty."""

    verb: str
    entry: int
    person: str
    reason: str = ""
    projects: tuple[str, ...] = ()
    hold: str = ""
    wall: str = ""


@dataclass(frozen=True)
class Signing:
    """Somebody signed in or out, or typed a wrong password (`what`: in, out, wrong, password)."""

    person: str
    what: str
    wall: str


@dataclass(frozen=True)
class Answer:
    """Whether a password was right; else how long the next try must wait."""

    right: bool
    wait_s: float = 0.0


def hold_of(entry: Entry) -> str:
    """The name of an entry's present hold: held again, it is another hold."""
    return repr(entry.since_s)


class Decisions:
    """The only writer of `console.db`. Everything is durable when a method returns."""

    def __init__(self, path: Path) -> None:
        connection = open_writer(path)
        migrate(connection, STEPS)
        self._book = Book(connection)
        self._hasher = PasswordHasher()
        # One at a time: a hash takes 64 MiB, a device may have one GiB.
        self._hashing = threading.Lock()

    def close(self) -> None:
        """Let go of the file."""
        self._book.close()

    def note(self, decision: Decision) -> int | None:
        """The number of the decision; None when this hold was decided before (nothing is kept)."""
        row = (
            decision.wall,
            decision.verb,
            decision.entry,
            decision.person[:LONGEST_PERSON],
            decision.reason[:LONGEST_REASON],
            " ".join(decision.projects),
            decision.hold,
        )
        with self._book.atomic():
            if decision.hold and self.decided(decision.entry, decision.hold) is not None:
                return None
            return self._book.do(
                "INSERT INTO decision (wall, verb, entry, person, reason, projects, hold)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )

    def decided(self, entry: int, hold: str) -> Decision | None:
        """The decision that was noted for this hold, if any."""
        rows = self._book.rows(f"{_DECISION} WHERE entry = ? AND hold = ?", (entry, hold))
        return _decision(rows[0])[1] if rows else None

    def first_password(self) -> str | None:
        """A password made now, to be shown once; None when there is one already."""
        if self._secret("password"):
            return None
        return self.new_password("")

    def new_password(self, wall: str) -> str:
        """Replace the password by one made now, to be shown once; everybody is signed out."""
        groups = (
            "".join(secrets.choice(_LETTERS) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS)
        )
        password = "-".join(groups)
        self.set_password(password, wall)
        return password

    def set_password(self, password: str, wall: str) -> None:
        """Replace the password; everybody is signed out. Raises ProfileError when it is weak."""
        if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
            wanted = f"{SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters"
            raise ProfileError([Problem("password", wanted)])
        with self._hashing:
            value = self._hasher.hash(password)
        with self._book.atomic():
            self._book.do("INSERT OR REPLACE INTO secret VALUES ('password', ?)", (value,))
            self._book.do("DELETE FROM visit")
            self._book.do("DELETE FROM attempt")
            self._sign(wall, "", "password")

    def check_password(self, password: str, address: str, now: datetime) -> Answer:
        """Whether the password is right. A try is counted before it is made."""
        wait_s = self._counted(address, now)
        if wait_s > 0:
            return Answer(right=False, wait_s=wait_s)
        if not self._matches(password):
            with self._book.atomic():
                self._sign(now.isoformat(), "", "wrong")
            return Answer(right=False)
        with self._book.atomic():
            self._book.do("DELETE FROM attempt WHERE address = ?", (address,))
        return Answer(right=True)

    def session_secret(self) -> str:
        """The key under which cookies are signed; made once, stays on the device."""
        with self._book.atomic():
            self._book.do(
                "INSERT OR IGNORE INTO secret VALUES ('session', ?)", (secrets.token_hex(32),)
            )
        return self._secret("session")

    def sign_in(self, person: str, now: datetime) -> str:
        """A new token for one person's visit."""
        token = secrets.token_urlsafe(32)
        now_s = now.timestamp()
        with self._book.atomic():
            self._book.do("DELETE FROM visit WHERE began_s < ?", (now_s - ABSOLUTE_S,))
            self._book.do(
                "DELETE FROM visit WHERE token NOT IN"
                " (SELECT token FROM visit ORDER BY seen_s DESC LIMIT ?)",
                (MOST_VISITS - 1,),
            )
            name = person[:LONGEST_PERSON]
            self._book.do(
                "INSERT INTO visit VALUES (?, ?, ?, ?)", (_kept(token), name, now_s, now_s)
            )
            self._sign(now.isoformat(), name, "in")
        return token

    def signed_in(self, token: str, now: datetime) -> str | None:
        """Whose visit this is; None when it ended, was idle too long or is unknown."""
        rows = self._book.rows(
            "SELECT person, began_s, seen_s FROM visit WHERE token = ?", (_kept(token),)
        )
        if not rows:
            return None
        person, began_s, seen_s = str(rows[0][0]), _number(rows[0][1]), _number(rows[0][2])
        now_s = now.timestamp()
        # A clock that went back proves nothing about how long the visit was idle.
        if not (0 <= now_s - began_s <= ABSOLUTE_S and 0 <= now_s - seen_s <= IDLE_S):
            return None
        if now_s - seen_s >= SEEN_EVERY_S:
            with self._book.atomic():
                self._book.do("UPDATE visit SET seen_s = ? WHERE token = ?", (now_s, _kept(token)))
        return person

    def sign_out(self, token: str, now: datetime) -> None:
        """End a visit."""
        with self._book.atomic():
            rows = self._book.rows("SELECT person FROM visit WHERE token = ?", (_kept(token),))
            self._book.do("DELETE FROM visit WHERE token = ?", (_kept(token),))
            for (person,) in rows:
                self._sign(now.isoformat(), str(person), "out")

    def _secret(self, name: str) -> str:
        rows = self._book.rows("SELECT value FROM secret WHERE name = ?", (name,))
        return str(rows[0][0]) if rows else ""

    def _matches(self, password: str) -> bool:
        stored = self._secret("password")
        if not stored or len(password) > LONGEST_PASSWORD:
            return False
        with self._hashing:
            try:
                return self._hasher.verify(stored, password)
            except VerifyMismatchError:
                return False

    def _counted(self, address: str, now: datetime) -> float:
        now_s = now.timestamp()
        with self._book.atomic():
            rows = self._book.rows(
                "SELECT wrong, until_s FROM attempt WHERE address = ?", (address,)
            )
            wrong, until_s = (int(_number(rows[0][0])), _number(rows[0][1])) if rows else (0, 0.0)
            if until_s - now_s > LONGEST_WAIT_S:
                # Written by a clock that was wrong: from now on the wait has an end.
                self._book.do(
                    "UPDATE attempt SET until_s = ? WHERE address = ?",
                    (now_s + LONGEST_WAIT_S, address),
                )
            if until_s > now_s:
                return min(until_s - now_s, LONGEST_WAIT_S)
            beyond = wrong + 1 - FREE_TRIES
            wait_s = 0.0 if beyond < 0 else min(LONGEST_WAIT_S, 2.0 ** min(beyond, 20))
            self._book.do(
                "INSERT OR REPLACE INTO attempt VALUES (?, ?, ?, ?)",
                (address, wrong + 1, now_s + wait_s, now_s),
            )
            self._book.do(
                "DELETE FROM attempt WHERE address NOT IN"
                " (SELECT address FROM attempt ORDER BY at_s DESC LIMIT ?)",
                (MOST_ADDRESSES,),
            )
        return 0.0

    def _sign(self, wall: str, person: str, what: str) -> None:
        number = self._book.do(
            "INSERT INTO signing (wall, person, what) VALUES (?, ?, ?)", (wall, person, what)
        )
        self._book.do("DELETE FROM signing WHERE number <= ?", (number - MOST_SIGNINGS,))


class DecisionsView:
    """The decisions for those who act on them. A file that is not there yet reads as empty."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._book: Book | None = None

    def since(self, number: int) -> tuple[tuple[int, Decision], ...]:
        """Decisions after this number, in order."""
        return tuple(
            _decision(row) for row in self._ask(f"{_DECISION} WHERE number > ? {_ORDER}", number)
        )

    def signings_since(self, number: int) -> tuple[tuple[int, Signing], ...]:
        """Who signed in and out after this number, in order."""
        rows = self._ask(f"{_SIGNING} WHERE number > ? {_ORDER}", number)
        return tuple(
            (int(_number(row[0])), Signing(str(row[1]), str(row[2]), str(row[3]))) for row in rows
        )

    def _ask(self, sql: str, number: int) -> list[tuple[Value, ...]]:
        if self._book is None:
            self._book = reader(self._path, STEPS)
        return [] if self._book is None else self._book.rows(sql, (number,))


_ORDER = "ORDER BY number"
_SIGNING = "SELECT number, person, what, wall FROM signing"
_DECISION = "SELECT number, verb, entry, person, reason, projects, hold, wall FROM decision"


def _decision(row: tuple[Value, ...]) -> tuple[int, Decision]:
    number, verb, entry, person, reason, projects, hold, wall = row
    return int(_number(number)), Decision(
        str(verb),
        int(_number(entry)),
        str(person),
        str(reason),
        tuple(str(projects).split()),
        str(hold),
        str(wall),
    )


def _kept(token: str) -> str:
    # Whoever reads this file must not be able to walk in.
    return sha256(token.encode()).hexdigest()


def _number(value: Value) -> float:
    return float(value or 0)
