//! Trait objects in signatures: serde carries one where typetag, or an `impl` by hand, says how.

use crate::acts::Acts;
use crate::diagnostic::Diagnostic;
use crate::model::Service;
use crate::reader::Reader;
use crate::tree::{Item, Kind};

impl Reader<'_> {
    /// Refuses a trait of the app's as an input or an output where nothing says how it is carried.
    pub(crate) fn trait_objects(&mut self, services: &[Service]) {
        let tree = self.tree;
        for item in &tree.items {
            let Kind::Service { face } = &item.kind else { continue };
            let Some(service) = services.iter().find(|service| item.names.first() == Some(&service.name)) else {
                continue;
            };
            for mention in &face.mentions.paths {
                let place = tree.place(item.file, &item.at(&mention.range));
                let is_output = (place.line, place.column) >= (service.output_place.line, service.output_place.column);
                let found = self.index.names.resolve(item.module, &mention.segments);
                // Of a `Result`, the error is told as text.
                let Some((number, _)) = found.iter().next().filter(|_| !(is_output && service.output.fallible)) else {
                    continue;
                };
                if !matches!(tree.items[*number].kind, Kind::Trait { .. }) || self.may_be_carried(*number) {
                    continue;
                }
                let name = mention.segments.join("::");
                let does = if is_output { "returns" } else { "takes" };
                let message = format!("service {} {does} a `dyn {name}`, which serde cannot carry", service.name);
                let help = "write #[typetag::serde] above the trait and each impl of it, or name one type";
                let finding = Diagnostic::error(message, place).help(help);
                self.findings.push(Diagnostic { service: Some(service.name.clone()), ..finding });
            }
        }
    }

    /// Whether an attribute, a macro or an `impl` may say how objects of a trait are carried. In doubt rustc says.
    fn may_be_carried(&self, number: usize) -> bool {
        let of = &self.tree.items[number];
        let Some(name) = of.names.first() else { return true };
        let is = |path: &Vec<String>, wanted: &str| path.last().is_some_and(|last| last == wanted);
        let says = |item: &Item| match &item.kind {
            Kind::Nameless => item.mentions.paths.iter().any(|mention| is(&mention.segments, name)),
            Kind::Impl { head, .. } => {
                let serde = head.iter().any(|path| is(path, "Serialize") || is(path, "Deserialize"));
                serde && head.iter().any(|path| is(path, name))
            }
            _ => false,
        };
        of.acts != Acts::No || self.tree.items.iter().any(says)
    }
}
