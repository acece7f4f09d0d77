//! Strategies, by name and with their settings.

pub(crate) mod empirical;
mod equal;
mod fixed;
mod latency;
mod margin;
pub(crate) mod offer;
pub(crate) mod random;
mod recalc;
pub(crate) mod remote;

use std::time::Duration;

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::{Cadence, Decision, MeasuredForecast, NodeWatts, Policy, View};

/// Decides where requests go that do not fit, and what is taken from neighbours.
pub trait Strategy: Send {
    fn cadence(&self) -> Cadence;

    /// Decides on what is seen now. `now` is the time of the wall clock: periods begin at its multiples.
    fn decide(&mut self, view: &View, now: Duration, random: &mut dyn Rng) -> Decision;
}

/// Every strategy there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StrategyName {
    #[default]
    Offer,
    Recalc,
    NodeMargin,
    Static,
    AllLocal,
    Random,
    Latency,
    Equal,
    PowerSaving,
    Empirical,
    Remote,
}

impl StrategyName {
    pub const ALL: [Self; 11] = [
        Self::Offer,
        Self::Recalc,
        Self::NodeMargin,
        Self::Static,
        Self::AllLocal,
        Self::Random,
        Self::Latency,
        Self::Equal,
        Self::PowerSaving,
        Self::Empirical,
        Self::Remote,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Recalc => "recalc",
            Self::NodeMargin => "node-margin",
            Self::Static => "static",
            Self::AllLocal => "all-local",
            Self::Random => "random",
            Self::Latency => "latency",
            Self::Equal => "equal",
            Self::PowerSaving => "power-saving",
            Self::Empirical => "empirical",
            Self::Remote => "remote",
        }
    }

    pub fn parse(name: &str) -> Result<Self, StrategyError> {
        let found = Self::ALL.into_iter().find(|known| known.as_str() == name);
        found.ok_or_else(|| StrategyError::Unknown { name: name.to_owned() })
    }
}

/// Why there is no such strategy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StrategyError {
    #[error("unknown strategy {name}")]
    Unknown { name: String },
    #[error("the strategy remote needs the URL of a model")]
    NoModel,
    #[error("a strategy cannot have a period of 0")]
    NoPeriod,
    #[error("power-saving needs to know what this machine takes")]
    NoWatts,
    #[error("watts are {0:?}: expected two powers, the second above the first")]
    Watts(String),
    #[error("{key} is {value}: {why}")]
    Duration { key: &'static str, value: String, why: String },
}

impl StrategyError {
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown { name } => app::suggest(name, StrategyName::ALL.map(StrategyName::as_str), "strategies"),
            Self::NoModel => "set model (--model) to its URL, as in \"http://127.0.0.1:5000/action\"".to_owned(),
            Self::NoWatts | Self::Watts(_) => {
                "set watts (--watts) to what it takes idle and busy, in W, as in 20,95".to_owned()
            }
            Self::NoPeriod => "a period is a minute as a rule: \"60s\"".to_owned(),
            Self::Duration { .. } => "write it as \"100ms\", \"60s\" or \"5m\"".to_owned(),
        }
    }
}

/// A strategy with its settings. Those that a strategy does not have are without effect.
#[derive(Clone, Debug, PartialEq)]
pub struct StrategySettings {
    pub name: StrategyName,
    /// How often a strategy decides that goes by the clock.
    pub period: Duration,
    /// The time over which rates are means; the whole period where it is not set, and for `recalc` a second, as in DFaaS.
    pub window: Option<Duration>,
    /// `recalc` divides without rounding.
    pub exact: bool,
    /// `latency`: the longest round trip of a neighbour that is asked.
    pub threshold: Duration,
    /// `random`: some requests are refused at random.
    pub reject: bool,
    /// `empirical`: weights are disturbed at random.
    pub noise: bool,
    /// `remote`: the URL of the model.
    pub model: Option<String>,
    /// `remote`: the model may try things out.
    pub explore: bool,
    /// `power-saving` of a node: what its machine takes. A scenario says what services cost instead.
    pub watts: Option<NodeWatts>,
}

impl StrategySettings {
    pub fn new(name: StrategyName) -> Self {
        Self {
            name,
            period: Duration::from_secs(60),
            window: None,
            exact: false,
            threshold: Duration::from_millis(10),
            reject: false,
            noise: true,
            model: None,
            explore: false,
            watts: None,
        }
    }

    /// Whether a node has what the strategy goes by.
    ///
    /// # Errors
    /// Where it has not.
    pub fn suits_node(&self) -> Result<(), StrategyError> {
        if self.name == StrategyName::PowerSaving && self.watts.is_none() {
            return Err(StrategyError::NoWatts);
        }
        Ok(())
    }

    /// The strategy. `policy` asks the model of `remote`.
    pub fn build(&self, policy: Option<Box<dyn Policy>>) -> Result<Box<dyn Strategy>, StrategyError> {
        if self.period.is_zero() {
            return Err(StrategyError::NoPeriod);
        }
        let cadence =
            Cadence::Periodic { period: self.period, halves: false, window: self.window.unwrap_or(self.period) };
        Ok(match self.name {
            StrategyName::Offer => Box::new(offer::Offer),
            StrategyName::Recalc => Box::new(recalc::Recalc::new(self.period, self.window, self.exact)),
            StrategyName::NodeMargin => Box::new(margin::Margin::of_node(cadence, Box::new(MeasuredForecast))),
            StrategyName::PowerSaving => Box::new(margin::Margin::of_power(cadence, Box::new(MeasuredForecast))),
            StrategyName::Static => Box::new(fixed::Static { cadence }),
            StrategyName::AllLocal => Box::new(fixed::AllLocal { cadence }),
            StrategyName::Random => Box::new(random::Random { cadence, reject: self.reject }),
            StrategyName::Latency => Box::new(latency::Latency { cadence, threshold: self.threshold }),
            StrategyName::Equal => Box::new(equal::Equal { cadence, forecast: Box::new(MeasuredForecast) }),
            StrategyName::Empirical => Box::new(empirical::Empirical { cadence, noise: self.noise }),
            StrategyName::Remote => {
                let policy = policy.ok_or(StrategyError::NoModel)?;
                Box::new(remote::Remote::new(cadence, policy, self.explore))
            }
        })
    }
}
