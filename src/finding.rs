//! Diagnostics for a person: the message, the user's own line with a caret, and how to mend it.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use app::{Diagnostic, Severity, SourcePlace};

use crate::speech;

/// Says the diagnostics on stderr; where nobody reads it, there is nobody to be told.
pub(crate) fn print(diagnostics: &[Diagnostic]) {
    drop(say(diagnostics));
}

/// Says the diagnostics on stderr, in colour where it is a terminal. An error means that nobody reads any more.
pub(crate) fn say(diagnostics: &[Diagnostic]) -> io::Result<()> {
    let mut texts = HashMap::new();
    for diagnostic in diagnostics {
        let file = &diagnostic.place.file;
        let text = texts.entry(file.clone()).or_insert_with(|| text_of(file));
        speech::err(format_args!("{}\n", render(diagnostic, text)))?;
    }
    Ok(())
}

/// The text a finding speaks of; none where what stands there by now is no text of an app's, such as a pipe.
fn text_of(file: &Path) -> String {
    let is_text = fs::metadata(file).is_ok_and(|data| data.is_file() && data.len() <= app::LARGEST_FILE);
    if is_text { fs::read_to_string(file).unwrap_or_default() } else { String::new() }
}

/// One diagnostic over the text it speaks of, with colours as escape codes.
fn render(diagnostic: &Diagnostic, text: &str) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.message.as_str());
    let path = diagnostic.place.file.to_string_lossy();
    let mut group = match span(&diagnostic.place, text) {
        Some(own) => {
            let mut snippet = Snippet::source(text).path(path).annotation(AnnotationKind::Primary.span(own));
            for related in diagnostic.related.iter().filter(|related| related.place.file == diagnostic.place.file) {
                if let Some(other) = span(&related.place, text) {
                    snippet = snippet.annotation(AnnotationKind::Context.span(other).label(related.message.as_str()));
                }
            }
            Group::with_title(title).element(snippet)
        }
        // A file that cannot be read is named in the message, and nothing of it can be shown.
        None if diagnostic.message.contains(&*path) => Group::with_title(title),
        None => Group::with_title(title).element(annotate_snippets::Origin::path(path)),
    };
    for related in diagnostic.related.iter().filter(|related| related.place.file != diagnostic.place.file) {
        let place = &related.place;
        let words = format!("{}, at {}:{}:{}", related.message, place.file.display(), place.line, place.column);
        group = group.element(Level::NOTE.message(words));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.with_name("hint").message(help.as_str()));
    }
    Renderer::styled().render(&[group])
}

/// The bytes a place covers; none where the text has no such line, because it was never read or has changed since.
fn span(place: &SourcePlace, text: &str) -> Option<std::ops::Range<usize>> {
    let start = offset(text, place.line, place.column)?;
    let end = offset(text, place.end_line, place.end_column)?;
    Some(start..end.max(start))
}

fn offset(text: &str, line: usize, column: usize) -> Option<usize> {
    let start: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let rest = text.get(start..).filter(|rest| !rest.is_empty())?;
    let within = rest.char_indices().nth(column.checked_sub(1)?).map_or(rest.len(), |(at, _)| at);
    Some(start + within)
}

/// Whether anything in there stops a build.
pub(crate) fn any_error(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}

/// `2 errors`, `1 error and 1 warning`: the last line of a report.
pub(crate) fn count(diagnostics: &[Diagnostic], file: &Path) -> String {
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    let plural = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let warnings = diagnostics.len() - errors;
    let counted = match (errors, warnings) {
        (errors, 0) => plural(errors, "error"),
        (0, warnings) => plural(warnings, "warning"),
        (errors, warnings) => format!("{} and {}", plural(errors, "error"), plural(warnings, "warning")),
    };
    format!("{}: {counted}", file.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_characters() {
        assert_eq!(offset("é = 1\nab", 1, 3), Some(3));
        assert_eq!(offset("é = 1\nab", 2, 2), Some(8));
        assert_eq!(offset("", 1, 1), None);
    }
}
