//! What is declared for a file: by the Cargo package it lies in, by its frontmatter, or by nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use tokio::process::Command;
use toml::{Table, Value};

use crate::error::BuildError;
use crate::manifest::{Declared, Dependency, anchor};
use crate::process;
use crate::script::Script;

/// Reading manifests takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// The edition of a file nobody declares one for.
const EDITION: &str = "2024";

/// What surrounds a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    pub(crate) declared: Declared,
    /// The lock file whose versions hold, where there is one.
    pub(crate) lock: Option<PathBuf>,
    /// Cargo features that are on, for `cfg(feature = "…")`.
    pub(crate) features: BTreeSet<String>,
    /// `CARGO_PKG_…` and the like, for `env!`.
    pub(crate) environment: BTreeMap<String, String>,
    /// Files whose content decides all this; absent ones count too.
    pub(crate) consulted: BTreeSet<PathBuf>,
    /// The package's build script.
    pub(crate) script: Option<Script>,
}

/// Reads what surrounds the file at `root`, an absolute path.
pub(crate) async fn read(root: &Path, frontmatter: Option<&str>, cargo: &Path) -> Result<Surroundings, BuildError> {
    let folder = root.parent().unwrap_or(Path::new("/"));
    let mut surroundings = match (frontmatter, nearest(folder)) {
        (Some(text), _) => of_frontmatter(root, folder, text)?,
        (None, Some(manifest)) => of_package(root, &manifest, cargo).await?,
        (None, None) => alone(root, folder),
    };
    let manifests = folder.ancestors().map(|folder| folder.join("Cargo.toml"));
    surroundings.consulted.extend(manifests);
    Ok(surroundings)
}

/// The manifest of the package a folder belongs to. A workspace without a package of its own has no dependencies.
pub(crate) fn nearest(folder: &Path) -> Option<PathBuf> {
    let manifest = folder.ancestors().map(|folder| folder.join("Cargo.toml")).find(|file| file.is_file())?;
    // One that does not read is the package's all the same: cargo says what is wrong with it.
    let is_virtual = fs::read_to_string(&manifest)
        .ok()
        .and_then(|text| text.parse::<Table>().ok())
        .is_some_and(|table| table.contains_key("workspace") && !table.contains_key("package"));
    (!is_virtual).then_some(manifest)
}

fn alone(root: &Path, folder: &Path) -> Surroundings {
    let declared = Declared { edition: EDITION.to_owned(), is_alone: true, ..Declared::default() };
    Surroundings { declared, environment: environment_alone(root, folder), ..Surroundings::default() }
}

fn environment_alone(root: &Path, folder: &Path) -> BTreeMap<String, String> {
    let name = root.file_stem().unwrap_or_default().to_string_lossy();
    let version = "0.0.0".to_owned();
    BTreeMap::from([
        ("CARGO_MANIFEST_DIR".to_owned(), folder.display().to_string()),
        ("CARGO_PKG_NAME".to_owned(), name.to_string()),
        ("CARGO_PKG_VERSION".to_owned(), version),
    ])
}

fn of_frontmatter(root: &Path, folder: &Path, text: &str) -> Result<Surroundings, BuildError> {
    let bad = |words: String| BuildError::Manifest { file: root.to_owned(), words };
    let mut table: Table =
        text.parse().map_err(|error: toml::de::Error| bad(error.to_string().trim_end().to_owned()))?;
    let mut dependencies = match table.remove("dependencies") {
        None => Table::new(),
        Some(Value::Table(list)) => list,
        Some(other) => return Err(bad(format!("`dependencies` is a table, not {}", other.type_str()))),
    };
    for (key, value) in dependencies.iter_mut() {
        if let Value::String(version) = value {
            *value = Value::Table(Table::from_iter([("version".to_owned(), Value::String(version.clone()))]));
        } else if !value.is_table() {
            return Err(bad(format!("dependency `{key}` is a version or a table, not {}", value.type_str())));
        }
    }
    anchor(&mut dependencies, folder);
    let edition = table.get("package").and_then(|package| package.get("edition")).and_then(Value::as_str);
    let declared = Declared {
        edition: edition.unwrap_or(EDITION).to_owned(),
        dependencies: dependencies
            .into_iter()
            .filter_map(|(key, value)| match value {
                Value::Table(value) => Some(Dependency { key, value, target: None }),
                _ => None,
            })
            .collect(),
        patch: patch_of(&mut table, folder),
        ..Declared::default()
    };
    Ok(Surroundings { declared, environment: environment_alone(root, folder), ..Surroundings::default() })
}

/// The `[patch]` of a manifest in `folder`, with absolute paths.
fn patch_of(manifest: &mut Table, folder: &Path) -> Option<Table> {
    let Some(Value::Table(mut patch)) = manifest.remove("patch") else { return None };
    for (_, list) in patch.iter_mut() {
        if let Value::Table(list) = list {
            anchor(list, folder);
        }
    }
    Some(patch)
}

/// What cargo says of a package, without its dependencies.
pub(crate) async fn metadata(root: &Path, manifest: &Path, cargo: &Path) -> Result<Metadata, BuildError> {
    let bad = |words: String| BuildError::Manifest { file: manifest.to_owned(), words };
    let folder = manifest.parent().unwrap_or(Path::new("/"));
    let mut command = Command::new(cargo);
    command.args(["metadata", "--no-deps", "--offline", "--format-version=1", "--manifest-path"]).arg(manifest);
    command.current_dir(root.parent().unwrap_or(folder));
    let ended = process::run(command, PATIENCE, |_| {}).await?;
    if !ended.status.success() {
        return Err(bad(ended.stderr.trim().to_owned()));
    }
    MetadataCommand::parse(&ended.stdout).map_err(|error| bad(error.to_string()))
}

async fn of_package(root: &Path, manifest: &Path, cargo: &Path) -> Result<Surroundings, BuildError> {
    let bad = |words: String| BuildError::Manifest { file: manifest.to_owned(), words };
    let folder = manifest.parent().unwrap_or(Path::new("/"));
    let metadata = metadata(root, manifest, cargo).await?;
    let package = metadata.packages.iter().find(|package| package.manifest_path.as_std_path() == manifest);
    let package = package.ok_or_else(|| bad("cargo does not know this package".to_owned()))?;
    let mut surroundings = surroundings_of(package, root, folder);
    read_workspace(&metadata, &mut surroundings, &bad)?;
    Ok(surroundings)
}

/// What the workspace's own folder holds for all its packages: the lock file and `[patch]`.
fn read_workspace(
    metadata: &Metadata,
    surroundings: &mut Surroundings,
    bad: &dyn Fn(String) -> BuildError,
) -> Result<(), BuildError> {
    let workspace = metadata.workspace_root.as_std_path();
    let lock = workspace.join("Cargo.lock");
    let manifest = workspace.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).map_err(|error| bad(error.to_string()))?;
    let mut table: Table = text.parse().map_err(|error: toml::de::Error| bad(error.to_string()))?;
    surroundings.declared.patch = patch_of(&mut table, workspace);
    if let Some(script) = &mut surroundings.script {
        script.place(workspace);
    }
    surroundings.consulted.extend([lock.clone(), manifest]);
    surroundings.lock = lock.is_file().then_some(lock);
    Ok(())
}

fn surroundings_of(package: &Package, root: &Path, folder: &Path) -> Surroundings {
    let (features, extra) = features_of(package);
    let below = root.strip_prefix(folder).ok().and_then(|path| path.components().next());
    let is_development =
        below.is_some_and(|first| ["examples", "tests", "benches"].iter().any(|name| first.as_os_str() == *name));
    let counts = |kind| kind == DependencyKind::Normal || (is_development && kind == DependencyKind::Development);
    let mut dependencies: Vec<Dependency> = Vec::new();
    for declared in package.dependencies.iter().filter(|dependency| counts(dependency.kind)) {
        let mut dependency = dependency_of(declared);
        let more = extra.get(&dependency.key);
        add_features(&mut dependency, more.into_iter().flatten());
        // A normal dependency may be declared for development once more, with more features.
        match dependencies.iter_mut().find(|known| known.key == dependency.key && known.target == dependency.target) {
            Some(known) => {
                let more = features_in(&dependency);
                add_features(known, more.iter());
            }
            None => dependencies.push(dependency),
        }
    }
    let own = package.targets.iter().find(|target| target.is_lib()).map(|target| Dependency {
        key: target.name.replace('-', "_"),
        value: Table::from_iter([
            ("path".to_owned(), Value::from(folder.display().to_string())),
            ("package".to_owned(), Value::from(package.name.to_string())),
        ]),
        target: None,
    });
    let declared = Declared { edition: package.edition.to_string(), dependencies, patch: None, own, is_alone: false };
    Surroundings {
        declared,
        lock: None,
        features,
        environment: environment_of(package, folder),
        consulted: BTreeSet::new(),
        script: script_of(package, folder),
    }
}

fn script_of(package: &Package, folder: &Path) -> Option<Script> {
    let script = package.targets.iter().find(|target| target.is_custom_build())?;
    let mut described = Table::new();
    let mut set = |key: &str, value: &str| described.insert(key.to_owned(), value.into());
    set("name", package.name.as_str());
    set("version", &package.version.to_string());
    set("build", script.src_path.strip_prefix(folder.to_str()?).unwrap_or(&script.src_path).as_str());
    if let Some(links) = &package.links {
        set("links", links);
    }
    let build = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Build);
    let build = build.map(dependency_of).map(|dependency| (dependency.key, Value::Table(dependency.value))).collect();
    let plain = |implied: &Vec<String>| {
        let own = implied.iter().filter(|name| package.features.contains_key(*name));
        Value::Array(own.map(|name| name.as_str().into()).collect())
    };
    let features = package.features.iter().map(|(name, implied)| (name.clone(), plain(implied))).collect();
    Some(Script::new(package.name.to_string(), folder, described, package.edition.to_string(), build, features))
}

fn dependency_of(declared: &cargo_metadata::Dependency) -> Dependency {
    let mut value = Table::new();
    let mut set = |key: &str, it: Value| value.insert(key.to_owned(), it);
    if let Some(path) = &declared.path {
        set("path", path.as_str().into());
    } else if let Some((git, reference)) = declared.source.as_ref().and_then(|source| git_of(&source.repr)) {
        set("git", git.into());
        if let Some((kind, name)) = reference {
            set(&kind, name.into());
        }
    } else {
        set("version", declared.req.to_string().into());
    }
    if let Some(registry) = &declared.registry {
        set("registry-index", registry.as_str().into());
    }
    if declared.rename.is_some() {
        set("package", declared.name.as_str().into());
    }
    if !declared.uses_default_features {
        set("default-features", false.into());
    }
    let key = declared.rename.clone().unwrap_or_else(|| declared.name.clone());
    let mut dependency = Dependency { key, value, target: declared.target.as_ref().map(ToString::to_string) };
    add_features(&mut dependency, declared.features.iter());
    dependency
}

/// The parts of a source like `git+https://host/x?branch=main`.
fn git_of(source: &str) -> Option<(String, Option<(String, String)>)> {
    let source = source.strip_prefix("git+")?;
    let source = source.split('#').next().unwrap_or(source);
    let Some((url, query)) = source.split_once('?') else { return Some((source.to_owned(), None)) };
    let (kind, name) = query.split_once('=')?;
    Some((url.to_owned(), Some((kind.to_owned(), unescape(name)))))
}

/// Takes `%2F` and the like back.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match code.filter(|_| *first == b'%') {
            Some(byte) => (bytes, rest) = ([bytes, vec![byte]].concat(), &tail[2..]),
            None => (bytes, rest) = ([bytes, vec![*first]].concat(), tail),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn features_in(dependency: &Dependency) -> Vec<String> {
    let list = dependency.value.get("features").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn add_features<'a>(dependency: &mut Dependency, more: impl Iterator<Item = &'a String>) {
    let mut all: BTreeSet<String> = features_in(dependency).into_iter().collect();
    all.extend(more.cloned());
    if !all.is_empty() {
        let list = all.into_iter().map(Value::String).collect();
        dependency.value.insert("features".to_owned(), Value::Array(list));
    }
}

/// The features that are on by default, and those they turn on in dependencies.
fn features_of(package: &Package) -> (BTreeSet<String>, BTreeMap<String, BTreeSet<String>>) {
    let (mut on, mut extra) = (BTreeSet::new(), BTreeMap::<String, BTreeSet<String>>::new());
    let mut waiting = vec!["default".to_owned()];
    while let Some(name) = waiting.pop() {
        if let Some((dependency, feature)) = name.split_once('/') {
            extra.entry(dependency.trim_end_matches('?').to_owned()).or_default().insert(feature.to_owned());
        } else if let Some(implied) = package.features.get(&name)
            && on.insert(name)
        {
            waiting.extend(implied.iter().cloned());
        }
    }
    (on, extra)
}

pub(crate) fn environment_of(package: &Package, folder: &Path) -> BTreeMap<String, String> {
    let version = &package.version;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let path = |value: &Option<cargo_metadata::camino::Utf8PathBuf>| {
        value.as_ref().map(ToString::to_string).unwrap_or_default()
    };
    let pairs = [
        ("NAME", package.name.to_string()),
        ("VERSION", version.to_string()),
        ("VERSION_MAJOR", version.major.to_string()),
        ("VERSION_MINOR", version.minor.to_string()),
        ("VERSION_PATCH", version.patch.to_string()),
        ("VERSION_PRE", version.pre.to_string()),
        ("AUTHORS", package.authors.join(":")),
        ("DESCRIPTION", text(&package.description)),
        ("HOMEPAGE", text(&package.homepage)),
        ("REPOSITORY", text(&package.repository)),
        ("LICENSE", text(&package.license)),
        ("LICENSE_FILE", path(&package.license_file)),
        ("README", path(&package.readme)),
        ("RUST_VERSION", package.rust_version.as_ref().map(ToString::to_string).unwrap_or_default()),
    ];
    let mut environment: BTreeMap<String, String> =
        pairs.into_iter().map(|(name, value)| (format!("CARGO_PKG_{name}"), value)).collect();
    environment.insert("CARGO_MANIFEST_DIR".to_owned(), folder.display().to_string());
    environment.insert("CARGO_MANIFEST_PATH".to_owned(), package.manifest_path.to_string());
    environment
}
