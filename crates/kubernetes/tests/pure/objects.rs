use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::Deployment;
use kubernetes::model::RunningApp;
use kubernetes::object::{Stamp, drift, label, name, objects, read, secret};
use kubernetes::settings;
use proptest::prelude::*;

use crate::{app, building, wanted, wanted_with};

fn yaml(values: &[serde_json::Value]) -> String {
    values.iter().map(|value| format!("---\n{}", serde_saphyr::to_string(value).unwrap())).collect()
}

#[test]
fn the_building_as_objects() {
    let stamp = Stamp {
        by: Some("ada@desk".to_owned()),
        at: Some("2026-01-01T00:00:00Z".to_owned()),
        source: Some("0123456789abcdef".to_owned()),
    };
    let objects = objects(&wanted(&building()), &stamp);
    let services = objects.units.iter().flat_map(|unit| &unit.services);
    let order: Vec<&str> = services.map(|service| service.service.as_str()).collect();
    assert_eq!(order, ["get", "filter", "map", "moving_avg"]);
    insta::assert_snapshot!("building", yaml(&objects.values().unwrap()));
}

#[test]
fn everything_that_is_said_is_in_the_objects() {
    let app = app(
        "shop",
        r#"
        use dyninka::prelude::*;
        #[service(replicas = 2, cpu = "250m")]
        fn price() -> u32 { 1 }
        #[service(memory = "1Gi")]
        fn bill(price: u32) -> u32 { price }
        fn main() { price().bill() }
        "#,
    );
    let text = r#"
        [defaults]
        spread = "zones"
        env.REGION = { config = "place", key = "region" }
        [services.price]
        replicas = 3
        cpu_limit = "1"
        env.MODE = "yes"
        env.PASSWORD = { secret = "database", key = "password" }
        nodes = { disk = "ssd" }
        [entry]
        host = "shop.example.org"
        tls = "shop-certificate"
        class = "nginx"
        node_port = 30080
    "#;
    let file = settings::read("dyn.toml".as_ref(), text, &app).unwrap();
    let objects = objects(&wanted_with(&app, &file), &Stamp::default());
    insta::assert_snapshot!("shop", yaml(&objects.values().unwrap()));
}

#[test]
fn what_is_written_is_read_back() {
    let wanted = wanted(&building());
    let objects = objects(&wanted, &Stamp { by: Some("ada@desk".to_owned()), ..Stamp::default() });
    let deployments: Vec<Deployment> = objects.units.iter().flat_map(|unit| unit.deployments.clone()).collect();
    let services = objects.units.iter().flat_map(|unit| &unit.services);
    let services: Vec<_> = services.flat_map(|service| [service.form.clone(), service.plain.clone()]).collect();
    let running: RunningApp = read(&deployments, &services);
    for service in &wanted.services {
        let runs = running.current(&service.name).unwrap();
        assert_eq!(
            (&runs.version, &runs.wire, &runs.image),
            (&service.version, &service.wire, service.image.as_ref().unwrap())
        );
        assert_eq!((&runs.form, &runs.reaches), (&Some(service.form.clone()), &service.reaches));
        assert_eq!(
            (&runs.routes, &runs.settings, &runs.library),
            (&service.routes(), &service.settings.hash(), &service.config.library)
        );
        assert_eq!(
            (runs.pushed_by.as_deref(), runs.object.as_str()),
            (Some("ada@desk"), &*name::of_form(&service.dns, &service.wire))
        );
    }
}

#[test]
fn of_two_forms_the_one_its_plain_name_leads_to_is_current() {
    let old = wanted(&building());
    let text = include_str!("../../../../examples/building.rs").replace("units: String,\n", "");
    let new = wanted(&app(
        "building",
        &text.replace("variable, units,", "variable, _, ").replace("        units: units.to_owned(),\n", ""),
    ));
    let (before, after) = (objects(&old, &Stamp::default()), objects(&new, &Stamp::default()));
    let both = before.units.iter().chain(&after.units);
    let deployments: Vec<Deployment> = both.flat_map(|unit| unit.deployments.clone()).collect();
    for (plain, current) in [(&before, &old), (&after, &new)] {
        let services = plain.units.iter().flat_map(|unit| &unit.services);
        let services: Vec<_> = services.map(|service| service.plain.clone()).collect();
        let running = read(&deployments, &services);
        let forms = running.services.iter().filter(|runs| runs.name == "get");
        assert_eq!(forms.count(), 2);
        assert_eq!(running.current("get").unwrap().wire, current.service("get").unwrap().wire);
    }
}

#[test]
fn only_what_another_form_reaches_is_made_anew() {
    let text = include_str!("../../../../examples/building.rs");
    let old = wanted(&building());
    let body = wanted(&app("building", &text.replace("/ 1.8", "/ 1.80001")));
    // A body alone: no caller is told anything else.
    for service in &old.services {
        let after = body.service(&service.name).unwrap();
        assert_eq!((after.wire == service.wire, after.routes() == service.routes()), (true, true), "{}", service.name);
        assert_eq!(after.version == service.version, service.name != "map");
    }
    // Whom a service calls is told to it by form; whom it does not call, by name.
    let map = old.service("map").unwrap();
    let filter = old.service("filter").unwrap();
    assert_eq!(map.config.peers["filter"].address, format!("filter-w{}:80", &filter.wire[..8]));
    assert_eq!(map.config.peers["get"].address, "get:80");
}

#[test]
fn names_of_sixty_characters_fit_everywhere() {
    let (one, other) = ("a".repeat(60), format!("{}b", "a".repeat(59)));
    let app = app(
        &"long_app_name_".repeat(5),
        &format!(
            "use dyninka::prelude::*;
            #[service] fn {one}() -> u8 {{ 1 }}
            #[service] fn {other}(value: u8) -> u8 {{ value }}
            fn main() {{ {one}().{other}() }}"
        ),
    );
    let values = objects(&wanted(&app), &Stamp::default()).values().unwrap();
    let mut names = std::collections::BTreeSet::new();
    for value in &values {
        let name = value["metadata"]["name"].as_str().unwrap();
        assert!(name.len() <= 63 && !name.ends_with('-'), "{name}");
        assert!(names.insert((value["kind"].clone().to_string(), name.to_owned())), "{name} twice");
        for (key, label) in value["metadata"]["labels"].as_object().unwrap() {
            assert!(label.as_str().unwrap().len() <= 63, "{key}");
        }
    }
    assert!(label::secret(&app.name).len() <= 63);
}

#[test]
fn a_secret_is_no_part_of_what_is_exported() {
    let values = objects(&wanted(&building()), &Stamp::default()).values().unwrap();
    assert!(values.iter().all(|value| value["kind"] != "Secret"));
    let secret = secret("building", "key");
    assert_eq!(secret.metadata.name, Some("dyninka-building-key".to_owned()));
    assert_eq!(secret.string_data.unwrap()["token"], "key");
}

#[test]
fn what_a_server_adds_is_no_drift() {
    let objects = objects(&wanted(&building()), &Stamp::default());
    let applied = serde_json::to_value(&objects.units[0].deployments[0]).unwrap();
    let mut live = applied.clone();
    live["spec"]["replicas"] = 1.into();
    live["metadata"]["uid"] = "x".into();
    live["spec"]["template"]["spec"]["containers"][0]["terminationMessagePath"] = "/dev/termination-log".into();
    assert_eq!(drift(&applied, &live), Vec::<String>::new());
    live["spec"]["template"]["spec"]["containers"][0]["image"] = "other".into();
    assert_eq!(drift(&applied, &live).len(), 1);
}

/// Names of objects that an app of this file name has in a namespace, services' aside: kind and name.
fn names_of(app: &str) -> Vec<(&'static str, String)> {
    vec![
        ("Secret", label::secret(app)),
        ("Lease", name::of_app(app, "push")),
        ("Ingress", name::of_app(app, "entry")),
        ("Service", name::of_app(app, "images")),
        ("ConfigMap", name::of_record(app, 1)),
        ("ConfigMap", name::of_record(app, 4_000_000_000)),
    ]
}

/// Names of files that people give, and that tools made of them.
fn stem() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z_][a-zA-Z0-9_]{0,12}",
        "[0-9][a-z0-9-]{0,8}",
        "[a-cA-C_.-]{1,6}",
        "[a-z]{1,3}[._ -]{1,3}[a-z]{1,3}-?",
        "\\PC{1,40}",
        "[a-z_-]{50,120}",
    ]
    .prop_filter("a file's stem", |stem| !stem.contains('/'))
}

proptest! {
    #[test]
    fn files_of_any_names_have_objects_of_their_own_that_kubernetes_takes(one in stem(), other in stem()) {
        // What one's was made of may be another's name.
        let made = names_of(&one).into_iter().map(|(_, name)| name);
        let made = made.chain([label::app(&one)]).flat_map(|name| {
            let short = name.trim_start_matches("dyninka-").rsplit_once('-').map(|(short, _)| short.to_owned());
            short.into_iter().chain([name])
        });
        let apps: BTreeSet<String> = [one.clone(), other].into_iter().chain(made).collect();
        let mut seen = BTreeMap::new();
        for app in &apps {
            let labels = serde_json::json!({ "app": label::app(app) });
            prop_assert!(!label::app(app).is_empty());
            for (kind, name) in names_of(app) {
                let object = serde_json::json!({ "kind": kind, "metadata": { "name": name, "labels": labels } });
                prop_assert_eq!(name::unfit(&[object], &[]), None, "of {:?}", app);
                let before = seen.insert((kind, name.clone()), app.clone());
                prop_assert!(before.is_none(), "{:?} and {app:?} share the {kind} {name}", before);
            }
            let before = seen.insert(("label", label::app(app)), app.clone());
            prop_assert!(before.is_none(), "{:?} and {app:?} share a label", before);
        }
    }

    #[test]
    fn services_of_any_names_have_objects_that_kubernetes_takes(
        stem in stem(),
        names in prop::collection::btree_set("[a-zA-Z]([a-zA-Z0-9_]{0,61}[a-zA-Z0-9])?", 1..4),
    ) {
        let services: String = names.iter().map(|name| format!("#[service] fn {name}() -> u8 {{ 1 }}\n")).collect();
        let root = std::path::PathBuf::from(format!("{stem}.rs"));
        let mut sources = ::app::Sources { root: root.clone(), ..::app::Sources::default() };
        let last = names.first().unwrap();
        let text = format!("use dyninka::prelude::*;\n{services}fn main() {{ {last}() }}");
        sources.texts.insert(root, text.as_str().into());
        let (app, findings) = ::app::parse(&sources);
        // Keywords, and names that differ in case alone.
        prop_assume!(findings.iter().all(|finding| finding.severity != ::app::Severity::Error));
        let mut file = settings::File::default();
        file.entry.host = Some("a.example.org".to_owned());
        let values = objects(&wanted_with(&app, &file), &Stamp::default()).values().unwrap();
        prop_assert_eq!(name::unfit(&values, &[]), None);
    }
}

#[test]
fn the_names_of_before_stay_as_they_were() {
    // What runs would not be found again.
    assert_eq!(name::of_record("building", 3), "building-push-3");
    assert_eq!((label::app("my_app").as_str(), label::secret("building").as_str()), ("my_app", "dyninka-building-key"));
}
