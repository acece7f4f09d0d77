//! Changes of jobs as a test draws them, for the rules alone and for a store beside the model.

use proptest::prelude::*;

use crate::outcome::AttemptOutcome;
use crate::request::{JobRequest, LostRule};

/// A change that somebody makes.
#[derive(Clone, Debug)]
pub enum JobAct {
    /// `begins`: in the same change the next job of its tenant begins.
    Accept {
        tenant: u8,
        request: Box<JobRequest>,
        begins: bool,
    },
    Claim {
        tenant: u8,
    },
    /// The end of one of the runs that were given out; `late`: said by somebody else than its holder.
    End {
        at: usize,
        outcome: AttemptOutcome,
        late: bool,
    },
    Cancel {
        at: usize,
    },
    Retry {
        at: usize,
    },
    Expire,
    /// Another server takes over what runs.
    Restart,
    Time {
        ms: u32,
    },
}

/// Draws changes, those more often that lead on to others.
pub fn job_act() -> impl Strategy<Value = JobAct> {
    prop_oneof![
        4 => (0_u8..3, request(), prop::bool::weighted(0.3))
            .prop_map(|(tenant, request, begins)| JobAct::Accept { tenant, request: Box::new(request), begins }),
        6 => (0_u8..3).prop_map(|tenant| JobAct::Claim { tenant }),
        6 => (any::<usize>(), outcome(), prop::bool::weighted(0.2))
            .prop_map(|(at, outcome, late)| JobAct::End { at, outcome, late }),
        1 => any::<usize>().prop_map(|at| JobAct::Cancel { at }),
        1 => any::<usize>().prop_map(|at| JobAct::Retry { at }),
        1 => Just(JobAct::Expire),
        1 => Just(JobAct::Restart),
        3 => (0_u32..20_000).prop_map(|ms| JobAct::Time { ms }),
    ]
}

fn request() -> impl Strategy<Value = JobRequest> {
    let drawn = (0_u8..10, prop::option::of(0_u8..2), 1_u32..4, 0_u8..20, 0_u8..4, any::<bool>());
    drawn.prop_map(|(priority, serial, attempts, ttl, delay, fails_lost)| JobRequest {
        priority,
        serial: serial.map(|serial| format!("s{serial}")),
        attempts: Some(attempts),
        ttl: Some(format!("{ttl}s")),
        delay: Some(format!("{delay}s")),
        lost: fails_lost.then_some(LostRule::Fail),
        ..JobRequest::default()
    })
}

fn outcome() -> impl Strategy<Value = AttemptOutcome> {
    use AttemptOutcome::{Deadline, Failed, Filtered, Held, Lost, Panicked, Rejected, Upstream, Value};
    prop::sample::select(vec![Value, Filtered, Failed, Panicked, Rejected, Deadline, Upstream, Held, Lost])
}
