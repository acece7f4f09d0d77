//! `dyn ide`: the project file of a folder of lone files, and what it says of packages.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;
use support::dyn_command;

fn dyn_in(folder: &Path, arguments: &[&str]) -> Output {
    dyn_command().args(arguments).current_dir(folder).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn ide_names_every_app_of_a_folder_once() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["plant.rs", "shop.rs", "plant.rs"] {
        if !folder.path().join(file).exists() {
            assert!(dyn_in(folder.path(), &["new", file]).status.success());
        }
        let output = dyn_in(folder.path(), &["ide", file]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let project = fs::read(folder.path().join("rust-project.json")).unwrap();
    let project: Value = serde_json::from_slice(&project).unwrap();
    let crates = project["crates"].as_array().unwrap();
    let count = |name: &str| crates.iter().filter(|each| each["display_name"] == name).count();
    for name in ["plant", "shop", "dyninka", "serde", "serde_json"] {
        assert_eq!(count(name), 1, "{name}");
    }
    // Macros are compiled, and sources are there.
    for each in crates {
        assert!(Path::new(each["root_module"].as_str().unwrap()).is_file(), "{each}");
        if each["is_proc_macro"] == true {
            assert!(Path::new(each["proc_macro_dylib_path"].as_str().unwrap()).is_file(), "{each}");
        }
    }
    let leftover = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(leftover, 3, "two apps and the project");
}

#[test]
fn ide_leaves_a_project_of_somebody_elses_alone() {
    let folder = tempfile::tempdir().unwrap();
    assert!(dyn_in(folder.path(), &["new", "app.rs"]).status.success());
    let project = folder.path().join("rust-project.json");
    for text in ["{}", r#"{"sysroot": "/x", "crates": []}"#] {
        fs::write(&project, text).unwrap();
        let output = dyn_in(folder.path(), &["ide"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("rust-project.json is not of `dyn ide`"), "{}", stderr(&output));
        assert_eq!(fs::read_to_string(&project).unwrap(), text);
    }
}

#[test]
fn ide_writes_nothing_for_a_package_and_names_a_runtime_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    assert!(dyn_in(folder.path(), &["new", "plant"]).status.success());
    let package = folder.path().join("plant");
    let output = dyn_in(&package, &["ide"]);
    assert!(output.status.success() && stderr(&output).contains("nothing to write"), "{}", stderr(&output));
    assert!(!package.join("rust-project.json").exists());
    let other = package.join("other.rs");
    fs::copy(package.join("app.rs"), &other).unwrap();
    let output = dyn_in(&package, &["ide", "other.rs"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("no target for other.rs"), "{}", stderr(&output));
    // As a colleague gets it.
    let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap();
    let line = manifest.lines().find(|line| line.starts_with("dyninka")).unwrap();
    fs::write(package.join("Cargo.toml"), manifest.replace(line, r#"dyninka = { path = "/nowhere/runtime" }"#))
        .unwrap();
    let output = dyn_in(&package, &["ide"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("/nowhere/runtime") && stderr(&output).contains(line), "{}", stderr(&output));
}
