//! What servers wrote down of us.

use anyhow::Context;
use serde_json::Value;

use super::backend::{Backend, testbed};

/// Requests of `dyn` that changed something in a namespace; rehearsals are none.
pub(super) fn writes(backend: &Backend) -> anyhow::Result<usize> {
    let log = read("audit.log")?;
    let is_write = |line: &&str| {
        let Ok(entry) = serde_json::from_str::<Value>(line) else { return false };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        entry["objectRef"]["namespace"] == backend.namespace.as_str()
            && text(&entry["userAgent"]).starts_with("dyninka/")
            && !["get", "list", "watch"].contains(&text(&entry["verb"]).as_str())
            && !text(&entry["requestURI"]).contains("dryRun")
    };
    Ok(log.lines().filter(is_write).count())
}

/// Requests that brought something into the folder of the registry that is this backend's.
pub(super) fn sent(backend: &Backend) -> anyhow::Result<usize> {
    let folder = format!("/v2/{}/", backend.namespace);
    let is_upload = |line: &&str| {
        let request = ["\"PUT ", "\"PATCH ", "\"POST "].iter().any(|verb| line.contains(&format!("{verb}{folder}")));
        request && line.contains(" HTTP/1.1\" 20")
    };
    Ok(read("registry-127.0.0.1.log")?.lines().filter(is_upload).count())
}

fn read(name: &str) -> anyhow::Result<String> {
    let file = testbed().join(name);
    let bytes = std::fs::read(&file).with_context(|| format!("read {}", file.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
