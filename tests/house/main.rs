//! The house rules: which room may know which, and which outside crate belongs to which room.
//!
//! The plan is in ARCHITECTURE.md. A new arrow or a new place for a fenced crate is a decision: change it here and there.

mod commands;
mod documents;
mod features;
mod guide;
mod names;
mod packaging;
mod vendored;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use cargo_metadata::{CargoOpt, DependencyKind, MetadataCommand, Package};
use documents::Document;

/// Room to the rooms it may depend on. Tests and benches may reach further.
const ARROWS: &[(&str, &[&str])] = &[
    ("app", &[]),
    ("balance", &["app"]),
    ("data", &["protocol"]),
    ("data-server", &["data", "protocol", "storage", "store"]),
    ("protocol", &[]),
    ("dyninka-macros", &[]),
    ("dyninka", &["dyninka-macros"]),
    ("functions", &[]),
    ("host", &["protocol", "dyninka", "storage"]),
    ("jobs", &[]),
    ("store", &[]),
    ("storage", &[]),
    ("job-server", &["functions", "jobs", "protocol", "store"]),
    ("compiler", &["app"]),
    ("local-cluster", &["images", "protocol"]),
    ("nodes", &["balance", "protocol"]),
    ("node-agent", &["balance", "local-cluster", "nodes", "protocol"]),
    ("recordings", &["protocol"]),
    ("images", &["protocol"]),
    ("kubernetes", &["app", "compiler", "data", "images", "protocol"]),
    ("interface", &["app"]),
    ("mcp", &["session-api"]),
    ("web", &["session-api"]),
    ("session-api", &["app", "protocol"]),
    (
        "session",
        &[
            "app",
            "compiler",
            "data",
            "interface",
            "local-cluster",
            "protocol",
            "recordings",
            "kubernetes",
            "session-api",
            "watcher",
        ],
    ),
    ("tui", &["session-api"]),
    ("shell", &["session-api"]),
    ("watcher", &[]),
    ("support", &[]),
    ("bench", &["balance", "functions", "host", "nodes", "protocol", "session-api", "storage", "support", "web"]),
    ("fuzz", &["app", "balance", "functions", "jobs", "nodes", "protocol", "recordings", "session-api"]),
    (
        "dyninka-cli",
        &[
            "app",
            "balance",
            "compiler",
            "data",
            "data-server",
            "functions",
            "mcp",
            "protocol",
            "host",
            "interface",
            "job-server",
            "node-agent",
            "nodes",
            "recordings",
            "kubernetes",
            "session",
            "session-api",
            "shell",
            "tui",
            "web",
        ],
    ),
];

/// Outside crate to the rooms that may use it.
const FENCES: &[(&str, &[&str])] = &[
    ("syn", &["app", "dyninka-macros"]),
    ("quote", &["app", "dyninka-macros"]),
    ("bollard", &["local-cluster"]),
    ("axum", &["bench", "data-server", "host", "job-server", "session", "web"]),
    ("foca", &["nodes"]),
    ("rcgen", &["node-agent"]),
    ("rustls-webpki", &["node-agent"]),
    ("tokio-rustls", &["job-server", "node-agent"]),
    ("rusqlite", &["store"]),
    ("rusty-s3", &["storage"]),
    ("md-5", &["storage"]),
    ("croner", &["jobs"]),
    ("jsonschema", &["job-server"]),
    ("utoipa", &["data", "data-server", "job-server", "jobs"]),
    ("hyper", &["data-server", "host", "images", "job-server", "node-agent", "storage"]),
    ("docker_credential", &["images"]),
    ("object", &["images"]),
    ("kube", &["kubernetes"]),
    ("k8s-openapi", &["kubernetes"]),
    ("libloading", &["host"]),
    ("rquickjs", &["functions"]),
    ("seccompiler", &["functions", "host"]),
    ("cargo_metadata", &["compiler"]),
    ("notify", &["watcher"]),
    ("clap", &["bench", "dyninka-cli"]),
    // What differs in a text or a list is said in one place.
    ("similar", &["recordings"]),
    ("rustyline", &["shell"]),
    ("rmcp", &["mcp"]),
    ("rust-sugiyama", &["web"]),
    ("comfy-table", &["bench", "kubernetes", "shell"]),
    ("indicatif", &["dyninka-cli"]),
    // The wire form of what was measured is one room's affair; others see plain data.
    ("opentelemetry-proto", &[]),
    ("prost", &["protocol"]),
    ("hdrhistogram", &["bench", "protocol", "recordings"]),
    // What the bench compares a hop with.
    ("redis", &["bench"]),
    // How the bench asks, and hosts each other.
    ("httparse", &["bench", "host"]),
    ("ratatui", &["tui"]),
    ("crossterm", &["tui"]),
];

/// Rooms that read no file, open no socket and run nothing: they are free of anything that could.
const PURE: &[&str] = &[
    "crates/app/src",
    "crates/balance/src",
    "crates/data/src",
    "crates/functions/src/frame",
    "crates/functions/src/kumori",
    "crates/functions/src/slots",
    "crates/jobs/src",
    "crates/interface/src",
    "crates/nodes/src",
    "crates/protocol/src",
    "crates/session-api/src/grammar",
    "crates/storage/src/events",
    "crates/session/src/state",
    "crates/kubernetes/src/model",
    "crates/kubernetes/src/object",
    "crates/kubernetes/src/plan",
    "crates/kubernetes/src/settings",
    "crates/kubernetes/src/wire",
];
const IMPURE: &[&str] = &["tokio", "std::fs", "std::net::Tcp", "std::net::Udp", "std::process", "std::env"];

fn packages() -> Vec<Package> {
    let mut command = MetadataCommand::new();
    command.features(CargoOpt::AllFeatures).no_deps();
    command.exec().expect("cargo metadata of this workspace").packages
}

fn dependencies(package: &Package) -> BTreeSet<String> {
    let normal = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
    normal.map(|dependency| dependency.name.clone()).collect()
}

#[test]
fn rooms_know_only_the_rooms_they_may() {
    let packages = packages();
    let arrows: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let rooms: BTreeSet<_> = packages.iter().map(|package| package.name.to_string()).collect();
    for package in &packages {
        let name = package.name.as_str();
        let allowed = arrows.get(name).unwrap_or_else(|| panic!("{name} is a room without a line in ARROWS"));
        let known = dependencies(package);
        for known in known.intersection(&rooms) {
            assert!(allowed.contains(&known.as_str()), "{name} may not depend on {known}");
        }
        for arrow in *allowed {
            assert!(known.contains(*arrow), "{name} does not depend on {arrow}: take the arrow out");
        }
    }
}

#[test]
fn outside_crates_of_the_workspace_are_used() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).expect("Cargo.toml");
    let table = text.split("[workspace.dependencies]").nth(1).and_then(|rest| rest.split("\n[").next());
    let table = table.expect("the table of the workspace's dependencies");
    let names = table.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name.trim());
    let names: Vec<&str> = names.filter(|name| !name.starts_with('#')).collect();
    let used: BTreeSet<String> = packages()
        .iter()
        .flat_map(|package| package.dependencies.iter().map(|dependency| dependency.name.clone()))
        .collect();
    assert!(names.len() > 40, "{names:?}");
    for name in names {
        assert!(used.contains(name), "nothing uses {name}: take it out of Cargo.toml");
    }
}

#[test]
fn outside_crates_stay_in_their_rooms() {
    for package in packages() {
        let dependencies = dependencies(&package);
        for (fenced, rooms) in FENCES {
            let uses = dependencies.contains(*fenced);
            assert!(!uses || rooms.contains(&package.name.as_str()), "{} may not use {fenced}", package.name);
        }
    }
}

#[test]
fn pure_rooms_touch_nothing() {
    for room in PURE {
        let mut files = Vec::new();
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(room), &mut files);
        assert!(!files.is_empty(), "{room} has no source");
        for (file, text) in files {
            for impure in IMPURE {
                assert!(!text.contains(impure), "{file} of a pure room mentions {impure}");
            }
        }
    }
}

/// Who may read the wall clock, and what for. It jumps: what it says is shown to people or compared with the times of
/// files, and never subtracted to tell how long something took.
const WALL_CLOCK: &[(&str, &str)] = &[
    ("crates/app/src/cell/standard.rs", "the name of the type, among those that values are made of"),
    ("crates/app/src/wire/outside.rs", "the type's name, and no clock"),
    ("bench/src/edits/mod.rs", "a number that no earlier run has used"),
    ("bench/src/page/events.rs", "the clock that a tab of the browser has, too"),
    ("crates/compiler/src/artifact.rs", "when a kept library was used last"),
    ("crates/compiler/src/builder.rs", "how old a folder is that a killed build left"),
    ("crates/compiler/src/dependencies.rs", "when a toolchain was used last"),
    ("crates/compiler/src/toolchain.rs", "when a file was written"),
    ("crates/compiler/src/types.rs", "when compiled types were used last"),
    (
        "crates/data-server/src/clock.rs",
        "when an event was, for people, and when a key is due; no version is compared by it",
    ),
    ("crates/host/src/admin_hops.rs", "the time of day, for who compares it with that of another machine"),
    ("crates/host/src/request_context.rs", "when a span began; how long it took is measured by the monotonic clock"),
    (
        "crates/job-server/src/clock.rs",
        "the time of day when the server began; from there on a clock that does not jump",
    ),
    ("crates/node-agent/src/kept.rs", "how old a file is that a killed agent left half written"),
    ("crates/runtime/src/bucket/folder/version.rs", "the time of a file, a part of what tells its versions apart"),
    ("crates/session/src/recording/recorder.rs", "when a recording began, for its head"),
    ("crates/web/src/page.rs", "when a ticket or a cookie ends, which two processes compare"),
];

#[test]
fn nothing_is_measured_by_a_clock_that_jumps() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(root, &mut files);
    let sources = files.iter().filter_map(|(file, text)| {
        let file = Path::new(file).strip_prefix(root).expect("a file of the house").to_string_lossy().into_owned();
        (file.contains("src/") && text.contains("SystemTime")).then_some(file)
    });
    let known: BTreeSet<_> = WALL_CLOCK.iter().map(|(file, _)| (*file).to_owned()).collect();
    assert_eq!(sources.collect::<BTreeSet<_>>(), known);
}

#[test]
fn documents_name_files_that_are_there() {
    let root = documents::root();
    let mut looked = 0;
    for Document { name: document, text } in documents::all() {
        for name in text.split('`').skip(1).step_by(2).map(|name| name.trim_end_matches('/')) {
            // What begins with a room's name is a path; the rest is code.
            let Some((room, _)) = name.split_once('/') else { continue };
            if name.contains(|c: char| c.is_whitespace() || c == '*') || room.is_empty() || !root.join(room).is_dir() {
                continue;
            }
            assert!(root.join(name).exists(), "{document} names {name}, which is not there");
            looked += 1;
        }
    }
    assert!(looked > 50, "{looked}");
}

#[test]
fn files_are_small() {
    let mut files = Vec::new();
    collect(Path::new(env!("CARGO_MANIFEST_DIR")), &mut files);
    for (file, text) in files {
        let lines = text.lines().count();
        assert!(lines <= 500, "{file} has {lines} lines: it is more than one noun");
    }
}

/// No test is left out for good: `tests/run --long` finds those it runs by their reason.
#[test]
fn tests_that_are_ignored_say_who_runs_them() {
    let mut files = Vec::new();
    collect(documents::root(), &mut files);
    let ignored = concat!("#[ign", "ore");
    for (file, text) in files {
        for line in text.lines().map(str::trim).filter(|line| line.starts_with(ignored)) {
            let reason = line.strip_prefix(ignored).and_then(|rest| rest.strip_prefix(" = \""));
            let is_said = reason.is_some_and(|reason| reason.starts_with("long: ") || reason.starts_with("run by "));
            assert!(is_said, "{file}: {line}: say `long: ` and what it takes, or who runs it");
        }
    }
}

fn collect(folder: &Path, into: &mut Vec<(String, String)>) {
    let entries = folder.read_dir().unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            collect(&path, into);
        } else if name.ends_with(".rs") {
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            into.push((path.display().to_string(), text));
        }
    }
}
