//! `#[placed(service)]`: statics that belong to a service.

use std::collections::{BTreeMap, BTreeSet};

use syn::spanned::Spanned;

use crate::model::PlacedStatic;
use crate::reader::Reader;
use crate::service;
use crate::suggest::nearest;
use crate::syntax::{attributes, is_named};
use crate::text::back;
use crate::tree::{Item, Kind, PlacedOn};
use crate::walk;

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
                let help = match nearest(service, self.functions.keys().map(String::as_str)) {
                    Some(near) => format!("did you mean {near}?"),
                    None if self.has_unseen_marks => {
                        format!("the mark of {service} does not count where it is: see there")
                    }
                    None => format!("mark the function {service} with #[service]"),
                };
                fault(&format!("{service} is no service"), &help)
            }
            _ => fault("a static is placed on one service", "let one service own it, and others ask that service"),
        }
    }

    /// What is known of a placed static, and the items that it was found out from.
    pub(crate) fn placed_static(&self, number: usize) -> (PlacedStatic, BTreeSet<usize>) {
        let item = &self.tree.items[number];
        let ty = item.placed.as_ref().map_or("()", |on| on.ty.as_str());
        let state = item.placed.as_ref().and_then(|on| on.state.as_ref());
        let cell = state.map(|mentions| self.index.cell(number, ty, mentions));
        let (fingerprint, apart, decides) =
            cell.map(|cell| (cell.fingerprint, cell.apart, cell.decides)).unwrap_or_default();
        let (name, ty) = (item.names[0].clone(), ty.to_owned());
        (PlacedStatic { name, ty, is_state: state.is_some(), fingerprint, apart }, decides)
    }
}

/// What `#[placed(…)]` on an item says. `start`: where its ranges are to count from.
pub(crate) fn read(syntax: &syn::Item, start: usize) -> Option<PlacedOn> {
    let attribute = attributes(syntax).iter().find(|attribute| is_named(attribute, "placed"))?;
    let names = syn::punctuated::Punctuated::<syn::Ident, syn::Token![,]>::parse_terminated;
    let services = attribute.parse_args_with(names).unwrap_or_default();
    let ty = match syntax {
        syn::Item::Static(item) => Some(&*item.ty),
        _ => None,
    };
    let state = ty.and_then(service::placed_type);
    Some(PlacedOn {
        services: services.iter().map(ToString::to_string).collect(),
        range: back(attribute.span().byte_range(), start),
        ty: state.or(ty).map_or_else(|| "()".to_owned(), service::write),
        state: state.map(|state| walk::of_type(state).shifted(start)),
    })
}
