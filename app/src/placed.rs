//! `#[placed(service)]`: statics that belong to a service.

use std::collections::BTreeMap;

use crate::flow;
use crate::mention;
use crate::model::Placed;
use crate::parse::Reader;
use crate::service;
use crate::tree::{Item, Kind, PlacedOn};

impl Reader<'_> {
    /// Placed statics by service. What is wrong with the others is a finding.
    pub(crate) fn placed(&mut self) -> BTreeMap<String, Vec<usize>> {
        let mut placed: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let tree = self.tree;
        for number in tree.modules.first().into_iter().flat_map(|root| &root.items) {
            let item = &tree.items[*number];
            let Some(on) = &item.placed else { continue };
            match self.fault(item, on) {
                Some((message, help)) => self.wrong(item, &on.range, message, help),
                None => placed.entry(on.services[0].clone()).or_default().push(*number),
            }
        }
        placed
    }

    /// What is wrong with a placed static, and how to mend it.
    fn fault(&self, item: &Item, on: &PlacedOn) -> Option<(String, String)> {
        let fault = |message: &str, help: &str| Some((message.to_owned(), help.to_owned()));
        if !matches!(item.kind, Kind::Constant { is_static: true }) {
            let help = "write #[placed(service)] static NAME: Placed<T> = Placed::new(T::default);";
            return fault("only a static can be placed", help);
        }
        match on.services.as_slice() {
            [] => fault("this names no service", "write #[placed(service)], with the service's name"),
            [service] if item.ours.len() == 1 => {
                if self.functions.contains_key(service) {
                    return None;
                }
                let help = match flow::nearest(service, self.functions.keys()) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("mark the function {service} with #[service]"),
                };
                fault(&format!("{service} is no service"), &help)
            }
            _ => fault("a static is placed on one service", "let one service own it, and others ask that service"),
        }
    }

    /// What is known of a placed static.
    pub(crate) fn placed_static(&self, item: &Item) -> Placed {
        let text = &self.tree.files[item.file].text[item.range.clone()];
        let syntax = syn::parse_str::<syn::ItemStatic>(text);
        let ty = syntax.as_ref().map_or_else(|_| syn::parse_quote!(()), |item| (*item.ty).clone());
        let inner = service::placed_type(&ty);
        let fingerprint =
            inner.map(|inner| self.index.fingerprint(0, &service::write(inner), &mention::of_type(inner)));
        Placed {
            name: item.names[0].clone(),
            ty: service::write(inner.unwrap_or(&ty)),
            is_state: inner.is_some(),
            fingerprint: fingerprint.unwrap_or_default(),
        }
    }
}
