//! Crates of types that are compiled while nobody waits for them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, MutexGuard};
use tokio::task::JoinHandle;

use crate::permits::Permits;
use crate::progress::{BuildListener, Progress};
use crate::types::Ahead;

/// What is being compiled. Dropping it ends all of that.
#[derive(Default)]
pub(crate) struct Queue {
    /// By key.
    tasks: Mutex<BTreeMap<String, Task>>,
    /// Keys of what does not compile by itself, or was of no use: not to be tried again.
    refused: Arc<Mutex<BTreeSet<String>>>,
}

struct Task {
    handle: JoinHandle<()>,
    /// Whether rustc was called.
    has_begun: Arc<AtomicBool>,
    /// Who waits for it.
    services: BTreeSet<String>,
}

impl Queue {
    /// Compiles for a service, unless that is under way, and before what was asked for earlier: the service is one that
    /// is edited. What is under way for older types of it alone is ended.
    pub(crate) fn start(&self, service: &str, ahead: Ahead, permits: &Arc<Permits>, listener: &BuildListener) {
        let mut tasks = lock(&self.tasks);
        tasks.retain(|key, task| {
            if *key != ahead.key {
                task.services.remove(service);
            }
            if task.services.is_empty() {
                task.handle.abort();
            }
            !task.handle.is_finished() && !task.services.is_empty()
        });
        let mut services = BTreeSet::from([service.to_owned()]);
        if let Some(task) = tasks.get_mut(&ahead.key) {
            if task.has_begun.load(Ordering::Acquire) {
                task.services.append(&mut services);
                return;
            }
            // It waits behind others: asked for anew, it is the next.
            task.handle.abort();
            services.append(&mut task.services);
        }
        let (permits, listener, refused) = (Arc::clone(permits), Arc::clone(listener), Arc::clone(&self.refused));
        let key = ahead.key.clone();
        let has_begun = Arc::new(AtomicBool::new(false));
        let begins = Arc::clone(&has_begun);
        let work = async move {
            let _seat = permits.take_spare().await;
            begins.store(true, Ordering::Release);
            if let Err(error) = ahead.run().await {
                lock(&refused).insert(ahead.key.clone());
                listener(Progress::Notice(ahead.refusal(&error)));
            }
        };
        let task = Task { handle: tokio::spawn(work), has_begun, services };
        tasks.insert(key, task);
    }

    /// Whether a crate is not to be tried again.
    pub(crate) fn refuses(&self, key: &str) -> bool {
        lock(&self.refused).contains(key)
    }

    pub(crate) fn refuse(&self, key: &str) {
        lock(&self.refused).insert(key.to_owned());
    }

    /// Waits until nothing is being compiled.
    pub(crate) async fn settled(&self) {
        loop {
            let Some((_, task)) = lock(&self.tasks).pop_first() else { return };
            // One that was ended is as good as done.
            drop(task.handle.await);
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        lock(&self.tasks).values().for_each(|task| task.handle.abort());
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock()
}
