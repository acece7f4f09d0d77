//! What stands in the brackets of `#[service(…)]`.

use std::fmt::Display;
use std::ops::Range;
use std::str::FromStr;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Lit, Meta, MetaNameValue, Token, parse_quote};

use crate::model::Needs;
use crate::syntax::is_named;

/// The options there are, as a person would write them.
const EXAMPLE: &str = "#[service(replay = false, replicas = 2, cpu = \"500m\", memory = \"128Mi\")]";

/// The options of a service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Whether it may be run again for comparison.
    pub(crate) replay: Option<bool>,
    /// What it asks for on a cluster.
    pub(crate) needs: Needs,
}

/// What a service cannot have, and where.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) range: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: String,
    /// The service it is about, where it is about one.
    pub(crate) service: Option<String>,
}

/// Reads them; what is wrong goes to `faults`.
pub(crate) fn read(function: &syn::ItemFn, faults: &mut Vec<Fault>) -> Options {
    let mut options = Options { replay: None, needs: Needs::default() };
    let fault = |spanned: &dyn Spanned, message, help| Fault {
        range: spanned.span().byte_range(),
        message,
        help,
        service: None,
    };
    let unknown = |spanned: &dyn Spanned| {
        fault(spanned, "this is no option of a service".to_owned(), format!("those there are: {EXAMPLE}"))
    };
    for attribute in function.attrs.iter().filter(|attribute| is_named(attribute, "service")) {
        if matches!(attribute.meta, syn::Meta::Path(_)) {
            continue;
        }
        let parsed = attribute.parse_args_with(Punctuated::<MetaNameValue, Token![,]>::parse_terminated);
        let Some(written) = parsed.ok().filter(|written| !written.is_empty()) else {
            faults.push(unknown(attribute));
            continue;
        };
        for option in written {
            match options.take(&option) {
                Some(Ok(())) => {}
                Some(Err((message, help))) => {
                    faults.push(fault(&option.value, message, help));
                }
                None => faults.push(unknown(&option)),
            }
        }
    }
    options
}

impl Options {
    /// Takes one option; none where there is no such one, else what is wrong with its value and how to mend it.
    fn take(&mut self, option: &MetaNameValue) -> Option<Result<(), (String, String)>> {
        let name = option.path.get_ident()?.to_string();
        let Expr::Lit(ExprLit { lit, .. }) = &option.value else { return None };
        match (name.as_str(), lit) {
            ("replay", Lit::Bool(value)) => self.replay = Some(value.value),
            ("replicas", Lit::Int(value)) => match value.base10_parse::<u32>() {
                Ok(replicas) if replicas > 0 && value.suffix().is_empty() => self.needs.replicas = Some(replicas),
                _ => return Some(Err(("this is no number of replicas".to_owned(), "write 1 or more".to_owned()))),
            },
            ("cpu", Lit::Str(value)) => return Some(amount(value).map(|cpu| self.needs.cpu = Some(cpu))),
            ("memory", Lit::Str(value)) => return Some(amount(value).map(|memory| self.needs.memory = Some(memory))),
            _ => return None,
        }
        Some(Ok(()))
    }
}

/// A service's tokens without what it asks for on a cluster, which has no part in what it means.
pub(crate) fn without_needs(syntax: &syn::Item) -> TokenStream {
    let syn::Item::Fn(function) = syntax else { return syntax.to_token_stream() };
    let mut function = function.clone();
    for attribute in function.attrs.iter_mut().filter(|attribute| is_named(attribute, "service")) {
        let parsed = attribute.parse_args_with(Punctuated::<MetaNameValue, Token![,]>::parse_terminated);
        let Ok(written) = parsed else { continue };
        let is_need =
            |option: &MetaNameValue| ["replicas", "cpu", "memory"].iter().any(|need| option.path.is_ident(need));
        let rest: Punctuated<MetaNameValue, Token![,]> =
            written.into_iter().filter(|option| !is_need(option)).collect();
        let path = attribute.path().clone();
        attribute.meta = if rest.is_empty() { Meta::Path(path) } else { parse_quote!(#path(#rest)) };
    }
    function.to_token_stream()
}

fn amount<T: FromStr<Err: Display>>(text: &syn::LitStr) -> Result<T, (String, String)> {
    text.value().parse().map_err(|error: T::Err| {
        let words = error.to_string();
        words.split_once(": ").map_or((words.clone(), String::new()), |(what, mend)| (what.to_owned(), mend.to_owned()))
    })
}
