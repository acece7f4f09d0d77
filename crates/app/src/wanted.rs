//! Which files an app still lacks.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;

use crate::memory::{self, Memory};
use crate::nesting;
use crate::seen::Seen;
use crate::sources::{Missing, Sources, folder, folder_of_module};
use crate::unit::Home;

/// The files that are mentioned and neither there nor known to be absent. Bring them and ask again, until there
/// are none. Reads tokens, not the grammar: a text that does not parse still names its files.
pub fn wanted(sources: &Sources) -> BTreeSet<Missing> {
    wanted_by(sources, None)
}

/// [`wanted`], of files that can be read from what is known of them.
fn wanted_by(sources: &Sources, mut memory: Option<&mut Memory>) -> BTreeSet<Missing> {
    let mut wanted = BTreeSet::new();
    let mut seen_files = BTreeSet::new();
    let mut open = vec![(sources.root.clone(), folder(&sources.root))];
    while let Some((file, modules)) = open.pop() {
        let Some(text) = sources.texts.get(&file).filter(|_| seen_files.insert(file.clone())) else { continue };
        let home = Home { file: &file, modules: &modules, is_root: file == sources.root };
        let seen = match memory.as_mut().map(|memory| memory.read(text, home)) {
            Some(Ok(known)) => known.units.iter().map(|unit| unit.content.seen.clone()).collect(),
            Some(Err(_)) | None => vec![of_text(text, home)],
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

impl Memory {
    /// [`wanted()`], reading only what changed since the last time.
    pub fn wanted(&mut self, sources: &Sources) -> BTreeSet<Missing> {
        // A reader that fails is told by `parse`; files are found all the same.
        nesting::on_deep_stack(|| wanted_by(sources, Some(self))).unwrap_or_else(|_| wanted(sources))
    }
}

/// The files that a text names, whether or not it can be read.
fn of_text(raw: &str, home: Home<'_>) -> Seen {
    let mut seen = Seen::default();
    if let Ok(tokens) = memory::text_of(raw, home.is_root).parse::<TokenStream>()
        && nesting::too_deep(&tokens).is_none()
    {
        seen.look(home.file, tokens, home.modules, true);
    }
    seen
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

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
