//! The agent that makes a cluster and namespace a node of a fleet: a pod that sees the app's pods and nothing else.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource, ObjectFieldSelector, PodSpec,
    ResourceRequirements, Secret, SecretVolumeSource, Service, ServicePort, ServiceSpec, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::deployment::{pod_security, probe, security, token};
use super::rights::Rights;
use super::{Stamp, label, lone, metadata, name};
use crate::model::{
    NODE, NODE_APP, NODE_AWAY, NODE_IDENTITY, NODE_LINKS, NODE_METRICS, NODE_POD, NodeApp, Wanted, WantedNode,
};
use crate::settings::NodeReach;
use images::HOST;

/// The value of the label `app.kubernetes.io/component` of what is the agent's.
const COMPONENT: &str = "node";
/// Names of ports.
const LINKS: &str = "links";
const AWAY: &str = "away";
const METRICS: &str = "metrics";
/// Where it keeps what it learns, gone with its pod.
const HOME: &str = "/tmp/dyninka";
/// What it reserves.
const CPU: &str = "50m";
/// What it reserves and may not exceed.
const MEMORY: &str = "64Mi";
/// The environment variable with the address of the cluster's node.
const HOST_ADDRESS: &str = "DYNINKA_NODE_HOST";
/// Seconds for its goodbye.
const GRACE: i64 = 5;

/// The objects of an agent.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeObjects {
    /// The pods of the namespace are all that it may look at, and it may change nothing.
    pub rights: Rights,
    /// Leads other nodes to it; none where its pod has a port of the cluster's node.
    pub service: Option<Service>,
    pub deployment: Deployment,
}

/// What all of them are called.
pub fn name(app: &str) -> String {
    name::of_app(app, "node")
}

pub(crate) fn node(wanted: &Wanted, stamp: &Stamp) -> Option<NodeObjects> {
    let node = wanted.node.as_ref()?;
    Some(NodeObjects {
        rights: Rights::to_look_at_pods(&own(wanted)),
        service: service(wanted, node),
        deployment: deployment(wanted, node, stamp),
    })
}

/// The Secret that makes an agent a node: its key and certificate, and whom it is to trust. It is made once.
pub fn identity(app: &str, project: Option<&String>, files: BTreeMap<String, Vec<u8>>) -> Secret {
    let wanted = Wanted { app: app.to_owned(), project: project.cloned(), ..Wanted::default() };
    let data = files.into_iter().map(|(name, bytes)| (name, ByteString(bytes)));
    Secret { metadata: own(&wanted), data: Some(data.collect()), ..Secret::default() }
}

fn own(wanted: &Wanted) -> ObjectMeta {
    let mut metadata = metadata(wanted, name(&wanted.app), None);
    metadata.labels.get_or_insert_default().insert(label::COMPONENT.to_owned(), COMPONENT.to_owned());
    metadata
}

fn pods(app: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(label::APP.to_owned(), label::app(app)), (label::COMPONENT.to_owned(), COMPONENT.to_owned())])
}

fn service(wanted: &Wanted, node: &WantedNode) -> Option<Service> {
    let (kind, port, node_port) = match node.settings.reach {
        NodeReach::NodePort => ("NodePort", NODE_LINKS, Some(node.settings.port)),
        NodeReach::LoadBalancer => ("LoadBalancer", node.settings.port, None),
        NodeReach::HostPort => return None,
    };
    let port = ServicePort {
        name: Some(LINKS.to_owned()),
        port: i32::from(port),
        protocol: Some("TCP".to_owned()),
        target_port: Some(IntOrString::String(LINKS.to_owned())),
        node_port: node_port.map(i32::from),
        ..ServicePort::default()
    };
    Some(Service {
        metadata: own(wanted),
        spec: Some(ServiceSpec {
            selector: Some(pods(&wanted.app)),
            ports: Some(vec![port]),
            type_: Some(kind.to_owned()),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    })
}

fn deployment(wanted: &Wanted, node: &WantedNode, stamp: &Stamp) -> Deployment {
    let volume = |name: &str| Volume { name: name.to_owned(), ..Volume::default() };
    let secret = SecretVolumeSource { secret_name: Some(name(&wanted.app)), ..SecretVolumeSource::default() };
    let spec = PodSpec {
        containers: vec![container(wanted, node)],
        service_account_name: Some(name(&wanted.app)),
        node_selector: Some(node.settings.nodes.clone()).filter(|nodes| !nodes.is_empty()),
        termination_grace_period_seconds: Some(GRACE),
        security_context: Some(pod_security()),
        volumes: Some(vec![
            Volume { secret: Some(secret), ..volume("identity") },
            Volume { empty_dir: Some(EmptyDirVolumeSource::default()), ..volume("tmp") },
        ]),
        ..PodSpec::default()
    };
    // Two at once would be one node twice.
    lone::deployment(wanted, own(wanted), pods(&wanted.app), (NODE, &node.version), stamp, spec)
}

fn container(wanted: &Wanted, node: &WantedNode) -> Container {
    let port = |name: &str, port: u16, host: Option<u16>| ContainerPort {
        name: Some(name.to_owned()),
        container_port: i32::from(port),
        host_port: host.map(i32::from),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    };
    let at_host = (node.settings.reach == NodeReach::HostPort).then_some(node.settings.port);
    let mount = |name: &str, path: &str, read_only: bool| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    };
    let quantity = |name: &str, value: &str| (name.to_owned(), Quantity(value.to_owned()));
    Container {
        name: COMPONENT.to_owned(),
        image: node.image.clone(),
        image_pull_policy: Some(node.pull_policy.clone()),
        command: Some(command(node)),
        ports: Some(vec![
            port(LINKS, NODE_LINKS, at_host),
            port(AWAY, NODE_AWAY, None),
            port(METRICS, NODE_METRICS, None),
        ]),
        env: Some(environment(wanted, node)),
        resources: Some(ResourceRequirements {
            limits: Some(BTreeMap::from([quantity("memory", MEMORY)])),
            requests: Some(BTreeMap::from([quantity("cpu", CPU), quantity("memory", MEMORY)])),
            ..ResourceRequirements::default()
        }),
        volume_mounts: Some(vec![mount("identity", NODE_IDENTITY, true), mount("tmp", "/tmp", false)]),
        readiness_probe: Some(probe(METRICS, "/readyz", 1, 2)),
        liveness_probe: Some(probe(METRICS, "/healthz", 10, 3)),
        security_context: Some(security()),
        ..Container::default()
    }
}

fn command(node: &WantedNode) -> Vec<String> {
    let said = &node.settings;
    // The kubelet puts the variable's value here.
    let address = said.address.clone().unwrap_or_else(|| format!("$({HOST_ADDRESS}):{}", said.port));
    let mut command: Vec<String> = [HOST, "node", "up", "--in-pod"].map(str::to_owned).to_vec();
    let mut option = |name: &str, value: String| command.extend([name.to_owned(), value]);
    option("--listen", format!("0.0.0.0:{NODE_LINKS}"));
    option("--advertise", address);
    said.seeds.iter().for_each(|seed| option("--join", seed.clone()));
    if !said.neighbours.is_empty() {
        option("--neighbours", said.neighbours.join(","));
    }
    option("--strategy", said.strategy.clone());
    if let Some(model) = &said.model {
        option("--model", model.clone());
    }
    if let Some(watts) = said.watts() {
        option("--watts", watts);
    }
    option("--metrics", format!("0.0.0.0:{NODE_METRICS}"));
    command
}

/// What the agent of an app is told, as the value of a variable.
pub(crate) fn told(wanted: &Wanted, node: &WantedNode) -> String {
    // It is made of texts and numbers alone.
    serde_json::to_string(&NodeApp::of(wanted, node)).unwrap_or_default()
}

fn environment(wanted: &Wanted, node: &WantedNode) -> Vec<EnvVar> {
    let text = |name: &str, value: String| EnvVar { name: name.to_owned(), value: Some(value), value_from: None };
    let field = |name: &str, path: &str| EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector { field_path: path.to_owned(), api_version: None }),
            ..EnvVarSource::default()
        }),
    };
    vec![
        field(HOST_ADDRESS, "status.hostIP"),
        field(NODE_POD, "status.podIP"),
        text("DYNINKA_HOME", HOME.to_owned()),
        text(NODE_APP, told(wanted, node)),
        token(&wanted.app),
    ]
}
