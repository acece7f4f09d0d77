//! One push of an app at a time: a Lease in the namespace says whose turn it is.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease as Object, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::{Api, ResourceExt};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::access::Access;
use super::apply::{MANAGED_BY, MANAGER, PART_OF};
use super::error::ClusterError;

/// A holder that has not renewed for this long is gone. Measured by the one who waits: clocks need not agree.
const LASTS: Duration = Duration::from_secs(10);
/// Two renewals may be lost.
const RENEW: Duration = Duration::from_secs(3);
/// Nobody waits longer to be rid of a lease: who comes next waits until it has run out, no longer than [`LASTS`].
const RELEASE_WITHIN: Duration = Duration::from_secs(5);
/// How often a lease that is held is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Who holds a lease: `user@machine, process PID of PLACE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Who pushes.
    pub user: String,
    /// The machine's name. Others may have the same.
    pub machine: String,
    /// Stands for this start of this machine, and for the container on it: a process number means something there and
    /// then only.
    pub place: String,
    /// The process.
    pub process: u32,
}

/// A lease that is held. Dropping it unreleased leaves it to run out.
pub struct Lease {
    access: Access,
    app: String,
    uid: Option<String>,
    name: String,
    lost: watch::Receiver<Option<String>>,
    renewal: JoinHandle<()>,
}

impl Holder {
    fn line(&self) -> String {
        format!("{}@{}, process {} of {}", self.user, self.machine, self.process, self.place)
    }
}

impl Lease {
    /// Takes the lease of an app, by the lease's name. A holder of this machine whose process has ended is passed over at once, any other
    /// that is silent for ten seconds after that; `waiting` is told whom is waited for.
    ///
    /// # Errors
    /// [`ClusterError::Busy`] once the holder is seen to be at work.
    pub async fn take(
        access: &Access,
        name: &str,
        app: &str,
        holder: &Holder,
        mut waiting: impl FnMut(&str) + Send,
    ) -> Result<Self, ClusterError> {
        let name = name.to_owned();
        let api: Api<Object> = Api::namespaced(access.client.clone(), &access.namespace);
        let mut seen: Option<(String, Instant)> = None;
        loop {
            let found = access.ask("look at the lease", api.get_opt(&name)).await?;
            let Some(found) = found else {
                let fresh = object(&name, app, holder);
                match access.ask("take the lease", api.create(&PostParams::default(), &fresh)).await {
                    Ok(made) => return Ok(Self::hold(access, app, name, holder, made)),
                    Err(ClusterError::Refused { code: 409, .. }) => continue,
                    Err(error) => return Err(error),
                }
            };
            let who = found.spec.as_ref().and_then(|spec| spec.holder_identity.clone()).unwrap_or_default();
            let version = found.resource_version().unwrap_or_default();
            let waited_enough = match &seen {
                Some((before, _)) if *before != version => return Err(busy(app, &who)),
                Some((_, since)) => since.elapsed() >= LASTS,
                None => {
                    seen = Some((version.clone(), Instant::now()));
                    false
                }
            };
            if waited_enough || who.is_empty() || has_ended(&who, holder) {
                let taken = Object { metadata: found.metadata, ..object(&name, app, holder) };
                match access.ask("take the lease over", api.replace(&name, &PostParams::default(), &taken)).await {
                    Ok(made) => return Ok(Self::hold(access, app, name, holder, made)),
                    // Somebody was quicker, or it is not silent after all.
                    Err(ClusterError::Refused { code: 404 | 409, .. }) => continue,
                    Err(error) => return Err(error),
                }
            }
            waiting(&who);
            tokio::time::sleep(LOOK).await;
        }
    }

    fn hold(access: &Access, app: &str, name: String, holder: &Holder, made: Object) -> Self {
        let uid = made.uid();
        let (tell, lost) = watch::channel(None);
        let renewal = tokio::spawn(renew(access.clone(), name.clone(), holder.line(), made, tell));
        Self { access: access.clone(), app: app.to_owned(), uid, name, lost, renewal }
    }

    /// Whether it is still ours: to be asked before anything is changed.
    ///
    /// # Errors
    /// [`ClusterError::Lost`].
    pub fn check(&self) -> Result<(), ClusterError> {
        match &*self.lost.borrow() {
            None => Ok(()),
            Some(holder) => Err(ClusterError::Lost { app: self.app.clone(), holder: holder.clone() }),
        }
    }

    /// Lets the next one in at once.
    ///
    /// # Errors
    /// What the API server says: then the next one waits until the lease has run out.
    pub async fn release(self) -> Result<(), ClusterError> {
        self.renewal.abort();
        if self.lost.borrow().is_some() {
            return Ok(());
        }
        let api: Api<Object> = Api::namespaced(self.access.client.clone(), &self.access.namespace);
        let conditions = Preconditions { uid: self.uid.clone(), resource_version: None };
        let parameters = DeleteParams::default().preconditions(conditions);
        let released = self.access.ask("release the lease", api.delete(&self.name, &parameters));
        match tokio::time::timeout(RELEASE_WITHIN, released).await {
            Ok(Ok(_) | Err(ClusterError::Refused { code: 404 | 409, .. })) => Ok(()),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(ClusterError::Silent {
                server: self.access.server.clone(),
                doing: "release the lease".to_owned(),
                seconds: RELEASE_WITHIN.as_secs(),
            }),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

/// Renews until somebody else has it. An API server that does not answer is asked again: who waits does not see it
/// renewed either.
async fn renew(access: Access, name: String, holder: String, mut held: Object, lost: watch::Sender<Option<String>>) {
    let api: Api<Object> = Api::namespaced(access.client.clone(), &access.namespace);
    loop {
        tokio::time::sleep(RENEW).await;
        if let Some(spec) = &mut held.spec {
            spec.renew_time = Some(MicroTime(Timestamp::now()));
        }
        match access.ask("renew the lease", api.replace(&name, &PostParams::default(), &held)).await {
            Ok(renewed) => held = renewed,
            Err(error) if error.is_passing() => {}
            Err(_) => match access.ask("look at the lease", api.get_opt(&name)).await {
                Ok(Some(found)) => {
                    let who = found.spec.as_ref().and_then(|spec| spec.holder_identity.clone()).unwrap_or_default();
                    // A renewal may have come through and its answer not.
                    if who != holder {
                        lost.send_replace(Some(who));
                        return;
                    }
                    held = found;
                }
                Ok(None) => {
                    lost.send_replace(Some("somebody who removed the lease".to_owned()));
                    return;
                }
                Err(_) => {}
            },
        }
    }
}

fn object(name: &str, app: &str, holder: &Holder) -> Object {
    let now = MicroTime(Timestamp::now());
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Object {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some([label(MANAGED_BY, MANAGER), label(PART_OF, app)].into()),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(holder.line()),
            lease_duration_seconds: i32::try_from(LASTS.as_secs()).ok(),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            ..LeaseSpec::default()
        }),
    }
}

fn busy(app: &str, holder: &str) -> ClusterError {
    ClusterError::Busy { app: app.to_owned(), holder: holder.to_owned() }
}

/// Whether a holder was a process of this place that has ended.
fn has_ended(line: &str, here: &Holder) -> bool {
    let process = line.rsplit_once(", process ").and_then(|(_, process)| process.split_once(" of "));
    let Some((process, place)) = process else { return false };
    place == here.place
        && process.parse::<u32>().is_ok_and(|process| !std::path::Path::new("/proc").join(process.to_string()).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_of_this_place_is_known_to_have_ended() {
        let (user, machine, process) = ("me".into(), "box".into(), std::process::id());
        let here = Holder { user, machine, place: "boot-1".into(), process };
        assert!(!has_ended(&here.line(), &here));
        // The largest number Linux gives is 4,194,304.
        let ended = Holder { process: 4_194_305, ..here.clone() };
        assert!(has_ended(&ended.line(), &here));
        // Another machine of the name, or this one before it was started anew.
        let elsewhere = Holder { place: "boot-2".into(), ..ended };
        assert!(!has_ended(&elsewhere.line(), &here));
        assert!(!has_ended("somebody else's line", &here));
    }
}
