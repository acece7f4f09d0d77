#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::mpsc;

use protocol::body::{Body, Outcome};
use protocol::record::{self, Arrival, Run, Visit};
use recordings::Reader;

use super::*;

/// A recorder that blanks tokens, in a folder of its own, and what it tells the user.
fn recorder() -> (tempfile::TempDir, Recorder, mpsc::Receiver<String>) {
    let folder = tempfile::tempdir().unwrap();
    let (sender, notices) = mpsc::channel();
    let options = RecordingOptions { redact: vec!["token".to_owned()], ..RecordingOptions::default() };
    let recorder = Recorder::new(options, folder.path().join("recordings"), move |notice| {
        sender.send(notice).unwrap();
    });
    (folder, recorder.unwrap(), notices)
}

fn told(lines: Vec<RecordLine>, epoch: u64) -> Recorded {
    Recorded { service: "map".to_owned(), epoch, lines, dropped: 0, unread: 0 }
}

fn visit(number: u64, sequence: u64) -> RecordLine {
    let run = Run {
        version: "map@1".to_owned(),
        inputs: vec![Body::new(b"{\"token\":\"sesame\",\"n\":1}")],
        end: Outcome::Value(Body::new(b"1")),
        function_ns: 5,
        sequence,
        calls: Vec::new(),
    };
    let headers = vec![("authorization".to_owned(), "Bearer sesame".to_owned())];
    RecordLine::Visit(Box::new(Visit {
        trace: format!("{number:032x}"),
        span: format!("{number:016x}"),
        parent: None,
        entry: Some(Arrival { route: None, headers }),
        service: "map".to_owned(),
        begun: 1_000_000 * number,
        took: 10,
        asked: Vec::new(),
        run: Some(run),
    }))
}

fn keyframe(sequence: u64) -> RecordLine {
    let states = vec![("N".to_owned(), "u64".to_owned(), serde_json::value::to_raw_value(&7).unwrap())];
    RecordLine::Keyframe(record::StateKeyframe { service: "map".to_owned(), sequence, states })
}

const NOW: Duration = Duration::ZERO;

#[test]
fn secrets_are_blanked_before_anything_is_kept() {
    let (_folder, recorder, _notices) = recorder();
    recorder.add(NOW, told(vec![visit(1, 0)], 1));
    let request = recorder.request(0).unwrap();
    assert!(!serde_json::to_string(&*request).unwrap().contains("sesame"), "{request:?}");
    let Body::Json(input) = &request.hops[0].inputs[0] else { panic!("{request:?}") };
    assert!(input.get().contains("\"n\":1"));
    let wrong = RecordingOptions { ignore: vec![String::new()], ..RecordingOptions::default() };
    assert!(Recorder::new(wrong, PathBuf::new(), drop).is_err(), "no path");
}

#[test]
fn calls_of_a_host_started_anew_are_numbered_on() {
    let (_folder, recorder, _notices) = recorder();
    recorder.add(NOW, told(vec![keyframe(0), visit(1, 0), visit(2, 1)], 1));
    recorder.add(NOW, told(vec![keyframe(0), visit(3, 0)], 2));
    let material = recorder.material();
    let sequences: Vec<_> = material.requests.iter().map(|(_, request)| request.hops[0].sequence).collect();
    assert_eq!(sequences, [3, 1, 0], "newest first, with a gap between the lives");
    let lives: Vec<_> = material.requests.iter().map(|(_, request)| request.hops[0].life).collect();
    assert_eq!(lives, [1, 0, 0]);
    let frames: Vec<_> = material.keyframes.iter().map(|frame| (frame.life, frame.sequence)).collect();
    assert_eq!(frames, [(0, 0), (1, 3)]);
}

#[test]
fn what_is_recorded_and_what_is_kept_can_be_read() {
    let (_folder, recorder, _notices) = recorder();
    recorder.know("app", BTreeMap::from([("map".to_owned(), "map@1".to_owned())]), BTreeMap::new());
    assert!(recorder.save("early").unwrap_err().contains("no request has come yet"));
    assert!(recorder.stop().is_err());
    recorder.add(NOW, told(vec![keyframe(0), visit(1, 0)], 1));
    assert!(recorder.start(None).unwrap().ends_with("recording-1"));
    assert!(recorder.start(Some("two")).unwrap_err().contains("recording-1 is being recorded already"));
    recorder.add(NOW, told(vec![visit(2, 1), visit(3, 2)], 1));
    assert_eq!(recorder.picture().written.unwrap().name, "recording-1");
    assert!(recorder.stop().unwrap().starts_with("recording-1 holds 2 requests"));
    assert!(recorder.save("all").unwrap().starts_with("3 requests are kept in "));
    assert!(recorder.save("all").unwrap_err().contains("is there"), "nothing is written over");
    for wrong in ["", "..", "a/b", ".hidden", "a b"] {
        assert!(recorder.save(wrong).unwrap_err().contains("no name of a recording"), "{wrong}");
    }
    for (name, requests) in [("recording-1", 2), ("all", 3)] {
        let reader = Reader::open(&recorder.folder().join(name)).unwrap();
        assert_eq!((reader.len(), &*reader.header().app), (requests, "app"));
        assert_eq!(reader.header().redactions, ["token"]);
        assert_eq!(reader.header().versions["map"], "map@1");
    }
    let all = Reader::open(&recorder.folder().join("all")).unwrap();
    assert_eq!(all.keyframes().unwrap().len(), 1);
    assert_eq!(all.request(0).unwrap().hops[0].sequence, 0, "oldest first");
}

#[test]
fn what_is_lost_or_does_not_read_is_counted_and_said_once() {
    let (_folder, recorder, notices) = recorder();
    for _ in 0..2 {
        recorder.add(NOW, Recorded { dropped: 3, unread: 1, ..told(vec![], 1) });
    }
    assert_eq!(recorder.picture().dropped, 6);
    assert_eq!(notices.try_iter().count(), 1);
}
