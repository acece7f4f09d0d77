//! Runs of jobs at a host, and the meters that bills rest on: the answer of `GET /_dyninka/runs`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a host knows of runs, and what its meters say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunList {
    /// The life of the host. Runs and meters of another life say nothing of this one.
    pub epoch: String,
    /// Runs that nobody has had it forget.
    pub runs: Vec<RunLine>,
    /// The number of this reading of the meters. A reader that has stored it says so with the next one.
    pub reading: u64,
    pub meter: Vec<MeterLine>,
    /// Synchronous functions that go on for nobody: past their deadline, or given up.
    #[serde(default)]
    pub left: u64,
}

/// A run that a host knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLine {
    pub run: String,
    pub state: RunState,
}

/// The state of a run at its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    Running,
    /// Its outcome is kept.
    Over,
    /// It ended, and its outcome is kept no longer.
    Dropped,
}

/// What a host counted for one account and one version, since the line began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeterLine {
    pub account: String,
    /// `service@version`.
    pub version: String,
    /// Its number. A host lets a line go that is stored and has not changed; one that comes again has another number and
    /// counts from nothing.
    pub line: u64,
    /// Nanoseconds in the function, without waits for services that it called.
    pub ns: i64,
    /// Calls that ended.
    pub calls: i64,
}

/// Hex digits of a signature.
const SIGNATURE: usize = 32;

/// The value of the header that charges an account: nobody without the app's secret can write one.
pub fn account(name: &str, secret: &str) -> String {
    format!("{name}.{}", signature(name, secret))
}

/// The account that a header charges; none where its signature is wrong or there is no secret.
pub fn charged<'a>(header: &'a str, secret: &str) -> Option<&'a str> {
    let (name, signature_given) = header.rsplit_once('.')?;
    let is_own = !secret.is_empty() && same(signature_given.as_bytes(), signature(name, secret).as_bytes());
    is_own.then_some(name)
}

/// The value of the header that says which job a request is part of: nobody without the app's secret can write one. `about` is
/// the JSON of it, in ASCII.
pub fn job(about: &str, secret: &str) -> String {
    format!("{about}.{}", signed(about, "dyninka: job of a request", secret))
}

/// The JSON of the job that a header names; none where its signature is wrong or there is no secret.
pub fn job_of<'a>(header: &'a str, secret: &str) -> Option<&'a str> {
    let (about, given) = header.rsplit_once('.')?;
    let is_own =
        !secret.is_empty() && same(given.as_bytes(), signed(about, "dyninka: job of a request", secret).as_bytes());
    is_own.then_some(about)
}

/// Adds to nanoseconds by service what a header [`crate::header::USAGE`] says. What is no `service=nanoseconds` says nothing.
pub fn add_usage(usage: &mut BTreeMap<String, u64>, header: &str) {
    let entries = header.split(", ").filter_map(|entry| entry.split_once('='));
    for (service, ns) in entries.filter_map(|(service, ns)| Some((service, ns.parse::<u64>().ok()?))) {
        let sum = usage.entry(service.to_owned()).or_default();
        *sum = sum.saturating_add(ns);
    }
}

/// Nanoseconds by service, as the header says them.
pub fn usage(usage: &BTreeMap<String, u64>) -> String {
    usage.iter().map(|(service, ns)| format!("{service}={ns}")).collect::<Vec<_>>().join(", ")
}

/// Compares without telling by time how much is alike.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

fn signature(name: &str, secret: &str) -> String {
    signed(name, "dyninka: account of a request", secret)
}

fn signed(text: &str, context: &str, secret: &str) -> String {
    let key = blake3::derive_key(context, secret.as_bytes());
    blake3::keyed_hash(&key, text.as_bytes()).to_hex()[..SIGNATURE].to_owned()
}

/// Whether a text can be the id of a run: `JOB.ATTEMPT`.
pub fn is_run(text: &str) -> bool {
    let parts = text.rsplit_once('.');
    parts.is_some_and(|(job, attempt)| {
        let is_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=64).contains(&job.len())
            && job.bytes().all(is_id)
            && (1..=10).contains(&attempt.len())
            && attempt.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_charged_by_those_who_know_the_secret() {
        let header = account("alice", "s3cret");
        assert_eq!(charged(&header, "s3cret"), Some("alice"));
        for (header, secret) in [
            (header.as_str(), "other"),
            (&header[..header.len() - 1], "s3cret"),
            ("alice.", "s3cret"),
            ("alice", "s3cret"),
        ] {
            assert_eq!(charged(header, secret), None, "{header}");
        }
        assert_eq!(charged(&header.replace("alice", "bob"), "s3cret"), None);
        assert_eq!(charged(&account("alice", ""), ""), None, "no secret charges nobody");
        assert_eq!(charged(&account("a.b", "s"), "s"), Some("a.b"));
    }

    #[test]
    fn a_job_is_told_by_those_who_know_the_secret_and_is_no_account() {
        let about = r#"{"id":"j.1","attempt":1,"tenant":"alice"}"#;
        let header = job(about, "s3cret");
        assert_eq!(job_of(&header, "s3cret"), Some(about));
        assert_eq!(job_of(&header, "other"), None);
        assert_eq!(job_of(&header.replace("alice", "bob"), "s3cret"), None);
        assert_eq!(job_of(&job(about, ""), ""), None, "no secret names no job");
        assert_eq!(job_of(&account(about, "s3cret"), "s3cret"), None, "one signature is not the other");
    }

    #[test]
    fn usage_is_added_up_by_service() {
        let mut all = BTreeMap::new();
        add_usage(&mut all, "get=41, map=3");
        add_usage(&mut all, "map=4");
        assert_eq!(usage(&all), "get=41, map=7");
        for nothing in ["", "map", "map=", "map=-1", "map=x, y", "map=18446744073709551616"] {
            add_usage(&mut all, nothing);
            assert_eq!(usage(&all), "get=41, map=7", "{nothing}");
        }
        add_usage(&mut all, "get=18446744073709551615");
        assert_eq!(all["get"], u64::MAX);
    }

    #[test]
    fn ids_of_runs_are_a_job_and_a_number() {
        for right in ["019370c4-0000-7000-8000-000000000000.1", "j.42"] {
            assert!(is_run(right), "{right}");
        }
        for wrong in ["", ".", "j.", ".1", "j.1.", "j.x", "j/../x.1", "j.12345678901", &format!("{}.1", "j".repeat(65))]
        {
            assert!(!is_run(wrong), "{wrong}");
        }
    }
}
