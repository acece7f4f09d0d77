//! What the Deployment of a group says of each of its services.

use app::Wire;
use serde::{Deserialize, Serialize};

use super::reaches;
use crate::model::{Member, Unit, WantedService};

/// All annotations of an object share 256 KiB. What is longer says less of what services reach.
const LONGEST: usize = 160 << 10;

/// A service of a group, with all that the next push compares.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct MemberState {
    #[serde(flatten)]
    pub(super) member: Member,
    /// File name of its library.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) library: Option<String>,
    /// Hash of what its host is told, the library left out.
    pub(super) routes: String,
    /// Hash of its settings, the number of pods left out.
    pub(super) settings: String,
    /// What it reaches, as it is kept of one service by itself.
    pub(super) reaches: String,
    /// Its schema; none where it is written by another release, and is not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) form: Option<Wire>,
}

impl MemberState {
    /// The services of a group, by DNS label.
    pub(super) fn all(unit: &Unit<'_>) -> Vec<Self> {
        let write = |reaches: fn(&WantedService) -> String| {
            let told = unit.told().into_iter().zip(unit.ports());
            let states = told.map(|(member, (service, _))| Self {
                member,
                library: service.config.library.clone(),
                routes: service.routes(),
                settings: service.settings.hash(),
                reaches: reaches(service),
                form: Some(service.form.clone()),
            });
            states.collect::<Vec<_>>()
        };
        let whole = write(|service| reaches::write(&service.reaches));
        if whole.iter().map(|state| state.reaches.len()).sum::<usize>() <= LONGEST {
            return whole;
        }
        write(|service| reaches::write_one(&service.reaches))
    }
}
