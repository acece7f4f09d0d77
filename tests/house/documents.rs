//! The documents: README, the guide and the rest, taken apart into prose and blocks of code.

use std::path::{Path, PathBuf};
use std::{fs, iter};

/// A document, by its path from the root.
pub(crate) struct Document {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// A block of code: its language, and its lines.
pub(crate) struct Block<'a> {
    pub(crate) language: &'a str,
    pub(crate) lines: Vec<&'a str>,
}

/// The chapters of the guide, with their summary.
pub(crate) const GUIDE: &str = "docs/guide/src";

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a user reads: README and the guide.
pub(crate) fn of_users() -> Vec<Document> {
    iter::once(read("README.md".to_owned())).chain(folder(GUIDE)).collect()
}

/// Every document of the repository.
pub(crate) fn all() -> Vec<Document> {
    ["", "docs", "docs/decisions", GUIDE].iter().flat_map(|name| folder(name)).collect()
}

/// The documents of a folder, sorted by name.
pub(crate) fn folder(name: &str) -> Vec<Document> {
    let entries = fs::read_dir(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let paths = entries.map(|entry| entry.expect("a folder entry").path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|is| is == "md")).collect();
    paths.sort();
    let names = paths.iter().map(|path| path.strip_prefix(root()).expect("below the root").to_string_lossy());
    names.map(|name| read(name.into_owned())).collect()
}

fn read(name: String) -> Document {
    let text = fs::read_to_string(root().join(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    Document { name, text }
}

impl Document {
    /// Lines outside blocks of code.
    pub(crate) fn prose(&self) -> Vec<&str> {
        self.parts().0
    }

    /// Blocks of code.
    pub(crate) fn blocks(&self) -> Vec<Block<'_>> {
        self.parts().1
    }

    fn parts(&self) -> (Vec<&str>, Vec<Block<'_>>) {
        let (mut prose, mut blocks, mut is_code) = (Vec::new(), Vec::<Block<'_>>::new(), false);
        for line in self.text.lines() {
            if let Some(language) = line.trim_start().strip_prefix("```") {
                is_code = !is_code;
                if is_code {
                    blocks.push(Block { language, lines: Vec::new() });
                }
            } else if is_code {
                blocks.last_mut().expect("the block that is open").lines.push(line);
            } else {
                prose.push(line);
            }
        }
        assert!(!is_code, "{}: a block of code is not closed", self.name);
        (prose, blocks)
    }
}
