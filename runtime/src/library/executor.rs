//! The library's own Tokio runtime: two copies of Tokio do not share one.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};
use tokio::task::AbortHandle;

use super::{End, Guarded};

static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);
static HANDLE: std::sync::OnceLock<Handle> = std::sync::OnceLock::new();
/// Who is to be answered, by request. Whoever takes an entry out answers, or sees to it that nobody does.
static CALLS: Mutex<Option<HashMap<u64, (End, Option<AbortHandle>)>>> = Mutex::new(None);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Builds the runtime.
pub(super) fn open() -> io::Result<()> {
    let mut runtime = lock(&RUNTIME);
    if runtime.is_none() {
        // One worker: a service's function is small, and a machine runs many services.
        let built = Builder::new_multi_thread().worker_threads(1).thread_name("dyninka-app").enable_all().build()?;
        HANDLE.get_or_init(|| built.handle().clone());
        *runtime = Some(built);
    }
    Ok(())
}

/// Lets synchronous code find the runtime.
pub(super) fn enter() -> Option<EnterGuard<'static>> {
    HANDLE.get().map(Handle::enter)
}

pub(super) fn spawn(request: u64, future: Guarded, end: End) {
    let Some(handle) = HANDLE.get() else { return end.with(crate::call::park_until(future)) };
    // The lock is held over the spawn: a task that ends at once finds its entry.
    let mut calls = lock(&CALLS);
    let calls = calls.get_or_insert_default();
    let task = handle.spawn(async move {
        let answer = future.await;
        let entry = lock(&CALLS).as_mut().and_then(|calls| calls.remove(&request));
        if let Some((end, _)) = entry {
            end.with(answer);
        }
    });
    calls.insert(request, (end, Some(task.abort_handle())));
}

pub(super) fn cancel(request: u64) -> bool {
    let entry = lock(&CALLS).as_mut().and_then(|calls| calls.remove(&request));
    match entry {
        Some((_, task)) => {
            task.inspect(AbortHandle::abort);
            true
        }
        None => false,
    }
}

pub(super) fn retire() {
    if let Some(runtime) = lock(&RUNTIME).take() {
        runtime.shutdown_background();
    }
}
