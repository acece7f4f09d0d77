//! The base: the crates that every service stands on, the standard library among them, as shared objects that services
//! are linked with. An edit links its own code alone, and a host has one copy of the rest, however many versions it loads.
//!
//! Only what the runtime rests on is in it. A dependency of the app's own is linked into each library, so that each
//! version has the dependency's statics to itself: a registry that takes a name once takes it of the next version, too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::builder::{Builder, MISMATCHES, Machine};
use crate::error::{BuildError, io};
use crate::linker::Linker;
use crate::profile::Profile;
use crate::recipe::Recipe;
use crate::rustc::Rustc;
use crate::types::first_error;
use crate::{artifact, files, hash};

/// Changes with how a base is made.
const FORMAT: &str = "base 1";

/// The crate's name, which code of services loads it by.
const NAME: &str = "dyninka_base";

/// What is in it, with all that these rest on.
const CRATES: [&str; 3] = ["dyninka", "serde", "serde_json"];

/// The shared objects of a base: its own and the standard library's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    key: String,
    folder: PathBuf,
    files: [Kept; 2],
}

/// A shared object that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    name: String,
    bytes: u64,
    content: String,
}

/// The bases that were found or made, by what they are made from; none where there can be none.
#[derive(Debug, Default)]
pub(crate) struct Bases(tokio::sync::Mutex<BTreeMap<String, Option<Base>>>);

impl Base {
    /// The line of code that has rustc load it.
    pub(crate) const LINE: &str = "extern crate dyninka_base as _;\n";

    /// The names of the files that a library over it needs beside it.
    pub(crate) fn names(&self) -> [&str; 2] {
        self.files.each_ref().map(|kept| kept.name.as_str())
    }

    /// The key of a library over it, from the one without: it begins likewise.
    pub(crate) fn key_over(base: Option<&Self>, key: &str) -> String {
        let Some(base) = base else { return key.to_owned() };
        let (head, rest) = key.split_at(8);
        let own = hash::parts([rest, &base.key].map(str::as_bytes));
        format!("{head}{}", &own[..rest.len()])
    }

    /// Has rustc link a library with it.
    pub(crate) fn link(&self, command: &mut Command, linker: &Linker) {
        let file = self.folder.join(&self.files[0].name);
        command.arg("--extern").arg(format!("{NAME}={}", file.display())).arg("-Cprefer-dynamic");
        // Beside the library; where that is nowhere, since it is a copy in memory, where the base was made.
        command.args(linker.passing(&format!("-rpath=$ORIGIN:{}", self.folder.display())));
    }

    /// Whether its files are there, by their length.
    fn is_there(&self) -> bool {
        let is_there = |kept: &Kept| fs::metadata(self.folder.join(&kept.name)).is_ok_and(|of| of.len() == kept.bytes);
        self.files.iter().all(is_there)
    }

    /// The base on record, where its files hold what they did.
    fn find(folder: &Path, key: &str) -> Option<Self> {
        let files: [Kept; 2] = serde_json::from_slice(&fs::read(record(folder, key)).ok()?).ok()?;
        let holds = |kept: &Kept| hash::file(&folder.join(&kept.name)).as_ref() == Some(&kept.content);
        let base = Self { key: key.to_owned(), folder: folder.to_owned(), files };
        if base.files.iter().all(holds) {
            return Some(base);
        }
        tracing::warn!(base = %base.files[0].name, "a base is damaged");
        None
    }

    fn put(&self) -> Result<(), BuildError> {
        let text = serde_json::to_vec(&self.files)
            .map_err(|error| BuildError::Unreadable { program: "the base".to_owned(), words: error.to_string() })?;
        files::write(&record(&self.folder, &self.key), &text)
    }
}

fn record(folder: &Path, key: &str) -> PathBuf {
    folder.join(format!("{key}.base"))
}

impl Kept {
    fn of(folder: &Path, name: &str) -> Result<Self, BuildError> {
        let file = folder.join(name);
        let content = fs::read(&file).map_err(io("read", &file))?;
        let hash = blake3::hash(&content).to_hex()[..32].to_owned();
        Ok(Self { name: name.to_owned(), bytes: content.len() as u64, content: hash })
    }
}

impl Bases {
    /// Forgets what is known: dependencies are built anew.
    pub(crate) fn forget(&self) {
        // Whoever makes one at this moment makes it of what is there.
        if let Ok(mut known) = self.0.try_lock() {
            known.clear();
        }
    }
}

impl Builder {
    /// The base of an app's services, made where it is not there; none where each service is linked with all it needs.
    pub(crate) async fn base(&self, machine: &Machine, recipe: &Recipe) -> Result<Option<Base>, BuildError> {
        if self.profile == Profile::Optimised || recipe.has_linker {
            return Ok(None);
        }
        if let Some(why) = &recipe.apart {
            self.notice(format!("each service is linked with its dependencies: {why}"));
            return Ok(None);
        }
        let linker = machine.linker.arguments.iter().map(String::as_bytes);
        let key =
            hash::parts([FORMAT.as_bytes(), recipe.key.as_bytes(), self.profile.mark()].into_iter().chain(linker));
        let mut known = self.bases.0.lock().await;
        let was_there = match known.get(&key) {
            Some(Some(base)) if !base.is_there() => true,
            Some(found) => return Ok(found.clone()),
            None => record(self.artifacts.folder(), &key).is_file(),
        };
        if let Some(base) = Base::find(self.artifacts.folder(), &key) {
            known.insert(key, Some(base.clone()));
            return Ok(Some(base));
        }
        if was_there {
            self.notice("what services are linked with is damaged or gone, and built anew".to_owned());
        }
        let made = match self.make_base(machine, recipe, &key).await {
            Ok(Some(base)) => Some(base),
            // Of the service, rustc says so, too: then they are built anew.
            Ok(None) => return Ok(None),
            // It would be in the way of the services, too.
            Err(error @ (BuildError::DiskFull { .. } | BuildError::Missing { .. })) => return Err(error),
            Err(error) => {
                self.notice(format!("each service is linked with its dependencies: {error}"));
                None
            }
        };
        known.insert(key, made.clone());
        Ok(made)
    }

    /// Links services with all they need from now on.
    pub(crate) async fn refuse_base(&self, base: &Base, why: &str) {
        self.notice(format!("each service is linked with its dependencies: {why}"));
        self.bases.0.lock().await.insert(base.key.clone(), None);
    }

    /// Makes a base; none where the compiled dependencies do not fit rustc.
    async fn make_base(&self, machine: &Machine, recipe: &Recipe, key: &str) -> Result<Option<Base>, BuildError> {
        let (work, linked) = (self.work(), BTreeSet::new());
        let rustc = self.rustc(machine, recipe, NAME, &work, &linked);
        let room = rustc.room()?;
        let text: String = CRATES.iter().map(|name| format!("pub extern crate {name};\n")).collect();
        let (source, made) = (room.path().join("base.rs"), room.path().join("made"));
        files::write(&source, text.as_bytes())?;
        fs::create_dir(&made).map_err(io("create", &made))?;
        let name = format!("lib{NAME}-{}.so", &key[..16]);
        let ended = rustc.run(command(&rustc, machine, key, &name, [room.path(), &source, &made])).await?;
        if !ended.status.success() {
            if MISMATCHES.iter().any(|code| ended.stderr.contains(&format!("\"code\":\"{code}\""))) {
                return Ok(None);
            }
            return Err(BuildError::Failed {
                service: "the base of services".to_owned(),
                words: first_error(&ended.stderr),
            });
        }
        let folder = self.artifacts.folder();
        fs::create_dir_all(folder).map_err(io("create", folder))?;
        let standard = standard_library(machine)?;
        let base = {
            let place = folder.join(&name);
            fs::rename(made.join(&name), &place).map_err(io("write", &place))?;
            let standard = artifact::put_beside(folder, &standard).map_err(io("write", folder))?;
            Base {
                key: key.to_owned(),
                folder: folder.to_owned(),
                files: [Kept::of(folder, &name)?, Kept::of(folder, &standard)?],
            }
        };
        base.put()?;
        Ok(Some(base))
    }
}

fn command(rustc: &Rustc<'_>, machine: &Machine, key: &str, name: &str, [room, source, made]: [&Path; 3]) -> Command {
    let mut command = rustc.bare(room);
    command.args(&rustc.recipe.arguments).args(["--error-format=json", "--edition=2024", "--cap-lints=allow"]);
    command.arg(format!("--crate-name={NAME}")).args(["--crate-type=dylib", "-Cprefer-dynamic"]);
    command.arg(format!("-Cmetadata={key}")).arg(format!("-Cextra-filename=-{}", &key[..16]));
    command.args(["-Copt-level=0", "-Cpanic=unwind", "-Cdebuginfo=0", "-Cembed-bitcode=no", "-Cstrip=debuginfo"]);
    command.args(&machine.linker.arguments);
    // The loader knows it by this name wherever it was loaded from.
    command.args(machine.linker.passing(&format!("-soname={name}"))).args(machine.linker.passing("-rpath=$ORIGIN"));
    command.arg("--emit=link").arg("--out-dir").arg(made).arg(source);
    command
}

/// The standard library's shared object, which comes with rustc.
fn standard_library(machine: &Machine) -> Result<PathBuf, BuildError> {
    let folder = machine.toolchain.sysroot.join("lib/rustlib").join(&machine.toolchain.host).join("lib");
    let entries = fs::read_dir(&folder).map_err(io("list", &folder))?.flatten().map(|entry| entry.path());
    let is_it = |file: &PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".so")
    };
    let mut found = entries.filter(is_it);
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(BuildError::Failed {
            service: "the base of services".to_owned(),
            words: format!("there is no shared standard library in {}", folder.display()),
        }),
        (Some(one), Some(other)) => Err(BuildError::Failed {
            service: "the base of services".to_owned(),
            words: format!("{} and {} are both standard libraries", one.display(), other.display()),
        }),
    }
}
