//! The instances that may serve a request: by its bounds, by rules, and by where its data is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{NearChoice, NearService, NearSettings, NearTable, PickPolicy, PlaceBounds};
use crate::data_need::RequestData;

/// A rule for requests: where they are picked among other places, or in another way. The first that matches counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NearRule {
    /// Requests to this service; none: to any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    #[serde(rename = "match")]
    pub data: DataMatch,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<PickPolicy>,
    /// Places in the order in which they are listed; none: those that hold the data.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<String>,
}

/// What a rule matches of the data of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataMatch {
    /// The request works on this bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// It works on an object of the bucket whose key begins so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

/// The instances of a service that may serve a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NearSelection {
    /// Positions of those where the data is, in the order of the rule's places, else of their numbers.
    pub may: Vec<usize>,
    /// Those that may serve where none of the first can. None of them is out of bounds.
    pub rest: Vec<usize>,
    /// By place: what those that are not the first lack.
    pub lacks: BTreeMap<String, String>,
    pub policy: PickPolicy,
}

/// Why no instance may serve a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NearRefusal {
    NoBucket(String),
    /// By place: why it is out of bounds.
    NoPlace(BTreeMap<String, String>),
}

impl DataMatch {
    /// Whether a request matches. `own`: the bucket of requests that name none.
    pub fn matches(&self, data: &RequestData, own: Option<&str>) -> bool {
        let Some(bucket) = &self.bucket else { return true };
        let is_key = |key: Option<&String>| match &self.prefix {
            None => true,
            Some(prefix) => key.is_some_and(|key| key.starts_with(prefix.as_str())),
        };
        match data.needs.as_slice() {
            [] => own == Some(bucket.as_str()) && is_key(None),
            needs => needs.iter().any(|need| need.bucket == *bucket && is_key(need.key.as_ref())),
        }
    }
}

impl NearTable {
    /// Why a place is out of the bounds of a request. Nothing is known of a place that the table does not have: it is.
    pub fn out_of_bounds(&self, place: &str, bounds: &PlaceBounds) -> Option<String> {
        if bounds.is_empty() {
            return None;
        }
        let Some(of) = self.places.get(place) else { return Some("is a place of which nothing is known".to_owned()) };
        of.outside(&bounds.zones).or_else(|| of.lacks(place, &bounds.needs))
    }

    /// The first rule that matches a request to a service.
    pub fn rule(&self, service: &str, data: &RequestData, own: Option<&str>) -> Option<&NearRule> {
        let is_service = |rule: &&NearRule| rule.service.as_deref().is_none_or(|of| of == service);
        self.rules.iter().filter(is_service).find(|rule| rule.data.matches(data, own))
    }
}

/// What is asked for: instances of a service for a request.
#[derive(Clone, Copy, Debug)]
pub struct NearAsk<'a> {
    pub name: &'a str,
    pub service: &'a NearService,
    pub data: &'a RequestData,
    pub bounds: &'a PlaceBounds,
    /// Since the table came.
    pub age_ms: u64,
}

impl NearSettings {
    /// The instances that may serve a request, as a table says.
    pub fn select(&self, table: &NearTable, ask: &NearAsk<'_>) -> Result<NearSelection, NearRefusal> {
        let (places, own) = (&ask.service.places, ask.service.bucket.as_deref());
        let mut needs = ask.data.needs(own);
        if let Some(bucket) = table.unknown(&needs) {
            return Err(NearRefusal::NoBucket(bucket.to_owned()));
        }
        let rule = table.rule(ask.name, ask.data, own);
        let named: &[String] = rule.map_or(&[], |rule| &rule.places);
        if !named.is_empty() {
            // A person says that these do, wherever the data is; how new it is there they cannot know.
            needs.retain(|need| need.version.is_some());
        }
        let NearChoice { may, lacks } = table.choice(places, &needs, ask.age_ms);
        let policy = rule.and_then(|rule| rule.policy).unwrap_or(self.policy);
        let mut selection = NearSelection { lacks, policy, ..NearSelection::default() };
        for (at, place) in places.iter().enumerate() {
            let is_named = named.is_empty() || named.contains(place);
            let not_named = || (!is_named).then(|| "is no place of the rule for such requests".to_owned());
            if let Some(why) = table.out_of_bounds(place, ask.bounds).or_else(not_named) {
                selection.lacks.insert(place.clone(), why);
            } else if may.contains(&at) {
                selection.may.push(at);
            } else {
                selection.rest.push(at);
            }
        }
        if selection.may.is_empty() && selection.rest.is_empty() {
            return Err(NearRefusal::NoPlace(selection.lacks));
        }
        if !named.is_empty() {
            selection.may.sort_by_key(|at| named.iter().position(|place| *place == places[*at]));
        }
        Ok(selection)
    }
}

/// Reasons by place, in words.
pub fn reasons(lacks: &BTreeMap<String, String>) -> String {
    lacks.iter().map(|(place, why)| format!("{place} {why}")).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{NearBucket, NearCopy, NearPlace};
    use super::*;

    const PLACES: [&str; 3] = ["hpc", "cc1", "cc2"];

    /// `images` with its master at hpc and a copy at cc1; hpc and cc1 are in germany, cc1 and cc2 have a GPU.
    fn table(rules: Vec<NearRule>) -> NearTable {
        let copy = |place: &str| (place.to_owned(), NearCopy { store: place.to_owned(), through: 9, is_away: false });
        let images = NearBucket { master: "hpc".to_owned(), at: ["hpc", "cc1"].map(copy).into() };
        let place = |name: &str, zone: &str, labels: &[&str]| {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            (name.to_owned(), NearPlace { zones: [zone.to_owned()].into(), labels })
        };
        NearTable {
            buckets: [("images".to_owned(), images)].into(),
            places: [place("hpc", "germany", &[]), place("cc1", "germany", &["gpu"]), place("cc2", "us", &["gpu"])]
                .into(),
            rules,
            ..NearTable::default()
        }
    }

    fn selected(table: &NearTable, data: Option<&str>, zones: Option<&str>, needs: Option<&str>) -> String {
        let service = NearService { places: PLACES.map(str::to_owned).to_vec(), bucket: Some("images".to_owned()) };
        let data = RequestData::read(data, None).expect("it reads");
        let bounds = PlaceBounds::read(zones, needs).expect("it reads");
        let ask = NearAsk { name: "resize", service: &service, data: &data, bounds: &bounds, age_ms: 0 };
        let names = |all: &[usize]| all.iter().map(|at| PLACES[*at]).collect::<Vec<_>>().join(",");
        match NearSettings::default().select(table, &ask) {
            Ok(found) => format!("{} then {} by {}", names(&found.may), names(&found.rest), found.policy.name()),
            Err(NearRefusal::NoBucket(bucket)) => format!("no bucket {bucket}"),
            Err(NearRefusal::NoPlace(lacks)) => format!("none: {}", reasons(&lacks)),
        }
    }

    #[test]
    fn instances_out_of_bounds_are_never_asked_and_others_last() {
        let table = table(Vec::new());
        for (zones, needs, wanted) in [
            (None, None, "hpc,cc1 then cc2 by near"),
            (Some("germany"), None, "hpc,cc1 then  by near"),
            (Some("us"), None, " then cc2 by near"),
            (None, Some("gpu"), "cc1 then cc2 by near"),
            (Some("germany"), Some("gpu"), "cc1 then  by near"),
            (Some("us"), Some("!gpu"), "none: cc1 is not in us; cc2 has gpu; hpc is not in us"),
        ] {
            assert_eq!(selected(&table, None, zones, needs), wanted, "{zones:?} {needs:?}");
        }
        assert_eq!(selected(&table, Some("imagse"), Some("us"), None), "no bucket imagse");
        // A place that the table does not have may be anywhere.
        let unknown = NearTable { places: BTreeMap::new(), ..table };
        assert!(
            selected(&unknown, None, Some("!us"), None).starts_with("none: cc1 is a place of which nothing is known")
        );
    }

    #[test]
    fn first_rule_that_matches_says_places_and_policy() {
        let rule = |service: Option<&str>, bucket: Option<&str>, prefix: Option<&str>, places: &[&str]| NearRule {
            service: service.map(str::to_owned),
            data: DataMatch { bucket: bucket.map(str::to_owned), prefix: prefix.map(str::to_owned) },
            policy: Some(PickPolicy::First),
            places: places.iter().map(|place| (*place).to_owned()).collect(),
        };
        let rules = vec![
            rule(Some("map"), None, None, &["aws"]),
            rule(Some("resize"), Some("images"), Some("large/"), &["cc2", "hpc"]),
            rule(None, Some("images"), Some("odd/"), &["aws"]),
            rule(None, Some("images"), None, &[]),
        ];
        let table = table(rules);
        assert_eq!(selected(&table, Some("images/large/1"), None, None), "cc2,hpc then  by first");
        assert_eq!(selected(&table, Some("images/large/1"), Some("germany"), None), "hpc then  by first");
        assert_eq!(selected(&table, Some("images/small/1"), None, None), "hpc,cc1 then cc2 by first");
        assert_eq!(selected(&table, None, None, None), "hpc,cc1 then cc2 by first");
        let none = selected(&table, Some("images/odd/1"), None, None);
        assert!(none.starts_with("none: cc1 is no place of the rule for such requests"), "{none}");
    }

    #[test]
    fn rule_reads_as_it_was_written_and_one_of_another_form_is_refused() {
        let rule =
            r#"{"service":"resize","match":{"bucket":"images","prefix":"large/"},"policy":"first","places":["hpc"]}"#;
        let read: NearRule = serde_json::from_str(rule).expect("a rule");
        assert_eq!(serde_json::to_string(&read).expect("JSON"), rule);
        for wrong in [r#"{"servise":"resize"}"#, r#"{"match":{"buckets":"images"}}"#, r#"{"policy":"nearest"}"#] {
            assert!(serde_json::from_str::<NearRule>(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_request_is_served_out_of_its_bounds(
            zones in proptest::collection::btree_set("germany|us|france", 0..3),
            unwanted in proptest::collection::btree_set("asia|us", 0..2),
            needs in proptest::collection::btree_set("gpu|ssd", 0..2),
            named in proptest::collection::vec("hpc|cc1|cc2|aws", 0..3),
        ) {
            let unwanted = &unwanted - &zones;
            let bounds = PlaceBounds {
                zones: crate::near::PlaceWords { wanted: zones, unwanted },
                needs: crate::near::PlaceWords { wanted: needs, ..Default::default() },
            };
            let table = table(vec![NearRule { places: named.clone(), ..NearRule::default() }]);
            let service = NearService { places: PLACES.map(str::to_owned).to_vec(), bucket: None };
            let data = RequestData::default();
            let ask = NearAsk { name: "resize", service: &service, data: &data, bounds: &bounds, age_ms: 0 };
            match NearSettings::default().select(&table, &ask) {
                Ok(found) => for at in found.may.iter().chain(&found.rest) {
                    prop_assert_eq!(table.out_of_bounds(PLACES[*at], &bounds), None);
                    prop_assert!(named.is_empty() || named.iter().any(|place| place == PLACES[*at]));
                },
                Err(NearRefusal::NoPlace(lacks)) => prop_assert_eq!(lacks.len(), PLACES.len()),
                Err(other) => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
