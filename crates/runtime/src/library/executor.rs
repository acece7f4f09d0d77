//! The library's own Tokio runtime: two copies of Tokio do not share one.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};
use tokio::task::AbortHandle;

use super::answer;
use super::guard::{End, Guarded};

static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);
static HANDLE: OnceLock<Handle> = OnceLock::new();
/// The callers to be answered, by request. Whoever takes an entry out answers, or sees to it that nobody does.
static CALLS: Mutex<Option<HashMap<u64, (End, AbortHandle)>>> = Mutex::new(None);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Builds the runtime. Synchronous functions need it as well: a client they hold may.
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

/// Runs a call to its end on the runtime.
pub(super) fn spawn(request: u64, future: Guarded, end: End) {
    let Some(handle) = HANDLE.get() else {
        return end.with(answer::failed("the library is not open"));
    };
    // The lock is held over the spawn: a task that ends at once finds its entry.
    let mut guard = lock(&CALLS);
    let calls = guard.get_or_insert_default();
    if calls.contains_key(&request) {
        drop(guard);
        return end.with(answer::failed(format!("request {request} is running already")));
    }
    let task = handle.spawn(async move {
        let answer = future.await;
        if let Some((end, _)) = take(request) {
            end.with(answer);
        }
    });
    calls.insert(request, (end, task.abort_handle()));
}

/// Gives a call up; nobody is answered.
pub(super) fn cancel(request: u64) -> bool {
    let taken = take(request);
    if let Some((_, task)) = &taken {
        task.abort();
    }
    taken.is_some()
}

/// Ends the runtime's threads. A call that still runs is answered, lest its caller wait for ever.
pub(super) fn retire() {
    if let Some(runtime) = lock(&RUNTIME).take() {
        runtime.shutdown_background();
    }
    let left = lock(&CALLS).take();
    for (end, _) in left.into_iter().flat_map(HashMap::into_values) {
        end.with(answer::failed("the version it ran on was retired"));
    }
}

fn take(request: u64) -> Option<(End, AbortHandle)> {
    lock(&CALLS).as_mut()?.remove(&request)
}
