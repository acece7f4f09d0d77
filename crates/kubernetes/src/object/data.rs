//! The data server beside an app: it keeps copies of buckets in step, sees the app's pods, and tells them where data is.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource, PersistentVolumeClaim,
    PersistentVolumeClaimSpec, PersistentVolumeClaimVolumeSource, PodSecurityContext, PodSpec, ResourceRequirements,
    SecretKeySelector, Service, ServicePort, ServiceSpec, Volume, VolumeMount, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;

use super::deployment::{DOOR, pod_security, probe, security, token};
use super::rights::Rights;
use super::{Stamp, label, lone, metadata, name};
use crate::model::{DATA, DATA_APP, DATA_CATALOG, DATA_PORT, DATA_SETTINGS, Wanted, WantedData};
use crate::settings::variables_of;
use images::{HOST, USER};

/// The value of the label `app.kubernetes.io/component` of what is the data server's.
pub(crate) const COMPONENT: &str = "data";
/// Where it keeps its token, gone with its pod.
const HOME: &str = "/tmp/dyninka";
/// What it reserves.
const CPU: &str = "50m";
/// What it reserves, and what it may not exceed.
const MEMORY: [&str; 2] = ["64Mi", "512Mi"];
/// Room for its catalog.
const ROOM: &str = "1Gi";
/// Seconds for answers that are under way at its end.
const GRACE: i64 = 5;

/// The objects of a data server.
#[derive(Clone, Debug, PartialEq)]
pub struct DataObjects {
    /// The pods of the namespace are all that it may look at, and it may change nothing.
    pub rights: Rights,
    /// Its catalog is in it. It stays where the app goes.
    pub claim: PersistentVolumeClaim,
    pub service: Service,
    pub deployment: Deployment,
}

/// What all of them are called.
pub fn name(app: &str) -> String {
    name::of_app(app, "data")
}

pub(crate) fn data(wanted: &Wanted, stamp: &Stamp) -> Option<DataObjects> {
    let data = wanted.data.as_ref()?;
    let own = own(wanted);
    Some(DataObjects {
        rights: Rights::to_look_at_pods(&own),
        claim: claim(own.clone()),
        service: service(wanted, own),
        deployment: deployment(wanted, data, stamp),
    })
}

impl DataObjects {
    pub(super) fn values(&self) -> Result<Vec<Value>, serde_json::Error> {
        let mut values = self.rights.values()?.to_vec();
        values.push(serde_json::to_value(&self.claim)?);
        values.push(serde_json::to_value(&self.service)?);
        values.push(serde_json::to_value(&self.deployment)?);
        Ok(values)
    }
}

fn own(wanted: &Wanted) -> ObjectMeta {
    let mut metadata = metadata(wanted, name(&wanted.app), None);
    metadata.labels.get_or_insert_default().insert(label::COMPONENT.to_owned(), COMPONENT.to_owned());
    metadata
}

fn pods(app: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(label::APP.to_owned(), label::app(app)), (label::COMPONENT.to_owned(), COMPONENT.to_owned())])
}

fn claim(metadata: ObjectMeta) -> PersistentVolumeClaim {
    let room = BTreeMap::from([("storage".to_owned(), Quantity(ROOM.to_owned()))]);
    let spec = PersistentVolumeClaimSpec {
        access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
        resources: Some(VolumeResourceRequirements { requests: Some(room), ..VolumeResourceRequirements::default() }),
        ..PersistentVolumeClaimSpec::default()
    };
    PersistentVolumeClaim { metadata, spec: Some(spec), ..PersistentVolumeClaim::default() }
}

fn service(wanted: &Wanted, metadata: ObjectMeta) -> Service {
    let port = ServicePort {
        name: Some(DOOR.to_owned()),
        port: i32::from(DATA_PORT),
        protocol: Some("TCP".to_owned()),
        target_port: Some(IntOrString::String(DOOR.to_owned())),
        ..ServicePort::default()
    };
    Service {
        metadata,
        spec: Some(ServiceSpec {
            selector: Some(pods(&wanted.app)),
            ports: Some(vec![port]),
            type_: Some("ClusterIP".to_owned()),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

fn deployment(wanted: &Wanted, data: &WantedData, stamp: &Stamp) -> Deployment {
    let volume = |name: &str| Volume { name: name.to_owned(), ..Volume::default() };
    let claim = PersistentVolumeClaimVolumeSource { claim_name: name(&wanted.app), read_only: None };
    let spec = PodSpec {
        containers: vec![container(wanted, data)],
        service_account_name: Some(name(&wanted.app)),
        node_selector: data.server.place.as_ref().map(|place| place.nodes.clone()),
        termination_grace_period_seconds: Some(GRACE),
        // Volumes belong to root where nobody says whose they are.
        security_context: Some(PodSecurityContext { fs_group: Some(i64::from(USER)), ..pod_security() }),
        volumes: Some(vec![
            Volume { persistent_volume_claim: Some(claim), ..volume("catalog") },
            Volume { empty_dir: Some(EmptyDirVolumeSource::default()), ..volume("tmp") },
        ]),
        ..PodSpec::default()
    };
    // One catalog has one server.
    lone::deployment(wanted, own(wanted), pods(&wanted.app), (DATA, &data.version), stamp, spec)
}

fn container(wanted: &Wanted, data: &WantedData) -> Container {
    let port = ContainerPort {
        name: Some(DOOR.to_owned()),
        container_port: i32::from(DATA_PORT),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    };
    let mount = |name: &str, path: &str| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        ..VolumeMount::default()
    };
    let quantity = |name: &str, value: &str| (name.to_owned(), Quantity(value.to_owned()));
    Container {
        name: COMPONENT.to_owned(),
        image: data.image.clone(),
        image_pull_policy: Some(data.pull_policy.clone()),
        command: Some([HOST, "data", "serve", "--in-pod"].map(str::to_owned).to_vec()),
        ports: Some(vec![port]),
        env: Some(environment(wanted, data)),
        resources: Some(ResourceRequirements {
            limits: Some(BTreeMap::from([quantity("memory", MEMORY[1])])),
            requests: Some(BTreeMap::from([quantity("cpu", CPU), quantity("memory", MEMORY[0])])),
            ..ResourceRequirements::default()
        }),
        volume_mounts: Some(vec![mount("catalog", DATA_CATALOG), mount("tmp", "/tmp")]),
        readiness_probe: Some(probe(DOOR, "/readyz", 1, 2)),
        liveness_probe: Some(probe(DOOR, "/healthz", 10, 3)),
        security_context: Some(security()),
        ..Container::default()
    }
}

fn environment(wanted: &Wanted, data: &WantedData) -> Vec<EnvVar> {
    let text = |name: &str, value: String| EnvVar { name: name.to_owned(), value: Some(value), value_from: None };
    let keys = data.server.stores.iter().flat_map(|store| variables_of(store));
    let keys = keys.map(|(name, key)| EnvVar {
        name,
        value: None,
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector { name: key.secret, key: key.key, optional: None }),
            ..EnvVarSource::default()
        }),
    });
    let own = vec![
        text("DYNINKA_HOME", HOME.to_owned()),
        text(DATA_APP, wanted.app.clone()),
        text(DATA_SETTINGS, data.server.settings.clone()),
        token(&wanted.app),
    ];
    own.into_iter().chain(keys).collect()
}
