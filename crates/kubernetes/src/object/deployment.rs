//! The pods of a service in one wire form, or of the services of a group, in one place where they have places.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapKeySelector, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource, EnvVar,
    EnvVarSource, HTTPGetAction, PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ResourceRequirements,
    SeccompProfile, SecretKeySelector, SecurityContext, TopologySpreadConstraint, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::config::{self, FILE, TOKEN};
use super::member::MemberState;
use super::{Stamp, label, metadata_of, name, reaches};
use crate::model::{Unit, Wanted, WantedService};
use crate::settings::{PlaceNodes, PodSpread, ServiceSettings, Variable};
use images::{FOLDER, HOST, USER, folder_of};

/// The port's name.
pub(crate) const DOOR: &str = "http";
pub const CONTAINER: &str = "service";
/// Seconds without progress after which a rollout counts as stuck.
const PROGRESS_SECONDS: i32 = 120;
/// Seconds a host may take to come up: a library is loaded in milliseconds, an image may come from a slow disk.
const START_SECONDS: i32 = 60;
/// How many ReplicaSets are kept to go back to.
const REVISIONS: i32 = 10;

/// The name of the port that a service has in its pods.
pub(crate) fn port_name(unit: &Unit<'_>, service: &WantedService) -> String {
    if unit.group.is_some() { name::of_port(&service.dns) } else { DOOR.to_owned() }
}

/// The Deployment of a service or of a group, in one of its places where it has places; `config` is its ConfigMap.
pub(crate) fn deployment(
    wanted: &Wanted,
    unit: &Unit<'_>,
    place: Option<&PlaceNodes>,
    config: &str,
    stamp: &Stamp,
) -> Deployment {
    let pods = label::pods_in(&wanted.app, unit, place);
    let mut labels = label::of_unit(&wanted.app, unit);
    labels.extend(pods.clone());
    let name = place.map_or_else(|| unit.object(), |place| unit.object_in(place));
    let mut metadata = metadata_of(wanted, name, labels.clone());
    metadata.annotations = Some(annotations(unit, stamp));
    let mut settings = unit.settings();
    settings.nodes.extend(place.iter().flat_map(|place| place.nodes.clone()));
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta { labels: Some(labels), annotations: Some(told(unit)), ..ObjectMeta::default() }),
        spec: Some(pod(wanted, unit, (place, &settings), config)),
    };
    Deployment {
        metadata,
        spec: Some(DeploymentSpec {
            // Where nobody says how many, that is whoever scales it's.
            replicas: settings.replicas.and_then(|replicas| i32::try_from(replicas).ok()),
            selector: LabelSelector { match_labels: Some(pods), ..LabelSelector::default() },
            template,
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(1)),
                    max_unavailable: Some(IntOrString::Int(0)),
                }),
            }),
            progress_deadline_seconds: Some(PROGRESS_SECONDS),
            revision_history_limit: Some(REVISIONS),
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

/// What pods tell of their services.
fn told(unit: &Unit<'_>) -> BTreeMap<String, String> {
    let service = unit.first();
    let told = match unit.group {
        Some(_) => vec![(label::MEMBERS, json(serde_json::to_string(&unit.told())))],
        None => vec![(label::SERVICE, service.name.clone()), (label::VERSION, service.version.clone())],
    };
    told.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn annotations(unit: &Unit<'_>, stamp: &Stamp) -> BTreeMap<String, String> {
    let service = unit.first();
    let own = match unit.group {
        Some(group) => vec![
            (label::GROUP_NAME, Some(group.to_owned())),
            (label::MEMBERS, Some(json(serde_json::to_string(&MemberState::all(unit))))),
        ],
        None => vec![
            (label::SERVICE, Some(service.name.clone())),
            (label::VERSION, Some(service.version.clone())),
            (label::LIBRARY, service.config.library.clone()),
            (label::ROUTES, Some(service.routes())),
            (label::SETTINGS, Some(service.settings.hash())),
            (label::REACHES, Some(reaches::write(&service.reaches))),
            (label::FORM, Some(json(serde_json::to_string(&service.form)))),
        ],
    };
    let stamped = [
        (label::SOURCE, stamp.source.clone()),
        (label::PUSHED_BY, stamp.by.clone()),
        (label::PUSHED_AT, stamp.at.clone()),
    ];
    own.into_iter().chain(stamped).filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

fn json(value: Result<String, serde_json::Error>) -> String {
    value.unwrap_or_default()
}

fn pod(
    wanted: &Wanted,
    unit: &Unit<'_>,
    (place, settings): (Option<&PlaceNodes>, &ServiceSettings),
    config: &str,
) -> PodSpec {
    let (limits, pods) = (&unit.first().config.limits, label::pods_in(&wanted.app, unit, place));
    // A host lingers, answers what it has begun, for which it takes a second more than the deadline, and ends.
    let grace = (limits.linger_ms + limits.deadline_ms).div_ceil(1000) + 4;
    let spread = spread(settings.spread, &pods);
    PodSpec {
        containers: vec![container(wanted, unit, place, settings)],
        node_selector: Some(settings.nodes.clone()).filter(|nodes| !nodes.is_empty()),
        topology_spread_constraints: Some(spread).filter(|spread| !spread.is_empty()),
        termination_grace_period_seconds: i64::try_from(grace).ok(),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(pod_security()),
        volumes: Some(vec![
            Volume {
                name: "config".to_owned(),
                config_map: Some(ConfigMapVolumeSource { name: config.to_owned(), ..ConfigMapVolumeSource::default() }),
                ..Volume::default()
            },
            Volume { name: "tmp".to_owned(), empty_dir: Some(EmptyDirVolumeSource::default()), ..Volume::default() },
        ]),
        ..PodSpec::default()
    }
}

fn container(wanted: &Wanted, unit: &Unit<'_>, place: Option<&PlaceNodes>, settings: &ServiceSettings) -> Container {
    let mount =
        |name: &str, path: String| VolumeMount { name: name.to_owned(), mount_path: path, ..VolumeMount::default() };
    let config = |key: String, folder: &str| {
        let file = format!("{folder}/{FILE}");
        VolumeMount { sub_path: Some(key), read_only: Some(true), ..mount("config", file) }
    };
    let (service, ports) = (unit.first(), unit.ports());
    let (folders, mut mounts): (Vec<String>, Vec<VolumeMount>) = match unit.group {
        Some(_) => {
            let own = ports.iter().map(|(member, _)| (folder_of(&member.dns), config::key(&member.dns)));
            own.map(|(folder, key)| (folder.clone(), config(key, &folder))).unzip()
        }
        None => {
            let key = place.map_or_else(|| FILE.to_owned(), |place| config::key(&place.place));
            (vec![FOLDER.to_owned()], vec![config(key, FOLDER)])
        }
    };
    mounts.push(mount("tmp", "/tmp".to_owned()));
    // Where the lines of several services come together, each is marked with its service.
    let marks = unit.group.map(|_| "--mark-lines".to_owned());
    let command = [HOST.to_owned(), "host".to_owned()].into_iter().chain(marks).chain(folders);
    let port = |(member, port): &(&WantedService, u16)| ContainerPort {
        name: Some(port_name(unit, member)),
        container_port: i32::from(*port),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    };
    // A host opens its services one after another: where the last one answers, all are there.
    let asked = ports.last().map_or_else(|| DOOR.to_owned(), |(member, _)| port_name(unit, member));
    Container {
        name: CONTAINER.to_owned(),
        image: service.image.clone(),
        image_pull_policy: Some(service.pull_policy.clone()),
        command: Some(command.collect()),
        ports: Some(ports.iter().map(port).collect()),
        env: Some(environment(wanted, settings)),
        resources: Some(resources(settings)),
        volume_mounts: Some(mounts),
        startup_probe: Some(probe(&asked, "/healthz", 1, START_SECONDS)),
        readiness_probe: Some(probe(&asked, "/readyz", 1, 2)),
        liveness_probe: Some(probe(&asked, "/healthz", 10, 3)),
        security_context: Some(security()),
        ..Container::default()
    }
}

/// Nobody of the machine's, and no system calls but usual ones.
pub(super) fn pod_security() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(i64::from(USER)),
        run_as_group: Some(i64::from(USER)),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
        ..PodSecurityContext::default()
    }
}

/// Nothing to be gained, and nothing to be written to.
pub(super) fn security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        run_as_non_root: Some(true),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), ..Capabilities::default() }),
        ..SecurityContext::default()
    }
}

pub(super) fn probe(port: &str, path: &str, every_seconds: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(port.to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(every_seconds),
        failure_threshold: Some(failures),
        timeout_seconds: Some(2),
        ..Probe::default()
    }
}

/// The variable with what callers of a host's admin API must know.
pub(super) fn token(app: &str) -> EnvVar {
    let token = SecretKeySelector {
        name: label::secret(app),
        key: TOKEN.to_owned(),
        // Without it the host lets nobody in at its inner doors.
        optional: Some(true),
    };
    let token = EnvVarSource { secret_key_ref: Some(token), ..EnvVarSource::default() };
    EnvVar { name: protocol::TOKEN_VARIABLE.to_owned(), value: None, value_from: Some(token) }
}

fn environment(wanted: &Wanted, settings: &ServiceSettings) -> Vec<EnvVar> {
    let from = |source: EnvVarSource| (None, Some(source));
    let said = settings.env.iter().map(|(name, variable)| {
        let (value, value_from) = match variable {
            Variable::Text(text) => (Some(text.clone()), None),
            Variable::Secret(key) => from(EnvVarSource {
                secret_key_ref: Some(SecretKeySelector {
                    name: key.secret.clone(),
                    key: key.key.clone(),
                    optional: None,
                }),
                ..EnvVarSource::default()
            }),
            Variable::Config(key) => from(EnvVarSource {
                config_map_key_ref: Some(ConfigMapKeySelector {
                    name: key.config.clone(),
                    key: key.key.clone(),
                    optional: None,
                }),
                ..EnvVarSource::default()
            }),
        };
        EnvVar { name: name.clone(), value, value_from }
    });
    [token(&wanted.app)].into_iter().chain(said).collect()
}

fn resources(settings: &ServiceSettings) -> ResourceRequirements {
    let (cpu, memory) = ("cpu".to_owned(), "memory".to_owned());
    let mut limits = BTreeMap::from([(memory.clone(), Quantity(settings.memory.to_string()))]);
    limits.extend(settings.cpu_limit.map(|limit| (cpu.clone(), Quantity(limit.to_string()))));
    let requests =
        BTreeMap::from([(cpu, Quantity(settings.cpu.to_string())), (memory, Quantity(settings.memory.to_string()))]);
    ResourceRequirements { limits: Some(limits), requests: Some(requests), ..ResourceRequirements::default() }
}

/// Pods are spread as evenly as there is room, and run together rather than not at all.
fn spread(spread: PodSpread, pods: &BTreeMap<String, String>) -> Vec<TopologySpreadConstraint> {
    let over: &[&str] = match spread {
        PodSpread::Nodes => &["kubernetes.io/hostname"],
        PodSpread::Zones => &["topology.kubernetes.io/zone", "kubernetes.io/hostname"],
        PodSpread::Anywhere => &[],
    };
    let constraint = |key: &&str| TopologySpreadConstraint {
        max_skew: 1,
        topology_key: (*key).to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(LabelSelector { match_labels: Some(pods.clone()), ..LabelSelector::default() }),
        ..TopologySpreadConstraint::default()
    };
    over.iter().map(constraint).collect()
}
