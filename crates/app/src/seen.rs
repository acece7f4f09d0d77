//! The files that a text's tokens name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};

use crate::condition;
use crate::sources::{candidates, folder_of_inline};

/// The files that tokens name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Candidates, and whether they come from a `#[path]`.
    pub(crate) modules: Vec<(Vec<PathBuf>, bool)>,
    pub(crate) included: BTreeSet<String>,
}

impl Seen {
    pub(crate) fn look(&mut self, file: &Path, tokens: TokenStream, modules: &Path, top: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut path = None;
        for (at, token) in tokens.iter().enumerate() {
            match (token, &tokens[at + 1..]) {
                (TokenTree::Ident(word), [TokenTree::Ident(name), after, ..]) if word == "mod" => {
                    let (name, path) = (name.to_string(), path.take());
                    match after {
                        TokenTree::Group(body) => {
                            let inside = folder_of_inline(file, modules, &name, path.as_deref(), top);
                            self.look(file, body.stream(), &inside, false);
                        }
                        _ => {
                            let candidates = candidates(file, modules, &name, path.as_deref(), top);
                            self.modules.push((candidates, path.is_some()));
                        }
                    }
                }
                (TokenTree::Ident(word), [TokenTree::Punct(bang), TokenTree::Group(group), ..])
                    if bang.as_char() == '!'
                        && (word == "include_str" || word == "include_bytes" || word == "include") =>
                {
                    let literal = syn::parse2::<syn::LitStr>(group.stream());
                    self.included.extend(literal.ok().map(|literal| literal.value()));
                }
                (TokenTree::Punct(hash), [TokenTree::Group(group), ..]) if hash.as_char() == '#' => {
                    path = syn::parse2(group.stream()).ok().and_then(|meta| condition::path_in(&meta)).or(path);
                }
                // The body of an inline module is looked into above, with its own folder.
                (TokenTree::Group(group), _) if !is_module_body(&tokens, at) => {
                    self.look(file, group.stream(), modules, top);
                }
                (TokenTree::Punct(punct), _) if punct.as_char() == ';' => path = None,
                _ => {}
            }
        }
    }
}

fn is_module_body(tokens: &[TokenTree], at: usize) -> bool {
    at >= 2
        && matches!((&tokens[at - 2], &tokens[at - 1]), (TokenTree::Ident(word), TokenTree::Ident(_)) if word == "mod")
}
