//! Buckets and their copies, as a session beside a data server tells of them.

use std::fmt::{self, Display};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{bytes, count, many};

/// Buckets and the places that hold them, at the latest look at the data server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DataMatrix {
    /// The address of the data server.
    pub server: String,
    /// The reason why the data server does not answer, in words; the rest is then as it was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Places that have a store, by name.
    pub places: Vec<String>,
    /// Buckets: those that somebody has to look after first, then by name.
    pub buckets: Vec<BucketRow>,
}

/// A bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BucketRow {
    /// Its name.
    pub name: String,
    /// `following`, `held`, `paused` or `moving`.
    pub state: String,
    /// Why it is held or has too few copies, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Objects at its master.
    pub objects: u64,
    /// Bytes at its master.
    pub bytes: u64,
    /// The number of its last change.
    pub head: u64,
    /// Its own way for requests from outside, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Endpoints of the door that serve its requests, each with its place: `aws at cc1`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<String>,
    /// The master first, then by store.
    pub copies: Vec<CopyCell>,
}

/// A copy of a bucket at a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CopyCell {
    /// Name of the place.
    pub place: String,
    /// The store there.
    pub store: String,
    /// `master`, `whole`, `following`, `filling`, `behind`, `held`, `away`, `refusing` or `leaving`.
    pub state: String,
    /// Changes that it lacks.
    pub lag: u64,
    /// It has every change up to this one.
    pub through: u64,
    /// What is wrong with it, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// How a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CopyHealth {
    /// Somebody has to look after it.
    Broken,
    /// Objects are on their way to it, or from it.
    Busy,
    /// It has everything.
    Good,
}

impl CopyCell {
    /// How it is.
    pub fn health(&self) -> CopyHealth {
        match self.state.as_str() {
            "held" | "away" | "refusing" => CopyHealth::Broken,
            _ if self.trouble.is_some() => CopyHealth::Broken,
            "filling" | "behind" | "leaving" => CopyHealth::Busy,
            _ => CopyHealth::Good,
        }
    }
}

/// `behind 12`, or the state alone where it lacks nothing.
impl Display for CopyCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.state)?;
        if self.lag > 0 { write!(f, " {}", count(self.lag)) } else { Ok(()) }
    }
}

impl BucketRow {
    /// Whether somebody has to look after it.
    pub fn is_alarm(&self) -> bool {
        self.state == "held" || self.why.is_some() || self.copies.iter().any(|copy| copy.health() == CopyHealth::Broken)
    }

    /// Its copies in a place.
    pub fn at<'a>(&'a self, place: &'a str) -> impl Iterator<Item = &'a CopyCell> {
        self.copies.iter().filter(move |copy| copy.place == place)
    }

    /// All of it, in lines.
    pub fn lines(&self) -> Vec<String> {
        let objects = many(usize::try_from(self.objects).unwrap_or(usize::MAX), "object");
        let mut lines =
            vec![format!("{}  {}  {objects}, {}, change {}", self.name, self.state, bytes(self.bytes), self.head)];
        lines.extend(self.why.iter().map(|why| format!("  {why}")));
        lines.extend(self.route.iter().map(|route| format!("  requests from outside: {route}")));
        if !self.endpoints.is_empty() {
            lines.push(format!("  the door leads to {}", self.endpoints.join(", ")));
        }
        for copy in &self.copies {
            let trouble = copy.trouble.iter().map(|trouble| format!("  {trouble}")).collect::<String>();
            lines.push(format!("  {}  {}  {copy}  through {}{trouble}", copy.place, copy.store, copy.through));
        }
        lines
    }
}

impl DataMatrix {
    /// How many buckets there are, and how many of them somebody has to look after.
    pub fn headline(&self) -> String {
        if let Some(why) = &self.why {
            return format!("the data server does not answer: {why}");
        }
        let alarms = self.buckets.iter().filter(|bucket| bucket.is_alarm()).count();
        let buckets = many(self.buckets.len(), "bucket");
        let places = many(self.places.len(), "place");
        let all = format!("{buckets} in {places}");
        if alarms == 0 { all } else { format!("{all}, look after {alarms}") }
    }

    /// Puts buckets that somebody has to look after first.
    pub fn sort(&mut self) {
        self.buckets.sort_by(|one, other| (!one.is_alarm(), &one.name).cmp(&(!other.is_alarm(), &other.name)));
    }

    /// All of it in lines, or one bucket; none: there is no such bucket.
    pub fn lines(&self, bucket: Option<&str>) -> Option<Vec<String>> {
        let Some(name) = bucket else {
            let buckets = self.buckets.iter().flat_map(BucketRow::lines);
            return Some([self.headline()].into_iter().chain(buckets).collect());
        };
        self.buckets.iter().find(|bucket| bucket.name == name).map(BucketRow::lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_that_need_somebody_come_first_and_each_copy_says_what_it_lacks() {
        let copy = |place: &str, state: &str, lag, trouble: Option<&str>| CopyCell {
            place: place.to_owned(),
            store: place.to_owned(),
            state: state.to_owned(),
            lag,
            through: 42_u64.saturating_sub(lag),
            trouble: trouble.map(str::to_owned),
        };
        let bucket = |name: &str, copies: Vec<CopyCell>| BucketRow {
            name: name.to_owned(),
            state: "following".to_owned(),
            objects: 2,
            bytes: 1_500,
            head: 42,
            copies,
            ..BucketRow::default()
        };
        let mut matrix = DataMatrix {
            server: "127.0.0.1:7070".to_owned(),
            places: vec!["cc1".to_owned(), "hpc".to_owned()],
            buckets: vec![
                bucket("fine", vec![copy("hpc", "master", 0, None), copy("cc1", "behind", 1_200, None)]),
                bucket("sick", vec![copy("hpc", "master", 0, None), copy("cc1", "away", 2, Some("refused"))]),
                BucketRow {
                    why: Some("1 copies short".to_owned()),
                    endpoints: vec!["a at hpc".to_owned(), "b at cc1".to_owned()],
                    ..bucket("short", Vec::new())
                },
            ],
            ..DataMatrix::default()
        };
        matrix.sort();
        let names: Vec<&str> = matrix.buckets.iter().map(|bucket| bucket.name.as_str()).collect();
        assert_eq!(
            (names, matrix.headline()),
            (vec!["short", "sick", "fine"], "3 buckets in 2 places, look after 2".to_owned())
        );
        assert_eq!(
            matrix.buckets[2].at("cc1").map(ToString::to_string).collect::<Vec<_>>(),
            [format!("behind {}", count(1_200))]
        );
        let sick = matrix.lines(Some("sick")).expect("it is there").join("\n");
        assert!(sick.contains("cc1  cc1  away 2  through 40  refused"), "{sick}");
        assert_eq!(matrix.lines(Some("none")), None);
        let short = matrix.lines(Some("short")).expect("it is there");
        assert_eq!(short[2], "  the door leads to a at hpc, b at cc1");
        assert_eq!(matrix.lines(None).expect("all").len(), 1 + 3 + 3 + 3);
    }
}
