//! What an exported file needs besides its text: images, where its tools find them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use app::App;

use super::{ExportError, Format, export};
use crate::model::{Built, Wanted};
use crate::push::{Made, Maker, PushError, PushEvent, PushListener, lead_to_stores, mistake};
use crate::settings::AppSettings;
use images::Image;
use images::ship::{self, Owner, Programs, PullPolicy, Way};

/// What is exported, and with what of this machine.
#[derive(Clone, Debug)]
pub struct ExportRequest {
    pub app: App,
    /// How it is to run.
    pub settings: AppSettings,
    /// What reads the file.
    pub format: Format,
    /// `host[:port][/folder]` of the registry images are put into. None: the one the settings name; where there is
    /// none either, Docker's engine on this machine, which only a Compose file can use.
    pub registry: Option<String>,
    /// The root file as the user names it.
    pub root: PathBuf,
    /// Where libraries are built and kept.
    pub build: PathBuf,
    /// Where layers are kept.
    pub images: PathBuf,
    /// The program that runs a service: `dyn` itself.
    pub host: PathBuf,
}

/// Builds every service, puts the images where the file's reader finds them, and gives the file's text.
pub async fn make(request: &ExportRequest, tell: &PushListener) -> Result<String, ExportError> {
    let ExportRequest { app, format, .. } = request;
    let mut settings = request.settings.clone();
    lead_to_stores(&request.root, app, &mut settings).map_err(|mistakes| PushError::Stores { mistakes })?;
    let settings = &settings;
    let named = request.registry.clone().or_else(|| settings.images.repository.clone());
    let way = match named {
        Some(address) => Way::Registry { address, pulled_as: None },
        None if *format == Format::Compose => Way::Engine,
        None => return Err(ExportError::NoRegistry),
    };
    if let Some(found) = settings.not_alike() {
        return Err(PushError::NotAlike { mistake: mistake(&request.root, &found) }.into());
    }
    let maker = Maker::open(&request.root, &request.build, tell)?;
    let all: BTreeSet<String> = app.services.iter().map(|service| service.name.clone()).collect();
    let alike = |names: &Vec<String>| names.iter().filter(|name| settings.group_of(name).is_some()).cloned().collect();
    let groups: Vec<Vec<String>> = settings.together.values().map(alike).collect();
    let placed = settings.services.iter().filter(|(_, said)| !said.places.is_empty());
    for (service, _) in placed.filter(|_| *format != Format::Kubernetes) {
        let text = format!("{service} runs without places: the format has none, and buckets are read at their masters");
        tell(PushEvent::Notice { text });
    }
    let made = maker.images(app, &all, &groups, &request.host, &request.images).await?;
    if settings.node.is_some() {
        let text = "[node] is not exported: its agent has a Secret that `dyn push --join` makes by an invitation";
        tell(PushEvent::Notice { text: text.to_owned() });
    }
    if settings.data.server {
        let text = "the data server is not exported: it tells hosts where data is by a Secret that `dyn push` makes";
        tell(PushEvent::Notice { text: text.to_owned() });
    }
    // Kept apart from what is pushed to clusters, whose retention would remove it.
    let ship = ship::open(&way, Owner::new(&app.name, "export"), &Programs::default()).await?;
    let mut images: Vec<&Image> = made.values().map(|made| &*made.image).collect();
    images.sort_by(|one, other| one.digest.cmp(&other.digest));
    images.dedup_by(|one, other| one.digest == other.digest);
    tell(PushEvent::Shipping { through: ship.describe() });
    let start = std::time::Instant::now();
    let sent = ship.put(&images).await?;
    let ms = start.elapsed().as_secs_f64() * 1e3;
    tell(PushEvent::Shipped { layers: sent.layers, bytes: sent.bytes, ms });
    for text in sent.notices {
        tell(PushEvent::Notice { text });
    }
    let built = made.into_iter().map(|(service, Made { version, library, image, bytes })| {
        let is_there = ship.pull_policy() == PullPolicy::Never;
        (service, Built { version, image: ship.reference(&image), is_there, library, bytes })
    });
    let dependencies = maker.dependencies(app).await.map_err(PushError::from)?;
    export(&Wanted::of(app, settings, &built.collect()).depending_on(&dependencies), *format)
}
