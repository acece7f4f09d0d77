//! What is known of a bucket whose master is another store from now on.

use store::DatabaseError;
use store::rusqlite::Connection;

/// Turns what is known of the old master into what is known of the new one.
pub(super) fn moved(connection: &Connection, bucket: &str, to: &str) -> Result<(), DatabaseError> {
    // What the new master lacks is not known of it: the next listing says. Elsewhere it is somebody else's, and is kept.
    let lacking =
        "DELETE FROM objects WHERE bucket = ?1 AND key IN (SELECT key FROM pending WHERE bucket = ?1 AND store = ?2)";
    connection.execute(lacking, [bucket, to])?;
    // Its copies have the tags of its own store.
    let tags = "UPDATE objects SET
            before = json_insert(json_remove(before, '$[2]'), '$[#]', tag),
            tag = (SELECT copy FROM tags WHERE tags.bucket = ?1 AND tags.store = ?2 AND tags.key = objects.key)
        WHERE bucket = ?1 AND gone = 0
            AND EXISTS (SELECT 1 FROM tags WHERE tags.bucket = ?1 AND tags.store = ?2 AND tags.key = objects.key AND tags.original = objects.tag)";
    connection.execute(tags, [bucket, to])?;
    for table in ["pending", "tags", "uploads"] {
        connection.execute(&format!("DELETE FROM {table} WHERE bucket = ?1 AND store = ?2"), [bucket, to])?;
    }
    Ok(())
}
