//! Imports that lead through each other.

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use app::{App, Sources};

fn parse(text: &str) -> App {
    let mut sources = Sources { root: PathBuf::from("app.rs"), ..Sources::default() };
    sources.texts.insert(sources.root.clone(), Arc::from(text));
    app::parse(&sources).0
}

const SERVICE: &str = "#[service] fn one() -> u32 { help() }\n#[dyninka::main] fn main() { one() }\n";

/// Found by fuzzing: every order of the globs was tried, so that a file with two of them was never read.
#[test]
fn globs_of_other_crates_are_no_maze() {
    let globs = (0..40).fold(String::new(), |mut globs, at| {
        writeln!(globs, "use crate_{at}::inner::*;").expect("a string takes it");
        globs
    });
    let app = parse(&format!("{globs}fn help() -> u32 {{ 1 }}\n{SERVICE}"));
    let slice = app.slice("one").expect("a slice");
    let text = &slice.files[&slice.root];
    // Whatever a name has no other origin for may come from any of them.
    assert_eq!(text.matches("use crate_").count(), 40, "{text}");
    assert!(text.contains("fn help()"), "{text}");
}

#[test]
fn imports_that_go_in_circles_end() {
    for circle in [
        "use a::b as a; use a::c as a; use a::d as a;",
        "use a::*; use b::*; mod a { pub use super::b::*; pub use super::a::*; } mod b { pub use super::a::*; pub use crate::*; }",
        "use a::x as b; use b::x as a; use b::y as a; use a::y as b; use a::*; use b::*;",
    ] {
        let app = parse(&format!("{circle} fn help() -> u32 {{ a::f() + b::g() }}\n{SERVICE}"));
        assert_eq!(app.services.len(), 1, "{circle}");
    }
}

#[test]
fn a_glob_may_lead_through_another() {
    let app = parse(&format!(
        "use outer::*;\nuse inner::*;\nuse deep::*;\nmod outer {{ pub mod inner {{ pub mod deep {{ pub fn help() -> u32 {{ 1 }} }} }} pub fn other() {{}} }}\n{SERVICE}"
    ));
    let slice = app.slice("one").expect("a slice");
    let text = &slice.files[&slice.root];
    for needed in ["use outer::*", "use inner::*", "use deep::*", "pub fn help()"] {
        assert!(text.contains(needed), "{needed}: {text}");
    }
    assert!(!text.contains("fn other()"), "{text}");
}
