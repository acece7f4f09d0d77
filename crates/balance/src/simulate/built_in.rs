//! Scenarios that are there without a file: the tests that DFaaS published.

use super::{Scenario, text};
use crate::StrategyName;

/// Each with its name, its text, and the percentages that DFaaS published of `recalc` and of `node-margin`.
pub const BUILT_IN: [(&str, &str, f64, f64); 3] = [
    ("dfaas-1", include_str!("dfaas-1.toml"), 95.58, 97.63),
    ("dfaas-2", include_str!("dfaas-2.toml"), 95.11, 99.54),
    ("dfaas-3", include_str!("dfaas-3.toml"), 95.44, 93.82),
];

/// A scenario by its name.
pub fn built_in(name: &str) -> Option<Scenario> {
    let (name, text, recalc, margin) = BUILT_IN.iter().find(|(known, ..)| *known == name)?;
    let mut scenario = text::scenario(name, text).ok()?;
    scenario.published = vec![(StrategyName::Recalc, *recalc), (StrategyName::NodeMargin, *margin)];
    Some(scenario)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_that_is_built_in_reads() {
        for (name, text, ..) in BUILT_IN {
            assert!(text::scenario(name, text).is_ok(), "{name}");
            assert_eq!(built_in(name).expect("a scenario").repeat, 12);
        }
        assert_eq!(built_in("dfaas-4"), None);
    }
}
