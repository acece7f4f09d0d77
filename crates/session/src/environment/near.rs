//! Instances in places: which service has an instance where, and what the hosts of a session are told of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use app::{App, Diagnostic};
use kubernetes::settings::AppSettings;
use kubernetes::settings_file;
use protocol::instance_of;
use protocol::near::{HostNear, NearSettings, NearTable};

use super::{buckets, finding};

/// What hosts are told of places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NearPlan {
    /// The place of services whose instances have none.
    pub(crate) place: Option<String>,
    pub(crate) settings: Arc<NearSettings>,
}

impl NearPlan {
    /// That of an app; none where no instance has a place. `table`: what settings say of buckets.
    pub(super) fn of(app: &App, settings: &AppSettings, table: NearTable) -> Option<Self> {
        let near = settings.near(app, table)?;
        Some(Self { place: settings.data.place.clone(), settings: Arc::new(near) })
    }

    /// What the host of a service, or of one of its instances, is told.
    pub(crate) fn host(&self, name: &str) -> HostNear {
        let (service, number) = instance_of(name);
        let own = self.settings.services.get(service).and_then(|service| service.places.get(number as usize - 1));
        HostNear { place: own.or(self.place.as_ref()).cloned(), settings: self.settings.clone() }
    }
}

/// The places of an app's services, each with its service.
pub(super) fn places<'a>(app: &'a App, settings: &'a AppSettings) -> impl Iterator<Item = (&'a str, &'a str)> {
    let said = app.services.iter().filter_map(|service| Some((service, settings.services.get(&service.name)?)));
    said.flat_map(|(service, said)| said.places.iter().map(|place| (service.name.as_str(), place.as_str())))
}

/// Gives services the places that their attributes mean. Where stores cannot be read, reading them says so.
pub(crate) fn settle(app: &App, settings: &mut AppSettings, file: &Path) -> Vec<Diagnostic> {
    if settings.unsettled(app).is_empty() {
        return Vec::new();
    }
    let Some(name) = settings.data.settings.clone().filter(|_| !app.buckets.is_empty()) else {
        return settings.on_nothing(app);
    };
    buckets::places_in(file, &name).map_or_else(Vec::new, |known| settings.settle_places(app, &known, &name))
}

/// Why services have places and an app no bucket that could be in them, at their lines.
pub(super) fn without_buckets(app: &App, settings: &AppSettings, file: &Path) -> Vec<Diagnostic> {
    let told = |service: &str| {
        let message = format!("{service} has places, and the app has no bucket that could be in them");
        let help = "take places out, or name a bucket: static IMAGES: Bucket = Bucket::named(\"images\");";
        wrong(file, service, message, help)
    };
    let with_places: BTreeSet<&str> = places(app, settings).map(|(service, _)| service).collect();
    with_places.into_iter().map(told).collect()
}

/// A finding at the places of a service.
pub(super) fn wrong(file: &Path, service: &str, message: String, help: &str) -> Diagnostic {
    let keys = [vec!["services", service, "places"], vec!["services", service]];
    finding(&settings_file::mistake(file, &keys, message, help.to_owned()))
}
