//! A task of each store: whether it answers, and whether it is still the same.

use std::sync::Arc;
use std::time::Duration;

use data::CatalogChange;
use storage::StorageError;

use super::{Stopped, complain, identity};
use crate::core::Core;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// A store that says nothing for so long does not answer: a way that is cut tells nobody.
const LONGEST: Duration = Duration::from_secs(10);
/// Looks in a row that fail, of a store that answered before.
const FAILED: u32 = 2;

/// Watches a store.
pub(crate) async fn watch(core: Arc<Core>, name: String) {
    let mut failed = 0;
    loop {
        let was_up = core.catalog().stores.get(&name).and_then(|store| store.is_up);
        match look(&core, &name).await {
            Ok(()) => {
                failed = 0;
                if was_up != Some(true) {
                    came_back(&core, &name).await;
                }
            }
            Err(Stopped::Ledger(error)) => complain("the catalog cannot be written", &error),
            Err(error) => {
                failed += 1;
                if was_up != Some(true) || failed >= FAILED {
                    let trouble = Some(error.to_string());
                    let seen = CatalogChange::StoreSeen { store: name.clone(), is_up: false, trouble };
                    if let Err(error) = core.change(seen).await {
                        complain("the catalog cannot be written", &error);
                    }
                }
                // Secrets may have been changed.
                core.reopen(&name);
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn look(core: &Arc<Core>, name: &str) -> Result<(), Stopped> {
    let handle = core.store(name).ok_or_else(|| Stopped::Wait("it is not there".to_owned()))?;
    let silent = |_| StorageError::Away(format!("no answer within {} s", LONGEST.as_secs()));
    tokio::time::timeout(LONGEST, handle.get()?.answers()).await.map_err(silent)??;
    identity::check(core, name).await?;
    core.change(CatalogChange::StoreSeen { store: name.to_owned(), is_up: true, trouble: None }).await?;
    let catalog = core.catalog();
    let holds = |bucket: &str| {
        let is_copy = catalog.buckets.get(bucket).is_some_and(|record| record.replicas.contains_key(name));
        is_copy || catalog.master(bucket) == Some(name)
    };
    let bytes = catalog.buckets.iter().filter(|(bucket, _)| holds(bucket)).map(|(_, record)| record.bytes).sum();
    core.change(CatalogChange::StoreUsed { store: name.to_owned(), bytes }).await?;
    Ok(())
}

/// What waited for a store goes on, and its buckets are compared.
async fn came_back(core: &Arc<Core>, name: &str) {
    let catalog = core.catalog();
    for (bucket, record) in &catalog.buckets {
        if record.replicas.contains_key(name) {
            if let Err(error) = core.ledger.retry(bucket, name).await {
                complain("the catalog cannot be written", &error);
            }
        } else if catalog.master(bucket) != Some(name) {
            continue;
        }
        let pulse = core.pulse(bucket);
        pulse.want_audit();
        pulse.work();
    }
}
