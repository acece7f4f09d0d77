//! What a machine takes, as far as somebody has measured it at the plug.

use crate::{NodeResources, StrategyError};

/// Power of a machine in W: with nothing to do, and when its services use all the CPU they may. Between the two it grows with
/// that CPU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NodeWatts {
    idle: f64,
    busy: f64,
}

/// An entry of [`NodeResources`] has µW.
const MICRO: f64 = 1e6;

impl NodeWatts {
    /// None where they are no powers of a machine: below 0, not finite, or not more when it is busy.
    pub fn new(idle: f64, busy: f64) -> Option<Self> {
        (idle >= 0.0 && busy > idle && busy <= 1e6).then_some(Self { idle, busy })
    }

    /// Reads `20,95`.
    ///
    /// # Errors
    /// Where it is no such pair.
    pub fn parse(text: &str) -> Result<Self, StrategyError> {
        let pair = text
            .split_once(',')
            .and_then(|(idle, busy)| Self::new(idle.trim().parse().ok()?, busy.trim().parse().ok()?));
        pair.ok_or_else(|| StrategyError::Watts(text.to_owned()))
    }

    /// What it takes at most, in µW.
    pub fn most(self) -> f64 {
        self.busy * MICRO
    }

    /// What it takes, in µW, with so much CPU in use of what services may use, both in percent of one core.
    pub fn at(self, cpu: f64, capacity: f64) -> f64 {
        self.idle.mul_add(MICRO, self.more(cpu, capacity))
    }

    /// These resources with the power that their CPU takes beyond what the machine takes anyway.
    #[must_use]
    pub fn weigh(self, cost: NodeResources, capacity: f64) -> NodeResources {
        NodeResources { power: self.more(cost.cpu, capacity), ..cost }
    }

    fn more(self, cpu: f64, capacity: f64) -> f64 {
        if capacity > 0.0 { (self.busy - self.idle) * MICRO * cpu / capacity } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_grows_with_the_cpu_from_idle_to_busy() -> Result<(), StrategyError> {
        let watts = NodeWatts::parse("20, 100")?;
        assert_eq!([0.0, 85.0, 170.0].map(|cpu| watts.at(cpu, 170.0)), [20e6, 60e6, 100e6]);
        assert_eq!(watts.most(), 100e6);
        let cost = watts.weigh(NodeResources { cpu: 1.7, ..NodeResources::default() }, 170.0);
        assert_eq!((cost.cpu, cost.power), (1.7, 0.8e6));
        for wrong in ["", "20", "95,20", "20,20", "-1,5", "NaN,5", "1,inf", "a,b", "1,2,3"] {
            assert_eq!(NodeWatts::parse(wrong), Err(StrategyError::Watts(wrong.to_owned())), "{wrong}");
        }
        Ok(())
    }
}
