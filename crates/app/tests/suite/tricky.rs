//! A program with every way to name things: what each service is cut down to compiles, and is no more than it needs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use app::{App, Missing, ServiceSlice, Sources, Split};

fn load() -> Sources {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/tricky");
    let mut sources = Sources { root: PathBuf::from("app.rs"), ..Sources::default() };
    let mut bring = vec![vec![PathBuf::from("app.rs")]];
    while let Some(candidates) = bring.pop() {
        let found = candidates.iter().find(|path| folder.join(path).exists()).unwrap();
        let text = fs::read_to_string(folder.join(found)).unwrap();
        sources.texts.insert(found.clone(), Arc::from(text));
        bring.extend(app::wanted(&sources).into_iter().filter_map(|missing| match missing {
            Missing::Module(candidates) => Some(candidates),
            Missing::Included(_) => None,
        }));
    }
    sources
}

fn tricky() -> App {
    let (app, findings) = app::parse(&load());
    assert_eq!(findings, []);
    app
}

fn text(slice: &ServiceSlice) -> String {
    slice.files.values().cloned().collect()
}

/// What rustc has to say of a slice, the services it calls put in as the build would.
fn rustc(slice: &ServiceSlice) -> String {
    let folder = tempfile::tempdir().unwrap();
    rustc_in(folder.path(), slice, &[], None)
}

/// The same in a folder, with statements below the root file's text and over a crate of types. Leaves `libslice.rmeta`.
fn rustc_in(folder: &Path, slice: &ServiceSlice, imports: &[String], types: Option<&Path>) -> String {
    for (path, text) in &slice.files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let root = folder.join(&slice.root);
    let mut text = fs::read_to_string(&root).unwrap();
    for stub in &slice.stubs {
        let inputs: Vec<_> = stub.inputs.iter().map(|input| format!("{}: {}", input.name, input.ty)).collect();
        let returned = format!("impl Future<Output = Result<{}, ()>>", stub.output.ty);
        text += &format!("fn {}({}) -> {returned} {{ async {{ Err(()) }} }}\n", stub.name, inputs.join(", "));
    }
    text.push_str(&imports.join("\n"));
    fs::write(&root, text).unwrap();
    let of_types = types.map(|types| format!("--extern={}={}", Split::CRATE, types.display()));
    let answer = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args([
            "--crate-type=lib",
            "--crate-name=slice",
            "--edition=2024",
            "--emit=metadata",
            "--cap-lints=allow",
            if types.is_some() { "-Cmetadata=rest" } else { "-Cmetadata=types" },
            "-o",
        ])
        .args([&folder.join("libslice.rmeta"), &root])
        .args(of_types)
        .output()
        .unwrap();
    String::from_utf8(answer.stderr).unwrap()
}

#[test]
fn every_split_compiles_and_nothing_is_in_both_halves() {
    let app = tricky();
    let mut split = Vec::new();
    for service in app.services.iter().map(|service| &service.name) {
        let Some(halves) = app.split(service) else { continue };
        let [types, rest] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        assert_eq!(rustc_in(types.path(), &halves.types, &[], None), "", "{service}\n{}", text(&halves.types));
        let library = types.path().join("libslice.rmeta");
        let said = rustc_in(rest.path(), &halves.rest, &halves.imports, Some(&library));
        assert_eq!(said, "", "{service}\n{}\n{}", text(&halves.rest), halves.imports.join("\n"));
        split.push(service.as_str());
        for name in &halves.moved {
            let stays = ["struct", "enum", "fn", "const", "trait", "type"]
                .map(|word| format!("{word} {name}"))
                .into_iter()
                .find(|item| {
                    text(&halves.rest).split(['(', '{', '<', ';', ':']).any(|part| part.trim_end().ends_with(item))
                });
            assert_eq!(stays, None, "{service}\n{}", text(&halves.rest));
        }
    }
    assert_eq!(split.join(" "), "celsius area coloured through_a_glob shown measured_again asks lookup");
}

#[test]
fn every_slice_compiles() {
    let app = tricky();
    let services: Vec<_> = app.services.iter().map(|service| service.name.clone()).collect();
    std::thread::scope(|scope| {
        for half in services.chunks(services.len().div_ceil(2)) {
            let app = &app;
            scope.spawn(move || {
                for service in half {
                    let slice = app.slice(service).unwrap();
                    assert_eq!(rustc(&slice), "", "{service}\n{}", text(&slice));
                }
            });
        }
    });
}

#[test]
fn no_slice_holds_what_it_does_not_need() {
    let app = tricky();
    let parts = [
        ("to_celsius", "celsius"),
        ("fn area(&self)", "area measured_again"),
        ("fn whole", "rounded"),
        ("fn half", "in_a_function"),
        ("Describe for Vec", "named"),
        ("enum Colour", "coloured"),
        ("fn shifted", "moved"),
        ("fn offset", "moved"),
        ("fn double", "doubled"),
        ("macro_rules! twice", "doubled"),
        ("fn clamp", "through_a_glob"),
        ("pub use crate::shapes::limits::*", "through_a_glob"),
        ("struct Wrapper", "shown"),
        ("fn area_of", "measured_again"),
        ("struct Found", "asks lookup"),
        ("fn lookup", "lookup"),
        ("struct Circle", ""),
        ("fn unused_clamp", ""),
        ("fn unused_in_nested", ""),
        ("const UNUSED", ""),
        ("mod tests", ""),
        ("fn main", ""),
        ("#[service]", ""),
    ];
    for (part, expected) in parts {
        let holds = |service: &&app::Service| text(&app.slice(&service.name).unwrap()).contains(part);
        let found: Vec<_> = app.services.iter().filter(holds).map(|service| service.name.as_str()).collect();
        assert_eq!(found.join(" "), expected, "{part}");
    }
    assert_eq!(app.service("asks").unwrap().calls.iter().collect::<Vec<_>>(), ["lookup"]);
    assert_eq!(app.crates, Default::default());
}

#[test]
fn an_edit_touches_the_services_that_reach_it() {
    let old = load();
    let (before, _) = app::parse(&old);
    let edits = [
        ("app.rs", "(f - 32.0) / 1.8", "(f - 32.0) * 5.0 / 9.0", "celsius: helper to_celsius() changed"),
        ("app.rs", "{ x * 2.0 }", "{ x + x }", "doubled: helper double() changed"),
        ("app.rs", "{ double($x) }", "{ double(double($x)) }", "doubled: macro macros::twice! changed"),
        ("app.rs", "f64 = 10.0", "f64 = 12.0", "moved: const LIMIT changed, through_a_glob: const LIMIT changed"),
        ("app.rs", "struct Found(u64)", "struct Found(u32)", "asks: type Found changed, lookup: type Found changed"),
        (
            "app.rs",
            "fn lookup(key",
            "fn lookup(of",
            "asks: the signature of lookup() changed, lookup: its function changed",
        ),
        ("app.rs", "{ Found(key.0) }", "{ Found(key.0 + 1) }", "lookup: its function changed"),
        ("shapes/mod.rs", "x.round()", "x.floor()", "rounded: helper shapes::round::whole() changed"),
        ("shapes/mod.rs", "PI: f64 = 3.0", "PI: f64 = 3.1", ""),
        ("shapes/limits.rs", "{ x }", "{ x + 1.0 }", ""),
        ("app.rs", "mod tests { use", "mod tests { pub use", ""),
        ("app.rs", "/// é: columns", "/// columns", ""),
        ("app.rs", "fn double(x: f64) -> f64 {", "fn double(x: f64)\n    -> f64 { // twice\n", ""),
        ("app.rs", "fmt::{self, Write as _}", "fmt::{Write as _, self}", ""),
        ("app.rs", "use std::collections::BTreeMap", "use std::collections::BTreeMap as BTreeMap", ""),
    ];
    for (file, from, to, expected) in edits {
        let mut sources = old.clone();
        let text = &sources.texts[Path::new(file)];
        assert!(text.contains(from), "{from}");
        let edited = Arc::from(text.replacen(from, to, 1));
        sources.texts.insert(file.into(), edited);
        let (after, _) = app::parse(&sources);
        let told = |change: app::Change| match change {
            app::Change::Changed { service, reasons } => format!("{service}: {}", reasons.join(" and ")),
            other => format!("{other:?}"),
        };
        let told: Vec<_> = app::compare(&before, &after).services.into_iter().map(told).collect();
        assert_eq!(told.join(", "), expected, "{from} -> {to}");
    }
}
