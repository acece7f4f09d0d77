//! `#[service]`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::{Attribute, Expr, ItemFn, Lit, Meta, MetaNameValue, Token, Visibility, punctuated::Punctuated};

use crate::signature::{self, Signature};

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let Ok(function) = syn::parse2::<ItemFn>(item.clone()) else {
        let error = syn::Error::new(Span::call_site(), "only a function can be a service").into_compile_error();
        return quote!(#item #error);
    };
    match check(options).and_then(|()| signature::read(&function)) {
        Ok(signature) => {
            let (docs, others): (Vec<_>, Vec<_>) =
                function.attrs.iter().partition(|attribute| attribute.path().is_ident("doc"));
            let call = write_call(&function, &signature, &docs, others);
            let flow = write_flow(&function, &signature);
            let method = write_method(&function, &signature, &docs);
            quote!(#call #flow #method)
        }
        Err(error) => {
            // The function stays, so that an editor goes on completing what is in it.
            let error = error.into_compile_error();
            quote!(#function #error)
        }
    }
}

/// Options that are true or false.
const FLAGS: [&str; 3] = ["replay", "idempotent", "stays"];
/// Options that are a number.
const COUNTS: [&str; 5] = ["replicas", "attempts", "parallel", "rate", "at_once"];
/// Options that are a text.
const TEXTS: [&str; 8] = ["cpu", "memory", "timeout", "backoff", "lost", "latency", "near", "on"];

fn check(options: TokenStream) -> syn::Result<()> {
    let words = || {
        let (flags, counts, texts) = (FLAGS.join(", "), COUNTS.join(", "), TEXTS.join(", "));
        format!("the options of a service are {flags} = true or false; {counts} = 2; {texts} = \"…\"")
    };
    for option in Punctuated::<Meta, Token![,]>::parse_terminated.parse2(options)? {
        let is_known = match &option {
            Meta::NameValue(MetaNameValue { path, value: Expr::Lit(value), .. }) => match &value.lit {
                Lit::Bool(_) => FLAGS.iter().any(|name| path.is_ident(name)),
                Lit::Int(_) => COUNTS.iter().any(|name| path.is_ident(name)),
                Lit::Str(_) => TEXTS.iter().any(|name| path.is_ident(name)),
                _ => false,
            },
            _ => false,
        };
        if !is_known {
            return Err(syn::Error::new_spanned(option, words()));
        }
    }
    Ok(())
}

/// The name a flow calls a service by.
pub(crate) fn flow_name(service: &Ident) -> Ident {
    format_ident!("__flow_{}", service, span = service.span())
}

// Lints are allowed in what is written here, not expected: whether they are met depends on the app.

/// The function that others call: the user's function inside one that makes a `Call` of it.
fn write_call(function: &ItemFn, signature: &Signature, docs: &[&Attribute], others: Vec<&Attribute>) -> TokenStream {
    let ItemFn { vis, sig, .. } = function;
    let name = &sig.ident;
    let text = name.unraw().to_string();
    let call = &signature.call;
    let (names, types) = split(signature, name);
    let mut inner = function.clone();
    inner.attrs = others.into_iter().cloned().collect();
    inner.vis = Visibility::Inherited;
    let dot_await = sig.asyncness.is_some().then(|| quote!(.await));
    let output = quote!(#name(#(#names),*) #dot_await);
    let answer = if signature.fallible {
        quote!(#output.map_err(::dyninka::Error::from_returned))
    } else {
        quote!(::dyninka::Result::Ok(#output))
    };
    quote! {
        #(#docs)*
        #[allow(dead_code, clippy::too_many_arguments)]
        #vis fn #name(#(#names: #types),*) -> ::dyninka::Call<#call> {
            #inner
            ::dyninka::Call::new(#text, async move { #answer })
        }
    }
}

/// The function that a flow calls: inputs that are flows themselves, fetched at the same time.
fn write_flow(function: &ItemFn, signature: &Signature) -> TokenStream {
    let name = &function.sig.ident;
    let flow = flow_name(name);
    let value = &signature.value;
    let (names, types) = split(signature, name);
    let branches: Vec<_> = (0..names.len()).map(|at| format_ident!("branch{at}")).collect();
    quote! {
        #[doc(hidden)]
        #[allow(non_snake_case, dead_code, unused_mut, unused_variables, clippy::all)]
        fn #flow(#(#names: impl ::dyninka::Upstream<#types> + Send + 'static),*) -> ::dyninka::FlowStep<#value> {
            ::dyninka::step(
                (#(::dyninka::Branch::new(#names),)*),
                |(#(#branches,)*), context| {
                    let mut there = true;
                    #(there &= #branches.poll(context)?;)*
                    Ok(there)
                },
                |(#(mut #branches,)*)| Ok(#name(#(#branches.take()?),*)),
            )
        }
    }
}

/// The method form of the same, on whatever can feed the first input.
fn write_method(function: &ItemFn, signature: &Signature, docs: &[&Attribute]) -> Option<TokenStream> {
    let name = &function.sig.ident;
    let (flow, value) = (flow_name(name), &signature.value);
    let of = format_ident!("__Flow_{}", name, span = name.span());
    let (names, types) = split(signature, name);
    let (first, types) = types.split_first()?;
    let names = names.get(1..)?;
    let head = quote! {
        fn #name(self #(, #names: impl ::dyninka::Upstream<#types> + Send + 'static)*) -> ::dyninka::FlowStep<#value>
    };
    Some(quote! {
        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code, clippy::all)]
        trait #of {
            #(#docs)*
            #head;
        }
        impl<U: ::dyninka::Upstream<#first> + Send + 'static> #of for U {
            #head {
                #flow(self #(, #names)*)
            }
        }
    })
}

/// Inputs by name and type. One of the function's own name has another: the function is called where it is in scope.
fn split<'a>(signature: &'a Signature, function: &Ident) -> (Vec<Ident>, Vec<&'a syn::Type>) {
    let named = |name: &Ident| if name == function { format_ident!("__{}", name) } else { name.clone() };
    signature.inputs.iter().map(|(name, ty)| (named(name), ty)).unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_taken_with_its_kind_of_value() {
        let taken = [
            quote!(replay = false, replicas = 2, cpu = "500m", memory = "128Mi"),
            quote!(attempts = 8, timeout = "2m", backoff = "2s..10m", lost = "fail", parallel = 4),
            quote!(rate = 200, at_once = 64, latency = "20ms", idempotent = true, stays = true),
            quote!(near = "images", on = "zone=germany"),
        ];
        for options in taken {
            assert!(check(options.clone()).is_ok(), "{options}");
        }
    }

    #[test]
    fn a_wrong_service_says_so_and_stays_a_function() {
        let function = quote!(
            fn f(&self) -> u8 {
                0
            }
        );
        let text = expand(TokenStream::new(), function.clone()).to_string();
        assert!(text.contains(&function.to_string()) && text.contains("has no self"), "{text}");
        for options in [
            quote!(replay),
            quote!(replay = 1),
            quote!(retry = true),
            quote!(cpu = 2),
            quote!(attempts = "8"),
            quote!(timeout = 2),
            quote!(stays = 1),
            quote!(on = true),
        ] {
            let text = expand(
                options,
                quote!(
                    fn f() {}
                ),
            )
            .to_string();
            assert!(text.contains("the options of a service"), "{text}");
        }
        assert!(
            expand(
                TokenStream::new(),
                quote!(
                    struct F;
                )
            )
            .to_string()
            .contains("only a function")
        );
    }
}
