//! Deployments to what they are wanted to be, and back to what they were where that fails.

use std::time::Duration;

use futures_util::future::join_all;
use kube::ResourceExt;
use kube::api::DynamicObject;
use tokio::time::Instant;

use super::event::{Event, Listener};
use crate::cluster::{Access, Apply, ClusterError, Follow, Lease, Rolled, follow, look_again};

/// How long what has just become live is looked at before it is believed: a service may end once it is alone. Its node looks
/// once a second whether a container still runs, and takes a while to tell.
const SETTLE: Duration = Duration::from_secs(3);

/// A service that is to run otherwise than it does.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// Rust name.
    pub(crate) service: String,
    /// `service@hash`.
    pub(crate) version: String,
    /// What it is to be.
    pub(crate) deployment: DynamicObject,
    /// What it was applied as before; none where it is new.
    pub(crate) before: Option<DynamicObject>,
}

/// All that a push does to a cluster, in its order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Work {
    /// What Deployments need and nobody is hurt by: configurations, Services of new forms.
    pub(crate) groundwork: Vec<DynamicObject>,
    /// Upstreams before those who call them.
    pub(crate) changes: Vec<Change>,
    /// What leads callers to services, once all of them are live.
    pub(crate) doors: Vec<DynamicObject>,
    /// What those were before that were there.
    pub(crate) doors_before: Vec<DynamicObject>,
}

/// Where and how it is done.
pub(crate) struct Rollout<'a> {
    pub(crate) access: &'a Access,
    pub(crate) app: &'a str,
    pub(crate) lease: &'a Lease,
    /// Whether fields that others set are taken over.
    pub(crate) force: bool,
    /// For each service.
    pub(crate) deadline: Duration,
    pub(crate) tell: &'a Listener,
}

/// Why it was not done.
#[derive(Debug)]
pub(crate) enum Ended {
    /// A service did not get there; everything is as it was.
    RolledBack { service: String, why: String, lines: Vec<String> },
    /// Nothing more can be done from here.
    Cut { applied: Vec<String>, perhaps: Option<String>, error: ClusterError },
}

impl Rollout<'_> {
    /// What is new comes first, all of it side by side: nobody calls it yet. What is changed in place follows, one
    /// after another.
    pub(crate) async fn run(&self, work: &Work) -> Result<(), Ended> {
        let mut done: Vec<&Change> = Vec::new();
        for object in &work.groundwork {
            if let Err(error) = self.apply(object, self.force).await {
                return Err(self.undo(&done, &object.name_any(), error).await);
            }
        }
        let (new, changed): (Vec<&Change>, Vec<&Change>) = work.changes.iter().partition(|it| it.before.is_none());
        for change in &new {
            if let Err(error) = self.apply(&change.deployment, self.force).await {
                return Err(self.undo(&done, &change.service, error).await);
            }
            done.push(change);
        }
        self.see_live(&new, &done).await?;
        for change in changed {
            let applied = self.apply(&change.deployment, self.force).await;
            if let Err(error) = applied {
                return Err(self.undo(&done, &change.service, error).await);
            }
            done.push(change);
            self.see_live(&[change], &done).await?;
        }
        match self.open(work, &done).await {
            Err(Ended::RolledBack { service, why, lines }) => {
                for object in &work.doors_before {
                    if let Err(error) = self.apply(object, true).await {
                        return Err(Ended::Cut { applied: vec![service], perhaps: None, error });
                    }
                }
                Err(Ended::RolledBack { service, why, lines })
            }
            ended => ended,
        }
    }

    /// Leads callers over, and believes it after a look at everything.
    async fn open(&self, work: &Work, done: &[&Change]) -> Result<(), Ended> {
        for object in &work.doors {
            if let Err(error) = self.apply(object, self.force).await {
                return Err(self.undo(done, &object.name_any(), error).await);
            }
        }
        self.settle(done).await
    }

    async fn see_live(&self, changes: &[&Change], done: &[&Change]) -> Result<(), Ended> {
        let ended = join_all(changes.iter().map(|change| self.follow(change))).await;
        for (change, ended) in changes.iter().zip(ended) {
            match ended {
                Ok(Rolled::Live) => {}
                Ok(Rolled::Failed { why, lines }) => return Err(self.give_up(done, &change.service, why, lines).await),
                Err(error) => return Err(self.undo(done, &change.service, error).await),
            }
        }
        Ok(())
    }

    async fn follow(&self, change: &Change) -> Result<Rolled, ClusterError> {
        let start = Instant::now();
        let rolling = |roll: &crate::cluster::Roll| {
            let (ready, wanted, old, why) = (roll.ready, roll.wanted, roll.old, roll.why.clone());
            (self.tell)(Event::Rolling { service: change.service.clone(), ready, wanted, old, why });
        };
        let ended = follow(self.access, &self.what(change), rolling).await?;
        if ended == Rolled::Live {
            let (service, version) = (change.service.clone(), change.version.clone());
            (self.tell)(Event::Live { service, version, ms: start.elapsed().as_secs_f64() * 1e3 });
        }
        Ok(ended)
    }

    /// Looks at everything that was changed once more.
    async fn settle(&self, done: &[&Change]) -> Result<(), Ended> {
        if done.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(SETTLE).await;
        for change in done {
            match look_again(self.access, &self.what(change)).await {
                Ok(Rolled::Live) => {}
                Ok(Rolled::Failed { why, lines }) => {
                    let why = format!("it was live, and then {why}");
                    return Err(self.give_up(done, &change.service, why, lines).await);
                }
                Err(error) => return Err(self.undo(done, &change.service, error).await),
            }
        }
        Ok(())
    }

    /// Puts back what was changed because the cluster said no.
    async fn undo(&self, done: &[&Change], service: &str, error: ClusterError) -> Ended {
        // Whoever took over decides what runs; and what does not answer takes nothing back.
        if error.is_passing() || matches!(error, ClusterError::Lost { .. }) {
            let applied: Vec<String> = done.iter().map(|change| change.service.clone()).collect();
            // A question without an answer may have been heard.
            let perhaps = (error.is_passing() && !applied.iter().any(|it| it == service)).then(|| service.to_owned());
            return Ended::Cut { applied, perhaps, error };
        }
        let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
        self.give_up(done, service, format!("failed to {error}{hint}"), Vec::new()).await
    }

    async fn give_up(&self, done: &[&Change], service: &str, why: String, lines: Vec<String>) -> Ended {
        (self.tell)(Event::Failed { service: service.to_owned(), why: why.clone(), lines: lines.clone() });
        for change in done.iter().rev() {
            (self.tell)(Event::RollingBack { service: change.service.clone() });
            let put_back = match &change.before {
                Some(before) => self.apply(before, true).await,
                None => self.terms(true).remove(&change.deployment).await.map(drop),
            };
            if let Err(error) = put_back {
                let applied = done.iter().map(|change| change.service.clone()).collect();
                return Ended::Cut { applied, perhaps: None, error };
            }
        }
        for change in done.iter().rev() {
            let Some(before) = &change.before else { continue };
            let back = Change { deployment: before.clone(), ..(*change).clone() };
            match follow(self.access, &self.what(&back), |_| {}).await {
                Ok(Rolled::Live) => {}
                Ok(Rolled::Failed { why, .. }) => {
                    let text = format!("{} was put back and is not ready: {why}", change.service);
                    (self.tell)(Event::Notice { text });
                }
                Err(error) => {
                    let text =
                        format!("{} was put back; whether it is ready is not known: failed to {error}", change.service);
                    (self.tell)(Event::Notice { text });
                }
            }
        }
        Ended::RolledBack { service: service.to_owned(), why, lines }
    }

    async fn apply(&self, object: &DynamicObject, force: bool) -> Result<(), ClusterError> {
        self.lease.check()?;
        self.terms(force).apply(object).await.map(drop)
    }

    fn terms(&self, force: bool) -> Apply<'_> {
        Apply { access: self.access, app: self.app, force }
    }

    fn what(&self, change: &Change) -> Follow {
        let labels = &change.deployment.data["spec"]["selector"]["matchLabels"];
        let labels = labels.as_object().into_iter().flatten();
        let selector: Vec<_> =
            labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
        let deployment = change.deployment.name_any();
        Follow { deployment, selector: selector.join(","), deadline: self.deadline }
    }
}
