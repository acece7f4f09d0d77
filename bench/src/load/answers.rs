//! What is right.

use std::io;
use std::sync::Arc;

use serde::Deserialize;

use super::caller::Answer;

/// What an answer has to be.
#[derive(Clone, Debug)]
pub(crate) enum Check {
    /// The moving average of the building: each count once, and an average that the readings can have.
    Average,
    /// These bytes.
    Exactly(Arc<[u8]>),
    /// Whatever has this status.
    Status(u16),
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fate {
    /// Answered with a value; the average's count where it has one.
    Right(Option<u64>),
    /// Answered with nothing, as the chain may.
    Filtered,
    /// Turned away with 503 and a time to come again.
    Shed,
    /// Answered with what is not true.
    Wrong(String),
    /// Another status, or no answer.
    Failed(String),
}

/// Degrees Celsius that the readings' temperatures lie between.
const PLAUSIBLE: std::ops::RangeInclusive<f64> = -30.0..=45.0;

/// Characters of an answer that are told.
const TOLD: usize = 160;

#[derive(Deserialize)]
struct Average {
    average: f64,
    count: u64,
}

impl Check {
    pub(super) fn judge(&self, answer: io::Result<Answer<'_>>) -> Fate {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Fate::Failed(error.to_string()),
        };
        match (answer.status, self) {
            (status, Self::Status(wanted)) if status == *wanted => Fate::Right(None),
            (200, Self::Average) => match serde_json::from_slice::<Average>(answer.body) {
                Ok(Average { average, count }) if PLAUSIBLE.contains(&average) => Fate::Right(Some(count)),
                _ => Fate::Wrong(words(answer.body)),
            },
            (200, Self::Exactly(expected)) if answer.body == &expected[..] => Fate::Right(None),
            (200, Self::Exactly(_)) => Fate::Wrong(words(answer.body)),
            (204, Self::Average) => Fate::Filtered,
            (503, _) if answer.retry_after => Fate::Shed,
            (status, _) => Fate::Failed(format!("{status}: {}", words(answer.body))),
        }
    }
}

fn words(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(TOLD).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(check: &Check, status: u16, retry_after: bool, body: &[u8]) -> Fate {
        check.judge(Ok(Answer { status, retry_after, body }))
    }

    #[test]
    fn an_average_is_right_by_its_count_and_wrong_where_no_reading_could_make_it() {
        let body = br#"{"average":10.5,"count":7}"#;
        assert_eq!(judge(&Check::Average, 200, false, body), Fate::Right(Some(7)));
        assert_eq!(judge(&Check::Average, 204, false, b""), Fate::Filtered);
        for wrong in [&br#"{"average":99.0,"count":7}"#[..], b"7", b"", br#"{"average":1.0}"#] {
            assert!(matches!(judge(&Check::Average, 200, false, wrong), Fate::Wrong(_)), "{}", words(wrong));
        }
    }

    #[test]
    fn only_who_says_when_to_come_again_has_shed() {
        assert_eq!(judge(&Check::Average, 503, true, b""), Fate::Shed);
        assert!(matches!(judge(&Check::Average, 503, false, b""), Fate::Failed(_)));
        let gone = Check::Average.judge(Err(io::Error::other("gone")));
        assert_eq!(gone, Fate::Failed("gone".to_owned()));
    }

    #[test]
    fn one_byte_is_a_difference() {
        let check = Check::Exactly(b"abc"[..].into());
        assert_eq!(judge(&check, 200, false, b"abc"), Fate::Right(None));
        assert!(matches!(judge(&check, 200, false, b"abd"), Fate::Wrong(_)));
        assert!(matches!(judge(&check, 204, false, b""), Fate::Failed(_)));
    }
}
