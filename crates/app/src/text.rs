//! Bytes to text that can be parsed, everything at its own place.

use std::ops::Range;
use std::path::Path;

use crate::diagnostic::{Diagnostic, SourcePlace};

/// The largest file that is read, in bytes.
pub const LARGEST_FILE: u64 = 16 << 20;

/// Text out of a file's bytes, or what is wrong with them. A byte order mark is taken off. An empty text passes: a
/// module may be empty, and [`parse`](crate::parse()) says so of an app.
#[expect(clippy::result_large_err, reason = "once for a file, and looked into at once")]
pub fn check_text(file: &Path, bytes: Vec<u8>) -> Result<String, Diagnostic> {
    let start = SourcePlace::start_of(file);
    if bytes.len() as u64 > LARGEST_FILE {
        let message = format!("the file is larger than {} MiB", LARGEST_FILE >> 20);
        return Err(Diagnostic::error(message, start)
            .help("a service's code is read as text: include data with include_str! or include_bytes!"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
        Diagnostic::error("the file is not UTF-8", SourcePlace::of_range(file, &before, good..good))
            .help("save it as UTF-8")
    })?;
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    if let Some(at) = text.find('\0') {
        return Err(Diagnostic::error("the file holds a NUL byte", SourcePlace::of_range(file, &text, at..at + 1))
            .help("this is not Rust source: name another file"));
    }
    Ok(text)
}

/// Cargo's frontmatter: a manifest between lines of three dashes or more, at the head of a file, after a shebang.
pub(crate) struct Head {
    /// The manifest.
    pub(crate) manifest: Option<String>,
    /// The text with shebang and frontmatter blanked out.
    pub(crate) text: String,
}

/// Takes shebang and frontmatter off.
pub(crate) fn split_head(text: &str) -> Head {
    let mut end = 0;
    if text.starts_with("#!") && !text.starts_with("#![") {
        end = text.find('\n').map_or(text.len(), |at| at + 1);
    }
    let rest = &text[end..];
    let open = end + (rest.len() - rest.trim_start().len());
    let fence: String = text[open..].chars().take_while(|c| *c == '-').collect();
    let mut manifest = None;
    if fence.len() >= 3 {
        let body = text[open..].find('\n').map_or(text.len(), |at| open + at + 1);
        let close = lines(&text[body..]).find(|(_, line)| line.trim_end() == fence);
        if let Some((at, line)) = close {
            manifest = Some(text[body..body + at].to_owned());
            end = body + at + line.len();
        }
    }
    Head { manifest, text: blank(text, std::slice::from_ref(&(0..end))) }
}

/// Lines with where they begin.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        let begin = at;
        at += line.len();
        (begin, line.trim_end_matches('\n'))
    })
}

/// What becomes of a stretch of a text.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// In bytes.
    pub(crate) range: Range<usize>,
    /// What stands there instead; none for blanks.
    pub(crate) text: Option<String>,
}

/// The text with stretches of bytes blanked out: a space for a character, ends of lines and tabs kept, so that what
/// is left stands at its own line and column. Behind the last of a line nothing stands there, and nothing is put: of a
/// large file a slice is small.
pub(crate) fn blank(text: &str, ranges: &[Range<usize>]) -> String {
    let blanks: Vec<_> = ranges.iter().map(|range| Change { range: range.clone(), text: None }).collect();
    change(text, &blanks)
}

/// Makes changes. What would be put into a stretch that is changed already is left out.
pub(crate) fn change(text: &str, changes: &[Change]) -> String {
    let mut sorted: Vec<&Change> = changes.iter().collect();
    sorted.sort_by_key(|change| change.range.start);
    let mut changed = String::with_capacity(text.len());
    let mut at = 0;
    for Change { range, text: instead } in sorted {
        let start = match instead {
            Some(_) if range.start < at => continue,
            None if range.end <= at => continue,
            _ => range.start.max(at),
        };
        changed.push_str(&text[at..start]);
        match instead {
            Some(instead) => changed.push_str(instead),
            None => {
                let mut lines = text[start..range.end].split_inclusive('\n').peekable();
                let is_line_over = ["\n", "\r\n"].iter().any(|end| text[range.end..].starts_with(end));
                while let Some(line) = lines.next() {
                    match line.strip_suffix('\n') {
                        Some(line) => changed.push_str(if line.ends_with('\r') { "\r\n" } else { "\n" }),
                        None if lines.peek().is_none() && is_line_over => {}
                        None => changed.extend(line.chars().map(|c| if matches!(c, '\r' | '\t') { c } else { ' ' })),
                    }
                }
            }
        }
        at = range.end;
    }
    changed.push_str(&text[at..]);
    changed
}

/// A range as counted from a later byte.
pub(crate) fn back(range: Range<usize>, start: usize) -> Range<usize> {
    range.start.saturating_sub(start)..range.end.saturating_sub(start)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn refused(bytes: &[u8]) -> (String, usize, usize) {
        let diagnostic = check_text(Path::new("app.rs"), bytes.to_vec()).unwrap_err();
        (diagnostic.message, diagnostic.place.line, diagnostic.place.column)
    }

    #[test]
    fn what_is_no_text_is_named_and_placed() {
        assert_eq!(refused(b"fn a() {}\nfn \xff() {}"), ("the file is not UTF-8".to_owned(), 2, 4));
        assert_eq!(refused("é\0".as_bytes()), ("the file holds a NUL byte".to_owned(), 1, 2));
        assert_eq!(refused(&vec![b'x'; (LARGEST_FILE + 1) as usize]).0, "the file is larger than 16 MiB");
    }

    #[test]
    fn a_byte_order_mark_goes_and_line_ends_stay() {
        assert_eq!(check_text(Path::new("app.rs"), b"\xef\xbb\xbffn a() {}\r\n".to_vec()).unwrap(), "fn a() {}\r\n");
    }

    #[test]
    fn frontmatter_is_taken_out_and_its_lines_stay() {
        let head = split_head("#!/usr/bin/env cargo\n---cargo\n[dependencies]\n---\nfn main() {}\n");
        assert_eq!(head.manifest.as_deref(), Some("[dependencies]\n"));
        assert_eq!(head.text.trim_start(), "fn main() {}\n");
        assert_eq!(head.text.lines().count(), 5);
    }

    #[test]
    fn a_file_without_a_head_stays_as_it_is() {
        for text in ["#![feature(x)]\nfn main() {}", "fn main() {}", "---\nnever closed"] {
            assert_eq!(split_head(text).text, text);
        }
    }

    #[test]
    fn blanking_keeps_columns() {
        assert_eq!(blank("aé\tb\ncd", &[0..4, 6..7]), "  \tb\n d");
        assert_eq!(blank("a bc\r\nd\ne f", &[1..7, 8..9]), "a\r\n\n  f");
        assert_eq!(blank("a bc\nd e", &[2..4, 5..8]), "a \n   ");
    }
}
