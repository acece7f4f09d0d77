//! A small app with a port of every node for its last service.

use std::fs;
use std::path::PathBuf;

/// Three services; the edit of a helper changes `plus` alone.
const TEXT: &str = "use dyninka::prelude::*;

#[service]
fn source() -> u64 { 10 }

#[service]
fn plus(value: u64) -> u64 { value + step() }

fn step() -> u64 { 1 }

#[service]
fn twice(value: u64) -> u64 { value * 2 }

#[dyninka::main]
fn main() { source().plus().twice() }
";

/// The app in a folder of its own.
pub(crate) struct App {
    folder: tempfile::TempDir,
    pub(crate) file: PathBuf,
}

impl App {
    pub(crate) fn new() -> Self {
        Self::of(TEXT)
    }

    /// One of another text.
    pub(crate) fn of(text: &str) -> Self {
        let (folder, file) = support::app(text);
        let app = Self { folder, file };
        app.settings("[entry]\nnode_port = 0\n");
        app
    }

    /// Writes `dyn.toml`.
    pub(crate) fn settings(&self, text: &str) {
        fs::write(self.folder.path().join("dyn.toml"), text).unwrap();
    }

    /// Saves it with something in place of something else.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        assert!(TEXT.contains(from), "{from}");
        fs::write(&self.file, TEXT.replace(from, to)).unwrap();
    }

    /// Has `plus` run this as soon as its library is loaded, and add 2 instead of 1.
    pub(crate) fn at_start(&self, code: &str) {
        let start = format!(
            "#[used]
            #[unsafe(link_section = \".init_array\")]
            static START: extern \"C\" fn() = {{ extern \"C\" fn start() {{ {code} }} start }};"
        );
        self.edit("-> u64 { 1 }", &format!("-> u64 {{ {start} 2 }}"));
    }
}
