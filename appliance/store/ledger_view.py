"""Reading the ledger: the console, the vault and the command line see it, none of them writes it."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from appliance.store.book import Book, Value, reader
from appliance.store.entry import Entry, Event, Kind, Member, Returned, State
from appliance.store.ledger_schema import STEPS

_ENTRY = """
    SELECT e.id, kind, e.state, project, partner, study, n, pseudonym, pstudy, patient_id, issuer,
        called_ae, peer, assigned, e.code, reason, resume, settled, cause, policy, proof, crashes,
        waits, not_before, waiting_since, first_s, last_s, since_s, wall_first, wall_since,
        CASE kind WHEN 'delivery' THEN (SELECT count(*) FROM returned WHERE entry = e.id)
            ELSE (SELECT count(*) FROM member WHERE entry = e.id) END,
        (SELECT count(*) FROM member WHERE entry = e.id AND state IN ('EXCLUDED', 'REPEATED')),
        (SELECT count(*) FROM member WHERE entry = e.id AND state = 'QUARANTINED'), ground
    FROM entry e"""
_MEMBER = (
    "SELECT seq, sop, state, code, new_sop, new_series, likeness, digest, version, start, length"
    " FROM member"
)
_RETURNED = (
    "SELECT sop, series, sop_class, number, digest, size, new_sop, new_series, home_digest"
    " FROM returned"
)


class LedgerView:
    """What stands in the ledger at this moment. A ledger that is not there yet reads as empty."""

    def __init__(self, source: Path | Book) -> None:
        self._source = source
        self._book = source if isinstance(source, Book) else None

    def book(self) -> Book | None:
        """The open connection, or nothing before the walk has made its file."""
        if self._book is None and isinstance(self._source, Path):
            self._book = reader(self._source, STEPS)
        return self._book

    def entries(
        self, states: Collection[str] = (), kinds: Collection[str] = ()
    ) -> tuple[Entry, ...]:
        """Entries in these states and of these kinds (none named: all), oldest first."""
        where, values = _among((("e.state", states), ("kind", kinds)))
        return tuple(_entry(row) for row in self._ask(f"{_ENTRY}{where} ORDER BY e.id", values))

    def due(self, states: Collection[str], now_s: float) -> tuple[Entry, ...]:
        """Entries in these states whose wait is over, oldest first."""
        where, values = _among((("e.state", states),))
        sql = f"{_ENTRY}{where} AND not_before <= ? ORDER BY e.id"
        return tuple(_entry(row) for row in self._ask(sql, (*values, now_s)))

    def entry(self, number: int) -> Entry | None:
        """One entry by its number."""
        rows = self._ask(f"{_ENTRY} WHERE e.id = ?", (number,))
        return _entry(rows[0]) if rows else None

    def waiting(self) -> tuple[Entry, ...]:
        """Entries that wait for a neighbour."""
        rows = self._ask(f"{_ENTRY} WHERE waiting_since IS NOT NULL ORDER BY e.id")
        return tuple(_entry(row) for row in rows)

    def counts(self) -> Mapping[str, int]:
        """How many entries stand in each state."""
        rows = self._ask("SELECT state, count(*) FROM entry GROUP BY state")
        return {str(state): _int(number) for state, number in rows}

    def device_s(self) -> float:
        """The walk's clock as it last stood: device seconds over all starts."""
        rows = self._ask("SELECT device_s FROM clock")
        return _float(rows[0][0]) if rows else 0.0

    def events_since(self, number: int, most: int) -> tuple[Event, ...]:
        """Events after this number, in order."""
        rows = self._ask(
            "SELECT number, wall, entry, kind, detail FROM event WHERE number > ?"
            " ORDER BY number LIMIT ?",
            (number, most),
        )
        return tuple(_event(row) for row in rows)

    def undelivered_messages(self) -> int:
        """How many notifications were given up."""
        return _int(self._ask("SELECT count(*) FROM outbox WHERE state = 'UNDELIVERED'", ())[0][0])

    def arrivals_known(self) -> frozenset[int]:
        """The sequence numbers of all arrivals whose bytes must still be there."""
        rows = self._ask("SELECT seq FROM arrival WHERE erased = 0")
        return frozenset(_int(row[0]) for row in rows)

    def members(self, entry: int) -> tuple[Member, ...]:
        """The arrivals of an intake or parcel, in order of arrival."""
        rows = self._ask(f"{_MEMBER} WHERE entry = ? ORDER BY seq", (entry,))
        return tuple(_member(row) for row in rows)

    def returned(self, entry: int) -> tuple[Returned, ...]:
        """The instances of a delivery."""
        rows = self._ask(f"{_RETURNED} WHERE entry = ? ORDER BY number", (entry,))
        return tuple(_returned(row) for row in rows)

    def _ask(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Value, ...]]:
        book = self.book()
        if book is None:
            return [(0,)] if sql.startswith("SELECT count(*)") else []
        return book.rows(sql, values)


def _among(
    conditions: Sequence[tuple[str, Collection[str]]],
) -> tuple[str, tuple[str, ...]]:
    named = [(column, tuple(wanted)) for column, wanted in conditions if wanted]
    clauses = [f"{column} IN ({','.join('?' * len(wanted))})" for column, wanted in named]
    values = tuple(value for _, wanted in named for value in wanted)
    return (" WHERE " + " AND ".join(clauses) if clauses else ""), values


def _entry(row: Sequence[Value]) -> Entry:
    text = [str(value) for value in row]
    return Entry(
        id=_int(row[0]),
        kind=Kind(text[1]),
        state=State(text[2]),
        project=text[3],
        partner=text[4],
        study=text[5],
        n=_int(row[6]),
        pseudonym=text[7],
        pstudy=text[8],
        patient_id=text[9],
        issuer=text[10],
        called_ae=text[11],
        peer=text[12],
        assigned=tuple(text[13].split()),
        code=text[14],
        reason=text[15],
        resume=text[16],
        settled=frozenset(text[17].split()),
        cause=text[18],
        policy=text[19],
        proof=text[20],
        crashes=_int(row[21]),
        waits=_int(row[22]),
        not_before=_float(row[23]),
        waiting_since=None if row[24] is None else _float(row[24]),
        first_s=_float(row[25]),
        last_s=_float(row[26]),
        since_s=_float(row[27]),
        wall_first=text[28],
        wall_since=text[29],
        members=_int(row[30]),
        excluded=_int(row[31]),
        quarantined=_int(row[32]),
        ground=text[33],
    )


def _member(row: Sequence[Value]) -> Member:
    seq, sop, state, code, new_sop, new_series, likeness, digest, version, start, length = row
    return Member(
        _int(seq),
        str(sop),
        State(str(state)),
        str(code),
        str(new_sop),
        str(new_series),
        str(likeness),
        str(digest),
        _int(version),
        _int(start),
        _int(length),
    )


def _returned(row: Sequence[Value]) -> Returned:
    sop, series, sop_class, number, digest, size, new_sop, new_series, home_digest = row
    return Returned(
        str(sop),
        str(series),
        str(sop_class),
        _int(number),
        str(digest),
        _int(size),
        str(new_sop),
        str(new_series),
        str(home_digest),
    )


def _event(row: Sequence[Value]) -> Event:
    number, wall, entry, kind, detail = row
    return Event(
        _int(number),
        str(wall),
        None if entry is None else _int(entry),
        str(kind),
        json.loads(str(detail)),
    )


def _int(value: Value) -> int:
    return int(value) if value is not None else 0


def _float(value: Value) -> float:
    return float(value) if value is not None else 0.0
