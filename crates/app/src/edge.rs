//! What travels along the flow: an output into an input.

use std::collections::BTreeSet;

use syn::spanned::Spanned;
use syn::visit::Visit;

use crate::model::{App, Flow, ServiceSlice};
use crate::slice::Change;
use crate::tree::Kind;

/// A step of the flow: what one service returns is what another takes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// Rust name of the service that returns.
    pub producer: String,
    /// Rust name of the service that takes.
    pub consumer: String,
    /// Which of its inputs, from 0.
    pub input: usize,
}

impl App {
    /// The steps of the flow, each once, however often it stands there. Literals are no step.
    pub fn edges(&self) -> BTreeSet<Edge> {
        let mut edges = BTreeSet::new();
        if let Some(flow) = &self.flow {
            collect(flow, &mut edges);
        }
        edges
    }

    /// What the types that travel along the flow need: the slice of a service that has every signature of the flow and
    /// no function. None for an app without a text.
    pub fn flow_slice(&self) -> Option<ServiceSlice> {
        let calls = self.faces.calls.iter().map(|called| self.tree.items[*called].names[0].clone());
        self.cut(&self.faces, &calls.collect(), &|_| false, Vec::new())
    }

    /// The same types without `impl` blocks and without what is derived, which is most of the compiler's work: enough
    /// to tell whether two types are one, unless a signature says more than names, as `<A as B>::C`.
    pub fn bare_flow_slice(&self) -> Option<ServiceSlice> {
        let mut changes = Vec::new();
        for number in &self.bare_faces.items {
            let item = &self.tree.items[*number];
            if !matches!(item.kind, Kind::Type { .. }) {
                continue;
            }
            let Ok(syntax) = syn::parse_str::<syn::Item>(&self.tree.files[item.file].text[item.range()]) else {
                continue;
            };
            let mut attributes = Attributes(Vec::new());
            attributes.visit_item(&syntax);
            changes.extend(attributes.0.into_iter().map(|range| {
                let begin = item.range().start;
                let range = begin + range.start..begin + range.end;
                (item.file, Change { range, text: None })
            }));
        }
        self.cut(&self.bare_faces, &BTreeSet::new(), &|_| false, changes)
    }
}

/// Attributes that make or steer code, by their place: all but those that decide whether something is there.
struct Attributes(Vec<std::ops::Range<usize>>);

impl<'ast> Visit<'ast> for Attributes {
    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if !["cfg", "cfg_attr", "repr"].iter().any(|name| attribute.path().is_ident(name)) {
            self.0.push(attribute.span().byte_range());
        }
    }
}

fn collect(flow: &Flow, edges: &mut BTreeSet<Edge>) {
    let Flow::Call { service, inputs } = flow else { return };
    for (number, input) in inputs.iter().enumerate() {
        if let Flow::Call { service: producer, .. } = input {
            edges.insert(Edge { producer: producer.clone(), consumer: service.clone(), input: number });
        }
        collect(input, edges);
    }
}
