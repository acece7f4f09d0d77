//! What a tenant may ask for. It is checked where a job is accepted; what was accepted is never dropped.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Limits of a tenant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TenantLimits {
    /// Its share of function time, beside the others'.
    pub weight: f64,
    /// Jobs that wait.
    pub queued: u64,
    /// Jobs that run at a time.
    pub running: u32,
    /// Jobs accepted a second, in the long run.
    pub rate: f64,
    /// Jobs accepted at once.
    pub burst: f64,
    /// Function time a day, in UTC, as `1h`; `none`: any.
    #[serde(with = "daily")]
    #[schema(value_type = String)]
    pub daily: Option<u64>,
}

/// A duration or `none`, in milliseconds.
mod daily {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::duration;

    #[expect(clippy::ref_option, reason = "as serde passes a field")]
    pub(super) fn serialize<S: Serializer>(millis: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&millis.map_or_else(|| "none".to_owned(), duration::write))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "none" => Ok(None),
            text => duration::read(text).map(Some).map_err(de::Error::custom),
        }
    }
}

/// What a tenant may still ask for, as the header fields of the same names say it
/// (draft-ietf-httpapi-ratelimit-headers-10: lists of quoted names with parameters).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimitFields {
    /// `RateLimit-Policy`: `q`, jobs that a policy lets in, and `w`, the seconds in which it does.
    pub policy: String,
    /// `RateLimit`: `r`, jobs that may be asked for now, and `t`, the seconds until all of `q` may.
    pub limit: String,
}

/// The largest number that a structured field can hold (RFC 9651).
const LARGEST: u64 = 999_999_999_999_999;

impl RateLimitFields {
    /// The fields of a tenant that has so many jobs waiting, at a time in milliseconds.
    pub fn of(limits: &TenantLimits, queued: u64, bucket: &JobBucket, now: u64) -> Self {
        // Casts of floats saturate.
        let (burst, fill) = (limits.burst as u64, (limits.burst / limits.rate).ceil().max(1.0) as u64);
        let (left, full) = bucket.left(limits, now);
        let [burst, fill, left, full] = [burst, fill, left, full].map(|number| number.min(LARGEST));
        let (most, room) = (limits.queued.min(LARGEST), limits.queued.saturating_sub(queued).min(LARGEST));
        Self {
            policy: format!("\"rate\";q={burst};w={fill}, \"queued\";q={most}"),
            limit: format!("\"rate\";r={left};t={full}, \"queued\";r={room}"),
        }
    }
}

impl Default for TenantLimits {
    fn default() -> Self {
        Self { weight: 1.0, queued: 100_000, running: 16, rate: 200.0, burst: 400.0, daily: None }
    }
}

impl TenantLimits {
    /// What is wrong with these limits; none where they can be used.
    pub fn mistake(&self) -> Option<String> {
        let named =
            [("weight", self.weight, 1e-3, 1e6), ("rate", self.rate, 1e-3, 1e9), ("burst", self.burst, 1.0, 1e9)];
        let wrong = named.into_iter().find(|(_, value, least, most)| !(*value >= *least && *value <= *most));
        if let Some((name, value, least, most)) = wrong {
            return Some(format!("{name} is {value}; it must lie between {least} and {most}"));
        }
        (self.running == 0).then(|| "running is 0: no job could ever run".to_owned())
    }
}

/// Tokens that come at a constant rate, up to so many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JobBucket {
    /// When it will be full, in microseconds of a clock that does not jump. One number tells of all of its tokens.
    full: u64,
}

impl JobBucket {
    /// A full bucket; times are milliseconds of a clock that does not jump.
    pub fn full(now: u64) -> Self {
        Self { full: now.saturating_mul(1_000) }
    }

    /// Takes tokens for so many jobs; else the milliseconds until there are enough. More than the bucket ever holds are
    /// taken from a full one, which then owes them.
    pub fn take(&mut self, limits: &TenantLimits, now: u64, jobs: u64) -> Result<(), u64> {
        let now = now.saturating_mul(1_000);
        // A cast of a float saturates.
        let time = |jobs: f64| (jobs * 1e6 / limits.rate) as u64;
        let jobs = jobs as f64;
        let full = self.full.max(now);
        let (needed, saved) =
            (full.saturating_add(time(jobs.min(limits.burst))), now.saturating_add(time(limits.burst)));
        if needed > saved {
            return Err((needed - saved).div_ceil(1_000));
        }
        self.full = full.saturating_add(time(jobs));
        Ok(())
    }

    /// Whole tokens that are there, and the seconds until it is full.
    pub fn left(&self, limits: &TenantLimits, now: u64) -> (u64, u64) {
        let missing = self.full.saturating_sub(now.saturating_mul(1_000));
        let left = limits.burst - missing as f64 * limits.rate / 1e6;
        // Of a cast, what is below 0 is 0. A sum of floats may be a hair below what it is.
        ((left + 1e-6) as u64, missing.div_ceil(1_000_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_in_and_then_the_rate() {
        let limits = TenantLimits { rate: 10.0, burst: 20.0, ..TenantLimits::default() };
        let mut bucket = JobBucket::full(1_000);
        assert_eq!((0..30).filter(|_| bucket.take(&limits, 1_000, 1).is_ok()).count(), 20);
        assert_eq!(bucket.take(&limits, 1_000, 1), Err(100));
        let later = (1..=100).filter(|at| bucket.take(&limits, 1_000 + at * 10, 1).is_ok());
        assert_eq!(later.count(), 10, "ten in a second");
        assert!(bucket.take(&limits, 500, 1).is_err(), "a clock that goes back gives nothing");
        // A batch larger than the bucket has to be possible once.
        assert_eq!(bucket.take(&limits, 60_000, 50), Ok(()));
        assert_eq!(bucket.take(&limits, 60_000, 1), Err(3_100));
    }

    #[test]
    fn fields_say_what_may_still_be_asked_for() {
        let limits = TenantLimits { rate: 10.0, burst: 20.0, queued: 100, ..TenantLimits::default() };
        let mut bucket = JobBucket::full(1_000);
        let said = |bucket: &JobBucket, queued, now| RateLimitFields::of(&limits, queued, bucket, now).limit;
        assert_eq!(RateLimitFields::of(&limits, 0, &bucket, 1_000).policy, r#""rate";q=20;w=2, "queued";q=100"#);
        assert_eq!(said(&bucket, 0, 1_000), r#""rate";r=20;t=0, "queued";r=100"#);
        assert_eq!(bucket.take(&limits, 1_000, 3), Ok(()));
        assert_eq!(said(&bucket, 3, 1_000), r#""rate";r=17;t=1, "queued";r=97"#);
        assert_eq!(said(&bucket, 3, 1_150), r#""rate";r=18;t=1, "queued";r=97"#);
        // A batch larger than the bucket leaves it owing.
        assert_eq!(bucket.take(&limits, 10_000, 50), Ok(()));
        assert_eq!(said(&bucket, 150, 10_000), r#""rate";r=0;t=5, "queued";r=0"#);
        let wide = TenantLimits { rate: 1e9, burst: 1e9, queued: u64::MAX, ..TenantLimits::default() };
        let policy = RateLimitFields::of(&wide, 0, &bucket, 0).policy;
        assert_eq!(policy, r#""rate";q=1000000000;w=1, "queued";q=999999999999999"#);
    }

    #[test]
    fn the_time_of_a_day_is_a_duration_or_none() {
        let read = |text: &str| serde_json::from_str::<TenantLimits>(text).map(|limits| limits.daily);
        assert!(matches!(read(r#"{"daily":"1h"}"#), Ok(Some(3_600_000))) && matches!(read("{}"), Ok(None)));
        assert!(matches!(read(r#"{"daily":"none"}"#), Ok(None)));
        assert!(read(r#"{"daily":"1"}"#).is_err() && read(r#"{"daily":5}"#).is_err());
        let limits = TenantLimits { daily: Some(90_000), ..TenantLimits::default() };
        let text = serde_json::to_string(&limits).unwrap_or_default();
        assert!(
            text.contains(r#""daily":"90s""#)
                && serde_json::from_str::<TenantLimits>(&text).is_ok_and(|read| read == limits)
        );
    }

    #[test]
    fn limits_that_let_nothing_run_are_refused() {
        assert_eq!(TenantLimits::default().mistake(), None);
        for wrong in [
            TenantLimits { weight: 0.0, ..TenantLimits::default() },
            TenantLimits { weight: f64::NAN, ..TenantLimits::default() },
            TenantLimits { rate: -1.0, ..TenantLimits::default() },
            TenantLimits { burst: 0.5, ..TenantLimits::default() },
            TenantLimits { running: 0, ..TenantLimits::default() },
        ] {
            assert!(wrong.mistake().is_some(), "{wrong:?}");
        }
    }
}
