//! Every object against what was applied and what is there.

use kubernetes::object::{Stamp, objects};
use kubernetes::plan::{ObjectStep, ObjectWhat, objects as compare};
use kubernetes::settings;
use serde_json::{Value, json};

use crate::{building, wanted_with};

/// The objects of examples/building.rs with a `dyn.toml`.
fn of(text: &str) -> Vec<Value> {
    let app = building();
    let file = settings::read("dyn.toml".as_ref(), text, &app).unwrap();
    objects(&wanted_with(&app, &file), &Stamp::default()).values().unwrap()
}

/// What a server makes of objects: it adds defaults and its own words.
fn served(objects: &[Value]) -> Vec<Value> {
    let mut live = objects.to_vec();
    for object in &mut live {
        object["metadata"]["uid"] = "1".into();
        object["status"] = json!({});
        match object["kind"].as_str() {
            Some("Service") => {
                object["spec"]["clusterIP"] = "10.0.0.1".into();
                object["spec"]["sessionAffinity"] = "None".into();
                let port = &mut object["spec"]["ports"][0]["nodePort"];
                if port.is_null() {
                    *port = 31000.into();
                }
            }
            // Only their metadata is asked for.
            Some("ConfigMap") => drop(object.as_object_mut().unwrap().remove("data")),
            Some("Deployment") => object["spec"]["replicas"] = 7.into(),
            _ => {}
        }
    }
    live
}

/// What is to be done where `before` was applied and `after` is wanted.
fn told(before: &str, after: &str) -> Vec<String> {
    let (before, after) = (of(before), of(after));
    compare(&after, &before, &served(&before)).iter().map(ToString::to_string).collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn nothing_changed_is_nothing_to_do() {
    for text in [
        "",
        "[entry]\nhost = \"a.example.org\"\ntls = \"t\"\nclass = \"c\"\npath = \"/p\"",
        "[entry]\nnode_port = 0",
        "[entry]\nnode_port = 30080",
        "[defaults]\nenv.A = \"1\"\nmemory = \"64Mi\"\ncpu = \"1000m\"\ncpu_limit = \"2\"\nspread = \"zones\"\nnodes = { disk = \"ssd\" }",
    ] {
        assert_eq!(told(text, text), NOTHING, "{text}");
    }
}

#[test]
fn a_way_in_from_outside_is_compared_and_removed() {
    let host = |host: &str| format!("[entry]\nhost = \"{host}\"");
    assert_eq!(told("", &host("a.org")), ["ingress/dyninka-building-entry is new"]);
    assert_eq!(told(&host("a.org"), ""), ["ingress/dyninka-building-entry is removed"]);
    assert_eq!(
        told(&host("a.org"), &host("b.org")),
        ["ingress/dyninka-building-entry changes: rules[0].host was \"a.org\", becomes \"b.org\""]
    );
    for more in ["path = \"/p\"", "class = \"c\"", "tls = \"t\""] {
        let found = told(&host("a.org"), &format!("{}\n{more}", host("a.org")));
        assert_eq!(found.len(), 1, "{more}: {found:?}");
        assert_eq!(told(&format!("{}\n{more}", host("a.org")), &host("a.org")).len(), 1, "{more} taken away");
    }
}

#[test]
fn settings_of_every_kind_are_seen_whether_set_changed_or_taken_away() {
    for (one, other) in [
        ("[entry]\nnode_port = 0", ""),
        ("[entry]\nnode_port = 30080", "[entry]\nnode_port = 30081"),
        ("[services.get]\nreplicas = 2", "[services.get]\nreplicas = 3"),
        ("[services.get]\nreplicas = 2", ""),
        ("[services.get]\ncpu = \"200m\"", ""),
        ("[services.get]\ncpu_limit = \"2\"", ""),
        ("[services.get]\nmemory = \"64Mi\"", "[services.get]\nmemory = \"65Mi\""),
        ("[services.get]\nenv.A = \"1\"", "[services.get]\nenv.A = \"2\""),
        ("[services.get]\nenv.A = \"1\"", "[services.get]\nenv.A = { secret = \"s\", key = \"k\" }"),
        (
            "[services.get]\nenv.A = { secret = \"s\", key = \"k\" }",
            "[services.get]\nenv.A = { secret = \"s\", key = \"l\" }",
        ),
        ("[services.get]\nenv.A = { config = \"s\", key = \"k\" }", ""),
        ("[services.get]\nnodes = { disk = \"ssd\" }", ""),
        ("[services.get]\nspread = \"zones\"", "[services.get]\nspread = \"anywhere\""),
    ] {
        for (before, after) in [(one, other), (other, one)] {
            let found = told(before, after);
            assert_eq!(found.len(), 1, "{before} -> {after}: {found:?}");
            assert!(
                found.iter().all(|words| !words.contains("\"1\"")),
                "an environment's values stay untold: {found:?}"
            );
        }
    }
}

#[test]
fn what_somebody_else_changed_or_took_away_is_put_back() {
    let wanted = of("[entry]\nhost = \"a.org\"");
    let mut live = served(&wanted);
    live.retain(|object| {
        object["kind"] != "ConfigMap" || object["metadata"]["labels"]["app.kubernetes.io/name"] != "map"
    });
    for object in &mut live {
        match (object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap()) {
            ("Service", "filter") => object["spec"]["selector"]["dyninka.dev/wire"] = "other".into(),
            ("Ingress", _) => object["spec"]["rules"][0]["host"] = "stolen.org".into(),
            _ => {}
        }
    }
    let steps = compare(&wanted, &wanted, &live);
    let hosts: Vec<_> =
        steps.iter().map(|ObjectStep { hosts, what, .. }| (hosts.first().map(String::as_str), what)).collect();
    assert!(
        matches!(
            hosts.as_slice(),
            [
                (Some("filter"), ObjectWhat::Drifted { .. }),
                (Some("map"), ObjectWhat::New),
                (None, ObjectWhat::Drifted { .. })
            ]
        ),
        "{steps:#?}"
    );
}

#[test]
fn an_image_elsewhere_is_no_change_of_an_object() {
    let before = of("");
    let mut after = before.clone();
    for object in after.iter_mut().filter(|object| object["kind"] == "Deployment") {
        let container = &mut object["spec"]["template"]["spec"]["containers"][0];
        container["image"] = "elsewhere@sha256:0".into();
        container["imagePullPolicy"] = "Never".into();
    }
    assert_eq!(compare(&after, &before, &served(&before)), []);
}
