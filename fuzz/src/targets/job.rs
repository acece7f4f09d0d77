//! What strangers say to a job server.

use jobs::JobRequest;
use jobs::request::{JobLimits, JobTarget};
use jobs::timetable::{Missed, Timetable};
use jobs::token::{CHANCE, JobToken};
use protocol::runs;

/// Pieces that mean something in a job.
pub(super) const WORDS: &[&str] = &[
    "\"service\":",
    "\"inputs\":",
    "\"delay\":",
    "\"ttl\":",
    "\"10s\"",
    "\"backoff\":{",
    "\"callback\":{\"url\":",
    "\"tags\":[",
    "\"run_at\":\"2026-12-01T06:00:00Z\"",
    "{",
    "}",
    "[",
    "]",
    "\\u0000",
    "null",
    "-1",
    "1e999",
];

pub(super) fn requests() -> Vec<Vec<u8>> {
    let full = r#"{"service":"map","inputs":{"value":21.5},"priority":5,"delay":"10s","ttl":"24h","timeout":"30s","attempts":5,
        "backoff":{"first":"2s","factor":2,"most":"10m"},"lost":"retry","serial":"user-42","tags":["import"],"keep":"24h"}"#;
    [r"{}", full].map(|text| text.as_bytes().to_vec()).to_vec()
}

/// A request that reads makes a record within the limits, or is refused at a place.
pub(super) fn request(bytes: &[u8]) {
    let Ok(request) = JobRequest::read(bytes) else { return };
    let (inputs, limits) = (["value".to_owned()], JobLimits::default());
    let target = JobTarget { service: "map", inputs: &inputs, terms: Default::default() };
    match request.record(("id".to_owned(), "t"), &target, &limits, 1_000) {
        Ok(record) => {
            assert!(record.run_at >= 1_000 && record.timeout_ms <= limits.timeout_ms);
            assert!((1..=limits.attempts).contains(&record.attempts) && record.keep_ms <= limits.keep_job_ms);
            let text = serde_json::to_string(&record).expect("a record is written");
            // A store keeps these beside.
            let mut read: jobs::JobRecord = serde_json::from_str(&text).expect("and read");
            (read.id, read.tenant, read.service) = (record.id.clone(), record.tenant.clone(), record.service.clone());
            (read.state, read.run_at, read.ttl_at) = (record.state, record.run_at, record.ttl_at);
            assert_eq!(read, record);
        }
        Err(mistake) => assert!(!mistake.at.is_empty()),
    }
}

pub(super) fn batches() -> Vec<Vec<u8>> {
    ["{\"jobs\":[{},{\"priority\":1}]}", "{}\n{\"service\":\"map\"}\n"].map(|text| text.as_bytes().to_vec()).to_vec()
}

/// A batch that reads has jobs, and what a line each says is what it said.
pub(super) fn batch(bytes: &[u8]) {
    for is_lines in [false, true] {
        let Ok(texts) = jobs::batch::read(bytes, is_lines) else { continue };
        assert!((1..=jobs::batch::MOST).contains(&texts.len()));
        texts.iter().for_each(|text| request(text));
        let lines = texts.join(&b'\n');
        if is_lines {
            assert_eq!(jobs::batch::read(&lines, true).ok(), Some(texts));
        }
    }
}

pub(super) fn tokens() -> Vec<Vec<u8>> {
    vec![JobToken::new(&[3; CHANCE * 2]).text().into_bytes(), b"alice.00".to_vec(), b"job-1.1".to_vec()]
}

/// A token that reads is the text that it gives; an account that is charged was signed.
pub(super) fn token(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(token) = JobToken::read(text) {
        assert_eq!(token.text(), text);
    }
    if let Some(name) = runs::charged(text, "secret") {
        assert_eq!(runs::account(name, "secret"), text);
    }
    let _any = runs::is_run(text);
}

pub(super) fn crons() -> Vec<Vec<u8>> {
    ["*/5 * * * *", "0 0 29 2 *", "@hourly", "* * L * FRI#2", "*/10 * * * * *"]
        .map(|text| text.as_bytes().to_vec())
        .to_vec()
}

/// An expression that reads has its times in order, and none of them in the past.
pub(super) fn cron(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(table) = Timetable::read(text, "Europe/Paris") else { return };
    let now = 1_764_000_000_000;
    let Some(next) = table.after(now) else { return };
    assert!(next > now);
    let (due, after) = table.due(now, now + 3_600_000, Missed::All);
    assert!(due.is_sorted() && due.iter().all(|at| *at > now) && after.is_none_or(|after| after > now));
}
