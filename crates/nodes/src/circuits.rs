//! Neighbours that are left alone for a while: they promise what they do not do.

use std::collections::BTreeMap;
use std::time::Duration;

use balance::{NodeId, ServiceId};

/// Refusals in a row after which a neighbour is left alone.
const MOST_REFUSALS: u32 = 10;
/// Answers in a row that took far longer than was said.
const MOST_SLOW: u32 = 10;
/// An answer is slow that takes as many times what was said, and the least it is said to take.
const SLOW_TIMES: u32 = 20;
const LEAST_SLOW: Duration = Duration::from_millis(500);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What came of a request that was sent to a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AwayOutcomeSeen {
    /// It answered, after so long; and the time it said that it takes, with the way.
    Answered {
        took: Duration,
        said: Duration,
    },
    Refused,
    Lost,
}

#[derive(Clone, Copy, Debug, Default)]
struct Circuit {
    refused: u32,
    slow: u32,
    pauses: u32,
    until: Duration,
}

/// The circuits of all neighbours, by service.
#[derive(Clone, Debug, Default)]
pub struct AwayCircuits {
    circuits: BTreeMap<(ServiceId, NodeId), Circuit>,
}

impl AwayCircuits {
    /// Whether a neighbour is left alone for now.
    pub fn is_open(&self, service: ServiceId, node: NodeId, now: Duration) -> bool {
        self.circuits.get(&(service, node)).is_some_and(|circuit| now < circuit.until)
    }

    /// Neighbours that are left alone for now.
    pub fn open(&self, service: ServiceId, now: Duration) -> Vec<NodeId> {
        let open = self.circuits.iter().filter(|((of, _), circuit)| *of == service && now < circuit.until);
        open.map(|((_, node), _)| *node).collect()
    }

    pub fn note(&mut self, service: ServiceId, node: NodeId, outcome: AwayOutcomeSeen, now: Duration) {
        let circuit = self.circuits.entry((service, node)).or_default();
        match outcome {
            AwayOutcomeSeen::Answered { took, said } => {
                circuit.refused = 0;
                if took > (said * SLOW_TIMES).max(LEAST_SLOW) {
                    circuit.slow += 1;
                } else {
                    *circuit = Circuit::default();
                }
            }
            AwayOutcomeSeen::Refused | AwayOutcomeSeen::Lost => circuit.refused += 1,
        }
        // After a pause the first that goes wrong is enough.
        let most = |usual: u32| if circuit.pauses > 0 { 1 } else { usual };
        if circuit.refused >= most(MOST_REFUSALS) || circuit.slow >= most(MOST_SLOW) {
            let pause = FIRST_PAUSE.saturating_mul(1 << circuit.pauses.min(5)).min(LONGEST_PAUSE);
            *circuit = Circuit { refused: 0, slow: 0, pauses: circuit.pauses + 1, until: now + pause };
        }
    }
}
