//! The `dyn.toml` beside an app's file, read from disk.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use app::App;

use crate::settings::{self, AppSettings, File, JobsTable, SettingsMistake};

/// The longest `dyn.toml` that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file is there and cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Read {
        /// `dyn.toml`.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file has mistakes.
    #[error("{}", .mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Mistakes {
        /// Each with its place and a hint.
        mistakes: Vec<SettingsMistake>,
    },
}

/// The path of an app's `dyn.toml`.
pub fn path(app: &Path) -> PathBuf {
    app.with_file_name("dyn.toml")
}

/// AppSettings of the app in a file, from the app itself and the `dyn.toml` beside it.
///
/// # Errors
/// A `dyn.toml` that cannot be read, or has mistakes.
pub fn load(file: &Path, app: &App) -> Result<AppSettings, SettingsError> {
    let beside = path(file);
    let said = match read(&beside) {
        Ok(text) => settings::read(&beside, &text, app).map_err(|mistakes| SettingsError::Mistakes { mistakes })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => File::default(),
        Err(source) => return Err(SettingsError::Read { file: beside, source }),
    };
    Ok(AppSettings::of(app, &said))
}

/// What the `dyn.toml` beside an app's file says of jobs, without a look at the app; none where it says nothing or cannot be
/// used, which is reported where the app is read.
pub fn jobs(app: &Path) -> Option<JobsTable> {
    read(&path(app)).ok().and_then(|text| settings::jobs(&text))
}

/// A mistake at the first of these keys that is in the `dyn.toml` of the app in a file, or at its head.
pub fn mistake(file: &Path, places: &[Vec<&str>], message: String, help: String) -> SettingsMistake {
    let beside = path(file);
    let place = read(&beside).ok().and_then(|text| settings::place(&text, places));
    let (line, column) = place.unwrap_or((1, 1));
    SettingsMistake { file: beside, line, column, message, help }
}

fn read(file: &Path) -> io::Result<String> {
    let kind = fs::metadata(file)?.file_type();
    // A pipe that nobody writes to would be waited for, without an end.
    if !kind.is_file() && !kind.is_dir() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(file)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::other(format!("it is longer than {LONGEST} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is no UTF-8"))
}
