//! Threads that libraries began: those of this process that are not the host's own. A version that is replaced may
//! leave some behind, which go on beside the new one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

use parking_lot::Mutex;
use tokio::runtime::Builder;

/// A thread of this process. The system gives a number again some day, but not at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Thread {
    number: i32,
    /// Clock ticks after the machine's start.
    started: u64,
}

/// The name of threads of a library's own runtime, which end when it is retired.
const RUNTIME: &str = "dyninka-app";

/// The host's own threads; none where nobody notes them.
static OWN: Mutex<Option<BTreeSet<i32>>> = Mutex::new(None);

fn own<T>(work: impl FnOnce(&mut Option<BTreeSet<i32>>) -> T) -> T {
    work(&mut OWN.lock())
}

fn this() -> i32 {
    rustix::thread::gettid().as_raw_nonzero().get()
}

/// Notes the threads of the runtime, and this one, as the host's own.
pub(crate) fn note(runtime: &mut Builder) -> &mut Builder {
    own(|own| own.get_or_insert_default().insert(this()));
    runtime
        .on_thread_start(|| {
            own(|own| own.get_or_insert_default().insert(this()));
        })
        .on_thread_stop(|| {
            own(|own| own.get_or_insert_default().remove(&this()));
        })
}

/// The threads that libraries began and that run, each with its name. None where the host's own are not noted, or the
/// system does not tell.
pub(crate) fn of_libraries() -> BTreeMap<Thread, String> {
    if own(|own| own.is_none()) {
        return BTreeMap::new();
    }
    match list() {
        // Threads of the host's that began meanwhile are noted by now.
        Ok(all) => all
            .into_iter()
            .filter(|(thread, _)| !own(|own| own.as_ref().is_some_and(|own| own.contains(&thread.number))))
            .collect(),
        Err(error) => {
            eprintln!("dyninka: threads of earlier versions cannot be told of: {error}");
            BTreeMap::new()
        }
    }
}

/// Those of some threads that still run: all, and without those of a library's own runtime.
pub(crate) fn that_run(threads: &BTreeSet<Thread>) -> (usize, usize) {
    if threads.is_empty() {
        return (0, 0);
    }
    let running = of_libraries();
    let names = || threads.iter().filter_map(|thread| running.get(thread));
    (names().count(), names().filter(|name| *name != RUNTIME).count())
}

fn list() -> io::Result<BTreeMap<Thread, String>> {
    let mut threads = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/task")? {
        let entry = entry?;
        // A thread that ended since has no line.
        if let Ok(line) = fs::read_to_string(entry.path().join("stat"))
            && let Some((thread, name)) = read(&line)
        {
            threads.insert(thread, name);
        }
    }
    Ok(threads)
}

/// Reads proc(5)'s `number (name) state …`, of which the 22nd field is when it began.
fn read(line: &str) -> Option<(Thread, String)> {
    let (number, rest) = line.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let started = rest.split(' ').nth(19)?.parse().ok()?;
    Some((Thread { number: number.parse().ok()?, started }, name.to_owned()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_line_of_the_system_is_read_whatever_the_thread_is_called() {
        let line = "4711 (a) (b 7) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 190 20 21\n";
        assert_eq!(read(line), Some((Thread { number: 4711, started: 190 }, "a) (b 7".to_owned())));
        assert_eq!(read(""), None);
    }

    #[test]
    fn a_thread_that_is_not_the_hosts_own_is_told_of_while_it_runs() {
        // Other tests of this process have runtimes that nobody notes.
        let runtime = note(Builder::new_multi_thread().worker_threads(2).thread_name("noted")).build().unwrap();
        runtime.block_on(async { tokio::task::spawn_blocking(|| ()).await.unwrap() });
        let (go, wait) = mpsc::channel::<()>();
        let before = of_libraries();
        let began = std::thread::Builder::new().name("of a library".to_owned()).spawn(move || wait.recv()).unwrap();
        // Its name is set by the thread itself.
        let found = loop {
            let named = |(thread, name): (Thread, String)| (name == "of a library").then_some(thread);
            if let Some(found) = of_libraries().into_iter().find_map(named) {
                break found;
            }
            std::thread::yield_now();
        };
        assert!(!before.contains_key(&found));
        assert!(of_libraries().values().all(|name| name != "noted"));
        let found = BTreeSet::from([found]);
        assert_eq!(that_run(&found), (1, 1));
        drop(go);
        assert!(began.join().unwrap().is_err());
        // The system may take a moment to forget it.
        while that_run(&found) != (0, 0) {
            std::thread::yield_now();
        }
    }
}
