//! `dyn new`: what it writes builds, and what it refuses leaves nothing behind.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use support::{dyn_command, home};

const TEMPLATES: [&str; 3] = ["minimal", "stream", "api"];

fn dyn_in(folder: &Path, arguments: &[&str]) -> Output {
    dyn_command().args(arguments).current_dir(folder).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Cargo in a package, without the network. What it builds is kept for the next run of this test.
fn cargo(folder: &Path, arguments: &[&str]) -> Output {
    let target = home().join("../new-target");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(arguments).arg("--offline").current_dir(folder).env("CARGO_TARGET_DIR", target);
    // Of the cargo that runs this test.
    for name in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH"] {
        cargo.env_remove(name);
    }
    cargo.output().unwrap()
}

#[test]
fn new_package_of_each_template_checks_and_its_tests_pass() {
    let folder = tempfile::tempdir().unwrap();
    for template in TEMPLATES {
        let output = dyn_in(folder.path(), &["new", template, "--template", template]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stderr(&output).contains(&format!("cd {template} && dyn dev")), "{}", stderr(&output));
        let package = folder.path().join(template);
        let checked = dyn_in(&package, &["check"]);
        assert!(checked.status.success() && stderr(&checked).contains("3 services"), "{}", stderr(&checked));
        let tested = cargo(&package, &["test"]);
        let words = String::from_utf8_lossy(&tested.stdout).into_owned();
        assert!(tested.status.success() && words.contains("2 passed"), "{words}{}", stderr(&tested));
        let ran = cargo(&package, &["run", "--quiet"]);
        assert!(ran.status.success(), "{}", stderr(&ran));
        for file in ["settings.json", "extensions.json", "tasks.json", "launch.json"] {
            let text = fs::read(package.join(".vscode").join(file)).unwrap();
            assert!(serde_json::from_slice::<serde_json::Value>(&text).is_ok(), "{file}");
        }
        let schema = fs::read(package.join("dyn.schema.json")).unwrap();
        assert!(schema == dyn_in(&package, &["schema"]).stdout, "an editor has the keys that this dyn knows");
        let ignored = fs::read_to_string(package.join(".gitignore")).unwrap();
        assert!(ignored.contains("/target") && ignored.contains("/.secrets.toml"), "{ignored}");
    }
}

#[test]
fn new_file_of_each_template_checks() {
    let folder = tempfile::tempdir().unwrap();
    for template in TEMPLATES {
        let file = format!("{template}.rs");
        assert!(dyn_in(folder.path(), &["new", &file, "--template", template]).status.success());
        let checked = dyn_in(folder.path(), &["check", &file]);
        assert!(checked.status.success(), "{}", stderr(&checked));
    }
    let files = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, TEMPLATES.len(), "one file each");
}

#[test]
fn templates_are_laid_out_as_rustfmt_does() {
    let folder = tempfile::tempdir().unwrap();
    for template in TEMPLATES {
        assert!(dyn_in(folder.path(), &["new", template, "--template", template]).status.success());
        let package = folder.path().join(template);
        let files = ["app.rs", "tests.rs"];
        let mut rustfmt = Command::new("rustfmt");
        let output = rustfmt.args(["--edition=2024", "--check"]).args(files).current_dir(package).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn new_lists_its_templates() {
    let output = dyn_in(Path::new("/"), &["new", "--list"]);
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(words.lines().map(|line| line.split(' ').next().unwrap_or_default()).collect::<Vec<_>>(), TEMPLATES);
}

#[test]
fn new_package_of_the_published_runtime_names_its_version() {
    let folder = tempfile::tempdir().unwrap();
    assert!(dyn_in(folder.path(), &["new", "plant", "--published"]).status.success());
    let manifest = fs::read_to_string(folder.path().join("plant/Cargo.toml")).unwrap();
    assert!(manifest.contains(&format!("dyninka = \"{}\"", env!("CARGO_PKG_VERSION"))), "{manifest}");
    let refused = dyn_in(folder.path(), &["new", "plant.rs", "--published"]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn new_package_may_lie_in_an_empty_folder_and_below_another_package() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Cargo.toml"), "[workspace]\nmembers = []\n").unwrap();
    let package = folder.path().join("plant");
    fs::create_dir_all(package.join(".git")).unwrap();
    let output = dyn_in(&package, &["new", "."]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(package.join(".git").is_dir() && package.join("app.rs").is_file());
    let metadata = cargo(&package, &["metadata", "--no-deps", "--format-version=1"]);
    assert!(metadata.status.success(), "{}", stderr(&metadata));
}

#[test]
fn new_refuses_bad_names_and_suggests_good_ones() {
    let folder = tempfile::tempdir().unwrap();
    for (name, hint) in [
        ("has space", "dyn new has-space\n"),
        ("has space.rs", "dyn new has-space.rs\n"),
        ("1st", "dyn new app-1st\n"),
        ("match", "dyn new my-match\n"),
        ("serde", "dyn new my-serde\n"),
        ("my plants/a;b", "dyn new 'my plants/a-b'\n"),
    ] {
        let output = dyn_in(folder.path(), &["new", name]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(stderr(&output).contains("cannot be the name of"), "{}", stderr(&output));
        assert!(stderr(&output).contains(hint), "{}", stderr(&output));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was written");
}

#[test]
fn new_quotes_the_command_that_comes_next() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("my plants")).unwrap();
    let output = dyn_in(folder.path(), &["new", "my plants/north"]);
    assert!(stderr(&output).contains("cd 'my plants/north' && dyn dev"), "{}", stderr(&output));
    let output = dyn_in(folder.path(), &["new", "my plants/app.rs"]);
    assert!(stderr(&output).contains("dyn dev 'my plants/app.rs'"), "{}", stderr(&output));
}

#[test]
fn new_writes_nothing_where_something_is() {
    let folder = tempfile::tempdir().unwrap();
    let plant = folder.path().join("plant");
    fs::create_dir(&plant).unwrap();
    fs::write(plant.join("notes.txt"), "mine").unwrap();
    let output = dyn_in(folder.path(), &["new", "plant"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("is not empty: it holds notes.txt"), "{}", stderr(&output));
    assert_eq!(fs::read_dir(&plant).unwrap().count(), 1);
    for name in ["file", "file.rs"] {
        fs::write(folder.path().join(name), "mine").unwrap();
        let output = dyn_in(folder.path(), &["new", name]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), "mine");
    }
}

/// No user may write there, root included.
#[test]
fn new_names_a_folder_that_cannot_be_written() {
    for name in ["/sys/plant", "/sys/plant.rs"] {
        let output = dyn_in(Path::new("/"), &["new", name]);
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
        let words = stderr(&output);
        assert!(words.contains(&format!("cannot write {name}")) && words.contains("hint: "), "{words}");
    }
}
