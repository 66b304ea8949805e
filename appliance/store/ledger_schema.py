"""The ledger's tables, one step for each schema version; a step is never edited once released."""

STEPS: tuple[str, ...] = (
    """
    CREATE TABLE clock (one INTEGER PRIMARY KEY CHECK (one = 1), device_s REAL NOT NULL);
    INSERT INTO clock VALUES (1, 0);
    CREATE TABLE cursor (source TEXT PRIMARY KEY, file INTEGER NOT NULL, place INTEGER NOT NULL);
    CREATE TABLE arrival (
        seq INTEGER PRIMARY KEY, study TEXT NOT NULL, series TEXT NOT NULL, sop TEXT NOT NULL,
        sop_class TEXT NOT NULL, syntax TEXT NOT NULL, patient_id TEXT NOT NULL,
        issuer TEXT NOT NULL, called_ae TEXT NOT NULL, calling_ae TEXT NOT NULL, peer TEXT NOT NULL,
        length INTEGER NOT NULL, crc INTEGER NOT NULL, at_s REAL NOT NULL, wall TEXT NOT NULL,
        erased INTEGER NOT NULL DEFAULT 0);
    CREATE INDEX arrival_study ON arrival (study);
    CREATE TABLE entry (
        id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, state TEXT NOT NULL,
        project TEXT NOT NULL, partner TEXT NOT NULL, study TEXT NOT NULL, n INTEGER NOT NULL,
        pseudonym TEXT NOT NULL, pstudy TEXT NOT NULL, patient_id TEXT NOT NULL,
        issuer TEXT NOT NULL, called_ae TEXT NOT NULL, peer TEXT NOT NULL,
        assigned TEXT NOT NULL DEFAULT '', code TEXT NOT NULL DEFAULT '',
        reason TEXT NOT NULL DEFAULT '', resume TEXT NOT NULL DEFAULT '',
        settled TEXT NOT NULL DEFAULT '', cause TEXT NOT NULL DEFAULT '',
        policy TEXT NOT NULL DEFAULT '', proof TEXT NOT NULL DEFAULT '',
        crashes INTEGER NOT NULL DEFAULT 0, waits INTEGER NOT NULL DEFAULT 0,
        not_before REAL NOT NULL DEFAULT 0, waiting_since REAL,
        first_s REAL NOT NULL, last_s REAL NOT NULL, since_s REAL NOT NULL,
        wall_first TEXT NOT NULL, wall_since TEXT NOT NULL,
        UNIQUE (kind, study, project, partner, n));
    CREATE INDEX entry_state ON entry (state);
    CREATE INDEX entry_pseudonym ON entry (pseudonym);
    CREATE TABLE member (
        entry INTEGER NOT NULL REFERENCES entry (id), seq INTEGER NOT NULL, sop TEXT NOT NULL,
        state TEXT NOT NULL, code TEXT NOT NULL DEFAULT '', new_sop TEXT NOT NULL DEFAULT '',
        new_series TEXT NOT NULL DEFAULT '', likeness TEXT NOT NULL DEFAULT '',
        digest TEXT NOT NULL DEFAULT '', version INTEGER NOT NULL DEFAULT 1,
        start INTEGER NOT NULL DEFAULT 0, length INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (entry, seq)) WITHOUT ROWID;
    CREATE INDEX member_seq ON member (seq);
    CREATE TABLE returned (
        entry INTEGER NOT NULL REFERENCES entry (id), sop TEXT NOT NULL, series TEXT NOT NULL,
        sop_class TEXT NOT NULL, number INTEGER NOT NULL, digest TEXT NOT NULL DEFAULT '',
        size INTEGER NOT NULL DEFAULT 0, new_sop TEXT NOT NULL DEFAULT '',
        new_series TEXT NOT NULL DEFAULT '', home_digest TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (entry, sop)) WITHOUT ROWID;
    CREATE TABLE offer (
        partner TEXT NOT NULL, pstudy TEXT NOT NULL, digest TEXT NOT NULL, since_s REAL NOT NULL,
        PRIMARY KEY (partner, pstudy)) WITHOUT ROWID;
    CREATE TABLE poll (
        partner TEXT PRIMARY KEY, due_s REAL NOT NULL, waits INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE event (
        number INTEGER PRIMARY KEY AUTOINCREMENT, wall TEXT NOT NULL, entry INTEGER,
        kind TEXT NOT NULL, detail TEXT NOT NULL);
    CREATE TABLE outbox (
        number INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, kind TEXT NOT NULL,
        project TEXT NOT NULL, entry INTEGER NOT NULL, count INTEGER NOT NULL, code TEXT NOT NULL,
        wall TEXT NOT NULL, state TEXT NOT NULL, waits INTEGER NOT NULL DEFAULT 0,
        not_before REAL NOT NULL DEFAULT 0, first_s REAL NOT NULL);
    """,
    """
    DROP INDEX entry_state;
    CREATE INDEX entry_due ON entry (state, not_before);
    """,
    """
    ALTER TABLE entry ADD COLUMN ground TEXT NOT NULL DEFAULT '';
    CREATE INDEX returned_sop ON returned (sop);
    CREATE INDEX returned_series ON returned (series);
    """,
)
