//! Instances in places: which of them may serve a request, by the places that hold its data.
//!
//! A host is told in its configuration which instance is where ([`NearSettings`]). Who holds which bucket changes more often:
//! that is the table, which takes the place of the one before without a reload.

mod bounds;
mod choice;
mod policy;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use bounds::{NearPlace, PlaceBounds, PlaceWords, is_label};
pub use choice::{DataMatch, NearAsk, NearRefusal, NearRule, NearSelection, reasons};
pub use policy::{POLICIES, PickAsk, PickCandidate, PickPolicy, peak_latency};

use crate::data_need::NeededVersion;

/// Milliseconds after which what a table says of versions is not known any more. Places still hold.
pub const VERSIONS_HOLD_MS: u64 = 10_000;

/// What a host knows of places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostNear {
    /// The host's own; none: it is near nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The same for all hosts of a session.
    pub settings: Arc<NearSettings>,
}

/// What all hosts of a session are told of places.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearSettings {
    pub policy: PickPolicy,
    /// By Rust name: services whose instances have places.
    pub services: BTreeMap<String, NearService>,
    /// What settings say of buckets: it holds until a host gets another table.
    pub table: NearTable,
}

/// A service whose instances have places.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearService {
    /// The place of each instance, in the order of their numbers.
    pub places: Vec<String>,
    /// The bucket of requests that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
}

/// Who holds what. The body of `PUT /_dyninka/near`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NearTable {
    /// The life of the session that makes tables.
    pub epoch: String,
    /// Counts its tables.
    pub number: u64,
    /// By name.
    pub buckets: BTreeMap<String, NearBucket>,
    /// By name: places with their zones and labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub places: BTreeMap<String, NearPlace>,
    /// Rules for requests. The first that matches counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<NearRule>,
}

/// A bucket, and the places that hold it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NearBucket {
    /// The place of its master.
    pub master: String,
    /// By place, the master's among them.
    pub at: BTreeMap<String, NearCopy>,
}

/// A copy of a bucket in a place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NearCopy {
    pub store: String,
    /// It has this change and all before it.
    pub through: u64,
    /// Its store cannot be read now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_away: bool,
}

/// A bucket that a request works on, and how new it has to be; none: any version does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NearNeed<'a> {
    pub bucket: &'a str,
    pub version: Option<NeededVersion>,
}

/// The instances that may serve a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NearChoice {
    /// Their positions, in the order of their numbers. Empty: no place will do.
    pub may: Vec<usize>,
    /// By place: what the others lack.
    pub lacks: BTreeMap<String, String>,
}

impl NearTable {
    /// Whether this table takes the place of another: it is newer, or of another life. One that comes twice or late changes
    /// nothing.
    pub fn replaces(&self, known: &Self) -> bool {
        self.epoch != known.epoch || self.number > known.number
    }

    /// Whether another table says the same, whichever its number is.
    pub fn says_the_same(&self, other: &Self) -> bool {
        (&self.buckets, &self.places, &self.rules) == (&other.buckets, &other.places, &other.rules)
    }

    /// Adds what another table says of buckets and places that this one does not know.
    #[must_use]
    pub fn or(mut self, other: &Self) -> Self {
        for (name, place) in &other.places {
            self.places.entry(name.clone()).or_insert_with(|| place.clone());
        }
        for (name, bucket) in &other.buckets {
            self.buckets.entry(name.clone()).or_insert_with(|| bucket.clone());
        }
        self
    }

    /// The first bucket that is needed and not known.
    pub fn unknown<'a>(&self, needs: &[NearNeed<'a>]) -> Option<&'a str> {
        needs.iter().map(|need| need.bucket).find(|bucket| !self.buckets.contains_key(*bucket))
    }

    /// The instances that may serve a request, by their places. `age_ms`: since the table came.
    pub fn choice(&self, places: &[String], needs: &[NearNeed<'_>], age_ms: u64) -> NearChoice {
        let mut choice = NearChoice::default();
        for (at, place) in places.iter().enumerate() {
            let lacks: Vec<String> = needs.iter().filter_map(|need| self.lacks(place, need, age_ms)).collect();
            match lacks.is_empty() {
                true => choice.may.push(at),
                false => drop(choice.lacks.insert(place.clone(), lacks.join(" and "))),
            }
        }
        choice
    }

    /// What a place lacks of a need.
    pub fn lacks(&self, place: &str, need: &NearNeed<'_>, age_ms: u64) -> Option<String> {
        let name = need.bucket;
        let Some(bucket) = self.buckets.get(name) else { return Some(format!("knows no bucket {name}")) };
        let Some(copy) = bucket.at.get(place) else { return Some(format!("has no copy of {name}")) };
        if copy.is_away {
            return Some(format!("cannot read its copy of {name}"));
        }
        if place == bucket.master {
            return None;
        }
        match need.version {
            None => None,
            Some(NeededVersion::Master) => Some(format!("is not the master of {name}")),
            Some(NeededVersion::AtLeast(_)) if age_ms > VERSIONS_HOLD_MS => {
                Some(format!("has not said for a while how new its copy of {name} is"))
            }
            Some(NeededVersion::AtLeast(version)) if copy.through < version => {
                Some(format!("has {name} through {} of {version}", copy.through))
            }
            Some(NeededVersion::AtLeast(_)) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bucket(copies: &[(&str, u64)]) -> NearBucket {
        let copy = |(place, through): &(&str, u64)| {
            ((*place).to_owned(), NearCopy { store: (*place).to_owned(), through: *through, is_away: false })
        };
        NearBucket { master: "hpc".to_owned(), at: copies.iter().map(copy).collect() }
    }

    /// `images` with its master at hpc (9), cc1 (7) and cc2 (3); `models` at hpc and cc2.
    fn table() -> NearTable {
        NearTable {
            epoch: "e".to_owned(),
            number: 4,
            buckets: BTreeMap::from([
                ("images".to_owned(), bucket(&[("hpc", 9), ("cc1", 7), ("cc2", 3)])),
                ("models".to_owned(), bucket(&[("hpc", 2), ("cc2", 2)])),
            ]),
            ..NearTable::default()
        }
    }

    fn choice(table: &NearTable, needs: &[(&str, Option<NeededVersion>)], age_ms: u64) -> NearChoice {
        let needs: Vec<_> = needs.iter().map(|(bucket, version)| NearNeed { bucket, version: *version }).collect();
        table.choice(&["hpc", "cc1", "cc2", "aws"].map(str::to_owned), &needs, age_ms)
    }

    #[test]
    fn requests_go_where_all_of_their_data_is_and_is_new_enough() {
        use NeededVersion::{AtLeast, Master};
        let table = table();
        let late = VERSIONS_HOLD_MS + 1;
        for (needs, age, may) in [
            (vec![], 0, vec![0, 1, 2, 3]),
            (vec![("images", None)], 0, vec![0, 1, 2]),
            (vec![("images", None), ("models", None)], 0, vec![0, 2]),
            (vec![("images", Some(AtLeast(7)))], 0, vec![0, 1]),
            (vec![("images", Some(AtLeast(7)))], VERSIONS_HOLD_MS, vec![0, 1]),
            (vec![("images", Some(AtLeast(8)))], 0, vec![0]),
            // The master has it, also where the table does not say so.
            (vec![("images", Some(AtLeast(99)))], 0, vec![0]),
            (vec![("images", Some(Master))], 0, vec![0]),
            (vec![("images", Some(AtLeast(1)))], late, vec![0]),
            (vec![("images", None)], late, vec![0, 1, 2]),
        ] {
            assert_eq!(choice(&table, &needs, age).may, may, "{needs:?} {age}");
        }
    }

    #[test]
    fn each_place_that_will_not_do_says_why() {
        let mut table = table();
        table.buckets.get_mut("images").expect("a bucket").at.get_mut("cc1").expect("a copy").is_away = true;
        let said = |needs: &[(&str, Option<NeededVersion>)]| {
            let lacks = choice(&table, needs, 0).lacks;
            lacks.iter().map(|(place, why)| format!("{place} {why}")).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(
            said(&[("images", Some(NeededVersion::AtLeast(8)))]),
            "aws has no copy of images; cc1 cannot read its copy of images; cc2 has images through 3 of 8"
        );
        assert_eq!(
            said(&[("images", None), ("models", None)]),
            "aws has no copy of images and has no copy of models; cc1 cannot read its copy of images and has no copy of models"
        );
        let needs = ["images", "image"].map(|bucket| NearNeed { bucket, version: None });
        assert_eq!((table.unknown(&needs), table.unknown(&needs[..1])), (Some("image"), None));
    }

    #[test]
    fn a_table_that_comes_twice_or_late_changes_nothing_and_one_of_another_life_counts() {
        let known = table();
        let of = |epoch: &str, number| NearTable { epoch: epoch.to_owned(), number, ..NearTable::default() };
        let replaces =
            [("e", 3), ("e", 4), ("e", 5), ("f", 1)].map(|(epoch, number)| of(epoch, number).replaces(&known));
        assert_eq!(replaces, [false, false, true, true]);
    }

    #[test]
    fn a_table_is_read_as_it_was_written_and_one_of_another_form_is_refused() {
        let text = serde_json::to_string(&table()).expect("JSON");
        assert_eq!(serde_json::from_str::<NearTable>(&text).expect("it reads"), table());
        for wrong in [
            text.replace("\"number\":4", "\"number\":-1"),
            text.replace("\"number\"", "\"numbers\""),
            text.replace("\"through\"", "\"trough\""),
            text[..text.len() - 1].to_owned(),
        ] {
            assert!(serde_json::from_str::<NearTable>(&wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_request_goes_to_a_copy_that_is_not_proven_new_enough(
            through in proptest::collection::btree_map("[abc]", 0_u64..9, 1..4),
            version in 0_u64..12,
            age_ms in 0_u64..20_000,
        ) {
            let copies: Vec<(&str, u64)> = through.iter().map(|(place, through)| (place.as_str(), *through)).collect();
            let images = NearBucket { master: "a".to_owned(), ..bucket(&copies) };
            let table = NearTable { buckets: BTreeMap::from([("images".to_owned(), images)]), ..NearTable::default() };
            let places = ["a", "b", "c"].map(str::to_owned);
            let need = [NearNeed { bucket: "images", version: Some(NeededVersion::AtLeast(version)) }];
            for at in table.choice(&places, &need, age_ms).may {
                let place = &places[at];
                let is_proven = age_ms <= VERSIONS_HOLD_MS && through.get(place).is_some_and(|through| *through >= version);
                prop_assert!(place == "a" || is_proven);
                prop_assert!(through.contains_key(place));
            }
        }
    }
}
