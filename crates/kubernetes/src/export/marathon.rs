//! A group of Marathon's: <https://mesosphere.github.io/marathon/docs/application-groups.html>. Services find each other
//! by Mesos-DNS, in which an app `/building/get` is `get-building.marathon.mesos`.

use serde_json::{Map, Value, json};

use super::{ExportError, told};
use crate::model::{PORT, Wanted, WantedService};
use crate::object::name;
use crate::settings::Variable;
use images::USER;

/// The container network of DC/OS; a Mesos of one's own may call it otherwise.
const NETWORK: &str = "dcos";
/// What Mesos-DNS calls what Marathon runs.
const DOMAIN: &str = "marathon.mesos";
/// The longest DNS label: service and group share one.
const LONGEST: usize = 63;
/// What of it is the group's at most.
const GROUP: usize = 20;

/// The file's text.
pub(super) fn write(wanted: &Wanted) -> Result<String, ExportError> {
    let group = name::within(&name::plain(&wanted.app), GROUP);
    let apps = wanted.services.iter().map(|service| one(wanted, service, &group)).collect::<Result<Vec<_>, _>>()?;
    let mut text = serde_json::to_string_pretty(&json!({ "id": format!("/{group}"), "apps": apps }))?;
    text.push('\n');
    Ok(text)
}

fn one(wanted: &Wanted, service: &WantedService, group: &str) -> Result<Value, ExportError> {
    let id = |service: &WantedService| name::within(&service.dns, LONGEST - group.len() - 1);
    let address = |peer: &str| match wanted.service(peer) {
        Some(peer) => format!("{}-{group}.{DOMAIN}:{PORT}", id(peer)),
        None => format!("{peer}:{PORT}"),
    };
    let config = serde_json::to_string(&told(service, service.config.limits.linger_ms, &address))?;
    let mut env = Map::from_iter([(protocol::CONFIG_VARIABLE.to_owned(), Value::String(config))]);
    let mut secrets = Map::new();
    for (name, variable) in &service.settings.env {
        let value = match variable {
            Variable::Text(text) => Value::String(text.clone()),
            Variable::Secret(key) => {
                let known_as = format!("{}-{}", key.secret, key.key);
                secrets.insert(known_as.clone(), json!({ "source": format!("{}/{}", key.secret, key.key) }));
                json!({ "secret": known_as })
            }
            Variable::Config(key) => {
                return Err(ExportError::NoConfigMap {
                    service: service.name.clone(),
                    format: "marathon",
                    variable: name.clone(),
                    config: key.config.clone(),
                });
            }
        };
        env.insert(name.clone(), value);
    }
    let limits = &service.config.limits;
    let parameter = |key: &str, value: &str| json!({ "key": key, "value": value });
    let mut one = json!({
        "id": id(service),
        "container": {
            "type": "DOCKER",
            "docker": {
                "image": service.image,
                "parameters": [
                    parameter("user", &format!("{USER}:{USER}")),
                    parameter("read-only", "true"),
                    parameter("tmpfs", "/tmp"),
                    parameter("cap-drop", "ALL"),
                    parameter("security-opt", "no-new-privileges"),
                ],
            },
            "portMappings": [{ "containerPort": PORT, "hostPort": 0, "name": "http" }],
        },
        "networks": [{ "mode": "container", "name": NETWORK }],
        "env": env,
        "instances": service.settings.replicas.unwrap_or(1),
        "cpus": service.settings.cpu.cores(),
        "mem": service.settings.memory.mebibytes(),
        "labels": { "DYNINKA_APP": wanted.app, "DYNINKA_VERSION": service.version },
        "healthChecks": [{
            "protocol": "MESOS_HTTP",
            "path": "/readyz",
            "portIndex": 0,
            "gracePeriodSeconds": 60,
            "intervalSeconds": 5,
            "timeoutSeconds": 2,
            "maxConsecutiveFailures": 3,
        }],
        // No old instance goes before a new one is there.
        "upgradeStrategy": { "minimumHealthCapacity": 1.0, "maximumOverCapacity": 1.0 },
        "taskKillGracePeriodSeconds": (limits.linger_ms + limits.deadline_ms).div_ceil(1000) + 4,
        "dependencies": service
            .upstreams
            .iter()
            .filter_map(|name| wanted.service(name))
            .map(|upstream| format!("/{group}/{}", id(upstream)))
            .collect::<Vec<_>>(),
    });
    if let Some(limit) = service.settings.cpu_limit {
        one["resourceLimits"] = json!({ "cpus": limit.cores() });
    }
    if !service.settings.nodes.is_empty() {
        let is = |(key, value): (&String, &String)| json!([key, "IS", value]);
        one["constraints"] = service.settings.nodes.iter().map(is).collect();
    }
    if !secrets.is_empty() {
        one["secrets"] = Value::Object(secrets);
    }
    Ok(one)
}
