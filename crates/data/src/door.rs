//! The door: which endpoints may serve a request from outside, by the buckets that it works on.

use std::collections::BTreeMap;

use protocol::near::{NearNeed, NearTable};
use protocol::{DataHeaderError, DataNeed, RequestData};

use crate::catalog::DataCatalog;
use crate::near;
use crate::route::{BucketRoute, EndpointSettings, RoutePolicy};
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
    routes: BTreeMap<String, BucketRoute>,
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
            routes: routes.collect(),
        }
    }

    /// The endpoints that may serve a request. `age_ms`: since objects were looked at.
    pub fn route(&self, data: &RequestData, age_ms: u64) -> Result<DoorRoute, DoorRefusal> {
        let mut needs = data.needs(None);
        let Some(first) = needs.first() else { return Err(DoorRefusal::Unnamed) };
        let route = self.routes.get(first.bucket);
        if let Some(unknown) = self.buckets.unknown(&needs) {
            return Err(DoorRefusal::NoBucket(unknown.to_owned()));
        }
        let policy = route.and_then(|route| route.policy).unwrap_or(self.policy);
        let named = route.map(|route| route.endpoints.as_slice()).unwrap_or_default();
        let all: Vec<usize> = if named.is_empty() {
            (0..self.endpoints.len()).collect()
        } else {
            // A person says that these do, wherever the data is; how new it is there they cannot know.
            needs.retain(|need| need.version.is_some());
            named.iter().filter_map(|name| self.endpoints.iter().position(|(known, _)| known == name)).collect()
        };
        let may: Vec<usize> = all.iter().copied().filter(|at| self.lacks(*at, &needs, age_ms).is_empty()).collect();
        if may.is_empty() {
            let why =
                all.iter().map(|at| (self.endpoints[*at].0.clone(), self.lacks(*at, &needs, age_ms).join(" and ")));
            return Err(DoorRefusal::NoPlace(why.collect()));
        }
        Ok(DoorRoute { policy, may })
    }

    /// What the place of an endpoint lacks.
    fn lacks(&self, at: usize, needs: &[NearNeed<'_>], age_ms: u64) -> Vec<String> {
        let place = &self.endpoints[at].1.place;
        let lacks = |need: &NearNeed<'_>| Some(format!("{place} {}", self.buckets.lacks(place, need, age_ms)?));
        needs.iter().filter_map(lacks).collect()
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
        let table = DoorTable::new(&of.0, &of.1);
        let data = RequestData::read((!data.is_empty()).then_some(data), versions).expect("it reads");
        match table.route(&data, 0) {
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
