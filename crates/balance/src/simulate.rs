//! Many nodes in virtual time, with the strategies that nodes run.
//!
//! Load is a fluid: rates, not requests. A step is a second as a rule. In it each node serves what its limits allow, sends
//! what does not fit as its strategy decided, and receivers take what their own users leave. Decisions and reports take
//! effect with the next step.

mod built_in;
mod erdos_renyi;
mod flow;
mod indexes;
mod instance;
mod instants;
mod scenario;
mod seconds;
mod text;
mod world;

pub use built_in::{BUILT_IN, built_in};
pub use erdos_renyi::{ErdosRenyi, erdos_renyi};
pub use indexes::{Indexes, SimulatedFlow, Spread};
pub use instance::{SimulatedInstance, instance};
pub use instants::shed;
pub use scenario::{Analysis, Scenario, ScenarioError, SimulatedEdge, SimulatedLoad, SimulatedNode};
pub use text::scenario;

use super::{Policy, StrategyError, StrategySettings};

/// Whether each step is a second, or each minute one look at what was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stepping {
    Second,
    Instant,
}

/// Makes the policy of one node, for the strategy that asks a model.
pub type Policies<'p> = &'p dyn Fn() -> Option<Box<dyn Policy>>;

/// Runs a scenario as often as it says. Of a strategy that goes by the clock each run has another phase: the load begins
/// at another part of the period, evenly spread.
pub fn simulate(
    scenario: &Scenario,
    settings: &StrategySettings,
    stepping: Stepping,
    policies: Policies<'_>,
) -> Result<Vec<Indexes>, StrategyError> {
    let run = |turn: u32| match stepping {
        Stepping::Second => {
            let phase = settings.period * turn / scenario.repeat;
            seconds::run(scenario, settings, phase, scenario.seed.wrapping_add(turn.into()), policies)
        }
        Stepping::Instant => instants::run(scenario, settings, scenario.seed.wrapping_add(turn.into()), policies),
    };
    (0..scenario.repeat).map(run).collect()
}
