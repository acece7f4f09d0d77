//! Uploads under way, which a later run goes on with.

use storage::{SavedUpload, UploadBook};
use store::DatabaseError;
use store::rusqlite::{OptionalExtension as _, params};

use super::Ledger;

/// Uploads of one key at one store.
pub(crate) struct Uploads {
    pub(crate) ledger: Ledger,
    pub(crate) bucket: String,
    pub(crate) store: String,
    pub(crate) key: String,
}

impl Uploads {
    async fn look(&self) -> Result<Option<SavedUpload>, DatabaseError> {
        let (bucket, store, key) = (self.bucket.clone(), self.store.clone(), self.key.clone());
        self.ledger
            .database
            .read(move |connection| {
                let sql = "SELECT id, tag, part_size FROM uploads WHERE bucket = ?1 AND store = ?2 AND key = ?3";
                let found = connection.prepare_cached(sql)?.query_row([&bucket, &store, &key], |row| {
                    Ok(SavedUpload { id: row.get(0)?, tag: row.get(1)?, part_size: row.get(2)? })
                });
                Ok(found.optional()?)
            })
            .await
    }

    async fn set(&self, upload: Option<SavedUpload>) -> Result<(), DatabaseError> {
        let (bucket, store, key) = (self.bucket.clone(), self.store.clone(), self.key.clone());
        self.ledger
            .database
            .write(move |connection| {
                match &upload {
                    Some(SavedUpload { id, tag, part_size }) => {
                        let sql = "INSERT OR REPLACE INTO uploads VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
                        connection.prepare_cached(sql)?.execute(params![bucket, store, key, id, tag, part_size])?;
                    }
                    None => {
                        let sql = "DELETE FROM uploads WHERE bucket = ?1 AND store = ?2 AND key = ?3";
                        connection.prepare_cached(sql)?.execute(params![bucket, store, key])?;
                    }
                }
                Ok(())
            })
            .await
    }
}

/// Without a note of it an upload is begun anew: that costs bytes and no object. So what fails here is said and no more.
impl UploadBook for Uploads {
    async fn find(&self) -> Option<SavedUpload> {
        self.look().await.inspect_err(complain).ok().flatten()
    }

    async fn keep(&self, upload: &SavedUpload) {
        drop(self.set(Some(upload.clone())).await.inspect_err(complain));
    }

    async fn forget(&self) {
        drop(self.set(None).await.inspect_err(complain));
    }
}

fn complain(error: &DatabaseError) {
    eprintln!("dyninka: an upload is not noted: {error}");
}
