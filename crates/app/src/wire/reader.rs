//! Types as written to forms.

use std::collections::{BTreeMap, BTreeSet};

use syn::{Expr, ExprLit, GenericArgument, GenericParam, Generics, Item, Lit, PathArguments, Type};

use super::outside::{self, Origin};
use super::{Form, Unknown, Wire, WireInput, container};
use crate::model::Service;
use crate::names::Find;
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
    let scope = Scope { module: 0, arguments: BTreeMap::new(), roots: Roots::default() };
    let mut read = |written: &str| match syn::parse_str::<Type>(written) {
        Ok(ty) => reader.form(&ty, &scope),
        Err(_) => reader.unknown(written, "it cannot be read", &Roots::default()),
    };
    let inputs =
        service.inputs.iter().map(|input| WireInput { name: input.name.clone(), form: read(&input.ty) }).collect();
    let output = read(&service.output.ty);
    Wire { inputs, output, optional: service.output.optional, types: reader.types }
}

/// Where a type stands: whose names count, and what its generic parameters stand for.
struct Scope {
    module: usize,
    arguments: BTreeMap<String, Form>,
    /// What the arguments mention: it decides on what is made of them, too.
    roots: Roots,
}

/// What something that cannot be seen into rests on.
#[derive(Clone, Debug, Default)]
struct Roots {
    /// Items, and leaves of `use` statements.
    finds: BTreeSet<Find>,
    /// What generic parameters stand for, as read.
    arguments: String,
}

pub(super) struct Reader<'s, 'a> {
    index: &'s Index<'a>,
    /// The manifest in the file: which version of another crate a type is of.
    crates: &'s str,
    types: BTreeMap<String, Form>,
    depth: usize,
}

impl Reader<'_, '_> {
    fn form(&mut self, ty: &Type, scope: &Scope) -> Form {
        if self.depth > DEEPEST {
            return self.unseen(ty, "it is nested too deep", scope);
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
                _ => self.unseen(ty, "its length is no number as written", scope),
            },
            Type::Path(path) if path.qself.is_none() => self.path(&path.path, ty, scope),
            _ => self.unseen(ty, "what type it stands for cannot be seen", scope),
        }
    }

    fn path(&mut self, path: &syn::Path, ty: &Type, scope: &Scope) -> Form {
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
        match own.iter().copied().collect::<Vec<_>>().as_slice() {
            [] => {}
            // Of what a path leads over, the type is the last: `Type::Part` is something of the type's.
            [number] if self.is_last(*number, &segments, scope) => {
                let written = matches!(last, Some(PathArguments::AngleBracketed(_))).then(|| write(ty));
                // How it is called where it is used does not count, but for what stands in its brackets.
                let mut roots = written.as_ref().map(|_| self.roots(ty, scope)).unwrap_or_default();
                roots.finds.retain(|(_, leaf)| leaf.is_none());
                roots.finds.insert((*number, None));
                return self.own(*number, arguments, (written.unwrap_or_default(), roots));
            }
            _ => return self.unseen(ty, "what type it stands for cannot be seen", scope),
        }
        let whole = self.whole(&segments, &finds);
        let (origin, name) = match whole.as_slice() {
            [] => return self.unseen(ty, "it has no name", scope),
            [name] if outside::is_everywhere(name) || self.has_standard_glob(&finds) => (Origin::Standard, name),
            // A macro may have made it, or another crate's `*` brings it in.
            [name] => (Origin::Other, name),
            [first, .., name] => (Origin::of(first), name),
        };
        outside::form(origin, name, &arguments).unwrap_or_else(|| {
            let why = match whole.as_slice() {
                [first, _, ..] => format!("it comes from {first}"),
                _ => "where it comes from cannot be seen".to_owned(),
            };
            self.unseen(ty, &why, scope)
        })
    }

    /// Whether a path ends at an item, whatever modules and `use` statements lead there.
    fn is_last(&self, number: usize, segments: &[String], scope: &Scope) -> bool {
        let [way @ .., _] = segments else { return false };
        way.is_empty() || !self.index.names.resolve(scope.module, way).contains(&(number, None))
    }

    /// Whether a name is in scope by a `*` of the standard library's, and no other crate's.
    fn has_standard_glob(&self, finds: &BTreeSet<Find>) -> bool {
        let mut globs = finds.iter().filter_map(|(number, leaf)| match &self.index.tree.items[*number].kind {
            Kind::Use { leaves, .. } => leaf.map(|at| &leaves[at]).filter(|leaf| leaf.glob),
            _ => None,
        });
        let is_ours = |path: &[String]| matches!(path, [first, ..] if first == "dyninka");
        let mut standard = false;
        let others = globs.any(|leaf| {
            let path: Vec<String> = leaf.path.iter().filter(|segment| !segment.is_empty()).cloned().collect();
            let is_standard = path.first().is_some_and(|first| Origin::of(first) == Origin::Standard);
            standard |= is_standard;
            !is_standard && !is_ours(&path)
        });
        standard && !others
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

    /// A type of the user's, with what stands in its brackets.
    fn own(&mut self, number: usize, arguments: Vec<Form>, (written, mut roots): (String, Roots)) -> Form {
        let tree = self.index.tree;
        let item = &tree.items[number];
        let path = tree.path_of(item);
        let text = tree.files[item.file].text.get(item.range()).unwrap_or_default();
        let Ok(syntax) = syn::parse_str::<Item>(text) else {
            return self.unknown(&path, "it cannot be read", &roots);
        };
        let mut name = match arguments.as_slice() {
            [] => path.clone(),
            arguments => format!("{path}<{}>", arguments.iter().map(Form::to_string).collect::<Vec<_>>().join(", ")),
        };
        let none = Generics::default();
        let generics = generics(&syntax).unwrap_or(&none);
        if has_numbers(generics) {
            // What stands for a number is not read: as it is written, it tells one from another.
            roots.arguments.push_str(&written);
            name.push_str(&written);
        }
        let mut bound = bind(generics, &arguments);
        if text.contains("Self") {
            bound.insert("Self".to_owned(), Form::Named(name.clone()));
        }
        // A parameter that is left out has what its declaration says.
        let is_plain = generics.params.is_empty();
        let scope = Scope {
            module: item.module,
            arguments: bound,
            roots: if is_plain { Roots::default() } else { roots.clone() },
        };
        if let Item::Type(alias) = &syntax {
            return self.form(&alias.ty, &scope);
        }
        if let Some(why) = self.hidden(number, &syntax) {
            return self.unknown(&path, &why, &roots);
        }
        if self.types.contains_key(&name) {
            return Form::Named(name);
        }
        // Known from here on: it may hold itself.
        self.types.insert(name.clone(), Form::Null);
        let read = match &syntax {
            Item::Struct(item) => container::of_struct(item, &mut |ty| self.form(ty, &scope)),
            Item::Enum(item) => container::of_enum(item, &mut |ty| self.form(ty, &scope)),
            _ => Err("it is no struct and no enum".to_owned()),
        };
        let form = read.unwrap_or_else(|why| self.unknown(&path, &why, &roots));
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
        let module = tree.items[number].module;
        if let Some(attribute) = attributes.iter().find(|attribute| self.is_macro(attribute, module)) {
            return Some(format!("#[{}] may make another type of it", write(attribute.path())));
        }
        let is_called = |item: &&crate::tree::Item| {
            let mut paths = item.mentions.paths.iter();
            matches!(item.kind, Kind::Nameless)
                && paths.any(|path| self.index.names.resolve(item.module, &path.segments).contains(&(number, None)))
        };
        if derived.contains(&false) && tree.items.iter().any(|item| is_called(&item)) {
            return Some("some of its serde code may be a macro's".to_owned());
        }
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

    /// Whether an attribute may be a macro of another crate, which makes whatever it likes of a type. What a derive
    /// knows of is imported by nobody.
    fn is_macro(&self, attribute: &syn::Attribute, module: usize) -> bool {
        let segments: Vec<String> = attribute.path().segments.iter().map(|segment| segment.ident.to_string()).collect();
        match segments.as_slice() {
            [first, _, ..] => !["rustfmt", "clippy", "diagnostic"].contains(&first.as_str()),
            [only] if BUILT_IN.contains(&only.as_str()) => false,
            only => self.index.names.resolve(module, only).iter().any(|(number, leaf)| {
                let Kind::Use { leaves, .. } = &self.index.tree.items[*number].kind else { return false };
                let leaf = leaf.map(|at| &leaves[at]);
                let is_quiet = |first: &String| first == "dyninka" || Origin::of(first) == Origin::Standard;
                leaf.is_some_and(|leaf| !leaf.glob || !leaf.path.iter().find(|it| !it.is_empty()).is_some_and(is_quiet))
            }),
        }
    }

    /// A type that cannot be seen into, as it is written somewhere.
    fn unseen(&self, ty: &Type, why: &str, scope: &Scope) -> Form {
        self.unknown(&write(ty), why, &self.roots(ty, scope))
    }

    /// What a type rests on, as it is written somewhere.
    fn roots(&self, ty: &Type, scope: &Scope) -> Roots {
        let mentions = crate::walk::of_type(ty);
        let named = mentions.paths.iter().flat_map(|path| self.index.names.resolve(scope.module, &path.segments));
        let finds = scope.roots.finds.iter().copied().chain(named).collect();
        let arguments = match scope.arguments.is_empty() {
            true => scope.roots.arguments.clone(),
            false => format!("{} {:?}", scope.roots.arguments, scope.arguments),
        };
        Roots { finds, arguments }
    }

    /// A form that is equal to itself alone: all that it reaches counts, and what a macro makes that nobody names.
    fn unknown(&self, written: &str, why: &str, roots: &Roots) -> Form {
        let reached = self.index.meaning(&self.index.reach_of(&roots.finds), usize::MAX);
        let words = reached.iter().flat_map(|(label, hash)| [label.as_str(), hash.as_str()]);
        let hash = tokens::combine([written, self.crates, roots.arguments.as_str()].into_iter().chain(words));
        Form::Unknown(Unknown { written: written.to_owned(), why: why.to_owned(), hash })
    }
}

/// Attributes of the language's and of serde's own.
const BUILT_IN: [&str; 14] = [
    "derive",
    "serde",
    "doc",
    "allow",
    "warn",
    "deny",
    "forbid",
    "expect",
    "repr",
    "non_exhaustive",
    "must_use",
    "deprecated",
    "cfg",
    "cfg_attr",
];

fn generics(item: &Item) -> Option<&Generics> {
    Some(match item {
        Item::Struct(item) => &item.generics,
        Item::Enum(item) => &item.generics,
        Item::Union(item) => &item.generics,
        Item::Type(item) => &item.generics,
        _ => return None,
    })
}

/// Whether some parameters stand for numbers.
fn has_numbers(generics: &Generics) -> bool {
    generics.params.iter().any(|parameter| matches!(parameter, GenericParam::Const(_)))
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
