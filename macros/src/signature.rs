//! What a service's function looks like.

use proc_macro2::Ident;
use syn::visit::{self, Visit};
use syn::{FnArg, GenericArgument, ItemFn, Pat, PathArguments, ReturnType, Type, TypeImplTrait, TypeReference};

/// A signature a service can have.
pub(crate) struct Signature {
    /// Name and type of each input.
    pub(crate) inputs: Vec<(Ident, Type)>,
    /// What a call gives: a `Result` around it taken off.
    pub(crate) call: Type,
    /// What a flow goes on with: an `Option` around it taken off, too.
    pub(crate) value: Type,
    /// Whether a `Result` was taken off.
    pub(crate) fallible: bool,
}

/// Reads a signature, or says all that a service cannot have.
pub(crate) fn read(function: &ItemFn) -> syn::Result<Signature> {
    let signature = &function.sig;
    let mut wrong = Vec::new();
    if !signature.generics.params.is_empty() || signature.generics.where_clause.is_some() {
        let words = "a service cannot be generic: its inputs arrive as JSON of one type";
        wrong.push(match &signature.generics.where_clause {
            Some(clause) if signature.generics.params.is_empty() => syn::Error::new_spanned(clause, words),
            _ => syn::Error::new_spanned(&signature.generics, words),
        });
    }
    if let Some(abi) = &signature.abi {
        wrong.push(syn::Error::new_spanned(abi, "a service cannot be extern"));
    }
    let is_unsafe = !matches!(signature.safety, syn::Safety::Default);
    if is_unsafe {
        wrong.push(syn::Error::new_spanned(&signature.safety, "a service cannot be unsafe: anyone may call it"));
    }
    if let Some(variadic) = &signature.variadic {
        wrong.push(syn::Error::new_spanned(variadic, "a service has a fixed number of inputs"));
    }
    let mut inputs = Vec::new();
    for input in &signature.inputs {
        match input {
            FnArg::Receiver(this) => {
                wrong.push(syn::Error::new_spanned(this, "a service has no self: it is a function of its own"));
            }
            FnArg::Typed(input) => match &*input.pat {
                Pat::Ident(name) if name.subpat.is_none() && name.by_ref.is_none() => {
                    wrong.extend(unfit(&input.ty));
                    inputs.push((name.ident.clone(), (*input.ty).clone()));
                }
                pattern => {
                    let words = "an input of a service needs a name: it is found by it in a request";
                    wrong.push(syn::Error::new_spanned(pattern, words));
                }
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
    let wrong = wrong.into_iter().reduce(|mut all, one| {
        all.combine(one);
        all
    });
    wrong.map_or(Ok(Signature { inputs, call, value, fallible }), Err)
}

/// The first argument of a type of that name.
fn inside(ty: &Type, name: &str) -> Option<Type> {
    let path = match ty {
        Type::Path(path) => path,
        // A type that came through a macro, or parentheses that nobody needs.
        Type::Group(group) => return inside(&group.elem, name),
        Type::Paren(paren) => return inside(&paren.elem, name),
        _ => return None,
    };
    let last = path.path.segments.last().filter(|segment| segment.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty.clone()),
        _ => None,
    })
}

/// What in a type cannot travel.
fn unfit(ty: &Type) -> Vec<syn::Error> {
    struct Unfit(Vec<syn::Error>);
    impl<'ast> Visit<'ast> for Unfit {
        fn visit_type_reference(&mut self, ty: &'ast TypeReference) {
            let words = "a reference cannot travel between services: own the value, e.g. String for &str";
            self.0.push(syn::Error::new_spanned(ty, words));
        }

        fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
            let words = "impl Trait cannot travel between services: name the type";
            self.0.push(syn::Error::new_spanned(ty, words));
        }
    }
    let mut unfit = Unfit(Vec::new());
    visit::visit_type(&mut unfit, ty);
    unfit.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<String> {
        let function = syn::parse_str(source).unwrap_or_else(|error| panic!("{error}"));
        read(&function).err().into_iter().flatten().map(|error| error.to_string()).collect()
    }

    #[test]
    fn everything_a_service_cannot_have_is_said_at_once() {
        let said = words("unsafe extern fn f<'a, T>(&self, (a, b): (u8, u8), c: Vec<&'a str>) -> impl Sized {}");
        let about = ["generic", "extern", "unsafe", "self", "needs a name", "reference", "impl Trait"];
        assert!(about.iter().all(|word| said.iter().any(|said| said.contains(word))), "{said:?}");
        assert_eq!(said.len(), about.len(), "{said:?}");
        assert_eq!(words("fn f() where u8: Copy {}").len(), 1);
    }

    #[test]
    fn what_wraps_the_value_is_taken_off() {
        let read = |source: &str| {
            let read = read(&syn::parse_str(source).unwrap_or_else(|error| panic!("{error}")));
            let text = |ty: &Type| quote::quote!(#ty).to_string();
            read.map(|read| (read.fallible, text(&read.call) == text(&read.value))).ok()
        };
        assert_eq!(read("fn f(mut a: u8) -> std::io::Result<Option<u8>> {}"), Some((true, false)));
        assert_eq!(read("async fn f() -> Result<u8, String> {}"), Some((true, true)));
        assert_eq!(read("fn f() -> Option<u8> {}"), Some((false, false)));
        assert_eq!(read("fn f() -> Vec<Option<u8>> {}"), Some((false, true)));
        assert_eq!(read("fn f() {}"), Some((false, true)));
    }
}
