"""What came and what went, as the steps of the walk must know it: the ledger, looking back."""

import json
from collections.abc import Collection, Mapping

from appliance.store.book import Book
from appliance.store.entry import Entry, Kind, Member, State
from appliance.store.ledger_view import LedgerView
from appliance.timing import Now

AT_REST = ("PURGED", "EXCLUDED", "REPEATED", "WITHDRAWN", "REFUSED")


class Past:
    """Questions over many entries; answers nothing that has not been committed."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._view = LedgerView(book)

    def arrivals(self, entry: int) -> tuple[tuple[int, str, str, str, str, int], ...]:
        """(seq, series, SOP instance, SOP class, transfer syntax, CRC) of an entry's arrivals."""
        rows = self._book.rows(
            "SELECT a.seq, a.series, a.sop, a.sop_class, a.syntax, a.crc FROM member m"
            " JOIN arrival a ON a.seq = m.seq WHERE m.entry = ? ORDER BY a.seq",
            (entry,),
        )
        return tuple(
            (int(seq or 0), str(series), str(sop), str(sop_class), str(syntax), int(crc or 0))
            for seq, series, sop, sop_class, syntax, crc in rows
        )

    def patients(self, study: str) -> frozenset[tuple[str, str]]:
        """(issuer, Patient ID) of everything that arrived of a study and was not put aside."""
        rows = self._book.rows(
            "SELECT DISTINCT a.issuer, a.patient_id FROM arrival a JOIN member m ON m.seq = a.seq"
            " JOIN entry e ON e.id = m.entry WHERE a.study = ?"
            " AND e.state NOT IN ('EXCLUDED', 'QUARANTINED', 'WITHDRAWN')",
            (study,),
        )
        return frozenset((str(issuer), str(patient)) for issuer, patient in rows)

    def patients_in(self, entry: int) -> frozenset[tuple[str, str]]:
        """(issuer, Patient ID) of an entry's own arrivals."""
        rows = self._book.rows(
            "SELECT DISTINCT a.issuer, a.patient_id FROM arrival a JOIN member m ON m.seq = a.seq"
            " WHERE m.entry = ?",
            (entry,),
        )
        return frozenset((str(issuer), str(patient)) for issuer, patient in rows)

    def issuers(self, patient_id: str) -> frozenset[str]:
        """Under which issuers this Patient ID ever came."""
        rows = self._book.rows(
            "SELECT DISTINCT issuer FROM entry WHERE kind = 'intake' AND patient_id = ?",
            (patient_id,),
        )
        return frozenset(str(row[0]) for row in rows)

    def first_issuer(self, study: str, patient_id: str) -> str:
        """The issuer that stood beside a Patient ID when the study came first."""
        rows = self._book.rows(
            "SELECT issuer FROM arrival WHERE study = ? AND patient_id = ? ORDER BY seq LIMIT 1",
            (study, patient_id),
        )
        return str(rows[0][0]) if rows else ""

    def pseudonym_of(self, study: str, project: str) -> str:
        """Under which pseudonym a study went out before; empty if it did not."""
        rows = self._book.rows(
            "SELECT pseudonym FROM entry WHERE study = ? AND project = ? AND pseudonym <> ''"
            " ORDER BY id LIMIT 1",
            (study, project),
        )
        return str(rows[0][0]) if rows else ""

    def sops_of(self, study: str) -> frozenset[str]:
        """The SOP instances of a study that ever arrived."""
        rows = self._book.rows("SELECT DISTINCT sop FROM arrival WHERE study = ?", (study,))
        return frozenset(str(row[0]) for row in rows)

    def instances_of(self, study: str) -> int:
        """How many different instances of a study have arrived."""
        rows = self._book.rows("SELECT count(DISTINCT sop) FROM arrival WHERE study = ?", (study,))
        return int(rows[0][0] or 0)

    def sent(
        self, study: str, project: str, partner: str, states: Collection[str]
    ) -> tuple[Member, ...]:
        """The pseudonymised instances of a study in this partner's parcels of these states."""
        rows = self._book.rows(
            "SELECT m.entry, m.seq FROM member m JOIN entry e ON e.id = m.entry WHERE e.kind ="
            " 'parcel' AND e.study = ? AND e.project = ? AND e.partner = ?"
            " AND m.state = 'PSEUDONYMISED' AND e.state IN (SELECT value FROM json_each(?))"
            " ORDER BY e.n, m.seq",
            (study, project, partner, json.dumps(tuple(states))),
        )
        wanted = {(int(entry or 0), int(seq or 0)) for entry, seq in rows}
        return tuple(
            member
            for entry in sorted({entry for entry, _ in wanted})
            for member in self._view.members(entry)
            if (entry, member.seq) in wanted
        )

    def expecting(self, partner: str) -> tuple[Entry, ...]:
        """The newest CONFIRMED or PURGED parcel of each study that went to a partner."""
        newest: dict[tuple[str, str], Entry] = {}
        for entry in self._view.entries((State.CONFIRMED, State.PURGED), (Kind.PARCEL,)):
            if entry.partner == partner:
                newest[entry.project, entry.study] = entry
        return tuple(newest.values())

    def known_returns(self, partner: str, pstudy: str) -> Mapping[str, str]:
        """SOP instance → series of all that this partner ever offered for a study."""
        rows = self._book.rows(
            "SELECT r.sop, r.series FROM returned r JOIN entry e ON e.id = r.entry"
            " WHERE e.partner = ? AND e.pstudy = ?",
            (partner, pstudy),
        )
        return {str(sop): str(series) for sop, series in rows}

    def home_already(self, partner: str, pstudy: str) -> dict[str, str]:
        """Returned → clinical UID of the instances and series that came home and that the PACS keeps."""
        rows = self._book.rows(
            "SELECT r.sop, r.new_sop, r.series, r.new_series FROM returned r JOIN entry e"
            " ON e.id = r.entry WHERE e.partner = ? AND e.pstudy = ?"
            " AND e.state IN ('VERIFIED', 'ACKED', 'PURGED')",
            (partner, pstudy),
        )
        pairs = {str(sop): str(new_sop) for sop, new_sop, _, _ in rows}
        return pairs | {str(series): str(new_series) for _, _, series, new_series in rows}

    def home_in(self, study: str, new_series: str, states: Collection[str]) -> frozenset[str]:
        """The clinical instances of a series in deliveries of these states."""
        rows = self._book.rows(
            "SELECT r.new_sop FROM returned r JOIN entry e ON e.id = r.entry WHERE e.study = ?"
            " AND r.new_series = ? AND e.state IN (SELECT value FROM json_each(?))",
            (study, new_series, json.dumps(tuple(states))),
        )
        return frozenset(str(row[0]) for row in rows)

    def named_before(self, delivery: int) -> bool:
        """Whether another delivery of the project has a UID of this one, and not for the same thing.

        A home UID depends on the returned one alone: the same twice would be one in the PACS. What
        was refused before it was reconciled has none.
        """
        rows = self._book.rows(
            "WITH mine AS (SELECT r.sop, r.series, r.digest, e.* FROM returned r JOIN entry e"
            " ON e.id = r.entry WHERE e.id = ?), named AS ("
            " SELECT o.entry, o.new_sop, m.project, m.id FROM mine m JOIN returned o"
            " ON o.sop = m.sop JOIN entry e ON e.id = o.entry"
            " WHERE e.study <> m.study OR o.digest <> m.digest UNION ALL"
            " SELECT o.entry, o.new_sop, m.project, m.id FROM mine m JOIN returned o"
            " ON o.series = m.series JOIN entry e ON e.id = o.entry"
            " WHERE e.study <> m.study OR e.partner <> m.partner)"
            " SELECT 1 FROM named n JOIN entry e ON e.id = n.entry WHERE e.id < n.id"
            " AND e.project = n.project AND (n.new_sop <> ''"
            " OR e.state NOT IN ('QUARANTINED', 'REFUSED', 'EXCLUDED')) LIMIT 1",
            (delivery,),
        )
        return bool(rows)

    def erasable(self, now: Now, keep_s: float) -> tuple[int, ...]:
        """Arrivals on which nothing rests any more, `keep_s` after the last of it (withdrawn: now)."""
        rows = self._book.rows(
            "SELECT a.seq FROM arrival a JOIN member m ON m.seq = a.seq JOIN entry e"
            " ON e.id = m.entry WHERE a.erased = 0 GROUP BY a.seq HAVING sum(e.state NOT IN"
            " (SELECT value FROM json_each(?)) AND NOT (e.kind = 'intake' AND e.state = 'FROZEN'))"
            " = 0 AND (max(e.since_s) <= ? OR sum(e.state = 'WITHDRAWN') > 0)",
            (json.dumps(AT_REST), now.device_s - keep_s),
        )
        return tuple(int(row[0] or 0) for row in rows)
