//! The tasks: what looks, what compares, what copies.

pub(crate) mod audit;
pub(crate) mod copying;
pub(crate) mod health;
pub(crate) mod identity;
pub(crate) mod look;
mod moving;
mod removal;
pub(crate) mod verify;
mod windows;

use std::sync::Arc;

use data::catalog::BucketRecord;
use data::settings::BucketSettings;
use data::{CatalogChange, DataCatalog};
use storage::{ObjectStore, StorageError};
use store::DatabaseError;

use crate::core::{Core, StoreHandle};

/// Why work stops for now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stopped {
    #[error(transparent)]
    Store(#[from] StorageError),
    #[error(transparent)]
    Ledger(#[from] DatabaseError),
    /// The bucket is held, paused or gone, or a store of it is away.
    #[error("{0}")]
    Wait(String),
}

/// A bucket that work goes on with.
pub(crate) struct Job {
    pub(crate) name: String,
    pub(crate) settings: BucketSettings,
    pub(crate) record: BucketRecord,
    pub(crate) master: StoreHandle,
    pub(crate) source: ObjectStore,
}

impl Job {
    /// A bucket whose master answers, and that nothing holds or pauses.
    pub(crate) fn of(core: &Core, bucket: &str) -> Result<Self, Stopped> {
        let job = Self::for_writing(core, bucket)?;
        if job.record.is_paused {
            return Err(Stopped::Wait("the bucket is paused".to_owned()));
        }
        Ok(job)
    }

    /// A bucket whose master answers, and that nothing holds.
    pub(crate) fn for_writing(core: &Core, bucket: &str) -> Result<Self, Stopped> {
        let catalog = core.catalog();
        let wait = |why: &str| Stopped::Wait(why.to_owned());
        let settings = catalog.settings.buckets.get(bucket).ok_or_else(|| wait("there is no such bucket"))?.clone();
        let record = catalog.buckets.get(bucket).ok_or_else(|| wait("there is no such bucket"))?.clone();
        if record.hold.is_some() {
            return Err(wait("the bucket is held"));
        }
        if let Some(why) = catalog.settings.server_is_outside(&settings) {
            return Err(Stopped::Wait(why));
        }
        if !is_up(&catalog, &settings.master) {
            return Err(Stopped::Wait(format!(
                "the master of {bucket} does not answer: the store {}",
                settings.master
            )));
        }
        let master = core.store(&settings.master).ok_or_else(|| wait("the master is not there"))?;
        let source = master.get()?;
        Ok(Self { name: bucket.to_owned(), settings, record, master, source })
    }

    /// Its name at the master.
    pub(crate) fn at_master(&self) -> &str {
        self.settings.name_at(&self.settings.master, &self.name)
    }

    /// Stores whose copies are to have every change.
    pub(crate) fn copies(&self) -> Vec<String> {
        let stay = self.record.replicas.iter().filter(|(_, replica)| !replica.is_leaving);
        stay.map(|(store, _)| store.clone()).collect()
    }
}

pub(crate) fn is_up(catalog: &DataCatalog, store: &str) -> bool {
    catalog.stores.get(store).is_some_and(|store| store.is_up == Some(true))
}

/// Notes what is wrong with a copy, or that nothing is.
pub(crate) async fn trouble(
    core: &Arc<Core>,
    bucket: &str,
    store: &str,
    trouble: Option<String>,
) -> Result<(), DatabaseError> {
    let (bucket, store) = (bucket.to_owned(), store.to_owned());
    core.change(CatalogChange::Troubled { bucket, store, trouble }).await.map(drop)
}

/// Says on the log what no one waits for.
pub(crate) fn complain(what: &str, why: &dyn std::fmt::Display) {
    eprintln!("dyninka: {what}: {why}");
}
