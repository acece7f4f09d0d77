//! Stores of an app's buckets, in a build without them.

use std::path::Path;

use app::App;

use crate::settings::{AppSettings, SettingsMistake};
use crate::settings_file::mistake;

pub(crate) fn lead(root: &Path, app: &App, settings: &mut AppSettings) -> Result<(), Vec<SettingsMistake>> {
    if app.buckets.is_empty() || settings.data.on_clusters().is_none() {
        return settings.on_nothing(app).into_iter().next().map_or(Ok(()), |found| Err(vec![found.into()]));
    }
    let message = "this dyn was built without stores: cargo feature data".to_owned();
    Err(vec![mistake(root, &[vec!["data"]], message, "take a dyn that was built with them".to_owned())])
}
