//! What was blanked under its name, taken out of wherever else it stands.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;

use super::text::encoded;
use super::{BLANK, Parts, Unclear};

/// A blanked text that is shorter is not looked for elsewhere: it would be found in words it has nothing to do with.
const TELLING: usize = 4;
/// Secrets that are remembered from request to request, and from placed state to requests.
const MOST_FOUND: usize = 128;

/// What was found of late. Clones know the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Found(Arc<Mutex<VecDeque<String>>>);

impl Found {
    pub(super) fn add(&self, secrets: &[String]) {
        let mut found = self.0.lock();
        for secret in secrets.iter().filter(|secret| secret.len() >= TELLING) {
            if !found.contains(secret) {
                found.truncate(MOST_FOUND - 1);
                found.push_front(secret.clone());
            }
        }
    }

    pub(super) fn all(&self) -> Vec<String> {
        self.0.lock().iter().cloned().collect()
    }
}

/// Texts to be taken out.
pub(super) struct Secrets {
    /// In every form, the longest first: one may be part of another.
    texts: Vec<String>,
}

impl Secrets {
    pub(super) fn new(texts: impl Iterator<Item = String>) -> Self {
        let telling = texts.filter(|text| text.len() >= TELLING);
        let mut texts: Vec<String> = telling.flat_map(forms).filter(|text| text.len() >= TELLING).collect();
        texts.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        texts.dedup();
        Self { texts }
    }

    /// Blanks them in plain text.
    pub(super) fn take_out(&self, text: &mut String) {
        for secret in &self.texts {
            if text.contains(secret.as_str()) {
                *text = text.replace(secret.as_str(), BLANK);
            }
        }
    }

    /// Blanks them wherever they stand in JSON: in texts, keys and numbers. None: they are not in it.
    pub(super) fn scrub(&self, text: &str, depth: usize) -> Result<Option<String>, Unclear> {
        let is_there = text.contains('\\') || self.texts.iter().any(|secret| text.contains(secret.as_str()));
        if self.texts.is_empty() || !is_there {
            return Ok(None);
        }
        if text.starts_with('"') {
            let plain: String = serde_json::from_str(text).map_err(|_| Unclear)?;
            return Ok(self.without(&plain).map(|blanked| Value::from(blanked).to_string()));
        }
        if !text.starts_with(['{', '[']) {
            let is_number = !matches!(text, "true" | "false" | "null");
            return Ok(self.texts.iter().any(|secret| is_number && secret == text).then(|| "0".to_owned()));
        }
        let depth = depth.checked_sub(1).ok_or(Unclear)?;
        let Parts(parts) = serde_json::from_str(text).map_err(|_| Unclear)?;
        let (open, close) = if text.starts_with('{') { ('{', '}') } else { ('[', ']') };
        let mut changed = false;
        let mut written = String::with_capacity(text.len());
        for (at, (key, value)) in parts.iter().enumerate() {
            written.push(if at == 0 { open } else { ',' });
            if let Some(key) = key {
                let blanked = self.without(key);
                changed |= blanked.is_some();
                written.push_str(&Value::from(blanked.as_deref().unwrap_or(key)).to_string());
                written.push(':');
            }
            let blanked = self.scrub(value.get(), depth)?;
            changed |= blanked.is_some();
            written.push_str(blanked.as_deref().unwrap_or(value.get()));
        }
        written.push(close);
        Ok(changed.then_some(written))
    }

    /// The text without them; none where they are not in it.
    fn without(&self, text: &str) -> Option<String> {
        let mut blanked = text.to_owned();
        for secret in &self.texts {
            if blanked.contains(secret.as_str()) {
                blanked = blanked.replace(secret.as_str(), "redacted");
            }
        }
        (blanked != text).then_some(blanked)
    }
}

/// A secret as it may stand in a text: as it is, quoted once or twice, shown for debugging, and in a query.
fn forms(secret: String) -> Vec<String> {
    let inside = |quoted: String| quoted[1..quoted.len() - 1].to_owned();
    let quoted = |text: &str| inside(Value::from(text).to_string());
    let once = quoted(&secret);
    let mut forms = vec![quoted(&once), once, inside(format!("{secret:?}"))];
    forms.extend(encoded(&secret));
    forms.push(secret);
    forms
}
