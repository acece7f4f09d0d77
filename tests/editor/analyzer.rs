//! A new package and a new file in rust-analyzer, in an empty home; then an edit of it while it runs.

use std::fs;
use std::path::Path;
use std::process::Output;

use support::dyn_command;
use support::language_server::{LanguageServer, sources_of_std};
use support::session::{Client, Dev};

/// `CompletionItemKind.Field` of the protocol.
const FIELD: u64 = 5;

fn dyn_in(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = dyn_command();
    // Where the toolchain has none, as rust-analyzer reads it.
    command.envs(sources_of_std().map(|sources| ("RUST_SRC_PATH", sources)));
    let output = command.args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Completion, hover and diagnostics of the minimal template.
fn look_at(server: &mut LanguageServer, file: &Path) {
    server.open(file);
    assert_eq!(server.diagnostics(file), [""; 0]);
    let fields = server.completions(file, "(reading.");
    assert!(fields.contains(&("celsius".to_owned(), FIELD)), "{fields:?}");
    let hover = server.hover(file, "fn warm");
    assert!(hover.contains("fn warm(reading: Reading)") && hover.contains("the answer is 204"), "{hover}");
    // What is wrong is found, so that nothing was found means something.
    let text = fs::read_to_string(file).unwrap();
    server.change(file, 2, &format!("{text}\nfn wrong() -> Reading {{ Reading {{ kelvin: 1.0 }} }}\n"));
    let found = server.diagnostics(file);
    assert!(found.iter().any(|one| one.contains("no such field")), "{found:?}");
    server.change(file, 3, &text);
    assert_eq!(server.diagnostics(file), [""; 0]);
}

/// A call, an edit that an editor saves, and a call.
fn run_and_edit(file: &Path) {
    let mut dev = Dev::start(file, "process");
    let client = Client::default();
    let warm = dev.url_of("warm");
    let reading = r#"{"reading":{"celsius":17.0}}"#;
    assert_eq!(client.post(&warm, reading).status, 204);
    let text = fs::read_to_string(file).unwrap();
    fs::write(file, text.replace("> 18.0", "> 16.0")).unwrap();
    dev.wait_for("live");
    let answer = client.post(&warm, reading);
    assert_eq!((answer.status, answer.json()["celsius"].as_f64()), (200, Some(17.0)));
    dev.stop();
}

#[test]
fn new_package_is_known_to_rust_analyzer_and_an_edit_of_it_goes_live() {
    let folder = tempfile::tempdir().unwrap();
    dyn_in(folder.path(), &["new", "plant"]);
    let package = folder.path().canonicalize().unwrap().join("plant");
    let file = package.join("app.rs");
    let mut server = LanguageServer::start(&package);
    look_at(&mut server, &file);
    assert_eq!(server.checked(&file), [""; 0]);
    drop(server);
    run_and_edit(&file);
}

#[test]
fn lone_file_is_known_to_rust_analyzer_by_dyn_ide_and_an_edit_of_it_goes_live() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    dyn_in(&folder, &["new", "app.rs"]);
    dyn_in(&folder, &["ide", "app.rs"]);
    let file = folder.join("app.rs");
    let mut server = LanguageServer::start(&folder);
    look_at(&mut server, &file);
    drop(server);
    run_and_edit(&file);
}
