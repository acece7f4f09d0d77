//! `#[serde(…)]`, as far as it decides what is written and read: <https://serde.rs/attributes.html>.

use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, Meta, MetaNameValue, Token};

/// A name that may differ between writing and reading.
#[derive(Clone, Debug, Default)]
pub(super) struct Both {
    pub(super) written: Option<String>,
    pub(super) read: Option<String>,
}

/// What the attributes of a container, field or variant say.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub(super) rename: Both,
    pub(super) rename_all: Both,
    pub(super) rename_all_fields: Both,
    pub(super) alias: Vec<String>,
    pub(super) tag: Option<String>,
    pub(super) content: Option<String>,
    pub(super) untagged: bool,
    pub(super) transparent: bool,
    pub(super) closed: bool,
    pub(super) default: bool,
    pub(super) other: bool,
    pub(super) skip_written: bool,
    pub(super) skip_read: bool,
    /// Left out when some condition holds.
    pub(super) sometimes: bool,
    /// What leads to code that is not seen into, as written.
    pub(super) code: Option<String>,
}

pub(super) fn read(attributes: &[Attribute]) -> Said {
    let mut said = Said::default();
    for attribute in attributes {
        if attribute.path().is_ident("cfg_attr") && mentions_serde(attribute) {
            said.code = Some("cfg_attr".to_owned());
        }
        if !attribute.path().is_ident("serde") {
            continue;
        }
        match attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) {
            Ok(metas) => metas.iter().for_each(|meta| said.take(meta)),
            Err(_) => said.code = Some("an attribute that cannot be read".to_owned()),
        }
    }
    said
}

fn mentions_serde(attribute: &Attribute) -> bool {
    let tokens = quote::quote!(#attribute).to_string();
    tokens.contains("serde") || tokens.contains("Serialize") || tokens.contains("Deserialize")
}

impl Said {
    fn take(&mut self, meta: &Meta) {
        let Some(name) = meta.path().get_ident().map(ToString::to_string) else {
            self.code = Some("an attribute that cannot be read".to_owned());
            return;
        };
        match name.as_str() {
            "rename" => self.rename.take(meta),
            "rename_all" => self.rename_all.take(meta),
            "rename_all_fields" => self.rename_all_fields.take(meta),
            "alias" => self.alias.extend(text(meta)),
            "tag" => self.tag = text(meta),
            "content" => self.content = text(meta),
            "untagged" => self.untagged = true,
            "transparent" => self.transparent = true,
            "deny_unknown_fields" => self.closed = true,
            "default" => self.default = true,
            "other" => self.other = true,
            "skip" => (self.skip_written, self.skip_read) = (true, true),
            "skip_serializing" => self.skip_written = true,
            "skip_deserializing" => self.skip_read = true,
            "skip_serializing_if" => self.sometimes = true,
            // They decide how code is generated or what errors say, not what is written.
            "bound" | "borrow" | "crate" | "expecting" => {}
            _ => self.code = Some(name),
        }
    }
}

impl Both {
    fn take(&mut self, meta: &Meta) {
        if let Meta::List(list) = meta {
            let pairs = list.parse_args_with(Punctuated::<MetaNameValue, Token![,]>::parse_terminated);
            for pair in pairs.into_iter().flatten() {
                let value = literal(&pair.value);
                if pair.path.is_ident("serialize") {
                    self.written = value;
                } else if pair.path.is_ident("deserialize") {
                    self.read = value;
                }
            }
            return;
        }
        let value = text(meta);
        (self.written, self.read) = (value.clone(), value);
    }
}

fn text(meta: &Meta) -> Option<String> {
    match meta {
        Meta::NameValue(pair) => literal(&pair.value),
        _ => None,
    }
}

fn literal(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}
