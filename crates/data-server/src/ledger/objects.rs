//! The last version of every object, as it was seen at the master.

use data::compare::{KnownObject, MasterFinding};
use store::DatabaseError;
use store::rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{Ledger, next_seq, text, value};

/// Deletions are remembered for so long: a week.
const REMEMBERED: i64 = 7 * 86_400_000;

const COLUMNS: &str = "key, seq, tag, size, gone, before";

fn read(row: &Row<'_>) -> Result<(KnownObject, String), store::rusqlite::Error> {
    let known = KnownObject {
        key: row.get(0)?,
        seq: row.get(1)?,
        etag: row.get(2)?,
        size: row.get(3)?,
        is_gone: row.get(4)?,
        before: Vec::new(),
    };
    Ok((known, row.get(5)?))
}

fn whole((known, before): (KnownObject, String)) -> Result<KnownObject, DatabaseError> {
    Ok(KnownObject { before: value(&before)?, ..known })
}

pub(super) fn find(connection: &Connection, bucket: &str, key: &str) -> Result<Option<KnownObject>, DatabaseError> {
    let sql = format!("SELECT {COLUMNS} FROM objects WHERE bucket = ?1 AND key = ?2");
    connection.prepare_cached(&sql)?.query_row([bucket, key], read).optional()?.map(whole).transpose()
}

fn put(connection: &Connection, bucket: &str, known: &KnownObject, now: i64) -> Result<(), DatabaseError> {
    let sql = "INSERT OR REPLACE INTO objects VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let KnownObject { key, seq, etag, size, is_gone, before } = known;
    let gone_at = is_gone.then_some(now);
    connection.prepare_cached(sql)?.execute(params![bucket, key, seq, etag, size, is_gone, gone_at, text(before)?])?;
    Ok(())
}

/// Notes another version, or that there is none any more. Every copy lacks it from here on. The number of the change; none
/// where it is none.
pub(super) fn note(
    connection: &Connection,
    bucket: &str,
    stores: &[String],
    finding: &MasterFinding,
    now: i64,
) -> Result<Option<u64>, DatabaseError> {
    let (key, seen) = match finding {
        MasterFinding::Changed(seen) => (&seen.key, Some(seen)),
        MasterFinding::Gone(key) => (key, None),
    };
    let old = find(connection, bucket, key)?;
    let is_same = match (&old, seen) {
        (Some(old), Some(seen)) => !old.is_gone && old.etag == seen.etag && old.size == seen.size,
        (Some(old), None) => old.is_gone,
        (None, Some(_)) => false,
        (None, None) => true,
    };
    if is_same {
        return Ok(None);
    }
    let seq = next_seq(connection, bucket)?;
    let blank =
        || KnownObject { key: key.clone(), seq, etag: String::new(), size: 0, is_gone: true, before: Vec::new() };
    let old = old.unwrap_or_else(blank);
    let next = match seen {
        Some(seen) => old.changed(seq, &seen.etag, seen.size),
        None => old.gone(seq),
    };
    put(connection, bucket, &next, now)?;
    for store in stores {
        super::pending::lack(connection, bucket, store, key, seq)?;
    }
    Ok(Some(seq))
}

impl Ledger {
    /// Objects after a key up to another one, both in the order of their bytes.
    pub(crate) async fn known(
        &self,
        bucket: &str,
        after: &str,
        until: Option<&str>,
        most: usize,
    ) -> Result<Vec<KnownObject>, DatabaseError> {
        let (bucket, after, until) = (bucket.to_owned(), after.to_owned(), until.map(str::to_owned));
        self.database
            .read(move |connection| {
                let sql = format!(
                    "SELECT {COLUMNS} FROM objects WHERE bucket = ?1 AND key > ?2 AND (?3 IS NULL OR key <= ?3) ORDER BY key LIMIT ?4"
                );
                let mut find = connection.prepare_cached(&sql)?;
                let rows = find.query_map(params![bucket, after, until, most], read)?.collect::<Result<Vec<_>, _>>()?;
                rows.into_iter().map(whole).collect()
            })
            .await
    }

    pub(crate) async fn object(&self, bucket: &str, key: &str) -> Result<Option<KnownObject>, DatabaseError> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.database.read(move |connection| find(connection, &bucket, &key)).await
    }

    /// Objects and bytes of a bucket.
    pub(crate) async fn size(&self, bucket: &str) -> Result<(u64, u64), DatabaseError> {
        let bucket = bucket.to_owned();
        self.database
            .read(move |connection| {
                let sql = "SELECT count(*), coalesce(sum(size), 0) FROM objects WHERE bucket = ?1 AND gone = 0";
                Ok(connection.prepare_cached(sql)?.query_row([&bucket], |row| Ok((row.get(0)?, row.get(1)?)))?)
            })
            .await
    }

    /// Notes findings at the master; the number of the last change.
    pub(crate) async fn note(
        &self,
        bucket: &str,
        stores: Vec<String>,
        findings: Vec<MasterFinding>,
        now: i64,
    ) -> Result<Option<u64>, DatabaseError> {
        if findings.is_empty() {
            return Ok(None);
        }
        let bucket = bucket.to_owned();
        self.database
            .write(move |connection| {
                let mut last = None;
                for finding in &findings {
                    last = note(connection, &bucket, &stores, finding, now)?.or(last);
                }
                Ok(last)
            })
            .await
    }

    /// Forgets deletions of long ago that no copy lacks.
    pub(crate) async fn forget_deletions(&self, now: i64) -> Result<(), DatabaseError> {
        self.database
            .write(move |connection| {
                let sql = "DELETE FROM objects WHERE gone = 1 AND gone_at < ?1 AND NOT EXISTS (
                    SELECT 1 FROM pending WHERE pending.bucket = objects.bucket AND pending.key = objects.key)";
                connection.prepare_cached(sql)?.execute([now - REMEMBERED])?;
                Ok(())
            })
            .await
    }
}
