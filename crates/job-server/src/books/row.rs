//! A job's row: the columns that are searched by, and the rest of its record as JSON.

use jobs::{JobRecord, JobState};
use store::DatabaseError;
use store::rusqlite::{self, Connection, OptionalExtension, Row, params};

use super::change::Moved;

/// The columns that [`read`] takes a job from, in order.
pub(super) const COLUMNS: &str = "seq, id, tenant, service, state, run_at, ttl_at, record";

/// Reads a job from the columns of [`COLUMNS`].
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<(i64, JobRecord)> {
    let wrong = |column, why: Box<dyn std::error::Error + Send + Sync>| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, why)
    };
    let number: i64 = row.get(4)?;
    let state = JobState::ALL.into_iter().find(|state| state.number() == number);
    let mut record: JobRecord =
        serde_json::from_str(row.get_ref(7)?.as_str()?).map_err(|error| wrong(7, error.into()))?;
    record.id = row.get(1)?;
    record.tenant = row.get(2)?;
    record.service = row.get(3)?;
    record.state = state.ok_or_else(|| wrong(4, format!("a job has no state {number}").into()))?;
    (record.run_at, record.ttl_at) = (row.get(5)?, row.get(6)?);
    Ok((row.get(0)?, record))
}

pub(super) fn write(record: &JobRecord) -> Result<String, DatabaseError> {
    serde_json::to_string(record).map_err(|error| DatabaseError::Failed(format!("a job is not written: {error}")))
}

/// A job by its id.
pub(super) fn find(connection: &Connection, id: &str) -> Result<Option<(i64, JobRecord)>, DatabaseError> {
    let mut found = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM jobs WHERE id = ?1"))?;
    Ok(found.query_row([id], read).optional()?)
}

/// Keeps a record after a change; `from` is the state before. Whoever waits for its serial key moves up.
pub(super) fn put(
    connection: &Connection,
    seq: i64,
    record: &JobRecord,
    from: JobState,
    now: i64,
) -> Result<Moved, DatabaseError> {
    let result_until = record.ended_at.map(|ended| ended.saturating_add_unsigned(record.keep_ms));
    let mut update = connection.prepare_cached(
        "UPDATE jobs SET state = ?2, waits = ?3, rank = ?4, run_at = ?5, ttl_at = ?6, ended_at = ?7, result_until = ?8, \
         kind = ?9, put_away = 0, record = ?10 WHERE seq = ?1",
    )?;
    update.execute(params![
        seq,
        record.state.number(),
        record.run_at > now,
        record.rank(),
        record.run_at,
        record.ttl_at,
        record.ended_at,
        result_until,
        record.kind,
        write(record)?,
    ])?;
    if let Some(serial) = &record.serial {
        reorder(connection, &record.tenant, serial)?;
    }
    note(connection, record, from, now)?;
    Ok(Moved {
        tenant: record.tenant.clone(),
        from: Some(from),
        to: record.state,
        due: (record.run_at > now).then_some(record.run_at),
    })
}

/// Of the jobs of a serial key, lets the first in order begin, and only where none of them runs.
pub(super) fn reorder(connection: &Connection, tenant: &str, serial: &str) -> Result<(), DatabaseError> {
    let mut hold = connection.prepare_cached(
        "UPDATE jobs SET blocked = 1 WHERE tenant = ?1 AND serial = ?2 AND state = 0 AND state < 2 AND blocked = 0",
    )?;
    hold.execute([tenant, serial])?;
    let mut release = connection.prepare_cached(
        "UPDATE jobs SET blocked = 0 WHERE seq = (
             SELECT min(seq) FROM jobs WHERE tenant = ?1 AND serial = ?2 AND state < 2
         ) AND state = 0 AND NOT EXISTS (
             SELECT 1 FROM jobs WHERE tenant = ?1 AND serial = ?2 AND state < 2 AND state = 1
         )",
    )?;
    release.execute([tenant, serial])?;
    Ok(())
}

/// Writes the event of a change.
fn note(connection: &Connection, record: &JobRecord, from: JobState, now: i64) -> Result<(), DatabaseError> {
    let kind = match (from, record.state) {
        (JobState::Running, JobState::Queued) => "retrying",
        (JobState::Failed, JobState::Queued) => "accepted",
        (_, state) => state.word(),
    };
    event(connection, record, kind, now)
}

pub(super) fn event(connection: &Connection, record: &JobRecord, kind: &str, now: i64) -> Result<(), DatabaseError> {
    let mut insert =
        connection.prepare_cached("INSERT INTO events (at, tenant, job, kind, attempt) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    insert.execute(params![now, record.tenant, record.id, kind, record.attempt])?;
    Ok(())
}
