//! A function to a service: what its signature and attributes say, and what a service cannot have.

use std::collections::BTreeSet;
use std::ops::Range;

use quote::ToTokens;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{FnArg, GenericArgument, Pat, PathArguments, ReturnType, Type};

use crate::model::{Input, Output};
use crate::options::{self, Fault, Options};
use crate::text::back;

/// The longest DNS label (RFC 1035, 2.3.4).
const LONGEST_LABEL: usize = 63;

/// A signature that was read. Ranges count as those of its item.
#[derive(Clone, Debug)]
pub(crate) struct Signed {
    pub(crate) signature: Signature,
    pub(crate) faults: Vec<Fault>,
}

/// What a service's signature says.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    pub(crate) inputs: Vec<Input>,
    pub(crate) output: Output,
    /// Of the inputs' types.
    pub(crate) input_ranges: Vec<Range<usize>>,
    /// Of the type returned, or of the name.
    pub(crate) output_range: Range<usize>,
    pub(crate) is_async: bool,
    pub(crate) options: Options,
}

impl Signed {
    /// With ranges as counted from a later byte.
    pub(crate) fn shifted(mut self, start: usize) -> Self {
        let Signature { input_ranges, output_range, options, .. } = &mut self.signature;
        let faults = self.faults.iter_mut().map(|fault| &mut fault.range);
        let texts = options.near.iter_mut().chain(&mut options.on).map(|option| &mut option.range);
        for range in input_ranges.iter_mut().chain([output_range]).chain(texts).chain(faults) {
            *range = back(range.clone(), start);
        }
        self
    }
}

fn range(spanned: &impl Spanned) -> Range<usize> {
    spanned.span().byte_range()
}

/// Reads a signature. What can be read is read whatever is wrong, so that other findings make sense.
pub(crate) fn read(function: &syn::ItemFn) -> Signed {
    let signature = &function.sig;
    let name = signature.ident.to_string();
    let mut faults = Vec::new();
    let mut wrong = |range: Range<usize>, message: String, help: &str| {
        faults.push(Fault { range, message, help: help.to_owned(), service: Some(name.clone()) });
    };
    if let Some(why) = unfit_name(&name) {
        wrong(
            range(&signature.ident),
            format!("service {name} cannot be a host name: {why}"),
            "rename it: letters, digits and single _ between them, at most 63 characters",
        );
    }
    if !signature.generics.params.is_empty() || signature.generics.where_clause.is_some() {
        let range =
            if signature.generics.params.is_empty() { range(&signature.ident) } else { range(&signature.generics) };
        wrong(range, format!("service {name} is generic"), "its inputs arrive as JSON of one type: name the type");
    }
    let qualifiers = [
        (signature.constness.as_ref().map(Spanned::span), "const"),
        (signature.abi.as_ref().map(Spanned::span), "extern"),
    ];
    for (span, word) in qualifiers {
        if let Some(span) = span {
            wrong(span.byte_range(), format!("service {name} is {word}"), "a service is a plain fn or async fn");
        }
    }
    if matches!(signature.safety, syn::Safety::Unsafe(_)) {
        wrong(
            range(&signature.safety),
            format!("service {name} is unsafe"),
            "a service is called by anyone: make it safe, with the unsafe part inside",
        );
    }
    if let Some(variadic) = &signature.variadic {
        wrong(
            range(variadic),
            format!("service {name} takes a variable number of inputs"),
            "a service's inputs have names: list them",
        );
    }
    let (mut inputs, mut input_ranges) = (Vec::new(), Vec::new());
    let mut names = BTreeSet::new();
    for input in &signature.inputs {
        match input {
            FnArg::Receiver(this) => wrong(
                range(this),
                format!("service {name} takes self"),
                "a service is a function of its own: take the value as an input",
            ),
            FnArg::Typed(typed) => {
                if let Some((word, help)) = unfit_type(&typed.ty) {
                    wrong(range(&typed.ty), format!("an input of service {name} is {word}"), help);
                }
                match &*typed.pat {
                    Pat::Ident(pattern) if pattern.subpat.is_none() && pattern.by_ref.is_none() => {
                        let name = pattern.ident.unraw().to_string();
                        if names.insert(name.clone()) {
                            let is_raw = pattern.ident != name;
                            inputs.push(Input { name, is_raw, ty: write(&typed.ty) });
                            input_ranges.push(range(&typed.ty));
                        }
                    }
                    pattern => wrong(
                        range(pattern),
                        format!("an input of service {name} has no name"),
                        "give it one, and take it apart in the body: a request finds it by its name",
                    ),
                }
            }
        }
    }
    if let ReturnType::Type(_, returned) = &signature.output
        && let Some((word, help)) = unfit_type(returned)
    {
        wrong(range(returned), format!("service {name} returns {word}"), help);
    }
    let options = options::read(function, &mut faults);
    let output_range = match &signature.output {
        ReturnType::Type(_, returned) => range(returned),
        ReturnType::Default => range(&signature.ident),
    };
    let signature = Signature {
        inputs,
        output: output(&signature.output),
        input_ranges,
        output_range,
        is_async: signature.asyncness.is_some(),
        options,
    };
    Signed { signature, faults }
}

/// Why a name is no DNS label once `_` became `-` (RFC 1123, 2.1).
fn unfit_name(name: &str) -> Option<&'static str> {
    let label = label(name);
    if name.starts_with("r#") {
        Some("it is a keyword")
    } else if !label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        Some("it has characters other than ASCII letters, digits and _")
    } else if label.starts_with('-') || label.ends_with('-') {
        Some("it begins or ends with _")
    } else if label.len() > LONGEST_LABEL {
        Some("it is longer than 63 characters")
    } else if label == "localhost" {
        Some("every machine calls itself that")
    } else {
        None
    }
}

/// The DNS label of a service. Host names know no upper case.
pub(crate) fn label(name: &str) -> String {
    name.replace('_', "-").to_ascii_lowercase()
}

fn unfit_type(ty: &Type) -> Option<(&'static str, &'static str)> {
    match ty {
        Type::Reference(_) => {
            Some(("a reference", "a reference cannot travel: own the value, e.g. String for &str, Vec<T> for &[T]"))
        }
        Type::ImplTrait(_) => Some(("impl Trait", "what travels has one type: name it")),
        Type::TraitObject(_) => Some(("a trait object", "what travels has one type: name it")),
        Type::FnPtr(_) | Type::Ptr(_) => Some(("an address", "an address means nothing in another process: send data")),
        Type::Paren(inner) => unfit_type(&inner.elem),
        Type::Path(path) => {
            // typetag has serde carry one; whether it can is rustc's to say.
            let may_own = path
                .path
                .segments
                .last()
                .is_some_and(|last| ["Box", "Rc", "Arc"].iter().any(|name| last.ident == name));
            inside(path).filter(|ty| !(may_own && matches!(ty, Type::TraitObject(_)))).find_map(unfit_type)
        }
        Type::Tuple(tuple) => tuple.elems.iter().find_map(unfit_type),
        Type::Array(array) => unfit_type(&array.elem),
        _ => None,
    }
}

fn inside(path: &syn::TypePath) -> impl Iterator<Item = &Type> {
    let arguments = path.path.segments.iter().filter_map(|segment| match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        _ => None,
    });
    arguments.flatten().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// The `T` of a `Placed<T>`.
pub(crate) fn placed_type(ty: &Type) -> Option<&Type> {
    within(ty, "Placed")
}

fn output(returned: &ReturnType) -> Output {
    let ReturnType::Type(_, written) = returned else {
        return Output {
            ty: "()".to_owned(),
            fallible: false,
            optional: false,
            written: "()".to_owned(),
            aliased: false,
        };
    };
    let (mut ty, mut fallible, mut optional) = (&**written, false, false);
    if let Some(value) = within(ty, "Result") {
        (ty, fallible) = (value, true);
    }
    if let Some(value) = within(ty, "Option") {
        (ty, optional) = (value, true);
    }
    Output { ty: write(ty), fallible, optional, written: write(written), aliased: false }
}

fn within<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// A type as a person writes it: tokens without the spaces between them that nobody sets.
pub(crate) fn write(ty: &impl ToTokens) -> String {
    let spaced = ty.to_token_stream().to_string();
    let mut text = String::with_capacity(spaced.len());
    let mut characters = spaced.chars().peekable();
    while let Some(c) = characters.next() {
        if c != ' ' {
            text.push(c);
            continue;
        }
        let before = text.chars().last().unwrap_or(' ');
        let after = characters.peek().copied().unwrap_or(' ');
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let spaced = before == ','
            || before == ';'
            || word(before) && word(after)
            || before == '+'
            || after == '+'
            || before == '='
            || after == '=';
        if spaced {
            text.push(' ');
        }
    }
    text
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn types_are_written_as_people_do() {
        for text in
            ["Vec<(String, u8)>", "[f64; 4]", "std::collections::BTreeMap<String, Vec<u8>>", "Box<dyn Send + Sync>"]
        {
            assert_eq!(write(&syn::parse_str::<Type>(text).unwrap()), text);
        }
    }

    #[test]
    fn outputs_are_taken_out_of_their_wrappings() {
        let of = |text: &str| {
            let function: syn::ItemFn = syn::parse_str(&format!("fn f() {text} {{}}")).unwrap();
            let output = output(&function.sig.output);
            (output.ty, output.fallible, output.optional)
        };
        assert_eq!(of(""), ("()".to_owned(), false, false));
        assert_eq!(of("-> f64"), ("f64".to_owned(), false, false));
        assert_eq!(of("-> Result<Option<f64>>"), ("f64".to_owned(), true, true));
        assert_eq!(of("-> std::io::Result<Vec<u8>>"), ("Vec<u8>".to_owned(), true, false));
        assert_eq!(of("-> Option<Result<f64>>"), ("Result<f64>".to_owned(), false, true));
    }

    #[test]
    fn names_are_host_names() {
        assert_eq!(unfit_name("moving_avg"), None);
        for name in ["_get", "get_", "größe", "r#type", "localhost", &"a".repeat(64)] {
            assert!(unfit_name(name).is_some(), "{name}");
        }
    }
}
