//! What others do to what was pushed, and what leaves an app; names and files that others read.

use std::process::Command;

use serde_json::json;

use crate::app::App;
use crate::cluster::{Namespace, Ran, kubeconfig};
use crate::rolls::{body, comes_to};

#[test]
fn a_field_that_somebody_else_set_is_named_and_taken_over_only_by_force() {
    let (namespace, app) = (Namespace::new("contest"), App::new());
    namespace.push(&app.file, &[]).done();
    let name = namespace.deployment("plus")["metadata"]["name"].as_str().unwrap().to_owned();
    let seconds = r#"{"spec":{"progressDeadlineSeconds":77}}"#;
    namespace.kubectl(&["patch", "deployment", &name, "--patch", seconds]);
    // Who scales a service whose replicas nobody names is left alone.
    namespace.kubectl(&["scale", "deployment", &name, "--replicas=2"]);
    namespace.kubectl(&["rollout", "status", "deployment", &name]);
    let status = Ran::of(&namespace.command("cluster status", &app.file).arg("--json").output().unwrap()).done();
    assert!(status.events[0].to_string().contains("progressDeadlineSeconds"), "{:#?}", status.events);
    app.edit("-> u64 { 1 }", "-> u64 { 2 }");
    let refused = namespace.push(&app.file, &[]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    for word in [&format!("deployment/{name}"), ".spec.progressDeadlineSeconds", "kubectl-patch", "--force"] {
        assert!(refused.stderr.contains(word), "no {word} in {}", refused.stderr);
    }
    assert_eq!(body(&namespace.url("twice")), "22");
    namespace.push(&app.file, &["--force"]).done();
    let spec = &namespace.deployment("plus")["spec"];
    assert_eq!((&spec["replicas"], &spec["progressDeadlineSeconds"]), (&json!(2), &json!(120)));
    comes_to(&namespace.url("twice"), "24");
}

#[test]
fn a_service_that_leaves_the_app_goes_only_when_that_is_said() {
    let (namespace, app) = (Namespace::new("leave"), App::new());
    namespace.push(&app.file, &[]).done();
    let text = std::fs::read_to_string(&app.file).unwrap();
    let text = text.replace(".plus()", "").replace("#[service]\nfn plus(value: u64) -> u64 { value + step() }\n", "");
    std::fs::write(&app.file, text.replace("fn step() -> u64 { 1 }\n", "")).unwrap();
    let kept = namespace.push(&app.file, &[]).done();
    assert_eq!(kept.planned()["plus"], "gone", "{:?}", kept.planned());
    assert!(kept.all("notice").iter().any(|notice| notice["text"].as_str().unwrap().contains("--remove")));
    comes_to(&namespace.url("twice"), "20");
    namespace.deployment("plus");
    namespace.push(&app.file, &["--remove"]).done();
    assert!(
        namespace
            .objects("deployments")
            .keys()
            .chain(namespace.objects("services").keys())
            .all(|it| !it.starts_with("plus"))
    );
    comes_to(&namespace.url("twice"), "20");
}

#[test]
fn names_of_sixty_characters_run() {
    let [long, longer] =
        ['a', 'b'].map(|last| format!("{}_{last}", "name_of_a_service_".repeat(4)[..58].trim_end_matches('_')));
    let text = format!(
        "use dyninka::prelude::*;
#[service]
fn {long}() -> u64 {{ 10 }}
#[service]
fn {longer}(value: u64) -> u64 {{ value + 1 }}
#[dyninka::main]
fn main() {{ {long}().{longer}() }}
"
    );
    assert_eq!((long.len(), longer.len()), (60, 60));
    let (namespace, app) = (Namespace::new("names"), App::of(&text));
    namespace.push(&app.file, &[]).done();
    let url = namespace.url(&longer.replace('_', "-"));
    assert_eq!(body(&url), "11");
    std::fs::write(&app.file, text.replace("value + 1", "value + 2")).unwrap();
    let next = namespace.push(&app.file, &[]).done();
    assert_eq!((next.planned()[&long].as_str(), next.planned()[&longer].as_str()), ("unchanged", "changed"));
    comes_to(&url, "12");
}

#[test]
fn files_that_are_exported_are_taken_by_kubectl_and_run() {
    let (namespace, app, folder) = (Namespace::new("export"), App::new(), tempfile::tempdir().unwrap());
    let file = folder.path().join("app.yml");
    let mut export = support::dyn_command();
    export.arg("export").arg(&app.file).args([
        "--format",
        "kubernetes",
        "--registry",
        "localhost:5000/export",
        "--output",
    ]);
    let exported = export.arg(&file).output().unwrap();
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    let apply = |more: &[&str]| {
        let mut kubectl = Command::new("kubectl");
        kubectl.arg("--kubeconfig").arg(kubeconfig()).args(["--namespace", &namespace.name, "apply", "--filename"]);
        let ran = kubectl.arg(&file).args(more).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    };
    let rehearsed = apply(&["--dry-run=server"]);
    assert!(
        rehearsed.lines().count() >= 9 && rehearsed.lines().all(|it| it.ends_with("(server dry run)")),
        "{rehearsed}"
    );
    assert!(namespace.objects("deployments").is_empty());
    apply(&[]);
    for name in namespace.objects("deployments").keys() {
        namespace.kubectl(&["rollout", "status", "deployment", name, "--timeout=120s"]);
    }
    // A pod is ready a moment before its node leads there: kubectl looks no further.
    let url = namespace.url("twice");
    while reqwest::blocking::get(&url).is_err_and(|error| error.is_connect()) {
        std::thread::yield_now();
    }
    assert_eq!(body(&url), "22");
}
