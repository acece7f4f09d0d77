//! What is kept of jobs: the one module that speaks SQL. A second store would stand behind the same methods.

mod accept;
mod bills;
mod change;
mod claim;
mod deliveries;
mod faas_users;
mod functions;
mod keep;
mod look;
mod row;
mod schedules;
mod schema;
mod tenants;
mod unread;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use store::rusqlite::Connection;
use store::{Database, DatabaseError};

use crate::metrics::{StoreOp, StoreTimes};

pub(crate) use accept::{Accepted, NewJob};
pub(crate) use bills::{MeterLine, UsageBy, UsageRow};
pub(crate) use change::{Changed, Moved};
pub(crate) use claim::{Beginning, Claimed};
pub(crate) use deliveries::{Delivered, DeliveryRow, DueDelivery};
pub(crate) use functions::{FunctionRow, VERSIONS};
pub(crate) use keep::Bounds;
pub(crate) use look::{DeadGroup, EventPage, EventRow, Filter, ResultKept};
#[cfg(test)]
pub(crate) use schedules::Overlap;
pub(crate) use schedules::{ScheduleBody, ScheduleRow, key as schedule_key};
pub(crate) use tenants::TokenRow;
pub(crate) use unread::UnreadInputs;

/// Bytes of disk that are kept for outcomes of what runs when the disk is full.
const RESERVE: u64 = 64 << 20;

/// What is kept of jobs.
#[derive(Clone, Debug)]
pub(crate) struct Books {
    database: Database,
    times: Arc<StoreTimes>,
}

impl Books {
    pub(crate) fn open(path: &Path) -> Result<Self, DatabaseError> {
        Self::with_reserve(path, RESERVE)
    }

    pub(crate) fn with_reserve(path: &Path, reserve: u64) -> Result<Self, DatabaseError> {
        Ok(Self { database: Database::open(path, &schema::FORMATS, reserve)?, times: Arc::default() })
    }

    /// How long the store takes.
    pub(crate) fn times(&self) -> &StoreTimes {
        &self.times
    }

    /// Makes a change, and answers once it is committed.
    async fn write<T, F>(&self, op: StoreOp, make: F) -> Result<T, DatabaseError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> Result<T, DatabaseError> + Send + 'static,
    {
        let begun = Instant::now();
        let made = self.database.write(make).await;
        self.times.note(op, begun.elapsed());
        made
    }

    /// Reads what is committed.
    async fn read<T, F>(&self, look: F) -> Result<T, DatabaseError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, DatabaseError> + Send + 'static,
    {
        let begun = Instant::now();
        let seen = self.database.read(look).await;
        self.times.note(StoreOp::Read, begun.elapsed());
        seen
    }

    /// Whether there is room for new jobs.
    pub(crate) fn has_room(&self) -> bool {
        self.database.has_room()
    }

    /// Bytes of all pages, those that are in the log alone included.
    #[cfg(test)]
    pub(crate) async fn size(&self) -> Result<i64, DatabaseError> {
        let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
        self.read(move |connection| Ok(connection.query_row(sql, [], |row| row.get(0))?)).await
    }

    /// Whether it answers.
    pub(crate) async fn answers(&self) -> Result<(), DatabaseError> {
        self.write(StoreOp::Other, |_: &Connection| Ok(())).await
    }
}

#[cfg(test)]
mod tests;
