//! What is pushed, where to, and how.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use app::App;

use super::PushError;
use crate::cluster::{ClusterTarget, Holder};
use crate::history::PushedSource;
use crate::model::hash;
use crate::project::Project;
use crate::settings::AppSettings;

#[derive(Clone, Debug)]
pub struct PushOptions {
    pub app: App,
    /// What it was read from.
    pub source: PushedSource,
    /// How it is to run.
    pub settings: AppSettings,
    /// The root file as the user names it.
    pub root: PathBuf,
    pub target: ClusterTarget,
    /// The registry, where the user names one.
    pub registry: Option<String>,
    /// What is used on this machine.
    pub place: LocalPlace,
    /// The program that runs a service: `dyn` itself.
    pub host: PathBuf,
    pub project: Project,
    pub holder: Holder,
    /// Rust names of services that are pushed; empty: all.
    pub services: BTreeSet<String>,
    /// Neighbours that would not understand a named service come along.
    pub with_dependents: bool,
    /// Fields that others set are taken over.
    pub force: bool,
    /// Services that are no more part of the app are removed.
    pub remove: bool,
    /// How long the roll of a service may take.
    pub deadline: Duration,
    /// Whether the namespace is about to join a fleet: what makes it a node is brought after the plan.
    pub joins: bool,
}

/// The roll of a service may take this long.
const DEADLINE: Duration = Duration::from_secs(120);

impl PushOptions {
    /// A push or rollback of the app in a file with every choice at its default. `host` is `dyn` itself.
    pub fn new(
        file: &Path,
        (app, source, settings): (App, PushedSource, AppSettings),
        target: ClusterTarget,
        place: LocalPlace,
        host: PathBuf,
    ) -> Self {
        Self {
            app,
            source,
            project: Project::of(file, settings.name.clone()),
            settings,
            root: file.to_owned(),
            target,
            registry: None,
            place,
            host,
            holder: holder(),
            services: BTreeSet::new(),
            with_dependents: false,
            force: false,
            remove: false,
            deadline: DEADLINE,
            joins: false,
        }
    }

    /// What the app is called on a cluster.
    pub fn name(&self) -> &str {
        self.settings.name_of(&self.app)
    }

    /// What objects of the app's project carry; nothing where it was never pushed.
    pub(crate) fn project(&self) -> Result<Vec<String>, PushError> {
        self.project.labels().map_err(|error| self.unreadable("read", &error))
    }

    /// The same, for a project that is pushed.
    pub(crate) fn make_project(&self) -> Result<Vec<String>, PushError> {
        self.project.make().map_err(|error| self.unreadable("write", &error))
    }

    fn unreadable(&self, doing: &'static str, error: &std::io::Error) -> PushError {
        PushError::Id { doing, file: self.project.file().to_owned(), why: error.to_string() }
    }
}

/// What is used on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalPlace {
    /// What tells this app from others of its name here.
    pub key: String,
    /// The file that remembers clusters.
    pub pins: PathBuf,
    /// Where libraries are built and kept.
    pub build: PathBuf,
    /// Where layers are kept.
    pub images: PathBuf,
}

/// This process, on this machine, of this user.
pub fn holder() -> Holder {
    let said = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = said("USER").or_else(|| said("LOGNAME"));
    let user = user.unwrap_or_else(|| format!("user {}", rustix::process::getuid().as_raw()));
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Holder { user, machine, place: place(), process: std::process::id() }
}

/// When the machine was started, and which process numbers are seen. Where that is not to be read, a place of this
/// process's own: a lease it left is waited for, and no other's is taken.
fn place() -> String {
    let started = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let numbers = std::fs::read_link("/proc/self/ns/pid");
    match (started, numbers) {
        (Ok(started), Ok(numbers)) => hash(&[started.trim(), &numbers.to_string_lossy()])[..8].to_owned(),
        _ => format!("process {}", std::process::id()),
    }
}
