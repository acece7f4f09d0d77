//! What was recorded: told by a host, or kept in a folder that somebody handed over.

use std::fs;
use std::sync::OnceLock;

use protocol::record::RecordLine;
use recordings::{Body, FILE, Reader};

/// Pieces that mean something in a recording.
pub(super) const WORDS: &[&str] = &[
    "\n",
    "{\"lost\":3}\n",
    "{\"keyframe\":{\"service\":\"get\",\"sequence\":0,\"states\":[]}}\n",
    "\"recording\":1",
    "\"hops\":[",
    "\"life\":4294967295",
    "\"sequence\":18446744073709551615",
    "{\"stored\":{\"hash\":\"../../etc/passwd\",\"bytes\":1}}",
    "{\"left\":{\"bytes\":9}}",
    "{\"bytes\":\"AAE=\"}",
    "{\"json\":[1]}",
    "null",
    "1e999",
    "-1",
    "\\ud800",
    "[[[[",
];

const REQUEST: &str = r#"{"id":"01","at":7,"route":"map(get)","headers":[["a","b"]],"hops":[
{"span":"1","service":"get","version":"get@1","inputs":[],"end":{"value":{"json":{"a":1.50}}},"function_ns":5,"at_ns":1,"sequence":0},
{"span":"2","parent":"1","service":"map","version":"map@1","inputs":[{"json":{"a":1.50}}],"end":{"failed":{"kind":"panicked","message":"no"}},
"function_ns":5,"at_ns":2,"sequence":18,"life":2,"calls":[{"service":"get","inputs":[{"bytes":"AAE="}],"end":"filtered"}]}]}"#;

pub(super) fn files() -> Vec<Vec<u8>> {
    let request = REQUEST.replace('\n', "");
    let keyframe =
        r#"{"keyframe":{"service":"map","sequence":18,"life":2,"states":[{"name":"N","fingerprint":"f","value":7}]}}"#;
    let header = serde_json::to_string(&recordings::Header::new("app", 1)).expect("JSON");
    vec![format!("{header}\n{request}\n{keyframe}\n{{\"lost\":2}}\n{request}\n{{\"id\":\"02").into_bytes()]
}

/// A file that opens tells of as many lines as it has, and what reads of it is written so that it reads the same; a
/// body's name leads nowhere.
pub(super) fn file(bytes: &[u8]) {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().expect("a folder")).path();
    fs::write(folder.join(FILE), bytes).expect("a file");
    let Ok(reader) = Reader::open(folder) else { return };
    let summary = reader.summary().expect("the folder is there");
    let lines = bytes.split(|byte| *byte == b'\n').count() as u64;
    let keyframes = reader.keyframes().expect("the file is there");
    assert!(summary.requests + summary.unread + keyframes.len() as u64 <= lines, "{summary:?}");
    assert_eq!(summary.requests, reader.entries().len() as u64);
    for number in 0..reader.len() {
        let Ok(mut request) = reader.request(number) else { continue };
        let written = serde_json::to_string(&request).expect("JSON");
        assert!(!written.contains('\n'), "{written}");
        assert_eq!(
            serde_json::from_str::<recordings::Request>(&written).expect("what was written here reads"),
            request
        );
        // There is no body beside the file: whatever a name says, nothing is found.
        let bodies = request.hops.iter().flat_map(|hop| &hop.inputs);
        for body in bodies.filter(|body| matches!(body, Body::Stored { .. })) {
            assert!(reader.body(body).is_err(), "{body:?}");
        }
        drop(reader.fill(&mut request));
    }
    assert!(reader.newest(3).count() <= 3);
}

pub(super) fn lines() -> Vec<Vec<u8>> {
    [
        r#"{"visit":{"trace":"1","span":"2","service":"map","begun":1,"took":2,"asked":["3"],"run":{"version":"map@1","inputs":[{"json":1}],"end":{"value":{"json":2}},"function_ns":3,"sequence":0,"calls":[]}}}"#,
        r#"{"visit":{"trace":"1","span":"2","parent":"1","entry":{"route":"get","headers":[["a","b"]]},"service":"get","begun":1,"took":2,"asked":[]}}"#,
        r#"{"keyframe":{"service":"map","sequence":18,"states":[["N","f",7]]}}"#,
    ]
    .map(|line| line.as_bytes().to_vec())
    .to_vec()
}

/// A line that reads is written so that it reads the same.
pub(super) fn line(bytes: &[u8]) {
    let Ok(line) = serde_json::from_slice::<RecordLine>(bytes) else { return };
    let written = serde_json::to_vec(&line).expect("JSON");
    assert_eq!(serde_json::from_slice::<RecordLine>(&written).expect("what was written here reads"), line);
}
