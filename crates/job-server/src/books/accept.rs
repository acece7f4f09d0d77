//! New jobs.

use bytes::Bytes;
use jobs::{JobRecord, JobState};
use store::DatabaseError;
use store::rusqlite::{Connection, OptionalExtension, params};

use super::change::Moved;
use super::claim::{self, Beginning, Claimed};
use super::{Books, row};
use crate::metrics::StoreOp;

/// A job that was accepted keeps its key for so long after its end.
const KEY_KEPT_MS: i64 = 86_400_000;

/// A job to keep.
#[derive(Clone, Debug)]
pub(crate) struct NewJob {
    pub(crate) record: JobRecord,
    /// Its inputs as a JSON object.
    pub(crate) input: Bytes,
    /// A hash of the request, of one with a key.
    pub(crate) hash: String,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Accepted {
    New(Moved),
    /// The job that was accepted under the same key, for the same request.
    Replayed(Box<JobRecord>),
    /// Another request had the key.
    Conflict,
}

impl Books {
    /// Keeps jobs, all in one commit.
    pub(crate) async fn accept(&self, jobs: Vec<NewJob>, now: i64) -> Result<Vec<Accepted>, DatabaseError> {
        let all = move |connection: &Connection| jobs.iter().map(|job| accept(connection, job, now)).collect();
        self.write(StoreOp::Accept, all).await
    }

    /// Keeps jobs of a tenant, and begins as many of its jobs as slots were taken for it, all in one commit: what was accepted
    /// and begun needs one sync of the disk, and not two.
    pub(crate) async fn accept_and_begin(
        &self,
        jobs: Vec<NewJob>,
        now: i64,
        (tenant, slots): (String, usize),
        begin: Beginning,
    ) -> Result<(Vec<Accepted>, Vec<Claimed>), DatabaseError> {
        let all = move |connection: &Connection| {
            let accepted: Vec<Accepted> =
                jobs.iter().map(|job| accept(connection, job, now)).collect::<Result<_, DatabaseError>>()?;
            let mut room = begin.room.clone();
            let mut begun = Vec::new();
            while begun.len() < slots {
                let Some(claimed) = claim::claim(connection, &tenant, now, &begin, &mut room)? else { break };
                begun.push(claimed);
            }
            Ok((accepted, begun))
        };
        self.write(StoreOp::Accept, all).await
    }
}

pub(super) fn accept(connection: &Connection, job: &NewJob, now: i64) -> Result<Accepted, DatabaseError> {
    let NewJob { record, input, hash } = job;
    if let Some(key) = &record.key
        && let Some(found) = twin(connection, &record.tenant, key, hash, now)?
    {
        return Ok(found);
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO jobs (id, tenant, service, state, blocked, waits, rank, run_at, ttl_at, serial, key, key_hash, record)
         VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    let seq = insert.insert(params![
        record.id,
        record.tenant,
        record.service,
        record.serial.is_some(),
        record.run_at > now,
        record.rank(),
        record.run_at,
        record.ttl_at,
        record.serial,
        record.key,
        record.key.is_some().then_some(hash),
        row::write(record)?,
    ])?;
    if !input.is_empty() {
        connection.prepare_cached("INSERT INTO inputs VALUES (?1, ?2)")?.execute(params![seq, &input[..]])?;
    }
    if let Some(serial) = &record.serial {
        row::reorder(connection, &record.tenant, serial)?;
    }
    row::event(connection, record, "accepted", now)?;
    let moved = Moved {
        tenant: record.tenant.clone(),
        from: None,
        to: JobState::Queued,
        due: (record.run_at > now).then_some(record.run_at),
    };
    Ok(Accepted::New(moved))
}

/// The job that has this key, while it has it.
fn twin(
    connection: &Connection,
    tenant: &str,
    key: &str,
    hash: &str,
    now: i64,
) -> Result<Option<Accepted>, DatabaseError> {
    let sql = format!("SELECT {}, key_hash FROM jobs WHERE tenant = ?1 AND key = ?2", row::COLUMNS);
    let read = |row: &store::rusqlite::Row<'_>| Ok((row::read(row)?, row.get::<_, String>("key_hash")?));
    let found = connection.prepare_cached(&sql)?.query_row([tenant, key], read).optional()?;
    let Some(((seq, record), kept)) = found else { return Ok(None) };
    if record.ended_at.is_some_and(|ended| ended + KEY_KEPT_MS <= now) {
        connection.prepare_cached("UPDATE jobs SET key = NULL, key_hash = NULL WHERE seq = ?1")?.execute([seq])?;
        return Ok(None);
    }
    Ok(Some(if kept == hash { Accepted::Replayed(Box::new(record)) } else { Accepted::Conflict }))
}
