//! The texts an app is read from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proc_macro2::{TokenStream, TokenTree};

use crate::condition;
use crate::memory::{self, Memory};
use crate::nesting;
use crate::unit::Home;

/// The texts an app is read from, brought by the caller.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file the user named, with the path as he named it.
    pub root: PathBuf,
    /// Texts of the root file and of its `mod x;` files.
    pub texts: BTreeMap<PathBuf, Arc<str>>,
    /// Content hashes of files named in `include_str!`, `include_bytes!` and `include!`.
    pub included: BTreeMap<PathBuf, String>,
    /// The environment the app is compiled in: what `env!` and `option_env!` read is part of what a service means.
    pub environment: BTreeMap<String, String>,
    /// Wanted and not there, with the reason.
    pub absent: BTreeMap<PathBuf, String>,
}

/// A file the app mentions and `Sources` does not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    /// The file of a `mod x;`: the first of these that exists.
    Module(Vec<PathBuf>),
    /// A file whose content is part of the code.
    Included(PathBuf),
}

/// The files that are mentioned and neither there nor known to be absent. Bring them and ask again, until there
/// are none. Reads tokens, not the grammar: a text that does not parse still names its files.
pub fn wanted(sources: &Sources) -> BTreeSet<Missing> {
    wanted_by(sources, None)
}

/// [`wanted`], of files that can be read from what is known of them.
pub(crate) fn wanted_by(sources: &Sources, mut memory: Option<&mut Memory>) -> BTreeSet<Missing> {
    let mut wanted = BTreeSet::new();
    let mut seen_files = BTreeSet::new();
    let mut open = vec![(sources.root.clone(), folder(&sources.root))];
    while let Some((file, modules)) = open.pop() {
        let Some(text) = sources.texts.get(&file).filter(|_| seen_files.insert(file.clone())) else { continue };
        let home = Home { file: &file, modules: &modules, is_root: file == sources.root };
        let seen = match memory.as_mut().map(|memory| memory.read(text, home)) {
            Some(Ok(known)) => known.units.iter().map(|unit| unit.content.seen.clone()).collect(),
            Some(Err(_)) | None => vec![Seen::of_text(text, home)],
        };
        for (candidates, is_named) in seen.iter().flat_map(|seen| &seen.modules) {
            match candidates.iter().find(|path| sources.texts.contains_key(*path)) {
                Some(found) => open.push((found.clone(), folder_of_module(found, *is_named))),
                None if candidates.iter().all(|path| sources.absent.contains_key(path)) => {}
                None => drop(wanted.insert(Missing::Module(candidates.clone()))),
            }
        }
        for path in seen.iter().flat_map(|seen| &seen.included) {
            let path = folder(&file).join(path);
            if !sources.included.contains_key(&path) && !sources.absent.contains_key(&path) {
                wanted.insert(Missing::Included(path));
            }
        }
    }
    // Positions live in a table of this thread that grows with every text; nothing refers to it any more.
    proc_macro2::extra::invalidate_current_thread_spans();
    wanted
}

/// The folder a file is in.
pub(crate) fn folder(file: &Path) -> PathBuf {
    file.parent().map(Path::to_owned).unwrap_or_default()
}

/// Where the modules declared in a module's file are looked for. A file named by `#[path]` counts as a `mod.rs`.
pub(crate) fn folder_of_module(file: &Path, is_named: bool) -> PathBuf {
    let owns_folder = is_named || file.file_name().is_some_and(|name| name == "mod.rs");
    if owns_folder { folder(file) } else { file.with_extension("") }
}

/// Where the modules declared in an inline module are looked for.
pub(crate) fn folder_of_inline(file: &Path, modules: &Path, name: &str, path: Option<&str>, top: bool) -> PathBuf {
    match path {
        Some(path) if top => folder(file).join(path),
        Some(path) => modules.join(path),
        None => modules.join(name.trim_start_matches("r#")),
    }
}

/// Where a `mod name;` may be: `modules` is the folder of its parent's modules. A `#[path]` is relative to the
/// folder of the file, inside an inline module to that of its modules.
pub(crate) fn candidates(file: &Path, modules: &Path, name: &str, path: Option<&str>, top: bool) -> Vec<PathBuf> {
    match path {
        Some(path) if top => vec![folder(file).join(path)],
        Some(path) => vec![modules.join(path)],
        None => {
            let name = name.trim_start_matches("r#");
            vec![modules.join(format!("{name}.rs")), modules.join(name).join("mod.rs")]
        }
    }
}

/// The files that tokens name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Candidates, and whether they come from a `#[path]`.
    pub(crate) modules: Vec<(Vec<PathBuf>, bool)>,
    pub(crate) included: BTreeSet<String>,
}

impl Seen {
    /// The files that a text names, whether or not it can be read.
    fn of_text(raw: &str, home: Home<'_>) -> Self {
        let mut seen = Self::default();
        if let Ok(tokens) = memory::text_of(raw, home.is_root).parse::<TokenStream>()
            && nesting::too_deep(&tokens).is_none()
        {
            seen.look(home.file, tokens, home.modules, true);
        }
        seen
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(texts: &[(&str, &str)]) -> Sources {
        let texts = texts.iter().map(|(path, text)| (PathBuf::from(path), Arc::from(*text)));
        Sources { root: PathBuf::from("a/app.rs"), texts: texts.collect(), ..Sources::default() }
    }

    fn module(paths: &[&str]) -> Missing {
        Missing::Module(paths.iter().map(PathBuf::from).collect())
    }

    #[test]
    fn modules_are_looked_for_as_rustc_does() {
        let found = wanted(&sources(&[("a/app.rs", "mod x; mod y { mod z; } #[path = \"w.rs\"] mod v; fn f() {}")]));
        let expected = [module(&["a/w.rs"]), module(&["a/x.rs", "a/x/mod.rs"]), module(&["a/y/z.rs", "a/y/z/mod.rs"])];
        assert_eq!(found, BTreeSet::from(expected));
    }

    #[test]
    fn modules_of_modules_are_followed() {
        let found =
            wanted(&sources(&[("a/app.rs", "mod x; mod y;"), ("a/x.rs", "mod in_x;"), ("a/y/mod.rs", "mod in_y;")]));
        assert_eq!(
            found,
            BTreeSet::from([module(&["a/x/in_x.rs", "a/x/in_x/mod.rs"]), module(&["a/y/in_y.rs", "a/y/in_y/mod.rs"])])
        );
    }

    #[test]
    fn included_files_are_relative_to_the_file_that_names_them() {
        let text = "const A: &str = include_str!(\"../d.csv\"); fn f() { std::include_bytes!(\"/e\"); }";
        let mut sources = sources(&[("a/app.rs", text)]);
        assert_eq!(
            wanted(&sources),
            BTreeSet::from([Missing::Included("/e".into()), Missing::Included("a/../d.csv".into())])
        );
        sources.included.insert("/e".into(), "hash".to_owned());
        sources.absent.insert("a/../d.csv".into(), "no such file".to_owned());
        assert_eq!(wanted(&sources), BTreeSet::new());
    }
}
