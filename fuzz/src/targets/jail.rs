//! Messages between the pool and a process that ran a stranger's code.

use functions::FunctionEngine;
use functions::frame::{
    AnswerForm, CallEnd, ConsoleLevel, ConsoleLine, FrameReader, FromJail, FunctionEnd, FunctionError, FunctionRun,
    FunctionStop, RunLimits, Signature, ToJail, frame,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// Longer than any seed, shorter than what mutation makes of some.
const MOST: usize = 4 << 10;

pub(super) const WORDS: &[&str] = &[
    "\0\0\0",
    "\u{7}\0\0\0\"ready\"",
    "\"ran\"",
    "\"call\"",
    "\"value\"",
    "\"lost\"",
    "{\"line\":{",
    "\"never-settles\"",
    "18446744073709551616",
    "null",
    "[[[[",
];

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).expect("JSON")
}

/// Conversations of both sides, one after the other.
pub(super) fn conversations() -> Vec<Vec<u8>> {
    let run = FunctionRun {
        engine: FunctionEngine::JavaScript,
        name: "add".to_owned(),
        source: "(a, b) => a + b".to_owned(),
        arguments: raw("[4, 7]"),
        form: AnswerForm::Text,
        calls: true,
        limits: RunLimits::default(),
    };
    let value = || raw("{\"a\": [1, \"\\ud800\"]}");
    let asks = [
        ToJail::Run(Box::new(run)),
        ToJail::Check { engine: FunctionEngine::JavaScript, source: "x => x".to_owned() },
        ToJail::Answer { id: 1, end: CallEnd::Value(value()) },
        ToJail::Answer { id: 2, end: CallEnd::Failed(FunctionError::new("Error", "no")) },
    ];
    let ran = |end| FromJail::Ran { end, ns: 155_000, cut: 7 };
    let answers = [
        FromJail::Ready,
        FromJail::Refused { why: "no seccomp".to_owned() },
        FromJail::Line(ConsoleLine { level: ConsoleLevel::Warn, text: "careful".to_owned() }),
        FromJail::Call { id: 1, service: "map".to_owned(), inputs: value() },
        ran(FunctionEnd::Value(value())),
        ran(FunctionEnd::Failed(FunctionError { at: Some((1, 2)), ..FunctionError::new("TypeError", "no") })),
        ran(FunctionEnd::Stopped(FunctionStop::NeverSettles)),
        FromJail::Checked(Ok(Signature { parameters: vec!["a".to_owned()] })),
    ];
    fn all(messages: &[impl Serialize]) -> Vec<u8> {
        messages.iter().flat_map(|message| frame(message).expect("a frame")).collect()
    }
    vec![all(&asks), all(&answers), all(&answers[4..5]), all(&answers[..1])]
}

/// Frames are the same however they are cut, are written as they are read, and no process says that it was lost.
pub(super) fn conversation(bytes: &[u8]) {
    let answers = both::<FromJail>(bytes);
    both::<ToJail>(bytes);
    for answer in answers {
        assert!(!matches!(answer, FromJail::Ran { end: FunctionEnd::Lost(_), .. }));
    }
}

fn both<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Vec<T> {
    let (whole, is_whole_wrong) = read::<T>(bytes, bytes.len().max(1));
    let (parts, is_wrong) = read::<T>(bytes, 3);
    assert_eq!((whole.len(), is_whole_wrong), (parts.len(), is_wrong));
    for (message, part) in whole.iter().zip(&parts) {
        let written = frame(message).expect("a frame");
        assert_eq!(written, frame(part).expect("a frame"));
        // What is read again is the same.
        let (again, is_wrong) = read::<T>(&written, written.len());
        assert!(!is_wrong && again.len() == 1 && frame(&again[0]).expect("a frame") == written);
    }
    whole
}

/// Frames up to the first that is wrong.
fn read<T: DeserializeOwned>(bytes: &[u8], part: usize) -> (Vec<T>, bool) {
    let (mut reader, mut found) = (FrameReader::new(MOST), Vec::new());
    for part in bytes.chunks(part) {
        reader.push(part);
        loop {
            match reader.next_frame() {
                Ok(Some(message)) => found.push(message),
                Ok(None) => break,
                Err(_) => return (found, true),
            }
        }
    }
    (found, false)
}
