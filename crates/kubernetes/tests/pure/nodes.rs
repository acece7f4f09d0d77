//! A cluster and namespace as a node of a fleet.

use std::collections::{BTreeMap, BTreeSet};

use kubernetes::model::{Built, NODE, NodeApp, Wanted, keeps_state, needs};
use kubernetes::object::{Stamp, objects};
use kubernetes::plan;
use kubernetes::settings::{self, AppSettings};
use serde_json::Value;

use crate::{app, building, built};

const BANNER: &str = "use dyninka::prelude::*;\n\
    #[service(rate = 100, latency = \"20ms\", idempotent = true)]\nfn banner(text: String) -> String { text }\n\
    fn main() { banner(\"hi\") }\n";

/// What is wanted of the banner with a `dyn.toml`.
fn wanted(text: &str) -> Wanted {
    let app = app("banner", BANNER);
    let file = settings::read("dyn.toml".as_ref(), text, &app).unwrap();
    let mut built = built(&app);
    let image = "localhost:5000/dyninka/banner@sha256:0011".to_owned();
    built.insert(NODE.to_owned(), Built { version: "0011".to_owned(), image, ..Built::default() });
    Wanted::of(&app, &AppSettings::of(&app, &file), &built)
}

fn values(text: &str) -> Vec<Value> {
    objects(&wanted(text), &Stamp::default()).values().unwrap()
}

fn found<'v>(values: &'v [Value], kind: &str) -> &'v Value {
    values.iter().find(|value| value["kind"] == kind && value["metadata"]["name"] == "dyninka-banner-node").unwrap()
}

#[test]
fn a_service_needs_what_its_route_and_its_body_lead_to_and_stays_where_one_of_them_keeps_a_state() {
    let text = "use dyninka::prelude::*;\n#[placed(get)]\nstatic COUNT: Placed<u64> = Placed::new(|| 0);\n\
        #[service]\nfn get() -> u64 { COUNT.update(|n| { *n += 1; *n }) }\n\
        #[service]\nfn twice(value: u64) -> u64 { value * 2 }\n\
        #[service]\nfn last(value: u64) -> u64 { value }\n\
        fn main() { last(twice(get())) }\n";
    let app = app("app", text);
    let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(needs(&app, "last"), named(&["get", "twice"]));
    assert_eq!(needs(&app, "twice"), named(&["get"]));
    assert_eq!(needs(&app, "get"), named(&[]));
    assert!(["get", "twice", "last"].iter().all(|name| keeps_state(&app, name, &needs(&app, name))));
}

#[test]
fn a_node_is_one_pod_that_sees_pods_and_may_nothing_else() {
    let text = "[node]\nname = \"edge-1\"\nseeds = [\"fog-1.example.org:7940\"]\nneighbours = [\"fog-1\", \"nearest=2\"]\n\
        nodes = { \"kubernetes.io/hostname\" = \"node1\" }\n";
    insta::assert_snapshot!("node", {
        let values = values(text);
        let own = values.iter().filter(|value| value["metadata"]["labels"]["app.kubernetes.io/component"] == "node");
        own.map(|value| format!("---\n{}", serde_saphyr::to_string(value).unwrap())).collect::<String>()
    });
    let values = values(text);
    let role = found(&values, "Role");
    assert_eq!(role["rules"].as_array().unwrap().len(), 1);
    assert_eq!(role["rules"][0]["resources"], serde_json::json!(["pods"]));
    assert_eq!(role["rules"][0]["verbs"], serde_json::json!(["get", "list", "watch"]));
    let pod = &found(&values, "Deployment")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
    assert_eq!(container["image"], "localhost:5000/dyninka/banner@sha256:0011");
    assert_eq!(found(&values, "Deployment")["spec"]["strategy"]["type"], "Recreate");
    // Pods of services are told nothing of the API server still.
    let others = values
        .iter()
        .filter(|value| value["kind"] == "Deployment" && value["metadata"]["name"] != "dyninka-banner-node");
    assert!(others.clone().count() == 1);
    assert!(others.into_iter().all(|of| of["spec"]["template"]["spec"]["automountServiceAccountToken"] == false));
}

#[test]
fn others_reach_a_node_as_the_table_says() {
    let of = |more: &str| values(&format!("[node]\n{more}"));
    let address = |values: &[Value]| {
        let command = found(values, "Deployment")["spec"]["template"]["spec"]["containers"][0]["command"].clone();
        let words: Vec<String> = serde_json::from_value(command).unwrap();
        let at = words.iter().position(|word| word == "--advertise").unwrap();
        words[at + 1].clone()
    };
    let port = of("port = 31000\n");
    assert_eq!(found(&port, "Service")["spec"]["ports"][0]["nodePort"], 31000);
    assert_eq!(address(&port), "$(DYNINKA_NODE_HOST):31000");
    let balanced = of("reach = \"load-balancer\"\naddress = \"198.51.100.7:7940\"\nport = 7940\n");
    assert_eq!(found(&balanced, "Service")["spec"]["type"], "LoadBalancer");
    assert_eq!(address(&balanced), "198.51.100.7:7940");
    let host = of("reach = \"host-port\"\nport = 7940\n");
    assert!(!host.iter().any(|value| value["kind"] == "Service" && value["metadata"]["name"] == "dyninka-banner-node"));
    let ports = &found(&host, "Deployment")["spec"]["template"]["spec"]["containers"][0]["ports"];
    assert_eq!(ports[0]["hostPort"], 7940);
}

#[test]
fn an_agent_is_told_what_its_services_take_and_nothing_that_changes_with_a_body() {
    let wanted = wanted("[node]\n[services.banner]\nreplicas = 2\ncpu_limit = \"500m\"\n");
    let told = NodeApp::of(&wanted, wanted.node.as_ref().unwrap());
    let banner = &told.services["banner"];
    assert_eq!((banner.rate, banner.latency_ms, banner.idempotent, banner.stays), (Some(100), Some(20), true, false));
    assert_eq!((banner.schema.as_str(), told.cpus), (wanted.services[0].wire.as_str(), 1.0));
    let text = serde_json::to_string(&told).unwrap();
    assert_eq!(serde_json::from_str::<NodeApp>(&text).unwrap(), told);
    assert!(!text.contains(&wanted.services[0].version));
    let app = building();
    let file = settings::read("dyn.toml".as_ref(), "[node]\n", &app).unwrap();
    let wanted = Wanted::of(&app, &AppSettings::of(&app, &file), &BTreeMap::new());
    let told = NodeApp::of(&wanted, wanted.node.as_ref().unwrap());
    let stays: Vec<bool> =
        ["get", "filter", "map", "moving_avg"].iter().map(|name| told.services[*name].stays).collect();
    assert_eq!(told.services["map"].needs, ["filter", "get"]);
    assert!(stays[0] && stays[3], "{stays:?}");
}

#[test]
fn a_plan_shows_a_node_that_comes_and_one_that_goes() {
    let (with, without) = (values("[node]\n"), values(""));
    let steps = |wanted: &[Value], there: &[Value]| {
        plan::objects(wanted, there, there).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(steps(&with, &with), [""; 0]);
    let name = "dyninka-banner-node";
    let kinds = ["serviceaccount", "role", "rolebinding", "service", "deployment"];
    assert_eq!(steps(&with, &without), kinds.map(|kind| format!("{kind}/{name} is new")));
    assert_eq!(steps(&without, &with), kinds.map(|kind| format!("{kind}/{name} is removed")));
}

#[test]
fn a_table_that_cannot_be_is_refused_with_its_place() {
    let app = app("banner", BANNER);
    for (wrong, words, line) in [
        ("[node]\nname = \"Edge 1\"\n", "no name of a node", 2),
        ("[node]\nport = 0\n", "cannot be told port 0", 2),
        ("[node]\naddress = \"edge\"\n", "no address with a port", 2),
        ("[node]\nreach = \"load-balancer\"\n", "the load balancer's address", 2),
        ("[node]\nseeds = [\"fog\"]\n", "no host with a port", 2),
        ("[node]\nreach = \"tunnel\"\n", "tunnel is no value of reach", 2),
        ("[node]\nnmae = \"x\"\n", "nmae", 2),
    ] {
        let refused = format!("{:#?}", settings::read("dyn.toml".as_ref(), wrong, &app).unwrap_err());
        assert!(refused.contains(words) && refused.contains(&format!("line: {line}")), "{wrong}: {refused}");
    }
}
