//! A new version in the place of the old: checked first, state taken over, switched to in one step. Whatever fails
//! before the switch leaves the old version serving.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dyninka::border::{CallOutcome, Description, Kind};
use serde::Serialize;
use tokio::time::Instant as Deadline;

use crate::answer::GRACE;
use crate::body_call;
use crate::control::{self, ConfigError};
use crate::library::{LoadError, Loaded, copy, words};
use crate::program::Program;
use crate::shared::{Settings, Shared};
use crate::threads::{self, Thread};
use crate::voice;

#[derive(Debug, Serialize)]
pub(crate) struct Takeover {
    pub(crate) version: String,
    pub(crate) previous: Option<String>,
    /// What became of each placed value.
    pub(crate) states: BTreeMap<String, Fate>,
    /// How many threads the version before began that still run.
    pub(crate) threads: usize,
    pub(crate) ms: f64,
}

/// What became of a placed value.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "how", rename_all = "lowercase")]
pub(crate) enum Fate {
    /// The very value, in place.
    Kept,
    /// Through JSON: its type reads what the old one wrote. Why it was not kept in place.
    Carried { why: String },
    /// Its initial value, because the old one could not be carried.
    Reset { why: String },
    /// It was not there before.
    New,
}

/// A library loads within milliseconds; one that runs code of its own at that moment is given this long.
const LOADING: Duration = Duration::from_secs(5);

/// All values are written as JSON and read again within this, less than a session waits for a takeover. A hundred
/// megabytes take two seconds, ten on a machine with much else to do.
const CARRYING: Duration = Duration::from_secs(25);

/// A version that is not taken over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeoverError {
    #[error("{0} is no file name of a library")]
    Name(String),
    #[error("{0}")]
    Load(#[from] LoadError),
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error("it did not load within {} s", LOADING.as_secs())]
    Endless,
    #[error("the thread that loaded the library ended: {0}")]
    Thread(tokio::task::JoinError),
}

/// Takes a library over: a file name in the host's folder.
pub(crate) async fn take_over(shared: &Arc<Shared>, file: &str) -> Result<Takeover, TakeoverError> {
    let begun = Instant::now();
    // Only names of this folder: a control call is no way to load what lies elsewhere.
    if Path::new(file).file_name().is_none_or(|name| name != file) || !file.ends_with(".so") {
        return Err(TakeoverError::Name(file.to_owned()));
    }
    let _one_at_a_time = shared.takeover.lock().await;
    let old = shared.program.load_full();
    if let Some(old) = old.as_ref().filter(|old| old.file == file) {
        let version = old.description.version.clone();
        let (previous, states) = (Some(version.clone()), BTreeMap::new());
        return Ok(Takeover { previous, version, states, threads: 0, ms: millis(begun) });
    }
    let path = shared.folder.join(file);
    // Whatever runs before the new library is loaded is of the version before, or of an earlier one.
    let threads = shared.retired.began_by_others(threads::of_libraries());
    let (service, table) = (shared.settings.load().config.service.clone(), body_call::table(shared));
    let loading = tokio::task::spawn_blocking({
        let service = service.clone();
        let name = shared.name;
        // Threads that it begins are the service's.
        move || voice::of(name, || Loaded::load(&copy::of_its_own(&path)?, &service, table))
    });
    let loading = tokio::time::timeout(LOADING, loading).await.map_err(|_| TakeoverError::Endless)?;
    let (library, description) = loading.map_err(TakeoverError::Thread)??;
    let version = description.version.clone();
    // What the new code takes may come by another route: both hold from the same moment on.
    let settings = control::read(&shared.folder)?;
    let states = switch(shared, old.clone(), library, description, file, settings).await;
    shared.metrics.swapped();
    let previous = old.as_ref().map(|old| old.description.version.clone());
    let mut running = 0;
    match old {
        Some(old) => {
            running = left_behind(&old, threads).await;
            let (shared, file) = (shared.clone(), shared.folder.join(&old.file));
            tokio::spawn(async move {
                old.clone().retire().await;
                shared.retired.add(old).await;
                crate::pages::release(&file);
            });
        }
        // The first: from now on it waits for requests.
        None => drop(tokio::task::spawn_blocking(crate::pages::release_start)),
    }
    Ok(Takeover { version, previous, states, threads: running, ms: millis(begun) })
}

/// Threads of a version that go on though it was replaced. Those of calls that are about to end are waited for.
async fn left_behind(old: &Program, threads: BTreeSet<Thread>) -> usize {
    const MOMENT: Duration = Duration::from_millis(50);
    old.began(threads);
    let running = || threads::that_run(&old.threads()).1;
    if running() == 0 || tokio::time::timeout(MOMENT, old.idle()).await.is_ok() {
        return running();
    }
    running()
}

fn millis(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3
}

async fn switch(
    shared: &Shared,
    old: Option<Arc<Program>>,
    library: Loaded,
    description: Description,
    file: &str,
    settings: Settings,
) -> BTreeMap<String, Fate> {
    let mut states = BTreeMap::new();
    let mut to_carry = Vec::new();
    for state in &description.states {
        let before = old.as_ref().and_then(|old| {
            old.description.states.iter().find(|before| before.name == state.name).map(|before| (old, before))
        });
        let Some((old, before)) = before else {
            states.insert(state.name.clone(), Fate::New);
            continue;
        };
        let unlike = state.unlike(before);
        // SAFETY: it is not unlike.
        if unlike.is_none() && unsafe { library.adopt_from(old.library, &state.name) } {
            states.insert(state.name.clone(), Fate::Kept);
        } else {
            to_carry.push((old.clone(), state.name.clone(), unlike));
        }
    }
    let program = Program::new(library, description, file.to_owned());
    if to_carry.is_empty() {
        shared.settings.store(Arc::new(settings));
        shared.program.store(Some(program));
        return states;
    }
    // No call begins while values are between two versions, and those that run are waited for: none of their
    // changes is lost.
    let gate = shared.gate.write().await;
    let deadline = Deadline::now() + CARRYING;
    for (old, name, unlike) in to_carry {
        let fate = hand_over(&old, library, &name, unlike, deadline).await;
        states.insert(name, fate);
    }
    shared.settings.store(Arc::new(settings));
    shared.program.store(Some(program));
    drop(gate);
    states
}

/// Hands a value over while no new call begins.
async fn hand_over(old: &Program, new: Loaded, name: &str, unlike: Option<String>, deadline: Deadline) -> Fate {
    let late = tokio::time::timeout(GRACE, old.idle()).await.is_err();
    // SAFETY: it is not unlike.
    if unlike.is_none() && unsafe { new.adopt_from(old.library, name) } {
        return Fate::Kept;
    }
    let why = unlike.unwrap_or_else(|| "a call holds it".to_owned());
    let version = &old.description.version;
    if late && old.library.is_held(name) {
        let seconds = GRACE.as_secs();
        return Fate::Reset { why: format!("a call of {version} that did not end within {seconds} s still holds it") };
    }
    if late {
        eprintln!("dyninka: a call still runs on {version}: what it changes in {name} from now on is lost");
    }
    carry(old.library, new, name, why, deadline).await
}

async fn carry(old: Loaded, new: Loaded, name: &str, why: String, deadline: Deadline) -> Fate {
    let from = name.to_owned();
    let read = match in_time(deadline, move || old.state(&from)).await {
        Ok(read) => read,
        Err(why) => return Fate::Reset { why: format!("it was not written: {why}") },
    };
    match read.kind {
        Kind::Value => {
            let to = name.to_owned();
            match in_time(deadline, move || new.restore(&to, &read.body)).await {
                Ok(written) if written.kind == Kind::Value => Fate::Carried { why },
                Ok(written) => Fate::Reset { why: words(&written.body) },
                Err(why) => Fate::Reset { why: format!("it was not read: {why}") },
            }
        }
        Kind::Filtered => {
            Fate::Reset { why: format!("{why}, and its type does not implement Serialize and Deserialize") }
        }
        _ => Fate::Reset { why: words(&read.body) },
    }
}

/// Runs code of the user's where it may take for ever, and waits for it no longer than to the deadline.
async fn in_time(
    deadline: Deadline,
    work: impl FnOnce() -> CallOutcome + Send + 'static,
) -> Result<CallOutcome, String> {
    match tokio::time::timeout_at(deadline, tokio::task::spawn_blocking(work)).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err(format!("its code did not end within {} s", CARRYING.as_secs())),
    }
}
