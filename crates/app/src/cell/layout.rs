//! What a value is made of, followed down to types that are known. What cannot be followed is the reason why its cell
//! is not shared.

use std::collections::BTreeSet;

use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, GenericArgument, GenericParam, Generics, Item as Syntax, Meta, PathArguments, Token, Type};

use super::standard::{self, Holds, Standard};
use crate::mention::Mentions;
use crate::names::Find;
use crate::reach::Index;
use crate::service::write;
use crate::tree::{Item, Kind};
use crate::walk;

/// A type that is nested deeper is not followed.
const DEEPEST: usize = 64;

/// Attributes of an item that leave it the type it is.
const HARMLESS: [&str; 14] = [
    "allow",
    "cfg",
    "cfg_attr",
    "deny",
    "deprecated",
    "derive",
    "doc",
    "expect",
    "forbid",
    "macro_use",
    "must_use",
    "non_exhaustive",
    "path",
    "repr",
];

type Followed = Result<(), String>;

/// Why it is not known what values of a type are made of; none where it is known.
pub(super) fn why_unknown(index: &Index<'_>, module: usize, written: &str) -> Option<String> {
    let Ok(ty) = syn::parse_str::<Type>(written) else { return Some(format!("{written} cannot be read")) };
    let mut layout = Layout { index, seen: BTreeSet::new(), depth: 0 };
    layout.ty(&ty, &Scope { module, generics: BTreeSet::new() }).err()
}

/// Where a type stands.
struct Scope {
    module: usize,
    /// Its generic parameters, and `Self`: what they stand for is looked at where it is named.
    generics: BTreeSet<String>,
}

struct Layout<'s, 'a> {
    index: &'s Index<'a>,
    seen: BTreeSet<usize>,
    depth: usize,
}

impl Layout<'_, '_> {
    fn ty(&mut self, ty: &Type, scope: &Scope) -> Followed {
        if self.depth > DEEPEST {
            return Err(format!("{} is nested too deep", write(ty)));
        }
        self.depth += 1;
        let followed = self.within(ty, scope);
        self.depth -= 1;
        followed
    }

    fn within(&mut self, ty: &Type, scope: &Scope) -> Followed {
        let hides = || Err(format!("{} leads to code of the version that made it", write(ty)));
        match ty {
            Type::Paren(inner) => self.ty(&inner.elem, scope),
            Type::Group(inner) => self.ty(&inner.elem, scope),
            Type::Slice(inner) => self.ty(&inner.elem, scope),
            Type::Tuple(tuple) => tuple.elems.iter().try_for_each(|ty| self.ty(ty, scope)),
            Type::Array(array) => {
                self.ty(&array.elem, scope)?;
                self.constant(&array.len, scope)
            }
            // Text stays where it is as long as the program runs: no library is ever unloaded.
            Type::Reference(reference) if reference.mutability.is_none() && is_str(&reference.elem) => {
                self.ty(&reference.elem, scope)
            }
            Type::Path(path) if path.qself.is_none() => self.path(&path.path, scope),
            Type::Never(_) => Ok(()),
            Type::FnPtr(_) | Type::TraitObject(_) | Type::ImplTrait(_) => hides(),
            Type::Reference(_) | Type::Ptr(_) => Err(format!("{} leads into memory that is not its own", write(ty))),
            _ => Err(format!("which type {} stands for cannot be seen", write(ty))),
        }
    }

    fn path(&mut self, path: &syn::Path, scope: &Scope) -> Followed {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let written = write(path);
        let unseen = || Err(format!("which type {written} stands for cannot be seen"));
        let Some((first, last)) = segments.first().zip(path.segments.last()) else { return unseen() };
        let bare = path.segments.iter().rev().skip(1).all(|segment| segment.arguments.is_none());
        if !bare || path.leading_colon.is_some() {
            return unseen();
        }
        if scope.generics.contains(first) {
            return if segments.len() == 1 && last.arguments.is_none() { Ok(()) } else { unseen() };
        }
        let arguments: Vec<&GenericArgument> = match &last.arguments {
            PathArguments::None => Vec::new(),
            PathArguments::AngleBracketed(arguments) => arguments.args.iter().collect(),
            PathArguments::Parenthesized(_) => return unseen(),
        };
        let finds = self.index.names.resolve(scope.module, &segments);
        let kind = |(number, _): &Find| &self.index.tree.items[*number].kind;
        let own: Vec<usize> = finds
            .iter()
            .filter(|find| find.1.is_none() && matches!(kind(find), Kind::Type { .. }))
            .map(|find| find.0)
            .collect();
        if own.is_empty() {
            let constants = || finds.iter().any(|find| matches!(kind(find), Kind::Constant { is_static: false }));
            if constants() {
                let constant = Expr::Path(syn::ExprPath { attrs: Vec::new(), qself: None, path: path.clone() });
                return self.constant(&constant, scope);
            }
            let standard = self.outside(&segments, &finds, arguments.len(), &written)?;
            return match standard.holds {
                Holds::Nothing => Ok(()),
                Holds::Owned => match arguments
                    .iter()
                    .find(|argument| !matches!(argument, GenericArgument::Lifetime(_)))
                {
                    Some(GenericArgument::Type(ty)) if is_str(ty) || matches!(ty, Type::Slice(_)) => self.ty(ty, scope),
                    _ => unseen(),
                },
                Holds::Arguments => self.arguments(&arguments, scope),
            };
        }
        // `Type::Other` leads over the type, and is another.
        let is_last = |find: &Find| match (kind(find), find.1) {
            (Kind::Use { leaves, .. }, Some(at)) => Some(&leaves[at].name) == segments.last(),
            _ => self.index.tree.items[find.0].names.last() == segments.last(),
        };
        let from_outside = |find: &Find| {
            find.1.is_some_and(|at| self.index.names.outside.contains(&(find.0, at))) && !self.is_known_glob(find)
        };
        if !finds.iter().any(is_last) || finds.iter().any(from_outside) {
            return unseen();
        }
        self.arguments(&arguments, scope)?;
        own.into_iter().try_for_each(|number| self.own(number))
    }

    fn arguments(&mut self, arguments: &[&GenericArgument], scope: &Scope) -> Followed {
        arguments.iter().try_for_each(|argument| match argument {
            GenericArgument::Lifetime(_) => Ok(()),
            GenericArgument::Type(ty) => self.ty(ty, scope),
            GenericArgument::Const(constant) => self.constant(constant, scope),
            _ => Err("an argument of its type cannot be seen into".to_owned()),
        })
    }

    /// A type that is not the app's.
    fn outside(
        &self,
        segments: &[String],
        finds: &BTreeSet<Find>,
        arguments: usize,
        written: &str,
    ) -> Result<Standard, String> {
        let tree = self.index.tree;
        let mut whole: Vec<&String> = segments.iter().collect();
        let mut globs = false;
        for (number, at) in finds {
            let item = &tree.items[*number];
            let (Kind::Use { leaves, .. }, Some(at)) = (&item.kind, *at) else {
                return Err(format!("which type {written} stands for cannot be seen"));
            };
            let leaf = &leaves[at];
            let is_standard = leaf.path.iter().find(|name| !name.is_empty()).is_some_and(|name| is_library(name));
            if leaf.glob {
                // What else comes in that way cannot be seen; a number's name it is not.
                let is_known = is_standard || leaf.path.first().is_some_and(|name| name == "dyninka");
                if !is_known && (segments.len() != 1 || !standard::is_primitive(&segments[0])) {
                    return Err(format!("{written} may come from {}", leaf.path.join("::")));
                }
                globs |= is_standard;
            } else if self.index.names.outside.contains(&(*number, at)) {
                whole = leaf.path.iter().filter(|name| !name.is_empty()).chain(&segments[1..]).collect();
            }
        }
        let name = whole.last().map_or("", |name| name.as_str());
        let is_known = match whole.as_slice() {
            [name] => globs || standard::is_in_scope(name),
            [first, ..] => is_library(first),
            [] => false,
        };
        let from = match whole.as_slice() {
            [first, _, ..] if !is_known => return Err(format!("{written} comes from {first}")),
            _ => standard::find(name).filter(|_| is_known),
        };
        let standard = from.ok_or_else(|| format!("what a value of {written} is made of cannot be seen"))?;
        // `Cow<'static, str>` has a lifetime as well.
        let most = standard.arguments.end() + usize::from(standard.holds == Holds::Owned);
        if arguments < *standard.arguments.start() || arguments > most {
            return Err(format!("{written} is not the type of the standard library"));
        }
        Ok(standard)
    }

    /// A type of the app's.
    fn own(&mut self, number: usize) -> Followed {
        let tree = self.index.tree;
        if !self.seen.insert(number) {
            return Ok(());
        }
        let item = &tree.items[number];
        let text = tree.files[item.file].text.get(item.range()).unwrap_or_default();
        let path = tree.path_of(item);
        let Ok(syntax) = syn::parse_str::<Syntax>(text) else { return Err(format!("{path} cannot be read")) };
        self.attributes(crate::syntax::attributes(&syntax), item)?;
        self.modules(item)?;
        let mut scope = Scope { module: item.module, generics: BTreeSet::from(["Self".to_owned()]) };
        let mut enter = |layout: &mut Self, generics: &Generics| -> Followed {
            for parameter in &generics.params {
                match parameter {
                    GenericParam::Type(parameter) => drop(scope.generics.insert(parameter.ident.to_string())),
                    GenericParam::Const(parameter) => drop(scope.generics.insert(parameter.ident.to_string())),
                    GenericParam::Lifetime(_) => {}
                }
            }
            // Where an argument is left out, the default is part of the value.
            generics.params.iter().try_for_each(|parameter| match parameter {
                GenericParam::Type(parameter) => {
                    parameter.default.as_ref().map_or(Ok(()), |(_, ty)| layout.ty(ty, &scope))
                }
                GenericParam::Const(parameter) => {
                    parameter.default.as_ref().map_or(Ok(()), |(_, value)| layout.constant(value, &scope))
                }
                GenericParam::Lifetime(_) => Ok(()),
            })
        };
        match &syntax {
            Syntax::Struct(item) => {
                enter(self, &item.generics)?;
                item.fields.iter().try_for_each(|field| self.ty(&field.ty, &scope))
            }
            Syntax::Enum(item) => {
                enter(self, &item.generics)?;
                item.variants.iter().try_for_each(|variant| {
                    variant.fields.iter().try_for_each(|field| self.ty(&field.ty, &scope))?;
                    variant.discriminant.iter().try_for_each(|value| self.constant(&value.1, &scope))
                })
            }
            Syntax::Type(item) => {
                enter(self, &item.generics)?;
                self.ty(&item.ty, &scope)
            }
            _ => Err(format!("{path} is neither a struct nor an enum")),
        }
    }

    /// A length, a discriminant, an argument that is a value: known where all that it rests on is.
    fn constant(&self, value: &Expr, scope: &Scope) -> Followed {
        if let Expr::Lit(_) = value {
            return Ok(());
        }
        if let Expr::Path(path) = value
            && path.path.get_ident().is_some_and(|name| scope.generics.contains(&name.to_string()))
        {
            return Ok(());
        }
        let tree = self.index.tree;
        let written = write(value);
        let mentions = walk::of_expression(value);
        let reach = self.index.reach_value(scope.module, &mentions);
        let items = reach.items.iter().map(|number| &tree.items[*number]);
        let mut named = items.map(|item| (item.module, &item.mentions)).chain([(scope.module, &mentions)]);
        if tree.items.iter().any(|item| self.index.is_opaque(item))
            && named.any(|(module, mentions)| self.has_unknown(module, mentions))
        {
            return Err(format!("a macro call outside functions may have a say in {written}"));
        }
        let own: BTreeSet<&String> = reach
            .items
            .iter()
            .map(|number| &tree.items[*number])
            .filter(|item| matches!(item.kind, Kind::Macro))
            .flat_map(|item| &item.names)
            .collect();
        let items = reach.items.iter().map(|number| &tree.items[*number].mentions);
        let called = items.chain([&mentions]).flat_map(|mentions| &mentions.macros);
        match called.into_iter().find(|called| !super::is_plain(called) && !own.contains(called)) {
            Some(called) => Err(format!("{written} rests on the macro {called}!")),
            None => Ok(()),
        }
    }

    /// Whether something is named of which it cannot be seen where it comes from.
    fn has_unknown(&self, module: usize, mentions: &Mentions) -> bool {
        let is_known = |name: &String| {
            is_library(name)
                || standard::is_in_scope(name)
                || ["Self", "Some", "None", "Ok", "Err"].contains(&name.as_str())
        };
        mentions.paths.iter().any(|path| {
            let found = self.index.names.resolve(module, &path.segments);
            let is_macro = path.segments.last().is_some_and(|name| mentions.macros.contains(name));
            found.iter().all(|find| self.is_known_glob(find))
                && !is_macro
                && !path.segments.first().is_some_and(is_known)
        })
    }

    /// An attribute macro may put another type in the place of the one that is written.
    fn attributes(&self, attributes: &[Attribute], item: &Item) -> Followed {
        for attribute in attributes {
            if self.is_harmless(attribute.path(), item.module) {
                let conditional = attribute.path().is_ident("cfg_attr");
                let inside = attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
                match inside {
                    Ok(inside) if conditional => {
                        if inside.iter().skip(1).all(|meta| self.is_harmless(meta.path(), item.module)) {
                            continue;
                        }
                    }
                    Err(_) if conditional => {}
                    _ => continue,
                }
            }
            let (name, path) = (write(attribute.path()), self.index.tree.path_of(item));
            return Err(format!("the attribute {name} of {path} may make another type of it"));
        }
        Ok(())
    }

    /// Whether an attribute is known, or one of those that a derive reads, which nobody imports.
    fn is_harmless(&self, path: &syn::Path, module: usize) -> bool {
        let Some(name) = path.get_ident().map(ToString::to_string) else { return false };
        if HARMLESS.contains(&name.as_str()) || crate::syntax::OURS.contains(&name.as_str()) {
            return true;
        }
        let is_crate = |item: &Item| matches!(item.kind, Kind::Nameless) && !item.names.is_empty();
        let found = self.index.names.resolve(module, &[name]);
        !self.index.tree.items.iter().any(is_crate) && found.iter().all(|find| self.is_known_glob(find))
    }

    /// Whether this is a glob of which it is known what it brings: nothing that bears a name of the app's.
    fn is_known_glob(&self, (number, at): &Find) -> bool {
        let (Kind::Use { leaves, .. }, Some(at)) = (&self.index.tree.items[*number].kind, at) else { return false };
        leaves[*at].glob && leaves[*at].path.first().is_some_and(|name| is_library(name) || name == "dyninka")
    }

    /// The same of the modules around it.
    fn modules(&self, item: &Item) -> Followed {
        let tree = self.index.tree;
        let mut around = tree.modules[item.module].item;
        while let Some(number) = around {
            let module = &tree.items[number];
            let before = module.range().start..module.at(&module.name_range).start;
            let text = tree.files[module.file].text.get(before).unwrap_or_default();
            let read = |input: syn::parse::ParseStream<'_>| {
                let attributes = input.call(Attribute::parse_outer)?;
                input.parse::<proc_macro2::TokenStream>()?;
                Ok(attributes)
            };
            let attributes = syn::parse::Parser::parse_str(read, text);
            let attributes =
                attributes.map_err(|_| format!("the attributes of {} cannot be read", tree.path_of(module)))?;
            self.attributes(&attributes, module)?;
            around = tree.modules[module.module].item;
        }
        Ok(())
    }
}

fn is_library(name: &str) -> bool {
    ["std", "core", "alloc"].contains(&name)
}

fn is_str(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| {
        ["str", "Path", "OsStr", "CStr"].contains(&last.ident.to_string().as_str())
    }))
}
