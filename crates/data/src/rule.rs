//! Rules for requests: which of them are served where, and how the one that serves is picked.

use std::collections::BTreeMap;

use protocol::RequestData;
use protocol::near::{DataMatch, NearRule, PickPolicy};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::check::{DataMistake, unknown};
use crate::route::RoutePolicy;
use crate::settings::DataSettings;

/// A rule for requests. The first one that matches counts, and goes before the route of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RouteRule {
    /// All of it has to match.
    #[serde(rename = "match")]
    pub matches: RouteMatch,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<RoutePolicy>,
    /// Exactly the functions in these places, wherever the data is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<String>,
    /// Exactly these endpoints of the door, wherever the data is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<String>,
}

/// What a request has to be for a rule; none of it: any request is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RouteMatch {
    /// It works on this bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// It works on an object of the bucket whose key begins so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// It is for this service of an app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// It comes to the door with this method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// It comes to the door with these headers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub header: BTreeMap<String, String>,
}

/// A request at the door, beside its data.
#[derive(Clone, Copy)]
pub struct DoorRequest<'a> {
    pub method: &'a str,
    /// The value of a header; none: it is not there, or is no text.
    pub header: &'a dyn Fn(&str) -> Option<&'a str>,
}

impl RouteMatch {
    fn data(&self) -> DataMatch {
        DataMatch { bucket: self.bucket.clone(), prefix: self.prefix.clone() }
    }

    /// Whether it is of the door alone: hosts are not told methods and headers of a request.
    fn is_of_door(&self) -> bool {
        self.method.is_some() || !self.header.is_empty()
    }

    /// Whether a request at the door matches.
    pub fn matches(&self, data: &RequestData, request: &DoorRequest<'_>) -> bool {
        let has = |(name, value): (&String, &String)| (request.header)(name) == Some(value.as_str());
        self.service.is_none()
            && self.method.as_deref().is_none_or(|method| method == request.method)
            && self.header.iter().all(has)
            && self.data().matches(data, None)
    }
}

/// The rules that hosts go by.
pub(crate) fn of_hosts(rules: &[RouteRule]) -> Vec<NearRule> {
    let hosts = rules.iter().filter(|rule| rule.endpoints.is_empty() && !rule.matches.is_of_door());
    let rule = |rule: &RouteRule| NearRule {
        service: rule.matches.service.clone(),
        data: rule.matches.data(),
        policy: rule.policy.map(of_host),
        places: rule.places.clone(),
    };
    hosts.map(rule).collect()
}

/// What a host picks by: it knows neither the caller outside nor the path, and data is the nearest to both.
fn of_host(policy: RoutePolicy) -> PickPolicy {
    match policy {
        RoutePolicy::Near => PickPolicy::Near,
        RoutePolicy::RoundRobin => PickPolicy::RoundRobin,
        RoutePolicy::Random => PickPolicy::Random,
        RoutePolicy::First => PickPolicy::First,
        RoutePolicy::LeastConn => PickPolicy::LeastConn,
        RoutePolicy::DataHash | RoutePolicy::IpHash | RoutePolicy::UriHash => PickPolicy::DataHash,
        RoutePolicy::Latency => PickPolicy::Latency,
    }
}

/// What is wrong with the rules.
pub(crate) fn check(settings: &DataSettings, into: &mut Vec<DataMistake>) {
    for (number, rule) in settings.routes.iter().enumerate() {
        let at = |member: &str| format!("routes[{number}]{member}");
        let RouteRule { matches, policy, places, endpoints } = rule;
        let mut wrong =
            |member: &str, message: &str, hint: &str| into.push(DataMistake::new(at(member), message, hint));
        if policy.is_none() && places.is_empty() && endpoints.is_empty() {
            wrong("", "says nothing of the requests that it matches", "give `policy`, `places` or `endpoints`");
        }
        if !places.is_empty() && !endpoints.is_empty() {
            wrong(".places", "stand beside endpoints, which have places of their own", "give one of the two");
        }
        if matches.service.is_some() && (matches.is_of_door() || !endpoints.is_empty()) {
            let message =
                "matches nothing: the door knows no services, and hosts neither methods, headers nor endpoints";
            wrong(".match.service", message, "make two rules of it");
        }
        if matches.prefix.is_some() && matches.bucket.is_none() {
            wrong(".match.prefix", "is of the keys of no bucket", "name the `bucket` as well");
        }
        if matches.method.as_deref().is_some_and(|method| !is_method(method)) {
            wrong(".match.method", "is no method of HTTP", "such as GET, in capital letters");
        }
        if matches.header.keys().any(|name| !is_token(name)) {
            wrong(".match.header", "names no header of HTTP", "such as { X-Tier = \"gold\" }");
        }
        let mut known = |member: &str, what: &str, name: &String, all: Vec<&String>| {
            if !all.contains(&name) {
                into.push(unknown(&at(member), what, name, all.into_iter()));
            }
        };
        if let Some(bucket) = &matches.bucket {
            known(".match.bucket", "bucket", bucket, settings.buckets.keys().collect());
        }
        for place in places {
            known(".places", "place", place, settings.places.keys().collect());
        }
        for endpoint in endpoints {
            known(".endpoints", "endpoint", endpoint, settings.endpoints.keys().collect());
        }
    }
}

fn is_method(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "places = { hpc = {}, cc1 = {} }\n[stores]\nhpc = { place = \"hpc\", folder = \"/hpc\" }\n\
                        [endpoints]\na = { url = \"http://a\", place = \"hpc\" }\n\
                        [buckets]\nimages = { master = \"hpc\" }\n";

    fn mistakes(rule: &str) -> Vec<String> {
        let read = DataSettings::read(&format!("{TEXT}[[routes]]\n{rule}"));
        read.err().into_iter().flatten().map(|mistake| format!("{mistake} ({})", mistake.hint)).collect()
    }

    #[test]
    fn rules_that_say_nothing_or_match_nothing_are_mistakes() {
        assert_eq!(mistakes("match = { bucket = \"images\", prefix = \"a/\" }\npolicy = \"first\""), [""; 0]);
        for (rule, wanted) in [
            ("match = { bucket = \"images\" }", "routes[0]: says nothing of the requests that it matches"),
            (
                "match = { bucket = \"image\" }\npolicy = \"first\"",
                "routes[0].match.bucket: \"image\" is no bucket (there are images)",
            ),
            ("match = { prefix = \"a/\" }\npolicy = \"first\"", "routes[0].match.prefix: is of the keys of no bucket"),
            ("match = { method = \"get\" }\npolicy = \"first\"", "routes[0].match.method: is no method of HTTP"),
            ("match = { header = { \"a b\" = \"c\" } }\npolicy = \"first\"", "routes[0].match.header: names no header"),
            ("places = [\"hcp\"]", "routes[0].places: \"hcp\" is no place (there are cc1, hpc)"),
            ("endpoints = [\"b\"]", "routes[0].endpoints: \"b\" is no endpoint (there are a)"),
            ("places = [\"hpc\"]\nendpoints = [\"a\"]", "routes[0].places: stand beside endpoints"),
            (
                "match = { service = \"map\", method = \"GET\" }\npolicy = \"first\"",
                "routes[0].match.service: matches nothing",
            ),
            ("match = { service = \"map\" }\nendpoints = [\"a\"]", "routes[0].match.service: matches nothing"),
            ("match = { services = \"map\" }\npolicy = \"first\"", "line "),
        ] {
            let told = mistakes(rule);
            assert!(told.len() == 1 && told[0].starts_with(wanted), "{rule}: {told:?}");
        }
    }

    #[test]
    fn hosts_go_by_rules_of_what_they_know_of_a_request() {
        let text = format!(
            "{TEXT}[[routes]]\nmatch = {{ method = \"GET\" }}\npolicy = \"first\"\n[[routes]]\nendpoints = [\"a\"]\n\
             [[routes]]\nmatch = {{ service = \"map\", bucket = \"images\" }}\npolicy = \"ip_hash\"\nplaces = [\"cc1\"]\n"
        );
        let settings = DataSettings::read(&text).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        let rules = of_hosts(&settings.routes);
        let names: Vec<_> =
            rules.iter().map(|rule| (rule.service.as_deref(), rule.policy.map(PickPolicy::name))).collect();
        assert_eq!(names, [(Some("map"), Some("data_hash"))]);
        assert_eq!(
            (rules[0].places.as_slice(), rules[0].data.bucket.as_deref()),
            (["cc1".to_owned()].as_slice(), Some("images"))
        );
        let written = settings.write().unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(DataSettings::read(&written), Ok(settings));
    }

    #[test]
    fn request_at_the_door_matches_where_all_of_a_rule_does() {
        let of = RouteMatch {
            bucket: Some("images".to_owned()),
            prefix: Some("large/".to_owned()),
            method: Some("GET".to_owned()),
            header: [("x-tier".to_owned(), "gold".to_owned())].into(),
            service: None,
        };
        let matches = |of: &RouteMatch, data: &str, method, tier: Option<&'static str>| {
            let data = RequestData::read(Some(data), None).unwrap_or_else(|error| panic!("{error}"));
            of.matches(&data, &DoorRequest { method, header: &|name| tier.filter(|_| name == "x-tier") })
        };
        assert!(matches(&of, "models, images/large/1", "GET", Some("gold")));
        assert!(!matches(&of, "images/small/1", "GET", Some("gold")) && !matches(&of, "images", "GET", Some("gold")));
        assert!(
            !matches(&of, "images/large/1", "PUT", Some("gold"))
                && !matches(&of, "models/large/1", "GET", Some("gold"))
        );
        assert!(!matches(&of, "images/large/1", "GET", Some("silver")) && !matches(&of, "images/large/1", "GET", None));
        assert!(matches(&RouteMatch::default(), "images", "PUT", None));
        let of = RouteMatch { service: Some("map".to_owned()), ..RouteMatch::default() };
        assert!(!matches(&of, "images", "GET", None), "the door knows no services");
    }
}
