//! What objects of ours are known by.

use std::collections::BTreeMap;

use super::name;
use crate::model::WantedService;

/// What every label and annotation of ours begins with.
pub const OURS: &str = "dyninka.dev/";
/// The app's name, on every object: what carries it is ours.
pub const APP: &str = "dyninka.dev/app";
/// The wire form's hash, on what belongs to one.
pub const WIRE: &str = "dyninka.dev/wire";
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

/// What to look for: every object of an app. A service's where one is named by its DNS label.
pub fn selector(app_name: &str, service: Option<&str>) -> String {
    let own = format!("{APP}={}", app(app_name));
    service.map_or(own.clone(), |service| format!("{own},{NAME}={service}"))
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

/// What tells a service's pods of one wire form from all others. A Deployment's cannot be changed, so nothing that may
/// change is in it.
pub(crate) fn pods(app_name: &str, service: &WantedService) -> BTreeMap<String, String> {
    BTreeMap::from([
        (APP.to_owned(), app(app_name)),
        (NAME.to_owned(), service.dns.clone()),
        (WIRE.to_owned(), service.wire.clone()),
    ])
}

/// Name of the Secret that holds what callers of a host's inner doors must know.
pub fn secret(app: &str) -> String {
    name::of_app(app, "key")
}
