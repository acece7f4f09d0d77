//! What is kept: the one module that speaks SQL. A second database would stand behind the same methods.

mod moved;
mod objects;
mod pending;
mod schema;
mod uploads;

use std::collections::BTreeMap;
use std::path::Path;

use data::view::{BucketCount, PendingCount};
use data::{CatalogEvent, DataCatalog};
use serde::Serialize;
use store::rusqlite::{Connection, OptionalExtension as _, params};
use store::{Database, DatabaseError};
use utoipa::ToSchema;

pub(crate) use pending::{CopiedKey, DueKey};
pub(crate) use uploads::Uploads;

/// Bytes of disk that are kept for what must still be noted when the disk is full.
const RESERVE: u64 = 16 << 20;
/// Events that are kept.
const EVENTS: i64 = 10_000;

/// What is kept.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    database: Database,
}

/// An event, as it was kept.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeptEvent {
    pub(crate) seq: i64,
    /// Milliseconds since 1970.
    pub(crate) at: i64,
    pub(crate) event: CatalogEvent,
}

/// An object that somebody wrote into a copy, and where it is kept now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeptConflict {
    pub(crate) at: i64,
    pub(crate) bucket: String,
    pub(crate) store: String,
    pub(crate) key: String,
    pub(crate) tag: String,
    /// Its key in the bucket `dyninka-conflicts` of the store.
    pub(crate) kept: String,
}

impl Ledger {
    pub(crate) fn open(path: &Path) -> Result<Self, DatabaseError> {
        Ok(Self { database: Database::open(path, &schema::FORMATS, RESERVE)? })
    }

    /// Whether the disk has room for another object or other settings. What else is kept must be noted all the same.
    pub(crate) fn has_room(&self) -> bool {
        self.database.has_room()
    }

    /// The catalog, as it was kept last.
    pub(crate) async fn catalog(&self) -> Result<DataCatalog, DatabaseError> {
        self.database
            .read(|connection| {
                let text: Option<String> =
                    connection.query_row("SELECT value FROM catalog", [], |row| row.get(0)).optional()?;
                text.map_or_else(|| Ok(DataCatalog::default()), |text| value(&text))
            })
            .await
    }

    /// Keeps the catalog with the events that led to it. Objects of buckets that are forgotten go.
    pub(crate) async fn keep(
        &self,
        catalog: &DataCatalog,
        events: &[CatalogEvent],
        now: i64,
    ) -> Result<(), DatabaseError> {
        let text = text(catalog)?;
        let events = events.to_vec();
        self.database
            .write(move |connection| {
                connection.prepare_cached("INSERT OR REPLACE INTO catalog VALUES (1, ?1)")?.execute([&text])?;
                for event in &events {
                    let body = self::text(event)?;
                    connection
                        .prepare_cached("INSERT INTO events (at, body) VALUES (?1, ?2)")?
                        .execute(params![now, body])?;
                    match event {
                        CatalogEvent::BucketForgotten { bucket } => {
                            for table in ["objects", "pending", "tags", "uploads", "heads"] {
                                connection.execute(&format!("DELETE FROM {table} WHERE bucket = ?1"), [bucket])?;
                            }
                        }
                        CatalogEvent::ReplicaRemoved { bucket, store } => {
                            for table in ["pending", "tags", "uploads"] {
                                let sql = format!("DELETE FROM {table} WHERE bucket = ?1 AND store = ?2");
                                connection.execute(&sql, [bucket, store])?;
                            }
                        }
                        CatalogEvent::MasterMoved { bucket, to, .. } => moved::moved(connection, bucket, to)?,
                        _ => {}
                    }
                }
                let old = "DELETE FROM events WHERE seq <= (SELECT max(seq) FROM events) - ?1";
                connection.prepare_cached(old)?.execute([EVENTS])?;
                Ok(())
            })
            .await
    }

    pub(crate) async fn events(&self, after: i64, most: usize) -> Result<Vec<KeptEvent>, DatabaseError> {
        self.database
            .read(move |connection| {
                let mut find = connection
                    .prepare_cached("SELECT seq, at, body FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
                let rows = find
                    .query_map(params![after, most], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?)))?;
                rows.map(|row| {
                    let (seq, at, body) = row?;
                    Ok(KeptEvent { seq, at, event: value(&body)? })
                })
                .collect()
            })
            .await
    }

    /// What each bucket's copies lack.
    pub(crate) async fn counts(&self) -> Result<BTreeMap<String, BucketCount>, DatabaseError> {
        self.database
            .read(|connection| {
                let mut counts: BTreeMap<String, BucketCount> = BTreeMap::new();
                let mut heads = connection.prepare_cached("SELECT bucket, seq FROM heads")?;
                for row in heads.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))? {
                    let (bucket, head) = row?;
                    counts.insert(bucket, BucketCount { head, pending: BTreeMap::new() });
                }
                let sql = "SELECT bucket, store, count(*), sum(failed), min(seq),
                    max(CASE WHEN failed = 1 THEN key || ': ' || coalesce(why, '') END) FROM pending GROUP BY bucket, store";
                let mut pending = connection.prepare_cached(sql)?;
                let rows = pending.query_map([], |row| {
                    let count = PendingCount { pending: row.get(2)?, failed: row.get(3)?, oldest: row.get(4)?, example: row.get(5)? };
                    Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, count))
                })?;
                for row in rows {
                    let (bucket, store, count) = row?;
                    counts.entry(bucket).or_default().pending.insert(store, count);
                }
                Ok(counts)
            })
            .await
    }

    pub(crate) async fn conflict(&self, conflict: KeptConflict) -> Result<(), DatabaseError> {
        self.database
            .write(move |connection| {
                let sql = "INSERT INTO conflicts (at, bucket, store, key, tag, kept) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
                let KeptConflict { at, bucket, store, key, tag, kept } = &conflict;
                connection.prepare_cached(sql)?.execute(params![at, bucket, store, key, tag, kept])?;
                Ok(())
            })
            .await
    }

    pub(crate) async fn conflicts(&self) -> Result<Vec<KeptConflict>, DatabaseError> {
        self.database
            .read(|connection| {
                let sql = "SELECT at, bucket, store, key, tag, kept FROM conflicts ORDER BY seq DESC LIMIT 1000";
                let mut find = connection.prepare_cached(sql)?;
                let rows = find.query_map([], |row| {
                    Ok(KeptConflict {
                        at: row.get(0)?,
                        bucket: row.get(1)?,
                        store: row.get(2)?,
                        key: row.get(3)?,
                        tag: row.get(4)?,
                        kept: row.get(5)?,
                    })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }
}

fn text<T: Serialize>(value: &T) -> Result<String, DatabaseError> {
    serde_json::to_string(value).map_err(|error| DatabaseError::Failed(format!("it cannot be written: {error}")))
}

fn value<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, DatabaseError> {
    serde_json::from_str(text).map_err(|error| DatabaseError::Failed(format!("it cannot be read: {error}")))
}

/// The next number of a bucket's changes.
fn next_seq(connection: &Connection, bucket: &str) -> Result<u64, DatabaseError> {
    let sql = "INSERT INTO heads VALUES (?1, 1) ON CONFLICT (bucket) DO UPDATE SET seq = seq + 1 RETURNING seq";
    Ok(connection.prepare_cached(sql)?.query_row([bucket], |row| row.get(0))?)
}
