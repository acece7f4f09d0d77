//! The build script of the package an app's file lies in: cargo runs it, and what it says holds for services too:
//! `OUT_DIR`, `cargo::rustc-env`, `rustc-cfg`, `rustc-link-lib`.
//!
//! Cargo runs a script for a library that is depended on. Where the app uses its package's own library, that one is;
//! where not, a stand-in is: an empty library with the package's script, in a folder that looks like the package's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use cargo_metadata::BuildScript;
use toml::{Table, Value};

use crate::error::{BuildError, io};
use crate::manifest::Dependency;
use crate::{files, hash};

/// A package's build script.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    /// The package's folder.
    pub(crate) folder: PathBuf,
    /// The workspace's: a script may read what is above its package.
    pub(crate) workspace: PathBuf,
    /// The stand-in's manifest.
    pub(crate) manifest: Table,
    pub(crate) package: String,
}

/// What a script says of the crate it belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) arguments: Vec<String>,
    /// What it wrote.
    pub(crate) out: PathBuf,
    /// Files it reads.
    pub(crate) reads: BTreeSet<PathBuf>,
    /// Variables it reads.
    pub(crate) variables: BTreeSet<String>,
    /// Whether it says which files those are; else all of its package count.
    pub(crate) is_precise: bool,
}

/// Files in the stand-in's folder that are not links to the package's.
const OWN: [&str; 4] = ["Cargo.toml", "Cargo.lock", "target", ".git"];

impl Script {
    /// Lays the stand-in out below `cache`, and answers it as a dependency.
    pub(crate) fn stand_in(&self, cache: &Path) -> Result<Dependency, BuildError> {
        let base = self.base(cache);
        let below = self.folder.strip_prefix(&self.workspace).unwrap_or(Path::new(""));
        let mut shown = if below.as_os_str().is_empty() { self.folder.clone() } else { self.workspace.clone() };
        let mut stands = base.join("package");
        fs::create_dir_all(&base).map_err(io("create", &base))?;
        // `../` leads to what is above the package, up to the workspace's folder.
        for part in below {
            link(&shown, &stands, &[&part.to_string_lossy(), "target", "Cargo.toml"])?;
            shown.push(part);
            stands.push(part);
        }
        link(&shown, &stands, &OWN)?;
        files::write_changed(&stands.join("Cargo.toml"), self.manifest.to_string().as_bytes())?;
        files::write_changed(&base.join("empty.rs"), b"//! Stands for a package whose build script is run.\n")?;
        let value = Table::from_iter([
            ("path".to_owned(), Value::from(stands.display().to_string())),
            ("package".to_owned(), Value::from(self.package.clone())),
        ]);
        Ok(Dependency { key: "dyninka_script".to_owned(), value, target: None })
    }

    /// Of the package in `folder`, with the parts of its manifest that count for its script.
    pub(crate) fn new(
        package: String,
        folder: &Path,
        mut described: Table,
        edition: String,
        build: Table,
        features: Table,
    ) -> Self {
        described.insert("edition".to_owned(), edition.into());
        described.insert("publish".to_owned(), false.into());
        let manifest = Table::from_iter([
            ("package".to_owned(), Value::Table(described)),
            ("build-dependencies".to_owned(), Value::Table(build)),
            ("features".to_owned(), Value::Table(features)),
        ]);
        let mut script = Self { folder: folder.to_owned(), workspace: PathBuf::new(), manifest, package };
        script.place(folder);
        script
    }

    /// Whether cargo's name for a package is that of this one, or of its stand-in.
    pub(crate) fn is_of(&self, id: &str, cache: &Path) -> bool {
        let Some(path) = id.strip_prefix("path+file://") else { return false };
        let folder = Path::new(path.split('#').next().unwrap_or(path));
        folder == self.folder || folder.starts_with(self.base(cache))
    }

    /// Where its stand-in lies.
    fn base(&self, cache: &Path) -> PathBuf {
        cache.join("scripts").join(hash::parts([self.folder.as_os_str().as_encoded_bytes()]))
    }

    pub(crate) fn place(&mut self, workspace: &Path) {
        self.workspace = workspace.to_owned();
        let depth = self.folder.strip_prefix(workspace).map_or(0, |below| below.components().count());
        // The empty source lies beside the folder that stands for the workspace's.
        let source = format!("{}empty.rs", "../".repeat(depth + 1));
        let library = Table::from_iter([("path".to_owned(), Value::from(source))]);
        self.manifest.insert("lib".to_owned(), Value::Table(library));
    }
}

/// Has a folder show what another holds, but for some names.
fn link(shown: &Path, folder: &Path, except: &[&str]) -> Result<(), BuildError> {
    fs::create_dir_all(folder).map_err(io("create", folder))?;
    for entry in fs::read_dir(folder).map_err(io("list", folder))?.flatten() {
        let path = entry.path();
        if path.is_symlink() && !path.exists() {
            fs::remove_file(&path).map_err(io("remove", &path))?;
        }
    }
    for entry in fs::read_dir(shown).map_err(io("list", shown))?.flatten() {
        let name = entry.file_name();
        let to = folder.join(&name);
        if except.iter().any(|except| name == *except) || to.is_symlink() || to.exists() {
            continue;
        }
        symlink(entry.path(), &to).map_err(io("link", &to))?;
    }
    Ok(())
}

impl Said {
    /// What cargo tells of the run of a script of the package in `folder`, and what its own words are.
    pub(crate) fn read(run: &BuildScript, folder: &Path) -> Self {
        let out = run.out_dir.as_std_path().to_owned();
        let mut said = Self { out: out.clone(), ..Self::default() };
        said.environment.extend(run.env.iter().cloned());
        said.environment.insert("OUT_DIR".to_owned(), out.display().to_string());
        said.arguments.extend(run.cfgs.iter().flat_map(|value| ["--cfg".to_owned(), value.clone()]));
        let paths = run.linked_paths.iter().map(|path| ["-L".to_owned(), path.to_string()]);
        let libraries = run.linked_libs.iter().map(|library| ["-l".to_owned(), library.to_string()]);
        said.arguments.extend(paths.chain(libraries).flatten());
        // Cargo keeps a script's output beside the folder it may write to.
        let words = out.parent().and_then(|folder| fs::read_to_string(folder.join("output")).ok()).unwrap_or_default();
        for line in words.lines() {
            let Some(line) = line.strip_prefix("cargo::").or_else(|| line.strip_prefix("cargo:")) else { continue };
            if let Some(file) = line.strip_prefix("rerun-if-changed=") {
                said.is_precise = true;
                said.reads.insert(folder.join(file));
            } else if let Some(name) = line.strip_prefix("rerun-if-env-changed=") {
                said.is_precise = true;
                said.variables.insert(name.to_owned());
            }
        }
        said
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_stand_in_shows_the_package_and_what_is_above_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("work/app/data")).unwrap();
        for file in
            ["work/Cargo.toml", "work/shared.txt", "work/app/Cargo.toml", "work/app/build.rs", "work/app/data/a"]
        {
            fs::write(path(file), file).unwrap();
        }
        let (empty, edition) = (Table::new, "2024".to_owned());
        let mut script = Script::new("app".to_owned(), &path("work/app"), empty(), edition, empty(), empty());
        script.place(&path("work"));
        let dependency = script.stand_in(&path("cache")).unwrap();
        let stands = PathBuf::from(dependency.value["path"].as_str().unwrap());
        for (file, holds) in
            [("build.rs", "work/app/build.rs"), ("data/a", "work/app/data/a"), ("../shared.txt", "work/shared.txt")]
        {
            assert_eq!(fs::read_to_string(stands.join(file)).unwrap(), holds);
        }
        assert!(fs::read_to_string(stands.join("Cargo.toml")).unwrap().contains("edition"));
        let source = script.manifest["lib"]["path"].as_str().unwrap();
        assert!(stands.join(source).is_file(), "{source}");
        fs::remove_file(path("work/app/data/a")).unwrap();
        fs::remove_file(path("work/shared.txt")).unwrap();
        script.stand_in(&path("cache")).unwrap();
        assert!(!stands.join("../shared.txt").is_symlink());
    }
}
