//! What every request and every task of the server shares.

mod handle;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use data::planning::{ConfigPlan, plan};
use data::{CatalogChange, CatalogEvent, DataCatalog, DataSettings};
use parking_lot::{Mutex, RwLock};
use store::DatabaseError;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use crate::clock;
use crate::door::EndpointFigures;
use crate::ledger::Ledger;
use crate::secret::ServerToken;
use crate::work;
pub(crate) use handle::StoreHandle;

pub(crate) struct Core {
    pub(crate) ledger: Ledger,
    pub(crate) token: ServerToken,
    pub(crate) figures: EndpointFigures,
    catalog: RwLock<Arc<DataCatalog>>,
    changing: tokio::sync::Mutex<()>,
    stores: RwLock<BTreeMap<String, StoreHandle>>,
    pulses: Mutex<BTreeMap<String, Arc<Pulse>>>,
    tasks: Mutex<BTreeMap<Task, AbortHandle>>,
    /// Counts changes of the catalog.
    news: watch::Sender<u64>,
}

/// What goes on around a bucket.
#[derive(Default)]
pub(crate) struct Pulse {
    /// Held for writing while a bucket's master moves, and by each write for reading.
    pub(crate) gate: tokio::sync::RwLock<()>,
    dirty: Mutex<BTreeSet<String>>,
    /// Keys are dirty.
    pub(crate) hints: Notify,
    is_audit_wanted: AtomicBool,
    pub(crate) audit: Notify,
    /// Comparisons that have begun.
    begun: AtomicU64,
    /// The number of the comparison that ended last, by when it began.
    pub(crate) audits: watch::Sender<u64>,
    /// Counts notes of what copies lack.
    pub(crate) work: watch::Sender<u64>,
}

/// A task of the server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    Store(String),
    Look(String),
    Audit(String),
    Copy(String, String),
}

/// Why settings are not taken.
pub(crate) enum Unapplied {
    Refused(ConfigPlan),
    /// Somebody else changed them meanwhile.
    Outdated {
        revision: u64,
    },
    Store(DatabaseError),
}

impl Pulse {
    /// How many comparisons have begun.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    /// Begins a comparison; its number.
    pub(crate) fn begin(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Marks keys to look at.
    pub(crate) fn hint(&self, keys: impl IntoIterator<Item = String>) {
        self.dirty.lock().extend(keys);
        self.hints.notify_one();
    }

    pub(crate) fn take_hints(&self) -> Vec<String> {
        std::mem::take(&mut *self.dirty.lock()).into_iter().collect()
    }

    pub(crate) fn want_audit(&self) {
        self.is_audit_wanted.store(true, Ordering::Release);
        self.audit.notify_one();
    }

    pub(crate) fn take_audit(&self) -> bool {
        self.is_audit_wanted.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn work(&self) {
        self.work.send_modify(|count| *count += 1);
    }
}

impl Core {
    pub(crate) async fn open(ledger: Ledger, token: ServerToken) -> Result<Self, DatabaseError> {
        let mut catalog = ledger.catalog().await?;
        // Nothing is known of a store before it was asked.
        catalog.stores.values_mut().for_each(|store| store.is_up = None);
        Ok(Self {
            ledger,
            token,
            figures: EndpointFigures::default(),
            catalog: RwLock::new(Arc::new(catalog)),
            changing: tokio::sync::Mutex::new(()),
            stores: RwLock::default(),
            pulses: Mutex::default(),
            tasks: Mutex::default(),
            news: watch::Sender::new(0),
        })
    }

    pub(crate) fn catalog(&self) -> Arc<DataCatalog> {
        self.catalog.read().clone()
    }

    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    pub(crate) fn pulse(&self, bucket: &str) -> Arc<Pulse> {
        self.pulses.lock().entry(bucket.to_owned()).or_default().clone()
    }

    pub(crate) fn store(&self, name: &str) -> Option<StoreHandle> {
        self.stores.read().get(name).cloned()
    }

    /// Opens a store anew where a secret of it has changed. Whether it has.
    pub(crate) fn reopen(&self, name: &str) -> bool {
        let Some(old) = self.store(name) else { return false };
        let Some(new) = old.reopened() else { return false };
        self.stores.write().insert(name.to_owned(), new);
        true
    }

    /// Makes one change of the catalog, keeps it, and starts and ends tasks as it says.
    pub(crate) async fn change(self: &Arc<Self>, change: CatalogChange) -> Result<Vec<CatalogEvent>, DatabaseError> {
        let changing = self.changing.lock().await;
        let events = self.make(change).await?;
        drop(changing);
        Ok(events)
    }

    async fn make(self: &Arc<Self>, change: CatalogChange) -> Result<Vec<CatalogEvent>, DatabaseError> {
        let now = self.catalog();
        let mut next = (*now).clone();
        let events = next.update(change);
        if next == *now && events.is_empty() {
            return Ok(events);
        }
        self.ledger.keep(&next, &events, clock::now()).await?;
        *self.catalog.write() = Arc::new(next);
        self.supervise();
        self.news.send_modify(|count| *count += 1);
        Ok(events)
    }

    /// Takes new settings, where they were planned for the revision there is.
    pub(crate) async fn apply(
        self: &Arc<Self>,
        settings: DataSettings,
        move_master: bool,
        revision: Option<u64>,
    ) -> Result<ConfigPlan, Unapplied> {
        let _changing = self.changing.lock().await;
        let now = self.catalog();
        if let Some(revision) = revision.filter(|revision| *revision != now.revision) {
            return Err(Unapplied::Outdated { revision });
        }
        let plan = plan(&now, &settings, move_master);
        if !plan.refused.is_empty() {
            return Err(Unapplied::Refused(plan));
        }
        self.make(CatalogChange::Configured { settings, move_master }).await.map_err(Unapplied::Store)?;
        for bucket in self.catalog().settings.buckets.keys() {
            self.pulse(bucket).want_audit();
        }
        Ok(plan)
    }

    /// Opens stores, and starts and ends tasks, as the catalog says.
    pub(crate) fn supervise(self: &Arc<Self>) {
        let catalog = self.catalog();
        let mut changed = BTreeSet::new();
        {
            let mut stores = self.stores.write();
            stores.retain(|name, _| catalog.settings.stores.contains_key(name));
            for (name, settings) in &catalog.settings.stores {
                if stores.get(name).is_none_or(|handle| handle.settings != *settings) {
                    stores.insert(name.clone(), StoreHandle::open(settings.clone()));
                    changed.insert(name.clone());
                }
            }
        }
        let mut wanted = BTreeSet::new();
        wanted.extend(catalog.settings.stores.keys().cloned().map(Task::Store));
        for (bucket, record) in &catalog.buckets {
            wanted.insert(Task::Look(bucket.clone()));
            wanted.insert(Task::Audit(bucket.clone()));
            wanted.extend(record.replicas.keys().map(|store| Task::Copy(bucket.clone(), store.clone())));
        }
        let mut tasks = self.tasks.lock();
        tasks.retain(|task, handle| {
            let is_wanted = wanted.contains(task) && !matches!(task, Task::Store(name) if changed.contains(name));
            if !is_wanted {
                handle.abort();
            }
            is_wanted
        });
        for task in wanted {
            tasks.entry(task.clone()).or_insert_with(|| {
                let core = self.clone();
                let running = match task {
                    Task::Store(name) => tokio::spawn(work::health::watch(core, name)),
                    Task::Look(bucket) => tokio::spawn(work::look::follow(core, bucket)),
                    Task::Audit(bucket) => tokio::spawn(work::audit::follow(core, bucket)),
                    Task::Copy(bucket, store) => tokio::spawn(work::copying::follow(core, bucket, store)),
                };
                running.abort_handle()
            });
        }
    }

    /// Ends all tasks.
    pub(crate) fn end(&self) {
        for handle in std::mem::take(&mut *self.tasks.lock()).values() {
            handle.abort();
        }
    }
}
