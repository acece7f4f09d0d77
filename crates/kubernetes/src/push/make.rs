//! Services to images.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use app::App;
use compiler::{BuildError, Builder, Profile, Progress};

use super::PushError;
use super::event::{PushEvent, PushListener};
use crate::model::NODE;
use images::{Base, BuiltLibrary, Image, build, build_alone, build_together};

/// A service that is made.
pub(crate) struct Made {
    pub(crate) version: String,
    /// File name of its library inside.
    pub(crate) library: String,
    /// The image it is in.
    pub(crate) image: Arc<Image>,
    /// Compressed bytes of that image that no other service has.
    pub(crate) bytes: u64,
}

/// Builds the services of an app as they are shipped.
pub(crate) struct Maker {
    builder: Builder,
    tell: PushListener,
}

impl Maker {
    pub(crate) fn open(root: &Path, cache: &Path, tell: &PushListener) -> Result<Self, BuildError> {
        let (heard, tell) = (tell.clone(), tell.clone());
        let hear = move |progress: Progress| {
            let text = match progress {
                Progress::Fetching(text) | Progress::Notice(text) => text,
                Progress::Compiling(package) => format!("compiling {package}"),
            };
            heard(PushEvent::Notice { text });
        };
        Ok(Self { builder: Builder::open(root, cache, hear)?.profile(Profile::Optimised), tell })
    }

    /// The version of every service, by Rust name. Nothing is compiled but what the app depends on, the first time.
    pub(crate) async fn versions(&self, app: &App) -> Result<BTreeMap<String, String>, BuildError> {
        let mut versions = BTreeMap::new();
        for service in &app.services {
            versions.insert(service.name.clone(), self.builder.version(app, &service.name).await?);
        }
        Ok(versions)
    }

    /// Stands for what the app depends on, in their versions, and for the compiler.
    pub(crate) async fn dependencies(&self, app: &App) -> Result<String, BuildError> {
        Ok(self.builder.prepare(app).await?.portable)
    }

    /// Images of the given services, by Rust name; libraries that are kept are not built again. Those of each list share an
    /// image.
    pub(crate) async fn images(
        &self,
        app: &App,
        services: &BTreeSet<String>,
        together: &[Vec<String>],
        host: &Path,
        cache: &Path,
    ) -> Result<BTreeMap<String, Made>, PushError> {
        if services.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.builder.check_flow(app).await?;
        let (host, cache) = (host.to_owned(), cache.to_owned());
        let base = tokio::task::spawn_blocking(move || Base::prepare(&host, &cache));
        let built = futures_util::future::try_join_all(services.iter().map(|service| self.build(app, service))).await?;
        let base = base.await.map_err(|error| PushError::Panicked { why: error.to_string() })??;
        let mut made = BTreeMap::new();
        let mut note = |artifact: &compiler::Artifact, image: &Arc<Image>, bytes: u64| {
            let library = artifact.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let one = Made { version: artifact.version.clone(), library, image: image.clone(), bytes };
            made.insert(artifact.service.clone(), one);
        };
        let (grouped, alone): (Vec<_>, Vec<_>) =
            built.iter().partition(|artifact| together.iter().flatten().any(|name| *name == artifact.service));
        for artifact in alone {
            let image = Arc::new(build(&base, &library(app, artifact))?);
            note(artifact, &image, image.own_bytes());
        }
        for list in together {
            // In the order of the file: the same services make the same image, however they are listed.
            let hosts = app.services.iter().filter(|service| list.contains(&service.name));
            let members = hosts.filter_map(|service| {
                let artifact = grouped.iter().find(|artifact| artifact.service == service.name)?;
                Some((service.host.as_str(), *artifact))
            });
            let members: Vec<(&str, &compiler::Artifact)> = members.collect();
            let libraries: Vec<_> = members.iter().map(|(host, artifact)| (*host, library(app, artifact))).collect();
            if libraries.is_empty() {
                continue;
            }
            let image = Arc::new(build_together(&base, &libraries)?);
            for (at, (_, artifact)) in members.iter().enumerate() {
                note(artifact, &image, image.library_bytes(at, members.len()));
            }
        }
        Ok(made)
    }

    /// The image of a node's agent: the host's layer alone.
    pub(crate) async fn agent(&self, app: &str, host: &Path, cache: &Path) -> Result<Image, PushError> {
        let (host, cache) = (host.to_owned(), cache.to_owned());
        let base = tokio::task::spawn_blocking(move || Base::prepare(&host, &cache));
        let base = base.await.map_err(|error| PushError::Panicked { why: error.to_string() })??;
        Ok(build_alone(&base, app, NODE)?)
    }

    async fn build(&self, app: &App, service: &str) -> Result<compiler::Artifact, BuildError> {
        (self.tell)(PushEvent::Building { service: service.to_owned() });
        let artifact = self.builder.build(app, service).await?;
        let (service, version) = (artifact.service.clone(), artifact.version.clone());
        (self.tell)(PushEvent::Built { service, version, bytes: artifact.bytes, ms: artifact.ms });
        Ok(artifact)
    }
}

fn library<'a>(app: &'a App, artifact: &'a compiler::Artifact) -> BuiltLibrary<'a> {
    let compiler::Artifact { service, version, path, .. } = artifact;
    BuiltLibrary { app: &app.name, service, version, path }
}
