//! Jobs that functions ask for in place of a call: the answer of `GET /_dyninka/asks`, and what is sent back for it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The jobs that functions of a host ask for and that no job server has accepted yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobAsks {
    /// The life of the host. Numbers of another life say nothing of this one.
    pub epoch: String,
    pub asks: Vec<JobAsk>,
}

/// A job that a function asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobAsk {
    pub number: u64,
    /// The key that makes it one job, however often it is asked for.
    pub key: String,
    /// Who is charged for the request that asks; none: nobody in particular.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    pub service: String,
    /// A JSON object.
    pub inputs: String,
    /// The trace of the request that asks.
    pub trace: String,
}

/// What became of jobs that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AskAnswers {
    /// The life of the host that asked.
    pub epoch: String,
    pub answers: Vec<AskAnswer>,
}

/// What became of one of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AskAnswer {
    pub number: u64,
    pub end: AskEnd,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AskEnd {
    /// The id of the job.
    Accepted(String),
    /// A problem document (RFC 9457).
    Refused(Value),
}

/// The key of a job that a run of another job asks for. The same for each attempt of that job: `path` has the services that
/// called each other, `inputs` are those of the service in their order. `nth` counts those that are the same in one request.
pub fn key_within(job: &str, path: &str, service: &str, inputs: &[impl AsRef<[u8]>], nth: usize) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("dyninka: job that a job asks for");
    let texts = [job.as_bytes(), path.as_bytes(), service.as_bytes()];
    for part in texts.into_iter().chain(inputs.iter().map(AsRef::as_ref)) {
        // With its length: no two lists of parts are one text.
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    format!("later-{}-{nth}", &hasher.finalize().to_hex()[..32])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_that_of_the_job_the_way_the_service_and_its_inputs() {
        let key = key_within("j", "a,b", "map", &["1", "2"], 0);
        assert_eq!(key, key_within("j", "a,b", "map", &["1", "2"], 0), "as for the attempt before");
        for other in [
            key_within("k", "a,b", "map", &["1", "2"], 0),
            key_within("j", "a", "map", &["1", "2"], 0),
            key_within("j", "a,b", "get", &["1", "2"], 0),
            key_within("j", "a,b", "map", &["12"], 0),
            key_within("j", "a,b", "map", &["1", "3"], 0),
            key_within("j", "a,b", "map", &["1", "2"], 1),
        ] {
            assert_ne!(key, other);
        }
        assert!(key.len() <= 255 && key.is_ascii());
    }
}
