//! Every example says the same as a plain program and as services.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use support::session::{Client, Dev, example};

/// What the example prints when cargo runs it.
fn in_one_process(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Built with the whole workspace's features: most of it is there then.
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--workspace", "--example", name]).current_dir(folder);
    assert!(cargo.status().expect("cargo").success(), "the example {name} does not build");
    let program = std::env::current_exe().expect("this program");
    let program = program.parent().expect("its folder").with_file_name("examples").join(name);
    let buckets = tempfile::tempdir().expect("a folder");
    let output = Command::new(program).current_dir(folder).env("DYNINKA_BUCKETS", buckets.path()).output();
    let output = output.expect("the example");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn as_services(file: &Path) -> Value {
    let dev = Dev::start(file, "process");
    let answer = Client::default().get(&dev.url());
    assert_eq!(answer.status, 200, "{}", answer.body);
    dev.stop();
    answer.json()
}

#[test]
fn building() {
    assert_eq!(as_services(&example("building").1), in_one_process("building"));
}

#[test]
fn weather_with_two_inputs_fetched_at_the_same_time() {
    assert_eq!(as_services(&example("weather").1), in_one_process("weather"));
}

#[test]
fn pressure_with_a_call_in_a_body_and_a_module_of_its_own() {
    assert_eq!(as_services(&example("pressure").1), in_one_process("pressure"));
}

#[test]
fn banner_that_any_node_can_make() {
    assert_eq!(as_services(&example("banner").1), in_one_process("banner"));
}

#[test]
fn thumbnails_in_buckets() {
    assert_eq!(as_services(&example("thumbnails").1), in_one_process("thumbnails"));
}

#[test]
fn standalone_with_its_dependencies_at_its_head() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/standalone/app.rs");
    // Scripts are a nightly feature; this lets the toolchain at hand, whichever it is, run one.
    let mut script = Command::new(env!("CARGO"));
    script.args(["-Zscript"]).arg(&file).env("RUSTC_BOOTSTRAP", "1");
    script.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("script"));
    let output = script.output().expect("cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(as_services(&file), printed);
}
