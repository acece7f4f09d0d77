//! The text of an app.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use app::{App, Diagnostic, Sources};

/// Pieces that mean something in an app.
pub(super) const WORDS: &[&str] = &[
    "#[service]",
    "#[placed(get)]",
    "#[dyninka::main]",
    "fn main()",
    "fn get()",
    "async ",
    "-> Option<u8>",
    "-> Result<f64>",
    "{ get().map() }",
    "{ map(get()) }",
    "static X: Placed<u8> = Placed::new(u8::default);",
    "mod m {",
    "use super::*;",
    "use self::{a as b, *};",
    "impl<T> S<T> {",
    "trait T {",
    "enum E { A(u8), B { c: u8 } }",
    "macro_rules! m {",
    "m!(get)",
    "r#\"",
    "\"#",
    "b'",
    "/*",
    "*/",
    "//",
    "#!",
    "---\n",
    "where T: Fn()",
    "'a",
    "..=",
    "::<>",
    "include_str!(\"x\")",
    "mod x;",
    "\u{feff}",
    "\u{202e}",
    "\r",
    "unsafe extern \"C\"",
    "const _: () = ();",
    "#[cfg(test)]",
    "#[path = \"../x\"]",
];

pub(super) fn seeds() -> Vec<Vec<u8>> {
    [
        include_str!("../../../examples/building.rs"),
        include_str!("../../../examples/weather.rs"),
        include_str!("../../../examples/pressure.rs"),
        "use dyninka::prelude::*;\n#[service] fn one() -> u32 { 1 }\n#[service] fn double(value: u32) -> u32 { value * 2 }\n#[dyninka::main] fn main() { one().double() }\n",
        "use std::io::*; use std::fmt::*; mod m { pub mod n { pub fn h() {} } } use m::*; use n::*; #[service] fn a() { h() } #[dyninka::main] fn main() { a() }",
        "#[placed(a)] static S: Placed<T> = Placed::new(T::default); struct T; mod m { pub fn h() {} } #[service] fn a(x: T) -> Option<T> { m::h(); None }",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

fn parse(text: &str) -> (App, Vec<Diagnostic>) {
    let mut sources = Sources { root: PathBuf::from("app.rs"), ..Sources::default() };
    sources.texts.insert(sources.root.clone(), Arc::from(text));
    app::wanted(&sources);
    app::parse(&sources)
}

/// Every finding stands in the text, every slice is the text's own, and nothing panics.
pub(super) fn read(bytes: &[u8]) {
    let Ok(text) = app::check_text(Path::new("app.rs"), bytes.to_vec()) else { return };
    let (app, findings) = parse(&text);
    let lines = text.lines().count().max(1) + 1;
    for finding in &findings {
        let place = &finding.place;
        // The reader catches its own panics and tells of them: here that is what is looked for.
        assert!(!finding.message.contains("the reader itself failed"), "{finding:?}");
        assert!(place.line >= 1 && place.column >= 1 && place.line <= lines, "{finding:?}");
        assert!((place.line, place.column) <= (place.end_line, place.end_column), "{finding:?}");
    }
    for service in &app.services {
        let Some(slice) = app.slice(&service.name) else { continue };
        for (left, whole) in slice.files[&slice.root].lines().zip(text.lines()) {
            let is_in_place = left.chars().zip(whole.chars()).all(|(left, whole)| left == whole || left == ' ');
            assert!(is_in_place, "{left:?} for {whole:?} in {}", service.name);
        }
    }
    drop(app::graph(&app, app::Drawing::Mermaid));
}

/// An edit of a good text into any other, and back: compared without a panic, and nothing where nothing changed.
pub(super) fn edit(bytes: &[u8]) {
    static GOOD: OnceLock<App> = OnceLock::new();
    let good = GOOD.get_or_init(|| parse(include_str!("../../../examples/building.rs")).0);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (app, _) = parse(text);
    drop((app::compare(good, &app), app::compare(&app, good)));
    assert!(app::compare(&app, &parse(text).0).is_nothing(), "the same text differs from itself");
}
