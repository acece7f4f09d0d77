//! Bounds on places: `Dyninka-Zone: germany, !us`, `Dyninka-Needs: gpu, disk=ssd, !spot` and `#[service(on = "zone=germany")]`.

use std::collections::BTreeSet;
use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

use crate::data_need::{DataHeaderError, header_items};
use crate::header;

/// Characters of a word at most.
const LONGEST_WORD: usize = 127;
/// What a word of a zone begins with where it is one of several kinds.
const ZONE: &str = "zone=";

/// A place, beside its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NearPlace {
    pub zones: BTreeSet<String>,
    /// Such as `gpu` and `disk=ssd`.
    pub labels: BTreeSet<String>,
}

/// Words that a place is asked for, and with `!` words that it must not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlaceWords {
    pub wanted: BTreeSet<String>,
    pub unwanted: BTreeSet<String>,
}

/// The bounds of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlaceBounds {
    /// One of these zones. They bind each service that works for the request.
    pub zones: PlaceWords,
    /// All of these labels. They bind the services that have places.
    pub needs: PlaceWords,
}

impl PlaceWords {
    /// Reads words of zones or labels. `header` names the text in errors.
    pub fn read(header: &'static str, value: &str) -> Result<Self, DataHeaderError> {
        let wrong = |at: usize, why| DataHeaderError { header, at: at + 1, why };
        let mut words = Self::default();
        let items = header_items(value, ("a word is missing", "it has more than 64 words"));
        for (at, item) in items.map_err(|(at, why)| wrong(at, why))? {
            let (is_unwanted, word) = item.strip_prefix('!').map_or((false, item), |word| (true, word));
            let start = at + usize::from(is_unwanted);
            word_of_place(word).map_err(|(inside, why)| wrong(start + inside, why))?;
            let (into, other) = match is_unwanted {
                true => (&mut words.unwanted, &words.wanted),
                false => (&mut words.wanted, &words.unwanted),
            };
            if other.contains(word) {
                return Err(wrong(at, "the word is there with ! and without"));
            }
            into.insert(word.to_owned());
        }
        Ok(words)
    }

    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.unwanted.is_empty()
    }

    /// All words.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.wanted.iter().chain(&self.unwanted).map(String::as_str)
    }
}

impl Display for PlaceWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = self.wanted.iter().map(|word| ("", word));
        for (number, (not, word)) in wanted.chain(self.unwanted.iter().map(|word| ("!", word))).enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            write!(f, "{comma}{not}{word}")?;
        }
        Ok(())
    }
}

impl PlaceBounds {
    /// Reads both headers.
    pub fn read(zones: Option<&str>, needs: Option<&str>) -> Result<Self, DataHeaderError> {
        let zones = zones.map(|value| {
            let words = PlaceWords::read("Dyninka-Zone", value)?;
            // A zone is a word alone.
            let equals = words.all().any(|word| word.contains('='));
            let at = value.find('=').unwrap_or_default() + 1;
            let wrong = DataHeaderError { header: "Dyninka-Zone", at, why: "a zone has no = in it" };
            if equals { Err(wrong) } else { Ok(words) }
        });
        let needs = needs.map(|value| PlaceWords::read("Dyninka-Needs", value));
        Ok(Self { zones: zones.transpose()?.unwrap_or_default(), needs: needs.transpose()?.unwrap_or_default() })
    }

    pub fn is_empty(&self) -> bool {
        self.zones.is_empty() && self.needs.is_empty()
    }

    /// The same as headers.
    pub fn headers(&self) -> [(&'static str, String); 2] {
        [(header::ZONE, self.zones.to_string()), (header::NEEDS, self.needs.to_string())]
    }
}

impl NearPlace {
    /// All words of a place: its name, its labels, and `zone=germany` for each zone.
    pub fn words(&self, name: &str) -> BTreeSet<String> {
        let zones = self.zones.iter().map(|zone| format!("{ZONE}{zone}"));
        zones.chain(self.labels.iter().cloned()).chain([name.to_owned()]).collect()
    }

    /// Why a place is outside of zones.
    pub fn outside(&self, zones: &PlaceWords) -> Option<String> {
        let inside = |zone: &&String| self.zones.contains(*zone);
        if let Some(zone) = zones.unwanted.iter().find(inside) {
            return Some(format!("is in {zone}"));
        }
        if zones.wanted.is_empty() || zones.wanted.iter().any(|zone| self.zones.contains(zone)) {
            return None;
        }
        Some(format!("is not in {}", zones.wanted.iter().map(String::as_str).collect::<Vec<_>>().join(" or ")))
    }

    /// Which of the words a place lacks, or has and must not have.
    pub fn lacks(&self, name: &str, needs: &PlaceWords) -> Option<String> {
        if needs.is_empty() {
            return None;
        }
        let words = self.words(name);
        let missing: Vec<&str> = needs.wanted.difference(&words).map(String::as_str).collect();
        let wrong: Vec<&str> = needs.unwanted.intersection(&words).map(String::as_str).collect();
        match (missing.as_slice(), wrong.as_slice()) {
            ([], []) => None,
            ([], wrong) => Some(format!("has {}", wrong.join(" and "))),
            (missing, _) => Some(format!("does not have {}", missing.join(" and "))),
        }
    }
}

/// Whether a text is a label of a place.
pub fn is_label(text: &str) -> bool {
    word_of_place(text).is_ok() && !text.starts_with(ZONE)
}

/// `NAME` or `NAME=VALUE`. The error is how far in, and why.
fn word_of_place(word: &str) -> Result<(), (usize, &'static str)> {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte);
    let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
    if !name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric()) {
        return Err((0, "a word begins with a letter or a digit"));
    }
    let wrong = word.bytes().enumerate().find(|(at, byte)| !is_inner(*byte) && *at != name.len());
    if let Some((at, _)) = wrong {
        return Err((at, "a word has letters, digits, -, ., _, / and at most one ="));
    }
    if value.is_some_and(str::is_empty) {
        return Err((word.len(), "the value behind = is missing"));
    }
    if word.len() > LONGEST_WORD {
        return Err((LONGEST_WORD, "a word has at most 127 characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(zones: &[&str], labels: &[&str]) -> NearPlace {
        let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        NearPlace { zones: set(zones), labels: set(labels) }
    }

    fn words(value: &str) -> PlaceWords {
        PlaceWords::read("on", value).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn place_is_in_one_of_the_zones_and_in_none_that_is_unwanted() {
        let hpc = place(&["germany", "fast"], &[]);
        for (zones, why) in [
            ("germany", None),
            ("france, germany", None),
            ("!us", None),
            ("germany, !us", None),
            ("france", Some("is not in france")),
            ("france, us", Some("is not in france or us")),
            ("!germany", Some("is in germany")),
            ("germany, !fast", Some("is in fast")),
        ] {
            assert_eq!(hpc.outside(&words(zones)).as_deref(), why, "{zones}");
        }
        assert_eq!(place(&[], &[]).outside(&words("germany")).as_deref(), Some("is not in germany"));
    }

    #[test]
    fn place_has_all_wanted_words_and_its_name_and_zones_are_words_too() {
        let hpc = place(&["germany"], &["gpu", "disk=ssd"]);
        for (needs, why) in [
            ("gpu", None),
            ("gpu, disk=ssd, !spot", None),
            ("hpc, zone=germany", None),
            ("gpu, disk=hdd, tpu", Some("does not have disk=hdd and tpu")),
            ("disk", Some("does not have disk")),
            ("!gpu", Some("has gpu")),
            ("cc1", Some("does not have cc1")),
        ] {
            assert_eq!(hpc.lacks("hpc", &words(needs)).as_deref(), why, "{needs}");
        }
    }

    #[test]
    fn bounds_that_do_not_read_are_told_with_their_character() {
        let (many, long) = (vec!["a"; 65].join(","), "a".repeat(128));
        for (value, at) in [
            ("", 1),
            ("gpu,", 5),
            ("gpu,,spot", 5),
            ("!", 2),
            ("!!gpu", 2),
            ("-gpu", 1),
            ("=ssd", 1),
            ("disk=", 6),
            ("disk=a=b", 7),
            ("g pu", 2),
            ("gpu\r\nx: y", 4),
            ("gpu, ü", 6),
            ("gpu, !gpu", 6),
            (&many, 129),
            (&long, 128),
        ] {
            assert_eq!(PlaceWords::read("on", value).map_err(|error| error.at), Err(at), "{value:.40}");
        }
        let zone = PlaceBounds::read(Some("germany, disk=ssd"), None).map_err(|error| error.to_string());
        assert_eq!(zone, Err("Dyninka-Zone does not read at character 14: a zone has no = in it".to_owned()));
        assert!(PlaceBounds::read(None, Some("zone=germany")).is_ok());
        let labels = ["gpu", "disk=ssd", "a/b", "zone=germany", "", "!gpu"].map(is_label);
        assert_eq!(labels, [true, true, true, false, false, false]);
    }

    proptest! {
        #[test]
        fn bounds_of_any_text_are_read_or_refused_within_it(value in "\\PC{0,60}") {
            if let Err(error) = PlaceWords::read("on", &value) {
                prop_assert!((1..=value.len() + 1).contains(&error.at));
            }
        }

        #[test]
        fn bounds_read_as_they_were_written_and_more_of_them_leave_fewer_places(
            wanted in proptest::collection::btree_set("[a-e]", 0..4),
            unwanted in proptest::collection::btree_set("[f-j]", 0..4),
            has in proptest::collection::btree_set("[a-j]", 0..10),
        ) {
            let asked = PlaceWords { wanted, unwanted };
            if !asked.is_empty() {
                prop_assert_eq!(PlaceWords::read("on", &asked.to_string()), Ok(asked.clone()));
            }
            let of = NearPlace { zones: has.clone(), labels: has.clone() };
            let may = of.lacks("x", &asked).is_none();
            prop_assert_eq!(may, asked.wanted.is_subset(&has) && asked.unwanted.is_disjoint(&has));
            let inside = asked.wanted.is_empty() || !asked.wanted.is_disjoint(&has);
            prop_assert_eq!(of.outside(&asked).is_none(), inside && asked.unwanted.is_disjoint(&has));
            let fewer = PlaceWords { wanted: &asked.wanted | &BTreeSet::from(["z".to_owned()]), unwanted: asked.unwanted };
            prop_assert!(of.lacks("x", &fewer).is_some());
        }
    }
}
