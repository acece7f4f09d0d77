//! Endpoints of functions, and routes of buckets.

use data::route::{BucketRoute, EndpointSettings, ROUTE_POLICIES, RoutePolicy};

use super::client::DataClient;
use super::settings;
use crate::arguments::{EndpointAct, RouteAct};
use crate::fault::{Fault, Kind};

pub(super) async fn endpoint(client: &DataClient, act: &EndpointAct) -> Result<(), Fault> {
    settings::change(client, |settings| {
        match act {
            EndpointAct::Add { name, url, place, path, ca } => {
                let url = url.trim_end_matches('/').to_owned();
                let endpoint = EndpointSettings { url, place: place.clone(), path: path.clone(), ca: ca.clone() };
                settings.endpoints.insert(name.clone(), endpoint);
            }
            EndpointAct::Remove { name } => {
                if settings.endpoints.remove(name).is_none() {
                    return Err(none("endpoint", name, settings.endpoints.keys().map(String::as_str)));
                }
            }
        }
        Ok(())
    })
    .await
}

pub(super) async fn route(client: &DataClient, act: &RouteAct) -> Result<(), Fault> {
    let (name, route) = match act {
        RouteAct::Clear { bucket } => (bucket, None),
        RouteAct::Set { policy: None, endpoints, .. } if endpoints.is_empty() => {
            return Err(Fault::new(Kind::Usage, "a route needs a policy or an endpoint")
                .hint("dyn data route set images --policy first --endpoint aws"));
        }
        RouteAct::Set { bucket, policy, endpoints } => {
            let policies = || ROUTE_POLICIES.iter().map(|policy| policy.name());
            let policy =
                policy.as_deref().map(|name| RoutePolicy::named(name).ok_or_else(|| none("policy", name, policies())));
            (bucket, Some(BucketRoute { policy: policy.transpose()?, endpoints: endpoints.clone() }))
        }
    };
    settings::change(client, |settings| {
        let names: Vec<String> = settings.buckets.keys().cloned().collect();
        let bucket = settings.buckets.get_mut(name);
        bucket.ok_or_else(|| none("bucket", name, names.iter().map(String::as_str)))?.route = route;
        Ok(())
    })
    .await
}

/// A name that is not there, with the nearest one.
fn none<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Fault {
    let kinds = if kind == "policy" { "policies".to_owned() } else { format!("{kind}s") };
    Fault::new(Kind::Usage, format!("there is no {kind} {name}")).hint(app::suggest(name, known, &kinds))
}
