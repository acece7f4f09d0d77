//! Settings, their mistakes, and plans.

use data::catalog::{CatalogChange, DataCatalog};
use data::planning::{ConfigStep, plan};
use data::route::{EndpointSettings, RoutePolicy};
use data::{CatalogEvent, DataSettings};

const TEXT: &str = r#"
[places.hpc]
zones = ["germany", "fast"]
[places.cc1]
zones = ["germany", "fast"]
[places.cc2]
zones = ["germany"]
[places.aws]
zones = ["us"]
[stores.hpc]
place = "hpc"
folder = "/srv/hpc"
[stores.cc1]
place = "cc1"
endpoint = "http://127.0.0.1:9000"
credentials = { key = { env = "KEY" }, secret = { file = "/run/secret" } }
[stores.cc2]
place = "cc2"
folder = "/srv/cc2"
[stores.aws]
place = "aws"
folder = "/srv/aws"
[buckets.images]
master = "hpc"
zones = ["germany"]
replicas = 2
only = ["photos/**"]
guard = "20%"
audit = "30s"
[buckets.images.route]
policy = "least_conn"
endpoints = ["near"]
[endpoints.near]
url = "http://127.0.0.1:9101"
place = "hpc"
[endpoints.far]
url = "https://[::1]:443"
place = "aws"
path = "/prod/v2"
ca = "far.pem"
[server]
place = "hpc"
header = "X-Bucket"
policy = "round_robin"
"#;

fn read(text: &str) -> DataSettings {
    DataSettings::read(text).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

fn configured(text: &str) -> DataCatalog {
    let mut catalog = DataCatalog::default();
    catalog.update(CatalogChange::Configured { settings: read(text), move_master: false });
    catalog
}

#[test]
fn settings_are_read_back_as_they_are_written() {
    let settings = read(TEXT);
    assert_eq!(read(&settings.write().expect("text")), settings);
    assert_eq!((settings.buckets["images"].guard(), settings.buckets["images"].audit()), (20, 30_000));
}

#[test]
fn every_mistake_has_its_place_and_a_hint() {
    let cases = [
        ("place = \"cc1\"", "place = \"cc9\"", "stores.cc1.place"),
        ("master = \"hpc\"", "master = \"hpd\"", "buckets.images"),
        ("zones = [\"germany\"]\nreplicas", "zones = [\"mars\"]\nreplicas", "buckets.images.zones"),
        ("[buckets.images]", "[buckets.Images]", "buckets.Images"),
        ("[buckets.images]", "[buckets.dyninka-store]", "buckets.dyninka-store"),
        ("replicas = 2", "at = [\"aws\"]", "buckets.images.at"),
        ("replicas = 2", "at = [\"hpc\"]", "buckets.images.at"),
        ("guard = \"20%\"", "guard = \"20\"", "buckets.images.guard"),
        ("audit = \"30s\"", "audit = \"now\"", "buckets.images.audit"),
        ("only = [\"photos/**\"]", "only = [\"a**\"]", "buckets.images.only"),
        ("folder = \"/srv/cc2\"", "folder = \"/srv/hpc\"", "stores.hpc"),
        ("folder = \"/srv/cc2\"", "folder = \"srv\"", "stores.cc2.folder"),
        ("folder = \"/srv/cc2\"", "", "stores.cc2"),
        ("[server]\nplace = \"hpc\"", "[server]", "buckets.images.zones"),
        ("[server]\nplace = \"hpc\"", "[server]\nplace = \"aws\"", "buckets.images.zones"),
        ("endpoints = [\"near\"]", "endpoints = [\"neat\"]", "buckets.images.route.endpoints"),
        (
            "url = \"http://127.0.0.1:9101\"\nplace = \"hpc\"",
            "url = \"http://x\"\nplace = \"hpd\"",
            "endpoints.near.place",
        ),
        ("http://127.0.0.1:9101", "127.0.0.1:9101", "endpoints.near.url"),
        ("http://127.0.0.1:9101", "http://a/prod", "endpoints.near.url"),
        ("http://127.0.0.1:9101", "http://user@a", "endpoints.near.url"),
        ("http://127.0.0.1:9101", "http://a:99999", "endpoints.near.url"),
        ("http://127.0.0.1:9101", "http://[::1", "endpoints.near.url"),
        ("\"/prod/v2\"", "\"prod\"", "endpoints.far.path"),
        ("\"/prod/v2\"", "\"/prod/\"", "endpoints.far.path"),
        ("\"/prod/v2\"", "\"/prod/../v2\"", "endpoints.far.path"),
        ("\"/prod/v2\"", "\"/prod?v2\"", "endpoints.far.path"),
        ("https://[::1]:443", "http://[::1]:443", "endpoints.far.ca"),
        ("[endpoints.far]", "[endpoints.Far]", "Far"),
        ("X-Bucket", "X Bucket", "server.header"),
        ("X-Bucket", "Dyninka-Data", "server.header"),
        ("replicas = 2", "replicas = two", "line 26"),
        ("replicas = 2", "copies = 2", "line 26"),
    ];
    for (from, to, at) in cases {
        let text = TEXT.replacen(from, to, 1);
        let mistakes = DataSettings::read(&text).expect_err(to);
        assert!(mistakes.iter().any(|mistake| mistake.at == at && !mistake.hint.is_empty()), "{to}: {mistakes:?}");
    }
}

#[test]
fn endpoints_and_routes_are_in_the_plan() {
    let catalog = configured(TEXT);
    let text = TEXT
        .replacen("[endpoints.far]", "[endpoints.new]", 1)
        .replacen("http://127.0.0.1:9101", "http://127.0.0.1:9102", 1)
        .replacen("least_conn", "first", 1)
        .replacen("policy = \"round_robin\"", "", 1);
    let endpoint = |name: &str| name.to_owned();
    let wanted = [
        ConfigStep::Change { bucket: "images".to_owned() },
        ConfigStep::ChangeEndpoint { endpoint: endpoint("near") },
        ConfigStep::AddEndpoint { endpoint: endpoint("new"), place: "aws".to_owned() },
        ConfigStep::ForgetEndpoint { endpoint: endpoint("far") },
        ConfigStep::ChangeServer,
    ];
    let mut steps = plan(&catalog, &read(&text), false).steps;
    assert_eq!(steps.len(), wanted.len(), "{steps:?}");
    steps.retain(|step| !wanted.contains(step));
    assert_eq!(steps, []);
}

#[test]
fn a_plan_of_nothing_new_has_no_steps() {
    let catalog = configured(TEXT);
    let plan = plan(&catalog, &catalog.settings, false);
    assert_eq!((plan.steps, plan.refused), (Vec::new(), Vec::new()));
}

/// F18: a change that would leave the master outside its zones is refused, with what mends it.
#[test]
fn a_master_outside_its_zones_is_refused_without_a_move() {
    let catalog = configured(TEXT);
    let text = TEXT.replacen("zones = [\"germany\", \"fast\"]\n[places.cc1]", "zones = [\"fast\"]\n[places.cc1]", 1);
    let text = text
        .replacen("replicas = 2", "replicas = 1", 1)
        .replace("[server]\nplace = \"hpc\"", "[server]\nplace = \"cc1\"");
    let wanted = read(&text);
    let refused = plan(&catalog, &wanted, false);
    assert_eq!(refused.refused.len(), 1, "{refused:?}");
    assert!(refused.refused[0].hint.contains("--move-master") && refused.steps.is_empty());
    let moved = plan(&catalog, &wanted, true);
    assert!(moved.refused.is_empty(), "{moved:?}");
    let to = moved.steps.iter().find_map(|step| match step {
        ConfigStep::MoveMaster { from, to, .. } if from == "hpc" => Some(to.as_str()),
        _ => None,
    });
    assert!(matches!(to, Some("cc1" | "cc2")), "{moved:?}");
}

/// F18: copies that no store can be found for are refused with the reason for each store.
#[test]
fn more_copies_than_stores_are_refused() {
    let catalog = configured(TEXT);
    let plan = plan(&catalog, &read(&TEXT.replacen("replicas = 2", "replicas = 3", 1)), false);
    assert!(plan.refused[0].message.contains("aws: not in germany"), "{plan:?}");
    let beside = TEXT
        .replace("place = \"cc1\"", "place = \"hpc\"")
        .replace("place = \"cc2\"\nfolder", "place = \"hpc\"\nfolder");
    let plan = data::planning::plan(&DataCatalog::default(), &read(&beside), false);
    assert!(plan.refused[0].message.contains("cc1: in the place of the master"), "{plan:?}");
}

#[test]
fn a_master_named_anew_moves_once_its_copy_is_whole() {
    let mut catalog = configured(TEXT);
    let wanted = read(&TEXT.replacen("master = \"hpc\"", "master = \"cc1\"", 1));
    let planned = plan(&catalog, &wanted, false);
    assert!(
        planned.steps.iter().any(|step| matches!(step, ConfigStep::MoveMaster { to, .. } if to == "cc1"))
            && !planned.steps.iter().any(|step| matches!(step, ConfigStep::Copy { from, to, .. } if from == to)),
        "{planned:?}"
    );
    catalog.update(CatalogChange::Configured { settings: wanted, move_master: false });
    assert_eq!(catalog.master("images"), Some("hpc"));
    let (bucket, store) = ("images".to_owned(), "cc1".to_owned());
    let events = catalog.update(CatalogChange::Promoted { bucket, store });
    assert!(events.iter().any(|event| matches!(event, CatalogEvent::MasterMoved { .. })));
    assert_eq!(catalog.master("images"), Some("cc1"));
    // The old master is one of the copies again.
    assert!(!catalog.buckets["images"].replicas["hpc"].is_leaving, "{:?}", catalog.buckets);
}

#[test]
fn a_forgotten_bucket_and_store_are_in_the_plan() {
    let catalog = configured(TEXT);
    let (text, _) = TEXT.split_once("[buckets.images]").expect("a bucket");
    let plan =
        plan(&catalog, &read(&text.replacen("[stores.aws]\nplace = \"aws\"\nfolder = \"/srv/aws\"\n", "", 1)), false);
    assert_eq!(
        plan.steps,
        [
            ConfigStep::ForgetBucket { bucket: "images".to_owned() },
            ConfigStep::ForgetStore { store: "aws".to_owned() },
            ConfigStep::ForgetEndpoint { endpoint: "far".to_owned() },
            ConfigStep::ForgetEndpoint { endpoint: "near".to_owned() },
            ConfigStep::ChangeServer,
        ]
    );
}

#[test]
fn a_file_of_fado_becomes_settings_without_its_secrets() {
    let text = r#"{
        "clusters": [{ "name": "HPC", "zones": ["germany"] }, { "name": "aws", "zones": ["us"] }],
        "faas_deployments": [{ "cluster_name": "HPC", "url": "http://faas:9101" }, { "cluster_name": "HPC", "url": "https://faas.example.org/prod/" },
            { "cluster_name": "aws", "url": "faas:9103" }],
        "storage_deployments": [{ "cluster_name": "HPC", "alias": "minio1", "endpoint": "minio:9010",
            "access_key": "the-key", "secret_key": "the-secret", "use_ssl": false, "management_url": "http://minio:9011" }],
        "buckets": [{ "name": "images", "storage_deployment_alias": "minio1", "allowed_zones": ["germany"], "target_replica_count": 0 }]
    }"#;
    let imported = data::fado::import(text).expect("settings");
    assert_eq!(imported.settings.stores["minio1"].endpoint.as_deref(), Some("http://minio:9010"));
    assert_eq!(data::check::check(&imported.settings), []);
    let endpoint = |name: &str| {
        let EndpointSettings { url, place, path, .. } = &imported.settings.endpoints[name];
        format!("{url} {place} {path:?}")
    };
    assert_eq!(
        ["hpc", "hpc-2", "aws"].map(endpoint),
        ["http://faas:9101 hpc None", "https://faas.example.org hpc Some(\"/prod\")", "http://faas:9103 aws None"]
    );
    let server = &imported.settings.server;
    assert_eq!((server.header.as_deref(), server.policy), (Some("X-FaDO-Bucket"), RoutePolicy::RoundRobin));
    let written = format!("{}{:?}", imported.settings.write().expect("text"), imported.notes);
    assert!(!written.contains("the-secret") && !written.contains("the-key"), "{written}");
    assert!(imported.notes.iter().any(|note| note.contains("MINIO1_SECRET")), "{:?}", imported.notes);
    assert!(data::fado::import("{\"clusters\": []}").is_err() && data::fado::import("[").is_err());
}

/// The settings of the guide: eight lines for three places.
#[test]
fn the_settings_of_the_guide_are_taken() {
    let guide = include_str!("../../../docs/guide/src/data.md");
    let text = guide.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block");
    assert_eq!(text.lines().count(), 8);
    let plan = plan(&DataCatalog::default(), &read(text), false);
    assert_eq!((plan.refused.len(), plan.steps.len()), (0, 6), "{plan:?}");
}
