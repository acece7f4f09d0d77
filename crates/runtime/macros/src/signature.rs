//! What a service's function looks like.

use proc_macro2::Ident;
use quote::ToTokens;
use syn::{FnArg, GenericArgument, ItemFn, Pat, PathArguments, PathSegment, ReturnType, Type};

/// The longest DNS label (RFC 1035, 2.3.4).
const LONGEST_LABEL: usize = 63;

/// A signature a service can have.
pub(crate) struct Signature {
    /// Name and type of each input.
    pub(crate) inputs: Vec<(Ident, Type)>,
    /// The value of a call: a `Result` around it taken off.
    pub(crate) call: Type,
    /// The value a flow goes on with: an `Option` around it taken off, too.
    pub(crate) value: Type,
    /// Whether a `Result` was taken off.
    pub(crate) fallible: bool,
}

/// Reads a signature, or says all that a service cannot have.
pub(crate) fn read(function: &ItemFn) -> syn::Result<Signature> {
    let signature = &function.sig;
    let mut wrong = Vec::new();
    let mut refuse = |at: &dyn ToTokens, words: String| wrong.push(syn::Error::new_spanned(at, words));
    let name = signature.ident.to_string();
    if let Some(why) = unfit_name(&name) {
        refuse(&signature.ident, format!("service {name} cannot be a host name: {why}"));
    }
    let generics = &signature.generics;
    if !generics.params.is_empty() || generics.where_clause.is_some() {
        let at: &dyn ToTokens = if generics.params.is_empty() { &signature.ident } else { generics };
        refuse(at, "a service cannot be generic: its inputs arrive as JSON of one type".to_owned());
    }
    if let Some(word) = &signature.constness {
        refuse(word, "a service cannot be const: it is a plain fn or async fn".to_owned());
    }
    if let Some(abi) = &signature.abi {
        refuse(abi, "a service cannot be extern: it is a plain fn or async fn".to_owned());
    }
    if !matches!(signature.safety, syn::Safety::Default) {
        refuse(&signature.safety, "a service cannot be unsafe: it is called by anyone".to_owned());
    }
    if let Some(variadic) = &signature.variadic {
        refuse(variadic, "a service's inputs have names: list them".to_owned());
    }
    let mut inputs = Vec::new();
    for input in &signature.inputs {
        match input {
            FnArg::Receiver(this) => refuse(this, "a service has no self: it is a function of its own".to_owned()),
            FnArg::Typed(input) => {
                if let Some(why) = unfit_type(&input.ty) {
                    refuse(&input.ty, why.to_owned());
                }
                match &*input.pat {
                    Pat::Ident(name) if name.subpat.is_none() && name.by_ref.is_none() => {
                        inputs.push((name.ident.clone(), (*input.ty).clone()));
                    }
                    pattern => {
                        let words = "an input of a service needs a name: a request finds it by its name";
                        refuse(pattern, words.to_owned());
                    }
                }
            }
        }
    }
    let returned = match &signature.output {
        ReturnType::Default => syn::parse_quote!(()),
        ReturnType::Type(_, returned) => (**returned).clone(),
    };
    if let Some(why) = unfit_type(&returned) {
        refuse(&returned, why.to_owned());
    }
    let (call, fallible) = within(&returned, "Result").map_or((returned.clone(), false), |inside| (inside, true));
    let value = within(&call, "Option").unwrap_or_else(|| call.clone());
    let wrong = wrong.into_iter().reduce(|mut all, one| {
        all.combine(one);
        all
    });
    wrong.map_or(Ok(Signature { inputs, call, value, fallible }), Err)
}

/// The first argument of a type of that name.
fn within(ty: &Type, name: &str) -> Option<Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == name)?;
    arguments(last).next().cloned()
}

/// Tells why a name is no DNS label once `_` became `-` (RFC 1123, 2.1).
fn unfit_name(name: &str) -> Option<&'static str> {
    if name.starts_with("r#") {
        Some("it is a keyword")
    } else if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        Some("it has characters other than ASCII letters, digits and _")
    } else if name.starts_with('_') || name.ends_with('_') {
        Some("it begins or ends with _")
    } else if name.len() > LONGEST_LABEL {
        Some("it is longer than 63 characters")
    } else {
        None
    }
}

/// Tells why a type cannot travel.
fn unfit_type(ty: &Type) -> Option<&'static str> {
    match ty {
        Type::Reference(_) => {
            Some("a reference cannot travel between services: own the value, e.g. String for &str, Vec<T> for &[T]")
        }
        Type::ImplTrait(_) | Type::TraitObject(_) => Some("what travels between services has one type: name it"),
        Type::FnPtr(_) | Type::Ptr(_) => Some("an address means nothing in another process: send data"),
        Type::Paren(inner) => unfit_type(&inner.elem),
        Type::Path(path) => path.path.segments.iter().flat_map(arguments).find_map(unfit_type),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(unfit_type),
        Type::Array(array) => unfit_type(&array.elem),
        _ => None,
    }
}

/// The types among a path segment's arguments.
fn arguments(segment: &PathSegment) -> impl Iterator<Item = &Type> {
    let arguments = match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        _ => None,
    };
    arguments.into_iter().flatten().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(source: &str) -> syn::Result<Signature> {
        read(&syn::parse_str(source).unwrap_or_else(|error| panic!("{source}: {error}")))
    }

    #[test]
    fn everything_a_service_cannot_have_is_said_at_once() {
        let source = "const unsafe extern fn get_<'a, T>(&self, (a, b): (u8, fn()), c: Vec<&'a str>) -> impl Sized {}";
        let errors = read_text(source).err().into_iter().flatten();
        let said: Vec<_> = errors.map(|error| error.to_string()).collect();
        let about = ["host name", "generic", "const", "extern", "unsafe", "self", "address", "needs a name"];
        assert!(about.iter().all(|word| said.iter().any(|said| said.contains(word))), "{said:?}");
        assert!(said.iter().any(|said| said.contains("own the value")), "{said:?}");
        assert!(said.iter().any(|said| said.contains("one type: name it")), "{said:?}");
        assert_eq!(said.len(), about.len() + 2, "{said:?}");
    }

    #[test]
    fn what_wraps_the_value_is_taken_off() {
        let of = |source: &str| {
            let text = |ty: &Type| ty.to_token_stream().to_string();
            read_text(source).map(|read| (read.fallible, text(&read.call), text(&read.value))).ok()
        };
        let is = |fallible, call: &str, value: &str| Some((fallible, call.to_owned(), value.to_owned()));
        assert_eq!(of("fn f(mut a: u8) -> std::io::Result<Option<u8>> {}"), is(true, "Option < u8 >", "u8"));
        assert_eq!(of("async fn f() -> Result<u8, String> {}"), is(true, "u8", "u8"));
        assert_eq!(of("fn f() -> Option<Result<u8>> {}"), is(false, "Option < Result < u8 > >", "Result < u8 >"));
        assert_eq!(of("fn f() {}"), is(false, "()", "()"));
    }
}
