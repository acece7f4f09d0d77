//! Endpoints of functions that are not services of an app, and the choice among them.

use protocol::near::{PickAsk, PickCandidate, PickPolicy};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An endpoint of functions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointSettings {
    /// Scheme, host and port, such as `https://abc.execute-api.example.org`.
    pub url: String,
    /// Place where its functions run.
    pub place: String,
    /// Path that is put before the path of each request, such as `/prod`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// PEM file of the authority that signed the endpoint's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

/// How requests that work on a bucket are routed, where that is not as usual.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BucketRoute {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<RoutePolicy>,
    /// Exactly these endpoints in this order, wherever the bucket is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<String>,
}

/// A choice among the endpoints that may serve a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoutePolicy {
    /// One in the server's own place, else the one of two at random that is sooner done.
    #[default]
    Near,
    RoundRobin,
    Random,
    /// The first one, in the order of names or of the bucket's route.
    First,
    /// The one with the fewest open requests.
    LeastConn,
    /// The same for requests that work on the same data.
    DataHash,
    /// The same for requests from the same address.
    IpHash,
    /// The same for requests with the same path and query.
    UriHash,
    /// The one that answered soonest of late.
    Latency,
}

/// What a policy may look at of a request from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteAsk<'a> {
    pub ask: PickAsk<'a>,
    /// The caller's address, without its port.
    pub address: &'a str,
    /// Path and query.
    pub uri: &'a str,
}

impl RoutePolicy {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(crate) fn is_near(&self) -> bool {
        *self == Self::Near
    }

    /// The name that settings give it.
    pub fn name(self) -> &'static str {
        match self {
            Self::IpHash => "ip_hash",
            Self::UriHash => "uri_hash",
            Self::Near => PickPolicy::Near.name(),
            Self::RoundRobin => PickPolicy::RoundRobin.name(),
            Self::Random => PickPolicy::Random.name(),
            Self::First => PickPolicy::First.name(),
            Self::LeastConn => PickPolicy::LeastConn.name(),
            Self::DataHash => PickPolicy::DataHash.name(),
            Self::Latency => PickPolicy::Latency.name(),
        }
    }

    /// The policy of a name.
    pub fn named(name: &str) -> Option<Self> {
        ROUTE_POLICIES.into_iter().find(|policy| policy.name() == name)
    }

    /// The position of the one that is picked; none where there is none.
    pub fn pick(self, candidates: &[PickCandidate<'_>], of: &RouteAsk<'_>) -> Option<usize> {
        let (policy, data) = match self {
            Self::Near => (PickPolicy::Near, of.ask.data),
            Self::RoundRobin => (PickPolicy::RoundRobin, of.ask.data),
            Self::Random => (PickPolicy::Random, of.ask.data),
            Self::First => (PickPolicy::First, of.ask.data),
            Self::LeastConn => (PickPolicy::LeastConn, of.ask.data),
            Self::DataHash => (PickPolicy::DataHash, of.ask.data),
            Self::IpHash => (PickPolicy::DataHash, of.address),
            Self::UriHash => (PickPolicy::DataHash, of.uri),
            Self::Latency => (PickPolicy::Latency, of.ask.data),
        };
        policy.pick(candidates, &PickAsk { data, ..of.ask })
    }
}

/// All of them.
pub const ROUTE_POLICIES: [RoutePolicy; 9] = [
    RoutePolicy::Near,
    RoutePolicy::RoundRobin,
    RoutePolicy::Random,
    RoutePolicy::First,
    RoutePolicy::LeastConn,
    RoutePolicy::DataHash,
    RoutePolicy::IpHash,
    RoutePolicy::UriHash,
    RoutePolicy::Latency,
];

/// The path and query that an endpoint is asked for: as they came, behind the endpoint's own path. The error says why they
/// are not passed on.
pub fn target(path: Option<&str>, asked: &str) -> Result<String, &'static str> {
    if !asked.starts_with('/') {
        return Err("it names no path");
    }
    let Some(path) = path else { return Ok(asked.to_owned()) };
    // A function's own reading of dots would lead out of the path.
    let plain = asked.split('?').next().unwrap_or_default().to_ascii_lowercase();
    let plain = plain.replace("%2e", ".").replace("%2f", "/").replace("%5c", "/").replace('\\', "/");
    let is_up = |part: &str| matches!(part.split(';').next(), Some("." | ".."));
    if plain.split('/').any(is_up) {
        return Err("its path has . or .. in it");
    }
    Ok(format!("{path}{asked}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_have_their_names_in_settings_and_addresses_and_paths_stay_where_they_are() {
        for policy in ROUTE_POLICIES {
            assert_eq!(serde_json::to_string(&policy).expect("a name"), format!("\"{}\"", policy.name()));
            assert_eq!(RoutePolicy::named(policy.name()), Some(policy));
        }
        assert_eq!(RoutePolicy::named("least_con"), None);
        let ids = ["a", "b", "c", "d"];
        let candidates = ids.map(|id| PickCandidate { id, place: "", open: 0, latency: 0 });
        let pick = |policy: RoutePolicy, turn: u64, address: &str, uri: &str| {
            let ask = PickAsk { turn, random: (turn * 7, turn * 13), ..PickAsk::default() };
            policy.pick(&candidates, &RouteAsk { ask, address, uri }).expect("one of them")
        };
        let many = |pick: &dyn Fn(u64) -> usize| (0..200).map(pick).collect::<std::collections::BTreeSet<_>>().len();
        assert_eq!(many(&|turn| pick(RoutePolicy::IpHash, turn, "10.0.0.1", &format!("/{turn}"))), 1);
        assert_eq!(many(&|turn| pick(RoutePolicy::IpHash, turn, &format!("10.0.0.{turn}"), "/")), 4);
        assert_eq!(many(&|turn| pick(RoutePolicy::UriHash, turn, &format!("10.0.0.{turn}"), "/a?b")), 1);
        assert_eq!(many(&|turn| pick(RoutePolicy::UriHash, turn, "10.0.0.1", &format!("/{turn}"))), 4);
        assert_eq!(many(&|turn| pick(RoutePolicy::RoundRobin, turn, "", "/")), 4);
        assert_eq!(many(&|turn| pick(RoutePolicy::First, turn, "", "/")), 1);
    }

    #[test]
    fn paths_pass_as_they_are_and_stay_behind_the_path_of_their_endpoint() {
        for asked in ["/", "/a/b?c=/../d", "/a/../b", "//x", "/%2e%2E/"] {
            assert_eq!(target(None, asked).as_deref(), Ok(asked));
        }
        for (asked, wanted) in [
            ("/", "/prod/"),
            ("/a/b?c=/../d", "/prod/a/b?c=/../d"),
            ("/..a/b..", "/prod/..a/b.."),
            ("/...", "/prod/..."),
            ("//x", "/prod//x"),
        ] {
            assert_eq!(target(Some("/prod"), asked).as_deref(), Ok(wanted));
        }
        for asked in [
            "/..",
            "/a/../b",
            "/a/%2e%2E/b",
            "/.%2e/",
            "/a%2f..%2Fb",
            "/a\\..\\b",
            "/..;x/a",
            "/./a",
            "/a%5C..",
            "/..?a",
        ] {
            assert!(target(Some("/prod"), asked).is_err(), "{asked}");
        }
        for asked in ["", "*", "a:80", "?a"] {
            assert!(target(None, asked).is_err() && target(Some("/prod"), asked).is_err(), "{asked}");
        }
    }
}
