//! The tables of jobs, format by format. A format that was released is never changed.

/// Statements from each format to the next.
pub(super) const FORMATS: [&str; 6] = [
    "
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    service TEXT NOT NULL,
    state INTEGER NOT NULL,
    -- An earlier job of its serial key goes first.
    blocked INTEGER NOT NULL DEFAULT 0,
    -- Its time has not come.
    waits INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    ttl_at INTEGER,
    serial TEXT,
    key TEXT,
    key_hash TEXT,
    ended_at INTEGER,
    result_until INTEGER,
    kind TEXT,
    put_away INTEGER NOT NULL DEFAULT 0,
    record TEXT NOT NULL
);
CREATE INDEX jobs_ready ON jobs (tenant, rank, seq) WHERE state = 0 AND waits = 0 AND blocked = 0;
CREATE INDEX jobs_waiting ON jobs (run_at) WHERE state = 0 AND waits = 1;
CREATE INDEX jobs_ttl ON jobs (ttl_at) WHERE state = 0;
CREATE INDEX jobs_running ON jobs (seq) WHERE state = 1;
CREATE UNIQUE INDEX jobs_key ON jobs (tenant, key) WHERE key IS NOT NULL;
CREATE INDEX jobs_serial ON jobs (tenant, serial, seq) WHERE serial IS NOT NULL AND state < 2;
CREATE INDEX jobs_over ON jobs (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX jobs_result ON jobs (result_until) WHERE result_until IS NOT NULL;
CREATE INDEX jobs_dead ON jobs (tenant, seq) WHERE state = 3 AND put_away = 0;
CREATE INDEX jobs_tenant ON jobs (tenant, seq);
CREATE TABLE inputs (seq INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE results (seq INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE attempts (
    seq INTEGER NOT NULL, attempt INTEGER NOT NULL, began_at INTEGER NOT NULL, ended_at INTEGER,
    outcome TEXT, problem TEXT, PRIMARY KEY (seq, attempt)
) WITHOUT ROWID;
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, tenant TEXT NOT NULL, job TEXT NOT NULL,
    kind TEXT NOT NULL, attempt INTEGER NOT NULL
);
CREATE INDEX events_job ON events (job, seq);
CREATE TABLE tenants (name TEXT PRIMARY KEY, limits TEXT NOT NULL, created_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE tokens (
    id TEXT PRIMARY KEY, tenant TEXT NOT NULL, hash TEXT NOT NULL, scopes TEXT NOT NULL, created_at INTEGER NOT NULL,
    expires_at INTEGER
) WITHOUT ROWID;
CREATE TABLE readings (
    service TEXT NOT NULL, account TEXT NOT NULL, version TEXT NOT NULL, epoch TEXT NOT NULL,
    ns INTEGER NOT NULL, calls INTEGER NOT NULL, PRIMARY KEY (service, account, version)
) WITHOUT ROWID;
CREATE TABLE ledger (
    tenant TEXT NOT NULL, service TEXT NOT NULL, version TEXT NOT NULL, day TEXT NOT NULL,
    ns INTEGER NOT NULL, calls INTEGER NOT NULL, PRIMARY KEY (tenant, service, version, day)
) WITHOUT ROWID;
CREATE TABLE schedules (
    tenant TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL, last_at INTEGER NOT NULL, next_at INTEGER,
    PRIMARY KEY (tenant, name)
) WITHOUT ROWID;
CREATE INDEX schedules_due ON schedules (next_at) WHERE next_at IS NOT NULL;
CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, tenant TEXT NOT NULL, url TEXT NOT NULL,
    body TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL, next_at INTEGER, said TEXT
);
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE next_at IS NOT NULL;
",
    // Counts by tenant and state are read from the index alone, however many jobs there are.
    "CREATE INDEX jobs_state ON jobs (tenant, state)",
    "
CREATE TABLE functions (
    tenant TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, parameters TEXT NOT NULL, source TEXT NOT NULL,
    PRIMARY KEY (tenant, name)
);
-- Users of the NodeJS FaaS's API; nanoseconds that their tenants had used when they were registered.
CREATE TABLE faas_users (name TEXT PRIMARY KEY, before_ns INTEGER NOT NULL) WITHOUT ROWID;
",
    // The next job of each service of a tenant is found by one look, whichever of them are full. An index ends in the row's
    // number by itself.
    "
DROP INDEX jobs_ready;
CREATE INDEX jobs_ready ON jobs (tenant, service, rank) WHERE state = 0 AND waits = 0 AND blocked = 0;
DROP INDEX jobs_tenant;
CREATE INDEX jobs_tenant ON jobs (tenant);
-- What a function printed in a run, bounded.
CREATE TABLE lines (seq INTEGER NOT NULL, attempt INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (seq, attempt))
    WITHOUT ROWID;
",
    // Callbacks that are due are looked for host by host: those of one that hangs are passed over at once. Of callbacks that
    // waited before, nobody says the host, and they are one host's.
    "
ALTER TABLE deliveries ADD COLUMN host TEXT NOT NULL DEFAULT '';
DROP INDEX deliveries_due;
CREATE INDEX deliveries_due ON deliveries (host, next_at) WHERE state = 'waiting';
",
    // What authors say of runs, and the latest sources of each function.
    "
ALTER TABLE functions ADD COLUMN terms TEXT NOT NULL DEFAULT '{}';
CREATE TABLE sources (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
    source TEXT NOT NULL
);
CREATE UNIQUE INDEX sources_version ON sources (tenant, name, version);
INSERT INTO sources (tenant, name, version, source) SELECT tenant, name, version, source FROM functions;
",
];
