//! Callbacks on their way.

use serde::Serialize;
use store::DatabaseError;
use store::rusqlite::{Connection, params};
use utoipa::ToSchema;

use super::Books;

/// A callback that is due.
#[derive(Clone, Debug)]
pub(crate) struct DueDelivery {
    pub(crate) seq: i64,
    pub(crate) job: String,
    pub(crate) tenant: String,
    pub(crate) url: String,
    pub(crate) body: String,
    pub(crate) attempts: u32,
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
    pub(crate) async fn due_deliveries(&self, now: i64, most: u32) -> Result<Vec<DueDelivery>, DatabaseError> {
        let look = move |connection: &Connection| {
            let mut due = connection.prepare_cached(
                "SELECT seq, job, tenant, url, body, attempts FROM deliveries WHERE next_at <= ?1 AND state = 'waiting'
                 ORDER BY next_at LIMIT ?2",
            )?;
            let rows = due.query_map(params![now, most], |row| {
                Ok(DueDelivery {
                    seq: row.get(0)?,
                    job: row.get(1)?,
                    tenant: row.get(2)?,
                    url: row.get(3)?,
                    body: row.get(4)?,
                    attempts: row.get(5)?,
                })
            })?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        };
        self.database.read(look).await
    }

    /// Takes a delivery; whether it was there to be taken.
    pub(crate) async fn begin_delivery(&self, seq: i64) -> Result<bool, DatabaseError> {
        let sql = "UPDATE deliveries SET state = 'sending' WHERE seq = ?1 AND state = 'waiting'";
        self.database.write(move |connection| Ok(connection.prepare_cached(sql)?.execute([seq])? > 0)).await
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
        self.database.write(change).await
    }

    /// Has deliveries that a server before was sending be sent again. Called once at the start.
    pub(crate) async fn resume_deliveries(&self, now: i64) -> Result<(), DatabaseError> {
        let sql = "UPDATE deliveries SET state = 'waiting', next_at = ?1 WHERE state = 'sending'";
        self.database.write(move |connection| Ok(connection.prepare_cached(sql)?.execute([now]).map(drop)?)).await
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
        self.database.read(look).await
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
        self.database.write(change).await
    }
}
