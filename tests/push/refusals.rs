//! What a push refuses, and what it says then: nothing is written.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::app::App;
use crate::cluster::{Namespace, Ran, kubeconfig, kubectl};

/// Runs with another kubeconfig.
fn with(mut command: Command, kubeconfig: &std::path::Path) -> Ran {
    Ran::of(&command.env("KUBECONFIG", kubeconfig).args(["--yes", "--json"]).output().unwrap())
}

fn refused(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, Some(code), "{}", ran.stderr);
    for word in words {
        assert!(ran.stderr.contains(word), "no {word:?} in {}", ran.stderr);
    }
}

#[test]
fn a_kubeconfig_that_is_missing_or_broken_is_named() {
    let (namespace, app, folder) = (Namespace::new("config"), App::new(), tempfile::tempdir().unwrap());
    let file = folder.path().join("config");
    let push = || namespace.command("push", &app.file);
    refused(&with(push(), &file), 3, &["find a kubeconfig", "config", "KUBECONFIG"]);
    fs::write(&file, "not: [a kubeconfig").unwrap();
    refused(&with(push(), &file), 3, &["read the kubeconfig", "config"]);
    let text = fs::read_to_string(kubeconfig()).unwrap();
    fs::write(&file, text.replace("current-context: dyn-testbed", "current-context: gone")).unwrap();
    refused(&with(push(), &file), 3, &["find the context gone", "dyn-testbed"]);
    // An expired token, and an API server that is not there.
    let token = text.split("token: \"").nth(1).unwrap().split('"').next().unwrap();
    fs::write(&file, text.replace(token, "expired")).unwrap();
    refused(&with(push(), &file), 3, &["does not know this user", "log in"]);
    fs::write(&file, text.replace(":6443", ":6444")).unwrap();
    refused(&with(push(), &file), 3, &["does not answer", "6444"]);
    assert!(namespace.writes().is_empty(), "{:?}", namespace.writes());
}

#[test]
fn a_resource_whose_secret_is_not_there_or_not_whole_is_named_before_anything_is_built() {
    let (namespace, app) = (Namespace::new("resource"), App::new());
    app.settings("[resources]\nmy_db = \"postgres\"\n");
    let push = || {
        let mut command = namespace.command("push", &app.file);
        command.args(["--registry", "localhost:5000"]);
        with(command, &kubeconfig())
    };
    let make = format!("kubectl create secret generic my-db --namespace {}", namespace.name);
    refused(&push(), 1, &["there is no Secret my-db in the namespace", &make, "--from-literal=url="]);
    namespace.kubectl(&["create", "secret", "generic", "my-db", "--from-literal=url=u", "--from-literal=user=u"]);
    refused(&push(), 1, &["the Secret my-db in the namespace", "has no address, password"]);
    assert!(namespace.writes().is_empty(), "{:?}", namespace.writes());
}

#[test]
fn a_namespace_that_is_not_there_and_one_that_is_not_ours_are_named() {
    let (namespace, app) = (Namespace::new("rbac"), App::new());
    let mut command = support::dyn_command();
    command.arg("push").arg(&app.file).args(["--namespace", "nowhere"]);
    refused(&with(command, &kubeconfig()), 3, &["find the namespace nowhere", "kubectl create namespace nowhere"]);
    // A user who may look and not touch.
    namespace.kubectl(&["create", "serviceaccount", "guest"]);
    let subject = format!("--serviceaccount={}:guest", namespace.name);
    namespace.kubectl(&["create", "rolebinding", "guest", "--clusterrole=view", &subject]);
    let secrets = namespace.objects("secrets");
    let secret =
        secrets.values().find(|it| it["metadata"]["annotations"]["kubernetes.io/service-account.name"] == "guest");
    let token = kubectl(&[
        "--namespace",
        &namespace.name,
        "get",
        "secret",
        secret.unwrap()["metadata"]["name"].as_str().unwrap(),
        "--output",
        "go-template={{.data.token | base64decode}}",
    ]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    let text = fs::read_to_string(kubeconfig()).unwrap();
    let admin = text.split("token: \"").nth(1).unwrap().split('"').next().unwrap();
    fs::write(&file, text.replace(admin, &token)).unwrap();
    let mut command = namespace.command("push", &app.file);
    command.args(["--registry", "localhost:5000"]);
    refused(&with(command, &file), 3, &["guest", "cannot get resource \"leases\"", "ask whoever runs the cluster"]);
    // One who may have a turn, and no more than that.
    let verbs = "--verb=get,create,update,delete";
    namespace.kubectl(&["create", "role", "turn", verbs, "--resource=leases.coordination.k8s.io"]);
    namespace.kubectl(&["create", "rolebinding", "turn", "--role=turn", &subject]);
    let mut command = namespace.command("push", &app.file);
    command.args(["--registry", "localhost:5000"]);
    refused(&with(command, &file), 3, &["guest", "cannot patch resource", "ask whoever runs the cluster"]);
    assert_eq!(namespace.made(), [""; 0]);
}

#[test]
fn another_cluster_behind_the_same_context_is_refused_until_it_is_trusted() {
    let (namespace, app) = (Namespace::new("pin"), App::new());
    let home = tempfile::tempdir().unwrap();
    let push = || {
        let mut command = namespace.command("push", &app.file);
        command.env("DYNINKA_HOME", home.path()).args(["--plan", "--json"]);
        Ran::of(&command.output().unwrap())
    };
    let id = home.path().join("clusters.json");
    let place = {
        use std::os::unix::ffi::OsStrExt;
        let file = app.file.canonicalize().unwrap();
        format!("app-{}", &blake3::hash(file.as_os_str().as_bytes()).to_hex()[..8])
    };
    fs::write(&id, json!({ "apps": { place: { "dyn-testbed": { "uid": "another" } } } }).to_string()).unwrap();
    refused(&push(), 1, &["it is another cluster now", "another", "dyn trust dyn-testbed"]);
    let mut trust = support::dyn_command();
    trust.env("KUBECONFIG", kubeconfig()).env("DYNINKA_HOME", home.path()).args(["trust", "dyn-testbed"]);
    let trusted = trust.output().unwrap();
    assert!(trusted.status.success(), "{}", String::from_utf8_lossy(&trusted.stderr));
    let known: serde_json::Value = serde_json::from_slice(&fs::read(&id).unwrap()).unwrap();
    assert!(known.to_string().contains("\"uid\"") && !known.to_string().contains("another"), "{known}");
}

#[test]
fn an_object_of_somebody_elses_is_not_touched() {
    let (namespace, app) = (Namespace::new("foreign"), App::new());
    namespace.kubectl(&["create", "service", "clusterip", "plus", "--tcp=80"]);
    let before = namespace.objects("services")["plus"].clone();
    let ran = namespace.push(&app.file, &[]);
    refused(&ran, 1, &["service/plus", "not of app"]);
    assert_eq!(namespace.objects("services")["plus"]["spec"], before["spec"]);
    assert!(namespace.objects("deployments").is_empty());
}

#[test]
fn nobody_says_yes_for_a_user_who_is_not_there() {
    let (namespace, app) = (Namespace::new("yes"), App::new());
    let ran = Ran::of(&namespace.command("push", &app.file).arg("--json").output().unwrap());
    refused(&ran, 2, &["--yes"]);
    assert!(namespace.writes().is_empty(), "{:?}", namespace.writes());
}
