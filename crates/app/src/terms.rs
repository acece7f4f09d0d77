//! What a service says of its jobs, and of the load it takes. None of it has a part in what the service means.

use std::fmt::{self, Display};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::quantity::{NoAmount, TimeSpan, as_text};

/// How jobs of a service run: `#[service(attempts = 8, timeout = "2m", backoff = "2s..10m", lost = "fail", parallel = 4)]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobTerms {
    /// Attempts of a job that names none.
    pub attempts: Option<u32>,
    /// The time of one attempt.
    pub timeout: Option<TimeSpan>,
    /// Waits between attempts.
    pub backoff: Option<RetryWaits>,
    /// What becomes of an attempt whose host ended.
    pub lost: Option<LostAttempt>,
    /// Jobs that run at a time.
    pub parallel: Option<u32>,
}

/// The load a service takes where nodes share it:
/// `#[service(rate = 200, at_once = 64, latency = "20ms", idempotent = true, stays = true)]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LoadTerms {
    /// Requests a second that one node serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// Requests that one node serves at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_once: Option<u32>,
    /// No node is asked for help that takes longer than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<TimeSpan>,
    /// Whether a request may be asked again elsewhere although it may have run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<bool>,
    /// Whether it is never served elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stays: Option<bool>,
}

impl JobTerms {
    /// These, and where they say nothing, others.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            attempts: self.attempts.or(others.attempts),
            timeout: self.timeout.or(others.timeout),
            backoff: self.backoff.or(others.backoff),
            lost: self.lost.or(others.lost),
            parallel: self.parallel.or(others.parallel),
        }
    }
}

impl LoadTerms {
    /// These, and where they say nothing, others.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            rate: self.rate.or(others.rate),
            at_once: self.at_once.or(others.at_once),
            latency: self.latency.or(others.latency),
            idempotent: self.idempotent.or(others.idempotent),
            stays: self.stays.or(others.stays),
        }
    }
}

/// Waits between attempts, from the first to the longest: `2s..10m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryWaits {
    pub first: TimeSpan,
    pub most: TimeSpan,
}

impl FromStr for RetryWaits {
    type Err = NoAmount;

    fn from_str(text: &str) -> Result<Self, NoAmount> {
        let wrong = || NoAmount::new(text, "range of waits", "the first and the longest, such as \"2s..10m\"");
        let (first, most) = text.split_once("..").ok_or_else(wrong)?;
        let read = |part: &str| part.trim().parse::<TimeSpan>().map_err(|_| wrong());
        let (first, most) = (read(first)?, read(most)?);
        if first <= most { Ok(Self { first, most }) } else { Err(wrong()) }
    }
}

impl Display for RetryWaits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.first, self.most)
    }
}

as_text!(RetryWaits);

/// What becomes of an attempt whose host ended during it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LostAttempt {
    /// The job runs again.
    Retry,
    /// The job fails.
    Fail,
}

impl FromStr for LostAttempt {
    type Err = NoAmount;

    fn from_str(text: &str) -> Result<Self, NoAmount> {
        match text {
            "retry" => Ok(Self::Retry),
            "fail" => Ok(Self::Fail),
            _ => Err(NoAmount::new(text, "rule for lost attempts", "\"retry\" or \"fail\"")),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn waits_are_a_range_that_grows() {
        for (given, written) in [("2s..10m", "2s..10m"), ("500ms .. 1s", "500ms..1s"), ("60s..60s", "1m..1m")] {
            assert_eq!(given.parse::<RetryWaits>().unwrap().to_string(), written);
        }
        for wrong in ["", "2s", "2s..", "..10m", "10m..2s", "2s...10m", "2..10", "2s-10m"] {
            let words = wrong.parse::<RetryWaits>().unwrap_err().to_string();
            assert!(words.ends_with("such as \"2s..10m\""), "{words}");
        }
    }

    #[test]
    fn nearer_terms_come_first() {
        let own = JobTerms { attempts: Some(2), ..JobTerms::default() };
        let all = JobTerms { attempts: Some(8), parallel: Some(4), ..JobTerms::default() };
        assert_eq!(own.or(all), JobTerms { attempts: Some(2), parallel: Some(4), ..JobTerms::default() });
        let own = LoadTerms { stays: Some(false), ..LoadTerms::default() };
        let all = LoadTerms { stays: Some(true), rate: Some(9), ..LoadTerms::default() };
        assert_eq!(own.or(all), LoadTerms { stays: Some(false), rate: Some(9), ..LoadTerms::default() });
    }
}
