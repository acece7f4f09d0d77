//! The user's types as JSON sees them: what a value is made of, for whoever helps to write one.

use syn::punctuated::Punctuated;
use syn::{Attribute, Fields, Item, LitStr, Token};

/// A struct or enum of the app, under the names that serde gives its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Named fields, each with its type as written.
    Struct(Vec<(String, String)>),
    /// Variants.
    Enum(Vec<String>),
}

/// The shape of an item that has one.
pub(crate) fn read(item: &Item) -> Option<Shape> {
    match item {
        Item::Struct(item) => fields(&item.attrs, &item.fields),
        Item::Enum(item) => Some(variants(item)),
        _ => None,
    }
}

fn fields(attributes: &[Attribute], fields: &Fields) -> Option<Shape> {
    let Fields::Named(named) = fields else { return None };
    let case = Serde::of(attributes).rename_all;
    let field = |field: &syn::Field| {
        let serde = Serde::of(&field.attrs);
        let name = field.ident.as_ref()?.to_string();
        let name = name.strip_prefix("r#").map_or(name.clone(), str::to_owned);
        let ty = &field.ty;
        (!serde.skip).then(|| {
            let renamed = serde.rename.unwrap_or_else(|| recase(&name, case.as_deref(), false));
            (renamed, quote::quote!(#ty).to_string().replace(' ', ""))
        })
    };
    Some(Shape::Struct(named.named.iter().filter_map(field).collect()))
}

fn variants(item: &syn::ItemEnum) -> Shape {
    let case = Serde::of(&item.attrs).rename_all;
    let variant = |variant: &syn::Variant| {
        let serde = Serde::of(&variant.attrs);
        let name = variant.ident.to_string();
        (!serde.skip).then(|| serde.rename.unwrap_or_else(|| recase(&name, case.as_deref(), true)))
    };
    Shape::Enum(item.variants.iter().filter_map(variant).collect())
}

/// What `#[serde(…)]` says of a name.
#[derive(Default)]
struct Serde {
    rename: Option<String>,
    rename_all: Option<String>,
    skip: bool,
}

impl Serde {
    fn of(attributes: &[Attribute]) -> Self {
        let mut said = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
            let Ok(metas) = attribute.parse_args_with(Punctuated::<syn::Meta, Token![,]>::parse_terminated) else {
                continue;
            };
            for meta in metas {
                match &meta {
                    syn::Meta::Path(path) if path.is_ident("skip") => said.skip = true,
                    syn::Meta::NameValue(pair) => {
                        let value = &pair.value;
                        let text = syn::parse2::<LitStr>(quote::quote!(#value)).map(|text| text.value()).ok();
                        if pair.path.is_ident("rename") {
                            said.rename = text;
                        } else if pair.path.is_ident("rename_all") {
                            said.rename_all = text;
                        }
                    }
                    _ => {}
                }
            }
        }
        said
    }
}

/// A name under serde's `rename_all`: <https://serde.rs/container-attrs.html#rename_all>. Fields are written in
/// `snake_case`, variants in `PascalCase`.
pub(crate) fn recase(name: &str, case: Option<&str>, is_variant: bool) -> String {
    let words: Vec<String> = if is_variant { pascal_words(name) } else { name.split('_').map(str::to_owned).collect() };
    let lower = |word: &String| word.to_lowercase();
    let capital = |word: &String| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    };
    match case {
        Some("lowercase") => name.to_lowercase(),
        Some("UPPERCASE") => name.to_uppercase(),
        Some("PascalCase") => words.iter().map(capital).collect(),
        Some("camelCase") => {
            words.iter().enumerate().map(|(at, word)| if at == 0 { lower(word) } else { capital(word) }).collect()
        }
        Some("snake_case") => words.iter().map(lower).collect::<Vec<_>>().join("_"),
        Some("SCREAMING_SNAKE_CASE") => words.iter().map(lower).collect::<Vec<_>>().join("_").to_uppercase(),
        Some("kebab-case") => words.iter().map(lower).collect::<Vec<_>>().join("-"),
        Some("SCREAMING-KEBAB-CASE") => words.iter().map(lower).collect::<Vec<_>>().join("-").to_uppercase(),
        _ => name.to_owned(),
    }
}

fn pascal_words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for letter in name.chars() {
        match words.last_mut() {
            Some(word) if !letter.is_uppercase() => word.push(letter),
            _ => words.push(letter.to_string()),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;
    use crate::Sources;

    #[test]
    fn types_are_named_as_serde_names_them() {
        let text = "
            #[derive(Serialize)] #[serde(rename_all = \"camelCase\")]
            struct Reading { sensor_id: String, #[serde(rename = \"v\")] value: Option<f64>, #[serde(skip)] hidden: u8 }
            #[serde(rename_all = \"kebab-case\")] enum Kind { OutsideAir, Wind }
            struct Unit; struct Pair(u8, u8);
            fn main() {}
        ";
        let mut sources = Sources { root: PathBuf::from("app.rs"), ..Sources::default() };
        sources.texts.insert(PathBuf::from("app.rs"), Arc::from(text));
        let types = crate::parse(&sources).0.types();
        let field = |name: &str, ty: &str| (name.to_owned(), ty.to_owned());
        assert_eq!(types["Reading"], Shape::Struct(vec![field("sensorId", "String"), field("v", "Option<f64>")]));
        assert_eq!(types["Kind"], Shape::Enum(vec!["outside-air".to_owned(), "wind".to_owned()]));
        assert_eq!(types.len(), 2);
    }

    #[test]
    fn every_case_of_serde_is_known() {
        let cases = [
            ("lowercase", "sensor_id", "outsideair"),
            ("UPPERCASE", "SENSOR_ID", "OUTSIDEAIR"),
            ("PascalCase", "SensorId", "OutsideAir"),
            ("camelCase", "sensorId", "outsideAir"),
            ("snake_case", "sensor_id", "outside_air"),
            ("SCREAMING_SNAKE_CASE", "SENSOR_ID", "OUTSIDE_AIR"),
            ("kebab-case", "sensor-id", "outside-air"),
            ("SCREAMING-KEBAB-CASE", "SENSOR-ID", "OUTSIDE-AIR"),
        ];
        for (case, field, variant) in cases {
            assert_eq!(recase("sensor_id", Some(case), false), field);
            assert_eq!(recase("OutsideAir", Some(case), true), variant);
        }
    }
}
