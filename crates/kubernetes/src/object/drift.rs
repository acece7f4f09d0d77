//! What of an object is not as it was applied.

use serde_json::Value;

/// Fields that were applied and are otherwise now, in words: `spec.replicas is 3, applied was 2`. What was not applied
/// is somebody else's and does not count.
pub fn drift(applied: &Value, live: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", applied, Some(live), &mut found);
    found
}

/// What an entry of a list is known by: one volume may be mounted more than once.
pub(crate) fn entry(item: &Value) -> Option<&str> {
    item.get("mountPath").or_else(|| item.get("name"))?.as_str()
}

fn compare(path: &str, applied: &Value, live: Option<&Value>, found: &mut Vec<String>) {
    match (applied, live) {
        (Value::Object(fields), Some(Value::Object(there))) => {
            for (key, value) in fields {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare(&path, value, there.get(key), found);
            }
        }
        (Value::Array(items), Some(Value::Array(there))) => {
            // Entries with a name are known by it, wherever they stand.
            let all_named = !items.is_empty() && items.iter().all(|item| entry(item).is_some());
            if !all_named && items.len() != there.len() {
                let message = format!("{path} has {} entries, applied were {}", there.len(), items.len());
                return found.push(message);
            }
            for (at, item) in items.iter().enumerate() {
                let name = entry(item).filter(|_| all_named);
                let other = match name {
                    Some(name) => there.iter().find(|other| entry(other) == Some(name)),
                    None => there.get(at),
                };
                let key = name.map_or_else(|| at.to_string(), str::to_owned);
                compare(&format!("{path}[{key}]"), item, other, found);
            }
        }
        // A server leaves out what is empty.
        (Value::Object(fields), None) if fields.is_empty() => {}
        (Value::Array(items), None) if items.is_empty() => {}
        (applied, Some(live)) if applied == live => {}
        (applied, Some(live)) => found.push(format!("{path} is {live}, applied was {applied}")),
        (applied, None) => found.push(format!("{path} is gone, applied was {applied}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_applied_and_is_otherwise_is_told_and_nothing_else() {
        let applied = json!({ "spec": { "replicas": 2, "empty": {}, "containers": [{ "name": "a", "image": "x" }] } });
        let live = json!({ "spec": {
            "replicas": 3, "paused": true,
            "containers": [{ "name": "sidecar" }, { "name": "a", "image": "y", "tty": false }],
        }});
        assert_eq!(
            drift(&applied, &live),
            ["spec.containers[a].image is \"y\", applied was \"x\"", "spec.replicas is 3, applied was 2"]
        );
        assert_eq!(drift(&applied, &applied), Vec::<String>::new());
    }

    #[test]
    fn what_is_gone_is_told() {
        let applied = json!({ "ports": [80], "env": [{ "name": "A" }], "type": "NodePort" });
        let live = json!({ "ports": [80, 81], "env": [] });
        assert_eq!(
            drift(&applied, &live),
            [
                "env[A] is gone, applied was {\"name\":\"A\"}",
                "ports has 2 entries, applied were 1",
                "type is gone, applied was \"NodePort\"",
            ]
        );
    }
}
