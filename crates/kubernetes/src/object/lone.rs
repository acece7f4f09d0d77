//! The Deployment of one pod beside those of services: an agent of nodes, a server of data.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy};
use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::{Stamp, label};
use crate::model::Wanted;

/// Never two at once: the pod of before ends first. `pods` are the labels that tell it from others.
pub(super) fn deployment(
    wanted: &Wanted,
    metadata: ObjectMeta,
    pods: BTreeMap<String, String>,
    (what, version): (&str, &str),
    stamp: &Stamp,
    spec: PodSpec,
) -> Deployment {
    let told = [
        (label::SERVICE, Some(what.to_owned())),
        (label::VERSION, Some(version.to_owned())),
        (label::PUSHED_BY, stamp.by.clone()),
        (label::PUSHED_AT, stamp.at.clone()),
    ];
    let annotations = told.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
    let mut labels = label::all(&wanted.app, None);
    labels.extend(pods.clone());
    // It asks the API server.
    let spec = PodSpec { automount_service_account_token: Some(true), enable_service_links: Some(false), ..spec };
    Deployment {
        metadata: ObjectMeta { annotations: Some(annotations), ..metadata },
        spec: Some(DeploymentSpec {
            replicas: Some(1),
            selector: LabelSelector { match_labels: Some(pods), ..LabelSelector::default() },
            strategy: Some(DeploymentStrategy { type_: Some("Recreate".to_owned()), rolling_update: None }),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta { labels: Some(labels), ..ObjectMeta::default() }),
                spec: Some(spec),
            },
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}
