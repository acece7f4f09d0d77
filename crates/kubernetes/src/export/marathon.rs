//! A group of Marathon's: <https://mesosphere.github.io/marathon/docs/application-groups.html>. Services find each other
//! by Mesos-DNS, in which an app `/building/get` is `get-building.marathon.mesos`.

use serde_json::{Map, Value, json};

use super::group::Group;
use super::{ExportError, told};
use crate::model::{PORT, Wanted};
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
pub(super) fn write(wanted: &Wanted, containers: &[Group<'_>]) -> Result<String, ExportError> {
    let group = name::within(&name::plain(&wanted.app), GROUP);
    let apps = containers.iter().map(|of| one(wanted, of, containers, &group)).collect::<Result<Vec<_>, _>>()?;
    let mut text = serde_json::to_string_pretty(&json!({ "id": format!("/{group}"), "apps": apps }))?;
    text.push('\n');
    Ok(text)
}

/// The app of a container, which is found by the name of its first service.
fn one(wanted: &Wanted, container: &Group<'_>, all: &[Group<'_>], group: &str) -> Result<Value, ExportError> {
    let service = container.first();
    let id = |of: &Group<'_>| name::within(&of.first().dns, LONGEST - group.len() - 1);
    let address = |peer: &str| {
        let mut ports = all.iter().flat_map(|of| of.ports().map(move |(member, port)| (of, member, port)));
        match ports.find(|(_, member, _)| member.name == peer) {
            Some((of, _, port)) => format!("{}-{group}.{DOMAIN}:{port}", id(of)),
            None => format!("{peer}:{PORT}"),
        }
    };
    let config = container.told(&|member| told(member, member.config.limits.linger_ms, &address))?;
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
    let (limits, settings) = (&service.config.limits, &container.settings);
    let before = all.iter().take_while(|of| of.first().name != service.name);
    let needed = before.filter(|of| container.members.iter().any(|it| it.upstreams.iter().any(|name| of.has(name))));
    let versions: Vec<&str> = container.members.iter().map(|member| member.version.as_str()).collect();
    let ports = container.ports().map(|(member, port)| {
        let name = if container.is_one() { "http" } else { member.dns.as_str() };
        json!({ "containerPort": port, "hostPort": 0, "name": name })
    });
    let parameter = |key: &str, value: &str| json!({ "key": key, "value": value });
    let mut one = json!({
        "id": id(container),
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
            "portMappings": ports.collect::<Vec<_>>(),
        },
        "networks": [{ "mode": "container", "name": NETWORK }],
        "env": env,
        "instances": settings.replicas.unwrap_or(1),
        "cpus": settings.cpu.cores(),
        "mem": settings.memory.mebibytes(),
        "labels": { "DYNINKA_APP": wanted.app, "DYNINKA_VERSION": versions.join("+") },
        "healthChecks": [{
            "protocol": "MESOS_HTTP",
            "path": "/readyz",
            // A host opens its services one after another: where the last one answers, all are there.
            "portIndex": container.members.len() - 1,
            "gracePeriodSeconds": 60,
            "intervalSeconds": 5,
            "timeoutSeconds": 2,
            "maxConsecutiveFailures": 3,
        }],
        // No old instance goes before a new one is there.
        "upgradeStrategy": { "minimumHealthCapacity": 1.0, "maximumOverCapacity": 1.0 },
        "taskKillGracePeriodSeconds": (limits.linger_ms + limits.deadline_ms).div_ceil(1000) + 4,
        "dependencies": needed.map(|upstream| format!("/{group}/{}", id(upstream))).collect::<Vec<_>>(),
    });
    if let Some((program, arguments)) = container.command().split_first().filter(|_| !container.is_one()) {
        // In place of the image's own, which is for one service.
        if let Some(parameters) = one["container"]["docker"]["parameters"].as_array_mut() {
            parameters.push(parameter("entrypoint", program));
        }
        one["args"] = json!(arguments);
    }
    if let Some(limit) = settings.cpu_limit {
        one["resourceLimits"] = json!({ "cpus": limit.cores() });
    }
    if !settings.nodes.is_empty() {
        let is = |(key, value): (&String, &String)| json!([key, "IS", value]);
        one["constraints"] = settings.nodes.iter().map(is).collect();
    }
    if !secrets.is_empty() {
        one["secrets"] = Value::Object(secrets);
    }
    Ok(one)
}
