//! `static IMAGES: Bucket = Bucket::named("images");`: buckets of objects that the app names.

use syn::{Expr, ExprLit, Lit, Type};

use crate::diagnostic::Diagnostic;
use crate::model::{AppBucket, Service};
use crate::reader::Reader;
use crate::suggest::suggest;
use crate::text::back;
use crate::tree::{BucketNamed, Kind};

impl Reader<'_> {
    /// The buckets that statics name. A name that no store takes is a finding.
    pub(crate) fn buckets(&mut self) -> Vec<AppBucket> {
        let (mut buckets, tree) = (Vec::new(), self.tree);
        for item in &tree.items {
            let Some(named) = item.bucket.as_ref().filter(|_| !matches!(item.kind, Kind::Test)) else { continue };
            let place = tree.place(item.file, &item.at(&named.range));
            if !is_name(&named.name) {
                let finding = Diagnostic::error(format!("{:?} is no name of a bucket", named.name), place.clone());
                self.findings.push(finding.help(
                    "use 3 to 63 lower-case letters, digits, - and ., and begin and end with a letter or a digit",
                ));
            }
            buckets.push(AppBucket { name: named.name.clone(), place });
        }
        buckets
    }

    /// A service that is near a bucket which no static names is a finding.
    pub(crate) fn near(&mut self, services: &[Service], buckets: &[AppBucket]) {
        for service in services {
            let Some(near) = &service.near else { continue };
            if buckets.iter().any(|bucket| bucket.name == near.name) {
                continue;
            }
            let help = match buckets {
                [] => format!("name it: static IMAGES: Bucket = Bucket::named({:?});", near.name),
                _ => suggest(&near.name, buckets.iter().map(|bucket| bucket.name.as_str()), "buckets"),
            };
            let message = format!("{} is near {}, and no static names that bucket", service.name, near.name);
            let finding = Diagnostic::error(message, near.place.clone()).help(help);
            self.findings.push(Diagnostic { service: Some(service.name.clone()), ..finding });
        }
    }
}

/// The name that an item gives a bucket. `start`: where its range is to count from.
pub(crate) fn read(syntax: &syn::Item, start: usize) -> Option<BucketNamed> {
    let syn::Item::Static(item) = syntax else { return None };
    let Type::Path(ty) = &*item.ty else { return None };
    let Expr::Call(call) = &*item.expr else { return None };
    let Expr::Path(function) = &*call.func else { return None };
    let mut path = function.path.segments.iter().rev();
    let is_named =
        path.next().is_some_and(|last| last.ident == "named") && path.next().is_some_and(|of| of.ident == "Bucket");
    let is_bucket = ty.path.segments.last().is_some_and(|last| last.ident == "Bucket");
    match call.args.first() {
        Some(Expr::Lit(ExprLit { lit: Lit::Str(name), .. })) if is_named && is_bucket => {
            Some(BucketNamed { name: name.value(), range: back(name.span().byte_range(), start) })
        }
        // By another name than a literal: the compiler says what is wrong with it.
        _ => None,
    }
}

/// Whether S3 takes the name of a bucket; as in the runtime.
fn is_name(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| is_inner(*byte) || matches!(byte, b'-' | b'.'))
        && bytes.first().is_some_and(|first| is_inner(*first))
        && bytes.last().is_some_and(|last| is_inner(*last))
        && !name.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<String> {
        read(&syn::parse_str(text).expect("an item"), 0).map(|named| named.name)
    }

    #[test]
    fn a_static_that_names_a_bucket_is_told_from_others() {
        for text in [
            "#[placed(resize)] static IMAGES: Bucket = Bucket::named(\"images\");",
            "pub static IMAGES: dyninka::Bucket = dyninka::Bucket::named(\"images\");",
        ] {
            assert_eq!(of(text).as_deref(), Some("images"), "{text}");
        }
        for text in [
            "static IMAGES: Bucket = Bucket::new(\"images\");",
            "static IMAGES: Bucket = Bucket::named(NAME);",
            "static IMAGES: Names = Bucket::named(\"images\");",
            "static IMAGES: Bucket = Store::named(\"images\");",
            "const IMAGES: Bucket = Bucket::named(\"images\");",
            "fn images() -> Bucket { Bucket::named(\"images\") }",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn names_are_those_that_s3_takes() {
        let (longest, too_long) = ("a".repeat(63), "a".repeat(64));
        assert!(["abc", "a-b", "a.b", "1.2.3", &longest].into_iter().all(is_name));
        let wrong = ["", "ab", "Abc", "a_b", "-ab", "ab-", ".ab", "a..b", "a/b", &too_long];
        assert!(!wrong.into_iter().any(is_name));
    }
}
