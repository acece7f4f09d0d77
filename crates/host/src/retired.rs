//! Versions that serve no more: what they hold of placed values is given back once nothing of them can reach it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::program::Program;
use crate::threads::{self, Thread};

/// The threads of a library's own runtime end within this after it was retired; where they do not, they count as others.
const ENDING: Duration = Duration::from_secs(1);

/// Versions that serve no more and still hold values.
#[derive(Default)]
pub(crate) struct Retired(Mutex<Vec<Arc<Program>>>);

impl Retired {
    /// Those of some threads that no retired version began.
    pub(crate) fn began_by_others(&self, threads: BTreeMap<Thread, String>) -> BTreeSet<Thread> {
        let known: BTreeSet<Thread> = self.programs().iter().flat_map(|program| program.threads()).collect();
        threads.into_keys().filter(|thread| !known.contains(thread)).collect()
    }

    /// Takes a version in whose last call has ended, and gives back what can be by now, of earlier ones as well. A
    /// version with threads that run keeps its values: they may be what the threads work on.
    pub(crate) async fn add(&self, program: Arc<Program>) {
        self.programs().push(program.clone());
        let deadline = Instant::now() + ENDING;
        while threads::that_run(&program.threads()).0 > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // What is dropped may take for ever: nobody waits for it with the list in hand.
        let all = self.programs().clone();
        for retired in all {
            if is_released(&retired, Arc::ptr_eq(&retired, &program)).await {
                self.programs().retain(|other| !Arc::ptr_eq(other, &retired));
            }
        }
    }

    fn programs(&self) -> MutexGuard<'_, Vec<Arc<Program>>> {
        self.0.lock()
    }
}

/// Gives a version's values back. Answers whether it holds none any more; why not is told the first time.
async fn is_released(program: &Arc<Program>, is_first: bool) -> bool {
    let version = &program.description.version;
    if threads::that_run(&program.threads()).0 > 0 {
        return false;
    }
    let library = program.library;
    let released = match tokio::task::spawn_blocking(move || library.release()).await {
        Ok(Ok(released)) => released,
        Ok(Err(error)) => {
            eprintln!("dyninka: the values of {version} stay in memory: {error}");
            return true;
        }
        Err(error) => {
            eprintln!("dyninka: the values of {version} stay in memory: {error}");
            return true;
        }
    };
    for (name, words) in &released.panicked {
        eprintln!("dyninka: {name} of {version} panicked as it was dropped: {words}");
    }
    if is_first && !released.used.is_empty() {
        let names = released.used.join(", ");
        eprintln!("dyninka: {names} of {version} stays in memory: something that {version} began still uses it");
    }
    released.used.is_empty()
}
