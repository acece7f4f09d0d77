//! What surrounds an app: `dyn.toml`, the files that it names, and the shell.

use std::collections::BTreeSet;
use std::path::PathBuf;

use app::{App, Diagnostic, Sources};
use kubernetes::settings::AppSettings;

use crate::environment::{self, Environments, LocalValues};
use crate::options::SessionOptions;
use crate::placement::{Together, instances};

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

pub(super) fn surround(options: &SessionOptions, app: &App, sources: &Sources) -> Surroundings {
    let (root, only) = (options.file.as_path(), options.only.as_ref());
    let mut settings = match kubernetes::settings_file::load(root, app) {
        Ok(settings) => settings,
        Err(error) => return Surroundings { diagnostics: environment::findings(&error), ..Surroundings::default() },
    };
    let unsettled = environment::settle(app, &mut settings, root);
    let names = app.services.iter().map(|service| service.name.as_str());
    let started = names.filter(|name| only.is_none_or(|only| only.contains(*name))).collect();
    let shell = |name: &str| std::env::var(name);
    let (local, mistakes) = LocalValues::read(root, &settings, &started, &shell);
    let mut environments = Environments::of(app, &settings, sources.texts.values(), &local);
    environments.together = match &options.together {
        Some(together) => together.clone(),
        None if settings.together.is_empty() => Together::None,
        None => Together::Groups(settings.together.values().cloned().collect()),
    };
    let said = settings.services.iter().filter_map(|(name, said)| {
        let places = u32::try_from(said.places.len()).ok().filter(|count| *count > 0);
        Some((name.clone(), places.or(said.instances)?))
    });
    environments.instances = said.chain(options.instances.clone()).collect();
    let mut diagnostics = environment::lacking(&mistakes);
    diagnostics.extend(unsettled);
    let places = settings.services.iter().map(|(name, said)| (name.as_str(), said.places.len()));
    diagnostics.extend(instances::beside_places(app, &places.collect(), &options.instances));
    diagnostics.extend(instances::refusals(app, &environments.instances));
    diagnostics.extend(environment::lead_to_buckets(&mut environments, app, &settings, root, &shell));
    Surroundings {
        environments,
        beside: Some(environment::files(root, &settings)),
        settings: Some(settings),
        diagnostics,
    }
}
