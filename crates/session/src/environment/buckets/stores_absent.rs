//! Stores, in a build without them.

use std::collections::BTreeMap;
use std::path::Path;

use app::{App, Diagnostic};
use kubernetes::settings::AppSettings;
use kubernetes::settings_file;
use protocol::near::NearPlace;

use super::super::{Shell, finding};
use super::FoundStores;

pub(super) fn read(
    _: &App,
    _: &AppSettings,
    file: &Path,
    _: &str,
    _: Shell<'_>,
) -> Result<FoundStores, Vec<Diagnostic>> {
    let message = "this dyn was built without stores: cargo feature data".to_owned();
    let help = "take [data] out: buckets are a folder then".to_owned();
    Err(vec![finding(&settings_file::mistake(file, &[vec!["data", "settings"]], message, help))])
}

pub(in crate::environment) fn places_in(_: &Path, _: &str) -> Option<BTreeMap<String, NearPlace>> {
    None
}
