//! Stores of an app's buckets, for pods: the file that `[data]` names, as a cluster sees it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use app::{App, suggest};
use data::DataSettings;
use data::near::{fixed, home, names, places};
use data::settings::{CredentialSettings, SecretSource, StoreSettings, StoreStyle};
use protocol::{BucketStores, StoreAccess};

use crate::settings::{AppSettings, PodServer, PodStores, SettingsMistake, credentials, variables_of};
use crate::settings_file::mistake;

/// Reads the stores of the buckets of the app in a file. An app without buckets, or without stores, has none.
///
/// # Errors
/// All that is wrong with them, or keeps pods from using them.
pub(crate) fn lead(root: &Path, app: &App, settings: &mut AppSettings) -> Result<(), Vec<SettingsMistake>> {
    let Some(name) = settings.data.on_clusters().filter(|_| !app.buckets.is_empty()).map(str::to_owned) else {
        let findings: Vec<SettingsMistake> = settings.on_nothing(app).into_iter().map(Into::into).collect();
        return if findings.is_empty() { Ok(()) } else { Err(findings) };
    };
    let name = name.as_str();
    let wrong = |keys: &[&str], message: String, help: &str| {
        let places = [keys.to_vec(), vec!["data", "cluster"], vec!["data", "settings"], vec!["data"]];
        mistake(root, &places, message, help.to_owned())
    };
    let text = fs::read_to_string(root.with_file_name(name)).map_err(|error| {
        let help = "write the file, or take the line out";
        vec![wrong(&[], format!("cannot read {name}: {error}"), help)]
    })?;
    let found = DataSettings::read(&text).map_err(|mistakes| {
        let all = mistakes.iter().map(|mistake| wrong(&[], format!("{name}: {mistake}"), &mistake.hint));
        all.collect::<Vec<_>>()
    })?;
    let settled = settings.settle_places(app, &places(&found), name);
    let mut mistakes: Vec<SettingsMistake> = settled.into_iter().map(Into::into).collect();
    let own = settings.data.place.as_deref();
    let of_services = settings.services.iter().flat_map(|(service, said)| {
        said.places.iter().map(move |place| (vec!["services", service.as_str(), "places"], place.as_str()))
    });
    for (keys, place) in own.map(|place| (vec!["data", "place"], place)).into_iter().chain(of_services) {
        if !found.places.contains_key(place) {
            let help = suggest(place, found.places.keys().map(String::as_str), "places");
            mistakes.push(wrong(&keys, format!("{name} has no place {place}"), &help));
        }
    }
    let has_places = settings.services.values().any(|said| !said.places.is_empty());
    let mut stores = BucketStores::default();
    for bucket in &app.buckets {
        let Some(of) = found.buckets.get(&bucket.name) else {
            let help = suggest(&bucket.name, found.buckets.keys().map(String::as_str), "buckets");
            mistakes.push(wrong(&[], format!("{name} has no bucket {}", bucket.name), &help));
            continue;
        };
        let mut home = home(&found, &bucket.name, of, own);
        if has_places {
            home.near = names(&found, &bucket.name, of);
        }
        stores.buckets.insert(bucket.name.clone(), home);
    }
    let homes = stores.buckets.values();
    let used = homes.flat_map(|home| [&home.reads.store, &home.writes.store].into_iter().chain(home.near.keys()));
    for store in used.cloned().collect::<BTreeSet<_>>() {
        let Some(of) = found.stores.get(&store) else { continue };
        match access(&store, of) {
            Ok(access) => drop(stores.stores.insert(store, access)),
            Err((why, help)) => {
                mistakes.push(wrong(&[], format!("{name}: pods cannot use the store {store}: {why}"), help))
            }
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let table = fixed(&found);
    let server = settings.data.server.then(|| server(found, settings)).transpose();
    let server =
        server.map_err(|(message, help)| vec![wrong(&["data", "server"], format!("{name}: {message}"), help)])?;
    settings.with_stores(PodStores { stores, table, server });
    Ok(())
}

/// The data server in a pod, or why there can be none, with a way out.
fn server(mut settings: DataSettings, said: &AppSettings) -> Result<PodServer, (String, &'static str)> {
    for (store, of) in &mut settings.stores {
        access(store, of).map_err(|(why, help)| (format!("pods cannot use the store {store}: {why}"), help))?;
        let [key, secret] = variables_of(store).map(|(variable, _)| SecretSource::Env(variable));
        of.credentials = Some(CredentialSettings { key, secret });
    }
    let place = settings.server.place.as_deref().map(|place| said.place_nodes(place));
    let stores = settings.stores.keys().cloned().collect();
    let text = settings.write().map_err(|why| (why, "write it anew"))?;
    Ok(PodServer { settings: text, stores, place })
}

/// How pods reach a store, or why they cannot, with a way out.
fn access(name: &str, store: &StoreSettings) -> Result<StoreAccess, (String, &'static str)> {
    const ELSEWHERE: &str = "name another file for clusters below [data], cluster = \"…\", with stores that pods reach";
    let Some(endpoint) = store.endpoint.clone().filter(|_| store.folder.is_none()) else {
        return Err(("it is a folder of this machine".to_owned(), ELSEWHERE));
    };
    let host = endpoint.split("://").nth(1).unwrap_or(&endpoint).split('/').next().unwrap_or_default();
    if ["localhost", "127.", "[::1]"].iter().any(|own| host.starts_with(own)) {
        return Err((format!("{endpoint} is each pod itself"), ELSEWHERE));
    }
    if store.ca.is_some() {
        let help = "have a certificate that systems know, or an endpoint of plain HTTP inside the cluster";
        return Err(("its certificate is signed by an authority that images do not have (ca)".to_owned(), help));
    }
    let [key, secret] = credentials(name);
    let by_host = store.style == StoreStyle::Host;
    Ok(StoreAccess::S3 { endpoint, region: store.region().to_owned(), by_host, ca: None, key, secret })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::settings_file;

    const APP: &str = "use dyninka::prelude::*;\nstatic A: Bucket = Bucket::named(\"images\");\n\
                       #[service(near = \"images\")] fn one() -> u8 { 1 } #[service] fn two(one: u8) -> u8 { one }\n\
                       fn main() { one().two() }";
    const NEAR: &str =
        "[data]\ncluster = \"stores.toml\"\nplace = \"cc1\"\n[services.one]\nplaces = [\"hpc\", \"cc1\"]\n";
    const STORES: &str = "places = { hpc = {}, cc1 = {} }\n\
        [stores.hpc]\nplace = \"hpc\"\nendpoint = \"http://hpc.example.org:9000\"\nregion = \"eu\"\n\
        credentials = { key = { env = \"K\" }, secret = { env = \"S\" } }\n\
        [stores.cc1]\nplace = \"cc1\"\nendpoint = \"http://cc1.example.org:9000\"\n\
        credentials = { key = { env = \"K\" }, secret = { env = \"S\" } }\n\
        [buckets]\nimages = { master = \"hpc\", at = [\"cc1\"] }\n";

    fn led(said: &str, stores: &str) -> Result<AppSettings, Vec<String>> {
        led_app(APP, said, stores)
    }

    fn led_app(text: &str, said: &str, stores: &str) -> Result<AppSettings, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("app.rs");
        for (name, text) in [("dyn.toml", said), ("stores.toml", stores)] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let mut sources = app::Sources { root: root.clone(), ..app::Sources::default() };
        sources.texts.insert(root.clone(), text.into());
        let (app, findings) = app::parse(&sources);
        assert_eq!(findings, []);
        let mut settings = settings_file::load(&root, &app).unwrap();
        let led = lead(&root, &app, &mut settings);
        let words = |mistake: &SettingsMistake| format!("{}: {} ({})", mistake.line, mistake.message, mistake.help);
        led.map(|()| settings).map_err(|mistakes| mistakes.iter().map(words).collect())
    }

    #[test]
    fn pods_are_told_stores_of_the_buckets_and_where_copies_are() {
        let settings = led(NEAR, STORES).unwrap();
        let found = settings.pod_stores.unwrap();
        let home = &found.stores.buckets["images"];
        assert_eq!((home.reads.store.as_str(), home.writes.store.as_str()), ("cc1", "hpc"), "cc1 is the app's place");
        assert_eq!(home.near.keys().collect::<Vec<_>>(), ["cc1", "hpc"]);
        let StoreAccess::S3 { endpoint, region, .. } = &found.stores.stores["hpc"] else { panic!() };
        assert_eq!((endpoint.as_str(), region.as_str()), ("http://hpc.example.org:9000", "eu"));
        let images = &found.table.buckets["images"];
        assert_eq!((images.master.as_str(), images.at.len()), ("hpc", 2));
        // Without stores there is nothing to be told, and nothing to be wrong.
        assert_eq!(led("", "{").unwrap().pod_stores, None);
    }

    #[test]
    fn services_are_in_the_places_that_their_attributes_mean() {
        let stores = STORES.replace("hpc = {},", "hpc = { zones = [\"eu\"], labels = [\"gpu\"] },");
        let said = NEAR.replace("[services.one]\nplaces = [\"hpc\", \"cc1\"]\n", "");
        let app = |words: &str| APP.replacen("near = ", &format!("on = {words:?}, near = "), 1);
        let settings = led_app(&app("zone=eu, gpu"), &said, &stores).unwrap();
        let one = &settings.services["one"];
        assert_eq!((one.places.as_slice(), one.place_nodes.len()), (["hpc".to_owned()].as_slice(), 1));
        let pods = settings.pod_stores.as_ref().unwrap();
        assert!(pods.table.places["hpc"].labels.contains("gpu"));
        let mistakes = led_app(&app("zone=us"), &said, &stores).unwrap_err();
        assert_eq!(mistakes, ["3: stores.toml has no place with zone=us (did you mean zone=eu?)"]);
        let mistakes = led_app(&app("hpc"), "", &stores).unwrap_err();
        assert!(mistakes[0].starts_with("3: one is on hpc, and no file names places"), "{mistakes:?}");
    }

    #[test]
    fn a_data_server_has_the_stores_with_variables_in_place_of_keys_and_the_node_of_its_place() {
        let near = NEAR.replace("[data]", "[data]\nserver = true");
        let stores = STORES
            .replace("images = {", "images = { zones = [\"eu\"],")
            .replace("hpc = {},", "hpc = { zones = [\"eu\"] },");
        let stores = stores.replace("cc1 = {} }", "cc1 = { zones = [\"eu\"] } }");
        let server =
            led(&near, &format!("{stores}[server]\nplace = \"hpc\"\n")).unwrap().pod_stores.unwrap().server.unwrap();
        assert_eq!(server.place.unwrap().labels(), "topology.kubernetes.io/zone=hpc");
        let read = DataSettings::read(&server.settings).unwrap();
        let key = SecretSource::Env("DYNINKA_STORE_CC1_KEY".to_owned());
        assert_eq!(read.stores["cc1"].credentials.as_ref().unwrap().key, key);
        assert_eq!(led(NEAR, STORES).unwrap().pod_stores.unwrap().server, None);
    }

    #[test]
    fn what_pods_cannot_use_is_refused_with_a_way_out() {
        let (hpc, cc1) = ("endpoint = \"http://hpc.example.org:9000\"", "endpoint = \"http://cc1.example.org:9000\"");
        for (from, to, wanted) in [
            (
                hpc,
                "folder = \"/srv\"",
                "2: stores.toml: pods cannot use the store hpc: it is a folder of this machine (name another file",
            ),
            (
                hpc,
                "endpoint = \"http://127.0.0.1:9000\"",
                "2: stores.toml: pods cannot use the store hpc: http://127.0.0.1:9000 is each pod itself",
            ),
            (
                hpc,
                "ca = \"a.pem\"\nendpoint = \"https://hpc\"",
                "2: stores.toml: pods cannot use the store hpc: its certificate",
            ),
            (cc1, "endpoint = \"ftp://cc1\"", "2: stores.toml: stores.cc1.endpoint"),
            ("images =", "image =", "2: stores.toml has no bucket images (did you mean image?)"),
        ] {
            let mistakes = led(NEAR, &STORES.replace(from, to)).unwrap_err();
            assert!(mistakes.len() == 1 && mistakes[0].starts_with(wanted), "{mistakes:?}");
        }
        let mistakes = led(&NEAR.replace("\"cc1\"", "\"cc2\""), STORES).unwrap_err();
        assert_eq!(
            mistakes,
            [
                "3: stores.toml has no place cc2 (did you mean cc1?)",
                "5: stores.toml has no place cc2 (did you mean cc1?)"
            ]
        );
        let missing = led(&NEAR.replace("stores.toml", "store.toml"), STORES).unwrap_err();
        assert!(missing[0].starts_with("2: cannot read store.toml"), "{missing:?}");
    }
}
