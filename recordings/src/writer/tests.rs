#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::sync::mpsc::channel;

use super::*;
use crate::tests::{hop, request};
use crate::{Body, Left, Outcome, Reader};

fn header() -> Header {
    Header { redactions: vec!["/token".into()], ..Header::new("building", 5) }
}

fn quiet(_: RecordingNotice) {}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("warm");
    let writer = Writer::create(&folder, &header(), Bounds::default(), quiet).unwrap();
    let mut failed = request(2, vec![hop("get", "\"ü\n\"", "[1,\n2]")]);
    failed.hops.push(crate::RecordedHop {
        end: Outcome::Failed { kind: "panic".into(), message: "a\nb".into() },
        ..hop("map", "1", "2")
    });
    let filtered = request(3, vec![crate::RecordedHop { end: Outcome::Filtered, ..hop("get", "1", "") }]);
    let given = [request(1, vec![hop("get", "\u{0}", "null")]), failed, filtered];
    let keyframe = Keyframe { service: "get".into(), sequence: 7, life: 0, states: Vec::new() };
    writer.keyframe(&Arc::new(keyframe.clone()));
    given.iter().for_each(|request| writer.request(&Arc::new(request.clone())));
    let counts = writer.close();
    let reader = Reader::open(&folder).unwrap();
    let summary = reader.summary().unwrap();
    assert_eq!(counts, RecordedCounts { requests: 3, bytes: summary.bytes, ..RecordedCounts::default() });
    assert_eq!((summary.requests, summary.hops, summary.lost, summary.unread), (3, 4, 0, 0));
    assert_eq!((0..3).map(|at| reader.request(at).unwrap()).collect::<Vec<_>>(), given);
    assert_eq!(reader.keyframes().unwrap(), [keyframe]);
    assert_eq!(reader.header(), &header());
    assert!(matches!(Writer::create(&folder, &header(), Bounds::default(), quiet), Err(WriteError::Exists(_))));
}

#[test]
fn large_bodies_are_kept_once_and_the_largest_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let bounds = Bounds { line_body: 100, body: 1000, ..Bounds::default() };
    let writer = Writer::create(folder.path(), &header(), bounds, quiet).unwrap();
    let large = format!("\"{}\"", "a".repeat(200));
    let binary = vec![0xff; 200];
    let mut given = request(1, vec![hop("get", &large, &large), hop("map", "1", &"7".repeat(2000))]);
    given.hops[1].inputs = vec![Body::new(&binary)];
    (0..3).for_each(|_| writer.request(&Arc::new(given.clone())));
    let counts = writer.close();
    let reader = Reader::open(folder.path()).unwrap();
    assert_eq!(counts.bytes, reader.summary().unwrap().bytes);
    assert_eq!(folder.path().join("bodies").read_dir().unwrap().count(), 2);
    let mut read = reader.request(2).unwrap();
    assert!(matches!(read.hops[0].end, Outcome::Value(Body::Stored { bytes: 202, .. })));
    assert_eq!(reader.body(&read.hops[1].inputs[0]).unwrap(), binary);
    assert_eq!(read.hops[1].end, Outcome::Value(Body::Left { bytes: 2000, why: Left::Size }));
    reader.fill(&mut read).unwrap();
    assert_eq!(read.hops[0], given.hops[0]);

    // A crash may cut one short, and a hash that is none must lead nowhere.
    let Body::Stored { hash, .. } = &reader.request(0).unwrap().hops[0].inputs[0].clone() else { panic!("stored") };
    fs::write(folder.path().join("bodies").join(hash), "half").unwrap();
    assert!(matches!(reader.fill(&mut reader.request(0).unwrap()), Err(crate::BodyError::Damaged { .. })));
    assert!(reader.body(&Body::Stored { hash: "../../../etc/passwd".into(), bytes: 9 }).is_err());
}

#[test]
fn a_slow_disk_keeps_nobody_waiting_and_what_is_left_out_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (notices, told) = channel();
    let (go, held) = channel::<()>();
    // The thread that writes is held in its first notice, as a disk would hold it.
    let bounds = Bounds { queue: 2, ..Bounds::default() };
    let mut first = true;
    let writer = Writer::create(folder.path(), &header(), bounds, move |notice| {
        notices.send(notice).unwrap();
        if std::mem::take(&mut first) {
            held.recv().unwrap();
        }
    });
    let writer = writer.unwrap();
    let one = Arc::new(request(1, vec![hop("get", "1", "2")]));
    let mut given = 0;
    // Until one finds no room and the thread comes to say so.
    let notice = loop {
        writer.request(&one);
        given += 1;
        if let Ok(notice) = told.try_recv() {
            break notice;
        }
    };
    assert_eq!(notice, RecordingNotice::Slow { folder: folder.path().to_owned() });
    (0..10).for_each(|_| writer.request(&one));
    go.send(()).unwrap();
    let counts = writer.close();
    assert_eq!(counts.requests + counts.slow, given + 10);
    assert!(counts.slow >= 8, "{counts:?}");
    let summary = Reader::open(folder.path()).unwrap().summary().unwrap();
    assert_eq!((summary.requests, summary.lost), (counts.requests, counts.slow));
    assert_eq!(told.try_iter().count(), 0);
}

#[test]
fn bytes_that_wait_are_bounded_too() {
    let folder = tempfile::tempdir().unwrap();
    let bounds = Bounds { queue_bytes: 100, ..Bounds::default() };
    let writer = Writer::create(folder.path(), &header(), bounds, quiet).unwrap();
    writer.request(&Arc::new(request(1, vec![hop("get", "1", "2")])));
    assert_eq!(writer.close().slow, 1);
}

#[test]
fn it_ends_where_it_may_take_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let (notices, told) = channel();
    let bounds = Bounds { disk: 2000, ..Bounds::default() };
    let notice = move |notice| notices.send(notice).unwrap();
    let writer = Writer::create(folder.path(), &header(), bounds, notice).unwrap();
    (0..100).for_each(|at| writer.request(&Arc::new(request(at, vec![hop("get", "1", "2")]))));
    let counts = writer.close();
    assert!(counts.bytes < 2500 && counts.requests > 3, "{counts:?}");
    assert_eq!(counts.requests + counts.refused, 100);
    assert_eq!(
        told.iter().collect::<Vec<_>>(),
        [RecordingNotice::Full { folder: folder.path().to_owned(), bytes: 2000 }]
    );
    let summary = Reader::open(folder.path()).unwrap().summary().unwrap();
    assert_eq!((summary.requests, summary.lost), (counts.requests, counts.refused));
}

#[test]
fn one_of_so_many_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let writer = Writer::create(folder.path(), &header(), Bounds { every: 3, ..Bounds::default() }, quiet).unwrap();
    (0..7).for_each(|at| writer.request(&Arc::new(request(at, Vec::new()))));
    assert_eq!(writer.close().requests, 3);
    let reader = Reader::open(folder.path()).unwrap();
    assert_eq!(reader.entries().iter().map(|entry| entry.at).collect::<Vec<_>>(), [0, 3, 6]);
    assert_eq!((reader.header().every, reader.summary().unwrap().lost), (3, 0));
}
