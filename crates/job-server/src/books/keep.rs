//! What time does to jobs: those that waited too long expire, and what is old goes.

use store::DatabaseError;
use store::rusqlite::{Connection, params};

use super::change::{Moved, delete, deliver};
use super::{Books, row};
use crate::metrics::StoreOp;

/// Rows that one commit removes or ends at most, so that others are not kept waiting.
const AT_ONCE: i64 = 500;

/// How long things are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Milliseconds that a job is kept after its end.
    pub(crate) job_ms: u64,
    pub(crate) event_ms: i64,
    pub(crate) events: i64,
}

impl Books {
    /// Ends jobs whose time to live passed; which. More may be left where it is the most at once.
    pub(crate) async fn expire(&self, now: i64) -> Result<Vec<(String, Moved)>, DatabaseError> {
        let change = move |connection: &Connection| {
            let all = row::COLUMNS;
            let sql = format!("SELECT {all} FROM jobs WHERE state = 0 AND ttl_at <= ?1 ORDER BY ttl_at LIMIT ?2");
            let mut found = connection.prepare_cached(&sql)?;
            let rows = found.query_map([now, AT_ONCE], row::read)?;
            let mut moved = Vec::new();
            for (seq, mut record) in rows.collect::<Result<Vec<_>, _>>()? {
                let from = record.state;
                if record.expire(now).is_ok() {
                    moved.push((record.id.clone(), row::put(connection, seq, &record, from, now)?));
                    deliver(connection, &record, now)?;
                }
            }
            Ok(moved)
        };
        self.write(StoreOp::Other, change).await
    }

    /// Removes what is kept no longer; whether there may be more of it.
    pub(crate) async fn tidy(&self, now: i64, bounds: Bounds) -> Result<bool, DatabaseError> {
        let change = move |connection: &Connection| {
            let mut results = connection.prepare_cached(
                "DELETE FROM results WHERE seq IN (SELECT seq FROM jobs WHERE result_until <= ?1 LIMIT ?2)",
            )?;
            results.execute([now, AT_ONCE])?;
            // Marked, so that the same ones are not found again.
            let mut marked = connection.prepare_cached(
                "UPDATE jobs SET result_until = NULL WHERE seq IN (SELECT seq FROM jobs WHERE result_until <= ?1 LIMIT ?2)",
            )?;
            let removed = marked.execute([now, AT_ONCE])?;
            let before = now.saturating_sub_unsigned(bounds.job_ms);
            let mut old = connection.prepare_cached("SELECT seq FROM jobs WHERE ended_at <= ?1 LIMIT ?2")?;
            let old = old.query_map([before, AT_ONCE], |row| row.get::<_, i64>(0))?.collect::<Result<Vec<_>, _>>()?;
            for seq in &old {
                delete(connection, *seq)?;
            }
            let mut deliveries = connection.prepare_cached(
                "DELETE FROM deliveries WHERE seq IN (
                     SELECT seq FROM deliveries WHERE state IN ('delivered', 'given-up')
                     AND NOT EXISTS (SELECT 1 FROM jobs WHERE id = deliveries.job) LIMIT ?1
                 )",
            )?;
            deliveries.execute([AT_ONCE])?;
            let mut events = connection.prepare_cached(
                "DELETE FROM events WHERE seq IN (
                     SELECT seq FROM events WHERE at <= ?1 OR seq <= (SELECT max(seq) FROM events) - ?2 ORDER BY seq LIMIT ?3
                 )",
            )?;
            let events = events.execute(params![now - bounds.event_ms, bounds.events, AT_ONCE * 4])?;
            let most = usize::try_from(AT_ONCE).unwrap_or(usize::MAX);
            Ok(removed == most || old.len() == most || events == most * 4)
        };
        self.write(StoreOp::Other, change).await
    }

    /// Brings times that a clock of the future has left back into bounds. Called once at the start.
    pub(crate) async fn settle(&self, now: i64) -> Result<(), DatabaseError> {
        let change = move |connection: &Connection| {
            // Those that nobody has run yet are left out: they were asked for at their time.
            let sql = format!(
                "SELECT {} FROM jobs WHERE state = 0 AND waits = 1 AND run_at > ?1
                 AND json_extract(record, '$.attempt') > 0",
                row::COLUMNS
            );
            let mut found = connection.prepare(&sql)?;
            let rows = found.query_map([now], row::read)?;
            for (seq, mut record) in rows.collect::<Result<Vec<_>, _>>()? {
                let before = record.run_at;
                record.settle(now);
                if record.run_at != before {
                    let sql = "UPDATE jobs SET run_at = ?2, rank = ?3, record = ?4 WHERE seq = ?1";
                    let values = params![seq, record.run_at, record.rank(), row::write(&record)?];
                    connection.prepare_cached(sql)?.execute(values)?;
                }
            }
            Ok(())
        };
        self.write(StoreOp::Other, change).await
    }
}
