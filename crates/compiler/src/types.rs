//! The crate of an app's types, compiled ahead: an edit of a function links it and compiles no serde code.
//!
//! Measured on 2 cores with rust-lld, `map` of examples/building.rs, medians of 15: all in one crate 109 ms; with the
//! type in a crate of its own 88; with its reading and writing compiled there, too, 59. rustc takes what is generic
//! from a crate that has it already, at opt-level 0 and 1.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use app::{Carried, ServiceSlice, Split};

use crate::error::{BuildError, io};
use crate::glue::on_one_line;
use crate::process::Pace;
use crate::profile::Profile;
use crate::recipe::Recipe;
use crate::rustc::Rustc;
use crate::toolchain::Toolchain;
use crate::{artifact, files, hash};

/// Changes with the text made here.
const FORMAT: &str = "types 1";

/// Above this rustc compiles what is generic anew in each crate, and types ahead would save nothing.
pub(crate) const HIGHEST_LEVEL: u8 = 1;

/// The folder of crates of types, by what they are built from.
#[derive(Clone, Debug)]
pub(crate) struct Rack {
    folder: PathBuf,
}

/// A crate of types.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) library: PathBuf,
    /// Whether everything in it stands at the lines where it stands now.
    pub(crate) is_in_place: bool,
}

/// All it takes to compile a crate when nobody waits for it.
pub(crate) struct Ahead {
    /// Tells it from others.
    pub(crate) key: String,
    pub(crate) part: Part,
    pub(crate) recipe: Recipe,
    pub(crate) toolchain: Toolchain,
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) shown: PathBuf,
    pub(crate) work: PathBuf,
    pub(crate) profile: Profile,
    pub(crate) limit: std::time::Duration,
    pub(crate) pace: Pace,
    pub(crate) linked: BTreeSet<PathBuf>,
    pub(crate) slice: ServiceSlice,
    /// What stands below it.
    pub(crate) text: String,
    pub(crate) rack: Rack,
}

/// What is compiled ahead.
pub(crate) enum Part {
    Types,
    /// A service's version, over its types: the next one finds there what both make of generic code.
    Body {
        service: String,
        types_key: String,
        types: PathBuf,
    },
}

/// What a crate of types is told from others by.
pub(crate) fn key(recipe: &Recipe, name: &str, shown: &Path, profile: Profile, meaning: &str) -> String {
    let shown = shown.as_os_str().as_encoded_bytes();
    let parts = [FORMAT.as_bytes(), recipe.key.as_bytes(), name.as_bytes(), shown, profile.mark(), meaning.as_bytes()];
    hash::parts(parts)
}

/// The key of a crate with the types of several services, from the keys of their own.
pub(crate) fn key_of_group<'k>(keys: impl Iterator<Item = &'k str>) -> String {
    hash::parts(["group"].into_iter().chain(keys).map(str::as_bytes))
}

/// The key of a service's version over types, while it is compiled.
pub(crate) fn key_of_body(types: &str, service: &str) -> String {
    format!("{types}-{service}")
}

impl Rack {
    pub(crate) fn new(cache: &Path) -> Self {
        Self { folder: cache.join("types") }
    }

    /// The crate kept under a key.
    pub(crate) fn find(&self, key: &str, types: &ServiceSlice) -> Option<Kept> {
        let folder = self.folder.join(key);
        let text = fs::read_to_string(folder.join("lines")).ok()?;
        let (lines, library) = text.split_once('\n')?;
        let library = Some(folder.join(library)).filter(|library| library.is_file())?;
        // Of types that are in a crate with others, both.
        let folders = [Some(folder.as_path()), library.parent()];
        // What is used is kept longest. That it cannot be marked costs a build some day, no more.
        for folder in folders.into_iter().flatten() {
            if let Err(error) = fs::File::open(folder).and_then(|folder| folder.set_modified(SystemTime::now())) {
                tracing::debug!(%error, "a crate of types could not be marked as used");
            }
        }
        Some(Kept { library, is_in_place: lines == lines_of(types) })
    }

    /// The version of a service that was compiled over the types of a key.
    pub(crate) fn before(&self, key: &str, service: &str) -> Option<PathBuf> {
        let folder = self.of_before(key, service);
        let libraries = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
        libraries.into_iter().find(|file| file.extension().is_some_and(|of| of == "rlib"))
    }

    /// Forgets it.
    pub(crate) fn remove_before(&self, key: &str, service: &str) -> Result<(), BuildError> {
        remove(&self.of_before(key, service))
    }

    /// In the folder of its types: it fits those alone, and goes with them.
    fn of_before(&self, key: &str, service: &str) -> PathBuf {
        self.folder.join(key).join(format!("before-{service}"))
    }

    /// Whether there is one.
    pub(crate) fn holds(&self, key: &str) -> bool {
        let folder = self.folder.join(key);
        let text = fs::read_to_string(folder.join("lines")).unwrap_or_default();
        text.split_once('\n').is_some_and(|(_, library)| folder.join(library).is_file())
    }

    /// Has the types of a key found in a crate that holds those of others as well.
    pub(crate) fn lead(&self, key: &str, group: &str, types: &ServiceSlice) -> Result<(), BuildError> {
        let Some(library) = self.library(group).filter(|_| key != group && !self.holds(key)) else { return Ok(()) };
        let text = format!("{}\n../{group}/{library}", lines_of(types));
        files::write(&self.folder.join(key).join("lines"), text.as_bytes())
    }

    /// The file name of the crate of a key.
    fn library(&self, key: &str) -> Option<String> {
        let text = fs::read_to_string(self.folder.join(key).join("lines")).ok()?;
        Some(text.split_once('\n')?.1.to_owned())
    }

    /// Forgets a crate that does not fit.
    pub(crate) fn remove(&self, key: &str) -> Result<(), BuildError> {
        remove(&self.folder.join(key))
    }

    /// Removes what was not used for longest until at most `limit` bytes are left. Answers the bytes freed.
    pub(crate) fn prune(&self, limit: u64) -> Result<u64, BuildError> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            entries => entries.map_err(io("list", &self.folder))?,
        };
        let mut kept: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in entries.flatten() {
            let used = entry.metadata().and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            kept.push((used, entry.path()));
        }
        kept.sort();
        let (mut left, mut freed) = (0, 0);
        for (_, folder) in kept.into_iter().rev() {
            let bytes = artifact::bytes_below(&folder);
            if left + bytes <= limit {
                left += bytes;
                continue;
            }
            fs::remove_dir_all(&folder).map_err(io("remove", &folder))?;
            freed += bytes;
        }
        Ok(freed)
    }
}

fn remove(folder: &Path) -> Result<(), BuildError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io("remove", folder)(error)),
        _ => Ok(()),
    }
}

impl Ahead {
    /// The words for the user where it could not be done.
    pub(crate) fn refusal(&self, error: &BuildError) -> String {
        match &self.part {
            Part::Types => format!("types are compiled with each service: {error}"),
            Part::Body { service, .. } => format!("only the types of {service} are compiled ahead: {error}"),
        }
    }

    /// Compiles and keeps it. The words say why that cannot be.
    pub(crate) async fn run(&self) -> Result<(), BuildError> {
        let rustc = Rustc {
            recipe: &self.recipe,
            toolchain: &self.toolchain,
            name: &self.name,
            folder: &self.folder,
            shown: &self.shown,
            work: &self.work,
            profile: self.profile,
            limit: self.limit,
            pace: self.pace,
            linked: &self.linked,
        };
        let written = rustc.write(&self.slice, &self.text)?;
        let made = written.folder.path().join("made");
        fs::create_dir(&made).map_err(io("create", &made))?;
        let mut command = rustc.command(&written, &self.key);
        // What is public here need not be where the user wrote it: his lints would be about that.
        command.args(["--crate-type=rlib", "--cap-lints=allow"]);
        if let Part::Body { types, .. } = &self.part {
            command.arg("--extern").arg(format!("{}={}", Split::CRATE, types.display()));
        }
        let library = rustc.make_in(&mut command, &made, "rlib");
        let ended = rustc.run(command).await?;
        if !ended.status.success() {
            return Err(self.failed(first_error(&ended.stderr)));
        }
        if let Part::Body { service, types_key, .. } = &self.part {
            return put(&made, &self.rack.of_before(types_key, service));
        }
        // Their key says nothing of files and variables.
        let outside = rustc.outside(&written, &made)?;
        let names = outside.files.iter().map(|file| file.display().to_string());
        if let Some(read) = names.chain(outside.variables).next() {
            return Err(self.failed(format!("they rest on {read}")));
        }
        files::write(&made.join("lines"), format!("{}\n{library}", lines_of(&self.slice)).as_bytes())?;
        fs::create_dir_all(&self.rack.folder).map_err(io("create", &self.rack.folder))?;
        put(&made, &self.rack.folder.join(&self.key))
    }

    fn failed(&self, words: String) -> BuildError {
        let service = match &self.part {
            Part::Types => "the types apart from their services".to_owned(),
            Part::Body { service, .. } => format!("{service} apart from its library"),
        };
        BuildError::Failed { service, words }
    }
}

/// Moves what was made to its place.
fn put(made: &Path, place: &Path) -> Result<(), BuildError> {
    match fs::rename(made, place) {
        // Another `dyn` was faster.
        Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => Ok(()),
        ended => ended.map_err(io("write", place)),
    }
}

/// The first of rustc's errors.
pub(crate) fn first_error(stderr: &str) -> String {
    let said = stderr.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut errors = said.filter(|said| said["level"] == "error");
    let first = errors.next().and_then(|said| said["message"].as_str().map(str::to_owned));
    first.unwrap_or_else(|| stderr.trim().to_owned())
}

/// Functions that do with each type what a service's glue does.
pub(crate) fn instances(carried: &Carried) -> String {
    let mut text = String::new();
    for (number, ty) in carried.inputs.iter().enumerate() {
        text.push_str(&format!(
            "pub fn __dyninka_input_{number}(inputs: &mut ::dyninka::library::Inputs<'_>) \
             {{ let _ = inputs.take::<{}>(); }}\n",
            on_one_line(ty)
        ));
    }
    for (number, ty) in carried.outputs.iter().enumerate() {
        text.push_str(&format!(
            "pub fn __dyninka_output_{number}(value: &{}) {{ let _ = ::dyninka::library::value(value); }}\n",
            on_one_line(ty)
        ));
    }
    for (number, ty) in carried.states.iter().enumerate() {
        text.push_str(&format!(
            "pub fn __dyninka_state_{number}(state: &::dyninka::Placed<{}>) {{ \
             use ::dyninka::library::{{Json, Opaque, Probe}}; let _ = (&Probe(state)).read(); \
             let _ = (&Probe(state)).write(&[]); let _ = Probe(state).share(); \
             let _ = |cell| unsafe {{ Probe(state).adopt(cell) }}; }}\n",
            on_one_line(ty)
        ));
    }
    text
}

/// Hash over texts and the lines and columns they stand at. What is blank behind them is not theirs.
fn lines_of(types: &ServiceSlice) -> String {
    let text = |text: &str| text.trim_end().lines().flat_map(|line| [line.trim_end(), "\n"]).collect::<String>();
    let texts: Vec<_> = types.files.iter().map(|(path, of)| (path.as_os_str(), text(of))).collect();
    hash::parts(texts.iter().flat_map(|(path, text)| [path.as_encoded_bytes(), text.as_bytes()]))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::time::Duration;

    use super::*;

    fn slice(text: &str) -> ServiceSlice {
        ServiceSlice {
            files: [("app.rs".into(), text.to_owned())].into(),
            root: "app.rs".into(),
            ..ServiceSlice::default()
        }
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let cache = tempfile::tempdir().unwrap();
        let rack = Rack::new(cache.path());
        assert_eq!(rack.prune(0).unwrap(), 0);
        for (key, age) in [("old", 20), ("used", 30), ("new", 10)] {
            let folder = rack.folder.join(key);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("lines"), "00000\nlibapp.rlib").unwrap();
            fs::write(folder.join("libapp.rlib"), "").unwrap();
            let at = SystemTime::now() - Duration::from_secs(age);
            fs::File::open(folder).unwrap().set_modified(at).unwrap();
        }
        let used = rack.find("used", &slice("")).unwrap();
        assert_eq!(used.library, rack.folder.join("used/libapp.rlib"));
        let bytes = artifact::bytes_below(&rack.folder);
        assert_eq!(rack.prune(bytes / 3 * 2).unwrap(), bytes / 3);
        assert_eq!([rack.holds("old"), rack.holds("used"), rack.holds("new")], [false, true, true]);
        rack.remove("used").unwrap();
        rack.remove("used").unwrap();
        assert!(rack.find("used", &slice("")).is_none());
    }

    #[test]
    fn blanks_behind_what_is_there_are_no_places() {
        let lines = |text: &str| lines_of(&slice(text));
        assert_eq!(lines("struct A;\n\n  struct B;\n"), lines("struct A;   \n    \n  struct B;\n\n   \n"));
        assert_ne!(lines("struct A;\n\n  struct B;\n"), lines("struct A;\n  struct B;\n"));
        assert_ne!(lines("  struct B;\n"), lines(" struct B;\n"));
    }
}
