//! Services to images.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use app::App;
use compiler::{BuildError, Builder, Profile, Progress};

use super::PushError;
use super::event::{PushEvent, PushListener};
use images::{Base, BuiltLibrary, Image, build};

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

    /// Images of the given services, by Rust name; libraries that are kept are not built again.
    pub(crate) async fn images(
        &self,
        app: &App,
        services: &BTreeSet<String>,
        host: &Path,
        cache: &Path,
    ) -> Result<BTreeMap<String, (String, Image)>, PushError> {
        if services.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.builder.check_flow(app).await?;
        let (host, cache) = (host.to_owned(), cache.to_owned());
        let base = tokio::task::spawn_blocking(move || Base::prepare(&host, &cache));
        let built = futures_util::future::try_join_all(services.iter().map(|service| self.build(app, service))).await?;
        let base = base.await.map_err(|error| PushError::Panicked { why: error.to_string() })??;
        let mut images = BTreeMap::new();
        for artifact in built {
            let (service, version) = (artifact.service.as_str(), artifact.version.as_str());
            let library = BuiltLibrary { app: &app.name, service, version, path: &artifact.path };
            images.insert(artifact.service.clone(), (artifact.version.clone(), build(&base, &library)?));
        }
        Ok(images)
    }

    async fn build(&self, app: &App, service: &str) -> Result<compiler::Artifact, BuildError> {
        (self.tell)(PushEvent::Building { service: service.to_owned() });
        let artifact = self.builder.build(app, service).await?;
        let (service, version) = (artifact.service.clone(), artifact.version.clone());
        (self.tell)(PushEvent::Built { service, version, bytes: artifact.bytes, ms: artifact.ms });
        Ok(artifact)
    }
}
