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
use crate::suggest::suggest;
use crate::syntax::is_named;

/// What `replay` has and no other: it says what a replay may do.
const REPLAY: &str = "replay";
/// What else there is. None of it has a part in what a service means.
const NEEDS: [&str; 15] = [
    "near",
    "on",
    "replicas",
    "cpu",
    "memory",
    "attempts",
    "timeout",
    "backoff",
    "lost",
    "parallel",
    "rate",
    "at_once",
    "latency",
    "idempotent",
    "stays",
];

/// The options of a service.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Whether it may be run again for comparison.
    pub(crate) replay: Option<bool>,
    /// What it asks of those who run it.
    pub(crate) needs: Needs,
    /// The bucket that it works on.
    pub(crate) near: Option<TextOption>,
    /// The places that it runs in.
    pub(crate) on: Option<TextOption>,
}

/// A text, and where it is written.
#[derive(Clone, Debug)]
pub(crate) struct TextOption {
    pub(crate) text: String,
    pub(crate) range: Range<usize>,
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
    let mut options = Options { replay: None, needs: Needs::default(), near: None, on: None };
    let fault = |spanned: &dyn Spanned, message, help| Fault {
        range: spanned.span().byte_range(),
        message,
        help,
        service: None,
    };
    let names = || [REPLAY].into_iter().chain(NEEDS);
    let unknown = |spanned: &dyn Spanned, name: &str| {
        let help = suggest(name, names(), "options");
        fault(spanned, "this is no option of a service".to_owned(), help)
    };
    for attribute in function.attrs.iter().filter(|attribute| is_named(attribute, "service")) {
        if matches!(attribute.meta, syn::Meta::Path(_)) {
            continue;
        }
        let parsed = attribute.parse_args_with(Punctuated::<MetaNameValue, Token![,]>::parse_terminated);
        let Some(written) = parsed.ok().filter(|written| !written.is_empty()) else {
            let mut wrong = unknown(attribute, "");
            wrong.help = format!("write #[service(NAME = VALUE)]; {}", wrong.help);
            faults.push(wrong);
            continue;
        };
        for option in written {
            let name = option.path.get_ident().map(ToString::to_string).unwrap_or_default();
            if !names().any(|known| known == name) {
                faults.push(unknown(&option, &name));
            } else if let Err((message, help)) = options.take(&name, &option.value) {
                faults.push(fault(&option.value, message, help));
            }
        }
    }
    options
}

/// What is wrong with a value, and how to mend it.
type Wrong = (String, String);

impl Options {
    /// Takes one of the options there are.
    fn take(&mut self, name: &str, value: &Expr) -> Result<(), Wrong> {
        let Needs { replicas, cpu, memory, jobs, load } = &mut self.needs;
        match name {
            REPLAY => self.replay = Some(flag(name, value)?),
            "near" => self.near = Some(TextOption { text: text(name, value)?, range: value.span().byte_range() }),
            "on" => self.on = Some(TextOption { text: text(name, value)?, range: value.span().byte_range() }),
            "replicas" => *replicas = Some(count(name, value)?),
            "cpu" => *cpu = Some(amount(name, value)?),
            "memory" => *memory = Some(amount(name, value)?),
            "attempts" => jobs.attempts = Some(count(name, value)?),
            "timeout" => jobs.timeout = Some(amount(name, value)?),
            "backoff" => jobs.backoff = Some(amount(name, value)?),
            "lost" => jobs.lost = Some(amount(name, value)?),
            "parallel" => jobs.parallel = Some(count(name, value)?),
            "rate" => load.rate = Some(count(name, value)?),
            "at_once" => load.at_once = Some(count(name, value)?),
            "latency" => load.latency = Some(amount(name, value)?),
            "idempotent" => load.idempotent = Some(flag(name, value)?),
            "stays" => load.stays = Some(flag(name, value)?),
            other => return Err((format!("{other} is no option of a service"), String::new())),
        }
        Ok(())
    }
}

fn literal(value: &Expr) -> Option<&Lit> {
    match value {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        _ => None,
    }
}

fn flag(name: &str, value: &Expr) -> Result<bool, Wrong> {
    match literal(value) {
        Some(Lit::Bool(value)) => Ok(value.value),
        _ => Err(("this is neither true nor false".to_owned(), format!("write {name} = true or {name} = false"))),
    }
}

fn count(name: &str, value: &Expr) -> Result<u32, Wrong> {
    let number = match literal(value) {
        Some(Lit::Int(value)) if value.suffix().is_empty() => value.base10_parse::<u32>().ok(),
        _ => None,
    };
    let wrong = || {
        let message = match name {
            "replicas" | "attempts" => format!("this is no number of {name}"),
            _ => format!("this is no {name}"),
        };
        (message, "write 1 or more".to_owned())
    };
    number.filter(|number| *number > 0).ok_or_else(wrong)
}

fn text(name: &str, value: &Expr) -> Result<String, Wrong> {
    match literal(value) {
        Some(Lit::Str(text)) => Ok(text.value()),
        _ => Err((format!("{name} is a text"), "write it in quotes".to_owned())),
    }
}

fn amount<T: FromStr<Err: Display>>(name: &str, value: &Expr) -> Result<T, Wrong> {
    text(name, value)?.parse().map_err(|error: T::Err| {
        let words = error.to_string();
        let parts = words.split_once(": ");
        parts.map_or((words.clone(), String::new()), |(message, help)| (message.to_owned(), help.to_owned()))
    })
}

/// A service's tokens without what it asks of those who run it, which has no part in what it means.
pub(crate) fn without_needs(syntax: &syn::Item) -> TokenStream {
    let syn::Item::Fn(function) = syntax else { return syntax.to_token_stream() };
    let mut function = function.clone();
    for attribute in function.attrs.iter_mut().filter(|attribute| is_named(attribute, "service")) {
        let parsed = attribute.parse_args_with(Punctuated::<MetaNameValue, Token![,]>::parse_terminated);
        let Ok(written) = parsed else { continue };
        let is_need = |option: &MetaNameValue| NEEDS.iter().any(|need| option.path.is_ident(need));
        let rest: Punctuated<MetaNameValue, Token![,]> =
            written.into_iter().filter(|option| !is_need(option)).collect();
        let path = attribute.path().clone();
        attribute.meta = if rest.is_empty() { Meta::Path(path) } else { parse_quote!(#path(#rest)) };
    }
    function.to_token_stream()
}
