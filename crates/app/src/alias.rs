//! `Result` and `Option` under other names: `type Res<T> = Result<T, String>`, `use std::option::Option as Maybe`. And types
//! of the user's that are called so and are neither.

use std::collections::BTreeMap;

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{GenericArgument, GenericParam, PathArguments, Type};

use crate::model::Output;
use crate::names::Find;
use crate::reach::Index;
use crate::service::write;
use crate::tree::Kind;

/// Aliases of aliases that are followed. A circle of them is rustc's to report.
const MOST: usize = 16;

/// What wraps a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrapper {
    Result,
    Option,
}

/// A return type as what it stands for. What is `plain` was read by names alone.
pub(crate) fn output(index: &Index<'_>, plain: &Output) -> Output {
    let Ok(mut ty) = syn::parse_str::<Type>(&plain.written) else { return plain.clone() };
    let (mut fallible, mut optional) = (false, false);
    if let Some((Wrapper::Result, value)) = wrapped(index, &ty) {
        (ty, fallible) = (value, true);
    }
    if let Some((Wrapper::Option, value)) = wrapped(index, &ty) {
        (ty, optional) = (value, true);
    }
    let ty = write(&ty);
    let aliased = (&ty, fallible, optional) != (&plain.ty, plain.fallible, plain.optional);
    Output { ty, fallible, optional, aliased, written: plain.written.clone() }
}

/// What a type at the root wraps, and how; none where it is neither `Result` nor `Option`.
fn wrapped(index: &Index<'_>, ty: &Type) -> Option<(Wrapper, Type)> {
    let mut ty = ty.clone();
    for _ in 0..MOST {
        let path = match ty {
            Type::Paren(inner) => {
                ty = *inner.elem;
                continue;
            }
            Type::Group(inner) => {
                ty = *inner.elem;
                continue;
            }
            Type::Path(path) if path.qself.is_none() => path.path,
            _ => return None,
        };
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let finds = index.names.resolve(0, &segments).into_iter().collect::<Vec<_>>();
        let arguments = arguments(&path);
        if let Some(number) = own(index, &finds) {
            ty = expand(index, number, &arguments)?;
            continue;
        }
        let whole = whole(index, &segments, &finds);
        let wrapper = match whole.last()?.as_str() {
            "Result" => Wrapper::Result,
            "Option" => Wrapper::Option,
            _ => return None,
        };
        return match arguments.into_iter().next() {
            Some(value) => Some((wrapper, value)),
            None if whole.ends_with(&["fmt".to_owned(), "Result".to_owned()]) => Some((wrapper, syn::parse_quote!(()))),
            None => None,
        };
    }
    None
}

/// The type of this crate that a path leads to.
fn own(index: &Index<'_>, finds: &[Find]) -> Option<usize> {
    let is_type = |number: usize| matches!(index.tree.items[number].kind, Kind::Type { .. });
    finds.iter().filter(|(_, leaf)| leaf.is_none()).map(|(number, _)| *number).find(|number| is_type(*number))
}

/// A path with the `use` that leads out of the crate in front.
fn whole(index: &Index<'_>, segments: &[String], finds: &[Find]) -> Vec<String> {
    let outside = finds.iter().find_map(|(number, at)| {
        let Kind::Use { leaves, .. } = &index.tree.items[*number].kind else { return None };
        let leaf = at.map(|at| &leaves[at]).filter(|leaf| !leaf.glob)?;
        index.names.outside.contains(&(*number, (*at)?)).then_some(leaf)
    });
    let Some(leaf) = outside else { return segments.to_vec() };
    let rest = segments.iter().position(|segment| *segment == leaf.name).map_or(segments.len(), |at| at + 1);
    leaf.path.iter().chain(&segments[rest..]).cloned().collect()
}

/// The types among a path's last arguments.
fn arguments(path: &syn::Path) -> Vec<Type> {
    let Some(PathArguments::AngleBracketed(arguments)) = path.segments.last().map(|segment| &segment.arguments) else {
        return Vec::new();
    };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty.clone()),
        _ => None,
    });
    types.collect()
}

/// What an alias stands for, as it would be written at the root; none where the type is no alias.
fn expand(index: &Index<'_>, number: usize, arguments: &[Type]) -> Option<Type> {
    let item = &index.tree.items[number];
    let text = index.tree.files[item.file].text.get(item.range())?;
    let syn::Item::Type(alias) = syn::parse_str(text).ok()? else { return None };
    let mut given = arguments.iter();
    let parameters = alias.generics.params.iter().filter_map(|parameter| match parameter {
        GenericParam::Type(parameter) => {
            let default = || parameter.default.as_ref().map(|(_, ty)| ty.to_token_stream());
            let value = given.next().map(ToTokens::to_token_stream).or_else(default)?;
            Some((parameter.ident.to_string(), value))
        }
        _ => None,
    });
    let parameters: BTreeMap<String, TokenStream> = parameters.collect();
    syn::parse2(rewritten(index, item.module, &parameters, alias.ty.to_token_stream())).ok()
}

/// Tokens of a type with its parameters replaced, and with paths of another module as the root knows them.
fn rewritten(
    index: &Index<'_>,
    module: usize,
    parameters: &BTreeMap<String, TokenStream>,
    tokens: TokenStream,
) -> TokenStream {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut made = TokenStream::new();
    let mut next = 0;
    while let Some(token) = tokens.get(next) {
        let within = next.checked_sub(1).is_some_and(
            |at| matches!(&tokens[at], TokenTree::Punct(sign) if sign.as_char() == ':' || sign.as_char() == '\''),
        );
        next += 1;
        match token {
            TokenTree::Group(group) => {
                let inside = rewritten(index, module, parameters, group.stream());
                made.extend([TokenTree::Group(proc_macro2::Group::new(group.delimiter(), inside))]);
            }
            TokenTree::Ident(first) if !within => {
                let mut segments = vec![first.to_string()];
                while let [TokenTree::Punct(a), TokenTree::Punct(b), TokenTree::Ident(segment), ..] = &tokens[next..]
                    && a.as_char() == ':'
                    && b.as_char() == ':'
                {
                    segments.push(segment.to_string());
                    next += 3;
                }
                made.extend(match parameters.get(&segments[0]) {
                    Some(value) if segments.len() == 1 => value.clone(),
                    value => {
                        let begin = value.map(|value| quote!(<#value>));
                        let rest = segments[usize::from(begin.is_some())..].join("::");
                        let path =
                            if begin.is_some() { format!("::{rest}") } else { at_root(index, module, &segments) };
                        let path: TokenStream = path.parse().unwrap_or_default();
                        quote!(#begin #path)
                    }
                });
            }
            other => made.extend([other.clone()]),
        }
    }
    made
}

/// A path in a module as the root knows it.
fn at_root(index: &Index<'_>, module: usize, segments: &[String]) -> String {
    let written = segments.join("::");
    if module == 0 {
        return written;
    }
    let finds: Vec<Find> = index.names.resolve(module, segments).into_iter().collect();
    match own(index, &finds) {
        Some(number) => format!("crate::{}", index.tree.path_of(&index.tree.items[number])),
        None => {
            whole(index, segments, &finds).into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("::")
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Sources;

    /// The type of the value, and whether the service can fail and filter.
    fn of(declared: &str, returned: &str) -> (String, bool, bool) {
        let text = format!("{declared}\n#[service] fn a() -> {returned} {{ todo!() }}\nfn main() {{ a() }}");
        let texts = [("app.rs".into(), text.into())].into();
        let app = crate::parse(&Sources { root: "app.rs".into(), texts, ..Sources::default() }).0;
        let output = &app.services[0].output;
        assert_eq!(output.written, returned);
        (output.ty.clone(), output.fallible, output.optional)
    }

    #[test]
    fn a_wrapper_is_known_under_any_name() {
        for (declared, returned, ty, fallible, optional) in [
            ("type Res<T> = Result<T, String>;", "Res<u64>", "u64", true, false),
            ("type Res<T, E = String> = std::result::Result<T, E>;", "Res<Vec<u64>, u8>", "Vec<u64>", true, false),
            ("type Maybe<T> = Option<T>;", "Maybe<u64>", "u64", false, true),
            ("type Maybe = Option<(u8, String)>;", "Result<Maybe>", "(u8, String)", true, true),
            ("type Maybe<T> = Option<T>; type Res<T> = Result<Maybe<T>, u8>;", "Res<u64>", "u64", true, true),
            ("type Res<T> = Result<Vec<T>, T>; type Two = Res<u8>;", "Two", "Vec<u8>", true, false),
            (
                "use std::result::Result as Res; use std::option::Option as Maybe;",
                "Res<Maybe<u8>, u8>",
                "u8",
                true,
                true,
            ),
            ("use std::fmt;", "fmt::Result", "()", true, false),
            ("use std::io as files;", "files::Result<u8>", "u8", true, false),
            ("mod m { pub type Res<T> = Result<T, String>; }", "m::Res<u64>", "u64", true, false),
            ("mod m { pub use std::option::Option as Maybe; } use m::*;", "Maybe<u64>", "u64", false, true),
            (
                "mod m { pub struct In; pub type Res = Result<In, u8>; } use m::Res as R;",
                "R",
                "crate::m::In",
                true,
                false,
            ),
            (
                "mod m { use std::time::Duration as D; pub type Res = Option<D>; }",
                "m::Res",
                "std::time::Duration",
                false,
                true,
            ),
            ("type Celsius = f64;", "Celsius", "Celsius", false, false),
            ("type Celsius = f64;", "Option<Celsius>", "Celsius", false, true),
            ("struct Result<T>(T);", "Result<u64>", "Result<u64>", false, false),
            ("mod m { pub enum Option<T> { Of(T) } } use m::Option;", "Option<u64>", "Option<u64>", false, false),
            ("type A = B; type B = A;", "A", "A", false, false),
            ("use dyninka::prelude::*;", "Result<Option<u64>>", "u64", true, true),
            ("", "Option<Result<u64>>", "Result<u64>", false, true),
        ] {
            assert_eq!(of(declared, returned), (ty.to_owned(), fallible, optional), "{declared} {returned}");
        }
    }
}
