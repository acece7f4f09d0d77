use kubernetes::export::{ExportError, Format, export};
use kubernetes::model::Wanted;
use kubernetes::settings::{AppSettings, File, read};
use serde_json::Value;

use crate::{app, building, wanted, wanted_with};

#[test]
fn kubernetes_files_are_the_objects() {
    let wanted = wanted(&building());
    let text = export(&wanted, Format::Kubernetes).unwrap();
    let read: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let objects = kubernetes::object::objects(&wanted, &kubernetes::object::Stamp::default());
    assert_eq!(read, objects.values().unwrap());
}

#[test]
fn a_compose_file_starts_every_service() {
    let wanted = wanted(&building());
    let text = export(&wanted, Format::Compose).unwrap();
    insta::assert_snapshot!("compose", text);
    let read: Value = serde_saphyr::from_str(&text).unwrap();
    let config = |service: &str| -> protocol::Config {
        let told = read["services"][service]["environment"]["DYNINKA_CONFIG"].as_str().unwrap();
        serde_json::from_str(&told.replace("$$", "$")).unwrap()
    };
    assert_eq!(config("moving-avg").peers["moving_avg"].address, "moving-avg:8080");
    assert_eq!(config("moving-avg").route.as_deref(), Some("map(filter(get))"));
    assert_eq!(read["services"]["moving-avg"]["ports"], serde_json::json!(["8080:8080"]));
    assert_eq!(read["services"]["get"]["ports"], Value::Null);
}

#[test]
fn a_compose_file_has_one_container_for_services_that_are_together() {
    let app = building();
    let of = |file: &str| wanted_with(&app, &read("dyn.toml".as_ref(), file, &app).unwrap());
    let text = export(&of("[together]\nends = [\"moving_avg\", \"get\"]\n"), Format::Compose).unwrap();
    let read_back: Value = serde_saphyr::from_str(&text).unwrap();
    let names: std::collections::BTreeSet<&str> =
        read_back["services"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["filter", "get", "map"].into());
    let ends = &read_back["services"]["get"];
    assert_eq!(ends["entrypoint"], serde_json::json!(["/dyn", "host", "/dyninka/get", "/dyninka/moving-avg"]));
    assert_eq!(ends["networks"]["default"]["aliases"], serde_json::json!(["get", "moving-avg"]));
    assert_eq!(ends["ports"], serde_json::json!(["8080:8081"]));
    let told = ends["environment"]["DYNINKA_CONFIG"].as_str().unwrap().replace("$$", "$");
    let told: protocol::HostConfigs = serde_json::from_str(&told).unwrap();
    let last = &told.services["moving-avg"];
    assert_eq!((last.service.as_str(), last.listen.port()), ("moving_avg", 8081));
    assert_eq!(
        (last.peers["moving_avg"].address.as_str(), last.peers["map"].address.as_str()),
        ("moving-avg:8081", "map:8080")
    );
    assert_eq!(told.services["get"].listen.port(), 8080);
    // `map` is fed by the container and feeds it: none of the two waits for the other's start in a circle.
    assert_eq!(ends["depends_on"], Value::Null);
    assert_eq!(read_back["services"]["map"]["depends_on"], serde_json::json!(["filter"]));
    let memory = |name: &str| -> u64 {
        let limit = &read_back["services"][name]["deploy"]["resources"]["limits"]["memory"];
        limit.as_str().unwrap().parse().unwrap()
    };
    assert_eq!(memory("get"), 2 * memory("map"));

    for (key, two) in [("replicas", "replicas = 2"), ("env", "env.A = \"x\""), ("nodes", "nodes = { a = \"b\" }")] {
        let file = format!("[together]\nends = [\"get\", \"map\"]\n[services.map]\n{two}\n");
        for format in [Format::Compose, Format::Marathon, Format::Kubernetes] {
            let refused = export(&of(&file), format).unwrap_err();
            let words = format!("cannot export get and map in one container: {key} of them differ");
            assert_eq!(refused.to_string(), words);
        }
    }
}

#[test]
fn a_marathon_group_has_one_app_for_services_that_are_together() {
    let app = building();
    let file = "[together]\nends = [\"moving_avg\", \"get\"]\n";
    let wanted = wanted_with(&app, &read("dyn.toml".as_ref(), file, &app).unwrap());
    let text = export(&wanted, Format::Marathon).unwrap();
    let read: Value = serde_json::from_str(&text).unwrap();
    let ids: Vec<&str> = read["apps"].as_array().unwrap().iter().map(|app| app["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["get", "filter", "map"]);
    let ends = &read["apps"][0];
    assert_eq!(ends["args"], serde_json::json!(["host", "/dyninka/get", "/dyninka/moving-avg"]));
    let parameters = ends["container"]["docker"]["parameters"].as_array().unwrap();
    assert_eq!(parameters.last().unwrap(), &serde_json::json!({ "key": "entrypoint", "value": "/dyn" }));
    let ports = ends["container"]["portMappings"].as_array().unwrap();
    let ports: Vec<_> = ports.iter().map(|port| (port["containerPort"].clone(), port["name"].clone())).collect();
    assert_eq!(ports, [(8080.into(), "get".into()), (8081.into(), "moving-avg".into())]);
    assert_eq!((&ends["healthChecks"][0]["portIndex"], &ends["cpus"]), (&1.into(), &0.2.into()));
    let told: protocol::HostConfigs = serde_json::from_str(ends["env"]["DYNINKA_CONFIG"].as_str().unwrap()).unwrap();
    let peers = &told.services["moving-avg"].peers;
    assert_eq!(peers["moving_avg"].address, "get-building.marathon.mesos:8081");
    assert_eq!(peers["map"].address, "map-building.marathon.mesos:8080");
    // Fed by it and feeding it: Marathon starts nothing that waits for each other in a circle.
    assert_eq!(
        (&ends["dependencies"], &read["apps"][1]["dependencies"][0]),
        (&serde_json::json!([]), &"/building/get".into())
    );
}

#[test]
fn a_marathon_group_starts_every_service() {
    let text = export(&wanted(&building()), Format::Marathon).unwrap();
    insta::assert_snapshot!("marathon", text);
    let read: Value = serde_json::from_str(&text).unwrap();
    let told = read["apps"][2]["env"]["DYNINKA_CONFIG"].as_str().unwrap();
    let config: protocol::Config = serde_json::from_str(told).unwrap();
    assert_eq!(config.peers["filter"].address, "filter-building.marathon.mesos:8080");
}

fn two(file: &str) -> Wanted {
    let app = app(
        "two",
        "use dyninka::prelude::*;
        #[service] fn price(of: String) -> String { of }
        #[service(replicas = 2)] fn bill(price: String) -> String { price }
        fn main() { price(\"$5\").bill() }",
    );
    wanted_with(&app, &read("dyn.toml".as_ref(), file, &app).unwrap())
}

#[test]
fn compose_replaces_nothing_in_what_was_written_and_asks_for_what_it_does_not_have() {
    let wanted = two(
        "[services.bill]\nenv.A = \"$HOME\"\nenv.B = { secret = \"s\", key = \"k\" }\nenv.C = { config = \"c\", key = \"k\" }\n",
    );
    let read: Value = serde_saphyr::from_str(&export(&wanted, Format::Compose).unwrap()).unwrap();
    let bill = &read["services"]["bill"];
    assert_eq!(bill["environment"]["A"], "$$HOME");
    assert_eq!(bill["environment"]["B"], "${B:?the key k of the secret s}");
    assert_eq!(bill["environment"]["C"], "${C:?the key k of the configuration c}");
    assert_eq!(bill["ports"], serde_json::json!(["8080-8081:8080"]));
    assert!(read["services"]["bill"]["environment"]["DYNINKA_CONFIG"].as_str().unwrap().contains("$$5"));
}

#[test]
fn what_a_format_does_not_know_is_refused() {
    let wanted = two("[services.bill]\nenv.C = { config = \"c\", key = \"k\" }\n");
    let refused = export(&wanted, Format::Marathon).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "cannot export bill for marathon: C comes from the ConfigMap c, which marathon does not know"
    );
    let app = building();
    let unbuilt = Wanted::of(&app, &AppSettings::of(&app, &File::default()), &std::collections::BTreeMap::new());
    assert!(matches!(export(&unbuilt, Format::Compose), Err(ExportError::NoImage { service }) if service == "get"));
}
