//! Features that contributors leave out: each alone compiles, and a build without says so where somebody asks for it.

use std::process::Command;

use super::documents::root;
use super::packaging::{at, toml};

/// Commands of features, which every build knows.
const ASKED: [(&str, &[&str]); 4] = [
    ("cluster", &["push", "examples/building.rs"]),
    ("mcp", &["mcp", "examples/building.rs"]),
    ("nodes", &["nodes"]),
    ("web", &["ui", "examples/building.rs"]),
];

/// Cargo on `dyn` without the features that are on by default.
fn cargo(action: &str) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([action, "--quiet", "--bin", "dyn", "--no-default-features"]).current_dir(root());
    // Of the cargo that runs this test.
    for name in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH"] {
        cargo.env_remove(name);
    }
    // Other tests start the `dyn` that stands in cargo's own folder.
    cargo.env("CARGO_TARGET_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/features"));
    // Where features of all crates are one set, nothing is left out.
    cargo.env_remove("CARGO_RESOLVER_FEATURE_UNIFICATION");
    cargo
}

#[test]
#[ignore = "long: several minutes, a build without the features and a check of each alone"]
fn each_feature_compiles_alone_and_a_build_without_it_says_so() {
    let manifest = toml("Cargo.toml");
    let features = at(&manifest, &["features"]).as_table().expect("a table").keys().filter(|name| *name != "default");
    let features: Vec<&String> = features.collect();
    assert!(ASKED.iter().all(|(feature, _)| features.iter().any(|known| known == feature)), "{features:?}");
    for feature in features {
        let checked = cargo("check").args(["--features", feature]).output().expect("cargo");
        let words = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(checked.status.success() && !words.contains("warning"), "{feature}: {words}");
    }
    for (feature, arguments) in ASKED {
        let refused = cargo("run").arg("--").args(arguments).output().expect("cargo");
        let words = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{feature}: {words}");
        assert!(words.contains(&format!("this dyn was built without the feature `{feature}`")), "{feature}: {words}");
        assert!(words.contains("cargo install --path ."), "{feature}: {words}");
    }
}
