//! What a library rests on beside the app's own files: files and variables that rustc says it read (its dep-info),
//! whatever wrote their names: `concat!`, a `macro_rules!`, a macro of another crate.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use app::ServiceSlice;
use serde::{Deserialize, Serialize};

use crate::error::BuildError;
use crate::profile::Profile;
use crate::recipe::Recipe;
use crate::{files, hash, recipe};

/// What a library rests on beside the app's own files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outside {
    /// Files, absolute.
    pub(crate) files: BTreeSet<PathBuf>,
    /// Files that are named relative to the app's file, to be found beside a slice as they are beside the file.
    pub(crate) linked: BTreeSet<PathBuf>,
    /// Environment variables.
    pub(crate) variables: BTreeSet<String>,
}

/// What rustc read, as its dep-info says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct DepInfo {
    pub(crate) files: BTreeSet<PathBuf>,
    pub(crate) variables: BTreeSet<String>,
}

impl DepInfo {
    /// Reads the text of a dep-info file, which is a Makefile: `made: file file\ with\ blanks`, and comments
    /// `# env-dep:NAME=value` or, of a variable that is not set, `# env-dep:NAME`.
    pub(crate) fn read(text: &str) -> Self {
        let mut info = Self::default();
        for line in text.lines() {
            if let Some(variable) = line.strip_prefix("# env-dep:") {
                let name = variable.split('=').next().unwrap_or(variable);
                info.variables.insert(name.to_owned());
            } else if let Some((_, read)) = line.split_once(": ").filter(|_| !line.starts_with('#')) {
                info.files.extend(words(read));
            }
        }
        info
    }
}

/// Words parted by blanks that no backslash is before.
fn words(line: &str) -> Vec<PathBuf> {
    let (mut words, mut word, mut rest) = (Vec::new(), String::new(), line.chars());
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some(' ') => word.push(' '),
                Some(other) => word.extend(['\\', other]),
                None => word.push('\\'),
            },
            ' ' => words.push(std::mem::take(&mut word)),
            other => word.push(other),
        }
    }
    words.push(word);
    words.into_iter().filter(|word| !word.is_empty()).map(PathBuf::from).collect()
}

impl Outside {
    /// What is not the slice's own of what rustc read. `sources` stands for `folder`, the user's.
    pub(crate) fn of(info: DepInfo, slice: &ServiceSlice, sources: &Path, folder: &Path, recipe: &Recipe) -> Self {
        let mut outside = Self::default();
        for file in info.files {
            match file.strip_prefix(sources) {
                Ok(inside) if slice.files.contains_key(inside) || slice.included.contains(inside) => {}
                Ok(inside) => {
                    outside.linked.insert(inside.to_owned());
                    outside.files.insert(folder.join(inside));
                }
                Err(_) => drop(outside.files.insert(folder.join(file))),
            }
        }
        // Those are part of the recipe's key.
        let known = |name: &String| recipe.environment.contains_key(name);
        outside.variables = info.variables.into_iter().filter(|name| !known(name)).collect();
        outside
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.variables.is_empty()
    }

    /// Hash over what the files hold and the variables say now; empty where there are none.
    pub(crate) fn hash(&self, folder: &Path, profile: Profile) -> String {
        if self.is_empty() {
            return String::new();
        }
        let mut words = Vec::new();
        for file in &self.files {
            let name = match profile {
                Profile::Dev | Profile::Debug => file.as_path(),
                // The same on every machine: where it lies is no part of it.
                Profile::Optimised => {
                    file.strip_prefix(folder).unwrap_or(Path::new(file.file_name().unwrap_or_default()))
                }
            };
            words.push(format!("{}={:?}", name.display(), hash::file(file)));
        }
        words.sort();
        for name in &self.variables {
            // What cargo sets for the programs it runs is not handed on to rustc.
            let value = std::env::var_os(name).filter(|_| !recipe::is_kept_back(name));
            words.push(format!("{name}={value:?}"));
        }
        hash::parts(words.iter().map(String::as_bytes))
    }
}

/// Variables that a text names in `env!` and `option_env!`: known before rustc says so.
pub(crate) fn named_in(text: &str) -> BTreeSet<String> {
    let calls = text.split("env!").skip(1).filter_map(|after| {
        let after = after.trim_start().strip_prefix(['(', '[', '{'])?.trim_start().strip_prefix('"')?;
        Some(after.split('"').next()?.to_owned())
    });
    calls.filter(|name| !name.is_empty()).collect()
}

/// Files that rustc did not find below `sources`, as its words name them, though the user has them in `folder`.
pub(crate) fn missed(stderr: &str, sources: &Path, folder: &Path) -> BTreeSet<PathBuf> {
    let paths = stderr.split("couldn't read `").skip(1).filter_map(|after| after.split('`').next());
    let inside = paths.filter_map(|path| Some(Path::new(path).strip_prefix(sources).ok()?.to_owned()));
    inside.filter(|inside| folder.join(inside).is_file() && !sources.join(inside).exists()).collect()
}

/// What is remembered of it, by service and by what else the service is built from.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    folder: PathBuf,
}

impl Memory {
    pub(crate) fn new(cache: &Path) -> Self {
        Self { folder: cache.join("outside") }
    }

    /// What a library with this key rests on; where nothing is known of it, what the service's last one did.
    pub(crate) fn recall(&self, root: &Path, service: &str, key: &str) -> Option<Outside> {
        let folder = self.of(root, service);
        [key, LAST].iter().find_map(|name| {
            let text = fs::read(folder.join(format!("{name}.json"))).ok()?;
            serde_json::from_slice(&text).ok()
        })
    }

    pub(crate) fn keep(&self, root: &Path, service: &str, key: &str, outside: &Outside) -> Result<(), BuildError> {
        let folder = self.of(root, service);
        let text = serde_json::to_vec(outside)
            .map_err(|error| BuildError::Unreadable { program: "dep-info".to_owned(), words: error.to_string() })?;
        let changed = files::write_changed(&folder.join(format!("{LAST}.json")), &text)?;
        if changed || !outside.is_empty() {
            files::write_changed(&folder.join(format!("{key}.json")), &text)?;
        }
        Ok(())
    }

    /// A folder for each service of each app.
    fn of(&self, root: &Path, service: &str) -> PathBuf {
        self.folder.join(hash::parts([root.as_os_str().as_encoded_bytes(), service.as_bytes()]))
    }
}

const LAST: &str = "last";

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn dep_info_names_files_and_variables() {
        let text = "library.so: /w/d/app.rs /home/me/my\\ data/g.txt /a\\b.txt\n\n/w/d/app.rs:\n\n# env-dep:G=a = b\n# env-dep:H\n";
        let info = DepInfo::read(text);
        let files = ["/w/d/app.rs", "/home/me/my data/g.txt", "/a\\b.txt"].map(PathBuf::from);
        assert_eq!(info, DepInfo { files: files.into(), variables: ["G", "H"].map(str::to_owned).into() });
    }

    #[test]
    fn variables_named_in_a_text_are_found() {
        let text = r#"option_env!("A"), env! ( "B", "set B"), env![ "C" ], env!(concat!("D")), env!("")"#;
        assert_eq!(named_in(text), ["A", "B", "C"].map(str::to_owned).into());
    }

    #[test]
    fn a_file_that_only_the_user_has_is_missed() {
        let folder = tempfile::tempdir().unwrap();
        let sources = folder.path().join("w/d");
        fs::create_dir_all(folder.path().join("me/data")).unwrap();
        fs::create_dir_all(&sources).unwrap();
        fs::write(folder.path().join("me/data/g.txt"), "g").unwrap();
        let said = |path: &str| format!("error: couldn't read `{}`: No such file", sources.join(path).display());
        let stderr = [said("data/g.txt"), said("data/h.txt"), "couldn't read `/x`".to_owned()].join("\n");
        assert_eq!(missed(&stderr, &sources, &folder.path().join("me")), BTreeSet::from(["data/g.txt".into()]));
    }

    #[test]
    fn the_last_of_a_service_is_the_guess_for_the_next() {
        let cache = tempfile::tempdir().unwrap();
        let memory = Memory::new(cache.path());
        let root = Path::new("/app.rs");
        assert_eq!(memory.recall(root, "get", "1"), None);
        let one = Outside { variables: ["G".to_owned()].into(), ..Outside::default() };
        memory.keep(root, "get", "1", &one).unwrap();
        assert_eq!(memory.recall(root, "get", "2"), Some(one.clone()));
        memory.keep(root, "get", "2", &Outside::default()).unwrap();
        assert_eq!(memory.recall(root, "get", "1"), Some(one));
        assert_eq!(memory.recall(root, "get", "3"), Some(Outside::default()));
        assert_eq!(memory.recall(root, "other", "1"), None);
    }
}
