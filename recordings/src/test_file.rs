//! Recorded calls as a Rust test file: plain code that its owner may change, and that needs no `dyn`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::replay::{Case, Question, Replay, Subject};
use protocol::body::{Body, Outcome};

/// A test file, and how to use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestFile {
    /// The code.
    pub text: String,
    /// Recorded calls that are checked.
    pub cases: usize,
    /// Services without a test, each with why.
    pub left_out: Vec<(String, String)>,
}

/// Writes a test file for recorded calls of every service: the newest that differ in what they received, as many of each as
/// the question's limits say; of functions with placed state those that follow a known state, in their order.
///
/// The file is a module within the app's (`#[cfg(test)] #[path = "…"] mod recorded;`), since services and their types
/// are private as a rule. What calls other services is left out, as those would answer with what they are now.
pub fn as_tests(question: &Question, recording: &str, place: &str) -> TestFile {
    let mut file = TestFile { text: String::new(), cases: 0, left_out: Vec::new() };
    let mut helpers = BTreeSet::new();
    let mut tests = String::new();
    for (service, subject) in &question.subjects {
        match write_service(question, service, subject, &mut helpers) {
            Ok((text, cases)) => {
                tests += &text;
                file.cases += cases;
            }
            Err(why) => file.left_out.push((service.clone(), why.to_owned())),
        }
    }
    let module = identifier(recording);
    file.text = format!(
        "//! What functions returned in the recording `{}`. Written by `dyn keep`, yours to change.\n//!\n\
         //! In the app's file: `#[cfg(test)] #[path = {place:?}] mod {module};`. Needs `serde` and `serde_json`.\n",
        comment(recording)
    );
    for (service, why) in &file.left_out {
        let _infallible = writeln!(file.text, "//! Without a test: `{}`, {why}.", comment(service));
    }
    file.text += &tests;
    for helper in helpers {
        file.text += helper.text();
    }
    file
}

/// A function that tests of the file use.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Helper {
    Exactly,
    Expect,
    Fails,
    Read,
}

impl Helper {
    fn text(self) -> &'static str {
        match self {
            // A JSON value would take two numbers of so many digits for one.
            Self::Exactly => {
                r#"
#[track_caller]
fn exactly<T: serde::Serialize>(call: dyninka::Call<T>, recorded: &str) {
    let value = call.wait().expect("a value");
    assert_eq!(serde_json::to_string(&value).expect("JSON"), recorded);
}
"#
            }
            Self::Expect => {
                r#"
#[track_caller]
fn expect<T: serde::Serialize>(call: dyninka::Call<T>, recorded: &str) {
    let value = call.wait().expect("a value");
    let text = serde_json::to_string(&value).expect("JSON");
    assert_eq!(read::<serde_json::Value>(&text), read::<serde_json::Value>(recorded));
    assert_eq!(long_integers(&text), long_integers(recorded));
}

/// Those that a `serde_json::Value` rounds.
fn long_integers(json: &str) -> Vec<&str> {
    let is_part = |c: char| c.is_ascii_digit() || ".eE+-".contains(c);
    let mut found: Vec<_> = json.split(|c: char| !is_part(c)).filter(|number| number.len() > 19).collect();
    found.retain(|number| !number.contains(['.', 'e', 'E']));
    found.sort_unstable();
    found
}
"#
            }
            Self::Fails => {
                r#"
#[track_caller]
fn fails<T>(call: dyninka::Call<T>, message: &str) {
    let error = call.wait().err().expect("an error");
    assert_eq!(error.to_string(), message);
}
"#
            }
            Self::Read => {
                r#"
#[track_caller]
fn read<T: for<'a> serde::Deserialize<'a>>(json: &str) -> T {
    serde_json::from_str(json).expect("what was recorded reads")
}
"#
            }
        }
    }
}

/// The tests of a service and how many calls they check, or why there is none.
fn write_service(
    question: &Question,
    service: &str,
    subject: &Subject,
    helpers: &mut BTreeSet<Helper>,
) -> Result<(String, usize), &'static str> {
    if subject.replay == Replay::Never {
        return Err("it says replay = false");
    }
    let chosen = question.choose(service, subject);
    if chosen.cases.iter().any(|case| case.calls().is_some_and(|calls| !calls.is_empty())) {
        return Err("it calls other services");
    }
    if subject.placed && !chosen.exact {
        return Err("the state it was in is not known");
    }
    let calls: Vec<_> =
        chosen.cases.iter().filter_map(|case| Some((case, write_call(service, case, helpers)?))).collect();
    if calls.is_empty() {
        return Err("no call of it was recorded that can be checked");
    }
    let mut text = String::new();
    if !subject.placed {
        for (case, call) in &calls {
            let name = format!("{}_{}", identifier(service), case.at);
            text += &format!("\n#[test]\nfn {name}() {{\n    {call}\n}}\n");
        }
        return Ok((text, calls.len()));
    }
    if calls.len() < chosen.cases.len() {
        return Err("one of its calls cannot be checked, and those after it rest on that");
    }
    // One test: state is that of the whole process, and tests run side by side.
    text += &format!("\n#[test]\nfn {}_in_order() {{\n", identifier(service));
    for placed in chosen.from.iter().flat_map(|keyframe| &keyframe.states) {
        helpers.insert(Helper::Read);
        text += &format!("    super::{}.set(read({}));\n", placed.name, literal(placed.value.get()));
    }
    for (case, call) in &calls {
        text += &format!("    // Request {}.\n    {call}\n", case.at);
    }
    Ok((text + "}\n", calls.len()))
}

/// The line that calls and checks; none where there is no way to.
fn write_call(service: &str, case: &Case, helpers: &mut BTreeSet<Helper>) -> Option<String> {
    let inputs = case
        .inputs()?
        .iter()
        .map(|input| Some(format!("read({})", literal(json(input)?))))
        .collect::<Option<Vec<_>>>()?;
    let call = format!("super::{service}({})", inputs.join(", "));
    let (end, _) = case.recorded.as_ref()?;
    let (helper, expected) = match end {
        Outcome::Value(body) => {
            let json = json(body)?;
            let is_kept = protocol::exact::wide(json).is_empty();
            (if is_kept { Helper::Expect } else { Helper::Exactly }, literal(json))
        }
        Outcome::Filtered => (Helper::Expect, literal("null")),
        Outcome::Failed { kind, message } if kind == "failed" => (Helper::Fails, literal(message)),
        Outcome::Failed { .. } => return None,
    };
    helpers.insert(helper);
    if helper == Helper::Expect || !inputs.is_empty() {
        helpers.insert(Helper::Read);
    }
    let name = match helper {
        Helper::Exactly => "exactly",
        Helper::Expect => "expect",
        Helper::Fails | Helper::Read => "fails",
    };
    Some(format!("{name}({call}, {expected});"))
}

/// None too where serde does not read it: it is nested too deep.
fn json(body: &Body) -> Option<&str> {
    match body {
        Body::Json(json) => serde_json::from_str::<serde_json::Value>(json.get()).is_ok().then(|| json.get()),
        Body::Stored { .. } | Body::Bytes(_) | Body::Left { .. } => None,
    }
}

/// A text as a Rust literal: raw, unless it would not come back as it is, or be refused, or read otherwise than it is.
fn literal(text: &str) -> String {
    if text.contains(is_unseen) {
        return format!("{text:?}");
    }
    if !text.contains(['"', '\\']) {
        return format!("\"{text}\"");
    }
    let mut hashes = "#".to_owned();
    while text.contains(&format!("\"{hashes}")) {
        hashes.push('#');
    }
    format!("r{hashes}\"{text}\"{hashes}")
}

/// What a reader of the file would not see as it is, and rustc refuses in part: control characters, and those that turn the
/// direction of what is written, join, or take no room.
fn is_unseen(character: char) -> bool {
    !matches!(character, '"' | '\'' | '\\') && character.escape_debug().len() > 1
}

/// A text for a comment: one line, which reads as it is.
fn comment(text: &str) -> String {
    text.chars().flat_map(|c| if is_unseen(c) { c.escape_debug().collect::<Vec<_>>() } else { vec![c] }).collect()
}

/// A name that Rust takes.
fn identifier(name: &str) -> String {
    let mut text: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        text.insert_str(0, "recorded_");
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the text, Rust reads back what was written.
        #[test]
        fn a_literal_is_the_text(text in "[a\"#\\\\\n\u{0}ü]{0,8}") {
            let written = literal(&text);
            let read = match written.strip_prefix('r') {
                Some(raw) => {
                    let hashes = raw.chars().take_while(|&c| c == '#').count();
                    raw[hashes + 1..raw.len() - hashes - 1].to_owned()
                }
                None => {
                    // Rust's escapes of these characters, read by hand.
                    let inner = &written[1..written.len() - 1];
                    inner.replace("\\\\", "\u{1}").replace("\\\"", "\"").replace("\\n", "\n").replace("\\0", "\0").replace('\u{1}', "\\")
                }
            };
            prop_assert_eq!(read, text);
        }
    }

    #[test]
    fn what_turns_or_hides_text_is_written_by_its_number() {
        for hidden in ['\u{202e}', '\u{2066}', '\u{200f}', '\u{200b}', '\u{feff}', '\u{85}', '\r', '\u{7f}', '\u{2028}']
        {
            let written = literal(&format!("a\"{hidden}b"));
            assert!(!written.contains(hidden) && written.starts_with("\"a\\\""), "{written}");
            assert!(!comment(&hidden.to_string()).contains(hidden));
        }
        assert_eq!((literal("größe 温度 é"), comment("größe")), ("\"größe 温度 é\"".to_owned(), "größe".to_owned()));
    }

    #[test]
    fn names_are_ones_that_rust_takes() {
        assert_eq!(
            (identifier("warm-2"), identifier("7"), identifier("r#type")),
            ("warm_2".into(), "recorded_7".into(), "r_type".into())
        );
    }

    #[test]
    fn raw_literals_end_where_they_should() {
        assert_eq!(literal(r##"{"a":"#"}"##), r####"r##"{"a":"#"}"##"####);
        assert_eq!((literal("21.5"), literal("a\nb")), ("\"21.5\"".into(), "\"a\\nb\"".into()));
        assert!(literal("\u{1b}").starts_with("\"\\u{1b}"));
    }
}
