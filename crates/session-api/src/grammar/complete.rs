//! What could be typed next.

use serde_json::Value;

use super::cursor::{Wanted, spot};
use super::help::TOPICS;
use super::shape::{Ty, Types, of, skeleton};
use super::verb::VERBS;
use crate::push::Stage;
use crate::snapshot::{ServiceView, Snapshot, StateField};

/// Something that could be typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The text to be put into the line.
    pub text: String,
    /// A description in a few words.
    pub description: String,
}

/// Completes the line at `cursor`, a byte of it: the byte where a candidate begins, and the candidates that fit what is
/// typed of it so far. The text between the two is what a chosen candidate takes the place of.
pub fn complete(line: &str, cursor: usize, snapshot: &Snapshot) -> (usize, Vec<Candidate>) {
    let spot = spot(line, cursor, snapshot);
    let mut cursor = cursor.min(line.len());
    while !line.is_char_boundary(cursor) {
        cursor -= 1;
    }
    let typed = &line[spot.start..cursor];
    let mut candidates = Vec::new();
    let mut add = |text: String, description: String| candidates.push(Candidate { text, description });
    match spot.wanted {
        Wanted::Nothing => {}
        Wanted::Command => {
            for verb in VERBS {
                let end = if verb.usage.is_empty() { "" } else { " " };
                add(format!(":{}{end}", verb.name), verb.about.to_owned());
            }
        }
        Wanted::Topic => {
            TOPICS.iter().for_each(|topic| add((*topic).to_owned(), "topic".to_owned()));
            VERBS.iter().for_each(|verb| add(verb.name.to_owned(), verb.about.to_owned()));
        }
        Wanted::Edit => {
            for line in snapshot.edits.iter().rev() {
                let names: Vec<_> = line.services.iter().map(|service| service.name.as_str()).collect();
                add(line.edit.to_string(), names.join(", "));
            }
        }
        Wanted::Request => {
            let recording = &snapshot.recording;
            let oldest = recording.newest.map(|newest| (newest + 1).saturating_sub(recording.requests));
            for number in recording.newest.iter().zip(oldest).flat_map(|(newest, oldest)| (oldest..=*newest).rev()) {
                add(number.to_string(), "recorded request".to_owned());
            }
        }
        Wanted::Job => {
            let latest = snapshot.jobs.iter().flat_map(|jobs| &jobs.latest);
            latest.for_each(|job| add(job.id.clone(), format!("{} for {}", job.state.word(), job.service)));
        }
        Wanted::Bucket => {
            let buckets = snapshot.data.iter().flat_map(|data| &data.buckets);
            buckets.for_each(|bucket| add(bucket.name.clone(), bucket.state.clone()));
        }
        Wanted::Switch => {
            add("on".to_owned(), "write requests to a folder".to_owned());
            add("off".to_owned(), "write them no more".to_owned());
        }
        Wanted::Flags(flags) => {
            snapshot.services.iter().for_each(|service| add(format!("{} ", service.name), signature(service)));
            flags.iter().for_each(|flag| add(format!("{flag} "), "option".to_owned()));
        }
        Wanted::Decision => {
            let asking = snapshot.pushes.iter().filter(|push| push.stage == Stage::Asking);
            asking.for_each(|push| add(push.push.to_string(), format!("the {} that asks", push.act.word())));
        }
        Wanted::Service => snapshot.services.iter().for_each(|service| add(service.name.clone(), signature(service))),
        Wanted::Placed(service) => {
            service.placed.iter().for_each(|(name, placed)| add(format!("{name} "), placed.ty.clone()));
        }
        Wanted::Operand { ty, inputs } => {
            if let Some(ty) = ty {
                values(ty, &snapshot.types, &mut add);
                add("$last".to_owned(), "the last answer".to_owned());
            }
            inputs.iter().for_each(|field| add(format!("{}=", field.name), format!("input: {}", field.ty)));
            snapshot.services.iter().for_each(|service| add(service.name.clone(), signature(service)));
        }
        Wanted::Key { fields, there } => {
            let missing = fields.iter().filter(|field| !there.contains(&field.name));
            missing.for_each(|field| add(format!("{}: ", Value::from(field.name.as_str())), field.ty.clone()));
        }
        Wanted::Value(ty) => values(ty, &snapshot.types, &mut add),
    }
    candidates.retain(|candidate| candidate.text.starts_with(typed));
    (spot.start, candidates)
}

/// The inputs that are still to be fed where a whole new argument could begin at `cursor`, a byte of the line; none
/// elsewhere.
pub fn expected(line: &str, cursor: usize, snapshot: &Snapshot) -> Option<String> {
    let spot = spot(line, cursor, snapshot);
    match spot.wanted {
        Wanted::Operand { inputs, .. } if spot.start == cursor && !inputs.is_empty() => {
            let inputs: Vec<_> = inputs.iter().map(|StateField { name, ty }| format!("{name}: {ty}")).collect();
            Some(inputs.join(", "))
        }
        _ => None,
    }
}

/// `map(reading: Reading) -> f64`.
fn signature(service: &ServiceView) -> String {
    let inputs: Vec<_> = service.inputs.iter().map(|StateField { name, ty }| format!("{name}: {ty}")).collect();
    format!("{}({}) -> {}", service.name, inputs.join(", "), service.output)
}

fn values(ty: &str, types: &Types, add: &mut impl FnMut(String, String)) {
    match of(ty, types) {
        Ty::Struct(name, _) => skeleton(ty, types).into_iter().for_each(|text| add(text, name.to_owned())),
        Ty::Enum(name, variants) => {
            variants.iter().for_each(|variant| add(Value::from(variant.as_str()).to_string(), name.to_owned()));
        }
        Ty::Flag => ["true", "false"].into_iter().for_each(|word| add(word.to_owned(), "bool".to_owned())),
        Ty::Optional(inner) => {
            // A name that stands for nothing ends here: `Option<Option<…>>` as deep as it is written.
            values(inner, types, add);
            add("null".to_owned(), ty.to_owned());
        }
        Ty::List(_) | Ty::Map(_) | Ty::Number | Ty::Text | Ty::Unknown => {}
    }
}
