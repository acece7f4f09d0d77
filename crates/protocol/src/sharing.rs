//! What a node's agent and a host tell each other: how many requests the host serves, where others go, and what came of it.

use serde::{Deserialize, Serialize};

/// The longest that a host goes by what it was told, in milliseconds.
const LONGEST_TTL: u64 = 60_000;
/// The most requests a second that a limit may be.
const MOST_RATE: f64 = 1e9;

/// What an agent tells a host: `PUT /_dyninka/sharing`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostSharing {
    /// Which of the agent's decisions this is.
    pub epoch: String,
    /// How long it holds; then the host is as without an agent.
    pub ttl_ms: u64,
    /// Where requests go that are not served here, `host:port`; absent: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away: Option<String>,
    /// Requests a second that are served here; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// Requests that are served at once beyond the rate; absent: those of a tenth of a second, one at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<f64>,
    /// Requests that are served at a time; absent: as many as a host takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_once: Option<usize>,
    #[serde(default)]
    pub mode: AdmissionMode,
    #[serde(default)]
    pub over: OverLimit,
    /// How long a request waits for its turn where nobody takes it.
    #[serde(default)]
    pub patience_ms: u64,
}

/// Which requests go away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdmissionMode {
    /// Those that do not fit here.
    #[default]
    Spill,
    /// By percentages: what is neither served here nor refused.
    Split { local: f64, reject: f64 },
}

/// What becomes of a request that nobody takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverLimit {
    /// It is refused: 503.
    #[default]
    Refuse,
    /// It is served here all the same.
    Serve,
}

/// What is wrong with what an agent says.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SharingError {
    #[error("ttl_ms is {0}: it has to be 1 to {LONGEST_TTL}")]
    Ttl(u64),
    #[error("{name} is {value}: it has to be more than 0 and at most {MOST_RATE}")]
    Rate { name: &'static str, value: f64 },
    #[error("at_once is 0: a host serves one request at a time at least")]
    AtOnce,
    #[error("local {local} and reject {reject} are no parts of 100")]
    Parts { local: f64, reject: f64 },
    #[error("{0} is no address, host:port")]
    Address(String),
}

impl HostSharing {
    /// Checks that it can be followed.
    pub fn check(&self) -> Result<(), SharingError> {
        if self.ttl_ms == 0 || self.ttl_ms > LONGEST_TTL {
            return Err(SharingError::Ttl(self.ttl_ms));
        }
        for (name, value) in [("limit", self.limit), ("burst", self.burst)] {
            if let Some(value) = value
                && !(value > 0.0 && value <= MOST_RATE)
            {
                return Err(SharingError::Rate { name, value });
            }
        }
        if self.at_once == Some(0) {
            return Err(SharingError::AtOnce);
        }
        if let AdmissionMode::Split { local, reject } = self.mode
            && !(local >= 0.0 && reject >= 0.0 && local + reject <= 100.0)
        {
            return Err(SharingError::Parts { local, reject });
        }
        match &self.away {
            Some(away) if !is_address(away) => Err(SharingError::Address(away.clone())),
            _ => Ok(()),
        }
    }
}

fn is_address(text: &str) -> bool {
    let parts = text.rsplit_once(':');
    parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// What a host counts while an agent shares its load: `GET /_dyninka/load?after=N&wait=MS`. Counts only grow: a reader divides
/// their differences by the time between two answers of its own clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostLoad {
    /// How often the limit was reached, or was no longer.
    pub seq: u64,
    /// Requests of users and of neighbours' users, and what became of them.
    pub users: u64,
    pub guests: u64,
    pub away: u64,
    pub refused: u64,
    pub waited: u64,
    pub in_flight: u64,
    /// CPU that the process used.
    pub cpu_ns: u64,
    /// The median time of requests that were served here.
    pub p50_ns: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sharing(text: &str) -> Result<HostSharing, String> {
        let sharing: HostSharing = serde_json::from_str(text).map_err(|error| error.to_string())?;
        sharing.check().map_err(|error| error.to_string())?;
        Ok(sharing)
    }

    #[test]
    fn what_an_agent_says_is_followed_or_refused_with_words() {
        let full = r#"{"epoch":"9f3a.17","ttl_ms":3000,"away":"127.0.0.1:7941","limit":200.0,"burst":20.0,"at_once":64,
            "mode":{"split":{"local":60.0,"reject":0.0}},"over":"serve","patience_ms":50}"#;
        let read = sharing(full).expect("it reads");
        assert_eq!(sharing(&serde_json::to_string(&read).expect("JSON")), Ok(read));
        let least = sharing(r#"{"epoch":"a","ttl_ms":3000}"#).expect("it reads");
        assert_eq!((least.mode, least.over, least.limit), (AdmissionMode::Spill, OverLimit::Refuse, None));
        for (wrong, words) in [
            (r#"{"epoch":"a","ttl_ms":0}"#, "ttl_ms is 0"),
            (r#"{"epoch":"a","ttl_ms":1,"limit":0}"#, "limit is 0"),
            (r#"{"epoch":"a","ttl_ms":1,"burst":-1}"#, "burst is -1"),
            (r#"{"epoch":"a","ttl_ms":1,"at_once":0}"#, "at_once is 0"),
            (r#"{"epoch":"a","ttl_ms":1,"mode":{"split":{"local":60,"reject":41}}}"#, "no parts of 100"),
            (r#"{"epoch":"a","ttl_ms":1,"away":"here"}"#, "here is no address"),
            (r#"{"epoch":"a","ttl_ms":1,"limits":1}"#, "unknown field `limits`"),
        ] {
            let said = sharing(wrong).expect_err(wrong);
            assert!(said.contains(words), "{said}");
        }
    }
}
