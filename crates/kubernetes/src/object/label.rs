//! What objects of ours are known by.

use std::collections::BTreeMap;

use super::name;
use crate::model::{Unit, WantedService};
use crate::settings::PlaceNodes;

/// What every label and annotation of ours begins with.
pub const OURS: &str = "dyninka.dev/";
/// The app's name, on every object: what carries it is ours.
pub const APP: &str = "dyninka.dev/app";
/// The wire form's hash, on what belongs to one.
pub const WIRE: &str = "dyninka.dev/wire";
/// The same, on what belongs to pods in places: a Deployment that has no place selects none of them.
const PLACED_WIRE: &str = "dyninka.dev/placed-wire";
/// The place that pods and their Deployment are in.
pub const PLACE: &str = "dyninka.dev/place";
/// Stands for a group, its members and their schemas, on what belongs to the pods of one.
pub const GROUP: &str = "dyninka.dev/group";
/// Before the DNS label of each service of a group, on its pods; the value is the service's schema.
const MEMBER: &str = "in.dyninka.dev/";
/// The project an app is of, on every object: two projects may call an app by one name.
pub const PROJECT: &str = crate::cluster::PROJECT;
/// Annotation: the service's Rust name.
pub const SERVICE: &str = "dyninka.dev/service";
/// Annotation: `service@hash`.
pub const VERSION: &str = "dyninka.dev/version";
/// Annotation: file name of the library in the image.
pub const LIBRARY: &str = "dyninka.dev/library";
/// Annotation: hash over the app's text.
pub const SOURCE: &str = "dyninka.dev/source";
/// Annotation: who pushed.
pub const PUSHED_BY: &str = "dyninka.dev/pushed-by";
/// Annotation: when, RFC 3339.
pub const PUSHED_AT: &str = "dyninka.dev/pushed-at";
/// Annotation: hash of what the host is told, the library left out.
pub const ROUTES: &str = "dyninka.dev/routes";
/// Annotation: hash of the settings, the number of pods left out.
pub const SETTINGS: &str = "dyninka.dev/settings";
/// Annotation: what the service reaches, JSON: label to hash.
pub const REACHES: &str = "dyninka.dev/reaches";
/// Annotation of a group's pods and Deployment: its services, JSON, in place of what is told of one service.
pub const MEMBERS: &str = "dyninka.dev/members";
/// Annotation: the group's name in `dyn.toml`.
pub const GROUP_NAME: &str = "dyninka.dev/group-name";
/// Annotation: the wire form, JSON.
pub const FORM: &str = "dyninka.dev/form";
/// Value of [`MANAGED_BY`].
pub const MANAGER: &str = "dyninka";
/// Who looks after an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The service's DNS label.
pub const NAME: &str = "app.kubernetes.io/name";
/// What an object is a part of: a service, or the agent of a node.
pub const COMPONENT: &str = "app.kubernetes.io/component";

/// The value of [`APP`]: the app's name where that can be a label's value, else one that stands for it.
pub fn app(app: &str) -> String {
    name::of_label(app)
}

/// What to look for: every object of an app.
pub fn selector(app_name: &str) -> String {
    format!("{APP}={}", app(app_name))
}

/// The same as [`pods`], to look for: `key=value,…`.
pub(crate) fn selects(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// Labels of an object of an app, of a service where it is one's.
pub(crate) fn all(app_name: &str, service: Option<&WantedService>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        (APP.to_owned(), app(app_name)),
        ("app.kubernetes.io/part-of".to_owned(), app(app_name)),
        (MANAGED_BY.to_owned(), MANAGER.to_owned()),
    ]);
    if let Some(service) = service {
        labels.insert(NAME.to_owned(), service.dns.clone());
        labels.insert(COMPONENT.to_owned(), "service".to_owned());
    }
    labels
}

/// What tells a service's pods of one wire form, or a group's, from all others. A Deployment's cannot be changed, so nothing
/// that may change is in it.
pub(crate) fn pods(app_name: &str, unit: &Unit<'_>) -> BTreeMap<String, String> {
    let service = unit.first();
    let own = match unit.group {
        Some(_) => vec![(GROUP.to_owned(), unit.hash())],
        None if unit.places().is_empty() => {
            vec![(NAME.to_owned(), service.dns.clone()), (WIRE.to_owned(), service.wire.clone())]
        }
        None => vec![(NAME.to_owned(), service.dns.clone()), (PLACED_WIRE.to_owned(), service.wire.clone())],
    };
    own.into_iter().chain([(APP.to_owned(), app(app_name))]).collect()
}

/// The same of its pods in one place, where it has places.
pub(crate) fn pods_in(app_name: &str, unit: &Unit<'_>, place: Option<&PlaceNodes>) -> BTreeMap<String, String> {
    let place = place.map(|place| (PLACE.to_owned(), place.place.clone()));
    pods(app_name, unit).into_iter().chain(place).collect()
}

/// The wire form that labels tell.
pub(crate) fn wire(labels: &BTreeMap<String, String>) -> Option<&String> {
    labels.get(WIRE).or_else(|| labels.get(PLACED_WIRE))
}

/// What tells the pods that serve a service in one form from all others.
pub(crate) fn pods_of(app_name: &str, unit: &Unit<'_>, service: &WantedService) -> BTreeMap<String, String> {
    let mut labels = pods(app_name, unit);
    if unit.group.is_some() {
        labels.insert(member(&service.dns), service.wire.clone());
    }
    labels
}

/// Labels of an object that is a whole Deployment's.
pub(crate) fn of_unit(app_name: &str, unit: &Unit<'_>) -> BTreeMap<String, String> {
    let Some(group) = unit.group else { return all(app_name, Some(unit.first())) };
    let mut labels = all(app_name, None);
    labels.insert(NAME.to_owned(), name::of_group_label(group));
    labels.insert(COMPONENT.to_owned(), "group".to_owned());
    labels.insert(GROUP.to_owned(), unit.hash());
    labels.extend(unit.members.iter().map(|service| (member(&service.dns), service.wire.clone())));
    labels
}

fn member(dns: &str) -> String {
    format!("{MEMBER}{dns}")
}

/// The DNS labels of the services that an object is of, by its labels; none where it is the app's.
pub(crate) fn owners(labels: &BTreeMap<String, String>) -> Vec<&str> {
    match labels.contains_key(GROUP) {
        true => labels.keys().filter_map(|key| key.strip_prefix(MEMBER)).collect(),
        false => labels.get(NAME).map(String::as_str).into_iter().collect(),
    }
}

/// The same of an object as JSON.
pub(crate) fn owners_of(object: &serde_json::Value) -> Vec<String> {
    let labels = object["metadata"]["labels"].as_object().into_iter().flatten();
    let labels = labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect();
    owners(&labels).into_iter().map(str::to_owned).collect()
}

/// Name of the Secret that holds what callers of a host's inner doors must know.
pub fn secret(app: &str) -> String {
    name::of_app(app, "key")
}
