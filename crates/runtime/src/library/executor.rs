//! The library's own Tokio runtime: two copies of Tokio do not share one.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};
use tokio::task::AbortHandle;

use super::answer;
use super::guard::{End, Guarded};

/// The runtime of one service.
pub(super) struct Executor {
    runtime: Mutex<Option<Runtime>>,
    handle: OnceLock<Handle>,
    /// The callers to be answered, by request. The code that removes an entry answers, or makes sure that none does.
    calls: Mutex<Option<HashMap<u64, (End, AbortHandle)>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Executor {
    pub(super) const fn new() -> Self {
        Self { runtime: Mutex::new(None), handle: OnceLock::new(), calls: Mutex::new(None) }
    }

    /// Builds the runtime. Synchronous functions need it as well: a client they hold may.
    pub(super) fn open(&self) -> io::Result<()> {
        let mut runtime = lock(&self.runtime);
        if runtime.is_none() {
            // One worker: a service's function is small, and a machine runs many services.
            let built =
                Builder::new_multi_thread().worker_threads(1).thread_name("dyninka-app").enable_all().build()?;
            self.handle.get_or_init(|| built.handle().clone());
            *runtime = Some(built);
        }
        Ok(())
    }

    /// Lets synchronous code find the runtime.
    pub(super) fn enter(&self) -> Option<EnterGuard<'_>> {
        self.handle.get().map(Handle::enter)
    }

    /// Runs a call to its end on the runtime.
    pub(super) fn spawn(&'static self, request: u64, future: Guarded, end: End) {
        let Some(handle) = self.handle.get() else {
            return end.with(answer::failed("the library is not open"));
        };
        // The lock is held over the spawn: a task that ends at once finds its entry.
        let mut guard = lock(&self.calls);
        let calls = guard.get_or_insert_default();
        if calls.contains_key(&request) {
            drop(guard);
            return end.with(answer::failed(format!("request {request} is running already")));
        }
        let task = handle.spawn(async move {
            let answer = future.await;
            if let Some((end, _)) = self.take(request) {
                end.with(answer);
            }
        });
        calls.insert(request, (end, task.abort_handle()));
    }

    /// Gives a call up; nobody is answered.
    pub(super) fn cancel(&self, request: u64) -> bool {
        let taken = self.take(request);
        if let Some((_, task)) = &taken {
            task.abort();
        }
        taken.is_some()
    }

    /// Ends the runtime's threads. A call that still runs is answered, lest its caller wait for ever.
    pub(super) fn retire(&self) {
        if let Some(runtime) = lock(&self.runtime).take() {
            runtime.shutdown_background();
        }
        let left = lock(&self.calls).take();
        for (end, _) in left.into_iter().flat_map(HashMap::into_values) {
            end.with(answer::failed("the version it ran on was retired"));
        }
    }

    fn take(&self, request: u64) -> Option<(End, AbortHandle)> {
        lock(&self.calls).as_mut()?.remove(&request)
    }
}
