//! What each copy lacks.

use std::collections::BTreeSet;

use data::compare::{CopyTags, KnownObject, MasterFinding, SeenObject};
use store::DatabaseError;
use store::rusqlite::{Connection, params};

use super::{Ledger, objects};

/// Tries after which a key is left until something changes.
const TRIES: u32 = 3;
/// Objects above this size wait for smaller ones.
const LARGE: u64 = 8 << 20;

/// A key that is due at a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DueKey {
    pub(crate) key: String,
    pub(crate) seq: u64,
}

/// A key that was brought to what it is at the master.
#[derive(Clone, Debug)]
pub(crate) struct CopiedKey {
    pub(crate) bucket: String,
    pub(crate) store: String,
    pub(crate) due: DueKey,
    /// The version that was copied, and the tag of its copy; none where both are gone.
    pub(crate) version: Option<(SeenObject, String)>,
}

/// Notes that a copy lacks a change. What failed before is tried again.
pub(super) fn lack(
    connection: &Connection,
    bucket: &str,
    store: &str,
    key: &str,
    seq: u64,
) -> Result<(), DatabaseError> {
    let sql = "INSERT INTO pending (bucket, store, key, seq) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (bucket, store, key) DO UPDATE SET seq = max(seq, excluded.seq), tries = 0, due_at = 0, failed = 0, why = NULL";
    connection.prepare_cached(sql)?.execute(params![bucket, store, key, seq])?;
    Ok(())
}

impl Ledger {
    /// Keys that are due at a copy, small ones first.
    pub(crate) async fn due(
        &self,
        bucket: &str,
        store: &str,
        now: i64,
        most: usize,
    ) -> Result<Vec<DueKey>, DatabaseError> {
        let (bucket, store) = (bucket.to_owned(), store.to_owned());
        self.database
            .read(move |connection| {
                let sql = "SELECT pending.key, pending.seq FROM pending LEFT JOIN objects USING (bucket, key)
                    WHERE bucket = ?1 AND store = ?2 AND failed = 0 AND due_at <= ?3
                    ORDER BY coalesce(objects.size, 0) > ?4, pending.seq LIMIT ?5";
                let mut find = connection.prepare_cached(sql)?;
                let rows = find.query_map(params![bucket, store, now, LARGE, most], |row| {
                    Ok(DueKey { key: row.get(0)?, seq: row.get(1)? })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Keys that a copy lacks, among a window.
    pub(crate) async fn pending(
        &self,
        bucket: &str,
        store: &str,
        after: &str,
        until: Option<&str>,
    ) -> Result<BTreeSet<String>, DatabaseError> {
        let (bucket, store, after, until) =
            (bucket.to_owned(), store.to_owned(), after.to_owned(), until.map(str::to_owned));
        self.database
            .read(move |connection| {
                let sql = "SELECT key FROM pending WHERE bucket = ?1 AND store = ?2 AND key > ?3 AND (?4 IS NULL OR key <= ?4)";
                let mut find = connection.prepare_cached(sql)?;
                let rows = find.query_map(params![bucket, store, after, until], |row| row.get(0))?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Copies of a window whose tags are others than those of their originals.
    pub(crate) async fn tags(
        &self,
        bucket: &str,
        store: &str,
        after: &str,
        until: Option<&str>,
    ) -> Result<CopyTags, DatabaseError> {
        let (bucket, store, after, until) =
            (bucket.to_owned(), store.to_owned(), after.to_owned(), until.map(str::to_owned));
        self.database
            .read(move |connection| {
                let sql = "SELECT key, copy, original FROM tags WHERE bucket = ?1 AND store = ?2 AND key > ?3 AND (?4 IS NULL OR key <= ?4)";
                let mut find = connection.prepare_cached(sql)?;
                let rows = find.query_map(params![bucket, store, after, until], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Notes keys that a copy was seen to lack.
    pub(crate) async fn lacks(&self, bucket: &str, store: &str, keys: Vec<String>) -> Result<(), DatabaseError> {
        if keys.is_empty() {
            return Ok(());
        }
        let (bucket, store) = (bucket.to_owned(), store.to_owned());
        self.database
            .write(move |connection| {
                for key in &keys {
                    let known: Option<KnownObject> = objects::find(connection, &bucket, key)?;
                    // A key that never was at the master is deleted as the newest change is.
                    let head = "SELECT coalesce((SELECT seq FROM heads WHERE bucket = ?1), 0)";
                    let seq = match known {
                        Some(known) => known.seq,
                        None => connection.prepare_cached(head)?.query_row([&bucket], |row| row.get(0))?,
                    };
                    lack(connection, &bucket, &store, key, seq)?;
                }
                Ok(())
            })
            .await
    }

    /// Notes a key that is as it is at the master. `stores` are all copies of the bucket: where the version is news, the
    /// others lack it. Whether it is.
    pub(crate) async fn copied(&self, copied: CopiedKey, stores: Vec<String>, now: i64) -> Result<bool, DatabaseError> {
        self.database
            .write(move |connection| {
                let CopiedKey { bucket, store, due, version } = &copied;
                let (mut seq, mut is_news) = (due.seq, false);
                match version {
                    Some((seen, tag)) => {
                        let finding = MasterFinding::Changed(seen.clone());
                        if let Some(noted) = objects::note(connection, bucket, &stores, &finding, now)? {
                            (seq, is_news) = (noted, true);
                        }
                        let (put, remove) = (
                            "INSERT OR REPLACE INTO tags VALUES (?1, ?2, ?3, ?4, ?5)",
                            "DELETE FROM tags WHERE bucket = ?1 AND store = ?2 AND key = ?3",
                        );
                        if *tag == seen.etag {
                            connection.prepare_cached(remove)?.execute(params![bucket, store, due.key])?;
                        } else {
                            connection.prepare_cached(put)?.execute(params![bucket, store, due.key, tag, seen.etag])?;
                        }
                    }
                    None => {
                        let remove = "DELETE FROM tags WHERE bucket = ?1 AND store = ?2 AND key = ?3";
                        connection.prepare_cached(remove)?.execute(params![bucket, store, due.key])?;
                    }
                }
                // A change that came meanwhile is still lacking.
                let done = "DELETE FROM pending WHERE bucket = ?1 AND store = ?2 AND key = ?3 AND seq <= ?4";
                connection.prepare_cached(done)?.execute(params![bucket, store, due.key, seq])?;
                Ok(is_news)
            })
            .await
    }

    /// Notes a try that did not come off. `counts`: it is the key's own fault.
    pub(crate) async fn tried(
        &self,
        bucket: &str,
        store: &str,
        due: &DueKey,
        why: String,
        counts: bool,
        due_at: i64,
    ) -> Result<(), DatabaseError> {
        let (bucket, store, due) = (bucket.to_owned(), store.to_owned(), due.clone());
        self.database
            .write(move |connection| {
                let sql = "UPDATE pending SET tries = tries + ?5, failed = tries + ?5 >= ?6, why = ?7, due_at = ?8
                    WHERE bucket = ?1 AND store = ?2 AND key = ?3 AND seq = ?4";
                let update = params![bucket, store, due.key, due.seq, u32::from(counts), TRIES, why, due_at];
                connection.prepare_cached(sql)?.execute(update)?;
                Ok(())
            })
            .await
    }

    /// Makes what failed or waits due again, as after a store came back.
    pub(crate) async fn retry(&self, bucket: &str, store: &str) -> Result<(), DatabaseError> {
        let (bucket, store) = (bucket.to_owned(), store.to_owned());
        self.database
            .write(move |connection| {
                let sql = "UPDATE pending SET tries = 0, failed = 0, due_at = 0 WHERE bucket = ?1 AND store = ?2";
                connection.prepare_cached(sql)?.execute([&bucket, &store])?;
                Ok(())
            })
            .await
    }
}
