#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::tests::{hop, request};

const HEADER: &str = r#"{"recording":1,"app":"building","began":5,"dyn":"0.1.0"}"#;

fn recording(bytes: &[u8]) -> (tempfile::TempDir, Result<Reader, ReadError>) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE), bytes).unwrap();
    let reader = Reader::open(folder.path());
    (folder, reader)
}

fn line(at: u64) -> String {
    serde_json::to_string(&request(at, vec![hop("get", "1", "2"), hop("map", "2", "3")])).unwrap()
}

fn words(bytes: &[u8]) -> String {
    let (folder, reader) = recording(bytes);
    reader.unwrap_err().to_string().replace(&folder.path().display().to_string(), "R")
}

#[test]
fn a_torn_line_is_read_over() {
    let text = format!("{HEADER}\n{}\n{}\n\n{}\n{{\"lost\":3}}\n{}", line(1), &line(2)[..40], line(3), &line(4)[..99]);
    let (_folder, reader) = recording(text.as_bytes());
    let reader = reader.unwrap();
    let summary = reader.summary().unwrap();
    assert_eq!((summary.requests, summary.hops, summary.unread, summary.lost), (2, 4, 2, 3));
    assert_eq!((summary.last, summary.bytes), (Some(3), text.len() as u64));
    assert_eq!(reader.request(1).unwrap().at, 3);
    assert_eq!(reader.request(2).unwrap_err().to_string(), "cannot find request 2: there are 2");
    let RequestEntry { hops, at, function_ns, outcome, .. } = reader.entries()[0];
    assert_eq!((hops, at, function_ns, outcome), (2, 1, 2000, crate::Ending::Value));
}

#[test]
fn what_is_no_text_is_read_over() {
    let mut text = format!("{HEADER}\n{}\n{}\n", line(1), line(2)).into_bytes();
    let at = text.len() - 50;
    text[at] = 0xff;
    let (_folder, reader) = recording(&text);
    let reader = reader.unwrap();
    assert_eq!((reader.len(), reader.summary().unwrap().unread), (1, 1));
}

#[test]
fn a_last_line_without_an_end_counts() {
    let (_folder, reader) = recording(format!("{HEADER}\n{}", line(1)).as_bytes());
    let reader = reader.unwrap();
    assert_eq!((reader.len(), reader.request(0).unwrap().at), (1, 1));
}

#[test]
fn other_formats_are_refused_in_words() {
    let newer = HEADER.replace(":1,", ":9,").replace("app", "what");
    assert_eq!(words(newer.as_bytes()), "cannot read R/recording.jsonl: it is of format 9, newer; this dyn reads 1");
    let older = HEADER.replace(":1,", ":0,");
    assert_eq!(words(older.as_bytes()), "cannot read R/recording.jsonl: it is of format 0, older; this dyn reads 1");
    for none in ["", "\n", "[]", "{\"app\":1}", "{\"recording\":1}", "\u{1b}", &line(1)] {
        assert_eq!(words(none.as_bytes()), "cannot read R/recording.jsonl: its first line is not that of a recording");
    }
    let missing = Reader::open(Path::new("/nowhere/x")).unwrap_err();
    assert_eq!(missing.to_string(), "cannot read /nowhere/x: there is no recording");
}

#[test]
fn a_request_that_lacks_something_says_what() {
    let lacking = line(1).replace("\"service\":\"map\",", "");
    let (folder, reader) = recording(format!("{HEADER}\n{lacking}\n").as_bytes());
    let error = reader.unwrap().request(0).unwrap_err().to_string();
    let file = folder.path().join(FILE);
    assert!(
        error.starts_with(&format!("cannot read request 0 of {}: missing field `service`", file.display())),
        "{error}"
    );
}

proptest::proptest! {
    /// No bytes break the reader.
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        let (_folder, reader) = recording(&[HEADER.as_bytes(), b"\n", &bytes].concat());
        let reader = reader.unwrap();
        for number in 0..reader.len() {
            let _ = reader.request(number);
        }
    }
}
