//! Tokens without what has no meaning.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Hashes tokens: spaces, comments and documentation do not count.
pub(crate) fn hash(tokens: TokenStream) -> String {
    let mut hasher = blake3::Hasher::new();
    feed(&mut hasher, tokens);
    hasher.finalize().to_hex()[..32].to_owned()
}

fn feed(hasher: &mut blake3::Hasher, tokens: TokenStream) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                // `#!` before a bracket is an inner attribute.
                let mut bang = false;
                if matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == '!') {
                    tokens.next();
                    bang = true;
                }
                if matches!(tokens.peek(), Some(TokenTree::Group(group)) if is_documentation(group)) {
                    tokens.next();
                    continue;
                }
                hasher.update(if bang { b"#!\0" } else { b"#\0" });
            }
            TokenTree::Group(group) => {
                let (open, close): (&[u8], &[u8]) = match group.delimiter() {
                    Delimiter::Parenthesis => (b"(\0", b")\0"),
                    Delimiter::Brace => (b"{\0", b"}\0"),
                    Delimiter::Bracket => (b"[\0", b"]\0"),
                    Delimiter::None => (b"", b""),
                };
                hasher.update(open);
                feed(hasher, group.stream());
                hasher.update(close);
            }
            other => {
                hasher.update(other.to_string().as_bytes());
                hasher.update(b"\0");
            }
        }
    }
}

pub(crate) fn is_documentation(group: &proc_macro2::Group) -> bool {
    let mut tokens = group.stream().into_iter();
    group.delimiter() == Delimiter::Bracket
        && matches!(tokens.next(), Some(TokenTree::Ident(name)) if name == "doc")
        && matches!(tokens.next(), Some(TokenTree::Punct(equals)) if equals.as_char() == '=')
}

/// One hash over several.
pub(crate) fn combine<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update(b"\0");
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        hash(text.parse().unwrap())
    }

    #[test]
    fn layout_and_comments_do_not_count() {
        let plain = of("fn a() -> u8 { 1 }");
        assert_eq!(plain, of("/// Said.\nfn a()\n  -> u8 { /* one */ 1 } // end"));
        assert_eq!(plain, of("#[doc = \"said\"] fn a() -> u8 { #![doc = \"inside\"] 1 }"));
        assert_ne!(plain, of("fn a() -> u8 { 2 }"));
        assert_ne!(plain, of("#[inline] fn a() -> u8 { 1 }"));
        assert_ne!(of("a b"), of("ab"));
    }
}
