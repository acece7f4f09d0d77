//! The manifest libraries' dependencies are built by: of what the user declares, what his code mentions.

use std::collections::BTreeSet;
use std::path::Path;

use toml::{Table, Value};

/// What is declared for a file, by its package, by its frontmatter, or by nobody.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declared {
    pub(crate) edition: String,
    pub(crate) dependencies: Vec<Dependency>,
    /// `[patch]`, its paths absolute.
    pub(crate) patch: Option<Table>,
    /// The library of the package itself, which its examples and binaries may use.
    pub(crate) own: Option<Dependency>,
    /// Nobody declares anything: what is commonly used is there when mentioned.
    pub(crate) is_alone: bool,
}

/// A dependency as it stands in a manifest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dependency {
    /// The name code uses, or the package's where that is not renamed.
    pub(crate) key: String,
    pub(crate) value: Table,
    /// The `cfg(…)` or triple it is declared for.
    pub(crate) target: Option<String>,
}

/// A manifest written by [`write()`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) text: String,
    /// Declared and not taken, by the names code would use.
    pub(crate) left_out: BTreeSet<String>,
    /// Whether something is taken that the runtime does not bring by itself.
    pub(crate) has_own: bool,
}

/// What the name of a crate starts with that stands for a service when cargo is asked how to compile one.
pub(crate) const LEAF: &str = "dyninka_leaf";

impl Manifest {
    /// The text with a name of the crate's own: cargo tells the root packages of one target folder apart by nothing
    /// else and takes one for another's fresh build.
    pub(crate) fn named(&self, key: &str) -> String {
        self.text.replace(&format!("\"{LEAF}\""), &format!("\"{LEAF}_{key}\""))
    }
}

/// The tokio a stand-alone file may use without a word: what the `tokio` that `dyn` itself is built with has, so
/// that it is there already where `dyn` was built.
const TOKIO: [&str; 10] =
    ["fs", "io-std", "io-util", "macros", "net", "process", "rt-multi-thread", "signal", "sync", "time"];

/// Writes the manifest for code that mentions `crates`. `script`: one more dependency, which no code names, the stand-in
/// whose build script is run.
pub(crate) fn write(
    declared: &Declared,
    crates: &BTreeSet<String>,
    runtime: &Path,
    with_tokio: bool,
    script: Option<&Dependency>,
) -> Manifest {
    let mut taken = take(declared, crates);
    let left_out: BTreeSet<String> = declared.dependencies.iter().map(Dependency::name).collect();
    let left_out =
        left_out.into_iter().filter(|name| !taken.iter().any(|dependency| dependency.name() == *name)).collect();
    taken.extend(declared.own.iter().filter(|own| crates.contains(&own.name())).cloned());
    if declared.is_alone && crates.contains("tokio") {
        taken.push(Dependency::new("tokio", &TOKIO));
    }
    let has_own = taken.iter().any(|dependency| !["serde", "serde_json"].contains(&dependency.name().as_str()));
    // Derived code names `serde` by itself, whether the source does or not.
    for (name, features) in [("serde", &["derive"][..]), ("serde_json", &[])] {
        if !taken.iter().any(|dependency| dependency.name() == name) {
            taken.push(Dependency::new(name, features));
        }
    }
    let mut dyninka = Dependency::new("dyninka", if with_tokio { &["tokio"] } else { &[] });
    dyninka.value.remove("version");
    dyninka.value.insert("path".to_owned(), runtime.display().to_string().into());
    dyninka.value.insert("default-features".to_owned(), false.into());
    taken.push(dyninka);
    taken.extend(script.cloned());
    Manifest { text: text(declared, taken), left_out, has_own }
}

/// Declared and mentioned. A crate's name in code need not be its package's (`md-5` is `md5`): where a mention fits
/// no name, everything that nothing else explains is kept, since leaving out too much would break the code.
fn take(declared: &Declared, crates: &BTreeSet<String>) -> Vec<Dependency> {
    let is_named = |dependency: &&Dependency| {
        let name = dependency.name();
        crates.contains(&name) || name == "serde" || name == "serde_json"
    };
    let usable = || declared.dependencies.iter().filter(|dependency| dependency.name() != "dyninka");
    let mut taken: Vec<Dependency> = usable().filter(is_named).cloned().collect();
    let own = declared.own.as_ref().map(Dependency::name);
    let explained =
        |name: &String| taken.iter().any(|dependency| dependency.name() == *name) || own.as_ref() == Some(name);
    let unexplained: Vec<&String> = crates.iter().filter(|name| !explained(name)).collect();
    if unexplained.is_empty() {
        return taken;
    }
    let squeezed = |name: &str| name.replace('_', "");
    let rest: Vec<&Dependency> = usable().filter(|dependency| !is_named(dependency)).collect();
    for name in unexplained {
        let alike = rest.iter().filter(|dependency| squeezed(&dependency.name()).contains(&squeezed(name)));
        let alike: Vec<_> = alike.map(|dependency| (*dependency).clone()).collect();
        if alike.is_empty() {
            return usable().cloned().collect();
        }
        for dependency in alike {
            if !taken.contains(&dependency) {
                taken.push(dependency);
            }
        }
    }
    taken
}

fn text(declared: &Declared, dependencies: Vec<Dependency>) -> String {
    let table = |pairs: Vec<(&str, Value)>| {
        Value::Table(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    };
    let mut manifest = Table::new();
    let package = vec![
        ("name", LEAF.into()),
        ("version", "0.0.0".into()),
        ("edition", declared.edition.as_str().into()),
        ("publish", false.into()),
    ];
    manifest.insert("package".to_owned(), table(package));
    manifest.insert(
        "lib".to_owned(),
        table(vec![("path", "src/lib.rs".into()), ("crate-type", Value::Array(vec!["cdylib".into()]))]),
    );
    manifest.insert("workspace".to_owned(), table(vec![("resolver", "2".into())]));
    // Optimised once, called at every request. Level 2 costs 4.2 s for serde, serde_json and serde_path_to_error
    // on 2 cores, level 1 4.1 s, level 3 5.3 s; macros and build scripts run a few times and are not optimised.
    let profile = vec![("opt-level", 2.into()), ("debug", false.into()), ("incremental", false.into())];
    manifest.insert("profile".to_owned(), table(vec![("release", table(profile))]));
    manifest.extend(declared.patch.iter().map(|patch| ("patch".to_owned(), Value::Table(patch.clone()))));
    let mut everywhere = Table::new();
    let mut somewhere = Table::new();
    for Dependency { key, value, target } in dependencies {
        let Some(target) = target else {
            everywhere.insert(key, Value::Table(value));
            continue;
        };
        let entry =
            somewhere.entry(target).or_insert_with(|| table(vec![("dependencies", Value::Table(Table::new()))]));
        if let Some(Value::Table(list)) = entry.get_mut("dependencies") {
            list.insert(key, Value::Table(value));
        }
    }
    manifest.insert("dependencies".to_owned(), Value::Table(everywhere));
    if !somewhere.is_empty() {
        manifest.insert("target".to_owned(), Value::Table(somewhere));
    }
    manifest.to_string()
}

impl Dependency {
    fn new(name: &str, features: &[&str]) -> Self {
        let mut value = Table::new();
        value.insert("version".to_owned(), "1".into());
        if !features.is_empty() {
            value.insert("features".to_owned(), Value::Array(features.iter().map(|&name| name.into()).collect()));
        }
        Self { key: name.to_owned(), value, target: None }
    }

    /// The name code uses, as far as the manifest tells.
    pub(crate) fn name(&self) -> String {
        self.key.replace('-', "_")
    }
}

/// Makes the `path` entries of a table of dependencies absolute.
pub(crate) fn anchor(dependencies: &mut Table, folder: &Path) {
    for (_, value) in dependencies.iter_mut() {
        if let Some(Value::String(path)) = value.get_mut("path") {
            *path = folder.join(&*path).display().to_string();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(names: &[&str]) -> Declared {
        let dependencies = names.iter().map(|name| Dependency::new(name, &[])).collect();
        Declared { edition: "2024".to_owned(), dependencies, ..Declared::default() }
    }

    fn crates(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn taken(declared: &Declared, mentioned: &[&str]) -> Vec<String> {
        take(declared, &crates(mentioned)).iter().map(Dependency::name).collect()
    }

    #[test]
    fn what_the_code_mentions_is_taken() {
        let declared = declared(&["serde", "rand-core", "tokio", "clap", "dyninka"]);
        assert_eq!(taken(&declared, &["rand_core"]), ["serde", "rand_core"]);
        let manifest = write(&declared, &crates(&["rand_core"]), Path::new("/runtime"), false, None);
        assert_eq!(manifest.left_out, crates(&["tokio", "clap"]).into_iter().chain(["dyninka".to_owned()]).collect());
    }

    #[test]
    fn a_name_that_is_not_its_packages_is_found() {
        let declared = declared(&["md-5", "clap"]);
        assert_eq!(taken(&declared, &["md5"]), ["md_5"]);
        assert_eq!(taken(&declared, &["something"]), ["md_5", "clap"]);
    }

    #[test]
    fn a_file_alone_has_what_is_commonly_used() {
        let alone = Declared { edition: "2024".to_owned(), is_alone: true, ..Declared::default() };
        let bare = write(&alone, &crates(&[]), Path::new("/runtime"), false, None);
        assert!(!bare.has_own);
        insta::assert_snapshot!(bare.text);
        let tokio = write(&alone, &crates(&["tokio"]), Path::new("/runtime"), true, None);
        assert!(tokio.has_own);
        assert!(tokio.text.contains("[dependencies.tokio]"), "{}", tokio.text);
    }

    #[test]
    fn dependencies_of_one_platform_stay_there() {
        let mut declared = declared(&["libc"]);
        declared.dependencies[0].target = Some("cfg(unix)".to_owned());
        let manifest = write(&declared, &crates(&["libc"]), Path::new("/runtime"), false, None);
        assert!(manifest.text.contains("[target.\"cfg(unix)\".dependencies.libc]"), "{}", manifest.text);
    }
}
