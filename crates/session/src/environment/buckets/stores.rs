//! Stores that the file named by `[data]` has: how each is reached, and which copy of a bucket is read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use app::{App, Diagnostic, suggest};
use data::DataSettings;
use data::near::{fixed, home, names, places};
use data::settings::{SecretSource, StoreSettings, StoreStyle};
use kubernetes::settings::AppSettings;
use kubernetes::settings_file;
use protocol::near::NearPlace;
use protocol::{BucketStores, StoreAccess, StoreSecret};

use super::super::{Shell, finding, near};
use super::FoundStores;
use crate::store::home::explain;

/// Reads the stores of the app's buckets. All that is wrong is told.
pub(super) fn read(
    app: &App,
    said: &AppSettings,
    file: &Path,
    name: &str,
    shell: Shell<'_>,
) -> Result<FoundStores, Vec<Diagnostic>> {
    let wrong = |key: &str, message: String, help: &str| {
        finding(&settings_file::mistake(file, &[vec!["data", key], vec!["data"]], message, help.to_owned()))
    };
    let text = fs::read_to_string(file.with_file_name(name)).map_err(|error| {
        let message = format!("cannot read {name}: {}", explain(&error));
        vec![wrong("settings", message, "write the file, or take settings out")]
    })?;
    let settings = DataSettings::read(&text).map_err(|mistakes| {
        let all = mistakes.iter().map(|mistake| wrong("settings", format!("{name}: {mistake}"), &mistake.hint));
        all.collect::<Vec<_>>()
    })?;
    let mut findings = Vec::new();
    let no_place = |place: &str| {
        let help = suggest(place, settings.places.keys().map(String::as_str), "places");
        (!settings.places.contains_key(place)).then(|| (format!("{name} has no place {place}"), help))
    };
    let own = said.data.place.as_deref();
    findings.extend(own.and_then(no_place).map(|(message, help)| wrong("place", message, &help)));
    for (service, place) in near::places(app, said) {
        findings.extend(no_place(place).map(|(message, help)| near::wrong(file, service, message, &help)));
    }
    let has_places = near::places(app, said).next().is_some();
    let mut stores = BucketStores::default();
    for bucket in &app.buckets {
        match settings.buckets.get(&bucket.name) {
            Some(of) => {
                let mut home = home(&settings, &bucket.name, of, own);
                if has_places {
                    home.near = names(&settings, &bucket.name, of);
                }
                stores.buckets.insert(bucket.name.clone(), home);
            }
            None => {
                let help = suggest(&bucket.name, settings.buckets.keys().map(String::as_str), "buckets");
                let message = format!("{name} has no bucket {}", bucket.name);
                findings.push(Diagnostic::error(message, bucket.place.clone()).help(help));
            }
        }
    }
    let homes = stores.buckets.values();
    let used: BTreeSet<String> = homes
        .flat_map(|home| [&home.reads.store, &home.writes.store].into_iter().chain(home.near.keys()))
        .cloned()
        .collect();
    for store in used {
        let Some(of) = settings.stores.get(&store) else { continue };
        match access(of, shell) {
            Ok(access) => drop(stores.stores.insert(store, access)),
            Err((half, why)) => {
                let message = format!("the {half} of the store {store} has no value here: {why}");
                findings.push(wrong("settings", message, "set it in the shell, or name a file"));
            }
        }
    }
    if findings.is_empty() { Ok(FoundStores { stores, table: fixed(&settings) }) } else { Err(findings) }
}

/// The places that a file names; none: it does not read, and reading its stores says so.
pub(in crate::environment) fn places_in(file: &Path, name: &str) -> Option<BTreeMap<String, NearPlace>> {
    let text = fs::read_to_string(file.with_file_name(name)).ok()?;
    DataSettings::read(&text).ok().map(|settings| places(&settings))
}

/// How a store is reached, or which half of its credentials is missing, and why.
fn access(store: &StoreSettings, shell: Shell<'_>) -> Result<StoreAccess, (&'static str, String)> {
    if let Some(folder) = &store.folder {
        return Ok(StoreAccess::Folder(folder.into()));
    }
    let half = |name: &'static str, source: Option<&SecretSource>| {
        let source = source.ok_or_else(|| (name, "settings name none".to_owned()))?;
        secret(source, shell).map(StoreSecret::Value).map_err(|why| (name, why))
    };
    let credentials = store.credentials.as_ref();
    Ok(StoreAccess::S3 {
        endpoint: store.endpoint.clone().unwrap_or_default(),
        region: store.region().to_owned(),
        by_host: store.style == StoreStyle::Host,
        ca: store.ca.as_ref().map(Into::into),
        key: half("key", credentials.map(|credentials| &credentials.key))?,
        secret: half("secret", credentials.map(|credentials| &credentials.secret))?,
    })
}

/// A secret that settings name. No error has it.
fn secret(source: &SecretSource, shell: Shell<'_>) -> Result<String, String> {
    match source {
        SecretSource::Env(name) => shell(name).map_err(|_| format!("the variable {name} is not set")),
        SecretSource::File(file) => match fs::read_to_string(file) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(error) => Err(format!("cannot read {file}: {}", explain(&error))),
        },
    }
}
