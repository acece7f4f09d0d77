//! What the author of a function says of its runs.

use serde::{Deserialize, Serialize};

use crate::duration;
use crate::request::{JobLimits, RequestMistake, TargetTerms};

/// The least memory that a run may be bounded to: the engine itself takes some of it.
const LEAST_MEMORY: u64 = 1 << 20;

/// Bounds of the runs of a function, where its author says any. They are kept with its version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FunctionTerms {
    /// Milliseconds of an attempt, where its job says none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Bytes of memory of a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Attempts, where its job says none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
}

impl FunctionTerms {
    /// Reads the texts of a request. Each is held against the largest that the server allows; `memory` is that of a run.
    pub fn read(
        [timeout, memory, attempts]: [Option<&str>; 3],
        limits: &JobLimits,
        most_memory: u64,
    ) -> Result<Self, RequestMistake> {
        let wrong = |at: &str, message: String| RequestMistake { at: at.to_owned(), message };
        let timeout_ms = timeout.map(|text| {
            let millis = duration::read(text).map_err(|message| wrong("timeout", message))?;
            if (1..=limits.timeout_ms).contains(&millis) {
                return Ok(millis);
            }
            let most = duration::write(limits.timeout_ms);
            Err(wrong("timeout", format!("{text} is not between 1ms and {most}, the longest that this server allows")))
        });
        let memory = memory.map(|text| {
            let bytes = bytes(text).map_err(|message| wrong("memory", message))?;
            if (LEAST_MEMORY..=most_memory).contains(&bytes) {
                return Ok(bytes);
            }
            let most = most_memory >> 20;
            let hint = "[jobs.functions] memory in dyn.toml";
            Err(wrong(
                "memory",
                format!("{text} is not between 1MiB and {most}MiB, the most that this server allows ({hint})"),
            ))
        });
        let attempts = attempts.map(|text| {
            let number = text.parse().ok().filter(|number| (1..=limits.attempts).contains(number));
            number.ok_or_else(|| wrong("attempts", format!("{text:?} is no number between 1 and {}", limits.attempts)))
        });
        Ok(Self { timeout_ms: timeout_ms.transpose()?, memory: memory.transpose()?, attempts: attempts.transpose()? })
    }

    /// What its jobs have where they say nothing.
    pub fn of_jobs(&self) -> TargetTerms {
        TargetTerms { attempts: self.attempts, timeout_ms: self.timeout_ms, ..TargetTerms::default() }
    }
}

/// Reads bytes of memory such as `64MiB` or `64Mi`.
fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no size of memory: write a number with a unit, such as 512KiB, 64MiB or 1GiB");
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(at);
    let shift = match unit.strip_suffix('B').unwrap_or(unit) {
        "Ki" => 10,
        "Mi" => 20,
        "Gi" => 30,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_held_against_the_largest_of_the_server() {
        let limits = JobLimits::default();
        let read = |timeout, memory, attempts| FunctionTerms::read([timeout, memory, attempts], &limits, 64 << 20);
        let all = FunctionTerms { timeout_ms: Some(30_000), memory: Some(32 << 20), attempts: Some(1) };
        assert_eq!(read(Some("30s"), Some("32MiB"), Some("1")), Ok(all));
        assert_eq!(read(None, None, None), Ok(FunctionTerms::default()));
        for (right, is) in [("1024KiB", 1_u64 << 20), ("64Mi", 64 << 20), ("2MiB", 2 << 20)] {
            assert_eq!(read(None, Some(right), None).map(|terms| terms.memory), Ok(Some(is)), "{right}");
        }
        for wrong in ["0s", "16m", "30", ""] {
            assert_eq!(
                read(Some(wrong), None, None).map_err(|mistake| mistake.at),
                Err("timeout".to_owned()),
                "{wrong}"
            );
        }
        for wrong in
            ["0MiB", "1023KiB", "65MiB", "1GiB", "64", "64MB", "64 MiB", "-1MiB", "99999999999999999999GiB", ""]
        {
            assert_eq!(
                read(None, Some(wrong), None).map_err(|mistake| mistake.at),
                Err("memory".to_owned()),
                "{wrong}"
            );
        }
        for wrong in ["0", "26", "x", "-1", "1.5", ""] {
            assert_eq!(
                read(None, None, Some(wrong)).map_err(|mistake| mistake.at),
                Err("attempts".to_owned()),
                "{wrong}"
            );
        }
        let said = read(None, Some("65MiB"), None).map_err(|mistake| mistake.message);
        assert!(said.is_err_and(|said| said.contains("between 1MiB and 64MiB")));
    }
}
