//! What serde's derive makes of a struct or an enum.

use std::collections::BTreeMap;

use syn::punctuated::Punctuated;
use syn::{Attribute, Fields, ItemEnum, ItemStruct, Token, Type};

use super::attribute::{self, Both, Said};
use super::{Field, Form, SchemaRecord, SchemaVariant, Tag, Variant};
use crate::shape::recase;

type Read<'r> = &'r mut dyn FnMut(&Type) -> Form;

/// Whether a trait is derived, by its last name.
pub(super) fn derives(attributes: &[Attribute], name: &str) -> bool {
    let derives = attributes.iter().filter(|attribute| attribute.path().is_ident("derive"));
    let paths = derives
        .filter_map(|attribute| attribute.parse_args_with(Punctuated::<syn::Path, Token![,]>::parse_terminated).ok());
    paths.flatten().any(|path| path.segments.last().is_some_and(|segment| segment.ident == name))
}

/// A struct; else why it cannot be seen into.
pub(super) fn of_struct(item: &ItemStruct, read: Read<'_>) -> Result<Form, String> {
    let said = attribute::read(&item.attrs);
    seen(&said, "it")?;
    for field in &item.fields {
        always("one of its fields", &field.attrs)?;
    }
    if said.transparent {
        for field in &item.fields {
            seen(&attribute::read(&field.attrs), "its field")?;
        }
        let told = item.fields.iter().find(|field| !attribute::read(&field.attrs).skip_read);
        return told.map(|field| read(&field.ty)).ok_or_else(|| "it is transparent over nothing".to_owned());
    }
    if let Some(tag) = said.tag {
        return Err(format!("it is a struct with a tag, {tag}"));
    }
    match holds(&item.fields, &said.rename_all, &said, read)? {
        None => Ok(Form::Null),
        Some(form) => Ok(form),
    }
}

/// An enum; else why it cannot be seen into.
pub(super) fn of_enum(item: &ItemEnum, read: Read<'_>) -> Result<Form, String> {
    let said = attribute::read(&item.attrs);
    seen(&said, "it")?;
    let tag = match (&said.tag, &said.content) {
        _ if said.untagged => Tag::None,
        (Some(tag), Some(content)) => Tag::Adjacent(tag.clone(), content.clone()),
        (Some(tag), None) => Tag::Internal(tag.clone()),
        _ => Tag::External,
    };
    let mut variants = BTreeMap::new();
    for variant in &item.variants {
        let own = attribute::read(&variant.attrs);
        let name = variant.ident.to_string();
        seen(&own, &name)?;
        always(&name, &variant.attrs)?;
        for field in &variant.fields {
            always(&name, &field.attrs)?;
        }
        if own.untagged {
            return Err(format!("its variant {name} is untagged beside others"));
        }
        let case = Both {
            written: own.rename_all.written.clone().or_else(|| said.rename_all_fields.written.clone()),
            read: own.rename_all.read.clone().or_else(|| said.rename_all_fields.read.clone()),
        };
        let (written, read_from) = names(&name, &own, &said.rename_all, true);
        let inner = Said { closed: said.closed, ..Said::default() };
        let holds = holds(&variant.fields, &case, &inner, read)?;
        variants.insert(name, Variant { written, read: read_from, other: own.other, holds });
    }
    Ok(Form::Choice(SchemaVariant { tag, variants }))
}

/// What fields hold: nothing, a value, an array or an object.
fn holds(fields: &Fields, case: &Both, container: &Said, read: Read<'_>) -> Result<Option<Form>, String> {
    match fields {
        Fields::Unit => Ok(None),
        Fields::Unnamed(fields) => {
            let mut forms = Vec::new();
            for (at, field) in fields.unnamed.iter().enumerate() {
                let said = attribute::read(&field.attrs);
                seen(&said, &format!("field {at}"))?;
                if said.skip_written != said.skip_read || said.sometimes || said.default {
                    return Err(format!("its field {at} is there only sometimes"));
                }
                if !said.skip_written {
                    forms.push(read(&field.ty));
                }
            }
            // One field in brackets is written as itself.
            match (fields.unnamed.len(), forms.pop()) {
                (1, Some(form)) => Ok(Some(form)),
                (_, last) => Ok(Some(Form::Tuple(forms.into_iter().chain(last).collect()))),
            }
        }
        Fields::Named(fields) => {
            let mut record = SchemaRecord { fields: BTreeMap::new(), closed: container.closed };
            for field in &fields.named {
                let Some(name) = field.ident.as_ref().map(ToString::to_string) else { continue };
                let name = name.trim_start_matches("r#").to_owned();
                let said = attribute::read(&field.attrs);
                seen(&said, &format!("field {name}"))?;
                let (written, read_from) = names(&name, &said, case, false);
                if written.is_none() && read_from.is_empty() {
                    continue;
                }
                let form = read(&field.ty);
                let may_lack = said.default || container.default || matches!(form, Form::Optional(_));
                let field = Field {
                    written,
                    needed: !may_lack && !read_from.is_empty(),
                    read: read_from,
                    always: !said.sometimes,
                    form,
                };
                record.fields.insert(name, field);
            }
            Ok(Some(Form::Record(record)))
        }
    }
}

/// What is written and what is read for a name in Rust.
fn names(name: &str, said: &Said, case: &Both, is_variant: bool) -> (Option<String>, Vec<String>) {
    let of = |own: &Option<String>, case: &Option<String>| {
        own.clone().unwrap_or_else(|| recase(name, case.as_deref(), is_variant))
    };
    let written = (!said.skip_written).then(|| of(&said.rename.written, &case.written));
    let mut read = Vec::new();
    if !said.skip_read {
        read.push(of(&said.rename.read, &case.read));
        read.extend(said.alias.iter().cloned());
    }
    (written, read)
}

/// Refuses what is there under a condition only.
fn always(what: &str, attributes: &[Attribute]) -> Result<(), String> {
    match attributes.iter().any(|attribute| attribute.path().is_ident("cfg")) {
        true => Err(format!("{what} is there under a #[cfg(..)] alone")),
        false => Ok(()),
    }
}

/// Refuses attributes that lead to code.
fn seen(said: &Said, what: &str) -> Result<(), String> {
    match &said.code {
        Some(code) => Err(format!("{what} has #[serde({code})]")),
        None => Ok(()),
    }
}
