//! What a service's function looks like.

use proc_macro2::Ident;
use syn::{FnArg, GenericArgument, ItemFn, Pat, PathArguments, ReturnType, Type};

/// A signature a service can have.
pub(crate) struct Signature {
    /// Name and type of each input.
    pub(crate) inputs: Vec<(Ident, Type)>,
    /// The value's type, a `Result` around it taken off.
    pub(crate) call: Type,
    /// The value's type, an `Option` around it taken off too: what a flow goes on with.
    pub(crate) value: Type,
    /// Whether a `Result` was taken off.
    pub(crate) fallible: bool,
}

/// Reads a signature, or says what a service cannot have.
pub(crate) fn read(function: &ItemFn) -> syn::Result<Signature> {
    let signature = &function.sig;
    let mut wrong = Vec::new();
    if !signature.generics.params.is_empty() || signature.generics.where_clause.is_some() {
        wrong.push(syn::Error::new_spanned(
            &signature.generics,
            "a service cannot be generic: its inputs arrive as JSON of one type",
        ));
    }
    if let Some(abi) = &signature.abi {
        wrong.push(syn::Error::new_spanned(abi, "a service cannot be extern"));
    }
    let mut inputs = Vec::new();
    for input in &signature.inputs {
        match input {
            FnArg::Receiver(this) => {
                wrong.push(syn::Error::new_spanned(this, "a service has no self: it is a function of its own"))
            }
            FnArg::Typed(input) => match &*input.pat {
                Pat::Ident(name) if name.subpat.is_none() && name.by_ref.is_none() => {
                    wrong.extend(unfit(&input.ty));
                    inputs.push((name.ident.clone(), (*input.ty).clone()));
                }
                pattern => wrong.push(syn::Error::new_spanned(
                    pattern,
                    "an input of a service needs a name: it is found by it in a request",
                )),
            },
        }
    }
    let returned = match &signature.output {
        ReturnType::Default => syn::parse_quote!(()),
        ReturnType::Type(_, returned) => (**returned).clone(),
    };
    wrong.extend(unfit(&returned));
    let (call, fallible) = inside(&returned, "Result").map_or((returned.clone(), false), |inside| (inside, true));
    let value = inside(&call, "Option").unwrap_or_else(|| call.clone());
    let combined = wrong.into_iter().reduce(|mut all, one| {
        all.combine(one);
        all
    });
    combined.map_or(Ok(Signature { inputs, call, value, fallible }), Err)
}

/// The first argument of a type of that name.
fn inside(ty: &Type, name: &str) -> Option<Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty.clone()),
        _ => None,
    })
}

/// Types that cannot travel.
fn unfit(ty: &Type) -> Option<syn::Error> {
    match ty {
        Type::Reference(_) => Some(syn::Error::new_spanned(
            ty,
            "a reference cannot travel between services: own the value, e.g. String for &str",
        )),
        Type::ImplTrait(_) => {
            Some(syn::Error::new_spanned(ty, "impl Trait cannot travel between services: name the type"))
        }
        _ => None,
    }
}
