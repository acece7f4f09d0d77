//! Which members may be asked for help, and are told of this node's load.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use crate::membership::MemberId;

/// How many are chosen where nobody says.
const NEAREST: usize = 8;

/// A word of `--neighbours`: a node, a label, or a number of the nearest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NeighbourRule {
    Name(String),
    Label { key: String, value: String },
    Nearest(usize),
}

/// A word that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NeighbourRuleError {
    #[error("nearest={0}: it takes a number from 1 to 1000")]
    Nearest(String),
    #[error("{0} is neither the name of a node, nor KEY=VALUE of a label, nor nearest=N")]
    Word(String),
}

impl FromStr for NeighbourRule {
    type Err = NeighbourRuleError;

    fn from_str(text: &str) -> Result<Self, NeighbourRuleError> {
        match text.split_once('=') {
            Some(("nearest", count)) => match count.parse() {
                Ok(count @ 1..=1000) => Ok(Self::Nearest(count)),
                _ => Err(NeighbourRuleError::Nearest(count.to_owned())),
            },
            Some((key, value)) if !key.is_empty() && !value.is_empty() => {
                Ok(Self::Label { key: key.to_owned(), value: value.to_owned() })
            }
            None if crate::is_name(text) => Ok(Self::Name(text.to_owned())),
            _ => Err(NeighbourRuleError::Word(text.to_owned())),
        }
    }
}

/// A member that may become a neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeighbourCandidate {
    pub id: MemberId,
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// The round trip, once it was measured.
    pub rtt: Option<Duration>,
    /// Whether it has a service in common with this node; none: nobody knows yet.
    pub shares: Option<bool>,
}

/// The neighbours of a node: those that are named or labelled so, and the nearest of the others. Those with a service in
/// common come first, and those of whom nothing is known before those without.
pub fn choose_neighbours(rules: &[NeighbourRule], candidates: &[NeighbourCandidate]) -> Vec<MemberId> {
    let usual = [NeighbourRule::Nearest(NEAREST)];
    let rules = if rules.is_empty() { &usual } else { rules };
    let is_named = |candidate: &NeighbourCandidate| {
        rules.iter().any(|rule| match rule {
            NeighbourRule::Name(name) => candidate.name == *name,
            NeighbourRule::Label { key, value } => candidate.labels.get(key) == Some(value),
            NeighbourRule::Nearest(_) => false,
        })
    };
    let mut chosen: Vec<MemberId> = candidates.iter().filter(|one| is_named(one)).map(|one| one.id).collect();
    let nearest: usize =
        rules.iter().map(|rule| if let NeighbourRule::Nearest(count) = rule { *count } else { 0 }).sum();
    let mut others: Vec<&NeighbourCandidate> = candidates.iter().filter(|one| !is_named(one)).collect();
    let rank = |one: &NeighbourCandidate| match one.shares {
        Some(true) => 0,
        None => 1,
        Some(false) => 2,
    };
    others.sort_by_key(|one| (rank(one), one.rtt.unwrap_or(Duration::MAX), one.id));
    chosen.extend(others.into_iter().take(nearest).map(|one| one.id));
    chosen.sort_unstable();
    chosen
}
