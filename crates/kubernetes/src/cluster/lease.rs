//! One push of an app at a time: a Lease in the namespace says whose turn it is.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease as Object, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::{Api, ResourceExt};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::access::Access;
use super::apply::{MANAGED_BY, MANAGER, PART_OF};
use super::error::ClusterError;

/// A holder that has not renewed for this long is gone. Measured by the one who waits: clocks need not agree.
const LASTS: Duration = Duration::from_secs(10);
/// Two renewals may be lost.
const RENEW: Duration = Duration::from_secs(3);
/// What was renewed longer ago than this is renewed before anything is changed: the write takes its time, too.
const FRESH: Duration = Duration::from_secs(6);
/// How often a renewal is tried whose answer was lost.
const TRIES: u32 = 3;
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
    pub process: u32,
}

/// A lease that is held. Dropping it unreleased leaves it to run out.
pub struct Lease {
    access: Access,
    app: String,
    uid: Option<String>,
    name: String,
    holder: String,
    held: Arc<Mutex<Held>>,
    lost: Arc<watch::Sender<Option<String>>>,
    renewal: JoinHandle<()>,
}

/// The lease as it was renewed last.
struct Held {
    object: Object,
    since: Moment,
}

/// A moment, by the clock that stands still while the machine sleeps and by the one that goes on.
#[derive(Clone, Copy, Debug)]
struct Moment {
    awake: Instant,
    since_boot: Duration,
}

impl Moment {
    fn now() -> Self {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
        let since_boot = Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default());
        Self { awake: Instant::now(), since_boot }
    }

    /// How long ago it was, a sleep of the machine's counted.
    fn age(&self, now: Self) -> Duration {
        let awake = now.awake.saturating_duration_since(self.awake);
        awake.max(now.since_boot.saturating_sub(self.since_boot))
    }
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
            let since = Moment::now();
            let found = access.ask("look at the lease", api.get_opt(&name)).await?;
            let Some(found) = found else {
                let fresh = object(&name, app, holder);
                match access.ask("take the lease", api.create(&PostParams::default(), &fresh)).await {
                    Ok(made) => return Ok(Self::held(access, app, name, holder, (made, since))),
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
                    Ok(made) => return Ok(Self::held(access, app, name, holder, (made, since))),
                    // Somebody was quicker, or it is not silent after all.
                    Err(ClusterError::Refused { code: 404 | 409, .. }) => continue,
                    Err(error) => return Err(error),
                }
            }
            waiting(&who);
            tokio::time::sleep(LOOK).await;
        }
    }

    fn held(access: &Access, app: &str, name: String, holder: &Holder, (made, since): (Object, Moment)) -> Self {
        let (uid, holder) = (made.uid(), holder.line());
        let lost = Arc::new(watch::channel(None).0);
        let held = Arc::new(Mutex::new(Held { object: made, since }));
        let (access, app) = (access.clone(), app.to_owned());
        let renewal = tokio::spawn(renew(access.clone(), name.clone(), holder.clone(), held.clone(), lost.clone()));
        Self { access, app, uid, name, holder, held, lost, renewal }
    }

    /// Makes sure that it is still ours: to be asked before anything is changed. One that was renewed too long ago, as
    /// after a sleep of this machine's, is renewed first: who took it over meanwhile is found by that.
    ///
    /// # Errors
    /// [`ClusterError::Lost`], or what the API server says.
    pub async fn hold(&self) -> Result<(), ClusterError> {
        self.check()?;
        let mut held = self.held.lock().await;
        for _ in 0..TRIES {
            if held.since.age(Moment::now()) < FRESH {
                break;
            }
            if let Some(who) = Box::pin(renew_once(&self.access, &self.name, &self.holder, &mut held)).await? {
                self.lost.send_replace(Some(who));
                break;
            }
        }
        self.check()?;
        match held.since.age(Moment::now()) < LASTS {
            true => Ok(()),
            false => Err(ClusterError::Silent {
                server: self.access.server.clone(),
                doing: "renew the lease before it runs out".to_owned(),
                seconds: LASTS.as_secs(),
            }),
        }
    }

    fn check(&self) -> Result<(), ClusterError> {
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
async fn renew(
    access: Access,
    name: String,
    holder: String,
    held: Arc<Mutex<Held>>,
    lost: Arc<watch::Sender<Option<String>>>,
) {
    loop {
        tokio::time::sleep(RENEW).await;
        let mut held = held.lock().await;
        // What cannot be asked now is asked again, and before anything is written.
        if let Ok(Some(who)) = renew_once(&access, &name, &holder, &mut held).await {
            lost.send_replace(Some(who));
            return;
        }
    }
}

/// Renews, by the version that was seen last: who has it where that is somebody else by now.
async fn renew_once(
    access: &Access,
    name: &str,
    holder: &str,
    held: &mut Held,
) -> Result<Option<String>, ClusterError> {
    let api: Api<Object> = Api::namespaced(access.client.clone(), &access.namespace);
    // Who waits counts from when it is written, which is no sooner than now.
    let since = Moment::now();
    if let Some(spec) = &mut held.object.spec {
        spec.renew_time = Some(MicroTime(Timestamp::now()));
    }
    match access.ask("renew the lease", api.replace(name, &PostParams::default(), &held.object)).await {
        Ok(object) => {
            *held = Held { object, since };
            return Ok(None);
        }
        Err(error) if error.is_passing() => return Err(error),
        Err(_) => {}
    }
    let Some(found) = access.ask("look at the lease", api.get_opt(name)).await? else {
        return Ok(Some("somebody who removed the lease".to_owned()));
    };
    let who = found.spec.as_ref().and_then(|spec| spec.holder_identity.clone()).unwrap_or_default();
    if who != holder {
        return Ok(Some(who));
    }
    // A renewal came through and its answer did not: of when is not known, so that the next write renews it.
    held.object = found;
    Ok(None)
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
    fn a_machine_that_slept_holds_nothing_fresh() {
        let before = Moment::now();
        let (awake, since_boot) = (before.awake + Duration::from_secs(1), before.since_boot);
        let slept = Moment { awake, since_boot: since_boot + Duration::from_secs(30) };
        assert!(before.age(slept) >= FRESH, "{:?}", before.age(slept));
        let awake = Moment { awake, since_boot: since_boot + Duration::from_secs(1) };
        assert!(before.age(awake) < FRESH);
        // A write that was let through has to be over before anybody takes the lease over.
        assert!(FRESH > RENEW && FRESH < LASTS);
    }

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
