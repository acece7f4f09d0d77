//! How rustc is called for any text of an app: cargo's captured arguments, and the user's names for his files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use app::ServiceSlice;
use tempfile::TempDir;
use tokio::process::Command;

use crate::error::{BuildError, io};
use crate::files;
use crate::finding::{self, Explain, Finding, Origin};
use crate::leftover;
use crate::outside::{DepInfo, Outside};
use crate::process::{self, Ended, Pace};
use crate::profile::Profile;
use crate::ready::WaitingRustc;
use crate::recipe::{self, Recipe};
use crate::toolchain::Toolchain;

/// What counts for every call of rustc for one app.
#[derive(Clone, Copy)]
pub(crate) struct Rustc<'a> {
    pub(crate) recipe: &'a Recipe,
    pub(crate) toolchain: &'a Toolchain,
    /// The app's name, which is the crate's.
    pub(crate) name: &'a str,
    /// The root file's folder, absolute.
    pub(crate) folder: &'a Path,
    /// The root file's folder as the user names it; may be empty.
    pub(crate) shown: &'a Path,
    /// Where temporary folders are made; on the file system of the artifacts.
    pub(crate) work: &'a Path,
    pub(crate) profile: Profile,
    pub(crate) limit: Duration,
    pub(crate) pace: Pace,
    /// Files that code names relative to the app's file in a way that is not seen without rustc.
    pub(crate) linked: &'a BTreeSet<PathBuf>,
}

/// A slice on disk, with the glue below its root file's text, in a folder that is removed when this is dropped.
pub(crate) struct Written<'a> {
    pub(crate) folder: TempDir,
    /// Stands for the user's folder.
    pub(crate) sources: PathBuf,
    slice: &'a ServiceSlice,
}

impl Rustc<'_> {
    /// A folder to write to.
    pub(crate) fn room(&self) -> Result<TempDir, BuildError> {
        std::fs::create_dir_all(self.work).map_err(io("create", self.work))?;
        let folder = tempfile::Builder::new().prefix(&leftover::own_prefix()).tempdir_in(self.work);
        folder.map_err(io("create a folder in", self.work))
    }

    /// Writes a slice.
    pub(crate) fn write<'s>(&self, slice: &'s ServiceSlice, glue: &str) -> Result<Written<'s>, BuildError> {
        self.write_in(self.room()?, slice, glue)
    }

    /// Writes a slice into a folder, so deep that `../` stays inside.
    pub(crate) fn write_in<'s>(
        &self,
        folder: TempDir,
        slice: &'s ServiceSlice,
        glue: &str,
    ) -> Result<Written<'s>, BuildError> {
        let included = || slice.included.union(self.linked);
        let paths = slice.files.keys().chain(included());
        let depth = paths.map(|path| path.components().filter(|part| *part == Component::ParentDir).count()).max();
        let mut sources = folder.path().to_owned();
        sources.extend(std::iter::repeat_n("d", depth.unwrap_or(0) + 1));
        // `a/../b` is found only where `a` is.
        std::fs::create_dir_all(&sources).map_err(io("create", &sources))?;
        for (path, text) in &slice.files {
            let file = sources.join(path);
            if *path == slice.root {
                files::write(&file, format!("{text}{}{glue}", line_end(text)).as_bytes())?;
            } else {
                files::write(&file, text.as_bytes())?;
            }
        }
        for path in included().filter(|path| path.is_relative() && !slice.files.contains_key(*path)) {
            let file = sources.join(path);
            let parent = file.parent().unwrap_or(&sources);
            std::fs::create_dir_all(parent).map_err(io("create", parent))?;
            match std::os::unix::fs::symlink(self.folder.join(path), &file) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(io("link", &file)(error));
                }
                _ => {}
            }
        }
        Ok(Written { folder, sources, slice })
    }

    /// rustc without arguments, with all that it finds where it runs. Whatever it and the linker write on the side goes
    /// into a folder that is removed.
    pub(crate) fn bare(&self, temporary: &Path) -> Command {
        let mut command = Command::new(&self.toolchain.rustc);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(recipe::is_kept_back) {
                command.env_remove(name);
            }
        }
        command.envs(&self.recipe.environment).env("TMPDIR", temporary).current_dir(self.folder);
        if self.profile == Profile::Debug
            && let Some(from) = self.named_from()
        {
            // Debug information names a file by the folder that rustc runs in.
            command.current_dir(from);
        }
        command
    }

    /// rustc on what is written, for a crate told from others of the same name by `metadata`. What it makes, and
    /// where to, is the caller's to add.
    pub(crate) fn command(&self, written: &Written, metadata: &str) -> Command {
        let mut command = self.bare(written.folder.path());
        command.args(&self.recipe.arguments).arg("--error-format=json");
        command.arg(format!("--edition={}", self.recipe.edition));
        command.arg(format!("--crate-name={}", self.crate_name()));
        command.arg(format!("-Cmetadata={metadata}")).args(self.profile.codegen());
        command.arg("-Cembed-bitcode=no");
        // A slice leaves out what its service does not use, and so looks more unused than the file is. rustc's real
        // warnings are `cargo check`'s business; what is denied by default stays an error.
        command.arg("-Awarnings");
        if written.slice.files.values().any(|text| text.contains("deny(") || text.contains("forbid(")) {
            command.arg("--force-warn=unused");
        }
        let named = match self.profile {
            Profile::Dev | Profile::Debug => self.named(),
            Profile::Optimised => {
                // What is shipped names the file alone; what rustc says names the folder that was written, which is
                // put into the user's words below.
                command.arg("--remap-path-scope=object");
                Path::new("")
            }
        };
        command.arg(format!("--remap-path-prefix={}={}", written.sources.display(), named.display()));
        command.arg(written.sources.join(&written.slice.root));
        command
    }

    /// Runs it. Dropping the future ends rustc and all it started.
    pub(crate) async fn run(&self, command: Command) -> Result<Ended, BuildError> {
        self.run_by(None, command).await
    }

    /// The same by a rustc that waits, where it can.
    pub(crate) async fn run_by(&self, waiting: Option<WaitingRustc>, command: Command) -> Result<Ended, BuildError> {
        // Its last word on what does not compile comes milliseconds before its end.
        let has_failed = |line: &str| {
            line.contains(r#""message":"aborting due to "#)
                && line.contains(r#""code":null,"level":"error","spans":[]"#)
        };
        let told = match waiting {
            Some(waiting) => waiting.tell(&command).await,
            None => None,
        };
        let ended = match told {
            Some(started) => started.attend(self.limit, has_failed).await?,
            None => process::run_until(command, self.limit, self.pace, has_failed).await?,
        };
        if !ended.status.success() && ended.stderr.contains("No space left on device") {
            return Err(BuildError::DiskFull { folder: self.work.to_owned() });
        }
        Ok(ended)
    }

    /// What was read for a library, where rustc was asked for it by [`Self::make_in`].
    pub(crate) fn outside(&self, written: &Written, made: &Path) -> Result<Outside, BuildError> {
        let file = made.join(format!("{}.d", self.crate_name()));
        let text = fs::read_to_string(&file).map_err(io("read", &file))?;
        let info = DepInfo::read(&text);
        Ok(Outside::of(info, written.slice, &written.sources, self.folder, self.recipe))
    }

    /// Has rustc write the library, and what it read for it, into a folder. Answers the library's name there. (File
    /// names are not given: `--emit` takes a comma in them for the next one.)
    pub(crate) fn make_in(&self, command: &mut Command, folder: &Path, extension: &str) -> String {
        command.arg("--emit=dep-info,link").arg("--out-dir").arg(folder);
        format!("lib{}.{extension}", self.crate_name())
    }

    fn crate_name(&self) -> String {
        crate_name(self.name, &self.recipe.libraries)
    }

    /// What rustc said of what is written: its errors at the user's lines, or its words where none has a place.
    pub(crate) fn findings(
        &self,
        ended: &Ended,
        written: &Written,
        glue: &dyn Explain,
    ) -> Result<Vec<Finding>, String> {
        let Written { slice, sources, .. } = written;
        let named = self.named();
        // rustc maps the places it speaks of, not the paths in its sentences.
        let stderr = ended.stderr.replace(&format!("{}/", sources.display()), &named.join("").display().to_string());
        let paths = slice.files.keys().chain(&slice.included);
        let files: BTreeSet<PathBuf> = paths.map(|path| named.join(path)).collect();
        let text = slice.files.get(&slice.root).map_or("", String::as_str);
        let lines = text.lines().count();
        let origin = Origin { root: &named.join(&slice.root), files: &files, lines, glue };
        let findings = finding::read(&stderr, &origin);
        if findings.is_empty() { Err(stderr.trim().to_owned()) } else { Ok(findings) }
    }

    /// The folder that [`Self::named`] is read from.
    fn named_from(&self) -> Option<PathBuf> {
        let depth = self.named().components().count();
        let is_below = self.folder.ends_with(self.named());
        let above = self.folder.ancestors().nth(depth).filter(|_| is_below).map(Path::to_owned);
        above.or_else(|| std::env::current_dir().ok())
    }

    /// The folder as rustc names it: it takes the last `=` of a mapping for its middle, so a folder with one in its
    /// name is left out.
    fn named(&self) -> &Path {
        if self.shown.as_os_str().as_encoded_bytes().contains(&b'=') { Path::new("") } else { self.shown }
    }
}

/// What ends the last line, where nothing does yet.
fn line_end(text: &str) -> &'static str {
    if text.is_empty() || text.ends_with('\n') { "" } else { "\n" }
}

/// The file's name as a crate's, as cargo would have it; another where a crate of that name is linked in.
pub(crate) fn crate_name(name: &str, libraries: &[PathBuf]) -> String {
    let mut name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name.insert_str(0, "app_");
    }
    let linked = libraries.iter().filter_map(|library| library.file_stem()?.to_str());
    let mut linked = linked.filter_map(|stem| stem.strip_prefix("lib")?.rsplit_once('-'));
    let taken =
        ["std", "core", "alloc", "test", "proc_macro"].contains(&name.as_str()) || linked.any(|(stem, _)| stem == name);
    if taken { format!("{name}_app") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_called_like_its_file() {
        let libraries = [PathBuf::from("/deps/libserde_json-0123.rlib")];
        for (name, expected) in [
            ("building", "building"),
            ("my-app", "my_app"),
            ("1st", "app_1st"),
            ("core", "core_app"),
            ("serde_json", "serde_json_app"),
        ] {
            assert_eq!(crate_name(name, &libraries), expected);
        }
    }
}
