//! The tables, format by format. A format that was released is never changed.

/// Statements from each format to the next.
pub(super) const FORMATS: [&str; 1] = ["
CREATE TABLE catalog (one INTEGER PRIMARY KEY CHECK (one = 1), value TEXT NOT NULL);
CREATE TABLE heads (bucket TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE objects (
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    seq INTEGER NOT NULL,
    tag TEXT NOT NULL,
    size INTEGER NOT NULL,
    gone INTEGER NOT NULL,
    -- When it was seen to be gone.
    gone_at INTEGER,
    -- Tags of versions before, as JSON.
    before TEXT NOT NULL,
    PRIMARY KEY (bucket, key)
) WITHOUT ROWID;
-- What a copy lacks. All else that is not above its oldest row it has.
CREATE TABLE pending (
    bucket TEXT NOT NULL,
    store TEXT NOT NULL,
    key TEXT NOT NULL,
    seq INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    why TEXT,
    PRIMARY KEY (bucket, store, key)
) WITHOUT ROWID;
CREATE INDEX pending_due ON pending (bucket, store, failed, due_at, seq);
CREATE INDEX pending_seq ON pending (bucket, store, seq);
-- Copies whose store gave them another tag than the original has.
CREATE TABLE tags (
    bucket TEXT NOT NULL,
    store TEXT NOT NULL,
    key TEXT NOT NULL,
    copy TEXT NOT NULL,
    original TEXT NOT NULL,
    PRIMARY KEY (bucket, store, key)
) WITHOUT ROWID;
CREATE TABLE uploads (
    bucket TEXT NOT NULL,
    store TEXT NOT NULL,
    key TEXT NOT NULL,
    id TEXT NOT NULL,
    tag TEXT NOT NULL,
    part_size INTEGER NOT NULL,
    PRIMARY KEY (bucket, store, key)
) WITHOUT ROWID;
CREATE TABLE conflicts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    bucket TEXT NOT NULL,
    store TEXT NOT NULL,
    key TEXT NOT NULL,
    tag TEXT NOT NULL,
    kept TEXT NOT NULL
);
CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, body TEXT NOT NULL);
"];
