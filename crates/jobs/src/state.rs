//! The states of a job, and the one table of changes between them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The state of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Waits: for its turn, for its time, or for an earlier job of its `serial` key.
    Queued,
    Running,
    Done,
    /// Failed for good: a dead letter.
    Failed,
    Cancelled,
    /// Its `ttl` passed before it ran.
    Expired,
}

/// A change of a job's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobChange {
    /// An attempt begins.
    Begin,
    /// An attempt ended well.
    Succeed,
    /// An attempt ended, and another follows.
    Requeue,
    /// No further attempt follows.
    Fail,
    Cancel,
    /// The time to live passed.
    Expire,
    /// Somebody asks for a failed job again.
    Retry,
}

use JobChange::{Begin, Cancel, Expire, Fail, Requeue, Retry, Succeed};
use JobState::{Cancelled, Done, Expired, Failed, Queued, Running};

/// All changes that there are.
pub const TABLE: [(JobState, JobChange, JobState); 10] = [
    (Queued, Begin, Running),
    (Queued, Cancel, Cancelled),
    (Queued, Expire, Expired),
    // A queued job whose service is gone.
    (Queued, Fail, Failed),
    (Running, Succeed, Done),
    (Running, Requeue, Queued),
    (Running, Fail, Failed),
    (Running, Cancel, Cancelled),
    (Running, Expire, Expired),
    (Failed, Retry, Queued),
];

impl JobState {
    /// Every state.
    pub const ALL: [Self; 6] = [Queued, Running, Done, Failed, Cancelled, Expired];

    /// The state after a change; none where the table has no such change.
    pub fn after(self, change: JobChange) -> Option<Self> {
        TABLE.iter().find(|(from, by, _)| (*from, *by) == (self, change)).map(|(_, _, to)| *to)
    }

    /// Whether the job is over, unless somebody retries it.
    pub fn is_over(self) -> bool {
        !matches!(self, Queued | Running)
    }

    /// The word for it, as requests and answers have it.
    pub fn word(self) -> &'static str {
        match self {
            Queued => "queued",
            Running => "running",
            Done => "done",
            Failed => "failed",
            Cancelled => "cancelled",
            Expired => "expired",
        }
    }

    /// Reads the word for a state.
    pub fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// A number for stores; never changes its meaning.
    pub fn number(self) -> i64 {
        match self {
            Queued => 0,
            Running => 1,
            Done => 2,
            Failed => 3,
            Cancelled => 4,
            Expired => 5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_leads_from_each_state_to_one_state_by_a_change() {
        for (at, (from, by, _)) in TABLE.iter().enumerate() {
            let twins = TABLE.iter().skip(at + 1).filter(|(other, change, _)| (other, change) == (from, by));
            assert_eq!(twins.count(), 0, "{from:?} {by:?}");
        }
        for over in [Done, Cancelled, Expired] {
            for change in [Begin, Succeed, Requeue, Fail, Cancel, Expire, Retry] {
                assert_eq!(over.after(change), None, "{over:?} is an end");
            }
        }
        assert_eq!(Failed.after(Retry), Some(Queued));
        assert_eq!(Queued.after(Succeed), None);
    }

    #[test]
    fn words_and_numbers_are_their_states_own() {
        for state in JobState::ALL {
            assert_eq!(JobState::read(state.word()), Some(state));
            assert_eq!(serde_json::to_value(state).ok(), Some(state.word().into()));
        }
        let numbers = JobState::ALL.map(JobState::number);
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
    }
}
