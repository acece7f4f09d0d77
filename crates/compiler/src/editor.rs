//! What rust-analyzer has to know of a file that no Cargo package has: its crates, as `rust-project.json` names them.
//!
//! A crate is checked by cargo once, for its build scripts and macros. The editor reads sources from there on.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use app::App;
use cargo_metadata::{CrateType, DependencyKind, Message, Metadata, MetadataCommand, Package, PackageId, Target};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::dependencies::Workshop;
use crate::error::{BuildError, io};
use crate::package::{self, Surroundings};
use crate::{carried, files, hash, manifest};

/// The package that stands for the file when cargo is asked about its dependencies.
const STAND_IN: &str = "dyninka_editor";

/// What rust-analyzer reads as `rust-project.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditorProject {
    pub sysroot: PathBuf,
    /// Sources of the standard library, where they are on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sysroot_src: Option<PathBuf>,
    /// Each after those that it depends on.
    pub crates: Vec<EditorCrate>,
}

/// A crate of an [`EditorProject`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditorCrate {
    pub display_name: String,
    pub root_module: PathBuf,
    pub edition: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    pub deps: Vec<EditorDependency>,
    pub is_workspace_member: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<EditorSource>,
    pub cfg: Vec<String>,
    pub env: BTreeMap<String, String>,
    #[serde(default)]
    pub is_proc_macro: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proc_macro_dylib_path: Option<PathBuf>,
}

/// A crate that another one uses, by its number and the name it has there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditorDependency {
    #[serde(rename = "crate")]
    pub number: usize,
    pub name: String,
}

/// Folders of a crate's sources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditorSource {
    pub include_dirs: Vec<PathBuf>,
    pub exclude_dirs: Vec<PathBuf>,
}

impl EditorProject {
    /// Takes in the crates of another file; those that both have are there once.
    pub fn merge(&mut self, other: Self) {
        let mut numbers = Vec::new();
        for mut each in other.crates {
            for dependency in &mut each.deps {
                dependency.number = numbers[dependency.number];
            }
            let known = self.crates.iter().position(|known| *known == each);
            numbers.push(known.unwrap_or(self.crates.len()));
            if known.is_none() {
                self.crates.push(each);
            }
        }
    }

    /// Root files of apps, as [`Self`] names them. None where this was not made here.
    pub fn apps(&self) -> Option<Vec<&Path>> {
        let runtime = self.crates.iter().any(|each| each.display_name == "dyninka");
        let apps = self.crates.iter().filter(|each| each.is_workspace_member);
        runtime.then(|| apps.map(|each| each.root_module.as_path()).collect())
    }
}

/// The Cargo package a file belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPackage {
    pub manifest: PathBuf,
    /// Whether the file is the root of one of its crates.
    pub is_target: bool,
    /// The path by which it depends on `dyninka`, where it does by one.
    pub runtime: Option<PathBuf>,
}

/// How an editor gets to know a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Editor {
    /// By the package it is in.
    Package(OwnPackage),
    /// By a `rust-project.json`.
    Lone(EditorProject),
}

/// What cargo said of packages while it checked them.
#[derive(Default)]
struct Said {
    macros: HashMap<PackageId, PathBuf>,
    scripts: HashMap<PackageId, cargo_metadata::BuildScript>,
}

impl Workshop<'_> {
    /// What an editor needs to know of the app.
    pub(crate) async fn editor(&self, app: &App) -> Result<Editor, BuildError> {
        let folder = self.root.parent().unwrap_or(Path::new("/"));
        if app.frontmatter.is_none()
            && let Some(manifest) = package::nearest(folder)
        {
            return Ok(Editor::Package(self.own_package(manifest).await?));
        }
        let surroundings = package::read(self.root, app.frontmatter.as_deref(), &self.cargo()).await?;
        let folder = self.lay_out_for_editor(app, &surroundings)?;
        let (manifest, target) = (folder.join("Cargo.toml"), self.target());
        let (manifest, target) = (manifest.display().to_string(), target.display().to_string());
        let mut arguments = vec!["check", "--release", "--message-format=json", "--manifest-path", &manifest];
        arguments.extend(["--target-dir", &target, "--target", &self.toolchain.host]);
        let checked = self.cargo_offline_first(&arguments, &folder).await?;
        self.mark_used();
        let said = Said::read(&checked.stdout)?;
        let mut arguments = vec!["metadata", "--format-version=1", "--filter-platform", &self.toolchain.host];
        arguments.extend(["--manifest-path", &manifest]);
        let described = self.cargo_offline_first(&arguments, &folder).await?;
        let metadata = read_metadata(&described.stdout)?;
        let mut crates = Crates { metadata: &metadata, said: &said, numbers: HashMap::new(), crates: Vec::new() };
        let deps = crates.dependencies_of(self.stand_in(&metadata)?, &|_| true);
        let mut crates = crates.crates;
        crates.push(self.root_crate(app, &surroundings, deps));
        Ok(Editor::Lone(EditorProject {
            sysroot: self.toolchain.sysroot.clone(),
            sysroot_src: sources_of_std(&self.toolchain.sysroot),
            crates,
        }))
    }

    async fn own_package(&self, manifest: PathBuf) -> Result<OwnPackage, BuildError> {
        let metadata = package::metadata(self.root, &manifest, &self.cargo()).await?;
        let package = metadata.packages.iter().find(|package| package.manifest_path.as_std_path() == manifest);
        let is_target = package.is_some_and(|package| {
            let mut files = package.targets.iter().map(|target| target.src_path.as_std_path());
            files.any(|file| file.canonicalize().is_ok_and(|file| file == self.root))
        });
        let runtime = package.and_then(|package| {
            let runtime = package.dependencies.iter().find(|dependency| dependency.name == "dyninka")?;
            runtime.path.as_ref().map(|path| path.as_std_path().to_owned())
        });
        Ok(OwnPackage { manifest, is_target, runtime })
    }

    /// Writes a package with all that the file may use.
    fn lay_out_for_editor(&self, app: &App, surroundings: &Surroundings) -> Result<PathBuf, BuildError> {
        let runtime = carried::unpack(self.cache)?;
        let declared = &surroundings.declared;
        let mut crates = app.crates.clone();
        crates.extend(declared.dependencies.iter().map(manifest::Dependency::name));
        let text = manifest::write(declared, &crates, &runtime, true, None).text;
        let unreadable = |error: toml::de::Error| BuildError::Unreadable {
            program: "the manifest".to_owned(),
            words: error.to_string(),
        };
        let mut table: Table = text.parse().map_err(unreadable)?;
        let mut set = |path: [&str; 2], value: Value| {
            if let Some(Value::Table(part)) = table.get_mut(path[0]) {
                part.insert(path[1].to_owned(), value);
            }
        };
        // With its macros: an editor expands what `dyn` reads by itself.
        let runtime = Table::from_iter([("path".to_owned(), runtime.display().to_string().into())]);
        set(["dependencies", "dyninka"], Value::Table(runtime));
        set(["package", "name"], STAND_IN.into());
        set(["lib", "crate-type"], Value::Array(vec!["lib".into()]));
        let text = table.to_string();
        let key = hash::parts([text.as_bytes(), self.toolchain.identity.as_bytes()]);
        let folder = self.cache.join("editor").join(key);
        files::write_changed(&folder.join("Cargo.toml"), text.as_bytes())?;
        files::write_changed(&folder.join("src/lib.rs"), b"")?;
        let lock = folder.join("Cargo.lock");
        if !lock.exists() {
            self.seed(&folder, &lock, None)?;
        }
        Ok(folder)
    }

    fn stand_in<'m>(&self, metadata: &'m Metadata) -> Result<&'m PackageId, BuildError> {
        let package = metadata.packages.iter().find(|package| package.name.as_str() == STAND_IN);
        package.map(|package| &package.id).ok_or_else(|| BuildError::Unreadable {
            program: "cargo metadata".to_owned(),
            words: format!("it does not list {STAND_IN}"),
        })
    }

    fn root_crate(&self, app: &App, surroundings: &Surroundings, deps: Vec<EditorDependency>) -> EditorCrate {
        EditorCrate {
            display_name: app.name.clone(),
            root_module: self.root.to_owned(),
            edition: surroundings.declared.edition.clone(),
            version: None,
            deps,
            is_workspace_member: true,
            source: None,
            cfg: vec!["debug_assertions".to_owned(), "test".to_owned()],
            env: surroundings.environment.clone(),
            is_proc_macro: false,
            proc_macro_dylib_path: None,
        }
    }
}

impl Said {
    fn read(messages: &str) -> Result<Self, BuildError> {
        let mut said = Self::default();
        for message in Message::parse_stream(Cursor::new(messages)) {
            let unreadable = |error: std::io::Error| BuildError::Unreadable {
                program: "cargo".to_owned(),
                words: error.to_string(),
            };
            match message.map_err(unreadable)? {
                Message::CompilerArtifact(made) if is_macro(&made.target) => {
                    let dylib =
                        made.filenames.iter().find(|file| file.extension() == Some(std::env::consts::DLL_EXTENSION));
                    said.macros.extend(dylib.map(|file| (made.package_id.clone(), file.clone().into_std_path_buf())));
                }
                Message::BuildScriptExecuted(script) => {
                    said.scripts.insert(script.package_id.clone(), script);
                }
                _ => {}
            }
        }
        Ok(said)
    }
}

/// Crates in the order of their dependencies.
struct Crates<'m> {
    metadata: &'m Metadata,
    said: &'m Said,
    numbers: HashMap<&'m PackageId, usize>,
    crates: Vec<EditorCrate>,
}

impl<'m> Crates<'m> {
    /// What a package uses, each listed before.
    fn dependencies_of(&mut self, id: &PackageId, counts: &dyn Fn(&str) -> bool) -> Vec<EditorDependency> {
        let nodes = self.metadata.resolve.as_ref().map(|resolve| &resolve.nodes);
        let node = nodes.and_then(|nodes| nodes.iter().find(|node| node.id == *id));
        let Some(node) = node else { return Vec::new() };
        let normal = node.deps.iter().filter(|dependency| {
            counts(&dependency.name) && dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal)
        });
        let named = normal.filter_map(|dependency| {
            Some(EditorDependency { number: self.number(&dependency.pkg)?, name: dependency.name.clone() })
        });
        named.collect()
    }

    fn number(&mut self, id: &'m PackageId) -> Option<usize> {
        if let Some(number) = self.numbers.get(id) {
            return Some(*number);
        }
        let package = self.metadata.packages.iter().find(|package| package.id == *id)?;
        let target = package.targets.iter().find(|target| target.is_lib() || target.is_rlib() || is_macro(target))?;
        // A macro runs; nobody completes in what it is made of.
        let is_proc_macro = is_macro(target);
        let deps = self.dependencies_of(id, &|_| !is_proc_macro);
        let made = self.one(package, target, deps);
        self.numbers.insert(id, self.crates.len());
        self.crates.push(made);
        Some(self.crates.len() - 1)
    }

    fn one(&self, package: &Package, target: &Target, deps: Vec<EditorDependency>) -> EditorCrate {
        let folder = package.manifest_path.as_std_path().parent().unwrap_or(Path::new("/"));
        let script = self.said.scripts.get(&package.id);
        let nodes = self.metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
        let features = nodes.filter(|node| node.id == package.id).flat_map(|node| &node.features);
        let features = features.map(|feature| format!("feature={:?}", feature.to_string()));
        let mut env = package::environment_of(package, folder);
        let mut include_dirs = vec![folder.to_owned()];
        if let Some(script) = script {
            env.extend(script.env.iter().cloned());
            let out = script.out_dir.as_std_path().to_owned();
            env.insert("OUT_DIR".to_owned(), out.display().to_string());
            include_dirs.push(out);
        }
        EditorCrate {
            display_name: target.name.replace('-', "_"),
            root_module: target.src_path.as_std_path().to_owned(),
            edition: target.edition.to_string(),
            version: Some(package.version.to_string()),
            deps,
            is_workspace_member: false,
            source: Some(EditorSource {
                include_dirs,
                exclude_dirs: ["tests", "examples", "benches"].map(|name| folder.join(name)).to_vec(),
            }),
            cfg: features.chain(script.into_iter().flat_map(|script| script.cfgs.clone())).collect(),
            env,
            is_proc_macro: is_macro(target),
            proc_macro_dylib_path: self.said.macros.get(&package.id).cloned(),
        }
    }
}

fn is_macro(target: &Target) -> bool {
    target.crate_types.contains(&CrateType::ProcMacro)
}

fn read_metadata(text: &str) -> Result<Metadata, BuildError> {
    MetadataCommand::parse(text)
        .map_err(|error| BuildError::Unreadable { program: "cargo metadata".to_owned(), words: error.to_string() })
}

/// Where the sources of the standard library are: where `RUST_SRC_PATH` says, as rust-analyzer reads it, or with the
/// toolchain.
fn sources_of_std(sysroot: &Path) -> Option<PathBuf> {
    let said = std::env::var_os("RUST_SRC_PATH").map(PathBuf::from);
    let own = sysroot.join("lib/rustlib/src/rust/library");
    said.into_iter().chain([own]).find(|folder| folder.join("core/src/lib.rs").is_file())
}

/// Reads a `rust-project.json`. None where there is none.
pub fn read_project(file: &Path) -> Result<Option<EditorProject>, BuildError> {
    let text = match fs::read(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(io("read", file))?,
    };
    let read = serde_json::from_slice(&text);
    read.map(Some)
        .map_err(|error| BuildError::Unreadable { program: file.display().to_string(), words: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, deps: &[usize]) -> EditorCrate {
        EditorCrate {
            display_name: name.to_owned(),
            root_module: format!("/{name}.rs").into(),
            edition: "2024".to_owned(),
            version: None,
            deps: deps.iter().map(|&number| EditorDependency { number, name: number.to_string() }).collect(),
            is_workspace_member: name.starts_with("app"),
            source: None,
            cfg: Vec::new(),
            env: BTreeMap::new(),
            is_proc_macro: false,
            proc_macro_dylib_path: None,
        }
    }

    fn project(crates: Vec<EditorCrate>) -> EditorProject {
        EditorProject { sysroot: "/rust".into(), sysroot_src: None, crates }
    }

    #[test]
    fn merged_projects_have_common_crates_once() {
        let mut first = project(vec![one("serde", &[]), one("dyninka", &[0]), one("app_a", &[0, 1])]);
        first.merge(project(vec![one("libc", &[]), one("serde", &[]), one("app_b", &[0, 1])]));
        let names: Vec<&str> = first.crates.iter().map(|each| each.display_name.as_str()).collect();
        assert_eq!(names, ["serde", "dyninka", "app_a", "libc", "app_b"]);
        let numbers: Vec<usize> = first.crates[4].deps.iter().map(|dependency| dependency.number).collect();
        assert_eq!(numbers, [3, 0]);
        assert_eq!(first.apps(), Some(vec![Path::new("/app_a.rs"), Path::new("/app_b.rs")]));
    }

    #[test]
    fn a_project_without_the_runtime_is_somebody_elses() {
        assert_eq!(project(vec![one("app", &[])]).apps(), None);
    }
}
