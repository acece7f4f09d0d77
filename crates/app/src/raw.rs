//! Names in tokens nobody has parsed: of macros that are no code, of attributes and of the strings in them.

use std::ops::Range;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

use crate::mention::{Hidden, Manner};
use crate::syntax::is_named;
use crate::walk::Walk;

/// Keys of serde's attributes whose strings are names in data and no paths in code.
const DATA: [&str; 10] = [
    "rename",
    "rename_all",
    "rename_all_fields",
    "alias",
    "tag",
    "content",
    "expecting",
    "serialize",
    "deserialize",
    "doc",
];

impl Walk {
    /// Notes paths, methods, names captured by format strings and included files. `at` is where the tokens stand when
    /// they are the text of a string.
    pub(crate) fn tokens(&mut self, tokens: TokenStream, at: Option<&Range<usize>>, manner: Manner) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut next = 0;
        while let Some(token) = tokens.get(next) {
            let before = &tokens[..next];
            match token {
                TokenTree::Group(group) => {
                    if ends_in(before, "#")
                        && let Some(name) = mark(group)
                    {
                        let range = at.cloned().unwrap_or_else(|| group.span().byte_range());
                        self.found.hidden.push((Hidden::InMacro(name), range));
                    }
                    self.tokens(group.stream(), at, manner);
                }
                TokenTree::Literal(literal) => {
                    let range = at.cloned().unwrap_or_else(|| literal.span().byte_range());
                    self.captures(&literal.to_string(), &range);
                }
                TokenTree::Ident(name) if is_method(before) => {
                    self.found.methods.insert(name.to_string());
                }
                TokenTree::Ident(word) if word == "static" && !ends_in(before, "'") => {
                    // `static NAME` and `static ref NAME`, which is `lazy_static!`'s.
                    let mut names = tokens[next + 1..].iter().take(2);
                    let name = names.find(|name| !matches!(name.to_string().as_str(), "ref" | "mut"));
                    if let Some(TokenTree::Ident(name)) = name {
                        let range = at.cloned().unwrap_or_else(|| name.span().byte_range());
                        self.found.statics.push((name.to_string(), range));
                    }
                }
                // `'name` and `$name` name nothing outside, `$crate::name` does.
                TokenTree::Ident(name) if ends_in(before, "'") || ends_in(before, "$") && name != "crate" => {
                    // `$name!(…)` calls what only its caller knows.
                    if matches!(tokens.get(next + 1), Some(TokenTree::Punct(bang)) if bang.as_char() == '!') {
                        self.found.macros.insert("$".to_owned());
                    }
                }
                TokenTree::Ident(first) => {
                    self.found.has_impl |= first == "impl";
                    let mut segments = vec![first.to_string()];
                    while let [TokenTree::Punct(a), TokenTree::Punct(b), TokenTree::Ident(segment), ..] =
                        &tokens[next + 1..]
                        && a.as_char() == ':'
                        && b.as_char() == ':'
                    {
                        segments.push(segment.to_string());
                        next += 3;
                    }
                    let after = &tokens[next + 1..];
                    if let [TokenTree::Punct(bang), TokenTree::Group(group), ..] = after
                        && bang.as_char() == '!'
                    {
                        self.found.macros.extend(segments.last().cloned());
                        self.built_in(segments.last().map_or("", String::as_str), group.stream());
                    }
                    let range = at.cloned().unwrap_or_else(|| first.span().byte_range());
                    let manner = if manner == Manner::Tokens && is_called(after) { Manner::Code } else { manner };
                    self.mention(segments, &range, manner);
                }
                TokenTree::Punct(_) => {}
            }
            next += 1;
        }
    }

    /// What stands in an attribute's brackets: `#[serde(with = "module", default = "function")]`.
    pub(crate) fn attribute(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (number, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => self.attribute(group.stream()),
                TokenTree::Literal(literal) => {
                    let key = number.checked_sub(2).map(|key| tokens[key].to_string()).unwrap_or_default();
                    let text = syn::parse2::<syn::LitStr>(TokenTree::Literal(literal.clone()).into());
                    if let Ok(text) = text
                        && !DATA.contains(&key.as_str())
                        && let Ok(inside) = text.value().parse()
                        && crate::nesting::too_deep(&inside).is_none()
                    {
                        if matches!(key.as_str(), "with" | "crate") {
                            self.found.crates.extend(text.value().split("::").next().map(str::to_owned));
                        }
                        self.tokens(inside, Some(&text.span().byte_range()), Manner::Text);
                    }
                }
                _ => {}
            }
        }
        // Names outside strings, keys left out: `#[derive(Serialize)]`.
        let names = tokens.iter().enumerate().filter(|(number, token)| match token {
            TokenTree::Group(_) | TokenTree::Literal(_) => false,
            TokenTree::Ident(_) => {
                !matches!(tokens.get(number + 1), Some(TokenTree::Punct(sign)) if sign.as_char() == '=')
            }
            TokenTree::Punct(_) => true,
        });
        self.tokens(names.map(|(_, token)| token.clone()).collect(), None, Manner::Tokens);
    }
}

/// Whether what follows is a name after a dot, and not after the dots of a range.
fn is_method(before: &[TokenTree]) -> bool {
    let dot = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == '.');
    let joint = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.spacing() == Spacing::Joint);
    match before {
        [.., earlier, last] => dot(last) && !(dot(earlier) && joint(earlier)),
        [last] => dot(last),
        [] => false,
    }
}

fn ends_in(before: &[TokenTree], sign: &str) -> bool {
    before.last().is_some_and(|token| matches!(token, TokenTree::Punct(punct) if punct.to_string() == sign))
}

/// The mark of ours in an attribute's brackets.
fn mark(group: &proc_macro2::Group) -> Option<String> {
    let attribute = format!("#{group}");
    let parsed = syn::parse::Parser::parse_str(syn::Attribute::parse_outer, &attribute).ok()?;
    let name = ["service", "placed"].into_iter().find(|name| parsed.iter().any(|of| is_named(of, name)))?;
    (group.delimiter() == Delimiter::Bracket).then(|| name.to_owned())
}

/// Whether what comes after a path calls it.
fn is_called(after: &[TokenTree]) -> bool {
    matches!(after.first(), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis)
}
