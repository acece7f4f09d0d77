//! Services of a group share pods, and go to them and from them while requests come.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::app::App;
use crate::cluster::{Namespace, Ran};
use crate::load::Load;
use crate::rolls::{body, comes_to};

const APART: &str = "[entry]\nnode_port = 0\n";
const TOGETHER: &str = "[entry]\nnode_port = 0\n[together]\npair = [\"plus\", \"twice\"]\n";
/// The flow leaves these pods and comes back to them.
const ENDS: &str = "[entry]\nnode_port = 0\n[together]\nends = [\"source\", \"twice\"]\n";

fn planned(ran: &Ran) -> [String; 3] {
    let plan = ran.planned();
    ["source", "plus", "twice"].map(|service| plan[service].clone())
}

/// The versions that took part in an answer.
fn versions_of(url: &str) -> BTreeSet<String> {
    let answer = reqwest::blocking::Client::builder().no_proxy().build().unwrap().get(url).send().unwrap();
    let versions = answer.headers()["dyninka-version"].to_str().unwrap().split(", ");
    versions.map(str::to_owned).collect()
}

/// Names of the Deployments, what stands for schemas and members left out.
fn deployments(namespace: &Namespace) -> Vec<String> {
    let names = namespace.objects("deployments").into_keys();
    names.map(|name| name.rsplit_once('-').unwrap().0.to_owned()).collect()
}

/// A push while requests come, of which none fails and each is answered by services that fit together.
fn under_load(namespace: &Namespace, app: &App, answers: &[&str], push: impl FnOnce() -> Ran) -> Ran {
    let url = namespace.url("twice");
    let load = Load::start(&url);
    load.wait(10);
    let ran = push();
    assert_eq!(ran.code, Some(0), "{}\n{:#?}", ran.stderr, ran.events);
    load.wait(10);
    let got = load.end();
    assert_eq!(got.failures, [""; 0], "of {} while {} was pushed", got.bodies.len(), app.file.display());
    assert!(got.bodies.iter().all(|body| answers.contains(&body.as_str())), "{:?}", got.bodies);
    ran
}

#[test]
fn a_group_rolls_as_one_and_an_edit_of_one_member_sends_one_layer() {
    let (namespace, app) = (Namespace::new("group"), App::new());
    app.settings(TOGETHER);
    let first = namespace.push(&app.file, &[]).done();
    assert_eq!(planned(&first), ["new", "new", "new"]);
    let group = &first.all("plan")[0]["plan"]["groups"][0];
    assert_eq!((&group["name"], &group["services"]), (&json!("pair"), &json!(["plus", "twice"])));
    assert_eq!(deployments(&namespace), ["pair", "source"]);
    assert_eq!(namespace.objects("pods").len(), 2);
    assert_eq!(namespace.objects("services").len(), 6);
    assert_eq!(body(&namespace.url("twice")), "22");

    // Each member is found by its name, answers with its own version, and the calls between them need no connection.
    let invoked = namespace.command("cluster invoke", &app.file).args(["plus", "5"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&invoked.stdout).trim(), "6", "{}", String::from_utf8_lossy(&invoked.stderr));
    let status = || -> Value {
        let ran = namespace.command("cluster status", &app.file).arg("--json").output().unwrap();
        Ran::of(&ran).done().events.remove(0)
    };
    let known = status();
    assert_eq!(known["troubles"], json!([]));
    let versions = |status: &Value| -> Vec<(String, Value)> {
        let services = status["services"].as_array().unwrap();
        let one = |service: &Value| (service["version"].as_str().unwrap().to_owned(), service["group"].clone());
        services.iter().map(one).collect()
    };
    let before = versions(&known);
    for ((version, group), (service, wanted)) in
        before.iter().zip([("plus", json!("pair")), ("source", Value::Null), ("twice", json!("pair"))])
    {
        assert!(version.starts_with(&format!("{service}@")) && *group == wanted, "{before:?}");
        assert!(known["hops"][service]["windows"][1]["n"].as_u64().unwrap() > 0, "{known}");
    }
    let answered = versions_of(&namespace.url("twice"));
    assert_eq!(answered, before.iter().map(|(version, _)| version.clone()).collect());
    assert!(known["services"].as_array().unwrap().iter().all(|service| service["drift"] == json!([])), "{known}");

    // The same again: nothing is written, nothing is sent.
    let writes = namespace.writes().len();
    let again = namespace.push(&app.file, &[]).done();
    assert_eq!(planned(&again), ["unchanged", "unchanged", "unchanged"]);
    assert_eq!(namespace.writes()[writes..], [""; 0]);

    // A call between members needs no way through the cluster.
    let way = namespace.objects("services").into_keys().find(|name| name.starts_with("plus-w")).unwrap();
    namespace.kubectl(&["delete", "service", &way]);
    assert_eq!(body(&namespace.url("twice")), "22");

    app.edit("-> u64 { 1 }", "-> u64 { 2 }");
    let edited = under_load(&namespace, &app, &["22", "24"], || namespace.push(&app.file, &[]));
    assert_eq!(planned(&edited), ["unchanged", "changed", "along"]);
    // The registry may have it from an earlier run: the same source is the same layer.
    let shipped = edited.all("shipped")[0];
    assert!(shipped["layers"].as_u64().unwrap() <= 1 && shipped["bytes"].as_u64().unwrap() < 1_000_000, "{shipped}");
    comes_to(&namespace.url("twice"), "24");
    let after = versions(&status());
    assert_eq!((before[0] == after[0], before[1] == after[1], before[2] == after[2]), (false, true, true));
    assert_eq!(deployments(&namespace), ["pair", "source"]);
    assert!(namespace.objects("services").contains_key(&way), "what somebody took away is there again");

    let back = namespace.command("rollback", &app.file).args(["plus", "--yes", "--json"]).output().unwrap();
    Ran::of(&back).done();
    comes_to(&namespace.url("twice"), "22");
    assert_eq!(versions(&status()), before);
    let down = namespace.command("cluster down", &app.file).arg("--yes").output().unwrap();
    assert!(down.status.success(), "{}", String::from_utf8_lossy(&down.stderr));
    assert_eq!(namespace.made(), [""; 0]);
}

#[test]
fn services_are_split_and_joined_without_a_failed_or_mixed_request() {
    let (namespace, app) = (Namespace::new("split"), App::new());
    app.settings(TOGETHER);
    namespace.push(&app.file, &[]).done();
    app.settings(APART);
    let split = under_load(&namespace, &app, &["22"], || namespace.push(&app.file, &[]));
    assert_eq!(planned(&split), ["unchanged", "moved", "moved"]);
    let moved = &split.all("plan")[0]["plan"]["services"][1];
    assert_eq!((&moved["from"], &moved["to"]), (&json!(["twice"]), &json!([])));
    assert_eq!(deployments(&namespace), ["plus", "source", "twice"]);

    app.settings(ENDS);
    let joined = under_load(&namespace, &app, &["22"], || namespace.push(&app.file, &[]));
    assert_eq!(planned(&joined), ["moved", "unchanged", "moved"]);
    assert_eq!(deployments(&namespace), ["ends", "plus"]);

    // To another group, while all that travels changes its type.
    app.settings(TOGETHER);
    let text = std::fs::read_to_string(&app.file).unwrap();
    let text = [
        ("fn source() -> u64 { 10 }", "fn source() -> String { 10.to_string() }"),
        (
            "fn plus(value: u64) -> u64 { value + step() }",
            "fn plus(value: String) -> String { format!(\"{value}{}\", step()) }",
        ),
        (
            "fn twice(value: u64) -> u64 { value * 2 }",
            "fn twice(value: String) -> String { format!(\"{value}{value}\") }",
        ),
    ]
    .iter()
    .fold(text, |text, (from, to)| text.replace(from, to));
    std::fs::write(&app.file, text).unwrap();
    under_load(&namespace, &app, &["22", "\"101101\""], || namespace.push(&app.file, &[]));
    comes_to(&namespace.url("twice"), "\"101101\"");
    assert_eq!(deployments(&namespace), ["pair", "source"]);
    assert_eq!((namespace.objects("services").len(), namespace.objects("pods").len()), (6, 2));

    // And all of it back, twice.
    for (to, wanted, answer) in [("3", vec!["ends", "plus"], "22"), ("2", vec!["plus", "source", "twice"], "22")] {
        under_load(&namespace, &app, &["22", "\"101101\""], || {
            let mut back = namespace.command("rollback", &app.file);
            Ran::of(&back.args(["--to", to, "--yes", "--json"]).output().unwrap())
        });
        comes_to(&namespace.url("twice"), answer);
        assert_eq!(deployments(&namespace), wanted);
    }
}

#[test]
fn a_group_that_fails_is_put_back_with_its_names_and_lines() {
    let (namespace, app) = (Namespace::new("pair"), App::new());
    namespace.push(&app.file, &[]).done();
    let (url, before) = (namespace.url("twice"), deployments(&namespace));
    app.settings(TOGETHER);
    app.at_start("eprintln!(\"no way\"); std::process::exit(7)");
    let load = Load::start(&url);
    let failed = namespace.push(&app.file, &[]);
    let answers = load.end();
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    assert!(
        failed.stderr.contains("roll plus+twice out") && failed.stderr.contains("exit code 7"),
        "{}",
        failed.stderr
    );
    let said = failed.all("failed")[0]["lines"].as_array().unwrap();
    assert!(said.iter().any(|line| line.as_str().unwrap().contains("no way")), "{said:?}");
    assert_eq!(answers.failures, [""; 0], "of {}", answers.bodies.len());
    assert!(answers.bodies.iter().all(|body| body == "22"), "{:?}", answers.bodies);
    assert_eq!(deployments(&namespace), before);

    // Settings that one pod cannot have are refused with their place, before anything is built.
    app.settings(&format!("{TOGETHER}[services.twice]\nreplicas = 2\n"));
    let refused = namespace.push(&app.file, &[]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    for words in ["dyn.toml:6:1: pair has plus and twice in one pod, and their replicas differ", "[together]"] {
        assert!(refused.stderr.contains(words), "no {words} in {}", refused.stderr);
    }
}

#[test]
fn lines_of_a_pod_are_told_by_the_service_that_wrote_them() {
    let text = "use dyninka::prelude::*;
        #[service] fn first() -> u64 { println!(\"first writes\"); 1 }
        #[service] fn last(value: u64) -> u64 { println!(\"last writes\"); value }
        #[dyninka::main] fn main() { first().last() }";
    let (namespace, app) = (Namespace::new("lines"), App::of(text));
    app.settings("[entry]\nnode_port = 0\n[together]\nboth = [\"first\", \"last\"]\n");
    namespace.push(&app.file, &[]).done();
    assert_eq!(body(&namespace.url("last")), "1");
    let lines = |more: &[&str]| -> Vec<(Value, Value)> {
        let ran =
            Ran::of(&namespace.command("cluster logs", &app.file).arg("--json").args(more).output().unwrap()).done();
        let written = ran.events.into_iter().filter(|line| line["line"].as_str().unwrap().contains("writes"));
        written.map(|line| (line["service"].clone(), line["line"].clone())).collect()
    };
    let (first, last) = ((json!("first"), json!("first writes")), (json!("last"), json!("last writes")));
    assert_eq!(lines(&[]), [first.clone(), last.clone()]);
    let of = |service: &str| {
        let mut command = namespace.command("cluster logs", &app.file);
        let ran = Ran::of(&command.args([service, "--json"]).output().unwrap()).done();
        ran.events.into_iter().map(|line| line["service"].clone()).collect::<Vec<_>>()
    };
    assert!(of("last").contains(&json!("last")) && !of("last").contains(&json!("first")), "{:?}", of("last"));
}
