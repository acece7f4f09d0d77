//! Types as written to forms.

use std::collections::{BTreeMap, BTreeSet};

use syn::{Expr, ExprLit, GenericArgument, GenericParam, Generics, Item, Lit, PathArguments, Type};

use super::outside::{self, Origin};
use super::{Form, Unknown, Wire, WireInput, container};
use crate::model::Service;
use crate::reach::Index;
use crate::service::write;
use crate::tokens;
use crate::tree::Kind;

/// Arrays up to here are written element by element; serde has none that are longer.
const LONGEST_ARRAY: usize = 32;
/// A type that grows with every turn of its own recursion is not followed further.
const DEEPEST: usize = 64;

/// What travels into a service and out of it.
pub(super) fn wire(index: &Index<'_>, crates: &str, service: &Service) -> Wire {
    let mut reader = Reader { index, crates, types: BTreeMap::new(), depth: 0 };
    let scope = Scope { module: 0, arguments: BTreeMap::new() };
    let mut read = |written: &str| match syn::parse_str::<Type>(written) {
        Ok(ty) => reader.form(&ty, &scope),
        Err(_) => reader.unknown(written, "it cannot be read", None),
    };
    let inputs =
        service.inputs.iter().map(|input| WireInput { name: input.name.clone(), form: read(&input.ty) }).collect();
    let output = read(&service.output.ty);
    Wire { inputs, output, optional: service.output.optional, types: reader.types }
}

/// Where a type stands: whose names count, and what its generic parameters stand for.
pub(super) struct Scope {
    pub(super) module: usize,
    pub(super) arguments: BTreeMap<String, Form>,
}

pub(super) struct Reader<'s, 'a> {
    index: &'s Index<'a>,
    /// The manifest in the file: which version of another crate a type is of.
    crates: &'s str,
    types: BTreeMap<String, Form>,
    depth: usize,
}

impl Reader<'_, '_> {
    pub(super) fn form(&mut self, ty: &Type, scope: &Scope) -> Form {
        if self.depth > DEEPEST {
            return self.unknown(&write(ty), "it is nested too deep", None);
        }
        self.depth += 1;
        let form = self.form_within(ty, scope);
        self.depth -= 1;
        form
    }

    fn form_within(&mut self, ty: &Type, scope: &Scope) -> Form {
        match ty {
            Type::Paren(inner) => self.form(&inner.elem, scope),
            Type::Group(inner) => self.form(&inner.elem, scope),
            Type::Reference(inner) => self.form(&inner.elem, scope),
            Type::Tuple(tuple) if tuple.elems.is_empty() => Form::Null,
            Type::Tuple(tuple) => Form::Tuple(tuple.elems.iter().map(|ty| self.form(ty, scope)).collect()),
            Type::Slice(slice) => Form::List(Box::new(self.form(&slice.elem, scope))),
            Type::Array(array) => match length(&array.len) {
                Some(length) if length <= LONGEST_ARRAY => Form::Tuple(vec![self.form(&array.elem, scope); length]),
                _ => self.unknown(&write(ty), "its length is no number as written", None),
            },
            Type::Path(path) if path.qself.is_none() => self.path(&path.path, &write(ty), scope),
            _ => self.unknown(&write(ty), "what type it stands for cannot be seen", None),
        }
    }

    fn path(&mut self, path: &syn::Path, written: &str, scope: &Scope) -> Form {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if let [only] = segments.as_slice()
            && let Some(form) = scope.arguments.get(only)
        {
            return form.clone();
        }
        let last = path.segments.last().map(|segment| &segment.arguments);
        let arguments: Vec<Form> = match last {
            Some(PathArguments::AngleBracketed(arguments)) => {
                let types = arguments.args.iter().filter_map(|argument| match argument {
                    GenericArgument::Type(ty) => Some(ty),
                    _ => None,
                });
                types.map(|ty| self.form(ty, scope)).collect()
            }
            _ => Vec::new(),
        };
        let finds = self.index.names.resolve(scope.module, &segments);
        let is_type = |number: &usize| matches!(self.index.tree.items[*number].kind, Kind::Type { .. });
        let own: BTreeSet<usize> =
            finds.iter().filter(|(_, leaf)| leaf.is_none()).map(|(number, _)| *number).filter(is_type).collect();
        if let Some(number) = own.first() {
            return self.own(*number, arguments);
        }
        let whole = self.whole(&segments, &finds);
        let (origin, name) = match whole.as_slice() {
            [] => return self.unknown(written, "it has no name", None),
            [name] => (Origin::Standard, name),
            [first, .., name] => (Origin::of(first), name),
        };
        outside::form(origin, name, &arguments).unwrap_or_else(|| {
            let why = match whole.as_slice() {
                [first, _, ..] => format!("it comes from {first}"),
                _ => "where it comes from cannot be seen".to_owned(),
            };
            self.unknown(written, &why, None)
        })
    }

    /// A path with the `use` that brings its first name in front.
    fn whole(&self, segments: &[String], finds: &BTreeSet<crate::names::Find>) -> Vec<String> {
        let named = finds.iter().find_map(|(number, leaf)| match &self.index.tree.items[*number].kind {
            Kind::Use { leaves, .. } => {
                leaf.map(|at| &leaves[at]).filter(|leaf| !leaf.glob && Some(&leaf.name) == segments.first())
            }
            _ => None,
        });
        let begin = named.map(|leaf| leaf.path.as_slice());
        let path = match begin {
            Some(begin) => begin.iter().chain(segments.iter().skip(1)).cloned().collect(),
            None => segments.to_vec(),
        };
        path.into_iter().filter(|segment| !segment.is_empty()).collect()
    }

    /// A type of the user's.
    fn own(&mut self, number: usize, arguments: Vec<Form>) -> Form {
        let tree = self.index.tree;
        let item = &tree.items[number];
        let path = tree.path_of(item);
        let text = tree.files[item.file].text.get(item.range()).unwrap_or_default();
        let Ok(syntax) = syn::parse_str::<Item>(text) else {
            return self.unknown(&path, "it cannot be read", Some(number));
        };
        let scope = |generics: &Generics| Scope { module: item.module, arguments: bind(generics, &arguments) };
        if let Item::Type(alias) = &syntax {
            let scope = scope(&alias.generics);
            return self.form(&alias.ty, &scope);
        }
        if let Some(why) = self.hidden(number, &syntax) {
            return self.unknown(&path, &why, Some(number));
        }
        let name = match arguments.as_slice() {
            [] => path.clone(),
            arguments => format!("{path}<{}>", arguments.iter().map(Form::to_string).collect::<Vec<_>>().join(", ")),
        };
        if self.types.contains_key(&name) {
            return Form::Named(name);
        }
        // Known from here on: it may hold itself.
        self.types.insert(name.clone(), Form::Null);
        let read = match &syntax {
            Item::Struct(item) => container::of_struct(item, &mut |ty| self.form(ty, &scope(&item.generics))),
            Item::Enum(item) => container::of_enum(item, &mut |ty| self.form(ty, &scope(&item.generics))),
            _ => Err("it is no struct and no enum".to_owned()),
        };
        let form = read.unwrap_or_else(|why| self.unknown(&path, &why, Some(number)));
        self.types.insert(name.clone(), form);
        Form::Named(name)
    }

    /// Why what serde does with a type cannot be told from its declaration.
    fn hidden(&self, number: usize, syntax: &Item) -> Option<String> {
        let attributes = match syntax {
            Item::Struct(item) => &item.attrs,
            Item::Enum(item) => &item.attrs,
            _ => return Some("it is no struct and no enum".to_owned()),
        };
        let derived = ["Serialize", "Deserialize"].map(|name| container::derives(attributes, name));
        if derived == [false, false] {
            return Some("its serde code is not derived".to_owned());
        }
        let tree = self.index.tree;
        let by_hand = tree.items.iter().filter_map(|item| match &item.kind {
            Kind::Impl { of: Some(of), head } => Some((item, of, head)),
            _ => None,
        });
        for (item, of, head) in by_hand {
            let names = |name: &str| head.iter().any(|path| path.last().is_some_and(|last| last == name));
            let is_serde = names("Serialize") || names("Deserialize");
            if is_serde && self.index.names.resolve(item.module, of).contains(&(number, None)) {
                return Some("some of its serde code is written by hand".to_owned());
            }
        }
        None
    }

    /// A form that is equal to itself alone. Of a type of the user's, all that it reaches counts.
    pub(super) fn unknown(&self, written: &str, why: &str, number: Option<usize>) -> Form {
        let reached = number.map(|number| self.index.meaning(&self.index.reach_apart(number), usize::MAX));
        let reached = reached.unwrap_or_default();
        let words = reached.iter().flat_map(|(label, hash)| [label.as_str(), hash.as_str()]);
        let hash = tokens::combine([written, self.crates].into_iter().chain(words));
        Form::Unknown(Unknown { written: written.to_owned(), why: why.to_owned(), hash })
    }
}

/// What generic parameters stand for, their defaults left to be unknown.
fn bind(generics: &Generics, arguments: &[Form]) -> BTreeMap<String, Form> {
    let parameters = generics.params.iter().filter_map(|parameter| match parameter {
        GenericParam::Type(parameter) => Some(parameter.ident.to_string()),
        _ => None,
    });
    parameters.zip(arguments.iter().cloned()).collect()
}

fn length(length: &Expr) -> Option<usize> {
    match length {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse().ok(),
        _ => None,
    }
}
