//! The edge to a cluster, on a real one: `tests/testbed/kubernetes up 2` starts it.

#![expect(clippy::unwrap_used, reason = "tests")]

mod testbed;

use std::time::Duration;

use kube::api::DynamicObject;
use kubernetes::cluster::{
    Applied, Apply, ClusterError, ClusterTarget, Contested, Follow, Forward, Holder, Identity, Lease, Pinned, Pins,
    Rolled, To, connect, follow,
};
use serde_json::json;
use testbed::Namespace;

#[tokio::test]
async fn a_cluster_is_known_by_itself_and_not_by_its_context() {
    let namespace = Namespace::new("identity").await;
    let access = namespace.access().await;
    assert!(matches!(&access.identity, Identity::Uid(uid) if uid.len() == 36), "{:?}", access.identity);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clusters.json");
    let mut pins = Pins::open(&file).unwrap();
    assert_eq!(pins.check("app-1", &access).unwrap(), Pinned::New);
    pins.pin("app-1", &access).unwrap();
    let mut pins = Pins::open(&file).unwrap();
    assert_eq!(pins.check("app-1", &access).unwrap(), Pinned::Known);
    assert_eq!(pins.check("app-2", &access).unwrap(), Pinned::New);

    let mut other = access.clone();
    other.identity = Identity::Uid("another".to_owned());
    let refused = pins.check("app-1", &other).unwrap_err();
    assert!(matches!(refused, ClusterError::OtherCluster { .. }), "{refused}");
    assert!(refused.hint().unwrap().contains("dyn trust"), "{:?}", refused.hint());
    assert_eq!(pins.trust(&other).unwrap(), 1);
    assert_eq!(pins.check("app-1", &other).unwrap(), Pinned::Known);
    assert_eq!(pins.trust(&other).unwrap(), 0);
}

#[tokio::test]
async fn a_namespace_that_is_not_there_is_named() {
    let error = connect(&ClusterTarget { namespace: Some("nowhere".into()), ..testbed::target() }).await.err().unwrap();
    assert!(matches!(&error, ClusterError::NoNamespace { namespace, .. } if namespace == "nowhere"), "{error}");
    assert!(error.hint().unwrap().contains("kubectl create namespace nowhere"));
}

fn config_map(name: &str, app: &str, value: &str) -> DynamicObject {
    let labels = json!({ "app.kubernetes.io/managed-by": "dyninka", "app.kubernetes.io/part-of": app });
    let metadata = json!({ "name": name, "labels": labels });
    serde_json::from_value(
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": { "key": value } }),
    )
    .unwrap()
}

#[tokio::test]
async fn objects_are_applied_and_those_of_others_are_not_touched() {
    let namespace = Namespace::new("apply").await;
    let access = namespace.access().await;
    let apply = Apply { access: &access, app: "building", project: &[], force: false };
    assert_eq!(apply.apply(&config_map("one", "building", "a")).await.unwrap(), Applied::Created);
    assert_eq!(apply.apply(&config_map("one", "building", "a")).await.unwrap(), Applied::Unchanged);
    assert_eq!(apply.apply(&config_map("one", "building", "b")).await.unwrap(), Applied::Changed);

    let other = Apply { app: "other", ..apply };
    let refused = other.apply(&config_map("one", "other", "c")).await.unwrap_err();
    assert!(
        matches!(&refused, ClusterError::Foreign { object, owner, .. } if object == "configmap/one" && owner.contains("building")),
        "{refused}"
    );
    namespace.kubectl(&["create", "configmap", "theirs", "--from-literal=key=x"]);
    let refused = apply.apply(&config_map("theirs", "building", "c")).await.unwrap_err();
    assert!(matches!(&refused, ClusterError::Foreign { .. }), "{refused}");
    assert!(matches!(apply.remove(&config_map("theirs", "building", "")).await, Err(ClusterError::Foreign { .. })));

    namespace.kubectl(&["patch", "configmap", "one", "-p", r#"{"data":{"key":"edited"}}"#]);
    let refused = apply.apply(&config_map("one", "building", "d")).await.unwrap_err();
    let ClusterError::Contested { fields, .. } = &refused else { panic!("not contested: {refused}") };
    assert_eq!(*fields, [Contested { field: ".data.key".into(), manager: "kubectl-patch".into() }]);
    let forced = Apply { force: true, ..apply };
    assert_eq!(forced.apply(&config_map("one", "building", "d")).await.unwrap(), Applied::Changed);

    assert!(apply.remove(&config_map("one", "building", "")).await.unwrap());
    assert!(!apply.remove(&config_map("one", "building", "")).await.unwrap());
}

fn holder(user: &str, process: u32) -> Holder {
    Holder { user: user.to_owned(), machine: "box".to_owned(), place: "here".to_owned(), process }
}

#[tokio::test]
async fn one_push_at_a_time() {
    let namespace = Namespace::new("lease").await;
    let access = namespace.access().await;
    let (anna, otto) = (holder("anna", std::process::id()), holder("otto", std::process::id()));
    let held = Lease::take(&access, "push-building", "building", &anna, |_| {}).await.unwrap();
    held.hold().await.unwrap();
    let mut waited_for = String::new();
    let refused = Lease::take(&access, "push-building", "building", &otto, |who| who.clone_into(&mut waited_for))
        .await
        .err()
        .unwrap();
    assert!(matches!(&refused, ClusterError::Busy { holder, .. } if holder.starts_with("anna@box")), "{refused}");
    assert!(waited_for.starts_with("anna@box"));
    let beside = Lease::take(&access, "push-other", "other", &otto, |_| {}).await.unwrap();
    beside.release().await.unwrap();
    held.release().await.unwrap();
    let next = Lease::take(&access, "push-building", "building", &otto, |_| {}).await.unwrap();
    next.release().await.unwrap();
}

#[tokio::test]
async fn a_push_that_was_killed_holds_nobody_up() {
    let namespace = Namespace::new("killed").await;
    let access = namespace.access().await;
    // No process has such a number.
    let killed = holder("anna", 4_194_305);
    drop(Lease::take(&access, "push-building", "building", &killed, |_| {}).await.unwrap());
    let otto = holder("otto", std::process::id());
    let next = Lease::take(&access, "push-building", "building", &otto, |who| panic!("waits for {who}")).await.unwrap();
    next.release().await.unwrap();
}

fn deployment(name: &str, image: &str, replicas: u32) -> DynamicObject {
    let labels = json!({ "app.kubernetes.io/managed-by": "dyninka", "app.kubernetes.io/part-of": "building" });
    let container = json!({ "name": name, "image": image });
    serde_json::from_value(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": name, "labels": labels },
        "spec": {
            "replicas": replicas,
            "strategy": { "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } },
            "selector": { "matchLabels": { "app": name } },
            "template": { "metadata": { "labels": { "app": name } }, "spec": { "containers": [container] } },
        },
    }))
    .unwrap()
}

fn following(name: &str) -> Follow {
    let deadline = Duration::from_secs(60);
    Follow { deployment: name.to_owned(), selector: format!("app={name}"), deadline }
}

#[tokio::test]
async fn a_roll_is_followed_to_its_end() {
    let namespace = Namespace::new("roll").await;
    let access = namespace.access().await;
    let apply = Apply { access: &access, app: "building", project: &[], force: false };
    apply.apply(&deployment("map", "docker.io/dyn-testbed/pause:1", 2)).await.unwrap();
    let mut seen = Vec::new();
    let ended = follow(&access, &following("map"), |roll| seen.push((roll.ready, roll.wanted))).await.unwrap();
    assert_eq!(ended, Rolled::Live);
    assert_eq!(seen.last(), Some(&(2, 2)));

    apply.apply(&deployment("map", "localhost:5000/no/such:image", 2)).await.unwrap();
    let mut old = 0;
    let ended = follow(&access, &following("map"), |roll| old = roll.old).await.unwrap();
    let Rolled::Failed { why, .. } = ended else { panic!("it is live: {ended:?}") };
    assert!(why.contains("ImagePull") && why.contains("no/such"), "{why}");
    assert_eq!(old, 2, "those before serve on");
}

#[tokio::test]
async fn a_forward_says_why_it_leads_nowhere() {
    use tokio::io::AsyncReadExt;
    let namespace = Namespace::new("forward").await;
    let access = namespace.access().await;
    let forward = Forward::open(&access, To::Pod("nobody".into()), 8080).await.unwrap();
    let mut connection = tokio::net::TcpStream::connect(forward.address).await.unwrap();
    assert_eq!(connection.read(&mut [0; 8]).await.unwrap(), 0);
    let trouble = async {
        loop {
            match forward.trouble() {
                Some(trouble) => return trouble,
                None => tokio::task::yield_now().await,
            }
        }
    };
    let trouble = tokio::time::timeout(Duration::from_secs(60), trouble).await.unwrap();
    assert!(trouble.contains("nobody"), "{trouble}");
}
