//! Services of `[together]` on a cluster: one Deployment, and names that lead to each of them.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use kubernetes::model::{RunningApp, Unit, Wanted};
use kubernetes::object::{Stamp, drift, name, objects, read};
use kubernetes::plan::{What, objects as object_steps, plan, select};
use kubernetes::settings::{AppSettings, NotAlike, read as settings};
use kubernetes::wire::Wires;
use serde_json::{Value, json};

use crate::plans::applied;
use crate::settings::mistakes;
use crate::{app, building, wanted, wanted_with};

const BUILDING: &str = include_str!("../../../../examples/building.rs");
const PIPELINE: &str = "[together]\npipeline = [\"map\", \"filter\"]\n";

/// What is wanted of an app with a `dyn.toml`.
fn of(text: &str, file: &str) -> Wanted {
    let app = app("building", text);
    let file = settings("dyn.toml".as_ref(), file, &app).unwrap();
    wanted_with(&app, &file)
}

/// As an app is built: services of a group share an image, which is another with every change of one of them.
fn built(text: &str, file: &str) -> Wanted {
    let mut wanted = of(text, file);
    let digests: Vec<(BTreeSet<String>, String)> = wanted
        .units()
        .iter()
        .map(|unit| {
            let versions: Vec<&str> = unit.members.iter().map(|member| member.version.as_str()).collect();
            let digest = blake3::hash(versions.join("+").as_bytes()).to_hex().to_string();
            (unit.members.iter().map(|member| member.name.clone()).collect(), digest)
        })
        .collect();
    for service in &mut wanted.services {
        let (_, digest) = digests.iter().find(|(names, _)| names.contains(&service.name)).unwrap();
        service.image = Some(format!("localhost:5000/dyninka/building@sha256:{digest}"));
    }
    wanted
}

fn values(wanted: &Wanted) -> Vec<Value> {
    objects(wanted, &Stamp::default()).values().unwrap()
}

fn find<'a>(values: &'a [Value], kind: &str, named: impl Fn(&str) -> bool) -> &'a Value {
    let is_it = |value: &&Value| value["kind"] == kind && named(value["metadata"]["name"].as_str().unwrap());
    values.iter().find(is_it).unwrap()
}

fn steps(wanted: &Wanted, running: &RunningApp) -> Vec<(String, What)> {
    plan(wanted, running).services.into_iter().map(|step| (step.name, step.what)).collect()
}

#[test]
fn a_group_is_one_deployment_and_two_services_for_each_of_it() {
    let wanted = of(BUILDING, PIPELINE);
    let values = values(&wanted);
    insta::assert_snapshot!(
        "pipeline",
        values.iter().map(|value| format!("---\n{}", serde_saphyr::to_string(value).unwrap())).collect::<String>()
    );
    let names = |kind: &str| -> Vec<&str> {
        let of_kind = values.iter().filter(|value| value["kind"] == kind);
        of_kind.map(|value| value["metadata"]["name"].as_str().unwrap()).collect()
    };
    let deployments = names("Deployment");
    assert_eq!(deployments.len(), 3, "{deployments:?}");
    assert_eq!(names("ConfigMap").len(), 3);
    assert_eq!(names("Service").len(), 8);
    let group = find(&values, "Deployment", |name| name.starts_with("pipeline-g"));
    let container = &group["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["command"], json!(["/dyn", "host", "--mark-lines", "/dyninka/filter", "/dyninka/map"]));
    let ports: Vec<_> =
        container["ports"].as_array().unwrap().iter().map(|port| port["containerPort"].clone()).collect();
    assert_eq!(ports, [8080, 8081]);
    // What leads to a member by its schema or its own name finds the group's pods, and there the member's port.
    let pods = &group["spec"]["template"]["metadata"]["labels"];
    for (service, port) in [("filter", &container["ports"][0]), ("map", &container["ports"][1])] {
        for is_plain in [true, false] {
            let prefix = format!("{service}-w");
            let leads =
                find(&values, "Service", |name| if is_plain { name == service } else { name.starts_with(&prefix) });
            let selector = leads["spec"]["selector"].as_object().unwrap();
            assert!(selector.iter().all(|(key, value)| pods[key] == *value), "{selector:?} of {pods}");
            assert_eq!(leads["spec"]["ports"][0]["targetPort"], port["name"]);
        }
    }
    // A service that is called like the group has pods of its own.
    let others = find(&values, "Deployment", |name| name.starts_with("get-w"));
    let selector = others["spec"]["selector"]["matchLabels"].as_object().unwrap();
    assert!(selector.iter().any(|(key, value)| pods[key] != *value));
    assert_eq!(name::unfit(&values, &[]), None);
}

#[test]
fn services_of_a_group_find_each_other_in_their_process() {
    let wanted = of(BUILDING, PIPELINE);
    let (filter, map) = (wanted.service("filter").unwrap(), wanted.service("map").unwrap());
    // A host knows its services by the address that they themselves are told, and callers ask for the schema's.
    let called = &map.config.peers["filter"].address;
    assert_eq!(called, &format!("{}:80", name::of_form("filter", &filter.wire)));
    assert_eq!(called, &filter.config.peers["filter"].address);
    assert_eq!((filter.config.listen.port(), map.config.listen.port()), (8080, 8081));
    // For those outside nothing is otherwise than where they are apart.
    let apart = of(BUILDING, "");
    for service in ["get", "moving_avg"] {
        assert_eq!(wanted.service(service).unwrap().routes(), apart.service(service).unwrap().routes());
    }
}

#[test]
fn what_members_ask_for_is_added_up() {
    let file = format!(
        "{PIPELINE}[defaults]\nreplicas = 2\n[services.map]\ncpu = \"250m\"\ncpu_limit = \"1\"\nmemory = \"1Gi\"\n"
    );
    let wanted = of(BUILDING, &file);
    let group = wanted.unit_of("map").unwrap().settings();
    assert_eq!((group.cpu.to_string(), group.memory.in_bytes()), ("350m".to_owned(), (1024 + 128) << 20));
    assert_eq!((group.cpu_limit, group.replicas), (None, Some(2)), "filter may use all there is");
    let file = format!("{file}[services.filter]\ncpu_limit = \"500m\"\n");
    let limit = of(BUILDING, &file).unit_of("map").unwrap().settings().cpu_limit;
    assert_eq!(limit.map(|limit| limit.cores()), Some(1.5));
}

#[test]
fn what_one_pod_cannot_be_is_found_with_its_key() {
    let app = building();
    let found = |said: &str| -> Option<NotAlike> {
        let file = settings("dyn.toml".as_ref(), &format!("{PIPELINE}[services.filter]\n{said}\n"), &app).unwrap();
        AppSettings::of(&app, &file).not_alike()
    };
    assert_eq!(found("cpu = \"250m\""), None);
    for (key, said) in [
        ("env", "env.A = \"x\""),
        ("replicas", "replicas = 2"),
        ("nodes", "nodes = { disk = \"ssd\" }"),
        ("spread", "spread = \"zones\""),
    ] {
        let found = found(said).unwrap();
        assert_eq!(found.message(), format!("pipeline has map and filter in one pod, and their {key} differ"));
        assert_eq!(found.places()[0], ["services", "filter", key]);
    }
}

#[test]
fn a_group_is_read_back_as_each_of_its_services() {
    let wanted = built(BUILDING, PIPELINE);
    let running = applied(&wanted);
    assert_eq!(running.services.len(), 4);
    let object = wanted.unit_of("map").unwrap().object();
    assert_eq!(running.sharing(&object), BTreeSet::from(["filter", "map"]));
    for service in &wanted.services {
        let runs = running.current(&service.name).unwrap();
        assert_eq!((&runs.version, &runs.wire, &runs.dns), (&service.version, &service.wire, &service.dns));
        assert_eq!((&runs.form, &runs.reaches), (&Some(service.form.clone()), &service.reaches));
        assert_eq!((&runs.routes, &runs.settings), (&service.routes(), &service.settings.hash()));
        assert_eq!((&runs.group, runs.port), (&service.group, service.config.listen.port()));
    }
    assert!(plan(&wanted, &running).is_nothing(true));
}

#[test]
fn an_edit_of_one_member_rolls_the_group_and_says_so() {
    let running = applied(&built(BUILDING, PIPELINE));
    let edited = built(&BUILDING.replace("/ 1.8", "/ 1.80001"), PIPELINE);
    let plan = plan(&edited, &running);
    let told: Vec<_> =
        plan.services.iter().map(|step| (step.name.as_str(), step.what.to_string(), step.bytes)).collect();
    let unchanged = |name| (name, "unchanged".to_owned(), 0);
    assert_eq!(
        told,
        [
            unchanged("get"),
            ("filter", "along".to_owned(), 0),
            ("map", "changed".to_owned(), 274_000),
            unchanged("moving_avg")
        ]
    );
    assert_eq!(plan.services[1].what, What::Along { with: vec!["map".to_owned()] });
    assert_eq!((plan.leftovers.len(), plan.groups[0].services.join(" ").as_str()), (0, "filter map"));
    assert_eq!(edited.unit_of("map").unwrap().object(), plan.groups[0].object);
    insta::assert_snapshot!(plan.to_string());
}

#[test]
fn another_host_program_is_another_image_of_all() {
    let mut wanted = built(BUILDING, PIPELINE);
    let running = applied(&wanted);
    for service in wanted.services.iter_mut().filter(|service| service.group.is_some()) {
        service.image = Some("localhost:5000/dyninka/building@sha256:0".to_owned());
    }
    let changed = What::Changed { reasons: vec!["the host program changed".to_owned()] };
    let steps = steps(&wanted, &running);
    assert_eq!((&steps[1].1, &steps[2].1), (&changed, &changed));
    assert_eq!(steps[3].1, What::Unchanged);
}

#[test]
fn joining_and_splitting_go_to_other_pods_and_nobody_else_is_touched() {
    let (apart, joined) = (built(BUILDING, ""), built(BUILDING, PIPELINE));
    for (before, after) in [(&apart, &joined), (&joined, &apart)] {
        let running = applied(before);
        let plan = plan(after, &running);
        let told: Vec<_> = plan.services.iter().map(|step| step.what.to_string()).collect();
        assert_eq!(told, ["unchanged", "moved", "moved", "unchanged"]);
        let objects = |wanted: &Wanted| -> BTreeSet<String> { wanted.units().iter().map(Unit::object).collect() };
        let left: BTreeSet<String> = objects(before).difference(&objects(after)).cloned().collect();
        assert_eq!(plan.leftovers.iter().cloned().collect::<BTreeSet<_>>(), left);
        // The names stay, and lead to the pods of one placement or the other: never to both.
        let (old, new) = (values(before), values(after));
        let named = |values: &[Value]| -> BTreeSet<String> {
            let services = values.iter().filter(|value| value["kind"] == "Service");
            services.map(|value| value["metadata"]["name"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(named(&old), named(&new));
        for service in old.iter().filter(|value| value["kind"] == "Service") {
            let selects = |values: &[Value], labels: &Value| {
                let leads = find(values, "Service", |name| service["metadata"]["name"] == name);
                let selector = leads["spec"]["selector"].as_object().unwrap();
                selector.iter().all(|(key, value)| labels[key] == *value)
            };
            let pods = |values: &[Value]| -> Vec<Value> {
                let deployments = values.iter().filter(|value| value["kind"] == "Deployment");
                deployments.map(|it| it["spec"]["template"]["metadata"]["labels"].clone()).collect()
            };
            for (leads, there, others) in [(&old, pods(&old), pods(&new)), (&new, pods(&new), pods(&old))] {
                assert_eq!(there.iter().filter(|labels| selects(leads, labels)).count(), 1);
                let strangers = others.iter().filter(|labels| !there.contains(labels));
                assert_eq!(strangers.filter(|labels| selects(leads, labels)).count(), 0);
            }
        }
    }
    let moved = plan(&joined, &applied(&apart));
    assert_eq!(moved.services[1].what, What::Moved { from: vec![], to: vec!["map".to_owned()] });
    insta::assert_snapshot!(moved.to_string());
}

#[test]
fn another_schema_of_a_member_has_a_group_beside_the_old_one() {
    let running = applied(&built(BUILDING, PIPELINE));
    let text = BUILDING.replace("    units: String,\n", "    units: Option<String>,\n");
    let after = built(&text, PIPELINE);
    let plan = plan(&after, &running);
    let told: Vec<_> = plan.services.iter().map(|step| step.what.to_string()).collect();
    assert_eq!(told, ["changed", "changed", "changed", "route only"]);
    assert_eq!(plan.leftovers.len(), 2, "{:?}", plan.leftovers);
    assert!(!plan.leftovers.contains(&after.unit_of("map").unwrap().object()));
}

#[test]
fn a_member_that_left_the_app_keeps_its_pods_until_it_is_to_be_removed() {
    let text = "use dyninka::prelude::*;
        #[service] fn one() -> u8 { 1 }
        #[service] fn more(value: u8) -> u8 { value }
        #[service] fn last(value: u8) -> u8 { value }
        fn main() { one().more().last() }";
    let three = "[together]\nends = [\"one\", \"last\", \"more\"]\n";
    let running = applied(&of(text, three));
    let fewer = text.replace("#[service] fn more(value: u8) -> u8 { value }", "").replace(".more()", "");
    let plan = plan(&of(&fewer, "[together]\nends = [\"one\", \"last\"]\n"), &running);
    let told: Vec<_> = plan.services.iter().map(|step| (step.name.as_str(), step.what.to_string())).collect();
    let moved = || "moved".to_owned();
    assert_eq!(told, [("one", moved()), ("last", moved()), ("more", "gone".to_owned())]);
    assert_eq!(plan.leftovers, [""; 0]);
}

#[test]
fn a_push_of_one_member_takes_along_those_whose_pods_it_shares() {
    let app = app("building", BUILDING);
    let named = BTreeSet::from(["map".to_owned()]);
    let all = built(&BUILDING.replace("/ 1.8", "/ 1.80001"), PIPELINE);
    let along = BTreeSet::from(["filter".to_owned()]);
    for before in [built(BUILDING, PIPELINE), built(BUILDING, "")] {
        let selected = select(&all, &applied(&before), &Wires::of(&app), &named, false);
        assert_eq!((selected.taken_along, selected.breaks), (along.clone(), vec![]));
    }
    // Whoever stays, stays in the pods that it has.
    let running = applied(&built(BUILDING, PIPELINE));
    let apart = built(BUILDING, "");
    let selected = select(&apart, &running, &Wires::of(&app), &BTreeSet::from(["get".to_owned()]), false);
    assert_eq!(selected.taken_along, BTreeSet::new());
    assert_eq!(selected.wanted.unit_of("map").unwrap().object(), running.current("map").unwrap().object);
    assert!(plan(&selected.wanted, &running).is_nothing(true));
}

#[test]
fn a_volume_that_is_mounted_more_than_once_is_no_drift() {
    let wanted = of(BUILDING, PIPELINE);
    let values = values(&wanted);
    let group = find(&values, "Deployment", |name| name.starts_with("pipeline-g"));
    assert_eq!(drift(group, group), [""; 0]);
    let mut live = group.clone();
    live["spec"]["template"]["spec"]["containers"][0]["volumeMounts"][1]["subPath"] = "other".into();
    assert_eq!(drift(group, &live).len(), 1);
    // Whatever differs of a group's objects concerns each of its services.
    let found = object_steps(&values, &values, &values);
    assert_eq!(found, []);
    let mut live = values.clone();
    live.retain(|value| value["metadata"]["name"] != group["metadata"]["name"]);
    assert_eq!(object_steps(&values, &values, &live)[0].hosts, ["filter", "map"]);
}

#[test]
fn names_of_groups_are_for_people_and_fit_all_the_same() {
    let names = ["pipeline", "get", "My Group", "größe", "a_b", "a-b", " ", &"x".repeat(90)];
    let mut seen = BTreeSet::new();
    for group in names {
        let wanted = of(BUILDING, &format!("[together]\n{group:?} = [\"filter\", \"map\"]\n"));
        let values = values(&wanted);
        assert_eq!(name::unfit(&values, &[]), None, "{group}");
        assert!(seen.insert(wanted.unit_of("map").unwrap().object()), "{group}");
    }
    // A group and a service of one name have nothing in common.
    let deployments: Vec<Deployment> =
        objects(&of(BUILDING, "[together]\nget = [\"filter\", \"map\"]\n"), &Stamp::default())
            .units
            .into_iter()
            .flat_map(|unit| unit.deployments)
            .collect();
    assert_eq!(
        read(&deployments, &[]).sharing(deployments[0].metadata.name.as_deref().unwrap()),
        BTreeSet::from(["get"])
    );
    assert_eq!(wanted(&building()).units().len(), 4);
}

#[test]
fn every_mistake_of_groups_and_instances_has_its_line_and_a_way_out() {
    let text = "
[together]
none = []
one = [\"get\"]
other = [\"filter\", \"mpa\"]
twice = [\"map\", \"map\"]
two = [\"filter\", \"moving_avg\"]
[defaults]
instances = 2
[services.get]
instances = 0
[services.map]
instances = 17
";
    assert_eq!(
        mistakes(text),
        [
            "dyn.toml:3:1: none is no group: it has no service (name two services at least, or take the line out)",
            "dyn.toml:4:1: one is no group: it has one service (name two services at least, or take the line out)",
            "dyn.toml:5:1: mpa is no service of building (did you mean map?)",
            "dyn.toml:6:1: map is in twice twice (a service has one host: leave it in one of them)",
            "dyn.toml:7:1: filter is in other and in two (a service has one host: leave it in one of them)",
            "dyn.toml:9:1: not every service can have instances (write it below [services.NAME], for a service that does \
             much of the work)",
            "dyn.toml:11:1: 0 is no number of instances (write 1 to 16)",
            "dyn.toml:13:1: 17 is no number of instances (write 1 to 16)",
        ]
    );
    let right = "\n[together]\nends = [\"get\", \"moving_avg\"]\n[services.map]\ninstances = 16\n";
    assert!(settings("dyn.toml".as_ref(), right, &building()).is_ok());
}
