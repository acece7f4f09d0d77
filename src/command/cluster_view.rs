//! What runs on a cluster, as the view shows it: the session's picture, with the pods' services in place of its own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use kubernetes::hosts::PodHost;
use session_api::Snapshot;
use session_api::snapshot::{Condition, Notice, Phase, ServiceView};
use tokio::sync::watch;

use super::observe::{Observed, hosts, observe};
use crate::arguments::Goal;

/// Pictures of the cluster, from those of the session.
pub(crate) type Pictures = watch::Receiver<Arc<Snapshot>>;

/// Looks at the cluster until the pictures are dropped.
///
/// # Errors
/// In words: no or the wrong cluster, nothing pushed, no right to look.
pub(crate) async fn look(file: PathBuf, goal: Goal, mut local: Pictures) -> Result<Pictures, String> {
    let goal = aim(goal, &local.borrow());
    let (app, _, settings) = super::cluster::load(&file).map_err(|fault| fault.words())?;
    let app = settings.name_of(&app).to_owned();
    let hosts = hosts(&file, &app, &goal).await.map_err(|fault| fault.words())?;
    let access = hosts.access();
    let place = format!("{}, namespace {}", access.context, access.namespace);
    let (seen, mut observed) = watch::channel(Observed::default());
    let first = picture(&local.borrow_and_update(), &Observed::default(), &place);
    let (shown, pictures) = watch::channel(Arc::new(first));
    tokio::spawn(async move {
        let observing = observe(hosts, seen);
        tokio::pin!(observing);
        loop {
            let is_there = tokio::select! {
                ended = &mut observing => {
                    if let Err(fault) = ended {
                        let mut last = Snapshot::clone(&shown.borrow());
                        notice(&mut last, fault.words());
                        shown.send_replace(Arc::new(last));
                    }
                    false
                }
                changed = observed.changed() => changed.is_ok(),
                changed = local.changed() => changed.is_ok(),
                () = shown.closed() => false,
            };
            if !is_there {
                return;
            }
            let now = picture(&local.borrow_and_update(), &observed.borrow_and_update(), &place);
            shown.send_replace(Arc::new(now));
        }
    });
    Ok(pictures)
}

/// Where nobody says which cluster is meant, it is the one the session pushed to last.
fn aim(goal: Goal, local: &Snapshot) -> Goal {
    let last = local.pushes.iter().rev().find_map(|push| push.target.as_ref());
    match last.filter(|_| goal.context.is_none() && goal.namespace.is_none()) {
        Some(target) => Goal {
            // Inside a pod there is a cluster and no context of that name.
            context: Some(target.context.clone()).filter(|context| context != "in-cluster"),
            namespace: Some(target.namespace.clone()),
        },
        None => goal,
    }
}

/// The session's picture with what runs on the cluster in place of what runs here. What is wrong with the file stays
/// with the session: it is not what runs there.
fn picture(local: &Snapshot, observed: &Observed, place: &str) -> Snapshot {
    let of = |name: &str| -> Vec<&PodHost> { observed.census.hosts.values().filter(|it| it.service == name).collect() };
    let known = local.services.iter().map(|service| service.name.as_str());
    let more = observed.census.hosts.values().map(|host| host.service.as_str());
    let mut services: Vec<ServiceView> = Vec::new();
    for name in known.chain(more) {
        if services.iter().all(|service| service.name != name) {
            let shape = local
                .service(name)
                .cloned()
                .unwrap_or_else(|| ServiceView { name: name.to_owned(), ..ServiceView::default() });
            services.push(service(shape, &of(name)));
        }
    }
    let mut hops = observed.measured.hops.clone();
    // Versions there follow each other by pushes; edits are numbered here.
    hops.values_mut().for_each(|hop| hop.edit = None);
    let mut picture = Snapshot {
        phase: if local.phase == Phase::Closing { Phase::Closing } else { Phase::Serving },
        backend: Some(place.to_owned()),
        url: None,
        services,
        diagnostics: Vec::new(),
        hops,
        traces: observed.measured.traces.clone(),
        dropped: observed.measured.dropped,
        ..local.clone()
    };
    if let Some(trouble) = observed.troubles.first() {
        notice(&mut picture, trouble.clone());
    }
    picture
}

fn notice(picture: &mut Snapshot, message: String) {
    picture.notices.push(Notice { at_ms: picture.now_ms, message });
}

/// A service as its pods have it; its inputs and output are those of the file.
fn service(shape: ServiceView, pods: &[&PodHost]) -> ServiceView {
    let staying = || pods.iter().filter(|pod| !pod.going);
    let ready = staying().filter(|pod| pod.ready).count();
    let mut versions: BTreeMap<&str, usize> = BTreeMap::new();
    for pod in staying().filter(|pod| pod.ready) {
        *versions.entry(&pod.version).or_default() += 1;
    }
    let version = versions.iter().max_by_key(|(_, pods)| **pods).map(|(version, _)| (*version).to_owned());
    let reason = staying().find_map(|pod| pod.why.as_deref());
    let (all, going) = (staying().count(), pods.len() - staying().count());
    let mut why = Vec::new();
    if all == 0 {
        why.push("no pod".to_owned());
    } else if ready < all || all > 1 || going > 0 {
        why.push(format!("{ready} of {all} pods ready"));
    }
    if going > 0 {
        why.push(format!("{going} on the way out"));
    }
    if versions.len() > 1 {
        why.push(format!("{} versions", versions.len()));
    }
    why.extend(reason.map(str::to_owned));
    ServiceView {
        state: match ready {
            0 => Condition::Down,
            _ if ready < all => Condition::Building,
            _ => Condition::Live,
        },
        version,
        since_ms: None,
        url: None,
        placed: BTreeMap::new(),
        restarts: staying().map(|pod| pod.restarts).sum(),
        why: Some(why.join(", ")).filter(|why| !why.is_empty()),
        pid: None,
        ..shape
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn host(service: &str, version: &str, ready: bool) -> PodHost {
        let why = (!ready).then(|| "ErrImagePull".to_owned());
        PodHost { service: service.into(), version: version.into(), ready, running: ready, why, ..PodHost::default() }
    }

    fn seen(hosts: &[(&str, PodHost)]) -> Observed {
        let hosts = hosts.iter().map(|(pod, host)| ((*pod).to_owned(), host.clone())).collect();
        Observed { census: kubernetes::hosts::Census { hosts, trouble: None }, ..Observed::default() }
    }

    #[test]
    fn services_are_as_their_pods_are() {
        let shape = |name: &str| ServiceView { name: name.into(), output: "u64".into(), ..ServiceView::default() };
        let local = Snapshot { services: vec![shape("get"), shape("map"), shape("sum")], ..Snapshot::default() };
        let going = PodHost { going: true, ..host("map", "map@1", false) };
        let observed = seen(&[
            ("get-1", host("get", "get@1", true)),
            ("map-1", going),
            ("map-2", host("map", "map@2", true)),
            ("map-3", host("map", "map@2", false)),
            ("old-1", host("old", "old@1", false)),
        ]);
        let picture = picture(&local, &observed, "home, namespace shop");
        let said: Vec<_> = picture.services.iter().map(|it| (it.name.as_str(), it.state, it.why.as_deref())).collect();
        assert_eq!(
            said,
            [
                ("get", Condition::Live, None),
                ("map", Condition::Building, Some("1 of 2 pods ready, 1 on the way out, ErrImagePull")),
                ("sum", Condition::Down, Some("no pod")),
                ("old", Condition::Down, Some("0 of 1 pods ready, ErrImagePull")),
            ]
        );
        let map = picture.service("map").unwrap();
        assert_eq!((map.version.as_deref(), map.output.as_str()), (Some("map@2"), "u64"));
        assert_eq!(picture.backend.as_deref(), Some("home, namespace shop"));
    }

    #[test]
    fn it_looks_where_it_is_told_or_where_the_last_push_went() {
        use session_api::push::{PushTarget, PushView};
        let target = PushTarget { context: "home".into(), namespace: "shop".into(), ..PushTarget::default() };
        let push = PushView { target: Some(target), ..PushView::default() };
        let local = Snapshot { pushes: vec![push, PushView::default()], ..Snapshot::default() };
        let said = |goal: Goal| (goal.context, goal.namespace);
        let (home, shop) = (Some("home".to_owned()), Some("shop".to_owned()));
        assert_eq!(said(aim(Goal::default(), &local)), (home, shop));
        let other = Goal { context: None, namespace: Some("other".to_owned()) };
        assert_eq!(said(aim(other, &local)), (None, Some("other".to_owned())));
    }

    #[test]
    fn what_is_in_the_way_is_the_latest_notice_for_as_long_as_it_is() {
        let local = Snapshot { now_ms: 70_000, ..Snapshot::default() };
        let observed = Observed { troubles: vec!["cannot reach map-1".to_owned()], ..Observed::default() };
        let last = picture(&local, &observed, "home").notices.pop().unwrap();
        assert_eq!((last.at_ms, last.message.as_str()), (70_000, "cannot reach map-1"));
        assert!(picture(&local, &Observed::default(), "home").notices.is_empty());
    }
}
