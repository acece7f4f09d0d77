//! One call of rustc: a slice in, a library out.
//!
//! Measured on 2 cores with rust-lld, one service of five strings and a number, its serde code in the slice, medians
//! of 9: opt-level 0 takes 111 ms, 1 takes 315, 2 takes 365; without `serde_path_to_error` in the slice 89, 248 and
//! 286; without any derived code 63, 126 and 124. Stripping debug information at the link saves 12 ms and 3.9 MB of
//! 4.5. So edits are compiled at level 0, over dependencies at level 2; what is pushed may ask for more.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use app::{Service, Slice};
use tempfile::TempDir;
use tokio::process::Command;

use crate::error::{BuildError, io};
use crate::files;
use crate::finding::{self, Origin};
use crate::glue::Glue;
use crate::linker::Linker;
use crate::process::{self, Ended};
use crate::recipe::{self, Recipe};
use crate::toolchain::Toolchain;

/// What is compiled, and how.
pub(crate) struct Compilation<'a> {
    pub(crate) service: &'a Service,
    pub(crate) slice: &'a Slice,
    pub(crate) glue: &'a Glue,
    pub(crate) recipe: &'a Recipe,
    pub(crate) toolchain: &'a Toolchain,
    pub(crate) linker: &'a Linker,
    /// The app's name, which is the crate's.
    pub(crate) name: &'a str,
    /// The root file's folder, absolute.
    pub(crate) folder: &'a Path,
    /// The root file's folder as the user names it; may be empty.
    pub(crate) shown: &'a Path,
    /// Where temporary folders are made; on the file system of the artifacts.
    pub(crate) work: &'a Path,
    pub(crate) level: u8,
    pub(crate) limit: Duration,
}

/// A library in a folder that is removed when this is dropped, unless the library is moved out of it before.
pub(crate) struct Compiled {
    pub(crate) library: PathBuf,
    _folder: TempDir,
}

impl Compilation<'_> {
    /// Compiles. Dropping the future ends rustc and removes all it wrote.
    pub(crate) async fn run(&self) -> Result<Compiled, BuildError> {
        std::fs::create_dir_all(self.work).map_err(io("create", self.work))?;
        let folder = TempDir::new_in(self.work).map_err(io("create a folder in", self.work))?;
        let sources = self.write_sources(folder.path())?;
        let library = folder.path().join("library.so");
        let ended = process::run(self.command(folder.path(), &sources, &library), self.limit, |_| {}).await?;
        if ended.status.success() && library.is_file() {
            return Ok(Compiled { library, _folder: folder });
        }
        Err(self.error(&ended, &sources))
    }

    /// Writes the slice, so deep that `../` stays inside, and answers the folder that stands for the user's.
    fn write_sources(&self, folder: &Path) -> Result<PathBuf, BuildError> {
        let paths = self.slice.files.keys().chain(&self.slice.included);
        let depth = paths.map(|path| path.components().filter(|part| *part == Component::ParentDir).count()).max();
        let mut sources = folder.to_owned();
        sources.extend(std::iter::repeat_n("d", depth.unwrap_or(0) + 1));
        // `a/../b` is found only where `a` is.
        std::fs::create_dir_all(&sources).map_err(io("create", &sources))?;
        for (path, text) in &self.slice.files {
            let file = sources.join(path);
            if *path == self.slice.root {
                files::write(&file, format!("{text}{}{}", line_end(text), self.glue.text).as_bytes())?;
            } else {
                files::write(&file, text.as_bytes())?;
            }
        }
        for path in self.slice.included.iter().filter(|path| path.is_relative()) {
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
        Ok(sources)
    }

    fn command(&self, folder: &Path, sources: &Path, library: &Path) -> Command {
        let mut command = Command::new(&self.toolchain.rustc);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(recipe::is_of_outer_cargo) {
                command.env_remove(name);
            }
        }
        // Whatever rustc and the linker write on the side is removed with the folder.
        command.envs(&self.recipe.environment).env("TMPDIR", folder).current_dir(self.folder);
        command.args(&self.recipe.arguments).args(["--crate-type", "cdylib", "--error-format=json"]);
        command.arg(format!("--edition={}", self.recipe.edition));
        command.arg(format!("--crate-name={}", crate_name(self.name, &self.recipe.libraries)));
        command.arg(format!("-Cmetadata={}", self.service.name)).arg(format!("-Copt-level={}", self.level));
        command.args(["-Cdebug-assertions=on", "-Coverflow-checks=on", "-Cpanic=unwind"]);
        command.args(["-Cdebuginfo=0", "-Cstrip=debuginfo", "-Cembed-bitcode=no"]);
        if !self.recipe.has_linker {
            command.args(&self.linker.arguments);
        }
        // A slice leaves out what its service does not use, and so looks more unused than the file is. rustc's real
        // warnings are `cargo check`'s business; what is denied by default stays an error.
        command.arg("-Awarnings");
        if self.slice.files.values().any(|text| text.contains("deny(") || text.contains("forbid(")) {
            command.arg("--force-warn=unused");
        }
        command.arg(format!("--remap-path-prefix={}={}", sources.display(), shown(self.shown).display()));
        command.arg("-o").arg(library).arg(sources.join(&self.slice.root));
        command
    }

    fn error(&self, ended: &Ended, sources: &Path) -> BuildError {
        let service = self.service.name.clone();
        if ended.stderr.contains("No space left on device") {
            return BuildError::DiskFull { folder: self.work.to_owned() };
        }
        let shown = shown(self.shown);
        // rustc maps the places it speaks of, not the paths in its sentences.
        let stderr = ended.stderr.replace(&format!("{}/", sources.display()), &shown.join("").display().to_string());
        let paths = self.slice.files.keys().chain(&self.slice.included);
        let files: BTreeSet<PathBuf> = paths.map(|path| shown.join(path)).collect();
        let text = self.slice.files.get(&self.slice.root).map_or("", String::as_str);
        let origin = Origin {
            service: self.service,
            root: &shown.join(&self.slice.root),
            files: &files,
            lines: text.lines().count(),
            glue: self.glue,
        };
        let findings = finding::read(&stderr, &origin);
        if findings.is_empty() {
            return BuildError::Failed { service, words: stderr.trim().to_owned() };
        }
        BuildError::Rustc { service, findings }
    }
}

/// rustc takes the last `=` of a mapping for its middle; a folder with one in its name is left out of the mapping.
fn shown(folder: &Path) -> &Path {
    if folder.as_os_str().as_encoded_bytes().contains(&b'=') { Path::new("") } else { folder }
}

/// What ends the last line, where nothing does yet.
fn line_end(text: &str) -> &'static str {
    if text.is_empty() || text.ends_with('\n') { "" } else { "\n" }
}

/// The file's name as a crate's, as cargo would have it; another where a crate of that name is linked in.
fn crate_name(name: &str, libraries: &[PathBuf]) -> String {
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
