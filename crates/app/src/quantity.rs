//! Amounts as Kubernetes writes them: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>.
//! They are kept in units of their own, so that `0.5` and `500m` are one amount and no drift.

use std::fmt::{self, Display};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An amount of computing, in thousandths of a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpu(u64);

/// An amount of memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Memory(u64);

/// An amount of time, in milliseconds: at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeSpan(u64);

/// A text that is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text} is no {what}: write {such_as}")]
pub struct NoAmount {
    text: String,
    what: &'static str,
    such_as: &'static str,
}

impl NoAmount {
    pub(crate) fn new(text: &str, what: &'static str, such_as: &'static str) -> Self {
        Self { text: text.to_owned(), what, such_as }
    }
}

impl Cpu {
    /// Thousandths of a CPU.
    pub const fn millis(millis: u64) -> Self {
        Self(millis)
    }

    /// CPUs, as Docker and Marathon want them.
    pub fn cores(self) -> f64 {
        self.0 as f64 / 1000.0
    }
}

impl Memory {
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    pub const fn in_bytes(self) -> u64 {
        self.0
    }

    /// Whole mebibytes, at least one: what Marathon counts in.
    pub fn mebibytes(self) -> u64 {
        self.0.div_ceil(1 << 20)
    }
}

impl FromStr for Cpu {
    type Err = NoAmount;

    fn from_str(text: &str) -> Result<Self, NoAmount> {
        let wrong = || NoAmount::new(text, "amount of CPU", "\"500m\", \"1\" or \"1.5\"");
        let (number, per_cpu) = text.strip_suffix('m').map_or((text, 1000), |millis| (millis, 1));
        scaled(number, per_cpu).filter(|millis| *millis > 0).map(Self).ok_or_else(wrong)
    }
}

impl FromStr for Memory {
    type Err = NoAmount;

    fn from_str(text: &str) -> Result<Self, NoAmount> {
        let wrong = || NoAmount::new(text, "amount of memory", "\"128Mi\", \"1Gi\" or \"500M\"");
        let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let bytes = match unit {
            "" => 1,
            "k" => 1_000,
            "M" => 1_000_000,
            "G" => 1_000_000_000,
            "Ki" => 1 << 10,
            "Mi" => 1 << 20,
            "Gi" => 1 << 30,
            _ => return Err(wrong()),
        };
        scaled(number, bytes).filter(|bytes| *bytes > 0).map(Self).ok_or_else(wrong)
    }
}

impl TimeSpan {
    pub const fn in_millis(self) -> u64 {
        self.0
    }
}

impl FromStr for TimeSpan {
    type Err = NoAmount;

    fn from_str(text: &str) -> Result<Self, NoAmount> {
        let wrong = || NoAmount::new(text, "amount of time", "\"250ms\", \"20s\", \"2m\" or \"1h\"");
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let millis = TIMES.iter().find(|(_, of)| *of == unit).ok_or_else(wrong)?.0;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        number.checked_mul(millis).filter(|millis| (1..=LONGEST).contains(millis)).map(Self).ok_or_else(wrong)
    }
}

/// Units of time in milliseconds, the largest first.
const TIMES: [(u64, &str); 5] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
/// Ten years.
const LONGEST: u64 = 3_650 * 86_400_000;

/// A number with at most nine digits behind its point, times a scale, rounded up.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > 9 || !is_digits(whole) || !is_digits(part) || number.ends_with('.') {
        return None;
    }
    let unit = 10_u64.pow(u32::try_from(part.len()).ok()?);
    let part = if part.is_empty() { 0 } else { part.parse::<u64>().ok()? };
    let part = u64::try_from((u128::from(part) * u128::from(scale)).div_ceil(u128::from(unit))).ok()?;
    whole.parse::<u64>().ok()?.checked_mul(scale)?.checked_add(part)
}

impl Display for Cpu {
    /// As an API server would write it: `2`, `1500m`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1000) { write!(f, "{}", self.0 / 1000) } else { write!(f, "{}m", self.0) }
    }
}

impl Display for Memory {
    /// As an API server would write it: `128Mi`, `500`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1_u64 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")];
        match units.into_iter().find(|(size, _)| self.0.is_multiple_of(*size)) {
            Some((size, unit)) => write!(f, "{}{unit}", self.0 / size),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Display for TimeSpan {
    /// In its largest whole unit: `2m`, `250ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match TIMES.iter().find(|(unit, _)| self.0.is_multiple_of(*unit)) {
            Some((unit, name)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}ms", self.0),
        }
    }
}

/// Writes and reads an amount as its text.
macro_rules! as_text {
    ($amount:ty) => {
        impl Serialize for $amount {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $amount {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use as_text;

as_text!(Cpu);
as_text!(Memory);
as_text!(TimeSpan);

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn one_amount_is_written_one_way() {
        let cpus = [("500m", "500m"), ("0.5", "500m"), ("2", "2"), ("2000m", "2"), ("1.5", "1500m"), ("0.0001", "1m")];
        for (given, written) in cpus {
            assert_eq!(given.parse::<Cpu>().unwrap().to_string(), written);
        }
        let spans = [("250ms", "250ms"), ("1000ms", "1s"), ("60s", "1m"), ("90s", "90s"), ("24h", "1d")];
        for (given, written) in spans {
            assert_eq!(given.parse::<TimeSpan>().unwrap().to_string(), written);
        }
        let memories =
            [("128Mi", "128Mi"), ("1024Mi", "1Gi"), ("0.5Gi", "512Mi"), ("500M", "500000000"), ("2k", "2000")];
        for (given, written) in memories {
            assert_eq!(given.parse::<Memory>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", "m", "0", "0m", "-1", "1.", ".5", "1e3", "half", "1.0000000001", "99999999999999999999"] {
            assert!(text.parse::<Cpu>().is_err(), "{text}");
        }
        for text in ["", "Mi", "0Mi", "128MB", "128 Mi", "1Pi", "-1Mi", "18446744073709551615Gi"] {
            assert!(text.parse::<Memory>().is_err(), "{text}");
        }
        for text in ["", "10", "s", "0s", "-1s", "1.5s", "1 s", "1S", "1w", "3651d", "99999999999999999999s"] {
            assert!(text.parse::<TimeSpan>().is_err(), "{text}");
        }
        let words = "lots".parse::<Memory>().unwrap_err().to_string();
        assert_eq!(words, "lots is no amount of memory: write \"128Mi\", \"1Gi\" or \"500M\"");
    }
}
