//! Stores, in a build without them.

use std::path::Path;

use app::{App, Diagnostic};
use kubernetes::settings::DataTable;
use kubernetes::settings_file;
use protocol::BucketStores;

use super::super::{Shell, finding};

pub(super) fn read(
    _: &App,
    _: &DataTable,
    file: &Path,
    _: &str,
    _: Shell<'_>,
) -> Result<BucketStores, Vec<Diagnostic>> {
    let message = "this dyn was built without stores: cargo feature data".to_owned();
    let help = "take [data] out: buckets are a folder then".to_owned();
    Err(vec![finding(&settings_file::mistake(file, &[vec!["data", "settings"]], message, help))])
}
