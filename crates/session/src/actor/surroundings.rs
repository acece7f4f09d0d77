//! What surrounds an app: `dyn.toml`, the files that it names, and the shell.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use app::{App, Diagnostic, Sources};
use kubernetes::settings::AppSettings;

use crate::environment::{self, Environments, LocalValues};

/// What `dyn.toml` and this machine say of an app.
#[derive(Default)]
pub(super) struct Surroundings {
    pub(super) environments: Environments,
    /// None where `dyn.toml` does not read.
    pub(super) settings: Option<AppSettings>,
    /// Files that they rest on; none where `dyn.toml` does not read.
    pub(super) beside: Option<BTreeSet<PathBuf>>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

pub(super) fn surround(root: &Path, app: &App, sources: &Sources, only: Option<&BTreeSet<String>>) -> Surroundings {
    let settings = match kubernetes::settings_file::load(root, app) {
        Ok(settings) => settings,
        Err(error) => return Surroundings { diagnostics: environment::findings(&error), ..Surroundings::default() },
    };
    let names = app.services.iter().map(|service| service.name.as_str());
    let started = names.filter(|name| only.is_none_or(|only| only.contains(*name))).collect();
    let shell = |name: &str| std::env::var(name);
    let (local, mistakes) = LocalValues::read(root, &settings, &started, &shell);
    Surroundings {
        environments: Environments::of(app, &settings, sources.texts.values(), &local),
        beside: Some(environment::files(root, &settings)),
        settings: Some(settings),
        diagnostics: environment::lacking(&mistakes),
    }
}
