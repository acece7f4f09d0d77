//! A job as it is asked for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::backoff::Backoff;
use crate::duration;
use crate::record::{JobCallback, JobRecord};
use crate::state::JobState;

/// A job as it is asked for. Durations are texts such as `10s`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
    /// The service to call; none: the last of the flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// A registered function of the tenant's, in place of a service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Arguments of the function. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub args: Option<Box<RawValue>>,
    /// Inputs by name. Those that are left out are fetched along the flow.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    pub inputs: BTreeMap<String, Box<RawValue>>,
    /// Another flow for the inputs that are left out, such as `map(filter(get))`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// 0 to 9, within a tenant only. A job gains a step for each minute that it waits.
    #[serde(default)]
    #[schema(maximum = 9)]
    pub priority: u8,
    /// The time before which it does not run (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_at: Option<String>,
    /// The wait before it runs, in place of `run_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<String>,
    /// The time within which it must begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
    /// The time of one attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Attempts at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// Waits between attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<BackoffText>,
    /// What becomes of an attempt whose host ended: `retry` or `fail`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<LostRule>,
    /// Jobs of a tenant with the same text run one after the other, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Where its end is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<JobCallback>,
    /// How long its result is kept after its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<String>,
}

/// Waits between attempts, as texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackoffText {
    pub first: Option<String>,
    pub factor: Option<f64>,
    pub most: Option<String>,
}

/// What becomes of an attempt whose host ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LostRule {
    Retry,
    Fail,
}

/// Bounds and defaults of what may be asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JobLimits {
    /// Bytes of a request.
    pub payload: usize,
    /// Bytes of a result.
    pub result: usize,
    pub attempts: u32,
    pub timeout_ms: u64,
    pub ttl_ms: u64,
    /// How long results are kept where nothing is said.
    pub keep_result_ms: u64,
    /// How long jobs that are over are kept.
    pub keep_job_ms: u64,
}

impl Default for JobLimits {
    fn default() -> Self {
        const DAY: u64 = 86_400_000;
        Self {
            payload: 1 << 20,
            result: 8 << 20,
            attempts: 25,
            timeout_ms: 15 * 60_000,
            ttl_ms: 7 * DAY,
            keep_result_ms: DAY,
            keep_job_ms: 30 * DAY,
        }
    }
}

/// What is wrong with a request, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {message}")]
pub struct RequestMistake {
    /// The member.
    pub at: String,
    pub message: String,
}

/// A service that jobs may be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobTarget<'a> {
    pub service: &'a str,
    pub inputs: &'a [String],
    pub terms: TargetTerms,
}

/// What jobs of a service have where they say nothing, as its author says. Limits bound it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TargetTerms {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// The first wait between attempts, and the longest, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_ms: Option<(u64, u64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<LostRule>,
}

/// Attempts where nothing is said.
const ATTEMPTS: u32 = 5;
/// Milliseconds of an attempt where nothing is said.
const TIMEOUT_MS: u64 = 30_000;
/// Arrays and objects inside each other.
const DEEPEST: usize = 128;

impl JobRequest {
    /// Reads a request from JSON. Members that nobody knows, doubled ones, and what is nested too deep are refused.
    pub fn read(text: &[u8]) -> Result<Self, RequestMistake> {
        let wrong = |message: String| RequestMistake { at: "body".to_owned(), message };
        // First as a whole: what is not JSON is told as such, and doubled members are seen.
        let raw: &RawValue = serde_json::from_slice(text).map_err(|error| wrong(format!("it is no JSON: {error}")))?;
        // Of an array, serde would take the members by their order.
        if !raw.get().starts_with('{') {
            return Err(wrong("a job is a JSON object".to_owned()));
        }
        if depth(raw.get()) > DEEPEST {
            return Err(wrong(format!("it is nested deeper than {DEEPEST}")));
        }
        if let Some(name) = doubled(raw.get()) {
            return Err(wrong(format!("the member {name:?} is there twice")));
        }
        serde_json::from_str(raw.get()).map_err(|error| wrong(format!("it is no job: {error}")))
    }

    /// The record of the job, and its input as JSON. `id` and `now` are the server's; times are milliseconds.
    pub fn record(
        &self,
        (id, tenant): (String, &str),
        target: &JobTarget<'_>,
        limits: &JobLimits,
        now: i64,
    ) -> Result<JobRecord, RequestMistake> {
        let wrong = |at: &str, message: String| RequestMistake { at: at.to_owned(), message };
        let duration = |at: &str, text: &Option<String>| {
            text.as_deref().map(duration::read).transpose().map_err(|message| wrong(at, message))
        };
        let bounded = |at: &str, value: u64, most: u64| {
            let told = || wrong(at, format!("{} is more than {}", duration::write(value), duration::write(most)));
            if value <= most { Ok(value) } else { Err(told()) }
        };
        self.about_functions()?;
        if let Some(unknown) = self.inputs.keys().find(|name| !target.inputs.contains(name)) {
            let takes = if target.inputs.is_empty() { "none".to_owned() } else { target.inputs.join(", ") };
            return Err(wrong(
                &format!("inputs.{unknown}"),
                format!("{} has no such input; its inputs: {takes}", target.service),
            ));
        }
        if self.priority > 9 {
            return Err(wrong("priority", format!("{} is not between 0 and 9", self.priority)));
        }
        let run_at = match (&self.run_at, duration("delay", &self.delay)?) {
            (Some(_), Some(_)) => return Err(wrong("delay", "run_at and delay exclude each other".to_owned())),
            (Some(text), None) => {
                let at: jiff::Timestamp = text.parse().map_err(|error| {
                    wrong("run_at", format!("{text:?} is no time, such as 2026-12-01T06:00:00Z: {error}"))
                })?;
                at.as_millisecond().max(now)
            }
            (None, delay) => now.saturating_add_unsigned(delay.unwrap_or(0)),
        };
        let ttl = bounded("ttl", duration("ttl", &self.ttl)?.unwrap_or(limits.ttl_ms), limits.ttl_ms)?;
        let timeout = duration("timeout", &self.timeout)?;
        let usual_timeout = target.terms.timeout_ms.unwrap_or(TIMEOUT_MS).min(limits.timeout_ms);
        let timeout_ms = bounded("timeout", timeout.unwrap_or(usual_timeout), limits.timeout_ms)?;
        if timeout_ms == 0 {
            return Err(wrong("timeout", "an attempt needs some time".to_owned()));
        }
        let attempts = self.attempts.unwrap_or(target.terms.attempts.unwrap_or(ATTEMPTS).min(limits.attempts));
        if attempts == 0 || attempts > limits.attempts {
            return Err(wrong("attempts", format!("{attempts} is not between 1 and {}", limits.attempts)));
        }
        for (at, text) in self.tags.iter().map(|tag| ("tags", tag)).chain(self.serial.iter().map(|key| ("serial", key)))
        {
            if text.is_empty() || text.len() > 255 {
                return Err(wrong(at, "a text of 1 to 255 bytes is wanted".to_owned()));
            }
        }
        if self.tags.len() > 16 {
            return Err(wrong("tags", "at most 16 tags".to_owned()));
        }
        let keep = duration("keep", &self.keep)?.unwrap_or(limits.keep_result_ms);
        Ok(JobRecord {
            id,
            tenant: tenant.to_owned(),
            service: target.service.to_owned(),
            state: JobState::Queued,
            priority: self.priority,
            created_at: now,
            run_at,
            began_at: None,
            ended_at: None,
            attempt: 0,
            used: 0,
            attempts,
            held: 0,
            lost: 0,
            later: 0,
            backoff: self.backoff(&target.terms)?,
            timeout_ms,
            repeat_lost: self.lost.or(target.terms.lost) != Some(LostRule::Fail),
            // It counts from when the job may run.
            ttl_at: Some(run_at.saturating_add_unsigned(ttl)),
            serial: self.serial.clone(),
            tags: self.tags.clone(),
            key: None,
            route: self.route.clone(),
            callback: self.callback.clone(),
            keep_ms: bounded("keep", keep, limits.keep_job_ms)?,
            holder: None,
            epoch: None,
            function_ns: 0,
            usage: BTreeMap::new(),
            versions: Vec::new(),
            filtered: None,
            problem: None,
            kind: None,
            still_runs: false,
            asked_by: None,
            as_text: false,
        })
    }

    /// Its inputs as JSON: an object for a service, an array for a function; empty: none.
    pub fn input(&self) -> Vec<u8> {
        match (&self.function, self.inputs.is_empty()) {
            (Some(_), _) => self.args.as_ref().map_or_else(|| b"[]".to_vec(), |args| args.get().as_bytes().to_vec()),
            (None, true) => Vec::new(),
            // Texts and what was JSON before are written as JSON.
            (None, false) => serde_json::to_vec(&self.inputs).unwrap_or_default(),
        }
    }

    fn about_functions(&self) -> Result<(), RequestMistake> {
        let wrong = |at: &str, message: &str| Err(RequestMistake { at: at.to_owned(), message: message.to_owned() });
        match (&self.function, &self.args) {
            (Some(_), _) if self.service.is_some() => wrong("function", "service and function exclude each other"),
            (Some(_), _) if self.route.is_some() => wrong("route", "a function is no service of a flow"),
            (Some(_), _) if !self.inputs.is_empty() => wrong("inputs", "a function takes args, a JSON array"),
            (Some(_), Some(args)) if !args.get().starts_with('[') => wrong("args", "arguments are a JSON array"),
            (None, Some(_)) => wrong("args", "a service takes inputs by name; args are for a function"),
            _ => Ok(()),
        }
    }

    fn backoff(&self, terms: &TargetTerms) -> Result<Backoff, RequestMistake> {
        let mut backoff = Backoff::default();
        if let Some((first_ms, most_ms)) = terms.backoff_ms {
            (backoff.first_ms, backoff.most_ms) = (first_ms, most_ms);
        }
        let Some(said) = &self.backoff else { return Ok(backoff) };
        let wrong = |at: &str, message: String| RequestMistake { at: format!("backoff.{at}"), message };
        if let Some(first) = &said.first {
            backoff.first_ms = duration::read(first).map_err(|message| wrong("first", message))?;
        }
        if let Some(most) = &said.most {
            backoff.most_ms = duration::read(most).map_err(|message| wrong("most", message))?;
        }
        if let Some(factor) = said.factor {
            if !(1.0..=100.0).contains(&factor) {
                return Err(wrong("factor", format!("{factor} is not between 1 and 100")));
            }
            backoff.factor = factor;
        }
        if backoff.first_ms > backoff.most_ms {
            return Err(wrong("first", "it is more than backoff.most".to_owned()));
        }
        Ok(backoff)
    }
}

/// How deep arrays and objects are nested; texts are passed over.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_text = !in_text,
            (false, b'[' | b'{') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A member that is twice in the object or in one of its inputs; none where there is no such.
fn doubled(json: &str) -> Option<String> {
    fn names(json: &str) -> Option<Vec<(String, Box<RawValue>)>> {
        struct Members(Vec<(String, Box<RawValue>)>);
        impl<'de> Deserialize<'de> for Members {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Reader;
                impl<'de> serde::de::Visitor<'de> for Reader {
                    type Value = Members;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                        let mut members = Vec::new();
                        while let Some(member) = map.next_entry()? {
                            members.push(member);
                        }
                        Ok(Members(members))
                    }
                }
                deserializer.deserialize_map(Reader)
            }
        }
        serde_json::from_str::<Members>(json).ok().map(|members| members.0)
    }
    fn twice(members: &[(String, Box<RawValue>)]) -> Option<String> {
        let mut seen = std::collections::BTreeSet::new();
        members.iter().find(|(name, _)| !seen.insert(name)).map(|(name, _)| name.clone())
    }
    let members = names(json)?;
    twice(&members).or_else(|| {
        let inputs = members.iter().find(|(name, _)| name == "inputs")?;
        twice(&names(inputs.1.get())?)
    })
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
