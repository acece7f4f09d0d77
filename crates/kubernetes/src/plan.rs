//! What is wanted against what runs: what a push would do, service by service.

mod note;
mod object;
mod place;
mod selection;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};

use serde::Serialize;

use crate::model::{RunningApp, RunningService, Unit, Wanted, WantedService};
use crate::object::alike;
use crate::wire::Break;

pub use object::{ObjectStep, ObjectWhat, objects};
pub use selection::{Selected, select};

/// What a push would do. Its JSON form is the one of `dyn push --plan --json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Plan {
    pub app: String,
    /// Upstreams before those who call them; those that are gone last, callers first.
    pub services: Vec<PlanStep>,
    /// Services that share pods, and so roll together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<PlanGroup>,
    /// Where services with places run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<PlanPlace>,
    /// Objects of the app as a whole that are not as they are wanted: the way in from outside.
    pub objects: Vec<ObjectStep>,
    /// Neighbours that would be left unable to understand a service: the push is refused.
    pub breaks: Vec<Break>,
    /// Names of Deployments of forms that no service is wanted in any more: removed once their callers are.
    pub leftovers: Vec<String>,
    /// What is worth knowing, in words.
    pub notes: Vec<String>,
}

/// Services that share pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlanGroup {
    /// The group's name in `dyn.toml`.
    pub name: String,
    /// Name of its Deployment.
    pub object: String,
    /// Rust names, upstreams first.
    pub services: Vec<String>,
}

/// A place that a service has pods in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlanPlace {
    /// Rust name.
    pub service: String,
    pub place: String,
    /// Name of its Deployment.
    pub object: String,
    /// Labels of its nodes.
    pub nodes: BTreeMap<String, String>,
    /// What it holds of the service's bucket, in words; none: the service names no bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What would be done with a service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlanStep {
    /// Rust name.
    pub name: String,
    /// What would be done.
    #[serde(flatten)]
    pub what: What,
    /// Version that runs.
    pub version_before: Option<String>,
    /// Version that would.
    pub version_after: Option<String>,
    /// Image that runs.
    pub image_before: Option<String>,
    /// Image that would.
    pub image_after: Option<String>,
    /// Whether what it takes or returns has another form, so that its callers go over with it.
    pub form_changes: bool,
    /// Pods.
    pub replicas_before: Option<u32>,
    /// Pods afterwards.
    pub replicas: u32,
    /// Compressed bytes of its image that no other service has; 0 where the image is there already.
    pub bytes: u64,
}

/// What would be done with a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum What {
    /// It does not run yet.
    New,
    /// It means something else, or its image is another.
    Changed {
        /// Why, in terms of the source: `helper scale() changed`.
        reasons: Vec<String>,
    },
    /// It is to run in another way.
    Settings {
        /// What differs, in words.
        changes: Vec<String>,
    },
    /// It goes to other pods.
    Moved {
        /// Rust names of the services that share its pods now; none: it has pods of its own.
        from: Vec<String>,
        /// Rust names of those that will.
        to: Vec<String>,
    },
    /// It means the same; whom it calls, or where, differs.
    RouteOnly,
    /// It stays as it is, and others of its pods do not.
    Along {
        /// Their Rust names.
        with: Vec<String>,
    },
    /// Somebody else changed it, and it would be put back.
    Drifted {
        /// The fields, in words.
        fields: Vec<String>,
    },
    /// It runs as it is wanted.
    Unchanged,
    /// It is in the app no more.
    Gone,
}

impl Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Changed { .. } => "changed",
            Self::Settings { .. } => "settings",
            Self::Moved { .. } => "moved",
            Self::RouteOnly => "route only",
            Self::Along { .. } => "along",
            Self::Drifted { .. } => "drifted",
            Self::Unchanged => "unchanged",
            Self::Gone => "gone",
        })
    }
}

impl What {
    /// Why, in words.
    pub fn reasons(&self) -> Vec<String> {
        match self {
            Self::Changed { reasons } => reasons.clone(),
            Self::Settings { changes } => changes.clone(),
            Self::Drifted { fields } => fields.iter().map(|field| format!("changed by somebody: {field}")).collect(),
            Self::Moved { from, to } => vec![moves(from, to)],
            Self::Along { with } => vec![format!("rolls with {}, whose pods it shares", with.join(", "))],
            Self::New | Self::RouteOnly | Self::Unchanged | Self::Gone => Vec::new(),
        }
    }
}

fn moves(from: &[String], to: &[String]) -> String {
    let pods = |others: &[String]| match others {
        [] => "pods of its own".to_owned(),
        others => format!("pods with {}", others.join(", ")),
    };
    format!("goes from {} to {}", pods(from), pods(to))
}

/// Compares what is wanted with what runs.
pub fn plan(wanted: &Wanted, running: &RunningApp) -> Plan {
    let units = wanted.units();
    let mut whats: BTreeMap<&str, What> = units.iter().flat_map(|unit| whats(unit, running)).collect();
    let mut step = |service: &WantedService| {
        let what = whats.remove(service.name.as_str()).unwrap_or(What::New);
        step(service, what, running)
    };
    let mut services: Vec<PlanStep> = wanted.services.iter().map(&mut step).collect();
    let gone = running.services.iter().filter(|runs| runs.current && wanted.service(&runs.name).is_none());
    services.extend(gone.map(gone_step));
    let objects: BTreeSet<String> = units.iter().flat_map(Unit::objects).collect();
    // What runs there and left the app stays until it is to be removed.
    let is_gone = |runs: &RunningService| runs.current && wanted.service(&runs.name).is_none();
    let has_gone = |object: &str| running.services.iter().any(|runs| runs.object == object && is_gone(runs));
    let mut leftovers: Vec<String> = Vec::new();
    for runs in running.services.iter().filter(|runs| !objects.contains(&runs.object) && !has_gone(&runs.object)) {
        if !leftovers.contains(&runs.object) {
            leftovers.push(runs.object.clone());
        }
    }
    let group = |unit: &Unit<'_>| {
        let services = unit.members.iter().map(|member| member.name.clone()).collect();
        Some(PlanGroup { name: unit.group?.to_owned(), object: unit.object(), services })
    };
    let groups = units.iter().filter_map(group).collect();
    let places = units.iter().flat_map(place::places).collect();
    let notes = note::notes(wanted, running, &services);
    Plan {
        app: wanted.app.clone(),
        services,
        groups,
        places,
        objects: Vec::new(),
        breaks: Vec::new(),
        leftovers,
        notes,
    }
}

/// What would be done with each service of a Deployment.
fn whats<'a>(unit: &Unit<'a>, running: &RunningApp) -> Vec<(&'a str, What)> {
    let object = unit.object();
    let what = |service: &&'a WantedService| {
        let before = running.current(&service.name);
        let what = before.map_or(What::New, |before| what(service, unit, &object, before, running));
        (service.name.as_str(), what)
    };
    let mut whats: Vec<(&str, What)> = unit.members.iter().map(what).collect();
    if unit.group.is_none() {
        return whats;
    }
    let changed = whats.iter().filter(|(_, what)| *what != What::Unchanged);
    let changed: Vec<String> = changed.map(|(name, _)| (*name).to_owned()).collect();
    let is_same = |service: &&WantedService| {
        running.within(&object, &service.name).is_some_and(|before| !is_other_image(service, before))
    };
    let rest = match changed.is_empty() {
        true if unit.members.iter().all(is_same) => What::Unchanged,
        true => What::Changed { reasons: vec![HOST_CHANGED.to_owned()] },
        false => What::Along { with: changed },
    };
    for (_, what) in whats.iter_mut().filter(|(_, what)| *what == What::Unchanged) {
        what.clone_from(&rest);
    }
    whats
}

impl Plan {
    /// The same with what objects tell that services do not: `hosts` gives a service's DNS label by its Rust name.
    pub fn with_objects(mut self, steps: &[ObjectStep], hosts: &dyn Fn(&str) -> Option<String>) -> Self {
        for step in self.services.iter_mut().filter(|step| matches!(step.what, What::Unchanged)) {
            let Some(host) = hosts(&step.name) else { continue };
            let of_service = steps.iter().filter(|object| object.hosts.contains(&host));
            let changes: Vec<String> = of_service.map(ToString::to_string).collect();
            if !changes.is_empty() {
                step.what = What::Settings { changes };
            }
        }
        self.objects = steps.iter().filter(|step| step.hosts.is_empty()).cloned().collect();
        self
    }

    /// The steps that write something; those that remove a service only where that is wanted.
    pub fn steps(&self, remove: bool) -> impl Iterator<Item = &PlanStep> {
        self.services.iter().filter(move |step| match step.what {
            What::Unchanged => false,
            What::Gone => remove,
            _ => true,
        })
    }

    /// Whether nothing at all is to be written.
    pub fn is_nothing(&self, remove: bool) -> bool {
        self.steps(remove).next().is_none() && self.leftovers.is_empty() && self.objects.is_empty()
    }

    /// Compressed bytes that may have to be sent.
    pub fn bytes(&self) -> u64 {
        self.services.iter().map(|step| step.bytes).sum()
    }
}

fn step(service: &WantedService, what: What, running: &RunningApp) -> PlanStep {
    let before = running.current(&service.name);
    let is_sent = match before {
        // The layer of a service that stays as it is in a group is the same in the group's next image.
        Some(before) if service.group.is_some() && before.group == service.group => before.version != service.version,
        Some(before) => Some(content(&before.image)) != service.image.as_deref().map(content),
        None => true,
    };
    PlanStep {
        name: service.name.clone(),
        version_before: before.map(|before| before.version.clone()),
        version_after: Some(service.version.clone()),
        image_before: before.map(|before| before.image.clone()),
        image_after: service.image.clone(),
        form_changes: before.is_some_and(|before| before.wire != service.wire),
        replicas_before: running.replicas(&service.name),
        replicas: place::replicas(service, running),
        bytes: if is_sent { service.bytes } else { 0 },
        what,
    }
}

/// Why what means the same is built anew.
const HOST_CHANGED: &str = "the host program changed";

fn is_other_image(service: &WantedService, before: &RunningService) -> bool {
    service.image.as_deref().is_some_and(|image| content(image) != content(&before.image))
}

fn what(service: &WantedService, unit: &Unit<'_>, object: &str, before: &RunningService, running: &RunningApp) -> What {
    let is_same = service.version == before.version && service.wire == before.wire;
    let others = |names: BTreeSet<&str>| -> Vec<String> {
        names.into_iter().filter(|name| *name != service.name).map(str::to_owned).collect()
    };
    let from = others(running.sharing(&before.object));
    let to = others(unit.members.iter().map(|member| member.name.as_str()).collect());
    // A group of which a schema changes has new pods as well, and nobody goes elsewhere.
    let has_moved = before.object != object && (before.group != service.group || from != to);
    if is_same && has_moved {
        return What::Moved { from, to };
    }
    if !is_same || unit.group.is_none() && is_other_image(service, before) {
        let mut reasons = reasons(service, before);
        if has_moved {
            reasons.push(moves(&from, &to));
        }
        return What::Changed { reasons };
    }
    let mut changes = Vec::new();
    let (pods, replicas) =
        (running.replicas(&service.name).unwrap_or(before.replicas), place::replicas(service, running));
    if pods != replicas {
        changes.push(format!("{pods} pods become {replicas}"));
    }
    if service.settings.hash() != before.settings {
        changes.push("what it asks for, its environment or its place changed".to_owned());
    }
    if !changes.is_empty() {
        What::Settings { changes }
    } else if service.routes() != before.routes {
        What::RouteOnly
    } else if !before.drift.is_empty() {
        What::Drifted { fields: before.drift.clone() }
    } else {
        What::Unchanged
    }
}

fn reasons(service: &WantedService, before: &RunningService) -> Vec<String> {
    let reasons = app::reasons(&before.reaches, &alike(&before.reaches, &service.reaches));
    if before.reaches.is_empty() {
        return vec!["what ran before does not tell what it was made of".to_owned()];
    }
    match reasons.as_slice() {
        [] if service.version != before.version => vec!["a dependency or the compiler changed".to_owned()],
        [] => vec![HOST_CHANGED.to_owned()],
        _ => reasons,
    }
}

fn gone_step(before: &RunningService) -> PlanStep {
    PlanStep {
        name: before.name.clone(),
        what: What::Gone,
        version_before: Some(before.version.clone()),
        version_after: None,
        image_before: Some(before.image.clone()),
        image_after: None,
        form_changes: false,
        replicas_before: Some(before.replicas),
        replicas: 0,
        bytes: 0,
    }
}

/// Digits of a digest that are told apart: as many as a tag has where a way knows no digests.
const DIGITS: usize = 16;

/// What tells an image from others, wherever it is kept and whichever way it came: the head of its digest.
fn content(image: &str) -> &str {
    let digest = image.rsplit([':', '.']).next().unwrap_or(image);
    digest.get(..DIGITS).unwrap_or(digest)
}
