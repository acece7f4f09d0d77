//! A Compose file: <https://github.com/compose-spec/compose-spec/blob/main/spec.md>.

use serde_json::{Map, Value, json};

use super::{ExportError, told};
use crate::model::{PORT, Wanted, WantedService};
use crate::settings::Variable;
use images::{FOLDER, HOST, USER};

/// Where the last service is found on the machine, where nothing else is said.
const FRONT: u16 = 8080;

/// The file's text.
pub(super) fn write(wanted: &Wanted) -> Result<String, ExportError> {
    let mut services = Map::new();
    for service in &wanted.services {
        services.insert(service.dns.clone(), one(wanted, service)?);
    }
    // No name: the project is called after its folder, and Compose 1 reads the file, too.
    Ok(serde_saphyr::to_string(&json!({ "services": services }))?)
}

fn one(wanted: &Wanted, service: &WantedService) -> Result<Value, ExportError> {
    let address = |peer: &str| {
        let dns = wanted.service(peer).map_or(peer, |service| service.dns.as_str());
        format!("{dns}:{PORT}")
    };
    // One engine removes a container's name together with the container: nobody comes too late.
    let config = told(service, 0, &address)?;
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
    let settings = &service.settings;
    let replicas = settings.replicas.unwrap_or(1);
    let mut limits = json!({ "memory": settings.memory.in_bytes().to_string() });
    if let Some(limit) = settings.cpu_limit {
        limits["cpus"] = Value::String(limit.cores().to_string());
    }
    let mut one = json!({
        "image": service.image,
        "entrypoint": [HOST, "host", FOLDER],
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
    let upstreams: Vec<&str> =
        service.upstreams.iter().filter_map(|name| wanted.service(name)).map(|service| service.dns.as_str()).collect();
    if !upstreams.is_empty() {
        one["depends_on"] = json!(upstreams);
    }
    if wanted.entry.as_ref() == Some(&service.name) {
        let front = wanted.settings.entry.node_port.filter(|port| *port > 0).unwrap_or(FRONT);
        // Each of several containers needs a port of its own.
        let last = u32::from(front) + replicas - 1;
        let ports = if replicas > 1 { format!("{front}-{last}") } else { front.to_string() };
        one["ports"] = json!([format!("{ports}:{PORT}")]);
    }
    Ok(one)
}

/// A text in which nothing is replaced.
fn literal(text: &str) -> String {
    text.replace('$', "$$")
}
