//! Whether the inputs of a job fit the types of its service, before it is accepted.

use std::collections::BTreeMap;

use jobs::RequestMistake;
use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

use crate::config::JobServerTarget;

/// Characters of what is said of a value.
const LONGEST: usize = 300;

/// The schemas of services, ready for use. Made anew where a schema changed.
#[derive(Default)]
pub(crate) struct Fits(BTreeMap<String, Fit>);

struct Fit {
    schema: Value,
    /// None: it does not read, which was told. Then a service says itself what it does not take.
    validator: Option<Validator>,
}

impl Fits {
    /// Those of the services there are now.
    pub(crate) fn renew(&mut self, targets: &BTreeMap<String, JobServerTarget>) {
        let mut before = std::mem::take(&mut self.0);
        for (service, target) in targets {
            let Some(schema) = &target.schema else { continue };
            let kept = before.remove(service).filter(|kept| kept.schema == *schema);
            self.0.insert(service.clone(), kept.unwrap_or_else(|| Fit::new(service, schema)));
        }
    }

    /// Checks the inputs of a job for a service; `fetched` where those that are left out come from a route of its own.
    pub(crate) fn check(&self, service: &str, inputs: &[u8], fetched: bool) -> Result<(), RequestMistake> {
        let Some(validator) = self.0.get(service).and_then(|fit| fit.validator.as_ref()) else { return Ok(()) };
        let inputs: Value = match inputs {
            [] => Value::Object(serde_json::Map::new()),
            // What is no JSON was refused before.
            json => serde_json::from_slice(json).unwrap_or_default(),
        };
        let is_fetched = |error: &jsonschema::ValidationError<'_>| {
            let is_missing = matches!(error.kind(), ValidationErrorKind::Required { .. });
            fetched && is_missing && error.instance_path().as_str().is_empty()
        };
        let wrong = validator.iter_errors(&inputs).find(|error| !is_fetched(error));
        wrong.map_or(Ok(()), |error| {
            let message: String = error.to_string().chars().take(LONGEST).collect();
            Err(RequestMistake { at: place(error.instance_path().as_str(), &inputs), message })
        })
    }
}

impl Fit {
    fn new(service: &str, schema: &Value) -> Self {
        let made = jsonschema::draft202012::new(schema);
        let validator = made.inspect_err(|error| {
            eprintln!("dyninka: inputs of {service} are not checked before a job is accepted: {error}");
        });
        Self { schema: schema.clone(), validator: validator.ok() }
    }
}

/// A JSON pointer as people write it: `inputs.readings[3].value`.
fn place(pointer: &str, inputs: &Value) -> String {
    let (mut place, mut at) = ("inputs".to_owned(), Some(inputs));
    for part in pointer.split('/').skip(1) {
        let name = part.replace("~1", "/").replace("~0", "~");
        match at {
            Some(Value::Array(items)) => {
                place.push_str(&format!("[{name}]"));
                at = name.parse::<usize>().ok().and_then(|index| items.get(index));
            }
            inside => {
                place.push_str(&format!(".{name}"));
                at = inside.and_then(|inside| inside.get(&name));
            }
        }
    }
    place
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fits(schema: Value) -> Fits {
        let target = JobServerTarget { schema: Some(schema), ..JobServerTarget::default() };
        let mut fits = Fits::default();
        fits.renew(&BTreeMap::from([("map".to_owned(), target)]));
        fits
    }

    #[test]
    fn inputs_that_do_not_fit_are_told_with_their_place() {
        let fits = fits(json!({
            "type": "object",
            "properties": { "value": { "type": "number" }, "readings": { "type": "array", "items": { "$ref": "#/$defs/Reading" } } },
            "required": ["value"],
            "$defs": { "Reading": { "type": "object", "properties": { "at": { "type": "string" } }, "required": ["at"] } },
        }));
        let check = |inputs: &Value, fetched| {
            fits.check("map", inputs.to_string().as_bytes(), fetched).map_err(|mistake| mistake.to_string())
        };
        assert_eq!(check(&json!({ "value": 1, "readings": [{ "at": "now" }] }), false), Ok(()));
        for (inputs, words) in [
            (json!({ "value": "1" }), "inputs.value: \"1\" is not of type \"number\""),
            (json!({ "value": 1, "readings": [{ "at": "now" }, { "at": 5 }] }), "inputs.readings[1].at: 5 is not"),
            (json!({ "value": 1, "readings": [{}] }), "inputs.readings[0]: \"at\" is a required property"),
            (json!({}), "inputs: \"value\" is a required property"),
        ] {
            let told = check(&inputs, false).expect_err("it does not fit");
            assert!(told.starts_with(words), "{told}");
        }
        assert_eq!(check(&json!({}), true), Ok(()), "its route brings it");
        assert!(check(&json!({ "readings": [{}] }), true).is_err(), "what is there has to fit");
        assert_eq!(fits.check("other", b"5", false), Ok(()), "nobody knows its types");
    }

    #[test]
    fn a_schema_that_does_not_read_refuses_nothing() {
        assert_eq!(fits(json!({ "type": 5 })).check("map", b"{\"value\":1}", false), Ok(()));
        assert_eq!(fits(json!({})).check("map", b"", false), Ok(()));
    }
}
