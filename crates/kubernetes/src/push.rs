//! What differs from what runs on a cluster, built, shipped, rolled out; put back where it fails.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # async fn push(options: kubernetes::push::PushOptions) -> Result<(), kubernetes::push::PushError> {
//! use kubernetes::push::Push;
//! let push = Push::prepare(options, Arc::new(|event| println!("{event:?}"))).await?;
//! if !push.is_nothing() {
//!     let (_stop, stopped) = tokio::sync::watch::channel(false);
//!     let done = push.carry_out(stopped).await?;
//!     println!("push {} took {} ms", done.number, done.ms);
//! }
//! # Ok(()) }
//! ```

mod carry;
mod clean;
mod error;
mod event;
mod make;
mod node;
mod options;
mod places;
mod relay;
mod removal;
mod resources;
mod rollback;
mod rollout;
mod site;
#[cfg(feature = "data")]
mod stores;
#[cfg(not(feature = "data"))]
#[path = "push/stores_absent.rs"]
mod stores;
mod way;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

pub use carry::PushDone;
pub use error::PushError;
pub use event::{PushEvent, PushListener};
pub use options::{LocalPlace, PushOptions, holder};
pub use places::EmptyPlace;
pub use removal::Removal;
pub use resources::LackingSecret;
pub use rollback::{Rollback, Wish};
pub use site::Site;

use crate::cluster::{self, Access, Pins};
use crate::model::{Built, NODE, Wanted};
use crate::plan::{self, ObjectStep, Plan, PlanStep, What, plan};
use crate::settings::{NotAlike, SettingsMistake};
use crate::settings_file;
use crate::wire::Wires;
use images::Image;
use images::ship::{MissingLayers, PullPolicy, Ship};
pub(crate) use make::{Made, Maker};
pub(crate) use stores::lead as lead_to_stores;

/// A push that is ready to be carried out: everything is built, nothing is changed yet.
pub struct Push {
    options: PushOptions,
    access: Access,
    site: Site,
    wanted: Wanted,
    /// Rust names of services that are not as they are wanted.
    needed: BTreeSet<String>,
    /// Objects that are not as they are wanted.
    objects: Vec<ObjectStep>,
    /// By Rust name; services of a group share one.
    images: BTreeMap<String, Arc<Image>>,
    /// None where nothing is to be shipped.
    ship: Option<Box<dyn Ship>>,
    missing: MissingLayers,
    pins: Pins,
    /// The files that make the namespace a node of a fleet, where it is to become one.
    identity: Option<BTreeMap<String, Vec<u8>>>,
    tell: PushListener,
}

impl Push {
    /// Looks at the cluster and builds what differs. Nothing is changed by it.
    ///
    /// # Errors
    /// Everything that can be known beforehand: no or the wrong cluster, code that does not build, no way for images.
    pub async fn prepare(mut options: PushOptions, tell: PushListener) -> Result<Self, PushError> {
        let pins = Pins::open(&options.place.pins)?;
        if let Some(found) = options.settings.not_alike() {
            return Err(PushError::NotAlike { mistake: mistake(&options.root, &found) });
        }
        options.settings.only_here().into_iter().for_each(|text| tell(PushEvent::Notice { text }));
        lead_to_stores(&options.root, &options.app, &mut options.settings)
            .map_err(|mistakes| PushError::Stores { mistakes })?;
        let maker = Maker::open(&options.root, &options.place.build, &tell)?;
        let (access, versions) = tokio::join!(connect(&options, &pins, &tell), maker.versions(&options.app));
        let (access, versions) = (access?, versions?);
        resources::check(&access, &options.settings, &tell).await?;
        places::check(&access, &options.settings, &tell).await?;
        let site = Site::look(&access, options.name()).await?;
        let project = options.project()?;
        site.check(options.name(), &project)?;
        let known = |(service, version): (&String, &String)| {
            let there = site.running.services.iter().find(|there| there.name == *service && there.version == *version);
            let image = there.map(|there| there.image.clone()).unwrap_or_default();
            let library = there.and_then(|there| there.library.clone()).unwrap_or_default();
            (service.clone(), Built { version: version.clone(), image, library, ..Built::default() })
        };
        let mut built: BTreeMap<String, Built> = versions.iter().map(known).collect();
        node::check(&access, &options).await?;
        let agent = node::agent(&maker, &access, &options, &site, &tell).await?;
        let (mut images, mut ship) = (BTreeMap::new(), None);
        if let Some(agent) = agent {
            built.insert(NODE.to_owned(), agent.built);
            images.extend(agent.image.map(|image| (NODE.to_owned(), Arc::new(image))));
            ship = agent.ship;
        }
        let dependencies = maker.dependencies(&options.app).await?;
        let wanted = |options: &PushOptions, built: &BTreeMap<String, Built>| {
            let wanted = Wanted::of(&options.app, &options.settings, built).depending_on(&dependencies);
            Wanted { project: project.first().cloned(), ..wanted }
        };
        let sketch = select(&options, wanted(&options, &built), &site, &dependencies)?;
        work::fits(&sketch, &site)?;
        let objects = work::objects(&sketch, &site)?;
        let needed = work::needed(&sketch, &site, &objects);
        let mut push = Self {
            options,
            access,
            site,
            wanted: sketch,
            needed,
            objects,
            images,
            ship: None,
            missing: MissingLayers::default(),
            pins,
            identity: None,
            tell,
        };
        if push.needed.is_empty() && push.images.is_empty() {
            return Ok(push);
        }
        let (host, cache) = (&push.options.host, &push.options.place.images);
        let groups = push.wanted.units().into_iter().filter(|unit| unit.group.is_some());
        let groups = groups.map(|unit| unit.members.iter().map(|member| member.name.clone()).collect());
        let groups: Vec<Vec<String>> = groups.collect();
        let made = maker.images(&push.options.app, &push.needed, &groups, host, cache).await?;
        let ship = match ship {
            Some(ship) => ship,
            None => way::open(&push.access, &push.options, &push.tell).await?,
        };
        for (service, Made { version, library, image, bytes }) in made {
            let is_there = ship.pull_policy() == PullPolicy::Never;
            built.insert(service.clone(), Built { version, is_there, image: ship.reference(&image), library, bytes });
            push.images.insert(service, image);
        }
        push.missing = ship.missing(&distinct(&push.images)).await?;
        push.ship = Some(ship);
        push.wanted = select(&push.options, wanted(&push.options, &built), &push.site, &dependencies)?;
        Ok(push)
    }

    /// Whether everything runs as it is wanted.
    pub fn is_nothing(&self) -> bool {
        self.needed.is_empty() && self.gone().is_empty() && self.objects.is_empty() && self.joins_as().is_none()
    }

    /// What the namespace is to be called in its fleet, where it is to join one: see [`Self::bring`].
    pub fn joins_as(&self) -> Option<String> {
        let node = self.options.settings.node.as_ref().filter(|_| self.options.joins)?;
        Some(node.name.clone().unwrap_or_else(|| self.access.namespace.clone()))
    }

    /// Brings the files that make the namespace a node of a fleet.
    pub fn bring(&mut self, identity: BTreeMap<String, Vec<u8>>) {
        self.identity = Some(identity);
    }

    /// Where it goes.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// What would be done, service by service.
    pub fn plan(&self) -> Plan {
        let host = |service: &str| self.wanted.service(service).map(|service| service.dns.clone());
        plan(&self.wanted, &self.site.running).with_objects(&self.objects, &host)
    }

    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Rust names of services that are not as they are wanted.
    pub fn needed(&self) -> &BTreeSet<String> {
        &self.needed
    }

    /// What images would be sent.
    pub fn missing(&self) -> MissingLayers {
        self.missing
    }

    /// Rust names of services that run and are no more part of the app, where they are to be removed.
    fn gone(&self) -> Vec<String> {
        let names = self.site.running.services.iter().map(|there| there.name.clone());
        names.filter(|name| self.options.remove && self.wanted.service(name).is_none()).collect()
    }

    /// Why services differ, in terms of the source, by Rust name.
    fn reasons(&self) -> BTreeMap<String, Vec<String>> {
        let reasons = |step: PlanStep| match step.what {
            What::Changed { reasons } | What::Settings { changes: reasons } => Some((step.name, reasons)),
            _ => None,
        };
        self.plan().services.into_iter().filter_map(reasons).collect()
    }
}

/// Each image once.
fn distinct(images: &BTreeMap<String, Arc<Image>>) -> Vec<&Image> {
    let mut seen = BTreeSet::new();
    images.values().map(AsRef::as_ref).filter(|image| seen.insert(&image.digest)).collect()
}

/// What is said of services of a group that one pod cannot be made for, where it stands in the `dyn.toml` of the app in a file.
pub(crate) fn mistake(root: &Path, found: &NotAlike) -> SettingsMistake {
    settings_file::mistake(root, &found.places(), found.message(), found.help())
}

/// Leaves services that were not named as they run.
fn select(options: &PushOptions, wanted: Wanted, site: &Site, dependencies: &str) -> Result<Wanted, PushError> {
    if options.services.is_empty() {
        return Ok(wanted);
    }
    if let Some(unknown) = options.services.iter().find(|name| wanted.service(name).is_none()) {
        return Err(PushError::Unknown { service: unknown.clone() });
    }
    let (named, wires) = (&options.services, Wires::of(&options.app).depending_on(dependencies));
    let selected = plan::select(&wanted, &site.running, &wires, named, options.with_dependents);
    if selected.breaks.is_empty() { Ok(selected.wanted) } else { Err(PushError::Breaks { breaks: selected.breaks }) }
}

/// Connects, and makes sure that it is the cluster that is meant.
async fn connect(options: &PushOptions, pins: &Pins, tell: &PushListener) -> Result<Access, PushError> {
    let access = cluster::connect(&options.target).await?;
    tell(PushEvent::Connected {
        context: access.context.clone(),
        namespace: access.namespace.clone(),
        server: access.server.clone(),
        cluster: access.identity.to_string(),
    });
    pins.check(&options.place.key, &access)?;
    Ok(access)
}
