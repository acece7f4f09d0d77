//! A Compose file: <https://github.com/compose-spec/compose-spec/blob/main/spec.md>.

use serde_json::{Map, Value, json};

use super::group::Group;
use super::{ExportError, told};
use crate::model::{PORT, Wanted};
use crate::settings::Variable;
use images::USER;

/// Where the last service is found on the machine, where nothing else is said.
const FRONT: u16 = 8080;

/// The file's text.
pub(super) fn write(wanted: &Wanted, groups: &[Group<'_>]) -> Result<String, ExportError> {
    let mut services = Map::new();
    for (at, group) in groups.iter().enumerate() {
        services.insert(group.first().dns.clone(), one(wanted, group, &groups[..at], groups)?);
    }
    // No name: the project is called after its folder, and Compose 1 reads the file, too.
    Ok(serde_saphyr::to_string(&json!({ "services": services }))?)
}

/// The container of a group; those `before` it are started before it where they feed it.
fn one(wanted: &Wanted, group: &Group<'_>, before: &[Group<'_>], all: &[Group<'_>]) -> Result<Value, ExportError> {
    let service = group.first();
    let address = |peer: &str| {
        let dns = wanted.service(peer).map_or(peer, |service| service.dns.as_str());
        let ports = all.iter().flat_map(Group::ports);
        let port = ports.into_iter().find(|(member, _)| member.name == peer).map_or(PORT, |(_, port)| port);
        format!("{dns}:{port}")
    };
    // One engine removes a container's name together with the container: nobody comes too late.
    let config = group.told(&|member| told(member, 0, &address))?;
    let mut environment = Map::from_iter([(protocol::CONFIG_VARIABLE.to_owned(), Value::String(literal(&config)))]);
    for (name, variable) in &service.settings.env {
        let value = match variable {
            Variable::Text(text) => literal(text),
            // Taken from the environment of whoever starts it; missing, Compose says this and ends.
            Variable::Secret(key) => format!("${{{name}:?the key {} of the secret {}}}", key.key, key.secret),
            Variable::Config(key) => format!("${{{name}:?the key {} of the configuration {}}}", key.key, key.config),
        };
        environment.insert(name.clone(), Value::String(value));
    }
    let settings = &group.settings;
    let replicas = settings.replicas.unwrap_or(1);
    let mut limits = json!({ "memory": settings.memory.in_bytes().to_string() });
    if let Some(limit) = settings.cpu_limit {
        limits["cpus"] = Value::String(limit.cores().to_string());
    }
    let mut one = json!({
        "image": service.image,
        "entrypoint": group.command(),
        "environment": environment,
        "user": format!("{USER}:{USER}"),
        "read_only": true,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "tmpfs": ["/tmp"],
        "restart": "unless-stopped",
        "stop_grace_period": format!("{}s", service.config.limits.deadline_ms.div_ceil(1000) + 4),
        "deploy": { "replicas": replicas, "resources": { "limits": limits } },
    });
    if service.pull_policy == "Never" {
        one["pull_policy"] = json!("never");
    }
    let feeds = |other: &&Group<'_>| {
        let needed = group.members.iter().flat_map(|member| &member.upstreams);
        needed.into_iter().any(|upstream| other.has(upstream))
    };
    let mut upstreams: Vec<&str> = before.iter().filter(feeds).map(|other| other.first().dns.as_str()).collect();
    upstreams.sort_unstable();
    if !upstreams.is_empty() {
        one["depends_on"] = json!(upstreams);
    }
    if !group.is_one() {
        let aliases: Vec<&str> = group.members.iter().map(|member| member.dns.as_str()).collect();
        one["networks"] = json!({ "default": { "aliases": aliases } });
    }
    let entry = group.ports().find(|(member, _)| wanted.entry.as_ref() == Some(&member.name));
    if let Some((_, inside)) = entry {
        let front = wanted.settings.entry.node_port.filter(|port| *port > 0).unwrap_or(FRONT);
        // Each of several containers needs a port of its own.
        let last = u32::from(front) + replicas - 1;
        let ports = if replicas > 1 { format!("{front}-{last}") } else { front.to_string() };
        one["ports"] = json!([format!("{ports}:{inside}")]);
    }
    Ok(one)
}

/// A text in which nothing is replaced.
fn literal(text: &str) -> String {
    text.replace('$', "$$")
}
