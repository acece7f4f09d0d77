//! Beginning attempts, and taking over those of a server that is no more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use jobs::{JobRecord, JobState};
use store::DatabaseError;
use store::rusqlite::{Connection, OptionalExtension, Row, params};

use super::change::Moved;
use super::{Books, row};
use crate::metrics::StoreOp;

/// An attempt that was begun.
#[derive(Clone, Debug)]
pub(crate) struct Claimed {
    pub(crate) record: JobRecord,
    /// Its inputs as a JSON object; empty: none.
    pub(crate) input: Bytes,
    pub(crate) moved: Moved,
}

/// What attempts begin with.
#[derive(Clone, Debug)]
pub(crate) struct Beginning {
    /// The life of the server.
    pub(crate) holder: Arc<str>,
    /// The lives of the hosts, by service.
    pub(crate) epochs: BTreeMap<String, String>,
    /// How many jobs of a service may begin, of those that have a bound.
    pub(crate) room: BTreeMap<String, usize>,
}

impl Books {
    /// Begins the next job of each of these tenants; one may be named more than once.
    ///
    /// The commit is synced before any host hears of it. A begin that a power cut takes back would be made again as the same
    /// attempt: a job with `lost = "fail"` would run twice, and one that takes the machine down with it would never use up its
    /// attempts (decision 28).
    pub(crate) async fn claim(
        &self,
        tenants: Vec<String>,
        now: i64,
        begin: Beginning,
    ) -> Result<Vec<Option<Claimed>>, DatabaseError> {
        let all = move |connection: &Connection| {
            let mut room = begin.room.clone();
            tenants.iter().map(|tenant| claim(connection, tenant, now, &begin, &mut room)).collect()
        };
        self.write(StoreOp::Begin, all).await
    }

    /// Takes over all that runs. Called once, by a server that starts.
    pub(crate) async fn adopt(&self, holder: Arc<str>) -> Result<Vec<Claimed>, DatabaseError> {
        let all = move |connection: &Connection| {
            let sql = format!("SELECT {} FROM jobs WHERE state = 1 ORDER BY seq", row::COLUMNS);
            let mut running = connection.prepare(&sql)?;
            let rows = running.query_map([], row::read)?.collect::<Result<Vec<_>, _>>()?;
            let mut adopted = Vec::new();
            for (seq, mut record) in rows {
                if record.adopt(&holder).is_err() {
                    continue;
                }
                let mut update = connection.prepare_cached("UPDATE jobs SET record = ?2 WHERE seq = ?1")?;
                update.execute(params![seq, row::write(&record)?])?;
                let moved = Moved {
                    tenant: record.tenant.clone(),
                    from: Some(JobState::Running),
                    to: JobState::Running,
                    due: None,
                };
                adopted.push(Claimed { input: input(connection, seq)?, record, moved });
            }
            Ok(adopted)
        };
        self.write(StoreOp::Other, all).await
    }

    /// Marks jobs whose time has come; their tenants, and when the next one's comes.
    pub(crate) async fn wake(&self, now: i64) -> Result<(BTreeSet<String>, Option<i64>), DatabaseError> {
        let all = move |connection: &Connection| {
            let mut due = connection.prepare_cached(
                "UPDATE jobs SET waits = 0 WHERE state = 0 AND waits = 1 AND run_at <= ?1 RETURNING tenant",
            )?;
            let tenants = due.query_map([now], |row| row.get::<_, String>(0))?.collect::<Result<BTreeSet<_>, _>>()?;
            let mut next = connection.prepare_cached("SELECT min(run_at) FROM jobs WHERE state = 0 AND waits = 1")?;
            let next = next.query_row([], |row| row.get::<_, Option<i64>>(0))?;
            Ok((tenants, next))
        };
        self.write(StoreOp::Other, all).await
    }

    /// The earliest time from which one of the next jobs might have run: of each tenant and service the one whose turn is next.
    /// Where priorities are used, another may have waited nine minutes longer.
    pub(crate) async fn oldest_ready(&self) -> Result<Option<i64>, DatabaseError> {
        let look = |connection: &Connection| {
            // From head to head by the index, however many jobs wait behind each.
            let mut next = connection.prepare_cached(
                "SELECT tenant, service, run_at FROM jobs WHERE (tenant, service) > (?1, ?2) AND state = 0 AND waits = 0
                 AND blocked = 0 ORDER BY tenant, service, rank LIMIT 1",
            )?;
            let (mut oldest, mut after): (Option<i64>, _) = (None, (String::new(), String::new()));
            loop {
                let read = |row: &Row<'_>| Ok(((row.get(0)?, row.get(1)?), row.get::<_, i64>(2)?));
                let Some((head, run_at)) = next.query_row([&after.0, &after.1], read).optional()? else { break };
                oldest = Some(oldest.map_or(run_at, |oldest| oldest.min(run_at)));
                after = head;
            }
            Ok(oldest)
        };
        self.read(look).await
    }

    /// Tenants with a job that can begin.
    pub(crate) async fn ready(&self) -> Result<BTreeSet<String>, DatabaseError> {
        let all = |connection: &Connection| {
            let sql = "SELECT DISTINCT tenant FROM jobs WHERE state = 0 AND waits = 0 AND blocked = 0";
            let mut ready = connection.prepare(sql)?;
            Ok(ready.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<BTreeSet<_>, _>>()?)
        };
        self.read(all).await
    }
}

pub(super) fn claim(
    connection: &Connection,
    tenant: &str,
    now: i64,
    Beginning { holder, epochs, .. }: &Beginning,
    room: &mut BTreeMap<String, usize>,
) -> Result<Option<Claimed>, DatabaseError> {
    let Some(seq) = head(connection, tenant, room)? else { return Ok(None) };
    let mut job = connection.prepare_cached(&format!("SELECT {} FROM jobs WHERE seq = ?1", row::COLUMNS))?;
    let (_, mut record) = job.query_row([seq], row::read)?;
    if let Some(left) = room.get_mut(&record.service) {
        *left = left.saturating_sub(1);
    }
    let epoch = epochs.get(&record.service).map(String::as_str);
    let from = record.state;
    record.begin(now, holder, epoch).map_err(|error| DatabaseError::Failed(error.to_string()))?;
    let moved = row::put(connection, seq, &record, from, now)?;
    let mut attempt = connection.prepare_cached("INSERT INTO attempts (seq, attempt, began_at) VALUES (?1, ?2, ?3)")?;
    attempt.execute(params![seq, record.attempt, now])?;
    Ok(Some(Claimed { input: input(connection, seq)?, record, moved }))
}

/// The next job of a tenant, of a service that has room.
fn head(connection: &Connection, tenant: &str, room: &BTreeMap<String, usize>) -> Result<Option<i64>, DatabaseError> {
    // From service to service by the index: however many jobs wait for one that is full, they are passed over at once.
    let mut next = connection.prepare_cached(
        "SELECT service, rank, seq FROM jobs WHERE tenant = ?1 AND service > ?2 AND state = 0 AND waits = 0
         AND blocked = 0 ORDER BY service, rank, seq LIMIT 1",
    )?;
    let (mut best, mut after): (Option<(i64, i64)>, _) = (None, String::new());
    loop {
        let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, (row.get(1)?, row.get(2)?)));
        let Some((service, at)) = next.query_row([tenant, &after], read).optional()? else { break };
        if room.get(&service) != Some(&0) && best.is_none_or(|best| at < best) {
            best = Some(at);
        }
        after = service;
    }
    Ok(best.map(|(_, seq)| seq))
}

fn input(connection: &Connection, seq: i64) -> Result<Bytes, DatabaseError> {
    let mut body = connection.prepare_cached("SELECT body FROM inputs WHERE seq = ?1")?;
    let body = body.query_row([seq], |row| row.get::<_, Vec<u8>>(0)).optional()?;
    Ok(body.map(Bytes::from).unwrap_or_default())
}
