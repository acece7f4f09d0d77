//! Deployments to what they are wanted to be, and back to what they were where that fails.

use std::time::Duration;

use futures_util::future::join_all;
use kube::ResourceExt;
use kube::api::DynamicObject;
use tokio::time::Instant;

use super::event::{PushEvent, PushListener};
use crate::cluster::{Access, Apply, ClusterError, Follow, Lease, Rolled, follow, look_again};

/// How long what has just become live is looked at before it is believed: a service may end once it is alone. Its node looks
/// once a second whether a container still runs, and takes a while to tell.
const SETTLE: Duration = Duration::from_secs(3);

/// How often what changes under our hands is looked at anew before it is written.
const TRIES: u32 = 10;

/// Pods that are to run otherwise than they do.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// Their services: Rust name and `service@hash`.
    pub(crate) services: Vec<(String, String)>,
    /// What it is to be.
    pub(crate) deployment: DynamicObject,
    /// What it was applied as before; none where it is new.
    pub(crate) before: Option<DynamicObject>,
}

impl Change {
    /// Rust names, joined.
    fn name(&self) -> String {
        self.names().collect::<Vec<_>>().join("+")
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(|(service, _)| service.as_str())
    }
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
    pub(crate) doors_before: Vec<DynamicObject>,
}

/// Where and how it is done.
pub(crate) struct Rollout<'a> {
    pub(crate) access: &'a Access,
    pub(crate) app: &'a str,
    pub(crate) project: &'a [String],
    pub(crate) lease: &'a Lease,
    /// Whether fields that others set are taken over.
    pub(crate) force: bool,
    /// For each service.
    pub(crate) deadline: Duration,
    pub(crate) tell: &'a PushListener,
}

/// Why it was not done.
#[derive(Debug)]
pub(crate) enum Ended {
    /// A service did not get there, or those of a group, joined; everything is as it was.
    RolledBack { service: String, why: String, lines: Vec<String> },
    /// Nothing more can be done from here.
    Cut { applied: Vec<String>, perhaps: Option<String>, error: ClusterError },
}

/// What did not get there.
enum Failed<'a> {
    Pods(&'a Change),
    /// An object, or a service that is named already.
    Object(&'a str),
}

/// A step back.
#[derive(Debug)]
enum Step<'a> {
    /// Leads callers to what ran before.
    Lead(&'a DynamicObject),
    /// Has a service run as it did.
    PutBack(&'a Change, &'a DynamicObject),
    /// Waits until it does.
    Await(&'a Change, &'a DynamicObject),
    /// Takes away what is new.
    Remove(&'a Change),
}

/// The way back. Nothing goes that somebody may still be led to: names lead back first, then who calls goes back to what
/// it called, and what is new goes once all of that runs.
fn back<'a>(doors: &'a [DynamicObject], done: &[&'a Change]) -> Vec<Step<'a>> {
    let old = || done.iter().rev().filter_map(|change| Some((*change, change.before.as_ref()?)));
    let lead = doors.iter().map(Step::Lead);
    let put_back = old().map(|(change, before)| Step::PutBack(change, before));
    let wait = old().map(|(change, before)| Step::Await(change, before));
    let new = done.iter().rev().filter(|change| change.before.is_none());
    lead.chain(put_back).chain(wait).chain(new.map(|change| Step::Remove(change))).collect()
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
                return Err(self.undo(&done, &change.name(), error).await);
            }
            done.push(change);
        }
        self.see_live(&new, &done).await?;
        for change in changed {
            let applied = self.apply(&change.deployment, self.force).await;
            if let Err(error) = applied {
                return Err(self.undo(&done, &change.name(), error).await);
            }
            done.push(change);
            self.see_live(&[change], &done).await?;
        }
        for object in &work.doors {
            if let Err(error) = self.apply(object, self.force).await {
                return Err(self.close(work, &done, &object.name_any(), error).await);
            }
        }
        self.settle(work, &done).await
    }

    async fn see_live(&self, changes: &[&Change], done: &[&Change]) -> Result<(), Ended> {
        let ended = join_all(changes.iter().map(|change| self.follow(change))).await;
        for (change, ended) in changes.iter().zip(ended) {
            match ended {
                Ok(Rolled::Live) => {}
                Ok(Rolled::Failed { why, lines }) => return Err(self.give_up(done, change, why, lines).await),
                Err(error) => return Err(self.undo(done, &change.name(), error).await),
            }
        }
        Ok(())
    }

    async fn follow(&self, change: &Change) -> Result<Rolled, ClusterError> {
        let start = Instant::now();
        let rolling = |roll: &crate::cluster::RollProgress| {
            let (ready, wanted, old, why) = (roll.ready, roll.wanted, roll.old, roll.why.clone());
            for service in change.names().map(str::to_owned) {
                (self.tell)(PushEvent::Rolling { service, ready, wanted, old, why: why.clone() });
            }
        };
        let ended = Box::pin(follow(self.access, &self.what(change), rolling)).await?;
        if ended == Rolled::Live {
            let ms = start.elapsed().as_secs_f64() * 1e3;
            for (service, version) in change.services.clone() {
                (self.tell)(PushEvent::Live { service, version, ms });
            }
        }
        Ok(ended)
    }

    /// Looks at everything that was changed once more, callers being led to it by now.
    async fn settle(&self, work: &Work, done: &[&Change]) -> Result<(), Ended> {
        if done.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(SETTLE).await;
        for change in done {
            match look_again(self.access, &self.what(change)).await {
                Ok(Rolled::Live) => {}
                Ok(Rolled::Failed { why, lines }) => {
                    let why = format!("it was live, and then {why}");
                    return Err(
                        Box::pin(self.put_back(&work.doors_before, done, Failed::Pods(change), why, lines)).await
                    );
                }
                Err(error) => return Err(self.close(work, done, &change.name(), error).await),
            }
        }
        Ok(())
    }

    /// Puts back what was changed because the cluster said no.
    async fn undo(&self, done: &[&Change], service: &str, error: ClusterError) -> Ended {
        self.undo_all(&[], done, service, error).await
    }

    /// The same once callers may have been led over.
    async fn close(&self, work: &Work, done: &[&Change], service: &str, error: ClusterError) -> Ended {
        self.undo_all(&work.doors_before, done, service, error).await
    }

    async fn undo_all(&self, doors: &[DynamicObject], done: &[&Change], service: &str, error: ClusterError) -> Ended {
        // Whoever took over decides what runs; and what does not answer takes nothing back.
        if error.is_passing() || matches!(error, ClusterError::Lost { .. }) {
            let applied: Vec<String> = done.iter().map(|change| change.name()).collect();
            // A question without an answer may have been heard.
            let perhaps = (error.is_passing() && !applied.iter().any(|it| it == service)).then(|| service.to_owned());
            return Ended::Cut { applied, perhaps, error };
        }
        let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
        Box::pin(self.put_back(doors, done, Failed::Object(service), format!("{error}{hint}"), Vec::new())).await
    }

    async fn give_up(&self, done: &[&Change], change: &Change, why: String, lines: Vec<String>) -> Ended {
        Box::pin(self.put_back(&[], done, Failed::Pods(change), why, lines)).await
    }

    async fn put_back(
        &self,
        doors: &[DynamicObject],
        done: &[&Change],
        failed: Failed<'_>,
        why: String,
        lines: Vec<String>,
    ) -> Ended {
        let (name, names) = match failed {
            Failed::Pods(change) => (change.name(), change.names().map(str::to_owned).collect()),
            Failed::Object(name) => (name.to_owned(), vec![name.to_owned()]),
        };
        let names: Vec<String> = names;
        for (at, service) in names.into_iter().enumerate() {
            // Services of one pod share their lines.
            let lines = if at == 0 { lines.clone() } else { Vec::new() };
            (self.tell)(PushEvent::Failed { service, why: why.clone(), lines });
        }
        for step in back(doors, done) {
            let taken = match step {
                Step::Lead(door) => self.apply(door, true).await,
                Step::PutBack(change, before) => {
                    self.tell_back(change);
                    self.apply(before, true).await
                }
                Step::Await(change, before) => {
                    self.await_old(change, before).await;
                    Ok(())
                }
                Step::Remove(change) => {
                    self.tell_back(change);
                    self.remove(&change.deployment).await
                }
            };
            if let Err(error) = taken {
                let applied = done.iter().map(|change| change.name()).collect();
                return Ended::Cut { applied, perhaps: None, error };
            }
        }
        Ended::RolledBack { service: name, why, lines }
    }

    fn tell_back(&self, change: &Change) {
        for service in change.names().map(str::to_owned) {
            (self.tell)(PushEvent::RollingBack { service });
        }
    }

    /// Waits until what ran before runs again.
    async fn await_old(&self, change: &Change, before: &DynamicObject) {
        let back = Change { deployment: before.clone(), ..change.clone() };
        let text = match follow(self.access, &self.what(&back), |_| {}).await {
            Ok(Rolled::Live) => return,
            Ok(Rolled::Failed { why, .. }) => format!("{} was put back and is not ready: {why}", change.name()),
            Err(error) => {
                format!("{} was put back; whether it is ready is not known: {error}", change.name())
            }
        };
        (self.tell)(PushEvent::Notice { text });
    }

    async fn remove(&self, object: &DynamicObject) -> Result<(), ClusterError> {
        self.lease.hold().await?;
        self.terms(true).remove(object).await.map(drop)
    }

    async fn apply(&self, object: &DynamicObject, force: bool) -> Result<(), ClusterError> {
        let mut tries = 0;
        loop {
            self.lease.hold().await?;
            match Box::pin(self.terms(force).apply(object)).await {
                // Changed between the look and the write: by who took over, or by a controller that counts pods.
                Err(ClusterError::Refused { code: 409, .. }) if tries < TRIES => tries += 1,
                applied => return applied.map(drop),
            }
        }
    }

    fn terms(&self, force: bool) -> Apply<'_> {
        Apply { access: self.access, app: self.app, project: self.project, force }
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(kind: &str, name: &str) -> DynamicObject {
        serde_json::from_value(json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name } })).unwrap()
    }

    fn change(service: &str, is_new: bool) -> Change {
        let deployment = object("Deployment", service);
        let before = (!is_new).then(|| deployment.clone());
        Change { services: vec![(service.to_owned(), String::new())], deployment, before }
    }

    #[test]
    fn on_the_way_back_nothing_goes_that_callers_are_led_to() {
        let (new, first, second) = (change("new", true), change("first", false), change("second", false));
        let doors = [object("Service", "plain")];
        let steps: Vec<String> = back(&doors, &[&new, &first, &second])
            .iter()
            .map(|step| match step {
                Step::Lead(door) => format!("lead {}", door.name_any()),
                Step::PutBack(change, _) => format!("put back {}", change.name()),
                Step::Await(change, _) => format!("await {}", change.name()),
                Step::Remove(change) => format!("remove {}", change.name()),
            })
            .collect();
        let wanted = ["lead plain", "put back second", "put back first", "await second", "await first", "remove new"];
        assert_eq!(steps, wanted);
    }
}
