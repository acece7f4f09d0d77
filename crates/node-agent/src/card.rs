//! What a node says of itself to whom it has a link.

use std::collections::BTreeMap;

use nodes::{FleetMember, is_name};
use serde::{Deserialize, Serialize};

const FORM: u32 = 1;
const MOST: usize = 1000;

/// A node's card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCard {
    pub v: u32,
    pub member: FleetMember,
    pub fleet: String,
    pub labels: BTreeMap<String, String>,
    /// Of `dyn`.
    pub version: String,
    /// How many certificates it knows to be void.
    pub void: usize,
    /// Schemas of services, by app and service.
    pub apps: BTreeMap<String, BTreeMap<String, String>>,
}

impl NodeCard {
    /// Reads the card of somebody who may say anything.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let card: Self = serde_json::from_slice(bytes).map_err(|error| format!("its card does not read: {error}"))?;
        if card.v != FORM {
            return Err(format!("its card is of form {}: this node reads form {FORM}", card.v));
        }
        let services: usize = card.apps.values().map(BTreeMap::len).sum();
        if card.labels.len() > MOST || card.apps.len() > MOST || services > MOST {
            return Err(format!("its card has more than {MOST} labels or services"));
        }
        if !is_name(&card.member.name) {
            return Err("its name is none".to_owned());
        }
        Ok(card)
    }
}
