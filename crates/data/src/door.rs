//! The door: which endpoints may serve a request from outside, by the buckets that it works on.

use std::collections::BTreeMap;

use protocol::near::{NearNeed, NearTable, PlaceBounds};
use protocol::{DataHeaderError, DataNeed, RequestData};

use crate::catalog::DataCatalog;
use crate::near;
use crate::route::{BucketRoute, EndpointSettings, RoutePolicy};
use crate::rule::{DoorRequest, RouteRule};
use crate::view::{BucketCount, view};

/// Endpoints and buckets, as requests are routed by them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DoorTable {
    /// In the order of their names.
    pub endpoints: Vec<(String, EndpointSettings)>,
    /// A header beside `Dyninka-Data` that names a bucket.
    pub header: Option<String>,
    /// The place of the server.
    pub place: Option<String>,
    policy: RoutePolicy,
    /// Who holds which bucket, as hosts are told it.
    buckets: NearTable,
    rules: Vec<RouteRule>,
    routes: BTreeMap<String, BucketRoute>,
}

/// A request at the door.
#[derive(Clone, Copy)]
pub struct DoorAsk<'a> {
    pub data: &'a RequestData,
    /// Places that may serve it.
    pub bounds: &'a PlaceBounds,
    pub request: DoorRequest<'a>,
    /// Since objects were looked at.
    pub age_ms: u64,
}

/// The endpoints that may serve a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoorRoute {
    pub policy: RoutePolicy,
    /// Their positions in the table; one at least.
    pub may: Vec<usize>,
}

/// Why a request is not routed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DoorRefusal {
    /// It names no bucket.
    Unnamed,
    NoBucket(String),
    /// No endpoint is where its data is. By endpoint: what its place lacks.
    NoPlace(BTreeMap<String, String>),
}

/// What a request works on, by its headers: `Dyninka-Data`, else the header that settings name beside it, which is the name
/// of one bucket.
pub fn asked(data: Option<&str>, beside: Option<&str>, versions: Option<&str>) -> Result<RequestData, DataHeaderError> {
    let mut asked = RequestData::read(data, versions)?;
    if let Some(bucket) = beside.map(str::trim).filter(|_| data.is_none()) {
        asked.text = bucket.to_owned();
        asked.needs.push(DataNeed { bucket: bucket.to_owned(), key: None });
    }
    Ok(asked)
}

impl DoorTable {
    /// Out of the catalog, and of what is known of objects.
    pub fn new(catalog: &DataCatalog, counts: &BTreeMap<String, BucketCount>) -> Self {
        let settings = &catalog.settings;
        let routes = settings.buckets.iter().filter_map(|(name, bucket)| Some((name.clone(), bucket.route.clone()?)));
        Self {
            endpoints: settings.endpoints.iter().map(|(name, of)| (name.clone(), of.clone())).collect(),
            header: settings.server.header.clone(),
            place: settings.server.place.clone(),
            policy: settings.server.policy,
            buckets: near::live(&view(catalog, counts), "", 0),
            rules: settings.routes.clone(),
            routes: routes.collect(),
        }
    }

    /// The endpoints that may serve a request: by rules, by the route of its bucket, else by where its data is. None is out of
    /// its bounds.
    pub fn route(&self, ask: &DoorAsk<'_>) -> Result<DoorRoute, DoorRefusal> {
        let mut needs = ask.data.needs(None);
        if let Some(unknown) = self.buckets.unknown(&needs) {
            return Err(DoorRefusal::NoBucket(unknown.to_owned()));
        }
        let rule = self.rules.iter().find(|rule| rule.matches.matches(ask.data, &ask.request));
        let route = needs.first().and_then(|first| self.routes.get(first.bucket));
        let named = self.named(rule, route);
        if named.is_none() && needs.is_empty() {
            return Err(DoorRefusal::Unnamed);
        }
        let policy = rule.and_then(|rule| rule.policy).or(route.and_then(|route| route.policy)).unwrap_or(self.policy);
        if named.is_some() {
            // A person says that these do, wherever the data is; how new it is there they cannot know.
            needs.retain(|need| need.version.is_some());
        }
        let all: Vec<usize> = named.unwrap_or_else(|| (0..self.endpoints.len()).collect());
        let may: Vec<usize> = all.iter().copied().filter(|at| self.lacks(*at, &needs, ask).is_empty()).collect();
        if may.is_empty() {
            let why = all.iter().map(|at| (self.endpoints[*at].0.clone(), self.lacks(*at, &needs, ask).join(" and ")));
            return Err(DoorRefusal::NoPlace(why.collect()));
        }
        Ok(DoorRoute { policy, may })
    }

    /// Exactly these endpoints, where a rule or the route of a bucket names them, in their order.
    fn named(&self, rule: Option<&RouteRule>, route: Option<&BucketRoute>) -> Option<Vec<usize>> {
        let by_name = |names: &[String]| {
            let at = |name: &String| self.endpoints.iter().position(|(known, _)| known == name);
            names.iter().filter_map(at).collect::<Vec<_>>()
        };
        if let Some(rule) = rule.filter(|rule| !rule.endpoints.is_empty()) {
            return Some(by_name(&rule.endpoints));
        }
        if let Some(rule) = rule.filter(|rule| !rule.places.is_empty()) {
            let of = |place: &String| {
                let is_there = |at: &usize| self.endpoints[*at].1.place == *place;
                (0..self.endpoints.len()).filter(is_there).collect::<Vec<_>>()
            };
            return Some(rule.places.iter().flat_map(of).collect());
        }
        let names = route.map(|route| route.endpoints.as_slice()).filter(|names| !names.is_empty())?;
        Some(by_name(names))
    }

    /// Buckets by the endpoint that serves requests which name nothing else.
    pub fn served(&self) -> BTreeMap<String, Vec<String>> {
        let mut served: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for bucket in self.buckets.buckets.keys() {
            let data = RequestData {
                text: bucket.clone(),
                needs: vec![DataNeed { bucket: bucket.clone(), key: None }],
                ..RequestData::default()
            };
            let request = DoorRequest { method: "GET", header: &|_| None };
            let ask = DoorAsk { data: &data, bounds: &PlaceBounds::default(), request, age_ms: 0 };
            for at in self.route(&ask).map(|route| route.may).unwrap_or_default() {
                served.entry(self.endpoints[at].0.clone()).or_default().push(bucket.clone());
            }
        }
        served
    }

    /// What the place of an endpoint lacks.
    fn lacks(&self, at: usize, needs: &[NearNeed<'_>], ask: &DoorAsk<'_>) -> Vec<String> {
        let place = &self.endpoints[at].1.place;
        let bound = self.buckets.out_of_bounds(place, ask.bounds);
        let lacks = needs.iter().filter_map(|need| self.buckets.lacks(place, need, ask.age_ms));
        bound.into_iter().chain(lacks).map(|why| format!("{place} {why}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::CatalogChange;
    use crate::settings::DataSettings;
    use crate::view::PendingCount;

    const TEXT: &str = r#"
places = { hpc = {}, cc1 = {}, cc2 = {} }
[stores]
hpc = { place = "hpc", folder = "/hpc" }
cc1 = { place = "cc1", folder = "/cc1" }
cc2 = { place = "cc2", folder = "/cc2" }
[endpoints]
a = { url = "http://a", place = "hpc" }
b = { url = "http://b", place = "cc1" }
c = { url = "http://c", place = "cc2" }
d = { url = "http://d", place = "cc1" }
[server]
policy = "round_robin"
[buckets.images]
master = "hpc"
at = ["cc1"]
[buckets.models]
master = "cc2"
"#;

    /// The catalog once all copies are whole, at change 9.
    fn whole(text: &str) -> (DataCatalog, BTreeMap<String, BucketCount>) {
        let mut catalog = DataCatalog::default();
        let settings = DataSettings::read(text).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        catalog.update(CatalogChange::Configured { settings, move_master: false });
        let (bucket, store) = ("images".to_owned(), "cc1".to_owned());
        catalog.update(CatalogChange::Adopted { bucket: bucket.clone(), store: store.clone() });
        catalog.update(CatalogChange::Compared { bucket: bucket.clone(), store, seq: 9 });
        (catalog, BTreeMap::from([(bucket, BucketCount { head: 9, ..BucketCount::default() })]))
    }

    fn route(of: &(DataCatalog, BTreeMap<String, BucketCount>), data: &str, versions: Option<&str>) -> String {
        bound(of, data, versions, (None, None))
    }

    fn bound(
        of: &(DataCatalog, BTreeMap<String, BucketCount>),
        data: &str,
        versions: Option<&str>,
        (zones, needs): (Option<&str>, Option<&str>),
    ) -> String {
        let table = DoorTable::new(&of.0, &of.1);
        let data = RequestData::read((!data.is_empty()).then_some(data), versions).expect("it reads");
        let bounds = PlaceBounds::read(zones, needs).expect("they read");
        let request = DoorRequest { method: "GET", header: &|name| (name == "X-Tier").then_some("gold") };
        match table.route(&DoorAsk { data: &data, bounds: &bounds, request, age_ms: 0 }) {
            Ok(DoorRoute { policy, may }) => {
                let names: Vec<&str> = may.iter().map(|at| table.endpoints[*at].0.as_str()).collect();
                format!("{} {}", policy.name(), names.join(","))
            }
            Err(refusal) => format!("{refusal:?}"),
        }
    }

    #[test]
    fn requests_go_to_endpoints_in_places_that_hold_their_buckets() {
        let mut of = whole(TEXT);
        assert_eq!(route(&of, "images", None), "round_robin a,b,d");
        assert_eq!(route(&of, "models/x", None), "round_robin c");
        assert_eq!(route(&of, "", None), "Unnamed");
        assert_eq!(route(&of, "images, image", None), "NoBucket(\"image\")");
        let both = route(&of, "images, models", None);
        assert!(both.starts_with("NoPlace") && both.contains("\"c\": \"cc2 has no copy of images\""), "{both}");
        // The copy is behind: reads of what was written go to the master.
        let pending = PendingCount { pending: 1, oldest: Some(8), ..PendingCount::default() };
        of.1.get_mut("images").expect("a bucket").pending.insert("cc1".to_owned(), pending);
        assert_eq!(route(&of, "images", None), "round_robin a,b,d");
        assert_eq!(route(&of, "images", Some("images=7")), "round_robin a,b,d");
        assert_eq!(route(&of, "images", Some("images=8")), "round_robin a");
        assert_eq!(route(&of, "images", Some("images=*")), "round_robin a");
    }

    #[test]
    fn endpoints_out_of_the_bounds_of_a_request_are_never_asked() {
        let text = TEXT.replace(
            "places = { hpc = {}, cc1 = {}, cc2 = {} }",
            "places = { hpc = { zones = [\"germany\"] }, cc1 = { zones = [\"us\"], labels = [\"gpu\"] }, cc2 = {} }",
        );
        let of = whole(&text);
        let route = |data: &str, zones, needs| bound(&of, data, None, (zones, needs));
        assert_eq!(route("images", Some("germany"), None), "round_robin a");
        assert_eq!(route("images", None, Some("gpu")), "round_robin b,d");
        assert_eq!(route("images", Some("!germany"), Some("gpu, !spot")), "round_robin b,d");
        let none = route("images", Some("germany"), Some("gpu"));
        assert!(none.starts_with("NoPlace") && none.contains("\"a\": \"hpc does not have gpu\""), "{none}");
        assert!(none.contains("cc2 is not in germany and cc2 has no copy of images"), "{none}");
        // What a person named is bound all the same.
        let of = whole(
            &format!("{text}[buckets.images.route]\nendpoints = [\"c\", \"a\"]\n")
                .replace("[buckets.models]\nmaster = \"cc2\"\n", ""),
        );
        assert_eq!(bound(&of, "images", None, (Some("germany"), None)), "round_robin a");
    }

    #[test]
    fn first_rule_that_matches_goes_before_the_route_of_a_bucket() {
        let rules = "[[routes]]\nmatch = { bucket = \"images\", prefix = \"large/\", method = \"GET\" }\nplaces = [\"cc2\", \"hpc\"]\n\
                     [[routes]]\nmatch = { service = \"map\" }\nplaces = [\"cc2\"]\n\
                     [[routes]]\nmatch = { bucket = \"images\", prefix = \"odd/\", header = { X-Tier = \"gold\" } }\nendpoints = [\"d\"]\npolicy = \"first\"\n\
                     [[routes]]\nmatch = { bucket = \"images\", method = \"PUT\" }\nendpoints = [\"c\"]\n";
        let of = whole(&format!("{TEXT}{rules}"));
        assert_eq!(route(&of, "images/large/1", None), "round_robin c,a");
        assert_eq!(route(&of, "images/large/1", Some("images=9")), "round_robin a", "how new it is counts");
        assert_eq!(route(&of, "images/odd/1", None), "first d");
        assert_eq!(route(&of, "images/small/1", None), "round_robin a,b,d");
        assert_eq!(route(&of, "", None), "Unnamed");
        let table = DoorTable::new(&of.0, &of.1);
        let served = table.served();
        assert_eq!(
            (served["a"].as_slice(), served["c"].as_slice()),
            (["images".to_owned()].as_slice(), ["models".to_owned()].as_slice())
        );
        // One that matches every request needs no bucket.
        let of =
            whole(&format!("{TEXT}[[routes]]\nmatch = {{ header = {{ X-Tier = \"gold\" }} }}\nendpoints = [\"b\"]\n"));
        assert_eq!(route(&of, "", None), "round_robin b");
    }

    #[test]
    fn one_more_header_names_a_bucket_where_none_of_ours_does() {
        let names = |data, beside| {
            let asked = asked(data, beside, Some("images=4")).expect("it reads");
            asked
                .needs(None)
                .iter()
                .map(|need| format!("{} {}", need.bucket, need.version.is_some()))
                .collect::<Vec<_>>()
        };
        assert_eq!(names(None, None), Vec::<String>::new());
        assert_eq!(names(None, Some(" images ")), ["images true"]);
        assert_eq!(names(None, Some("Not, a name")), ["Not, a name false"]);
        assert_eq!(names(Some("images/a, models"), Some("other")), ["images true", "models false"]);
        assert!(asked(Some("Images"), Some("images"), None).is_err() && asked(None, None, Some("x")).is_err());
    }

    #[test]
    fn copies_that_were_never_whole_serve_nobody() {
        let mut catalog = DataCatalog::default();
        let settings = DataSettings::read(TEXT).expect("settings");
        catalog.update(CatalogChange::Configured { settings, move_master: false });
        let (bucket, store) = ("images".to_owned(), "cc1".to_owned());
        let mut of = (catalog, BTreeMap::new());
        assert_eq!(route(&of, "images", None), "round_robin a");
        of.0.update(CatalogChange::Adopted { bucket: bucket.clone(), store: store.clone() });
        assert_eq!(
            route(&of, "images", None),
            "round_robin a",
            "the bucket is there, and what it lacks is not known yet"
        );
        of.0.update(CatalogChange::Compared { bucket: bucket.clone(), store: store.clone(), seq: 0 });
        assert_eq!(route(&of, "images", None), "round_robin a,b,d");
        of.0.update(CatalogChange::Differs { bucket, store });
        assert_eq!(route(&of, "images", None), "round_robin a,b,d");
    }

    #[test]
    fn routes_of_a_bucket_go_before_places_and_not_before_versions() {
        let text = format!("{TEXT}[buckets.images.route]\npolicy = \"first\"\nendpoints = [\"c\", \"a\"]\n")
            .replace("[buckets.models]\nmaster = \"cc2\"\n", "");
        let of = whole(&text);
        assert_eq!(route(&of, "images", None), "first c,a");
        assert_eq!(route(&of, "images", Some("images=9")), "first a");
        let of = whole(&text.replace("endpoints = [\"c\", \"a\"]\n", ""));
        assert_eq!(route(&of, "images", None), "first a,b,d");
        // It goes with its bucket.
        let (before, _) = text.split_once("[buckets.images]").expect("a bucket");
        let mut of = whole(&text);
        let settings = DataSettings::read(before).expect("settings");
        of.0.update(CatalogChange::Configured { settings, move_master: false });
        assert_eq!(route(&of, "images", None), "NoBucket(\"images\")");
    }
}
