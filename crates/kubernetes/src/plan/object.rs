//! Objects that are not as they are wanted, of whatever kind: what a service's own hashes do not tell.

use std::fmt::{self, Display};

use serde::Serialize;
use serde_json::Value;

use crate::object::{CONTAINER, drift, entry, label};

/// An object that is not as it is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObjectStep {
    /// `kind/name`.
    pub object: String,
    /// DNS labels of the services it is of; none where it is the app's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// What is to be done with it.
    #[serde(flatten)]
    pub what: ObjectWhat,
}

/// What is to be done with an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum ObjectWhat {
    New,
    /// It is wanted otherwise than it was applied.
    Changed {
        /// The fields, in words.
        fields: Vec<String>,
    },
    /// Somebody else changed it, and it would be put back.
    Drifted {
        /// The fields, in words.
        fields: Vec<String>,
    },
    /// It is not wanted any more.
    Gone,
}

impl Display for ObjectStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, what, .. } = self;
        match what {
            ObjectWhat::New => write!(f, "{object} is new"),
            ObjectWhat::Changed { fields } => write!(f, "{object} changes: {}", fields.join("; ")),
            ObjectWhat::Drifted { fields } => write!(f, "{object} was changed by somebody: {}", fields.join("; ")),
            ObjectWhat::Gone => write!(f, "{object} is removed"),
        }
    }
}

/// Holds every object of an app as it is wanted against what was applied last and what is there now. Of what is there,
/// an app's own objects that are not wanted are gone; a service's are left to who removes services.
pub fn objects(wanted: &[Value], applied: &[Value], live: &[Value]) -> Vec<ObjectStep> {
    let mut steps: Vec<ObjectStep> = wanted.iter().filter_map(|object| step(object, applied, live)).collect();
    // A claim stays, and what is in it.
    let is_own = |object: &Value| {
        let component = &object["metadata"]["labels"][label::COMPONENT];
        let is_agent = ["node", "data"].iter().any(|agent| component == agent);
        object["kind"] == "Ingress" || is_agent && object["kind"] != "PersistentVolumeClaim"
    };
    let is_gone = |object: &&Value| is_own(object) && find(wanted, object).is_none();
    for object in live.iter().filter(is_gone) {
        steps.push(ObjectStep { object: shown(object), hosts: Vec::new(), what: ObjectWhat::Gone });
    }
    steps
}

fn step(object: &Value, applied: &[Value], live: &[Value]) -> Option<ObjectStep> {
    let what = match find(live, object) {
        None => ObjectWhat::New,
        Some(live) => {
            let before = find(applied, object);
            let mut fields = before.map(|before| differences(&content(before), &content(object))).unwrap_or_default();
            fields.extend(label_of_project(object, live));
            let drifted = || drift(&content(object), &content(live));
            match (fields.is_empty(), before) {
                (false, _) => ObjectWhat::Changed { fields },
                // Nobody knows how it was applied: what is there is what it was.
                (true, None) => ObjectWhat::Changed { fields: Some(drifted()).filter(|fields| !fields.is_empty())? },
                (true, Some(_)) => ObjectWhat::Drifted { fields: Some(drifted()).filter(|fields| !fields.is_empty())? },
            }
        }
    };
    Some(ObjectStep { object: shown(object), hosts: label::owners_of(object), what })
}

/// An object that was pushed before projects were told apart.
fn label_of_project(object: &Value, live: &Value) -> Option<String> {
    let project = |object: &Value| object["metadata"]["labels"][label::PROJECT].as_str().map(str::to_owned);
    (project(object).is_some() && project(live).is_none()).then(|| "it does not say yet whose it is".to_owned())
}

/// What of an object does something. An image is told apart by its content elsewhere, wherever it is kept.
fn content(object: &Value) -> Value {
    let mut spec = object["spec"].clone();
    if let Some(containers) = spec.pointer_mut("/template/spec/containers").and_then(Value::as_array_mut) {
        for container in containers.iter_mut().filter(|container| container["name"] == CONTAINER) {
            if let Some(fields) = container.as_object_mut() {
                fields.remove("image");
                fields.remove("imagePullPolicy");
            }
        }
    }
    // Versions and the names of configurations are told by the service itself.
    if let Some(metadata) = spec.pointer_mut("/template/metadata").and_then(Value::as_object_mut) {
        metadata.remove("annotations");
    }
    if let Some(volumes) = spec.pointer_mut("/template/spec/volumes").and_then(Value::as_array_mut) {
        volumes.retain(|volume| volume["name"] != "config");
    }
    spec
}

/// Fields that are others afterwards, in words, whether set before, afterwards or both.
fn differences(before: &Value, after: &Value) -> Vec<String> {
    let mut found = Vec::new();
    differ("", Some(before), Some(after), &mut found);
    found
}

fn differ(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<String>) {
    if before == after {
        return;
    }
    // What an environment holds is not for everybody who sees a plan.
    let value = |value: &Value| match path.contains("env[") {
        true => "another value".to_owned(),
        false => value.to_string(),
    };
    match (before, after) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let keys: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                differ(&path, one.get(key), other.get(key), found);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            let name = |item: &Value| entry(item).map(str::to_owned);
            let is_named = one.iter().chain(other).all(|item| name(item).is_some());
            if is_named {
                let names: std::collections::BTreeSet<String> = one.iter().chain(other).filter_map(name).collect();
                let by =
                    |items: &'_ [Value], wanted: &str| items.iter().find(|item| entry(item) == Some(wanted)).cloned();
                for key in names {
                    differ(&format!("{path}[{key}]"), by(one, &key).as_ref(), by(other, &key).as_ref(), found);
                }
                return;
            }
            for at in 0..one.len().max(other.len()) {
                differ(&format!("{path}[{at}]"), one.get(at), other.get(at), found);
            }
        }
        (Some(one), Some(other)) => found.push(format!("{path} was {}, becomes {}", value(one), value(other))),
        (None, Some(other)) => found.push(format!("{path} becomes {}", value(other))),
        (Some(_), None) => found.push(format!("{path} is not set any more")),
        (None, None) => {}
    }
}

fn find<'a>(among: &'a [Value], object: &Value) -> Option<&'a Value> {
    let name = &object["metadata"]["name"];
    among.iter().find(|other| other["kind"] == object["kind"] && other["metadata"]["name"] == *name)
}

fn shown(object: &Value) -> String {
    let said = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!("{}/{}", said(&object["kind"]).to_lowercase(), said(&object["metadata"]["name"]))
}
