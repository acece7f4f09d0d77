//! The fastest linker there is: each rung of the ladder is tried, the first that links is taken, and why not
//! the ones above it is said.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::error::BuildError;
use crate::toolchain::Toolchain;
use crate::{files, hash, process};

/// Linking an empty library takes well under a second.
const PATIENCE: Duration = Duration::from_secs(60);

/// The linker taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linker {
    /// What people call it.
    pub name: String,
    /// Its arguments for rustc.
    pub arguments: Vec<String>,
    /// Why each faster one was not taken, a sentence for each.
    pub passed_over: Vec<String>,
}

impl Linker {
    /// rustc's arguments that hand a word on to the linker.
    pub(crate) fn passing(&self, word: &str) -> Vec<String> {
        let is_direct = self.arguments.iter().any(|argument| argument.starts_with("-Clinker-flavor="));
        // A comma would part a word behind `-Wl`.
        let words = if is_direct { vec![word] } else { vec!["-Xlinker", word] };
        words.into_iter().map(|word| format!("-Clink-arg={word}")).collect()
    }
}

/// A rung of the ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rung {
    name: &'static str,
    /// Arguments for rustc, or why it need not be tried.
    arguments: Result<Vec<String>, String>,
}

/// Finds the fastest linker that links with this toolchain, trying each at most once for each state of the machine.
pub(crate) async fn find(toolchain: &Toolchain, cache: &Path) -> Result<Linker, BuildError> {
    let rungs = ladder(toolchain, &installed).await;
    let identity = identity(toolchain, &rungs);
    let record = cache.join("linkers").join(format!("{identity}.json"));
    if let Some(known) = fs::read(&record).ok().and_then(|text| serde_json::from_slice(&text).ok()) {
        return Ok(known);
    }
    let try_it = |arguments: Vec<String>| {
        let toolchain = toolchain.clone();
        async move { probe(&toolchain, &arguments).await }
    };
    let linker = choose(rungs, try_it).await?;
    files::write(&record, &serde_json::to_vec(&linker).unwrap_or_default())?;
    Ok(linker)
}

/// Fastest first. Linking without the C compiler in front saves another 6 to 40 ms, but then the folders of
/// libc and libgcc, which the compiler knows, have to be named.
async fn ladder(toolchain: &Toolchain, find: &(dyn Fn(&str) -> Option<PathBuf> + Sync)) -> Vec<Rung> {
    let bare = !toolchain.host.contains("linux");
    let compiler = find("cc");
    let folders = match &compiler {
        Some(compiler) if !bare => library_folders(compiler).await,
        _ => Vec::new(),
    };
    let direct = |program: Option<PathBuf>, flavor: &str| {
        if bare {
            return Err(format!("it is called directly on Linux alone, not on {}", toolchain.host));
        }
        let program = program.ok_or("it is not installed")?;
        if compiler.is_none() {
            return Err("without cc nobody says where libc is".to_owned());
        }
        let mut arguments = vec![format!("-Clinker={}", program.display()), format!("-Clinker-flavor={flavor}")];
        arguments.extend(folders.iter().map(|folder| format!("-Clink-arg=-L{}", folder.display())));
        Ok(arguments)
    };
    let with_rust = toolchain.sysroot.join("lib/rustlib").join(&toolchain.host).join("bin/rust-lld");
    vec![
        Rung { name: "wild", arguments: direct(find("wild"), "ld") },
        Rung { name: "mold", arguments: direct(find("mold"), "ld") },
        Rung { name: "rust-lld", arguments: direct(Some(with_rust).filter(|path| path.is_file()), "ld.lld") },
        Rung { name: "ld.lld", arguments: direct(find("ld.lld"), "ld.lld") },
        Rung { name: "cc", arguments: compiler.map(|_| Vec::new()).ok_or_else(|| "it is not installed".to_owned()) },
    ]
}

/// What was found where, and how old it is: a linker installed or upgraded is tried anew.
fn identity(toolchain: &Toolchain, rungs: &[Rung]) -> String {
    let mut words = vec![toolchain.identity.clone(), toolchain.sysroot.display().to_string()];
    for rung in rungs {
        words.push(format!("{}: {:?}", rung.name, rung.arguments));
        let program = rung.arguments.iter().flatten().find_map(|argument| argument.strip_prefix("-Clinker="));
        let age = program.and_then(|program| fs::metadata(program).ok()).map(|data| (data.len(), data.modified().ok()));
        words.push(format!("{age:?}"));
    }
    hash::parts(words.iter().map(|word| word.as_bytes()))
}

/// Not `AsyncFn`: what holds one over an await is not seen to be Send, and builds run in tasks.
async fn choose<F>(rungs: Vec<Rung>, probe: impl Fn(Vec<String>) -> F) -> Result<Linker, BuildError>
where
    F: Future<Output = Result<(), String>>,
{
    let mut passed_over = Vec::new();
    for Rung { name, arguments } in rungs {
        let tried = match arguments {
            Ok(arguments) => probe(arguments.clone()).await.map(|()| arguments),
            Err(why) => Err(why),
        };
        match tried {
            Ok(arguments) => return Ok(Linker { name: name.to_owned(), arguments, passed_over }),
            Err(why) => passed_over.push(format!("{name}: {why}")),
        }
    }
    Err(BuildError::Linker { words: passed_over.join("; ") })
}

/// Links a library that does nothing, with the standard library in it.
async fn probe(toolchain: &Toolchain, arguments: &[String]) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| format!("no place to try it: {error}"))?;
    let source = folder.path().join("probe.rs");
    let text = "#[unsafe(no_mangle)] pub extern \"C\" fn probe() -> usize { std::env::args().count() }";
    fs::write(&source, text).map_err(|error| format!("no place to try it: {error}"))?;
    let mut command = Command::new(&toolchain.rustc);
    command.args(["--crate-type=cdylib", "--edition=2024", "--crate-name=probe", "--error-format=short"]);
    command.args(arguments).arg("-o").arg(folder.path().join("probe.so")).arg(&source).env("TMPDIR", folder.path());
    let ended = process::run(command, PATIENCE, |_| {}).await.map_err(|error| error.to_string())?;
    if ended.status.success() && folder.path().join("probe.so").is_file() {
        return Ok(());
    }
    let words: Vec<&str> = ended.stderr.lines().map(str::trim).filter(|line| line.contains("error")).collect();
    Err(format!("it did not link: {}", words.last().unwrap_or(&ended.stderr.trim())))
}

/// The first program of this name in PATH, or where `cargo install` puts it, which need not be in PATH.
fn installed(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    find_in(name, env::split_paths(&path).chain(home.map(|home| home.join("bin"))))
}

fn find_in(name: &str, folders: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    folders.into_iter().map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Where the C compiler looks for libraries, those that exist.
async fn library_folders(compiler: &Path) -> Vec<PathBuf> {
    let mut command = Command::new(compiler);
    command.arg("-print-search-dirs");
    let ended = match process::run(command, PATIENCE, |_| {}).await {
        Ok(ended) => ended,
        Err(error) => {
            // The rungs that need the folders fail their probe then, and say so.
            tracing::warn!(%error, "cc does not say where its libraries are");
            return Vec::new();
        }
    };
    let listed = ended.stdout.lines().find_map(|line| line.strip_prefix("libraries: ")).unwrap_or_default();
    let mut folders = Vec::new();
    for folder in env::split_paths(listed.trim_start_matches('=')) {
        if let Ok(folder) = folder.canonicalize()
            && !folders.contains(&folder)
        {
            folders.push(folder);
        }
    }
    folders
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn rung(name: &'static str, arguments: Result<&str, &str>) -> Rung {
        Rung { name, arguments: arguments.map(|one| vec![one.to_owned()]).map_err(str::to_owned) }
    }

    #[tokio::test]
    async fn the_first_that_links_is_taken_and_the_others_are_explained() {
        let rungs = vec![
            rung("wild", Err("it is not installed")),
            rung("mold", Ok("m")),
            rung("rust-lld", Ok("l")),
            rung("cc", Ok("c")),
        ];
        let probe = |arguments: Vec<String>| async move {
            if arguments == ["m"] { Err("it did not link: no".into()) } else { Ok(()) }
        };
        let linker = choose(rungs, probe).await.unwrap();
        assert_eq!(linker.name, "rust-lld");
        assert_eq!(linker.arguments, ["l"]);
        assert_eq!(linker.passed_over, ["wild: it is not installed", "mold: it did not link: no"]);
    }

    #[tokio::test]
    async fn none_that_links_is_an_error_with_every_reason() {
        let rungs = vec![rung("wild", Err("it is not installed")), rung("cc", Ok("c"))];
        let error =
            choose(rungs, |_: Vec<String>| async { Err("it did not link: no libc".to_owned()) }).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot link a library: wild: it is not installed; cc: it did not link: no libc");
    }

    #[tokio::test]
    async fn a_linker_of_this_machine_links_and_is_remembered() {
        let cache = tempfile::tempdir().unwrap();
        let toolchain = Toolchain::find(cache.path()).await.unwrap();
        let linker = find(&toolchain, cache.path()).await.unwrap();
        assert!(probe(&toolchain, &linker.arguments).await.is_ok());
        assert_eq!(fs::read_dir(cache.path().join("linkers")).unwrap().count(), 1);
        assert_eq!(find(&toolchain, cache.path()).await.unwrap(), linker);
    }

    #[test]
    fn what_path_names_comes_before_what_cargo_installed() {
        let folder = tempfile::tempdir().unwrap();
        let [path, cargo] = ["path", "cargo"].map(|name| folder.path().join(name));
        for folder in [&path, &cargo] {
            fs::create_dir(folder).unwrap();
        }
        fs::write(cargo.join("wild"), "").unwrap();
        let find = || find_in("wild", [path.clone(), cargo.clone()]);
        assert_eq!(find(), Some(cargo.join("wild")));
        fs::write(path.join("wild"), "").unwrap();
        assert_eq!(find(), Some(path.join("wild")));
        assert_eq!(find_in("mold", [path.clone()]), None);
    }

    #[tokio::test]
    async fn nothing_is_called_directly_where_nobody_knows_libc() {
        let toolchain = Toolchain::find(Path::new("/")).await.unwrap();
        let rungs = ladder(&toolchain, &|name| (name == "mold").then(|| PathBuf::from("/bin/mold"))).await;
        assert!(rungs.iter().all(|rung| rung.arguments.is_err()), "{rungs:?}");
    }
}
