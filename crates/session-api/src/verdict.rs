//! What an edit changed of what functions return, ready to be told and drawn.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The verdict of recorded inputs on one service's new code.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// Rust name.
    pub service: String,
    /// `service@hash` before; none: there is no code of it any more, and what was recorded stands for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// `service@hash` now.
    pub now: String,
    /// Of the service itself.
    #[serde(flatten)]
    pub findings: FunctionVerdict,
    /// Services further on that got other values for it, as far as it makes a difference.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub downstream: BTreeMap<String, FunctionVerdict>,
    /// The new code takes longer on the same inputs, as far as the samples support that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slower: Option<SpeedChange>,
    /// The new code takes less long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faster: Option<SpeedChange>,
}

/// The results of one function's runs. Each counts once: as same, as differing, as unstable, or as skipped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FunctionVerdict {
    /// Recorded calls that were looked at.
    pub recorded: u64,
    /// Runs that end as before.
    pub same: u64,
    /// Runs that end otherwise.
    pub differ: u64,
    /// Runs that end otherwise only where the code before does so from run to run.
    #[serde(default)]
    pub unstable: u64,
    /// Runs of which nothing can be said, by the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped: BTreeMap<String, u64>,
    /// Differences one by one.
    pub changed: Vec<Changed>,
    /// Differences that were found besides these.
    #[serde(default)]
    pub more: u64,
    /// Remarks, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One difference in one recorded request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Changed {
    /// The request's number.
    pub at: u64,
    /// A JSON pointer to the place; empty: the whole.
    pub path: String,
    /// The value before; absent: nothing. An end without a value is an object such as `{"end":"filtered"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Value>,
    /// The value now; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Value>,
}

/// Times before and now, on the same inputs in turns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpeedChange {
    /// Median before, in nanoseconds in the function.
    pub was_ns: u64,
    /// Median now, in nanoseconds in the function.
    pub now_ns: u64,
    /// Runs on each side.
    pub n: u64,
    /// The probability of times this far apart where there is no difference (Mann-Whitney).
    pub p: f64,
}

/// The state of the question: did an edit change results?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Judgement {
    /// Recorded inputs are run.
    Running,
    /// The answer is there.
    Done {
        /// For each service that was changed.
        verdicts: Vec<Verdict>,
    },
    /// A later edit came before.
    Superseded,
    /// The question could not be answered.
    Failed {
        /// The reason, in words.
        why: String,
    },
}

impl Verdict {
    /// Whether anything ends otherwise than before.
    pub fn differs(&self) -> bool {
        self.findings.differ > 0 || self.downstream.values().any(|findings| findings.differ > 0)
    }

    /// In lines: [`Verdict::words`], then each difference with the request it is of.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("{}: {}", self.service, self.words())];
        let all = std::iter::once((&self.service, &self.findings)).chain(&self.downstream);
        for (service, findings) in all {
            lines.extend(findings.changed.iter().map(|changed| format!("  {service}, {}", changed.words())));
            if findings.more > 0 {
                lines.push(format!("  {service}: {} more", findings.more));
            }
            lines.extend(findings.notes.iter().map(|note| format!("  {service}: {note}")));
        }
        lines
    }

    /// In one line: how many are the same, and the first that is not.
    pub fn words(&self) -> String {
        let FunctionVerdict { recorded, same, differ, unstable, ref changed, .. } = self.findings;
        if recorded == 0 {
            return "no recorded input to run".to_owned();
        }
        let mut words = match (differ, same, unstable) {
            (0, 0, 0) => format!("none of {recorded} compared"),
            (0, ..) => format!("same {same} of {recorded}"),
            _ => format!("changed {differ} of {recorded}"),
        };
        if let Some(first) = changed.first() {
            words += &format!(", first {}", first.sides());
        }
        if unstable > 0 {
            words += &format!("; {unstable} differ from run to run");
        }
        for (why, n) in &self.findings.skipped {
            words += &format!("; {n} not replayed: {why}");
        }
        for (service, findings) in &self.downstream {
            words += &match (findings.differ, findings.same + findings.unstable, findings.skipped.first_key_value()) {
                (0, 0, Some((why, _))) => format!("; {service} not replayed: {why}"),
                (0, ..) => format!("; {service} the same"),
                (differ, ..) => format!("; {service} changed {differ} of {}", findings.recorded),
            };
        }
        for (word, pace) in [("slower", self.slower), ("faster", self.faster)] {
            if let Some(SpeedChange { was_ns, now_ns, n, p }) = pace {
                words += &format!("; {word}: {} µs, was {} µs (n {n}, p {p:.3})", micros(now_ns), micros(was_ns));
            }
        }
        words
    }
}

impl Changed {
    /// `request 12 /value: was 2.5, now 5.0`.
    fn words(&self) -> String {
        format!("request {} {}", self.at, self.sides())
    }

    fn sides(&self) -> String {
        let side = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), shorten);
        let path = if self.path.is_empty() { "the value" } else { &self.path };
        format!("{path}: was {}, now {}", side(&self.was), side(&self.now))
    }
}

fn micros(nanos: u64) -> String {
    format!("{:.1}", nanos as f64 / 1e3)
}

/// As much of a value as a line has room for.
fn shorten(value: &Value) -> String {
    const ROOM: usize = 40;
    let text = value.to_string();
    match text.char_indices().nth(ROOM) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_says_how_many_differ_and_where_the_first_does() {
        let changed = vec![Changed { at: 12, path: "/value".into(), was: Some(json!(2.5)), now: Some(json!(5.0)) }];
        let findings = FunctionVerdict { recorded: 50, same: 47, differ: 3, changed, ..FunctionVerdict::default() };
        let mut verdict = Verdict { findings, ..Verdict::default() };
        assert_eq!(verdict.words(), "changed 3 of 50, first /value: was 2.5, now 5.0");
        assert!(verdict.differs());
        verdict.downstream.insert("map".into(), FunctionVerdict { recorded: 3, same: 3, ..FunctionVerdict::default() });
        verdict.slower = Some(SpeedChange { was_ns: 1_000, now_ns: 2_500, n: 50, p: 0.001 });
        let words = verdict.words();
        assert!(words.ends_with("; map the same; slower: 2.5 µs, was 1.0 µs (n 50, p 0.001)"), "{words}");
        let skipped = std::collections::BTreeMap::from([("it writes /x".to_owned(), 3)]);
        verdict.downstream.insert(
            "map".into(),
            FunctionVerdict { recorded: 3, skipped: skipped.clone(), ..FunctionVerdict::default() },
        );
        assert!(verdict.words().contains("; map not replayed: it writes /x;"), "nothing of it was compared");
        let findings = FunctionVerdict { recorded: 3, skipped, ..FunctionVerdict::default() };
        let stopped = Verdict { findings, ..Verdict::default() };
        assert_eq!(stopped.words(), "none of 3 compared; 3 not replayed: it writes /x");
        verdict.findings = FunctionVerdict { recorded: 2, same: 1, unstable: 1, ..FunctionVerdict::default() };
        assert!(verdict.words().starts_with("same 1 of 2; 1 differ from run to run"));
        assert_eq!(Verdict::default().words(), "no recorded input to run");
    }

    #[test]
    fn a_long_value_is_shortened_at_a_character() {
        assert_eq!(shorten(&json!("é".repeat(60))).chars().count(), 41);
    }
}
