//! `#[service]`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::parse::Parser;
use syn::{Expr, ItemFn, Lit, MetaNameValue, Token, punctuated::Punctuated};

use crate::signature;

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let function: ItemFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(_) => {
            let error = syn::Error::new(Span::call_site(), "only a function can be a service").into_compile_error();
            return quote!(#item #error);
        }
    };
    let read = check(options).and_then(|()| signature::read(&function));
    match read {
        Ok(signature) => rewrite(&function, &signature),
        Err(error) => {
            // The function stays, so that an editor goes on completing what is in it.
            let error = error.into_compile_error();
            quote!(#function #error)
        }
    }
}

fn check(options: TokenStream) -> syn::Result<()> {
    for option in Punctuated::<MetaNameValue, Token![,]>::parse_terminated.parse2(options)? {
        let is_bool = matches!(&option.value, Expr::Lit(value) if matches!(value.lit, Lit::Bool(_)));
        if !option.path.is_ident("replay") || !is_bool {
            return Err(syn::Error::new_spanned(option, "the one option of a service is replay = true or false"));
        }
    }
    Ok(())
}

/// The name a flow calls a service by.
pub(crate) fn flow_name(service: &Ident) -> Ident {
    format_ident!("__flow_{}", service, span = service.span())
}

fn rewrite(function: &ItemFn, read: &signature::Signature) -> TokenStream {
    let ItemFn { attrs, vis, sig, .. } = function;
    let name = &sig.ident;
    let text = name.to_string();
    let (call, value) = (&read.call, &read.value);
    let names: Vec<_> = read.inputs.iter().map(|(name, _)| name).collect();
    let types: Vec<_> = read.inputs.iter().map(|(_, ty)| ty).collect();
    let (docs, rest): (Vec<_>, Vec<_>) = attrs.iter().partition(|attribute| attribute.path().is_ident("doc"));
    let mut inner = function.clone();
    inner.attrs = rest.into_iter().cloned().collect();
    inner.vis = syn::Visibility::Inherited;
    let dot_await = sig.asyncness.is_some().then(|| quote!(.await));
    let output = quote!(#name(#(#names),*) #dot_await);
    let answer = if read.fallible {
        quote!(#output.map_err(::dyninka::Error::from_returned))
    } else {
        quote!(::dyninka::Result::Ok(#output))
    };
    let flow = flow_name(name);
    let branches: Vec<_> = (0..names.len()).map(|at| format_ident!("input{at}")).collect();
    let (first, others) = (types.first(), types.iter().skip(1).collect::<Vec<_>>());
    let (first_name, other_names) = (names.first(), names.iter().skip(1).collect::<Vec<_>>());
    let method = first.map(|first| {
        let trait_name = format_ident!("__Flow_{}", name, span = name.span());
        quote! {
            #[doc(hidden)]
            #[allow(non_camel_case_types, dead_code)]
            trait #trait_name {
                #(#docs)*
                fn #name(self, #(#other_names: impl ::dyninka::Upstream<#others> + Send + 'static),*) -> ::dyninka::Flow<#value>;
            }
            #[allow(non_camel_case_types)]
            impl<U: ::dyninka::Upstream<#first> + Send + 'static> #trait_name for U {
                fn #name(self, #(#other_names: impl ::dyninka::Upstream<#others> + Send + 'static),*) -> ::dyninka::Flow<#value> {
                    #flow(self #(, #other_names)*)
                }
            }
        }
    });
    let _ = first_name;
    quote! {
        #(#docs)*
        #[allow(dead_code)]
        #vis fn #name(#(#names: #types),*) -> ::dyninka::Call<#call> {
            #inner
            ::dyninka::Call::new(#text, async move { #answer })
        }
        #[doc(hidden)]
        #[allow(non_snake_case, dead_code, unused_mut, clippy::too_many_arguments)]
        fn #flow(#(#names: impl ::dyninka::Upstream<#types> + Send + 'static),*) -> ::dyninka::Flow<#value> {
            ::dyninka::step((#(::dyninka::Branch::new(#names),)*), |branches, context| {
                let (#(#branches,)*) = branches;
                let mut there = true;
                #(there &= #branches.poll(context)?;)*
                let _ = context;
                Ok(there)
            }, |branches| {
                let (#(mut #branches,)*) = branches;
                Ok(#name(#(#branches.take()?),*))
            })
        }
        #method
    }
}
