//! Changes of jobs that are kept already.

use bytes::Bytes;
use jobs::record::Instance;
use jobs::{AttemptOutcome, AttemptReport, Fence, JobRecord, JobRefusal, JobState};
use serde_json::json;
use store::DatabaseError;
use store::rusqlite::{Connection, params};

use super::{Books, bills, row};
use crate::metrics::StoreOp;

/// A job that went from one state to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) tenant: String,
    /// None: it is new.
    pub(crate) from: Option<JobState>,
    pub(crate) to: JobState,
    /// When its time comes, where it has not.
    pub(crate) due: Option<i64>,
}

/// What became of a change; none: there is no such job.
pub(crate) type Changed = Option<Result<(JobRecord, Moved), JobRefusal>>;

impl Books {
    /// Ends an attempt, with its result where there is one.
    pub(crate) async fn end(
        &self,
        fence: Fence,
        report: AttemptReport,
        result: Option<Bytes>,
        at: Instance,
    ) -> Result<Changed, DatabaseError> {
        self.write(StoreOp::End, move |connection| end(connection, &fence, &report, result.as_deref(), at)).await
    }

    /// Notes the life of the host that a run goes to.
    pub(crate) async fn move_to(&self, fence: Fence, epoch: String) -> Result<bool, DatabaseError> {
        let change = move |connection: &Connection| {
            let Some((seq, mut record)) = row::find(connection, &fence.id)? else { return Ok(false) };
            if record.move_to(&fence, &epoch).is_err() {
                return Ok(false);
            }
            let mut update = connection.prepare_cached("UPDATE jobs SET record = ?2 WHERE seq = ?1")?;
            update.execute(params![seq, row::write(&record)?])?;
            Ok(true)
        };
        self.write(StoreOp::Other, change).await
    }

    /// Cancels a job of a tenant. Answers the fence of the run that was under way, too.
    pub(crate) async fn cancel(
        &self,
        tenant: Option<String>,
        id: String,
        now: i64,
    ) -> Result<(Changed, Option<Fence>), DatabaseError> {
        let change = move |connection: &Connection| {
            let Some((seq, mut record)) = of_tenant(connection, tenant.as_deref(), &id)? else {
                return Ok((None, None));
            };
            let (from, fence) = (record.state, record.fence());
            if let Err(refusal) = record.cancel(now) {
                return Ok((Some(Err(refusal)), None));
            }
            if from == JobState::Running {
                ended_attempt(connection, seq, &record, AttemptOutcome::Cancelled, now)?;
            }
            let moved = row::put(connection, seq, &record, from, now)?;
            deliver(connection, &record, now)?;
            Ok((Some(Ok((record, moved))), fence))
        };
        self.write(StoreOp::Other, change).await
    }

    /// Notes that a cancelled job's synchronous function could not be ended.
    pub(crate) async fn still_runs(&self, id: String) -> Result<(), DatabaseError> {
        let change = move |connection: &Connection| {
            let Some((seq, mut record)) = row::find(connection, &id)? else { return Ok(()) };
            record.still_runs = true;
            connection
                .prepare_cached("UPDATE jobs SET record = ?2 WHERE seq = ?1")?
                .execute(params![seq, row::write(&record)?])?;
            Ok(())
        };
        self.write(StoreOp::Other, change).await
    }

    /// Queues a failed job again.
    pub(crate) async fn retry(&self, tenant: Option<String>, id: String, now: i64) -> Result<Changed, DatabaseError> {
        let change = move |connection: &Connection| {
            let Some((seq, mut record)) = of_tenant(connection, tenant.as_deref(), &id)? else { return Ok(None) };
            let from = record.state;
            Ok(Some(match record.retry(now) {
                Ok(()) => Ok((record.clone(), row::put(connection, seq, &record, from, now)?)),
                Err(refusal) => Err(refusal),
            }))
        };
        self.write(StoreOp::Other, change).await
    }

    /// Queues dead letters again, at most `most` of those that ended before a time; which changed.
    pub(crate) async fn redrive(
        &self,
        tenant: Option<String>,
        (service, kind): (Option<String>, Option<String>),
        (most, before): (u32, i64),
        now: i64,
    ) -> Result<Vec<Moved>, DatabaseError> {
        let change = move |connection: &Connection| {
            let mut found = connection.prepare_cached(&format!(
                "SELECT {} FROM jobs WHERE state = 3 AND put_away = 0 AND (?1 IS NULL OR tenant = ?1)
                 AND (?2 IS NULL OR service = ?2) AND (?3 IS NULL OR kind = ?3)
                 AND ended_at <= ?5 ORDER BY seq LIMIT ?4",
                row::COLUMNS
            ))?;
            let rows = found.query_map(params![tenant, service, kind, most, before], row::read)?;
            let mut moved = Vec::new();
            for (seq, mut record) in rows.collect::<Result<Vec<_>, _>>()? {
                let from = record.state;
                if record.retry(now).is_ok() {
                    moved.push(row::put(connection, seq, &record, from, now)?);
                }
            }
            Ok(moved)
        };
        self.write(StoreOp::Other, change).await
    }

    /// Takes dead letters out of sight; how many. They can still be asked for by their ids.
    pub(crate) async fn put_away(&self, tenant: Option<String>) -> Result<usize, DatabaseError> {
        let sql = "UPDATE jobs SET put_away = 1 WHERE state = 3 AND put_away = 0 AND (?1 IS NULL OR tenant = ?1)";
        self.write(StoreOp::Other, move |connection| Ok(connection.prepare_cached(sql)?.execute([&tenant])?)).await
    }

    /// Removes a job that does not run: input, result, history. The bill stays. The state it had.
    pub(crate) async fn remove(&self, tenant: Option<String>, id: String) -> Result<Changed, DatabaseError> {
        let change = move |connection: &Connection| {
            let Some((seq, record)) = of_tenant(connection, tenant.as_deref(), &id)? else { return Ok(None) };
            if record.state == JobState::Running {
                return Ok(Some(Err(JobRefusal::State { state: record.state })));
            }
            delete(connection, seq)?;
            if let Some(serial) = &record.serial {
                row::reorder(connection, &record.tenant, serial)?;
            }
            let moved =
                Moved { tenant: record.tenant.clone(), from: Some(record.state), to: JobState::Cancelled, due: None };
            Ok(Some(Ok((record, moved))))
        };
        self.write(StoreOp::Other, change).await
    }
}

pub(super) fn end(
    connection: &Connection,
    fence: &Fence,
    report: &AttemptReport,
    result: Option<&[u8]>,
    at: Instance,
) -> Result<Changed, DatabaseError> {
    let Some((seq, mut record)) = row::find(connection, &fence.id)? else { return Ok(None) };
    let from = record.state;
    if let Err(refusal) = record.end(fence, report, at) {
        return Ok(Some(Err(refusal)));
    }
    ended_attempt(connection, seq, &record, report.outcome, at.now)?;
    print(connection, seq, &record, report)?;
    bills::charge(connection, &record, report, at.now)?;
    if let Some(body) = result.filter(|_| record.state == JobState::Done) {
        connection.prepare_cached("INSERT OR REPLACE INTO results VALUES (?1, ?2)")?.execute(params![seq, body])?;
    }
    let moved = row::put(connection, seq, &record, from, at.now)?;
    if record.state.is_over() {
        deliver(connection, &record, at.now)?;
    }
    Ok(Some(Ok((record, moved))))
}

/// Keeps what a run printed with its job.
pub(super) fn print(
    connection: &Connection,
    seq: i64,
    record: &JobRecord,
    report: &AttemptReport,
) -> Result<(), DatabaseError> {
    if let Some(lines) = &report.lines {
        let mut keep = connection.prepare_cached("INSERT OR REPLACE INTO lines VALUES (?1, ?2, ?3)")?;
        keep.execute(params![seq, record.attempt, lines.to_string()])?;
    }
    Ok(())
}

/// Notes the end of a job's latest attempt in its history.
fn ended_attempt(
    connection: &Connection,
    seq: i64,
    record: &JobRecord,
    outcome: AttemptOutcome,
    now: i64,
) -> Result<(), DatabaseError> {
    let mut update = connection.prepare_cached(
        "UPDATE attempts SET ended_at = ?3, outcome = ?4, problem = ?5 WHERE seq = ?1 AND attempt = ?2",
    )?;
    let problem = record.problem.as_ref().map(ToString::to_string);
    update.execute(params![seq, record.attempt, now, outcome.kind(), problem])?;
    Ok(())
}

/// Writes the delivery of a job's end, in the transaction that ends it.
pub(super) fn deliver(connection: &Connection, record: &JobRecord, now: i64) -> Result<(), DatabaseError> {
    let Some(callback) = &record.callback else { return Ok(()) };
    let is_wanted = match callback.on.as_slice() {
        [] => matches!(record.state, JobState::Done | JobState::Failed),
        on => on.contains(&record.state),
    };
    if !is_wanted {
        return Ok(());
    }
    let view = jobs::view::JobView::of(record, Vec::new());
    let body =
        json!({ "type": format!("job.{}", record.state.word()), "timestamp": jobs::view::time(now), "data": view });
    let mut insert = connection.prepare_cached(
        "INSERT INTO deliveries (job, tenant, url, host, body, state, attempts, next_at)
         VALUES (?1, ?2, ?3, ?4, ?5, 'waiting', 0, ?6)",
    )?;
    let host = crate::deliver::host(&callback.url).unwrap_or_default();
    insert.execute(params![record.id, record.tenant, callback.url, host, body.to_string(), now])?;
    Ok(())
}

pub(super) fn of_tenant(
    connection: &Connection,
    tenant: Option<&str>,
    id: &str,
) -> Result<Option<(i64, JobRecord)>, DatabaseError> {
    let found = row::find(connection, id)?;
    Ok(found.filter(|(_, record)| tenant.is_none_or(|tenant| record.tenant == tenant)))
}

pub(super) fn delete(connection: &Connection, seq: i64) -> Result<(), DatabaseError> {
    for sql in [
        "DELETE FROM inputs WHERE seq = ?1",
        "DELETE FROM results WHERE seq = ?1",
        "DELETE FROM attempts WHERE seq = ?1",
        "DELETE FROM lines WHERE seq = ?1",
        "DELETE FROM jobs WHERE seq = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([seq])?;
    }
    Ok(())
}
