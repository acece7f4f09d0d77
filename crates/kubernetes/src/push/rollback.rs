//! What ran before, put back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use super::carry::{Doing, PushDone, by, stopped};
use super::event::{PushEvent, PushListener};
use super::site::Site;
use super::work::label_of;
use super::{PushError, PushOptions, connect};
use crate::cluster::{Access, Lease, Pins};
use crate::history::{KeptRecord, Operation, PushOutcome, PushRecord};
use crate::model::{RunningApp, RunningService};
use crate::object::label::owners_of;
use crate::object::{self, label};

/// What is to be put back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Rust name; none: all services.
    pub service: Option<String>,
    /// The number of the record to go back to; none: the one before what runs.
    pub to: Option<u32>,
}

/// A rollback that is ready to be carried out.
pub struct Rollback {
    options: PushOptions,
    access: Access,
    site: Site,
    target: KeptRecord,
    /// DNS labels.
    hosts: BTreeSet<String>,
    /// All services are put back, and with them what is the app's: the way in from outside.
    is_whole: bool,
    tell: PushListener,
}

impl Rollback {
    /// Looks for what ran before.
    ///
    /// # Errors
    /// There is nothing to go back to, or the types of a service are others now than they were.
    pub async fn prepare(options: PushOptions, wish: &Wish, tell: PushListener) -> Result<Self, PushError> {
        let pins = Pins::open(&options.place.pins)?;
        let access = connect(&options, &pins, &tell).await?;
        let site = Site::look(&access, options.name()).await?;
        site.check(options.name(), &options.project()?)?;
        let nothing = |why: String| PushError::NothingToPutBack { why };
        let live = || site.records.iter().rev().filter(|kept| kept.record.outcome == PushOutcome::Live);
        let target = match wish.to {
            Some(number) => live().find(|kept| kept.record.number == number),
            None => live().nth(1),
        };
        let known: Vec<_> = live().map(|kept| kept.record.number.to_string()).collect();
        let target = target.ok_or_else(|| match wish.to {
            Some(number) => {
                nothing(format!("{number} is no push that came to its end; there are {}", known.join(", ")))
            }
            None => nothing("nothing ran before what runs now".to_owned()),
        })?;
        let hosts = hosts(target, &site, wish.service.as_deref()).map_err(nothing)?;
        let is_whole = wish.service.is_none();
        Ok(Self { target: target.clone(), hosts, is_whole, options, access, site, tell })
    }

    /// The record whose state services will have again.
    pub fn target(&self) -> &PushRecord {
        &self.target.record
    }

    /// The push or rollback that is undone: what came to its end last.
    pub fn before(&self) -> Option<&PushRecord> {
        self.site.latest().map(|kept| &kept.record)
    }

    /// What services will run again, by Rust name: those that will be changed.
    pub fn versions(&self) -> BTreeMap<String, String> {
        let is_its = |(name, _): &(&String, &String)| self.hosts.contains(&label_of(name));
        let back = self.target.record.services.iter().filter(is_its);
        back.map(|(name, version)| (name.clone(), version.clone())).collect()
    }

    /// DNS labels of services that will be changed.
    pub fn services(&self) -> &BTreeSet<String> {
        &self.hosts
    }

    /// Does it.
    ///
    /// # Errors
    /// See [`PushError`].
    pub async fn carry_out(self, stop: watch::Receiver<bool>) -> Result<PushDone, PushError> {
        let start = Instant::now();
        let app = self.options.name();
        let waiting = |holder: &str| (self.tell)(PushEvent::Waiting { holder: holder.to_owned() });
        let (lease, name) = (object::name::of_app(app, "push"), label::app(app));
        let take = Lease::take(&self.access, &lease, &name, &self.options.holder, waiting);
        let lease = tokio::select! {
            lease = take => lease?,
            () = stopped(stop.clone()) => return Err(PushError::Stopped),
        };
        let done = Box::pin(self.hold(&lease, stop)).await;
        let released = lease.release().await;
        let number = done?;
        released?;
        let services = self.hosts.iter().cloned().collect();
        Ok(PushDone { number, services, sent: 0, ms: start.elapsed().as_secs_f64() * 1e3 })
    }

    async fn hold(&self, lease: &Lease, stop: watch::Receiver<bool>) -> Result<u32, PushError> {
        let project = self.options.project()?;
        let site = Site::look(&self.access, self.options.name()).await?;
        site.check(self.options.name(), &project)?;
        if site.next_number() != self.site.next_number() {
            return Err(PushError::Moved);
        }
        let now = site.latest();
        let is_its = |object: &&Value| {
            let owners = owners_of(object);
            if owners.is_empty() { self.is_whole } else { owners.iter().any(|host| self.hosts.contains(host)) }
        };
        let stays = now.iter().flat_map(|kept| &kept.objects).filter(|object| !is_its(object));
        let objects = self.target.objects.iter().filter(is_its).chain(stays).cloned().collect();
        let mut services = now.map(|kept| kept.record.services.clone()).unwrap_or_default();
        let back = self.target.record.services.iter().filter(|(name, _)| self.hosts.contains(&label_of(name)));
        services.extend(back.map(|(name, version)| (name.clone(), version.clone())));
        let record = PushRecord {
            number: site.next_number(),
            at: Timestamp::now(),
            by: by(&self.options.holder),
            act: Operation::Rollback { to: self.target.record.number, services: self.hosts.iter().cloned().collect() },
            outcome: PushOutcome::Underway,
            services,
            reasons: BTreeMap::new(),
        };
        let source = self.target.source.clone().filter(|_| !self.options.settings.without_source);
        let kept = KeptRecord { record, objects, source };
        let (access, app, tell, options) = (&self.access, self.options.name(), &self.tell, &self.options);
        let doing = Doing { access, app, project: &project, lease, site: &site, tell, options };
        let work = Box::pin(doing.rehearse(&kept, &self.hosts)).await?;
        let order: Vec<String> =
            self.target.objects.iter().filter(|it| it["kind"] == "Service").flat_map(owners_of).collect();
        Box::pin(doing.carry(&kept, &work, &order, stop)).await?;
        Ok(kept.record.number)
    }
}

/// Whether what leads to a service is as it was: a port of every node, say.
fn is_unchanged(target: &KeptRecord, site: &Site, host: &str) -> bool {
    let doors = |kept: &KeptRecord| -> Vec<Value> {
        let is_door = |object: &&Value| object["kind"] == "Service" && owners_of(object) == [host];
        kept.objects.iter().filter(is_door).map(|object| object["spec"].clone()).collect()
    };
    site.latest().is_none_or(|now| doors(now) == doors(target))
}

/// The services to be put back, by DNS label: those that differ from what they were, and those that share pods with them.
pub(super) fn hosts(target: &KeptRecord, site: &Site, service: Option<&str>) -> Result<BTreeSet<String>, String> {
    let was = ran(target)?;
    let named = service.map(|service| sharing(service, &was, &site.running));
    let mut hosts = BTreeSet::new();
    for before in was.services.iter().filter(|was| named.as_ref().is_none_or(|named| named.contains(&was.name))) {
        let (name, host) = (&before.name, &before.dns);
        let there = site.running.within(&before.object, name).filter(|there| there.current);
        let there = there.or_else(|| site.running.current(name));
        if service.is_some() && there.is_some_and(|there| there.wire != before.wire) {
            return Err(format!("the types of {name} are others now: put all services back, or none"));
        }
        let is_same = there.is_some_and(|there| {
            is_unchanged(target, site, host)
                && there.object == before.object
                && there.wire == before.wire
                && there.version == before.version
                && there.routes == before.routes
                && there.settings == before.settings
        });
        if !is_same {
            hosts.insert(host.clone());
        }
    }
    // A service that was none yet, in pods that go: nothing of it is the app's any more.
    let now = || site.running.services.iter().filter(|runs| runs.current);
    let going: BTreeSet<&String> = now().filter(|runs| hosts.contains(&runs.dns)).map(|runs| &runs.object).collect();
    let is_known = |name: &str| was.services.iter().any(|was| was.name == name);
    let fresh = now().filter(|runs| going.contains(&runs.object) && !is_known(&runs.name));
    let fresh: Vec<String> = fresh.map(|runs| runs.dns.clone()).collect();
    hosts.extend(fresh);
    let own = |objects: &[Value]| -> Vec<Value> {
        objects.iter().filter(|object| owners_of(object).is_empty()).cloned().collect()
    };
    let is_entry_same = site.latest().is_none_or(|now| own(&now.objects) == own(&target.objects));
    if hosts.is_empty() && (service.is_some() || is_entry_same) {
        return Err(format!("what runs is what ran after push {}", target.record.number));
    }
    Ok(hosts)
}

/// What ran after a push, as its objects tell.
fn ran(target: &KeptRecord) -> Result<RunningApp, String> {
    let deployments = target.objects.iter().filter(|object| object["kind"] == "Deployment");
    let deployments = deployments.map(|object| serde_json::from_value(object.clone()));
    let unread = |error: serde_json::Error| format!("push {} does not read: {error}", target.record.number);
    Ok(object::read(&deployments.collect::<Result<Vec<_>, _>>().map_err(unread)?, &[]))
}

/// A service and all that share pods with it, now or then, however far.
fn sharing(service: &str, was: &RunningApp, is: &RunningApp) -> BTreeSet<String> {
    let mut all = BTreeSet::from([service.to_owned()]);
    loop {
        let known = all.len();
        for app in [was, is] {
            let there = app.services.iter().filter(|runs| all.contains(&runs.name));
            let objects: BTreeSet<&String> = there.map(|runs: &RunningService| &runs.object).collect();
            let beside = objects.into_iter().flat_map(|object| app.sharing(object)).map(str::to_owned);
            let beside: Vec<String> = beside.collect();
            all.extend(beside);
        }
        if all.len() == known {
            return all;
        }
    }
}
