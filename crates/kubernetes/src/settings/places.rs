//! Places on a cluster: the nodes with some labels. A service that has places has pods in each, and stores in them that its pods
//! read.

use std::collections::BTreeMap;

use app::App;
#[cfg(any(test, all(feature = "cluster", feature = "data")))]
use protocol::StoreSecret;
use protocol::near::{NearService, NearSettings, NearTable};
use protocol::{BucketStores, STORES_VARIABLE};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AppSettings, File, SecretKey, Variable};

/// The label of a cluster's nodes that a place is the value of, where nothing else is said.
const ZONE: &str = "topology.kubernetes.io/zone";
/// What variables with credentials of stores begin with.
const STORE: &str = "DYNINKA_STORE_";
/// The keys of a store's Secret.
const HALVES: [&str; 2] = ["key", "secret"];

/// A place on clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PlaceTable {
    /// Labels of the nodes of this place, such as { "topology.kubernetes.io/zone" = "eu-1a" }. Default: nodes of the zone
    /// that is called like the place.
    pub nodes: BTreeMap<String, String>,
}

/// A place that a service has pods in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlaceNodes {
    pub place: String,
    /// Labels of its nodes.
    pub nodes: BTreeMap<String, String>,
}

/// The stores of an app's buckets, as pods are told of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodStores {
    /// Credentials are variables: see [`StoreSecret`].
    pub stores: BucketStores,
    /// Who holds which bucket, as far as settings say.
    pub table: NearTable,
    /// The data server in a pod, where a push runs one.
    pub server: Option<PodServer>,
}

/// A data server in a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodServer {
    /// Places, stores and buckets, as it reads them; credentials are variables.
    pub settings: String,
    /// Stores whose credentials it has.
    pub stores: Vec<String>,
    /// Its place; none: wherever there is room.
    pub place: Option<PlaceNodes>,
}

/// The nodes of places.
pub(super) fn nodes(file: &File, places: &[String]) -> Vec<PlaceNodes> {
    let one = |place: &String| PlaceNodes { place: place.clone(), nodes: nodes_of(&file.places, place) };
    places.iter().map(one).collect()
}

/// The labels of the nodes of a place.
fn nodes_of(places: &BTreeMap<String, PlaceTable>, place: &str) -> BTreeMap<String, String> {
    let said = places.get(place).map(|said| said.nodes.clone());
    said.unwrap_or_else(|| [(ZONE.to_owned(), place.to_owned())].into())
}

/// What makes no sense of places: in words, how to mend it, and its keys.
pub(super) fn faults<'a>(file: &'a File, app: &App) -> Vec<(String, String, Vec<&'a str>)> {
    let mut faults = Vec::new();
    // Which places an attribute means is known once stores are read.
    let is_open = file.data.server || app.services.iter().any(|service| service.on.is_some());
    let used = || file.services.values().flat_map(|said| &said.places).map(String::as_str);
    for (place, said) in &file.places {
        if !is_open && used().all(|used| used != place) {
            let message = format!("no service has pods in {place}");
            faults.push((message, app::suggest(place, used(), "places"), vec!["places", place.as_str()]));
        } else if said.nodes.is_empty() {
            let help = format!("write nodes = {{ \"{ZONE}\" = \"{place}\" }}, which is the default");
            faults.push((format!("{place} has no labels of nodes"), help, vec!["places", place.as_str()]));
        }
    }
    faults
}

impl PlaceNodes {
    /// The labels of its nodes in words: `key=value and key=value`.
    pub fn labels(&self) -> String {
        let labels = self.nodes.iter().map(|(key, value)| format!("{key}={value}"));
        labels.collect::<Vec<_>>().join(" and ")
    }
}

/// Variables with the credentials of a store, each with its key of the store's Secret.
pub(crate) fn variables_of(store: &str) -> [(String, SecretKey); 2] {
    HALVES.map(|half| (variable(store, half), SecretKey { secret: secret(store), key: half.to_owned() }))
}

/// The variable with half of a store's credentials, such as `DYNINKA_STORE_HPC_KEY`.
fn variable(store: &str, half: &str) -> String {
    format!("{STORE}{store}_{half}").replace('-', "_").to_ascii_uppercase()
}

/// The Secret with a store's credentials.
fn secret(store: &str) -> String {
    format!("store-{store}")
}

/// The credentials of a store in pods.
#[cfg(any(test, all(feature = "cluster", feature = "data")))]
pub(crate) fn credentials(store: &str) -> [StoreSecret; 2] {
    HALVES.map(|half| StoreSecret::Variable { variable: variable(store, half) })
}

impl AppSettings {
    /// A place with the labels of its nodes.
    pub fn place_nodes(&self, place: &str) -> PlaceNodes {
        PlaceNodes { place: place.to_owned(), nodes: nodes_of(&self.places, place) }
    }

    /// What hosts are told of the places of services; none where no service has any. `table`: what settings say of buckets.
    pub fn near(&self, app: &App, table: NearTable) -> Option<NearSettings> {
        let services = app.services.iter().filter_map(|service| {
            let places = &self.services.get(&service.name)?.places;
            let bucket = service.near.as_ref().map(|near| near.name.clone());
            (!places.is_empty()).then(|| (service.name.clone(), NearService { places: places.clone(), bucket }))
        });
        let services: BTreeMap<_, _> = services.collect();
        (!services.is_empty()).then(|| NearSettings { policy: self.data.pick_policy(), services, table })
    }

    /// Has pods find the stores of the app's buckets, with credentials out of the Secret of each.
    pub fn with_stores(&mut self, found: PodStores) {
        // Texts alone: it cannot fail.
        let text = serde_json::to_string(&found.stores).unwrap_or_default();
        for said in self.services.values_mut() {
            said.env.insert(STORES_VARIABLE.to_owned(), Variable::Text(text.clone()));
            for store in found.stores.stores.keys() {
                let own = variables_of(store);
                said.env.extend(own.map(|(variable, key)| (variable, Variable::Secret(key))));
            }
        }
        self.pod_stores = Some(found);
    }

    /// Stores by their Secrets, which have to be on a cluster with the keys `key` and `secret`.
    pub fn store_secrets(&self) -> BTreeMap<String, (String, [&'static str; 2])> {
        let found = self.pod_stores.iter();
        let of_server = found.clone().filter_map(|found| found.server.as_ref()).flat_map(|server| &server.stores);
        let stores = found.flat_map(|found| found.stores.stores.keys()).chain(of_server);
        stores.map(|store| (secret(store), (store.clone(), HALVES))).collect()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use protocol::StoreAccess;

    use super::*;
    use crate::settings::read;

    const DATA: &str = "[data]\nsettings = \"data.toml\"\n";

    fn app() -> App {
        let text = "use dyninka::prelude::*;\nstatic A: Bucket = Bucket::named(\"images\");\n\
                    #[service(near = \"images\")] fn one() -> u8 { 1 } #[service] fn two(one: u8) -> u8 { one }\n\
                    fn main() { one().two() }";
        let mut sources = app::Sources { root: "app.rs".into(), ..app::Sources::default() };
        sources.texts.insert("app.rs".into(), text.into());
        let (app, findings) = app::parse(&sources);
        assert_eq!(findings, []);
        app
    }

    #[test]
    fn a_place_is_the_zone_of_its_name_unless_labels_are_said() {
        let text = format!(
            "{DATA}[services.one]\nplaces = [\"hpc\", \"cc1\"]\n[places.cc1]\nnodes = {{ disk = \"ssd\", rack = \"7\" }}\n"
        );
        let app = app();
        let settings = AppSettings::of(&app, &read("dyn.toml".as_ref(), &text, &app).unwrap());
        let labels = |service: &str| -> Vec<String> {
            let nodes = settings.services[service].place_nodes.iter();
            nodes.map(|place| format!("{}: {}", place.place, place.labels())).collect()
        };
        assert_eq!(labels("one"), ["hpc: topology.kubernetes.io/zone=hpc", "cc1: disk=ssd and rack=7"]);
        assert_eq!(labels("two"), [""; 0]);
        // Another place is another way to run, and no place is as if there were none.
        let apart = AppSettings::of(&app, &read("dyn.toml".as_ref(), DATA, &app).unwrap());
        assert_ne!(apart.services["one"].hash(), settings.services["one"].hash());
        assert_eq!(apart.services["two"].hash(), settings.services["two"].hash());
        assert_eq!(apart.near(&app, NearTable::default()), None);
        let near = settings.near(&app, NearTable::default()).unwrap();
        assert_eq!(near.services["one"].bucket.as_deref(), Some("images"));
    }

    #[test]
    fn places_that_say_nothing_are_mistakes_with_their_line() {
        for (text, wanted) in [
            ("[places.hcp]\nnodes = { a = \"b\" }\n", "dyn.toml:5:9: no service has pods in hcp"),
            ("[places.hpc]\nnodes = {}\n", "dyn.toml:5:9: hpc has no labels of nodes"),
            ("[places.hpc]\nnodes = { a = \"b\" }\nnode = 1\n", "dyn.toml:7:1: "),
        ] {
            let text = format!("{DATA}[services.one]\nplaces = [\"hpc\"]\n{text}");
            let mistakes = read("dyn.toml".as_ref(), &text, &app()).unwrap_err();
            assert!(mistakes.len() == 1 && mistakes[0].to_string().starts_with(wanted), "{mistakes:?}");
        }
    }

    #[test]
    fn pods_find_stores_by_a_text_without_secrets_and_by_secrets_of_their_names() {
        let access = |store: &str| {
            let [key, secret] = credentials(store);
            let endpoint = format!("https://{store}.example.org");
            (
                store.to_owned(),
                StoreAccess::S3 { endpoint, region: "r".to_owned(), by_host: false, ca: None, key, secret },
            )
        };
        let app = app();
        let mut settings = AppSettings::of(&app, &read("dyn.toml".as_ref(), DATA, &app).unwrap());
        let stores = BucketStores { stores: [access("hpc"), access("cc-1")].into(), ..BucketStores::default() };
        settings.with_stores(PodStores { stores: stores.clone(), table: NearTable::default(), server: None });
        for service in ["one", "two"] {
            let env = &settings.services[service].env;
            let key = SecretKey { secret: "store-cc-1".to_owned(), key: "secret".to_owned() };
            assert_eq!(env["DYNINKA_STORE_CC_1_SECRET"], Variable::Secret(key));
            let Variable::Text(text) = &env[STORES_VARIABLE] else { panic!("{env:?}") };
            assert_eq!(serde_json::from_str::<BucketStores>(text).unwrap(), stores);
            assert!(text.contains("DYNINKA_STORE_HPC_KEY"), "{text}");
        }
        let secrets: Vec<_> = settings.store_secrets().into_iter().collect();
        assert_eq!(secrets[0], ("store-cc-1".to_owned(), ("cc-1".to_owned(), ["key", "secret"])));
        assert_eq!(secrets.len(), 2);
    }
}
