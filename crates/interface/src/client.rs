//! Typed clients: one file, a function for each service.

mod rust;
mod typescript;

use crate::service_operation::Interface;

/// A language that clients are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// One module; `fetch` and nothing else.
    TypeScript,
    /// One module, for a package with reqwest, serde and serde_json.
    Rust,
}

impl Interface {
    /// The text of a client of all services.
    pub fn client(&self, language: Language) -> String {
        match language {
            Language::TypeScript => typescript::client(self),
            Language::Rust => rust::client(self),
        }
    }
}

/// Reads of a line with this many leading steps.
fn indent(text: &str, steps: usize) -> String {
    let lead = "    ".repeat(steps);
    text.lines().map(|line| format!("{lead}{line}\n")).collect()
}
