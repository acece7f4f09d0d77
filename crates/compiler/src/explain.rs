//! What is wrong in the glue of a service, told of the service: the glue is about its signature.

use app::{Service, SourcePlace};

use crate::finding::{Explain, Message, Span, Told};
use crate::glue::{Glue, Subject};

/// A service and its glue.
pub(crate) struct OfService<'a> {
    pub(crate) service: &'a Service,
    pub(crate) glue: &'a Glue,
}

impl Explain for OfService<'_> {
    fn explain(&self, line: usize, _: &Span, message: &Message) -> Told {
        let subject = self.glue.subjects.get(line).unwrap_or(&Subject::Service);
        let (message, help) = self.words(subject, message);
        Told { message, place: self.home(), help, related: Vec::new(), code: None }
    }

    fn home(&self) -> SourcePlace {
        self.service.place.clone()
    }

    fn service(&self) -> Option<&str> {
        Some(&self.service.name)
    }
}

impl OfService<'_> {
    fn words(&self, subject: &Subject, message: &Message) -> (String, Option<String>) {
        let service = &self.service.name;
        let unserialised = unserialised(message);
        let derive = |ty: &str| {
            if ty.starts_with("dyn ") {
                let how = "have typetag carry it (`#[typetag::serde]` above the trait and each impl), or name one type";
                return Some(how.to_owned());
            }
            let name = ty.split(['<', ' ']).next().unwrap_or(ty).trim_start_matches('&');
            Some(format!(
                "write `#[derive(Serialize, Deserialize)]` above `{name}`, or use a type that serde can carry"
            ))
        };
        match (subject, unserialised) {
            (Subject::Input(number), Some(ty)) => {
                let input = self.service.inputs.get(*number).map_or("", |input| input.name.as_str());
                (format!("input `{input}` of `{service}` cannot be read: `{ty}` is not `Deserialize`"), derive(ty))
            }
            (Subject::Stub(called), Some(ty)) => (
                format!("`{service}` calls `{called}`, which takes or returns `{ty}`: serde cannot carry it"),
                derive(ty),
            ),
            (Subject::State(name), Some(ty)) => {
                (format!("the state `{name}` of type `{ty}` cannot be carried by serde"), derive(ty))
            }
            (Subject::Service, Some(ty)) if message.message.contains("Deserialize") => {
                let input = self.service.inputs.iter().find(|input| input.ty.contains(ty));
                let input = input.map_or_else(String::new, |input| format!(" `{}`", input.name));
                (format!("input{input} of `{service}` cannot be read: `{ty}` is not `Deserialize`"), derive(ty))
            }
            (Subject::Service, Some(ty)) => {
                (format!("the output of `{service}` cannot be sent: `{ty}` is not `Serialize`"), derive(ty))
            }
            (_, None) => {
                let label = message.label().map(|label| format!(": {label}")).unwrap_or_default();
                (format!("`{service}` cannot be a service: {}{label}", message.message), message.help())
            }
        }
    }
}

/// The type in `the trait bound `T: serde::Serialize` is not satisfied`.
fn unserialised(message: &Message) -> Option<&str> {
    let quoted = message.message.split('`').nth(1)?;
    let (ty, bound) = quoted.split_once(": ")?;
    (bound.contains("Serialize") || bound.contains("Deserialize")).then_some(ty)
}
