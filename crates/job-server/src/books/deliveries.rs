//! Callbacks on their way.

use serde::Serialize;
use store::DatabaseError;
use store::rusqlite::{Connection, OptionalExtension, Row, params};
use utoipa::ToSchema;

use super::Books;
use crate::metrics::StoreOp;

/// A callback that is due.
#[derive(Clone, Debug)]
pub(crate) struct DueDelivery {
    pub(crate) seq: i64,
    pub(crate) job: String,
    pub(crate) tenant: String,
    pub(crate) url: String,
    /// The host of its URL, as it is kept.
    pub(crate) host: String,
    pub(crate) body: String,
    pub(crate) attempts: u32,
}

impl DueDelivery {
    fn read(row: &Row<'_>) -> Result<Self, store::rusqlite::Error> {
        Ok(Self {
            seq: row.get(0)?,
            job: row.get(1)?,
            tenant: row.get(2)?,
            url: row.get(3)?,
            host: row.get(4)?,
            body: row.get(5)?,
            attempts: row.get(6)?,
        })
    }
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    Done,
    Again { said: String, at: i64 },
    GivenUp { said: String },
}

/// A callback, as it is shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryRow {
    pub(crate) id: i64,
    pub(crate) job: String,
    pub(crate) tenant: String,
    pub(crate) url: String,
    /// `waiting`, `sending`, `delivered`, `given-up`.
    pub(crate) state: String,
    pub(crate) attempts: u32,
    /// What the last one came to.
    pub(crate) said: Option<String>,
}

impl Books {
    /// Callbacks that are due, those of `hosts` hosts at most and a few of each, the oldest first. It goes from host to host
    /// in their order, beginning behind one of them, and begins anew where it comes to the end.
    pub(crate) async fn due_deliveries(
        &self,
        now: i64,
        after: String,
        (of_each, hosts): (usize, usize),
    ) -> Result<Vec<DueDelivery>, DatabaseError> {
        let look = move |connection: &Connection| {
            let mut next = connection.prepare_cached(
                "SELECT host, next_at FROM deliveries WHERE state = 'waiting' AND host > ?1 ORDER BY host, next_at LIMIT 1",
            )?;
            let mut oldest = connection.prepare_cached(
                "SELECT seq, job, tenant, url, host, body, attempts FROM deliveries
                 WHERE state = 'waiting' AND host = ?1 AND next_at <= ?2 ORDER BY next_at LIMIT ?3",
            )?;
            let (mut due, mut found, mut at) = (Vec::new(), 0, Some(after.clone()));
            let mut is_second_round = false;
            while found < hosts {
                let host: Option<(String, i64)> = match &at {
                    Some(at) => next.query_row([at], |row| Ok((row.get(0)?, row.get(1)?))).optional()?,
                    // Those without a host, of which there are none behind another one.
                    None => Some((String::new(), now)),
                };
                let Some((host, next_at)) = host else {
                    if is_second_round {
                        break;
                    }
                    (is_second_round, at) = (true, None);
                    continue;
                };
                if is_second_round && host > after {
                    break;
                }
                if next_at <= now {
                    let rows = oldest.query_map(params![host, now, of_each], DueDelivery::read)?;
                    let before = due.len();
                    due.extend(rows.collect::<Result<Vec<_>, _>>()?);
                    found += usize::from(due.len() > before);
                }
                at = Some(host);
            }
            Ok(due)
        };
        self.read(look).await
    }

    /// Takes a delivery; whether it was there to be taken.
    pub(crate) async fn begin_delivery(&self, seq: i64) -> Result<bool, DatabaseError> {
        let sql = "UPDATE deliveries SET state = 'sending' WHERE seq = ?1 AND state = 'waiting'";
        self.write(StoreOp::Other, move |connection| Ok(connection.prepare_cached(sql)?.execute([seq])? > 0)).await
    }

    pub(crate) async fn end_delivery(&self, seq: i64, outcome: Delivered) -> Result<(), DatabaseError> {
        let change = move |connection: &Connection| {
            let (state, said, at) = match &outcome {
                Delivered::Done => ("delivered", None, None),
                Delivered::Again { said, at } => ("waiting", Some(said), Some(*at)),
                Delivered::GivenUp { said } => ("given-up", Some(said), None),
            };
            let sql =
                "UPDATE deliveries SET state = ?2, said = ?3, next_at = ?4, attempts = attempts + 1 WHERE seq = ?1";
            connection.prepare_cached(sql)?.execute(params![seq, state, said, at])?;
            Ok(())
        };
        self.write(StoreOp::Other, change).await
    }

    /// Has deliveries that a server before was sending be sent again. Called once at the start.
    pub(crate) async fn resume_deliveries(&self, now: i64) -> Result<(), DatabaseError> {
        let sql = "UPDATE deliveries SET state = 'waiting', next_at = ?1 WHERE state = 'sending'";
        self.write(StoreOp::Other, move |connection| Ok(connection.prepare_cached(sql)?.execute([now]).map(drop)?))
            .await
    }

    /// Callbacks of a tenant, the latest first.
    pub(crate) async fn deliveries(
        &self,
        tenant: Option<String>,
        state: Option<String>,
    ) -> Result<Vec<DeliveryRow>, DatabaseError> {
        let look = move |connection: &Connection| {
            let mut found = connection.prepare_cached(
                "SELECT seq, job, tenant, url, state, attempts, said FROM deliveries WHERE (?1 IS NULL OR tenant = ?1)
                 AND (?2 IS NULL OR state = ?2) ORDER BY seq DESC LIMIT 500",
            )?;
            let rows = found.query_map([&tenant, &state], |row| {
                Ok(DeliveryRow {
                    id: row.get(0)?,
                    job: row.get(1)?,
                    tenant: row.get(2)?,
                    url: row.get(3)?,
                    state: row.get(4)?,
                    attempts: row.get(5)?,
                    said: row.get(6)?,
                })
            })?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        };
        self.read(look).await
    }

    /// Has a callback that was given up be sent again; whether there was one.
    pub(crate) async fn retry_delivery(
        &self,
        tenant: Option<String>,
        seq: i64,
        now: i64,
    ) -> Result<bool, DatabaseError> {
        let sql = "UPDATE deliveries SET state = 'waiting', next_at = ?3, attempts = 0
                   WHERE seq = ?1 AND (?2 IS NULL OR tenant = ?2) AND state = 'given-up'";
        let change =
            move |connection: &Connection| Ok(connection.prepare_cached(sql)?.execute(params![seq, tenant, now])? > 0);
        self.write(StoreOp::Other, change).await
    }
}
