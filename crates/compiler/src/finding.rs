//! rustc's words, moved to the user's lines.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use app::{Diagnostic, Related, Severity, SourcePlace};
use serde::Deserialize;

/// Something rustc said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What, and where in the user's files.
    pub diagnostic: Diagnostic,
    /// The whole of rustc's words, with its drawing of the lines, uncoloured.
    pub rendered: String,
    /// rustc's number for it, like `E0308`.
    pub code: Option<String>,
}

/// What the text that rustc saw consists of.
pub(crate) struct Origin<'a> {
    /// The root file, as rustc and the user name it.
    pub(crate) root: &'a Path,
    /// All the user's files, named likewise.
    pub(crate) files: &'a BTreeSet<PathBuf>,
    /// How many lines of the root file are the user's. The glue follows.
    pub(crate) lines: usize,
    pub(crate) glue: &'a dyn Explain,
}

/// Puts into words what is wrong in glue: the user wrote no line of it and cannot see it.
pub(crate) trait Explain {
    /// What is wrong in a line of the glue, counted from 0.
    fn explain(&self, line: usize, span: &Span, message: &Message) -> Told;

    /// Where something is that has no place of its own.
    fn home(&self) -> SourcePlace;

    /// The service all of this is about, where it is one.
    fn service(&self) -> Option<&str>;
}

/// What is said instead of rustc's words about glue.
pub(crate) struct Told {
    pub(crate) message: String,
    pub(crate) place: SourcePlace,
    pub(crate) help: Option<String>,
    pub(crate) related: Vec<Related>,
    /// Ours instead of rustc's number.
    pub(crate) code: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Message {
    pub(crate) message: String,
    code: Option<Code>,
    level: String,
    spans: Vec<Span>,
    children: Vec<Message>,
    rendered: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Code {
    code: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Span {
    file_name: PathBuf,
    line_start: usize,
    line_end: usize,
    pub(crate) column_start: usize,
    pub(crate) column_end: usize,
    is_primary: bool,
    label: Option<String>,
    suggested_replacement: Option<String>,
    expansion: Option<Box<Expansion>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Expansion {
    span: Span,
}

/// The errors in what rustc wrote to stderr, each once, in the order of the files.
pub(crate) fn read(stderr: &str, origin: &Origin) -> Vec<Finding> {
    let messages = stderr.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    let errors = messages.filter(|message| message.level.starts_with("error") && !is_summary(message));
    merge(errors.map(|message| origin.finding(message)).collect())
}

/// Puts the findings of several services together: what is wrong with a shared item is said once, and then belongs
/// to no service alone. Sorted by place.
pub fn merge(findings: Vec<Finding>) -> Vec<Finding> {
    let mut merged: Vec<Finding> = Vec::new();
    for finding in findings {
        let same = |known: &&mut Finding| {
            known.diagnostic.place == finding.diagnostic.place && known.diagnostic.message == finding.diagnostic.message
        };
        match merged.iter_mut().find(same) {
            Some(known) if known.diagnostic.service != finding.diagnostic.service => known.diagnostic.service = None,
            Some(_) => {}
            None => merged.push(finding),
        }
    }
    merged.sort_by(|one, other| {
        let key = |finding: &Finding| (finding.diagnostic.severity, finding.diagnostic.place.clone());
        key(one).cmp(&key(other))
    });
    merged
}

fn is_summary(message: &Message) -> bool {
    message.spans.is_empty()
        && (message.message.starts_with("aborting due to") || message.message.starts_with("could not compile"))
}

impl Origin<'_> {
    fn finding(&self, message: Message) -> Finding {
        let told = match self.innermost(message.primary()) {
            Some(span) if self.is_glue(&span) => self.glue.explain(span.line_start - self.lines - 1, &span, &message),
            Some(span) => message.told_at(place_of(&span)),
            None => message.told_at(self.glue.home()),
        };
        Finding {
            diagnostic: Diagnostic {
                severity: Severity::Error,
                message: told.message,
                place: told.place,
                help: told.help,
                service: self.glue.service().map(str::to_owned),
                related: told.related,
            },
            rendered: message.rendered.unwrap_or_default(),
            code: told.code.or(message.code.map(|code| code.code)),
        }
    }

    /// The innermost place in the user's files: what a macro of another crate got wrong is at the macro's call.
    fn innermost(&self, span: Option<&Span>) -> Option<Span> {
        let mut span = span?;
        loop {
            let file = lexical(&span.file_name);
            if let Some(own) = self.files.iter().find(|own| lexical(own) == file) {
                return Some(Span { file_name: own.clone(), ..span.clone() });
            }
            span = &span.expansion.as_ref()?.span;
        }
    }

    fn is_glue(&self, span: &Span) -> bool {
        span.file_name == self.root && span.line_start > self.lines
    }
}

impl Message {
    fn primary(&self) -> Option<&Span> {
        self.spans.iter().find(|span| span.is_primary)
    }

    /// What rustc writes next to the place.
    pub(crate) fn label(&self) -> Option<&str> {
        self.primary().and_then(|span| span.label.as_deref())
    }

    /// rustc's own words, at a place.
    pub(crate) fn told_at(&self, place: SourcePlace) -> Told {
        let message = match self.label().filter(|label| !self.message.contains(label)) {
            Some(label) => format!("{}: {label}", self.message),
            None => self.message.clone(),
        };
        Told { message, place, help: self.help(), related: Vec::new(), code: None }
    }

    /// The first of rustc's own hints, with what it would write.
    pub(crate) fn help(&self) -> Option<String> {
        let help = self.children.iter().find(|child| child.level == "help")?;
        let replacement = help.spans.iter().find_map(|span| span.suggested_replacement.as_deref());
        let replacement = replacement.map(str::trim).filter(|text| !text.is_empty() && !text.contains('\n'));
        Some(match replacement {
            Some(text) if !help.message.contains(text) => format!("{}: `{text}`", help.message),
            _ => help.message.clone(),
        })
    }
}

/// A path without `x/..`: rustc writes out the way it took to a file.
fn lexical(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        let is_up = part == Component::ParentDir;
        match plain.components().next_back() {
            Some(Component::Normal(_)) if is_up => drop(plain.pop()),
            _ if part == Component::CurDir => {}
            _ => plain.push(part),
        }
    }
    plain
}

fn place_of(span: &Span) -> SourcePlace {
    SourcePlace {
        file: span.file_name.clone(),
        line: span.line_start,
        column: span.column_start,
        end_line: span.line_end,
        end_column: span.column_end,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeMap;

    use app::{App, Sources};
    use serde_json::{Value, json};

    use super::*;
    use crate::explain::OfService;

    fn app() -> App {
        let text = "\n#[service] fn map(reading: Reading) -> Answer { x }\n";
        let texts = BTreeMap::from([("app.rs".into(), text.into())]);
        app::parse(&Sources { root: "app.rs".into(), texts, ..Sources::default() }).0
    }

    fn span(file: &str, line: usize, expansion: Value) -> Value {
        json!({
            "file_name": file, "line_start": line, "line_end": line, "column_start": 3, "column_end": 5, "is_primary": true,
            "label": null, "suggested_replacement": null, "expansion": expansion,
        })
    }

    fn message(text: &str, spans: Vec<Value>, children: Vec<Value>) -> Value {
        json!({ "message": text, "code": null, "level": "error", "spans": spans, "children": children, "rendered": "error" })
    }

    fn read_all(messages: &[Value]) -> Vec<Finding> {
        let app = app();
        let service = app.service("map").unwrap();
        let stderr: String = messages.iter().map(|message| format!("{message}\n")).collect();
        let glue = crate::glue::write(service, &[], "v", &|_| String::new());
        let origin = Origin {
            root: Path::new("app.rs"),
            files: &BTreeSet::from([PathBuf::from("app.rs")]),
            lines: 2,
            glue: &OfService { service, glue: &glue },
        };
        read(&stderr, &origin)
    }

    #[test]
    fn what_another_crates_macro_got_wrong_is_at_its_call() {
        let call = json!({ "span": span("app.rs", 2, Value::Null), "macro_decl_name": "json!" });
        let findings = read_all(&[message("wrong", vec![span("/registry/json.rs", 90, call)], vec![])]);
        let SourcePlace { line, column, .. } = findings[0].diagnostic.place;
        assert_eq!((line, column), (2, 3));
    }

    #[test]
    fn what_has_no_place_is_at_the_service() {
        let note = message("ld: cannot find -lssl", vec![], vec![]);
        let findings = read_all(&[message("linking with `cc` failed: exit status: 1", vec![], vec![note])]);
        assert_eq!(findings[0].diagnostic.place.line, 2);
        assert_eq!(findings[0].diagnostic.service.as_deref(), Some("map"));
    }

    #[test]
    fn what_is_wrong_in_the_glue_is_told_of_the_service() {
        // The eighth line of the glue bears the input.
        let input = message(
            "the trait bound `Reading: dyninka::Deserialize<'_>` is not satisfied",
            vec![span("app.rs", 9, Value::Null)],
            vec![],
        );
        let output = message(
            "the trait bound `Answer: serde::Serialize` is not satisfied",
            vec![span("app.rs", 3, Value::Null)],
            vec![],
        );
        let other = message("mismatched types", vec![span("app.rs", 6, Value::Null)], vec![]);
        let messages: Vec<String> =
            read_all(&[input, output, other]).into_iter().map(|finding| finding.diagnostic.message).collect();
        assert_eq!(
            messages,
            [
                "input `reading` of `map` cannot be read: `Reading` is not `Deserialize`",
                "the output of `map` cannot be sent: `Answer` is not `Serialize`",
                "`map` cannot be a service: mismatched types",
            ]
        );
    }

    #[test]
    fn a_hint_comes_with_what_it_would_write() {
        let mut place = span("app.rs", 2, Value::Null);
        place["suggested_replacement"] = json!("&x");
        let mut help = message("consider borrowing here", vec![place], vec![]);
        help["level"] = json!("help");
        let findings = read_all(&[message("mismatched types", vec![span("app.rs", 2, Value::Null)], vec![help])]);
        assert_eq!(findings[0].diagnostic.help.as_deref(), Some("consider borrowing here: `&x`"));
    }

    #[test]
    fn summaries_warnings_and_noise_are_left_out() {
        let mut warning = message("unused", vec![span("app.rs", 2, Value::Null)], vec![]);
        warning["level"] = json!("warning");
        assert!(
            read_all(&[warning, message("aborting due to 2 previous errors", vec![], vec![]), json!("noise")])
                .is_empty()
        );
    }

    #[test]
    fn a_way_round_leads_to_the_same_file() {
        assert_eq!(lexical(Path::new("./a/../b/c.rs")), PathBuf::from("b/c.rs"));
        assert_eq!(lexical(Path::new("../../b/../c.rs")), PathBuf::from("../../c.rs"));
    }
}
