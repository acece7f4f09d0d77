//! How to compile any service of an app: the outcome of preparing its dependencies, kept on disk with all that it
//! rests on, so that the next start asks no cargo.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::BuildError;
use crate::{files, hash};

/// How to compile any service of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// Equal keys: the same source gives the same library.
    pub key: String,
    /// The same without the places of this machine: equal, and the same source means the same everywhere.
    pub portable: String,
    /// Edition of the source.
    pub edition: String,
    /// Arguments for rustc: libraries, folders, flags of the user's configuration.
    pub arguments: Vec<String>,
    /// Variables for rustc: the package's, and those of cargo's configuration.
    pub environment: BTreeMap<String, String>,
    /// The linker is the one the user's cargo configuration names.
    pub has_linker: bool,
    /// Crates that are declared and were not taken, since no mention of them was seen.
    pub left_out: BTreeSet<String>,
    /// The libraries that are linked in.
    pub libraries: Vec<PathBuf>,
    /// The reason why services share no crates of these as shared objects.
    #[serde(default)]
    pub apart: Option<String>,
    /// Every file that this rests on and that may change beside the app: manifests, lock file, cargo's configuration,
    /// sources of packages depended on by path. Some need not exist.
    #[serde(skip)]
    pub consulted: BTreeSet<PathBuf>,
    /// For each service whose library rests on files beside the app's own, or on environment variables, a hash of what
    /// they hold: another hash, another library.
    #[serde(skip)]
    pub outside: BTreeMap<String, String>,
}

/// A recipe and what it rests on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) recipe: Recipe,
    /// Identity of the toolchain.
    toolchain: String,
    /// Manifests, lock file, configuration, with the hash of their content.
    files: BTreeMap<PathBuf, Option<String>>,
    /// Folders of packages that are depended on by path.
    trees: BTreeMap<PathBuf, String>,
    /// Variables that dependencies read.
    #[serde(default)]
    variables: BTreeMap<String, Option<String>>,
}

/// What variables say.
pub(crate) fn values(names: &BTreeSet<String>) -> BTreeMap<String, Option<String>> {
    let value = |name: &String| env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    names.iter().map(|name| (name.clone(), value(name))).collect()
}

impl Record {
    pub(crate) fn new(
        recipe: Recipe,
        toolchain: &str,
        consulted: &BTreeSet<PathBuf>,
        trees: BTreeMap<PathBuf, String>,
    ) -> Self {
        let files = consulted.iter().map(|file| (file.clone(), hash::file(file))).collect();
        let variables = BTreeMap::new();
        let record = Self { recipe, toolchain: toolchain.to_owned(), files, trees, variables };
        let consulted = record.consulted();
        Self { recipe: Recipe { consulted, ..record.recipe }, ..record }
    }

    /// The same with variables that dependencies read.
    pub(crate) fn with(self, variables: BTreeMap<String, Option<String>>) -> Self {
        Self { variables, ..self }
    }

    /// The recipe on record, where all it rests on is as it was. `except` are the app's own files, which lie in
    /// the trees and are no dependency.
    pub(crate) fn read(file: &Path, toolchain: &str, except: &dyn Fn(&Path) -> bool) -> Option<Recipe> {
        let record: Self = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
        let holds = record.toolchain == toolchain
            && record.recipe.libraries.iter().all(|library| library.is_file())
            && record.variables == values(&record.variables.keys().cloned().collect())
            && record.files.iter().all(|(file, content)| hash::file(file) == *content)
            && record.trees.iter().all(|(folder, content)| package_hash(folder, except) == *content);
        holds.then(|| Recipe { consulted: record.consulted(), ..record.recipe })
    }

    fn consulted(&self) -> BTreeSet<PathBuf> {
        let sources = self.trees.keys().flat_map(|folder| package_files(folder));
        self.files.keys().cloned().chain(sources).collect()
    }

    /// The recipe, when nothing else is wanted of the record.
    pub(crate) fn into_recipe(self) -> Recipe {
        self.recipe
    }

    pub(crate) fn write(&self, file: &Path) -> Result<(), BuildError> {
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| BuildError::Unreadable { program: "the recipe".to_owned(), words: error.to_string() })?;
        files::write(file, &text)
    }
}

/// Hash over the sources of a package. Its examples, tests and benchmarks are not part of its library.
pub(crate) fn package_hash(folder: &Path, except: &dyn Fn(&Path) -> bool) -> String {
    let outside = outside(folder);
    hash::tree(folder, &|path| outside.iter().any(|folder| folder == path) || except(path))
}

/// The same, wherever the package lies.
pub(crate) fn package_content(folder: &Path, except: &dyn Fn(&Path) -> bool) -> String {
    let outside = outside(folder);
    let files = hash::files(folder, &|path| outside.iter().any(|folder| folder == path) || except(path));
    let words = files.iter().map(|file| {
        let inside = file.strip_prefix(folder).unwrap_or(file);
        format!("{}={}", inside.display(), hash::file(file).unwrap_or_default())
    });
    let words: Vec<String> = words.collect();
    hash::parts(words.iter().map(String::as_bytes))
}

fn package_files(folder: &Path) -> Vec<PathBuf> {
    let outside = outside(folder);
    hash::files(folder, &|path| outside.iter().any(|folder| folder == path))
}

fn outside(folder: &Path) -> [PathBuf; 3] {
    ["examples", "tests", "benches"].map(|name| folder.join(name))
}

/// Cargo's configuration files that hold in a folder, whether they exist or not.
pub(crate) fn configuration(folder: &Path) -> BTreeSet<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    let folders = folder.ancestors().map(|folder| folder.join(".cargo")).chain(home);
    folders.flat_map(|folder| ["config", "config.toml"].map(|name| folder.join(name))).collect()
}

/// Variables that change what cargo builds, each as `NAME=value`.
pub(crate) fn variables() -> Vec<String> {
    let counts = |name: &str| {
        let names =
            ["RUSTFLAGS", "RUSTC", "RUSTC_WRAPPER", "RUSTUP_TOOLCHAIN", "CARGO_ENCODED_RUSTFLAGS", "CARGO_HOME"];
        let starts = ["CARGO_BUILD_", "CARGO_PROFILE_RELEASE_", "CARGO_TARGET_", "CARGO_UNSTABLE_", "CARGO_SOURCE_"];
        (names.contains(&name) || starts.iter().any(|start| name.starts_with(start)))
            && !["CARGO_TARGET_DIR", "CARGO_TARGET_TMPDIR"].contains(&name)
    };
    let all = env::vars_os().filter_map(|(name, value)| {
        let name = name.to_str().filter(|name| counts(name))?;
        Some(format!("{name}={}", value.to_string_lossy()))
    });
    let mut all: Vec<String> = all.collect();
    all.sort();
    all
}

/// What `env!` and `option_env!` read of this process's environment, which rustc is given. The variables that cargo sets
/// for a package are those of the app's own, and not those of whoever runs this.
pub fn environment() -> BTreeMap<String, String> {
    let is_seen = |name: &str| !name.starts_with("CARGO") && !name.starts_with(SECRETS);
    let all = env::vars_os().filter(|(name, _)| is_seen(&name.to_string_lossy()));
    all.map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())).collect()
}

/// How variables of the shell begin that hold secrets of services.
const SECRETS: &str = "DYN_SECRET_";

/// Variables that no build sees.
pub(crate) fn is_kept_back(name: &str) -> bool {
    is_of_outer_cargo(name) || name.starts_with(SECRETS)
}

/// Variables that cargo sets for the programs it runs, and that say nothing about an app when `dyn` is one of them.
pub(crate) fn is_of_outer_cargo(name: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CFG_", "CARGO_FEATURE_"]
        .iter()
        .any(|start| name.starts_with(start))
        || [
            "CARGO",
            "CARGO_CRATE_NAME",
            "CARGO_MAKEFLAGS",
            "CARGO_PRIMARY_PACKAGE",
            "CARGO_TARGET_DIR",
            "CARGO_TARGET_TMPDIR",
            "MAKEFLAGS",
            "OUT_DIR",
            "RUSTC_WORKSPACE_WRAPPER",
        ]
        .contains(&name)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_record_holds_until_what_it_rests_on_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("dep/src")).unwrap();
        fs::create_dir_all(path("dep/tests")).unwrap();
        for name in ["Cargo.toml", "libserde.rlib", "dep/src/lib.rs", "dep/src/app.rs", "dep/tests/it.rs"] {
            fs::write(path(name), name).unwrap();
        }
        let except = |file: &Path| file.ends_with("app.rs");
        let recipe = Recipe {
            portable: String::new(),
            key: "k".to_owned(),
            edition: "2024".to_owned(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            has_linker: false,
            left_out: BTreeSet::new(),
            libraries: vec![path("libserde.rlib")],
            apart: None,
            consulted: BTreeSet::new(),
            outside: BTreeMap::new(),
        };
        let consulted = BTreeSet::from([path("Cargo.toml"), path("Cargo.lock")]);
        let keep = || {
            let trees = BTreeMap::from([(path("dep"), package_hash(&path("dep"), &except))]);
            Record::new(recipe.clone(), "1.95", &consulted, trees).write(&path("record.json")).unwrap();
        };
        let holds = |toolchain: &str| Record::read(&path("record.json"), toolchain, &except).is_some();
        keep();
        assert!(holds("1.95"));
        assert!(!holds("1.96"));
        for name in ["dep/src/app.rs", "dep/tests/it.rs"] {
            fs::write(path(name), "edited").unwrap();
            assert!(holds("1.95"), "{name} is no dependency");
        }
        let known = Record::read(&path("record.json"), "1.95", &except).unwrap().consulted;
        assert!(known.contains(&path("Cargo.lock")) && known.contains(&path("dep/src/lib.rs")), "{known:?}");
        assert!(!known.contains(&path("dep/tests/it.rs")));
        for name in ["Cargo.toml", "Cargo.lock", "dep/src/lib.rs", "dep/build.rs"] {
            fs::write(path(name), "edited").unwrap();
            assert!(!holds("1.95"), "{name} counts");
            keep();
        }
        fs::remove_file(path("libserde.rlib")).unwrap();
        assert!(!holds("1.95"));
    }
}
