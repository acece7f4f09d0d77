//! Files that an app is made of: found as rustc finds them, and no trouble when they are wrong.

use std::path::PathBuf;
use std::sync::Arc;

use app::{App, Diagnostic, Missing, Sources};

fn sources(texts: &[(&str, &str)]) -> Sources {
    let texts = texts.iter().map(|(path, text)| (PathBuf::from(path), Arc::from(*text))).collect();
    Sources { root: PathBuf::from("app.rs"), texts, ..Sources::default() }
}

fn parse(texts: &[(&str, &str)]) -> (App, Vec<Diagnostic>) {
    let sources = sources(texts);
    // It must end, whatever leads in a circle.
    app::wanted(&sources);
    app::parse(&sources)
}

fn told(findings: &[Diagnostic]) -> Vec<String> {
    let tell = |finding: &Diagnostic| {
        let place = &finding.place;
        format!("{}:{}:{} {}", place.file.display(), place.line, place.column, finding.message)
    };
    findings.iter().map(tell).collect()
}

const REST: &str = "\n#[service] fn a() -> u8 { m::f() }\nfn main() { a() }\n";

#[test]
fn a_file_that_leads_back_to_itself_is_told() {
    let root = format!("mod m;{REST}");
    let (_, findings) = parse(&[("app.rs", &root), ("m.rs", "#[path = \"m.rs\"] mod again; pub fn f() -> u8 { 1 }")]);
    assert_eq!(told(&findings), ["m.rs:1:22 module again is in itself"]);
}

#[test]
fn a_file_that_is_two_modules_is_told() {
    let root = format!("mod m; #[path = \"m.rs\"] mod n;{REST}");
    let (_, findings) = parse(&[("app.rs", &root), ("m.rs", "pub fn f() -> u8 { 1 }")]);
    assert_eq!(told(&findings), ["app.rs:1:29 m.rs is a module twice"]);
}

#[test]
fn a_module_for_another_machine_need_not_be_there() {
    let root = format!("#[cfg(windows)] mod windows;\nmod m {{ pub fn f() -> u8 {{ 1 }} }}{REST}");
    let (app, findings) = parse(&[("app.rs", &root)]);
    assert_eq!(findings, []);
    let slice = app.slice("a").unwrap_or_default();
    assert!(slice.files[&slice.root].contains("#[cfg(windows)] mod windows;"));
}

#[test]
fn a_broken_module_is_told_at_its_own_place_and_the_rest_is_read() {
    let root = format!("mod m;{REST}");
    let (app, findings) = parse(&[("app.rs", &root), ("m.rs", "pub fn f() -> u8 {\n    let é = ;\n}")]);
    assert_eq!(told(&findings), ["m.rs:2:13 syntax error: expected an expression"]);
    assert_eq!(app.flow.map(|flow| flow.to_string()).as_deref(), Some("a"));
}

#[test]
fn an_empty_module_is_a_module() {
    let root = format!("mod empty;\nmod m {{ pub fn f() -> u8 {{ 1 }} }}{REST}");
    let (app, findings) = parse(&[("app.rs", &root), ("empty.rs", "")]);
    assert_eq!(findings, []);
    assert_eq!(app.slice("a").map(|slice| slice.files.len()), Some(1));
}

#[test]
fn a_file_named_by_a_path_has_its_modules_beside_it() {
    let root = format!("#[path = \"other/m.rs\"] mod m;{REST}");
    let texts = [("app.rs", root.as_str()), ("other/m.rs", "mod n; pub fn f() -> u8 { n::g() }")];
    let wanted = app::wanted(&sources(&texts));
    let candidates = ["other/n.rs", "other/n/mod.rs"].map(PathBuf::from).to_vec();
    assert_eq!(wanted.into_iter().collect::<Vec<_>>(), [Missing::Module(candidates)]);
    let (app, findings) =
        parse(&[texts[0], texts[1], ("other/n.rs", "pub fn g() -> u8 { include_str!(\"../d\").len() as u8 }")]);
    assert_eq!(told(&findings), ["other/n.rs:1:8 ../d cannot be included: it cannot be read"]);
    let slice = app.slice("a").unwrap_or_default();
    assert_eq!(slice.files.len(), 3);
    assert_eq!(slice.included.into_iter().collect::<Vec<_>>(), [PathBuf::from("d")]);
}

#[test]
fn the_place_of_a_root_above_its_files_is_kept() {
    let texts =
        [("deep/app.rs", "#[path = \"../m.rs\"] mod m;\n#[service] fn a() -> u8 { m::f() }\nfn main() { a() }")];
    let mut sources = sources(&texts);
    sources.root = PathBuf::from("deep/app.rs");
    sources.texts.insert(PathBuf::from("deep/../m.rs"), Arc::from("pub fn f() -> u8 { 1 }"));
    let (app, findings) = app::parse(&sources);
    assert_eq!(findings, []);
    let files: Vec<_> = app.slice("a").unwrap_or_default().files.into_keys().collect();
    assert_eq!(files, [PathBuf::from("../m.rs"), PathBuf::from("app.rs")]);
}

#[test]
fn a_root_that_is_not_there_is_told() {
    let (app, findings) = app::parse(&Sources { root: PathBuf::from("app.rs"), ..Sources::default() });
    assert_eq!(told(&findings), ["app.rs:1:1 cannot read app.rs: no such file"]);
    assert!(app.slice("a").is_none());
}

/// Names of the functions in a slice.
fn functions(app: &App, service: &str) -> String {
    let slice = app.slice(service).unwrap_or_default();
    slice.files.values().flat_map(|text| text.split_whitespace()).collect::<Vec<_>>().join(" ")
}

#[test]
fn code_that_registers_itself_goes_along_with_every_service() {
    let root = "use std::sync::atomic::AtomicU64; static S: AtomicU64 = AtomicU64::new(0);\n\
                #[ctor::ctor] fn init() { seven() }\nfn seven() { S.store(7, Relaxed) }\n\
                mod plugins { inventory::submit! { super::Plugin(1) } fn unused() {} }\nstruct Plugin(u8);\n\
                mod quiet { record!(A); fn unused() {} }\nmacro_rules! record { ($n:ident) => { struct $n; } }\n\
                #[linkme::distributed_slice(ALL)] static EXTRA: fn() = extra;\nfn extra() {}\nfn unreached() {}\n\
                #[tokio::test] async fn test() {}\n\
                #[service] fn a() -> u8 { 1 }\n#[service] fn b(a: u8) -> u8 { a }\nfn main() { a().b() }\n";
    let (app, findings) = parse(&[("app.rs", root)]);
    assert_eq!(findings, []);
    for service in ["a", "b"] {
        let slice = functions(&app, service);
        for kept in ["fn init()", "fn seven()", "static S:", "submit!", "struct Plugin", "EXTRA", "fn extra()"] {
            assert!(slice.contains(kept), "{kept} is missing in {slice}");
        }
        for left in ["fn unreached", "fn unused", "record!(A)", "fn test"] {
            assert!(!slice.contains(left), "{left} is in {slice}");
        }
    }
    let changed = root.replace("S.store(7", "S.store(8");
    let (changed, _) = parse(&[("app.rs", &changed)]);
    assert_eq!(app::compare(&app, &changed).services.len(), 2);
}

#[test]
fn code_that_registers_itself_goes_where_the_state_is_that_it_uses() {
    let root = "#[placed(a)] static S: AtomicU64 = AtomicU64::new(0);\n#[ctor::ctor] fn init() { S.store(7, Relaxed) }\n\
                #[service] fn a() -> u64 { S.load(Relaxed) }\n#[service] fn b(a: u64) -> u64 { a }\nfn main() { a().b() }\n";
    let (app, findings) = parse(&[("app.rs", root)]);
    assert_eq!(findings, []);
    assert!(functions(&app, "a").contains("fn init()"));
    assert!(!functions(&app, "b").contains("fn init()"));
}

#[test]
fn an_impl_that_registers_itself_goes_along_with_its_trait() {
    let root = "#[typetag::serde] trait Shape { fn area(&self) -> f64; }\nstruct Square(f64);\n\
                #[typetag::serde] impl Shape for Square { fn area(&self) -> f64 { self.0 } }\n\
                #[service] fn a() -> u64 { 1 }\n#[service] fn b(s: Box<dyn Shape>) -> f64 { s.area() }\nfn main() { a() }\n";
    let (app, _) = parse(&[("app.rs", root)]);
    assert!(functions(&app, "b").contains("impl Shape for Square") && functions(&app, "b").contains("struct Square"));
    assert!(!functions(&app, "a").contains("Shape"));
}
