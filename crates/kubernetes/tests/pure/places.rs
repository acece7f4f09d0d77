//! Services with places on a cluster: a Deployment and a name in each place, and names that lead to all of them.

use std::collections::{BTreeMap, BTreeSet};

use kubernetes::export::{Format, export};
use kubernetes::model::{Built, NODE, Wanted};
use kubernetes::object::{Stamp, name, objects};
use kubernetes::plan::{What, objects as object_steps, plan};
use kubernetes::settings::{AppSettings, PlaceNodes, PodServer, PodStores, read};
use protocol::near::{NearBucket, NearCopy, NearTable};
use protocol::{BucketStores, Config, StoreAccess, StoreSecret};
use serde_json::{Value, json};

use crate::plans::applied;
use crate::{app, built};

const APP: &str = "use dyninka::prelude::*;
    static IMAGES: Bucket = Bucket::named(\"images\");
    #[service] fn wish() -> String { String::new() }
    #[service(near = \"images\")] async fn fetch(key: String) -> Result<u64> { Ok(IMAGES.head(&key).await?.size) }
    #[service] fn last(size: u64) -> u64 { size }
    fn main() { wish().fetch().last() }";
const DATA: &str = "[data]\nsettings = \"data.toml\"\nplace = \"cc1\"\n";
const PLACES: &str = "[services.fetch]\nplaces = [\"hpc\", \"cc1\"]\n";

/// What pods are told of a store with its copy of `images` in another place.
fn stores() -> PodStores {
    let half = |half: &str| StoreSecret::Variable { variable: format!("DYNINKA_STORE_HPC_{half}") };
    let hpc = StoreAccess::S3 {
        endpoint: "http://10.0.0.1:9000".to_owned(),
        region: "us-east-1".to_owned(),
        by_host: false,
        ca: None,
        key: half("KEY"),
        secret: half("SECRET"),
    };
    let images = NearBucket {
        master: "hpc".to_owned(),
        at: BTreeMap::from([("hpc".to_owned(), NearCopy { store: "hpc".to_owned(), ..NearCopy::default() })]),
    };
    let table = NearTable { buckets: BTreeMap::from([("images".to_owned(), images)]), ..NearTable::default() };
    let stores = BTreeMap::from([("hpc".to_owned(), hpc)]);
    PodStores { stores: BucketStores { stores, ..BucketStores::default() }, table, server: None }
}

fn wanted(said: &str) -> Wanted {
    let app = app("shop", APP);
    let mut settings = AppSettings::of(&app, &read("dyn.toml".as_ref(), said, &app).unwrap());
    settings.with_stores(stores());
    Wanted::of(&app, &settings, &built(&app))
}

/// The same with a data server.
fn served() -> Wanted {
    let app = app("shop", APP);
    let mut settings =
        AppSettings::of(&app, &read("dyn.toml".as_ref(), &format!("{DATA}server = true\n"), &app).unwrap());
    let place = PlaceNodes { place: "hpc".to_owned(), nodes: BTreeMap::from([("rack".to_owned(), "7".to_owned())]) };
    let (stores_of, text) = (vec!["hpc".to_owned()], "places = { hpc = {} }".to_owned());
    let server = Some(PodServer { settings: text, stores: stores_of, place: Some(place) });
    settings.with_stores(PodStores { server, ..stores() });
    let mut built = built(&app);
    let image = "localhost:5000/dyninka/shop@sha256:agent".to_owned();
    built.insert(NODE.to_owned(), Built { version: "agent".to_owned(), image, ..Built::default() });
    Wanted::of(&app, &settings, &built)
}

fn placed() -> Wanted {
    wanted(&format!("{DATA}{PLACES}"))
}

fn values(wanted: &Wanted) -> Vec<Value> {
    objects(wanted, &Stamp::default()).values().unwrap()
}

fn of_kind<'a>(values: &'a [Value], kind: &str, prefix: &str) -> Vec<&'a Value> {
    let is_it =
        |value: &&Value| value["kind"] == kind && value["metadata"]["name"].as_str().unwrap().starts_with(prefix);
    values.iter().filter(is_it).collect()
}

fn selects(selector: &Value, labels: &Value) -> bool {
    selector.as_object().unwrap().iter().all(|(key, value)| labels[key] == *value)
}

#[test]
fn a_service_has_pods_on_the_nodes_of_each_place_and_names_that_lead_to_one_and_to_all() {
    let wanted = placed();
    let values = values(&wanted);
    insta::assert_snapshot!(
        "places",
        values.iter().map(|value| format!("---\n{}", serde_saphyr::to_string(value).unwrap())).collect::<String>()
    );
    let wire = &wanted.service("fetch").unwrap().wire;
    let deployments = of_kind(&values, "Deployment", "fetch");
    let names: Vec<_> = deployments.iter().map(|it| it["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["hpc", "cc1"].map(|place| name::of_place("fetch", wire, place)));
    for (deployment, place) in deployments.iter().zip(["hpc", "cc1"]) {
        let pod = &deployment["spec"]["template"]["spec"];
        assert_eq!(pod["nodeSelector"], json!({ "topology.kubernetes.io/zone": place }));
    }
    let pods: Vec<_> = deployments.iter().map(|it| &it["spec"]["template"]["metadata"]["labels"]).collect();
    // Each Deployment has its own pods alone.
    for (deployment, own) in deployments.iter().zip([0, 1]) {
        let selector = &deployment["spec"]["selector"]["matchLabels"];
        assert_eq!([0, 1].map(|at| selects(selector, pods[at])), [own == 0, own == 1]);
    }
    let form = name::of_form("fetch", wire);
    let leads = |named: &str| {
        let service =
            of_kind(&values, "Service", named).into_iter().find(|it| it["metadata"]["name"] == named).unwrap();
        [0, 1].map(|at| selects(&service["spec"]["selector"], pods[at]))
    };
    assert_eq!([leads("fetch"), leads(&form)], [[true; 2]; 2]);
    assert_eq!([leads(names[0]), leads(names[1])], [[true, false], [false, true]]);
    assert_eq!(name::unfit(&values, &[]), None);
}

#[test]
fn callers_are_told_each_place_and_each_pod_its_own() {
    let (wanted, apart) = (placed(), wanted(DATA));
    let wire = &wanted.service("fetch").unwrap().wire;
    let address = |place: &str| format!("{}:80", name::of_place("fetch", wire, place));
    let peer = &wanted.service("last").unwrap().config.peers["fetch"];
    assert_eq!((&peer.address, &peer.others), (&address("hpc"), &vec![address("cc1")]));
    assert_eq!(peer.host, name::of_form("fetch", wire));
    let values = values(&wanted);
    let configs = of_kind(&values, "ConfigMap", "fetch");
    assert_eq!(configs.len(), 1);
    let told = |key: &str| -> Config { serde_json::from_str(configs[0]["data"][key].as_str().unwrap()).unwrap() };
    for (key, place, instance) in [("hpc.json", "hpc", None), ("cc1.json", "cc1", Some(2))] {
        let config = told(key);
        assert_eq!((config.near.unwrap().place.as_deref(), config.instance), (Some(place), instance));
    }
    for (deployment, key) in of_kind(&values, "Deployment", "fetch").iter().zip(["hpc.json", "cc1.json"]) {
        assert_eq!(deployment["spec"]["template"]["spec"]["containers"][0]["volumeMounts"][0]["subPath"], key);
    }
    let near = wanted.service("last").unwrap().config.near.clone().unwrap();
    assert_eq!((near.place.as_deref(), near.settings.table.buckets["images"].master.as_str()), (Some("cc1"), "hpc"));
    // Where no service has a place, hosts are told of none.
    let is_told = |wanted: &Wanted| wanted.services.iter().any(|service| service.config.near.is_some());
    assert!(is_told(&wanted) && !is_told(&apart));
    assert_eq!(apart.service("last").unwrap().config.peers["fetch"].others, [""; 0]);
}

#[test]
fn pods_have_the_keys_of_stores_by_secrets_and_nothing_of_them_in_plain() {
    for object in of_kind(&values(&placed()), "Deployment", "") {
        let env = object["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
        let of = |name: &str| env.iter().find(|it| it["name"] == name).unwrap();
        let key = json!({ "secretKeyRef": { "name": "store-hpc", "key": "secret" } });
        assert_eq!(of("DYNINKA_STORE_HPC_SECRET")["valueFrom"], key);
        let text = of("DYNINKA_STORES")["value"].as_str().unwrap();
        assert!(text.contains("DYNINKA_STORE_HPC_SECRET") && text.contains("http://10.0.0.1:9000"), "{text}");
    }
}

#[test]
fn a_plan_says_where_pods_are_and_why_and_what_becomes_of_those_without_places() {
    let (placed, apart) = (placed(), wanted(DATA));
    let first = plan(&placed, &applied(&wanted("")));
    insta::assert_snapshot!("places_plan", first.to_string());
    let objects =
        |wanted: &Wanted| -> BTreeSet<String> { wanted.unit_of("fetch").unwrap().objects().into_iter().collect() };
    for (before, after, pods) in [(&apart, &placed, (1, 2)), (&placed, &apart, (2, 1))] {
        let plan = plan(after, &applied(before));
        let step = plan.services.iter().find(|step| step.name == "fetch").unwrap();
        assert!(matches!(step.what, What::Settings { .. }), "{step:?}");
        assert_eq!((step.replicas_before, step.replicas), (Some(pods.0), pods.1));
        assert_eq!(plan.leftovers.iter().cloned().collect::<BTreeSet<_>>(), objects(before));
    }
    // What runs as it is wanted is left alone, however many pods somebody gave a place.
    let mut running = applied(&placed);
    let again = plan(&placed, &running);
    assert!(again.is_nothing(true), "{again}");
    running.services.iter_mut().find(|runs| runs.place.as_deref() == Some("cc1")).unwrap().replicas = 3;
    let scaled = plan(&placed, &running);
    assert!(scaled.is_nothing(true), "{scaled}");
    let said = wanted(&format!("{DATA}{PLACES}replicas = 2\n"));
    let step = plan(&said, &running).services.into_iter().find(|step| step.name == "fetch").unwrap();
    assert_eq!((step.replicas_before, step.replicas), (Some(4), 4), "two in each place");
    let fewer = wanted(&format!("{DATA}[services.fetch]\nplaces = [\"hpc\"]\n"));
    let left = plan(&fewer, &applied(&placed)).leftovers;
    assert!(left.len() == 1 && left[0].ends_with("-cc1"), "{left:?}");
}

#[test]
fn a_group_leaves_out_a_service_with_places() {
    let together = wanted(&format!("[together]\nall = [\"wish\", \"fetch\", \"last\"]\n{DATA}{PLACES}replicas = 2\n"));
    let of = |service: &str| together.service(service).unwrap().group.as_deref();
    assert_eq!(["wish", "fetch", "last"].map(of), [Some("all"), None, Some("all")]);
    assert_eq!(together.settings.not_alike(), None, "it does not share their pods");
}

#[test]
fn kubernetes_files_have_places_and_others_read_masters() {
    let wanted = placed();
    let text = export(&wanted, Format::Kubernetes).unwrap();
    assert_eq!(text.matches("topology.kubernetes.io/zone").count(), 2, "{text}");
    for format in [Format::Compose, Format::Marathon] {
        let text = export(&wanted, format).unwrap();
        assert!(text.contains("DYNINKA_STORES") && !text.contains("others") && !text.contains("policy"), "{text}");
    }
}

#[test]
fn a_data_server_is_one_pod_with_a_claim_that_may_look_at_pods_and_change_nothing() {
    let wanted = served();
    let values = values(&wanted);
    let own: Vec<&Value> = values.iter().filter(|it| it["metadata"]["name"] == "dyninka-shop-data").collect();
    insta::assert_snapshot!(
        "data_server",
        own.iter().map(|value| format!("---\n{}", serde_saphyr::to_string(value).unwrap())).collect::<String>()
    );
    let kinds: Vec<&str> = own.iter().map(|value| value["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ServiceAccount", "Role", "RoleBinding", "PersistentVolumeClaim", "Service", "Deployment"]);
    // Neither is it a service of the app, nor are its objects gone while they are wanted.
    assert!(applied(&wanted).services.iter().all(|runs| !runs.name.contains("data")));
    assert_eq!(object_steps(&values, &values, &values), []);
    let without = self::values(&self::wanted(DATA));
    let gone: Vec<String> = object_steps(&without, &values, &values).iter().map(ToString::to_string).collect();
    let gone: BTreeSet<&str> = gone.iter().filter_map(|words| words.strip_suffix(" is removed")).collect();
    let kinds = ["deployment", "role", "rolebinding", "service", "serviceaccount"];
    assert_eq!(gone, kinds.map(|kind| format!("{kind}/dyninka-shop-data")).iter().map(String::as_str).collect());
    assert!(!export(&wanted, Format::Kubernetes).unwrap().contains("dyninka-shop-data"), "its Secret is a push's");
    assert_eq!(name::unfit(&values, &[]), None);
}
