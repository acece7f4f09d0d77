//! What is pushed runs, what is not changed is not touched, and what fails is put back.

use crate::app::App;
use crate::cluster::{Namespace, Ran};
use crate::load::Load;

pub(crate) fn body(url: &str) -> String {
    let client = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(url).send().unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    answer.text().unwrap()
}

/// A connection that a service keeps to a pod that goes is closed with its next answer, so that only a few answers more
/// are those of old.
pub(crate) fn comes_to(url: &str, wanted: &str) {
    let answers: Vec<_> = (0..20).map(|_| body(url)).collect();
    assert_eq!(answers.last().unwrap(), wanted, "{answers:?}");
}

#[test]
fn only_what_changed_is_rolled_and_no_request_fails() {
    let (namespace, app) = (Namespace::new("roll"), App::new());
    let first = namespace.push(&app.file, &[]).done();
    assert!(first.planned().values().all(|what| what == "new"), "{:?}", first.planned());
    let url = namespace.url("twice");
    assert_eq!(body(&url), "22");

    // The same again: nothing is written, nothing is sent.
    let writes = namespace.writes().len();
    let again = namespace.push(&app.file, &[]).done();
    assert!(again.planned().values().all(|what| what == "unchanged"), "{:?}", again.planned());
    assert_eq!(namespace.writes()[writes..], [""; 0]);
    assert!(again.all("shipped").is_empty());

    let (before, load) = (namespace.objects("deployments"), Load::start(&url));
    app.edit("-> u64 { 1 }", "-> u64 { 2 }");
    let pushed = namespace.push(&app.file, &[]).done();
    let plan = pushed.planned();
    assert_eq!(
        (plan["source"].as_str(), plan["plus"].as_str(), plan["twice"].as_str()),
        ("unchanged", "changed", "unchanged")
    );
    let step = &pushed.all("plan")[0]["plan"]["services"][1];
    assert_eq!(step["reasons"][0], "helper step() changed");
    // The registry may have it from an earlier run: the same source is the same layer.
    let shipped = pushed.all("shipped")[0];
    assert!(shipped["layers"].as_u64().unwrap() <= 1 && shipped["bytes"].as_u64().unwrap() < 1_000_000, "{shipped}");
    comes_to(&url, "24");
    let answers = load.end();
    assert_eq!(answers.failures, [""; 0], "of {}", answers.bodies.len());
    assert!(answers.bodies.iter().all(|body| body == "22" || body == "24"), "{:?}", answers.bodies);

    let after = namespace.objects("deployments");
    for (name, object) in &before {
        let meta =
            |object: &serde_json::Value| (object["metadata"]["uid"].clone(), object["metadata"]["generation"].clone());
        let is_same = meta(object) == meta(&after[name]);
        assert_eq!(is_same, !name.starts_with("plus"), "{name}");
    }

    // And back.
    let back = Ran::of(&namespace.command("rollback", &app.file).args(["--yes", "--json"]).output().unwrap()).done();
    assert_eq!(back.all("done")[0]["services"], serde_json::json!(["plus"]));
    comes_to(&url, "22");
    let status = Ran::of(&namespace.command("cluster status", &app.file).arg("--json").output().unwrap()).done();
    let services = status.events[0]["services"].as_array().unwrap();
    assert_eq!(services.len(), 3);
    assert!(
        services.iter().all(|service| service["ready"] == 1 && service["drift"] == serde_json::json!([])),
        "{services:#?}"
    );
    let invoked = namespace.command("cluster invoke", &app.file).args(["plus", "5"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&invoked.stdout).trim(), "6", "{}", String::from_utf8_lossy(&invoked.stderr));
    let history = Ran::of(&namespace.command("history", &app.file).arg("--json").output().unwrap()).done();
    let numbers: Vec<_> = history.events.iter().map(|record| record["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert!(history.events.iter().all(|record| record["outcome"] == "live"), "{:#?}", history.events);

    let down = namespace.command("cluster down", &app.file).arg("--yes").output().unwrap();
    assert!(down.status.success(), "{}", String::from_utf8_lossy(&down.stderr));
    for kind in ["deployments", "services", "leases"] {
        assert!(namespace.objects(kind).is_empty(), "{kind}: {:?}", namespace.objects(kind).keys());
    }
}

#[test]
fn types_change_along_the_chain_without_a_mixed_request() {
    let (namespace, app) = (Namespace::new("types"), App::new());
    namespace.push(&app.file, &[]).done();
    let url = namespace.url("twice");
    assert_eq!(body(&url), "22");
    let load = Load::start(&url);
    // What plus returns, and with it what twice takes, has another form.
    let text = std::fs::read_to_string(&app.file).unwrap();
    let text = text.replace(
        "fn plus(value: u64) -> u64 { value + step() }",
        "fn plus(value: u64) -> String { (value + step()).to_string() }",
    );
    let text = text.replace(
        "fn twice(value: u64) -> u64 { value * 2 }",
        "fn twice(value: String) -> String { format!(\"{value}{value}\") }",
    );
    std::fs::write(&app.file, text).unwrap();
    let pushed = namespace.push(&app.file, &[]).done();
    assert_eq!(pushed.planned()["source"], "unchanged");
    comes_to(&url, "\"1111\"");
    let answers = load.end();
    assert_eq!(answers.failures, [""; 0], "of {}", answers.bodies.len());
    assert!(answers.bodies.iter().all(|body| body == "22" || body == "\"1111\""), "{:?}", answers.bodies);
    // The forms of old are gone.
    assert_eq!(namespace.objects("deployments").len(), 3);
    assert_eq!(namespace.objects("services").len(), 6);
}

#[test]
fn what_crashes_at_its_start_is_put_back_and_said() {
    let (namespace, app) = (Namespace::new("crash"), App::new());
    namespace.push(&app.file, &[]).done();
    let (url, plus) = (namespace.url("twice"), namespace.deployment("plus"));
    let load = Load::start(&url);
    app.at_start("eprintln!(\"no way\"); std::process::exit(7)");
    let failed = namespace.push(&app.file, &[]);
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    assert!(failed.stderr.contains("roll plus out") && failed.stderr.contains("exit code 7"), "{}", failed.stderr);
    let said = failed.all("failed")[0];
    assert!(said["lines"].as_array().unwrap().iter().any(|line| line == "no way"), "{said}");
    let answers = load.end();
    assert_eq!(answers.failures, [""; 0], "of {}", answers.bodies.len());
    assert!(answers.bodies.iter().all(|body| body == "22"), "{:?}", answers.bodies);
    let image = |object: &serde_json::Value| object["spec"]["template"]["spec"]["containers"][0]["image"].clone();
    assert_eq!(image(&namespace.deployment("plus")), image(&plus));
    // Mended, it goes on from there.
    app.edit("-> u64 { 1 }", "-> u64 { 3 }");
    namespace.push(&app.file, &[]).done();
    comes_to(&url, "26");
}
