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

use store::{Database, DatabaseError};

pub(crate) use accept::{Accepted, NewJob};
pub(crate) use bills::{MeterLine, UsageBy, UsageRow};
pub(crate) use change::{Changed, Moved};
pub(crate) use claim::Claimed;
pub(crate) use deliveries::{Delivered, DeliveryRow, DueDelivery};
pub(crate) use functions::FunctionRow;
pub(crate) use keep::Bounds;
pub(crate) use look::{DeadGroup, EventRow, Filter, ResultKept};
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
}

impl Books {
    pub(crate) fn open(path: &Path) -> Result<Self, DatabaseError> {
        Self::with_reserve(path, RESERVE)
    }

    pub(crate) fn with_reserve(path: &Path, reserve: u64) -> Result<Self, DatabaseError> {
        Ok(Self { database: Database::open(path, &schema::FORMATS, reserve)? })
    }

    /// Whether there is room for new jobs.
    pub(crate) fn has_room(&self) -> bool {
        self.database.has_room()
    }

    /// Bytes of all pages, those that are in the log alone included.
    #[cfg(test)]
    pub(crate) async fn size(&self) -> Result<i64, DatabaseError> {
        let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
        self.database.read(move |connection| Ok(connection.query_row(sql, [], |row| row.get(0))?)).await
    }

    /// Whether it answers.
    pub(crate) async fn answers(&self) -> Result<(), DatabaseError> {
        self.database.write(|_| Ok(())).await
    }
}

#[cfg(test)]
mod tests;
