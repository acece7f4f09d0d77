//! Where an app's buckets are: hosts find it in their environment.

#[cfg(feature = "data")]
mod stores;
#[cfg(not(feature = "data"))]
#[path = "buckets/stores_absent.rs"]
mod stores;

use std::path::Path;

use app::{App, Diagnostic};
use kubernetes::settings::AppSettings;
use protocol::near::NearTable;
use protocol::{BUCKETS_VARIABLE, BucketStores, STORES_VARIABLE};

pub(super) use stores::places_in;

use super::{Environments, NearPlan, Shell, near};

/// Stores of the app's buckets.
#[derive(Default)]
struct FoundStores {
    stores: BucketStores,
    /// What settings say of who holds which bucket.
    table: NearTable,
}

/// The folder of buckets, beside the app's file.
const FOLDER: &str = "buckets";

/// Has services find the buckets of the app in `file`. What is wrong with the stores that `dyn.toml` names is a finding.
/// An app without buckets is told of none.
pub(crate) fn lead_to_buckets(
    environments: &mut Environments,
    app: &App,
    settings: &AppSettings,
    file: &Path,
    shell: Shell<'_>,
) -> Vec<Diagnostic> {
    if app.buckets.is_empty() {
        return near::without_buckets(app, settings, file);
    }
    let Some(name) = &settings.data.settings else {
        let folder = file.with_file_name(FOLDER);
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        environments.notices.push(format!("buckets are kept in {}", folder.display()));
        for environment in environments.services.values_mut() {
            environment.open.insert(BUCKETS_VARIABLE.to_owned(), folder.display().to_string());
        }
        return Vec::new();
    };
    match stores::read(app, settings, file, name, shell) {
        Ok(found) => {
            // Texts alone: it cannot fail.
            let text = serde_json::to_string(&found.stores).unwrap_or_default();
            for environment in environments.services.values_mut() {
                environment.hidden.insert(STORES_VARIABLE.to_owned(), text.clone());
            }
            environments.has_stores = true;
            environments.near = NearPlan::of(app, settings, found.table);
            Vec::new()
        }
        Err(findings) => findings,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeMap;
    use std::env::VarError;

    use super::*;

    const APP: &str = "use dyninka::prelude::*;\nstatic IMAGES: Bucket = Bucket::named(\"images\");\n\
                       #[service] fn one() -> u8 { 1 } fn main() { one() }";
    #[cfg(feature = "data")]
    const STORES: &str = "places = { hpc = { zones = [] }, cc1 = { zones = [] } }\n[stores.hpc]\nplace = \"hpc\"\n\
                          endpoint = \"https://s3.example.org\"\ncredentials = { key = { env = \"K\" }, secret = { env = \"S\" } }\n\
                          [stores.cc1]\nplace = \"cc1\"\nfolder = \"/tmp/cc1\"\n\
                          [buckets.images]\nmaster = \"hpc\"\nat = [\"cc1\"]\n[buckets.images.names]\ncc1 = \"acme-images\"\n";

    struct Case {
        folder: tempfile::TempDir,
    }

    impl Case {
        fn lead(&self, text: &str, said: &str, secret: Option<&str>) -> (Environments, Vec<String>) {
            let file = self.folder.path().join("app.rs");
            let mut sources = app::Sources { root: file.clone(), ..app::Sources::default() };
            sources.texts.insert(file.clone(), text.into());
            let (app, findings) = app::parse(&sources);
            assert_eq!(findings, []);
            std::fs::write(file.with_file_name("dyn.toml"), said).unwrap();
            let mut settings = kubernetes::settings_file::load(&file, &app).unwrap();
            let unsettled = crate::environment::settle(&app, &mut settings, &file);
            let shell = |name: &str| match (name, secret) {
                ("K", _) => Ok("k3y".to_owned()),
                ("S", Some(secret)) => Ok(secret.to_owned()),
                _ => Err(VarError::NotPresent),
            };
            let mut all = Environments {
                services: BTreeMap::from([("one".to_owned(), Default::default())]),
                ..Default::default()
            };
            let mut told = unsettled;
            told.extend(lead_to_buckets(&mut all, &app, &settings, &file, &shell));
            let folder = self.folder.path().display().to_string() + "/";
            let words = |one: &Diagnostic| {
                let (file, line) = (one.place.file.display(), one.place.line);
                let help = one.help.as_deref().unwrap_or_default();
                format!("{file}:{line}: {} ({help})", one.message).replace(&folder, "")
            };
            (all, told.iter().map(words).collect())
        }
    }

    #[test]
    fn buckets_are_a_folder_beside_the_app_which_is_said_and_an_app_without_is_told_of_none() {
        let case = Case { folder: tempfile::tempdir().unwrap() };
        let (all, told) = case.lead(APP, "", None);
        let folder = case.folder.path().join("buckets").display().to_string();
        assert_eq!(
            (all.get("one").all(), told),
            (BTreeMap::from([("DYNINKA_BUCKETS".to_owned(), folder.clone())]), vec![])
        );
        assert_eq!(all.notices, [format!("buckets are kept in {folder}")]);
        assert!(!Path::new(&folder).exists(), "it is made once something is written");
        let (none, _) = case.lead(&APP.replace("Bucket::named", "Bucket::unnamed"), "", None);
        assert_eq!((none.get("one").all().len(), none.notices.len()), (0, 0));
    }

    #[cfg(feature = "data")]
    #[test]
    fn stores_are_told_with_their_credentials_hidden_and_a_place_reads_its_own_copy() {
        use protocol::{BucketCopy, BucketStores};
        let case = Case { folder: tempfile::tempdir().unwrap() };
        std::fs::write(case.folder.path().join("data.toml"), STORES).unwrap();
        let copy = |store: &str, name: &str| BucketCopy { store: store.to_owned(), name: name.to_owned() };
        for (place, reads) in [
            ("", copy("hpc", "images")),
            ("place = \"hpc\"\n", copy("hpc", "images")),
            ("place = \"cc1\"\n", copy("cc1", "acme-images")),
        ] {
            let (all, told) = case.lead(APP, &format!("[data]\nsettings = \"data.toml\"\n{place}"), Some("s3cret"));
            assert_eq!(told, Vec::<String>::new());
            let given = all.get("one");
            assert!(given.open.is_empty() && !format!("{all:?}").contains("s3cret"), "{all:?}");
            let stores: BucketStores = serde_json::from_str(&given.hidden["DYNINKA_STORES"]).unwrap();
            let home = &stores.buckets["images"];
            assert_eq!((&home.reads, &home.writes), (&reads, &copy("hpc", "images")), "{place}");
            assert!(given.hidden["DYNINKA_STORES"].contains("s3cret") && stores.stores.contains_key(&reads.store));
        }
    }

    #[cfg(feature = "data")]
    #[test]
    fn services_with_places_find_all_stores_and_hosts_are_told_who_is_where() {
        use protocol::BucketStores;
        let case = Case { folder: tempfile::tempdir().unwrap() };
        std::fs::write(case.folder.path().join("data.toml"), STORES).unwrap();
        let said =
            "[data]\nsettings = \"data.toml\"\npolicy = \"least_conn\"\n[services.one]\nplaces = [\"hpc\", \"cc1\"]\n";
        let near = APP.replace("#[service]", "#[service(near = \"images\")]");
        let (all, told) = case.lead(&near, said, Some("s3cret"));
        assert_eq!(told, Vec::<String>::new());
        let given: BucketStores = serde_json::from_str(&all.get("one").hidden["DYNINKA_STORES"]).unwrap();
        let names =
            [("cc1", "acme-images"), ("hpc", "images")].map(|(store, name)| (store.to_owned(), name.to_owned()));
        assert_eq!(given.buckets["images"].near, BTreeMap::from(names));
        assert_eq!(given.stores.len(), 2);
        let plan = all.near.unwrap();
        let places = ["one", "one.2", "two"].map(|name| plan.host(name).place);
        assert_eq!(places, [Some("hpc".to_owned()), Some("cc1".to_owned()), None]);
        let one = &plan.settings.services["one"];
        assert_eq!((one.bucket.as_deref(), plan.settings.policy.name()), (Some("images"), "least_conn"));
        let images = &plan.settings.table.buckets["images"];
        assert_eq!(
            (images.master.as_str(), images.at.keys().map(String::as_str).collect::<Vec<_>>()),
            ("hpc", vec!["cc1", "hpc"])
        );
        // Nobody has a place: hosts are told nothing.
        assert_eq!(case.lead(&near, "[data]\nsettings = \"data.toml\"\n", Some("s3cret")).0.near, None);
    }

    #[cfg(feature = "data")]
    #[test]
    fn services_have_an_instance_in_each_place_that_their_attribute_means() {
        let case = Case { folder: tempfile::tempdir().unwrap() };
        let stores = STORES.replace("cc1 = { zones = [] }", "cc1 = { zones = [\"us\"], labels = [\"gpu\"] }");
        std::fs::write(case.folder.path().join("data.toml"), stores).unwrap();
        let app = |on: &str| APP.replace("#[service]", &format!("#[service(on = {on:?})]"));
        let (all, told) = case.lead(&app("zone=us, gpu"), "[data]\nsettings = \"data.toml\"\n", Some("s3cret"));
        assert_eq!(told, Vec::<String>::new());
        let plan = all.near.unwrap();
        assert_eq!(plan.host("one").place.as_deref(), Some("cc1"));
        assert!(plan.settings.table.places["cc1"].zones.contains("us"), "hosts are told what places are");
        let told = case.lead(&app("gpus"), "[data]\nsettings = \"data.toml\"\n", Some("s3cret")).1;
        assert_eq!(told, ["app.rs:3: data.toml has no place with gpus (did you mean gpu?)"]);
        let told = case.lead(&app("gpu"), "", None).1;
        assert!(told[0].starts_with("app.rs:3: one is on gpu, and no file names places"), "{told:?}");
        let told = case.lead(&app("gpu").replace("Bucket::named", "Bucket::unnamed"), "", None).1;
        assert!(told[0].starts_with("app.rs:3: one is on gpu, and the app has no bucket"), "{told:?}");
    }

    #[cfg(feature = "data")]
    #[test]
    fn places_that_are_wrong_have_their_line_and_their_mend() {
        let case = Case { folder: tempfile::tempdir().unwrap() };
        std::fs::write(case.folder.path().join("data.toml"), STORES).unwrap();
        let said = "[data]\nsettings = \"data.toml\"\n[services.one]\nplaces = [\"hpc\", \"cc2\"]\n";
        let told = case.lead(APP, said, Some("s3cret")).1;
        assert_eq!(told, ["dyn.toml:4: data.toml has no place cc2 (did you mean cc1?)"]);
        let none = APP.replace("Bucket::named", "Bucket::unnamed");
        let told = case.lead(&none, said, Some("s3cret")).1;
        assert!(told[0].starts_with("dyn.toml:4: one has places, and the app has no bucket"), "{told:?}");
    }

    #[cfg(feature = "data")]
    #[test]
    fn what_is_wrong_with_stores_has_its_place_and_its_mend() {
        let case = Case { folder: tempfile::tempdir().unwrap() };
        let said = "[data]\nsettings = \"data.toml\"\nplace = \"cc2\"\n";
        let told = case.lead(APP, said, None).1;
        assert_eq!(told, ["dyn.toml:2: cannot read data.toml: no such file (write the file, or take settings out)"]);
        std::fs::write(case.folder.path().join("data.toml"), STORES.replace("master = \"hpc\"", "master = \"hbc\""))
            .unwrap();
        let told = case.lead(APP, said, None).1;
        assert!(
            told.len() == 1 && told[0].starts_with("dyn.toml:2: data.toml: buckets.images: \"hbc\" is no store"),
            "{told:?}"
        );
        std::fs::write(case.folder.path().join("data.toml"), STORES).unwrap();
        let told = case.lead(&APP.replace("\"images\"", "\"imaged\""), said, None).1;
        let wanted = [
            "dyn.toml:3: data.toml has no place cc2 (did you mean cc1?)",
            "app.rs:2: data.toml has no bucket imaged (did you mean images?)",
        ];
        assert_eq!(told, wanted);
        let told = case.lead(APP, "[data]\nsettings = \"data.toml\"\n", None).1;
        let wanted = "dyn.toml:2: the secret of the store hpc has no value here: the variable S is not set \
                      (set it in the shell, or name a file)";
        assert_eq!(told, [wanted]);
    }
}
