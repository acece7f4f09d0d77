//! A plan carried out: one at a time, told and kept, undone where it fails.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use futures_util::future::try_join_all;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::PostParams;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;

use super::clean::Cleaning;
use super::event::{PushEvent, PushListener};
use super::rollout::{Ended, Rollout, Work};
use super::site::Site;
use super::work::{applied, brought, leftovers, work};
use super::{Push, PushError, PushOptions, distinct};
use crate::cluster::{Access, Apply, ClusterError, Holder, Lease};
use crate::history::{KeptRecord, Operation, PushOutcome, PushRecord, Store};
use crate::object::{self, Stamp, label};

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PushDone {
    /// The record's number.
    pub number: u32,
    /// Rust names of services that were changed.
    pub services: Vec<String>,
    /// Compressed bytes that travelled.
    pub sent: u64,
    /// Milliseconds from the word to go until everything was live.
    pub ms: f64,
}

impl Push {
    /// Does it. When `stop` becomes true it ends at once, wherever it is: the next push goes on from there.
    ///
    /// # Errors
    /// See [`PushError`]; what was changed is put back unless it says otherwise.
    pub async fn carry_out(mut self, stop: watch::Receiver<bool>) -> Result<PushDone, PushError> {
        let start = Instant::now();
        if self.options.joins && self.identity.is_none() && self.options.settings.node.is_some() {
            return Err(PushError::NoIdentity { secret: object::node::name(self.options.name()) });
        }
        let waiting = |holder: &str| (self.tell)(PushEvent::Waiting { holder: holder.to_owned() });
        let app = self.options.name();
        let (lease, name) = (object::name::of_app(app, "push"), label::app(app));
        let take = Lease::take(&self.access, &lease, &name, &self.options.holder, waiting);
        let lease = tokio::select! {
            lease = take => lease?,
            () = stopped(stop.clone()) => return Err(PushError::Stopped),
        };
        // On the heap: what it is made of is more than the stack of a worker has room for.
        let done = Box::pin(self.hold(&lease, stop, start)).await;
        let finished = self.finish(done.is_ok()).await;
        let released = lease.release().await;
        let mut done = done?;
        released?;
        done.sent += finished?;
        Ok(done)
    }

    async fn hold(
        &mut self,
        lease: &Lease,
        stop: watch::Receiver<bool>,
        start: Instant,
    ) -> Result<PushDone, PushError> {
        let app = self.options.name().to_owned();
        let site = Site::look(&self.access, &app).await?;
        site.check(&app, &self.options.project()?)?;
        let versions = |site: &Site| -> BTreeMap<_, _> {
            let services = site.running.services.iter();
            services.map(|it| ((it.object.clone(), it.name.clone()), (it.version.clone(), it.current))).collect()
        };
        if versions(&site) != versions(&self.site) || site.next_number() != self.site.next_number() {
            return Err(PushError::Moved);
        }
        self.pins.pin(&self.options.place.key, &self.access)?;
        let project = self.options.make_project()?;
        self.wanted.project = project.first().cloned();
        let at = Timestamp::now();
        let stamp =
            Stamp { by: Some(by(&self.options.holder)), at: Some(at.to_string()), source: self.options.source.hash() };
        let objects = object::objects(&self.wanted, &stamp);
        let objects = applied(&self.wanted, &objects, &self.needed, &site)?;
        let hosts = self.wanted.services.iter().filter(|it| self.needed.contains(&it.name));
        let hosts: BTreeSet<String> = hosts.map(|service| service.dns.clone()).collect();
        let record = PushRecord {
            number: site.next_number(),
            at,
            by: by(&self.options.holder),
            act: Operation::Push,
            outcome: PushOutcome::Underway,
            services: self.wanted.services.iter().map(|it| (it.name.clone(), it.version.clone())).collect(),
            reasons: self.reasons(),
        };
        let source = (!self.options.settings.without_source).then(|| self.options.source.clone());
        let kept = KeptRecord { record, objects, source };
        let mut sent = 0;
        let doing = Doing {
            access: &self.access,
            app: &app,
            project: &project,
            lease,
            site: &site,
            tell: &self.tell,
            options: &self.options,
        };
        let work = {
            let ready = async {
                let work = Box::pin(doing.rehearse(&kept, &hosts)).await?;
                sent = self.ship().await?;
                Ok::<_, PushError>(work)
            };
            tokio::select! {
                work = ready => work?,
                () = stopped(stop.clone()) => return Err(PushError::Stopped),
            }
        };
        if let Some(identity) = self.identity.take() {
            super::node::keep(&self.access, &app, project.first(), identity).await?;
        }
        Box::pin(doing.carry(&kept, &work, &self.order(), stop)).await?;
        self.prune(&site, &kept).await;
        Ok(PushDone {
            number: kept.record.number,
            services: self.needed.iter().cloned().collect(),
            sent,
            ms: start.elapsed().as_secs_f64() * 1e3,
        })
    }

    async fn ship(&self) -> Result<u64, PushError> {
        let Some(ship) = &self.ship else { return Ok(0) };
        let start = Instant::now();
        (self.tell)(PushEvent::Shipping { through: ship.describe() });
        let sent = ship.put(&distinct(&self.images)).await?;
        for text in sent.notices {
            (self.tell)(PushEvent::Notice { text });
        }
        let ms = start.elapsed().as_secs_f64() * 1e3;
        (self.tell)(PushEvent::Shipped { layers: sent.layers, bytes: sent.bytes, ms });
        Ok(sent.bytes)
    }

    /// Ends what was there for the roll alone; answers the bytes that travelled meanwhile.
    async fn finish(&self, is_live: bool) -> Result<u64, PushError> {
        let Some(ship) = &self.ship else { return Ok(0) };
        let sent = ship.finish(is_live).await?;
        for text in sent.notices {
            (self.tell)(PushEvent::Notice { text });
        }
        Ok(sent.bytes)
    }

    /// Removes images that no record goes back to. What stays though it need not is told; the push is done all the same.
    async fn prune(&self, site: &Site, kept: &KeptRecord) {
        let Some(ship) = &self.ship else { return };
        let records = site.records.iter().rev().take(crate::history::KEPT).chain([kept]);
        let keep: BTreeSet<String> = records.flat_map(|kept| &kept.objects).filter_map(image).collect();
        let notices = match ship.prune(&keep).await {
            Ok(pruned) => pruned.notices,
            Err(error) => vec![format!("old images stay: {error}")],
        };
        for text in notices {
            (self.tell)(PushEvent::Notice { text });
        }
    }

    /// DNS labels, upstreams first.
    fn order(&self) -> Vec<String> {
        self.wanted.services.iter().map(|service| service.dns.clone()).collect()
    }
}

/// What carries a record out, a push's or a rollback's.
pub(super) struct Doing<'a> {
    pub(super) access: &'a Access,
    pub(super) app: &'a str,
    /// What objects of its project carry.
    pub(super) project: &'a [String],
    pub(super) lease: &'a Lease,
    pub(super) site: &'a Site,
    pub(super) tell: &'a PushListener,
    pub(super) options: &'a PushOptions,
}

impl Doing<'_> {
    /// Has the server look at every object before one of them is applied.
    pub(super) async fn rehearse(&self, kept: &KeptRecord, hosts: &BTreeSet<String>) -> Result<Work, PushError> {
        let work = work(&kept.objects, hosts, self.site)?;
        let app = label::app(self.app);
        let apply = Apply { access: self.access, app: &app, project: self.project, force: self.options.force };
        let deployments = work.changes.iter().map(|change| &change.deployment);
        try_join_all(work.groundwork.iter().chain(&work.doors).chain(deployments).map(|it| apply.rehearse(it))).await?;
        self.have_secret(&PostParams { dry_run: true, ..PostParams::default() }).await?;
        Store::new(self.access, self.app).rehearse(kept).await?;
        Ok(work)
    }

    /// Keeps the record, does the work, cleans up, and keeps how it ended.
    pub(super) async fn carry(
        &self,
        kept: &KeptRecord,
        work: &Work,
        order: &[String],
        stop: watch::Receiver<bool>,
    ) -> Result<(), PushError> {
        let app = label::app(self.app);
        let store = Store::new(self.access, self.app);
        self.lease.hold().await?;
        let is_new = self.have_secret(&PostParams::default()).await?;
        if let Err(error) = store.keep(kept).await {
            if is_new && self.site.latest().is_none() && self.site.running.services.is_empty() {
                // Nothing of the app is there, and nothing stays there.
                let cleaning = Cleaning {
                    access: self.access,
                    app: self.app,
                    project: self.project,
                    lease: self.lease,
                    tell: self.tell,
                };
                let secret = label::secret(self.app);
                if let Err(error) = cleaning.remove("v1", "Secret", &secret).await {
                    (self.tell)(PushEvent::Notice { text: format!("the Secret {secret} stays: {error}") });
                }
            }
            return Err(error.into());
        }
        let rollout = Rollout {
            access: self.access,
            app: &app,
            project: self.project,
            lease: self.lease,
            force: self.options.force,
            deadline: self.options.deadline,
            tell: self.tell,
        };
        let ended = tokio::select! {
            ended = Box::pin(rollout.run(work)) => ended,
            () = stopped(stop.clone()) => {
                let why = "it was stopped".to_owned();
                store.end(&kept.record, PushOutcome::Stopped { why }).await?;
                return Err(PushError::Stopped);
            }
        };
        match ended {
            Ok(()) => {
                self.lease.hold().await?;
                store.end(&kept.record, PushOutcome::Live).await?;
            }
            Err(Ended::RolledBack { service, why, lines }) => {
                let outcome = PushOutcome::RolledBack { service: service.clone(), why: why.clone() };
                let put_away = async {
                    self.put_away(&kept.objects, order).await?;
                    // Last: a push that is cut before counts as unfinished, and the next one cleans up.
                    store.end(&kept.record, outcome).await?;
                    Ok::<_, PushError>(())
                };
                let left = tokio::select! {
                    left = put_away => left.err().map(|error| error.to_string()),
                    () = stopped(stop) => Some("it was stopped".to_owned()),
                };
                if let Some(why) = left {
                    let text = format!("what ran before runs again, and the next push cleans up after this one: {why}");
                    (self.tell)(PushEvent::Notice { text });
                }
                return Err(PushError::RolledBack { service, why, lines });
            }
            // Nothing answers that could keep it: the record says that it is under way.
            Err(Ended::Cut { applied, perhaps, error }) => {
                return Err(PushError::Cut { applied, perhaps, error: Box::new(error) });
            }
        }
        store.forget(&self.site.records).await?;
        if self.options.settings.without_source {
            store.drop_sources(&self.site.records).await?;
        }
        tokio::select! {
            cleaned = self.clean(&kept.objects, order, self.options.remove) => cleaned,
            () = stopped(stop) => {
                let text = "what is needed no more is left to the next push".to_owned();
                (self.tell)(PushEvent::Notice { text });
                Ok(())
            }
        }
    }

    async fn clean(&self, objects: &[Value], order: &[String], remove: bool) -> Result<(), PushError> {
        let now = Site::look(self.access, self.app).await?;
        let left = leftovers(objects, &now);
        if !remove && !left.gone.is_empty() {
            let hosts = left.gone.iter().flat_map(|old| old.hosts.iter().map(String::as_str));
            let names: Vec<_> = hosts.filter(|host| !order.iter().any(|it| it == host)).collect();
            let text =
                format!("no service of the app any more, and left running: {}; --remove removes it", names.join(", "));
            (self.tell)(PushEvent::Notice { text });
        }
        Cleaning { access: self.access, app: self.app, project: self.project, lease: self.lease, tell: self.tell }
            .run(&left, order, remove)
            .await?;
        Ok(())
    }

    /// Removes what only a push brought that was put back: whoever looks into the namespace finds what was there before.
    async fn put_away(&self, objects: &[Value], order: &[String]) -> Result<(), PushError> {
        let before = self.site.latest().map(|kept| kept.objects.as_slice()).unwrap_or_default();
        self.clean(before, order, false).await?;
        let cleaning =
            Cleaning { access: self.access, app: self.app, project: self.project, lease: self.lease, tell: self.tell };
        cleaning.take_away(&brought(objects, self.site)).await?;
        if self.site.latest().is_none() && self.site.running.services.is_empty() {
            // Nothing ran before either: nobody holds the key.
            cleaning.remove("v1", "Secret", &label::secret(self.app)).await?;
        }
        Ok(())
    }

    /// What a session has to know to look into pods: made once for an app. Whether it was made now.
    async fn have_secret(&self, parameters: &PostParams) -> Result<bool, ClusterError> {
        let api: Api<Secret> = Api::namespaced(self.access.client.clone(), &self.access.namespace);
        let doing = "have a key for the inner doors of services";
        if self.access.ask(doing, api.get_metadata_opt(&label::secret(self.app))).await?.is_some() {
            return Ok(false);
        }
        let random =
            |error: std::io::Error| ClusterError::Refused { doing: doing.to_owned(), code: 0, why: error.to_string() };
        let secret = object::secret(self.app, &key().map_err(random)?);
        match self.access.ask(doing, api.create(parameters, &secret)).await {
            Ok(_) => Ok(true),
            Err(ClusterError::Refused { code: 409, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

pub(super) fn by(holder: &Holder) -> String {
    format!("{}@{}", holder.user, holder.machine)
}

/// Ready once it is to stop.
pub(super) async fn stopped(mut stop: watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        // Whoever could say so is gone.
        std::future::pending::<()>().await;
    }
}

/// 32 random bytes as hex digits.
fn key() -> std::io::Result<String> {
    use std::io::Read;
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The image of a Deployment.
fn image(object: &Value) -> Option<String> {
    object["spec"]["template"]["spec"]["containers"][0]["image"].as_str().map(str::to_owned)
}
