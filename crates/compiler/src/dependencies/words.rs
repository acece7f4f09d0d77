//! Cargo's words where it fails.

use std::io::Cursor;

use cargo_metadata::Message;
use cargo_metadata::diagnostic::DiagnosticLevel;

use crate::process::Ended;

/// What went wrong, in the compiler's words where a crate does not compile, else in cargo's.
pub(super) fn of(ended: &Ended) -> String {
    let messages = Message::parse_stream(Cursor::new(&ended.stdout)).flatten();
    let errors = messages.filter_map(|message| match message {
        Message::CompilerMessage(said) if said.message.level == DiagnosticLevel::Error => said.message.rendered,
        _ => None,
    });
    let mut words: Vec<String> = errors.map(|error| error.trim().to_owned()).collect();
    let start = ended.stderr.find("error").unwrap_or(0);
    words.push(ended.stderr.get(start..).unwrap_or_default().trim().trim_start_matches("error: ").to_owned());
    words.retain(|part| !part.is_empty());
    words.join("\n")
}

/// Whether cargo's words are about versions that a lock file asks for.
pub(super) fn is_about_versions(words: &str) -> bool {
    ["failed to select a version", "no matching package", "checksum", "lock file"]
        .iter()
        .any(|sign| words.contains(sign))
}
