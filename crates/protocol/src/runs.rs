//! Runs of jobs at a host, and the meters that bills rest on: the answer of `GET /_dyninka/runs`.

use serde::{Deserialize, Serialize};

/// What a host knows of runs, and what its meters say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunList {
    /// The life of the host. Runs and meters of another life say nothing of this one.
    pub epoch: String,
    /// Runs that nobody has had it forget.
    pub runs: Vec<RunLine>,
    pub meter: Vec<MeterLine>,
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

/// What a host counted for one account and one version, since its life began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeterLine {
    pub account: String,
    /// `service@version`.
    pub version: String,
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

/// Compares without telling by time how much is alike.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

fn signature(name: &str, secret: &str) -> String {
    let key = blake3::derive_key("dyninka: account of a request", secret.as_bytes());
    blake3::keyed_hash(&key, name.as_bytes()).to_hex()[..SIGNATURE].to_owned()
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
