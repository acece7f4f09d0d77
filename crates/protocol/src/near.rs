//! The table by which hosts send requests to where their data is: who serves in which place, and who holds which bucket.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::policy::PickPolicy;
use crate::watermark::is_new_enough;

/// Milliseconds after which what a table says of versions is not known any more. Places still hold.
pub const VERSIONS_HOLD_MS: u64 = 10_000;

/// Who serves where, and who holds what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NearTable {
    /// The life of whoever makes tables.
    pub epoch: String,
    /// Counts its tables.
    pub number: u64,
    /// By service.
    pub instances: BTreeMap<String, Vec<NearInstance>>,
    /// By name.
    pub buckets: BTreeMap<String, NearBucket>,
}

/// An instance of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NearInstance {
    pub id: String,
    pub place: String,
    /// `host:port` that peers call.
    pub address: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_down: bool,
}

/// A bucket, and the places that hold it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NearBucket {
    /// The place of its master.
    pub master: String,
    /// By place, the master's among them.
    pub at: BTreeMap<String, NearCopy>,
    #[serde(default)]
    pub policy: PickPolicy,
}

/// A copy of a bucket in a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NearCopy {
    /// It has this change and all before it.
    pub through: u64,
    /// Its store cannot be read now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_away: bool,
}

/// A bucket that a request works on, and how new it has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NearNeed<'a> {
    pub bucket: &'a str,
    pub version: NearVersion,
}

/// How new a bucket has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NearVersion {
    Any,
    /// This change and all before it.
    AtLeast(u64),
    /// What the master has.
    Master,
}

/// Why a request is sent nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NowhereNear {
    #[error("there is no bucket {0}")]
    NoBucket(String),
    /// Each place that has an instance, with what it lacks.
    #[error("no place will do: {}", .0.iter().map(|(place, why)| format!("{place} {why}")).collect::<Vec<_>>().join("; "))]
    NoPlace(BTreeMap<String, String>),
}

impl NearTable {
    /// Whether this table takes the place of another: it is newer, or of another life. One that comes twice or late changes
    /// nothing.
    pub fn replaces(&self, known: &Self) -> bool {
        self.epoch != known.epoch || self.number > known.number
    }

    /// The instances of a service that may serve a request, in the order of the table. `age_ms`: since the table came.
    pub fn candidates(
        &self,
        service: &str,
        needs: &[NearNeed<'_>],
        age_ms: u64,
    ) -> Result<Vec<&NearInstance>, NowhereNear> {
        for need in needs {
            if !self.buckets.contains_key(need.bucket) {
                return Err(NowhereNear::NoBucket(need.bucket.to_owned()));
            }
        }
        let instances = self.instances.get(service).map_or(&[][..], Vec::as_slice);
        let mut why: BTreeMap<String, String> = BTreeMap::new();
        let places: BTreeSet<&str> = instances.iter().map(|one| one.place.as_str()).collect();
        for place in places {
            let lacks: Vec<String> = needs.iter().filter_map(|need| self.lacks(place, need, age_ms)).collect();
            if !lacks.is_empty() {
                why.insert(place.to_owned(), lacks.join(" and "));
            }
        }
        let may: Vec<&NearInstance> =
            instances.iter().filter(|one| !why.contains_key(&one.place) && !one.is_down).collect();
        if may.is_empty() {
            for one in instances {
                why.entry(one.place.clone()).or_insert_with(|| "has no instance that is up".to_owned());
            }
            return Err(NowhereNear::NoPlace(why));
        }
        Ok(may)
    }

    /// What a place lacks of a need.
    fn lacks(&self, place: &str, need: &NearNeed<'_>, age_ms: u64) -> Option<String> {
        let name = need.bucket;
        let bucket = self.buckets.get(name)?;
        let Some(copy) = bucket.at.get(place) else { return Some(format!("has no copy of {name}")) };
        if copy.is_away {
            return Some(format!("cannot read its copy of {name}"));
        }
        if place == bucket.master {
            return None;
        }
        match need.version {
            NearVersion::Any => None,
            NearVersion::Master => Some(format!("is not the master of {name}")),
            NearVersion::AtLeast(_) if age_ms > VERSIONS_HOLD_MS => {
                Some(format!("has not said for a while how new its copy of {name} is"))
            }
            NearVersion::AtLeast(version) if !is_new_enough(copy.through, version) => {
                Some(format!("has {name} through {} of {version}", copy.through))
            }
            NearVersion::AtLeast(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `images` with its master at hpc (9), cc1 (7) and cc2 (3); `models` at hpc and cc2.
    fn table() -> NearTable {
        let bucket = |copies: &[(&str, u64)]| NearBucket {
            master: "hpc".to_owned(),
            at: copies
                .iter()
                .map(|(place, through)| ((*place).to_owned(), NearCopy { through: *through, is_away: false }))
                .collect(),
            policy: PickPolicy::Near,
        };
        let instance = |id: &str, place: &str| NearInstance {
            id: id.to_owned(),
            place: place.to_owned(),
            address: format!("{id}:1"),
            is_down: false,
        };
        NearTable {
            epoch: "e".to_owned(),
            number: 4,
            instances: BTreeMap::from([(
                "resize".to_owned(),
                vec![
                    instance("resize", "hpc"),
                    instance("resize.2", "cc1"),
                    instance("resize.3", "cc2"),
                    instance("resize.4", "aws"),
                ],
            )]),
            buckets: BTreeMap::from([
                ("images".to_owned(), bucket(&[("hpc", 9), ("cc1", 7), ("cc2", 3)])),
                ("models".to_owned(), bucket(&[("hpc", 2), ("cc2", 2)])),
            ]),
        }
    }

    fn ids(table: &NearTable, needs: &[(&str, NearVersion)], age_ms: u64) -> Result<String, String> {
        let needs: Vec<_> = needs.iter().map(|(bucket, version)| NearNeed { bucket, version: *version }).collect();
        let found = table.candidates("resize", &needs, age_ms).map_err(|error| error.to_string())?;
        Ok(found.iter().map(|one| one.place.as_str()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn requests_go_where_all_of_their_data_is_and_is_new_enough() {
        use NearVersion::{Any, AtLeast, Master};
        let table = table();
        let late = VERSIONS_HOLD_MS + 1;
        for (needs, age, places) in [
            (vec![], 0, "hpc cc1 cc2 aws"),
            (vec![("images", Any)], 0, "hpc cc1 cc2"),
            (vec![("images", Any), ("models", Any)], 0, "hpc cc2"),
            (vec![("images", AtLeast(7))], 0, "hpc cc1"),
            (vec![("images", AtLeast(7))], VERSIONS_HOLD_MS, "hpc cc1"),
            (vec![("images", AtLeast(8))], 0, "hpc"),
            // The master has it, whatever the table knows.
            (vec![("images", AtLeast(99))], 0, "hpc"),
            (vec![("images", Master)], 0, "hpc"),
            (vec![("images", AtLeast(1))], late, "hpc"),
            (vec![("images", Any)], late, "hpc cc1 cc2"),
        ] {
            assert_eq!(ids(&table, &needs, age), Ok(places.to_owned()), "{needs:?} {age}");
        }
    }

    #[test]
    fn where_none_will_do_each_place_says_why() {
        let mut table = table();
        assert_eq!(ids(&table, &[("image", NearVersion::Any)], 0), Err("there is no bucket image".to_owned()));
        let instances = table.instances.get_mut("resize").expect("instances");
        instances.remove(0);
        instances[1].is_down = true;
        let wanted =
            "no place will do: aws has no copy of images; cc1 has images through 7 of 8; cc2 has images through 3 of 8";
        assert_eq!(ids(&table, &[("images", NearVersion::AtLeast(8))], 0), Err(wanted.to_owned()));
        let wanted = "no place will do: aws has no copy of images and has no copy of models; cc1 has no copy of models; \
                      cc2 has no instance that is up";
        assert_eq!(
            ids(&table, &[("images", NearVersion::Any), ("models", NearVersion::Any)], 0),
            Err(wanted.to_owned())
        );
        table.buckets.get_mut("images").expect("a bucket").at.get_mut("cc1").expect("a copy").is_away = true;
        let told = ids(&table, &[("images", NearVersion::Any)], 0).expect_err("none");
        assert!(told.contains("cc1 cannot read its copy of images"), "{told}");
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
            text.replace("\"near\"", "\"nearest\""),
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
            let at: BTreeMap<String, NearCopy> =
                through.iter().map(|(place, through)| (place.clone(), NearCopy { through: *through, is_away: false })).collect();
            let instance = |place: &str| NearInstance { id: place.to_owned(), place: place.to_owned(), address: String::new(), is_down: false };
            let table = NearTable {
                instances: BTreeMap::from([("s".to_owned(), ["a", "b", "c"].map(instance).to_vec())]),
                buckets: BTreeMap::from([("images".to_owned(), NearBucket { master: "a".to_owned(), at, policy: PickPolicy::Near })]),
                ..NearTable::default()
            };
            let need = [NearNeed { bucket: "images", version: NearVersion::AtLeast(version) }];
            for one in table.candidates("s", &need, age_ms).unwrap_or_default() {
                let is_proven = age_ms <= VERSIONS_HOLD_MS && through.get(&one.place).is_some_and(|through| *through >= version);
                prop_assert!(one.place == "a" || is_proven);
                prop_assert!(through.contains_key(&one.place));
            }
        }
    }
}
