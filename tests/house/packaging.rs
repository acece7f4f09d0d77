//! Packages: their files parse, and name what is there.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use cargo_metadata::MetadataCommand;
use toml::{Table, Value};

use super::documents::root;

pub(crate) fn toml(name: &str) -> Table {
    let text = fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    text.parse().unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub(crate) fn at<'t>(table: &'t Table, path: &[&str]) -> &'t Value {
    let (first, rest) = path.split_first().expect("a path");
    let value = table.get(*first).unwrap_or_else(|| panic!("no {first} in {table:?}"));
    rest.iter().fold(value, |value, name| value.get(name).unwrap_or_else(|| panic!("no {name} in {value:?}")))
}

#[test]
fn the_debian_package_names_files_that_are_there() {
    let manifest = toml("Cargo.toml");
    let assets = at(&manifest, &["package", "metadata", "deb", "assets"]).as_array().expect("a list");
    for asset in assets {
        let source = asset[0].as_str().expect("a source");
        let is_program = source == "target/release/dyn";
        assert!(is_program || root().join(source).is_file(), "{source}");
    }
    let program = at(&manifest, &["bin"])[0]["name"].as_str();
    assert_eq!(program, Some("dyn"));
}

#[test]
fn dist_builds_dyn_alone_for_linux() {
    let dist = toml("dist-workspace.toml");
    let targets = at(&dist, &["dist", "targets"]).as_array().expect("a list");
    assert!(targets.iter().all(|target| target.as_str().is_some_and(|target| target.contains("linux"))));
    let manifest = toml("Cargo.toml");
    assert_eq!(at(&manifest, &["profile", "dist", "inherits"]).as_str(), Some("release"));
    assert_eq!(at(&manifest, &["profile", "release", "strip"]).as_bool(), Some(true));
    assert_eq!(at(&manifest, &["package", "metadata", "dist", "dist"]).as_bool(), Some(true));
}

/// Nix itself is asked where it is there.
#[test]
fn the_flake_reads_files_that_are_there() {
    let text = fs::read_to_string(root().join("flake.nix")).expect("flake.nix");
    let named = text.split_whitespace().filter_map(|word| word.trim_end_matches(';').strip_prefix("./"));
    let named: BTreeSet<&str> = named.collect();
    assert_eq!(named, BTreeSet::from(["Cargo.lock", "Cargo.toml"]));
    assert!(named.iter().all(|file| root().join(file).is_file()));
    for (open, close) in [('{', '}'), ('[', ']'), ('(', ')')] {
        let count = |bracket: char| text.matches(bracket).count();
        assert_eq!(count(open), count(close), "{open}{close}");
    }
    if let Ok(output) = Command::new("nix-instantiate").args(["--parse", "flake.nix"]).current_dir(root()).output() {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_runtime_alone_is_published_in_the_version_of_the_workspace() {
    let metadata = MetadataCommand::new().no_deps().other_options(["--offline".to_owned()]).exec().expect("cargo");
    let published = metadata.packages.iter().filter(|package| package.publish.is_none());
    let published: BTreeSet<String> = published.map(|package| package.name.to_string()).collect();
    assert_eq!(published, BTreeSet::from(["dyninka", "dyninka-macros"].map(str::to_owned)));
    let versions: BTreeSet<String> = metadata.packages.iter().map(|package| package.version.to_string()).collect();
    assert_eq!(versions.len(), 1, "{versions:?}");
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).expect("CHANGELOG.md");
    let version = versions.first().expect("a version");
    assert!(changelog.contains(&format!("\n## {version} ")), "the changelog has no {version}");
}

/// What `cargo publish` would send builds from what it would send.
#[test]
fn the_runtime_is_packaged_with_all_that_it_builds_from() {
    for name in ["dyninka", "dyninka-macros"] {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["package", "--list", "--allow-dirty", "--offline", "-p", name]).current_dir(root());
        let output = cargo.output().expect("cargo");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let files = String::from_utf8_lossy(&output.stdout).into_owned();
        for file in ["Cargo.toml", "README.md", "src/lib.rs"] {
            assert!(files.lines().any(|line| line == file), "{name} lacks {file}: {files}");
        }
    }
}

/// Cargo itself only warns of a profile of a crate that is not there.
#[test]
fn crates_that_are_optimised_in_a_dev_build_are_in_the_lock_file() {
    let lock = toml("Cargo.lock");
    let locked: BTreeSet<&str> = at(&lock, &["package"])
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|package| package["name"].as_str())
        .collect();
    let manifest = toml("Cargo.toml");
    let optimised = at(&manifest, &["profile", "dev", "package"]).as_table().expect("a table");
    assert!(optimised.len() > 40, "{optimised:?}");
    for name in optimised.keys() {
        assert!(locked.contains(name.as_str()), "{name} is in no build any more: take its profile out of Cargo.toml");
    }
}

/// Versions of `idna_adapter` from 1.2 on bring 22 crates into every build, for what 1.1 does with four
/// (docs/decisions/0056-first-build.md). `cargo update -p idna_adapter --precise 1.1.0` brings it back.
#[test]
fn names_of_hosts_are_normalised_by_few_crates() {
    let lock = toml("Cargo.lock");
    let packages = at(&lock, &["package"]).as_array().expect("a list");
    let versions = |name: &str| -> Vec<&str> {
        let named = packages.iter().filter(|package| package["name"].as_str() == Some(name));
        named.filter_map(|package| package["version"].as_str()).collect()
    };
    assert_eq!(versions("idna_adapter"), ["1.1.0"]);
    assert_eq!(versions("icu_normalizer"), [""; 0]);
}

#[test]
fn other_systems_than_linux_are_refused_in_words() {
    for (file, words) in
        [("build.rs", "dyn runs on Linux only"), ("src/main.rs", "compile_error!(\"dyn runs on Linux only")]
    {
        assert!(fs::read_to_string(root().join(file)).expect(file).contains(words), "{file}");
    }
}
