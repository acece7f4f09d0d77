//! Secrets blanked before anything is stored or shown.

mod secrets;
mod text;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::pattern::{PathError, Pattern, PointerStep};
use crate::request::{Keyframe, Request};
use protocol::body::{Body, Left, Outcome};
use secrets::{Found, Secrets};

/// Headers whose values are never kept, in lower case.
pub const SECRET_HEADERS: &[&str] = &["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// What a blanked header says.
pub const BLANK: &str = "[redacted]";

/// Nesting up to which a value is looked through, as deep as serde_json reads. What is deeper is not kept.
const DEPTH: usize = 128;

/// What is blanked: the secret headers, and fields of bodies and of placed state.
///
/// A path is a JSON pointer, where `*` stands for any key or index (`/users/*/token`), or a bare name (`password`): for
/// fields of that name wherever they are, inputs of functions, headers, placed statics, and what stands beside the name in
/// a text (a query, a form, JSON in a text), however it is capitalised. What
/// was found so is then taken out of everything else of the request, and of placed state: routes, other headers, values
/// it went on in. A text of less than four characters is not looked for there. A blanked value keeps its shape, so that it still reads: a text
/// becomes `"redacted"`, a number 0, a truth value false; lists and objects have what is in them blanked. Messages of
/// failures have blanked texts taken out. A body that does not read, or is nested too deep to look through, is left
/// out where there are paths to look for.
#[derive(Clone, Debug, Default)]
pub struct Redaction {
    pointers: Vec<Vec<PointerStep>>,
    /// In lower case.
    names: Vec<String>,
    /// What was found of late, as it may stand in placed state, and what stood there in requests.
    found: Found,
}

/// It cannot be told what is secret in a value.
struct Unclear;

impl Redaction {
    /// Blanks these paths, besides the headers.
    pub fn new<T: AsRef<str>>(paths: impl IntoIterator<Item = T>) -> Result<Self, PathError> {
        let mut redaction = Self::default();
        for path in paths {
            match Pattern::read(path.as_ref())? {
                Pattern::Pointer(steps) => redaction.pointers.push(steps),
                Pattern::Name(name) => redaction.names.push(name.to_ascii_lowercase()),
            }
        }
        Ok(redaction)
    }

    /// Blanks a request in place. `inputs` are the names of each service's inputs, in their order.
    pub fn request(&self, request: &mut Request, inputs: &BTreeMap<String, Vec<String>>) {
        let mut secrets = Vec::new();
        for (name, value) in &mut request.headers {
            let is_named = self.is_name(name);
            if is_named || SECRET_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
                let secret = std::mem::replace(value, BLANK.to_owned());
                secrets.extend(is_named.then_some(secret));
            }
        }
        if self.is_empty() {
            return;
        }
        for hop in &mut request.hops {
            self.inputs(&hop.service, &mut hop.inputs, inputs, &mut secrets);
            for called in &mut hop.calls {
                self.inputs(&called.service, &mut called.inputs, inputs, &mut secrets);
            }
        }
        for body in request.bodies_mut() {
            self.body(body, &mut secrets);
        }
        let headers = request.headers.iter_mut().map(|(_, value)| value).filter(|value| *value != BLANK);
        headers.chain(&mut request.route).for_each(|text| self.plain(text, &mut secrets));
        let ends = request
            .hops
            .iter_mut()
            .flat_map(|hop| hop.calls.iter_mut().map(|called| &mut called.end).chain([&mut hop.end]));
        for end in ends {
            if let Outcome::Failed { message, .. } = end {
                self.plain(message, &mut secrets);
            }
        }
        self.found.add(&secrets);
        let secrets = Secrets::new(secrets.into_iter().chain(self.found.all()));
        for body in request.bodies_mut() {
            scrub(body, &secrets);
        }
        let headers = request.headers.iter_mut().map(|(_, value)| value);
        headers.chain(&mut request.route).for_each(|text| secrets.take_out(text));
        for hop in &mut request.hops {
            let called = hop.calls.iter_mut().map(|called| &mut called.end);
            called.chain([&mut hop.end]).for_each(|end| blank_message(end, &secrets));
        }
    }

    /// Blanks placed state in place. A value that cannot be looked through goes, and with it the keyframe: false.
    pub fn keyframe(&self, keyframe: &mut Keyframe) -> bool {
        self.is_empty() || self.states(keyframe).is_ok()
    }

    fn states(&self, keyframe: &mut Keyframe) -> Result<(), Unclear> {
        let mut found = Vec::new();
        for placed in &mut keyframe.states {
            let blanked = match self.is_name(&placed.name) {
                true => Some(raw(blank(placed.value.get(), &mut found)?)?),
                false => self.json(&placed.value, &mut found)?,
            };
            placed.value = blanked.unwrap_or_else(|| placed.value.clone());
        }
        self.found.add(&found);
        let secrets = Secrets::new(found.into_iter().chain(self.found.all()));
        for placed in &mut keyframe.states {
            if let Some(scrubbed) = secrets.scrub(placed.value.get(), DEPTH)? {
                placed.value = raw(scrubbed)?;
            }
        }
        Ok(())
    }

    fn is_name(&self, name: &str) -> bool {
        self.names.iter().any(|own| own.eq_ignore_ascii_case(name))
    }

    /// Blanks inputs that have a name to be blanked.
    fn inputs(
        &self,
        service: &str,
        given: &mut [Body],
        inputs: &BTreeMap<String, Vec<String>>,
        secrets: &mut Vec<String>,
    ) {
        for (name, body) in inputs.get(service).into_iter().flatten().zip(given) {
            if !self.is_name(name) || matches!(body, Body::Left { .. }) {
                continue;
            }
            let blanked = match body {
                Body::Json(json) => blank(json.get(), secrets).and_then(raw),
                _ => Err(Unclear),
            };
            *body = blanked.map_or_else(|Unclear| Body::Left { bytes: body.len(), why: Left::Redaction }, Body::Json);
        }
    }

    fn is_empty(&self) -> bool {
        self.pointers.is_empty() && self.names.is_empty()
    }

    fn body(&self, body: &mut Body, secrets: &mut Vec<String>) {
        let blanked = match body {
            Body::Json(json) => self.json(json, secrets),
            Body::Bytes(_) => Err(Unclear),
            // By its hash alone nothing can be blanked: whoever stores does so after this.
            Body::Stored { .. } => Err(Unclear),
            Body::Left { .. } => return,
        };
        match blanked {
            Ok(None) => {}
            Ok(Some(json)) => *body = Body::Json(json),
            Err(Unclear) => *body = Body::Left { bytes: body.len(), why: Left::Redaction },
        }
    }

    /// None: there is nothing to blank.
    fn json(&self, json: &RawValue, secrets: &mut Vec<String>) -> Result<Option<Box<RawValue>>, Unclear> {
        let pointers: Vec<_> = self.pointers.iter().map(Vec::as_slice).collect();
        let blanked = self.walk(json.get(), &pointers, DEPTH, secrets)?;
        blanked.map(raw).transpose()
    }

    fn walk(
        &self,
        text: &str,
        pointers: &[&[PointerStep]],
        depth: usize,
        secrets: &mut Vec<String>,
    ) -> Result<Option<String>, Unclear> {
        if pointers.iter().any(|pointer| pointer.is_empty()) {
            return blank(text, secrets).map(Some);
        }
        // Without an escape in it, a name that is not in the text is no key of it.
        let named = text.contains('\\') || self.names.iter().any(|name| contains_name(text, name));
        if named && text.starts_with('"') {
            let plain: String = serde_json::from_str(text).map_err(|_| Unclear)?;
            return Ok(self.text(&plain, depth, secrets)?.map(|blanked| Value::from(blanked).to_string()));
        }
        if (pointers.is_empty() && !named) || !text.starts_with(['{', '[']) {
            return Ok(None);
        }
        let depth = depth.checked_sub(1).ok_or(Unclear)?;
        let Parts(parts) = serde_json::from_str(text).map_err(|_| Unclear)?;
        let mut changed = false;
        let mut written = String::with_capacity(text.len());
        for (at, (key, value)) in parts.iter().enumerate() {
            let index = at.to_string();
            let step = key.as_deref().unwrap_or(&index);
            let further: Vec<_> = pointers.iter().filter(|p| p[0].fits(step)).map(|p| &p[1..]).collect();
            let blanked = match key {
                Some(key) if self.is_name(key) => Some(blank(value.get(), secrets)?),
                _ => self.walk(value.get(), &further, depth, secrets)?,
            };
            changed |= blanked.is_some();
            written.push(if at == 0 { if key.is_some() { '{' } else { '[' } } else { ',' });
            if let Some(key) = key {
                written.push_str(&Value::from(&**key).to_string());
                written.push(':');
            }
            written.push_str(blanked.as_deref().unwrap_or(value.get()));
        }
        written.push(if text.starts_with('{') { '}' } else { ']' });
        Ok(changed.then_some(written))
    }
}

/// The value with everything in it blanked, its shape kept.
fn blank(text: &str, secrets: &mut Vec<String>) -> Result<String, Unclear> {
    fn leaf(value: &mut Value, secrets: &mut Vec<String>) {
        match value {
            Value::Null => {}
            Value::Bool(truth) => *truth = false,
            Value::Number(number) => {
                secrets.push(number.to_string());
                *value = Value::from(0);
            }
            Value::String(text) => {
                secrets.push(std::mem::take(text));
                "redacted".clone_into(text);
            }
            Value::Array(items) => items.iter_mut().for_each(|item| leaf(item, secrets)),
            Value::Object(fields) => fields.values_mut().for_each(|field| leaf(field, secrets)),
        }
    }
    let mut value: Value = serde_json::from_str(text).map_err(|_| Unclear)?;
    leaf(&mut value, secrets);
    Ok(value.to_string())
}

fn blank_message(end: &mut Outcome, secrets: &Secrets) {
    if let Outcome::Failed { message, .. } = end {
        secrets.take_out(message);
    }
}

/// Takes secrets out of a body that has them under no name.
fn scrub(body: &mut Body, secrets: &Secrets) {
    let Body::Json(json) = body else { return };
    match secrets.scrub(json.get(), DEPTH).and_then(|scrubbed| scrubbed.map(raw).transpose()) {
        Ok(None) => {}
        Ok(Some(json)) => *body = Body::Json(json),
        Err(Unclear) => *body = Body::Left { bytes: body.len(), why: Left::Redaction },
    }
}

fn raw(text: String) -> Result<Box<RawValue>, Unclear> {
    RawValue::from_string(text).map_err(|_| Unclear)
}

/// Whether a name, in lower case, is in a text however it is capitalised there.
fn contains_name(text: &str, name: &str) -> bool {
    let (text, name) = (text.as_bytes(), name.as_bytes());
    text.windows(name.len().max(1)).any(|window| window.eq_ignore_ascii_case(name))
}

/// What an object or a list is made of, as it stands in the text: order, keys that stand twice, and numbers are kept.
struct Parts<'a>(Vec<(Option<Cow<'a, str>>, &'a RawValue)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Parts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PartsVisitor(std::marker::PhantomData))
    }
}

struct PartsVisitor<'a>(std::marker::PhantomData<&'a ()>);

impl<'de: 'a, 'a> Visitor<'de> for PartsVisitor<'a> {
    type Value = Parts<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parts<'a>, A::Error> {
        let mut parts = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
            parts.push((Some(Cow::Owned(key)), value));
        }
        Ok(Parts(parts))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Parts<'a>, A::Error> {
        let mut parts = Vec::new();
        while let Some(value) = items.next_element::<&'de RawValue>()? {
            parts.push((None, value));
        }
        Ok(Parts(parts))
    }
}

#[cfg(test)]
mod tests;
