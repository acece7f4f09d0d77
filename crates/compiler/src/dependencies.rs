//! The dependencies of an app, built by cargo when they changed and not looked at otherwise.

mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::Duration;

use app::App;
use cargo_metadata::{CrateType, Message, MetadataCommand};
use tokio::process::Command;

use crate::error::{BuildError, io};
use crate::manifest::{self, Manifest};
use crate::outside::DepInfo;
use crate::package::{self, Surroundings};
use crate::process::Ended;
use crate::progress::{self, BuildListener, Progress};
use crate::recipe::{self, Recipe, Record};
use crate::script::{Said, Script};
use crate::toolchain::Toolchain;
use crate::{archive, capture, carried, files, hash, process};

/// Fetching and compiling hundreds of crates on a slow machine takes minutes; nothing useful takes longer.
const PATIENCE: Duration = Duration::from_secs(3600);

/// How dependencies are compiled, whatever profile the user's configuration describes: what is linked into a library
/// unwinds, and is machine code. Optimised once, called at every request: level 2 costs 4.2 s for serde, serde_json and
/// serde_path_to_error on 2 cores, level 1 4.1 s, level 3 5.3 s.
const PROFILE: [&str; 12] = [
    "opt-level=2",
    "debug=false",
    "strip=\"none\"",
    "split-debuginfo=\"off\"",
    "debug-assertions=false",
    "overflow-checks=false",
    "lto=false",
    "panic=\"unwind\"",
    "incremental=false",
    "codegen-units=16",
    "rpath=false",
    "build-override.opt-level=0",
];

/// How the name of the function ends that a crate with an allocator defines.
const ALLOCATOR: &str = "__rust_alloc";

/// What cargo compiled.
#[derive(Default)]
struct Compiled {
    /// Folders of packages that lie on this machine.
    packages: BTreeSet<PathBuf>,
    /// What the build script of the app's own package said.
    said: Option<Said>,
    /// Files outside their folders that rustc read for them.
    reads: BTreeSet<PathBuf>,
    /// Variables that rustc or a build script read.
    variables: BTreeSet<String>,
    /// The reason why services share none of these as shared objects.
    apart: Option<String>,
}

impl Compiled {
    /// Looks whether a crate cannot be beside a shared standard library: one that is a shared object itself would be
    /// needed beside each service, and one with an allocator would free what another allocated.
    fn consider(&mut self, artifact: &cargo_metadata::Artifact) {
        if self.apart.is_some() {
            return;
        }
        let name = &artifact.target.name;
        if artifact.target.crate_types.contains(&CrateType::DyLib) {
            self.apart = Some(format!("{name} is a shared object itself"));
            return;
        }
        let mut libraries = artifact.filenames.iter().filter(|file| file.extension() == Some("rlib"));
        if libraries.any(|file| archive::defines(file.as_std_path(), ALLOCATOR).unwrap_or(false)) {
            self.apart = Some(format!("{name} brings an allocator"));
        }
    }

    /// Notes what rustc read for a package that lies on this machine, beside its own files.
    fn read<'f>(&mut self, package: &Path, made: impl Iterator<Item = &'f Path>, target: &Path) {
        for file in made {
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            let info = file.with_file_name(format!("{}.d", stem.strip_prefix("lib").unwrap_or(&stem)));
            let Ok(text) = fs::read_to_string(info) else { continue };
            let DepInfo { files, variables } = DepInfo::read(&text);
            // `beside/../word.txt` is none of the package's.
            let files = files.into_iter().map(|file| plain(&package.join(file)));
            self.reads.extend(files.filter(|file| !file.starts_with(plain(package)) && !file.starts_with(target)));
            self.variables.extend(variables.into_iter().filter(|name| !recipe::is_kept_back(name)));
        }
    }
}

/// A file's path without links and `..` before its name.
fn plain(path: &Path) -> PathBuf {
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    folder.zip(path.file_name()).map_or_else(|| path.to_owned(), |(folder, name)| folder.join(name))
}

/// Where the dependencies of one app are prepared.
pub(crate) struct Workshop<'a> {
    pub(crate) cache: &'a Path,
    /// The root file, absolute.
    pub(crate) root: &'a Path,
    pub(crate) toolchain: &'a Toolchain,
    pub(crate) listener: &'a BuildListener,
    /// Crates to take though no mention of them was seen.
    pub(crate) also: &'a BTreeSet<String>,
}

impl Workshop<'_> {
    /// The recipe for the app: from the record when nothing it rests on changed, else by cargo. `anew` mistrusts
    /// both the record and the libraries.
    pub(crate) async fn prepare(&self, app: &App, anew: bool) -> Result<Recipe, BuildError> {
        let mut crates = app.crates.clone();
        crates.extend(self.also.iter().cloned());
        let own_files: BTreeSet<PathBuf> = app.files.iter().filter_map(|file| file.canonicalize().ok()).collect();
        let except = |file: &Path| own_files.contains(file) || file == self.root;
        let record = self.cache.join("recipes").join(format!("{}.json", self.request(app, &crates)));
        if !anew && let Some(recipe) = Record::read(&record, &self.toolchain.identity, &except) {
            self.mark_used();
            return Ok(recipe);
        }
        if anew {
            let target = self.target();
            match fs::remove_dir_all(&target) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io("remove", &target)(error)),
                _ => {}
            }
        }
        let mut surroundings = package::read(self.root, app.frontmatter.as_deref(), &self.cargo()).await?;
        surroundings.consulted.extend(recipe::configuration(self.folder()));
        let (folder, manifest) = self.lay_out(&surroundings, &crates).await?;
        let Compiled { packages, said, mut reads, variables, apart } =
            self.compile(&folder, surroundings.script.as_ref()).await?;
        if let Some(said) = &said {
            surroundings.environment.extend(said.environment.clone());
            reads.extend(said.reads.clone());
        }
        let (folders, reads): (BTreeSet<_>, BTreeSet<_>) = reads.into_iter().partition(|path| path.is_dir());
        surroundings.consulted.extend(reads.clone());
        let own = surroundings.script.as_ref().filter(|_| said.as_ref().is_some_and(|said| !said.is_precise));
        let written = said.iter().map(|said| said.out.clone()).chain(own.map(|script| script.folder.clone()));
        let packages: BTreeSet<PathBuf> = packages.into_iter().chain(written).chain(folders).collect();
        let trees = packages.into_iter().map(|folder| {
            let content = recipe::package_hash(&folder, &except);
            (folder, content)
        });
        let trees: BTreeMap<PathBuf, String> = trees.collect();
        let more = said.map(|said| said.arguments).unwrap_or_default();
        let variables = recipe::values(&variables);
        // What dependencies read elsewhere, as their sources.
        let read = reads.iter().map(|file| hash::file(file).unwrap_or_default());
        let read: Vec<String> = read.chain(variables.iter().map(|(name, value)| format!("{name}={value:?}"))).collect();
        let parts = trees.values().chain(&read).cloned().collect();
        let mut recipe = self.write_recipe(&folder, &surroundings, manifest.left_out, parts, more)?;
        let contents = trees.keys().map(|folder| recipe::package_content(folder, &except));
        recipe.apart = apart;
        recipe.portable = self.portable(&folder, &recipe, contents.chain(read).collect())?;
        self.keep_lock(&folder)?;
        let made = Record::new(recipe, &self.toolchain.identity, &surroundings.consulted, trees).with(variables);
        made.write(&record)?;
        Ok(made.into_recipe())
    }

    /// Everything a recipe depends on that is no file.
    fn request(&self, app: &App, crates: &BTreeSet<String>) -> String {
        let mut words =
            vec![self.root.display().to_string(), carried::hash(), app.frontmatter.clone().unwrap_or_default()];
        words.push(self.toolchain.sysroot.display().to_string());
        words.extend(recipe::variables());
        words.extend(crates.iter().cloned());
        hash::parts(words.iter().map(String::as_bytes))
    }

    /// Writes the manifest, the lock file and the empty crate, and answers the folder they are in.
    async fn lay_out(
        &self,
        surroundings: &Surroundings,
        crates: &BTreeSet<String>,
    ) -> Result<(PathBuf, Manifest), BuildError> {
        let runtime = carried::unpack(self.cache)?;
        let mentioned = crates.contains("tokio");
        // Cargo runs the script for the package's own library, where that is taken.
        let takes_own = surroundings.declared.own.as_ref().is_some_and(|own| crates.contains(&own.name()));
        let script = surroundings.script.as_ref().filter(|_| !takes_own);
        let script = script.map(|script| script.stand_in(self.cache)).transpose()?;
        let write = |with_tokio| manifest::write(&surroundings.declared, crates, &runtime, with_tokio, script.as_ref());
        let manifest = write(mentioned);
        let folder = self.write_crate(surroundings, &manifest)?;
        if mentioned || !manifest.has_own || !self.reaches_tokio(&folder).await? {
            return Ok((folder, manifest));
        }
        let manifest = write(true);
        Ok((self.write_crate(surroundings, &manifest)?, manifest))
    }

    fn write_crate(&self, surroundings: &Surroundings, manifest: &Manifest) -> Result<PathBuf, BuildError> {
        let read = |file: &PathBuf| fs::read(file).map_err(io("read", file));
        let theirs = surroundings.lock.as_ref().map(read).transpose()?;
        let app = self.root.display().to_string();
        let rests_on = [
            manifest.text.as_bytes(),
            self.toolchain.identity.as_bytes(),
            app.as_bytes(),
            theirs.as_deref().unwrap_or_default(),
        ];
        let key = hash::parts(rests_on);
        let folder = self.cache.join("deps").join(&key);
        files::write_changed(&folder.join("Cargo.toml"), manifest.named(&key).as_bytes())?;
        let lock = folder.join("Cargo.lock");
        if !lock.exists() {
            self.seed(&folder, &lock, theirs)?;
        }
        let source = folder.join("src/lib.rs");
        // Cargo calls no rustc for what it finds fresh: without the call on file the source has to look new.
        if !source.exists() || !self.call(&folder).exists() {
            files::write(&source, b"//! Stands for a service when cargo is asked how to compile one.\n")?;
        }
        Ok(folder)
    }

    /// Writes the first lock file of a crate: the user's versions where he has a lock file; else what this file was built
    /// with before, so that naming one more crate moves no other; else the versions `dyn` itself was built with.
    pub(crate) fn seed(&self, folder: &Path, lock: &Path, theirs: Option<Vec<u8>>) -> Result<(), BuildError> {
        let seed = match theirs {
            Some(theirs) => theirs,
            None => {
                files::write(&seeded(folder), b"")?;
                fs::read(self.kept_lock()).unwrap_or_else(|_| carried::LOCK.into())
            }
        };
        files::write(lock, &seed)
    }

    /// Whether one of the app's own dependencies brings tokio: services must run inside its runtime then.
    async fn reaches_tokio(&self, folder: &Path) -> Result<bool, BuildError> {
        let mut arguments = vec!["metadata", "--format-version=1", "--filter-platform", &self.toolchain.host];
        let manifest = folder.join("Cargo.toml").display().to_string();
        arguments.extend(["--manifest-path", &manifest]);
        let ended = self.cargo_offline_first(&arguments, folder).await?;
        let metadata = MetadataCommand::parse(&ended.stdout).map_err(|error| BuildError::Unreadable {
            program: "cargo metadata".to_owned(),
            words: error.to_string(),
        })?;
        Ok(metadata.packages.iter().any(|package| package.name.as_str() == "tokio"))
    }

    /// Has cargo compile everything.
    async fn compile(&self, folder: &Path, script: Option<&Script>) -> Result<Compiled, BuildError> {
        let (manifest, target) = (folder.join("Cargo.toml"), self.target());
        let (manifest, target) = (manifest.display().to_string(), target.display().to_string());
        let mut arguments = vec!["build", "--release", "--message-format=json", "--manifest-path", &manifest];
        arguments.extend(["--target-dir", &target, "--target", &self.toolchain.host]);
        let ended = self.cargo_offline_first(&arguments, folder).await?;
        self.mark_used();
        let own = [folder.to_owned(), self.cache.join("runtime"), self.cache.join("scripts")];
        let mut compiled = Compiled::default();
        for message in Message::parse_stream(Cursor::new(&ended.stdout)) {
            let message = message
                .map_err(|error| BuildError::Unreadable { program: "cargo".to_owned(), words: error.to_string() })?;
            let artifact = match message {
                Message::CompilerArtifact(artifact) => artifact,
                Message::BuildScriptExecuted(run) => {
                    let runs_for = |script: &&Script| script.is_of(&run.package_id.repr, self.cache);
                    let own = script.filter(runs_for);
                    let said = Said::read(&run, own.map_or(Path::new(""), |script| &script.folder));
                    compiled.variables.extend(said.variables.clone());
                    if own.is_some() {
                        compiled.said = Some(said);
                    }
                    continue;
                }
                _ => continue,
            };
            compiled.consider(&artifact);
            let package = artifact.manifest_path.as_std_path().parent().map(Path::to_owned);
            if artifact.package_id.repr.starts_with("path+") {
                let theirs = package.filter(|package| !own.iter().any(|own| package.starts_with(own)));
                if let Some(package) = theirs {
                    let files = artifact.filenames.iter().map(|file| file.as_std_path());
                    compiled.read(&package, files, &self.target());
                    compiled.packages.insert(package);
                }
            }
        }
        Ok(compiled)
    }

    /// Marks the toolchain's folder as used: what is used is kept.
    pub(crate) fn mark_used(&self) {
        let marked = fs::File::open(self.target()).and_then(|folder| folder.set_modified(std::time::SystemTime::now()));
        if let Err(error) = marked {
            tracing::debug!(%error, "the folder of dependencies could not be marked as used");
        }
    }

    /// Runs cargo with the versions in the lock file; where that is none of the user's and does not do, as with a
    /// vendored tree that has others, with those that cargo finds.
    pub(crate) async fn cargo_offline_first(&self, arguments: &[&str], folder: &Path) -> Result<Ended, BuildError> {
        let ended = self.cargo_by_lock(arguments, folder).await;
        let Err(BuildError::Cargo { words }) = &ended else { return ended };
        let (mark, lock) = (seeded(folder), folder.join("Cargo.lock"));
        if !mark.exists() || !words::is_about_versions(words) {
            return ended;
        }
        let first = words.lines().next().unwrap_or_default();
        (self.listener)(Progress::Notice(format!(
            "the versions that dyn was built with are not to be had here, so cargo chooses others: {first}"
        )));
        for file in [&mark, &lock] {
            fs::remove_file(file).map_err(io("remove", file))?;
        }
        self.cargo_by_lock(arguments, folder).await
    }

    /// Runs cargo without the network, and with it only where that is what was missing.
    async fn cargo_by_lock(&self, arguments: &[&str], folder: &Path) -> Result<Ended, BuildError> {
        let offline = self.run_cargo(arguments, folder, true).await?;
        if offline.status.success() {
            return Ok(offline);
        }
        if !offline.stderr.contains("offline") {
            return Err(BuildError::of_cargo(words::of(&offline)));
        }
        (self.listener)(Progress::Fetching("crates that are not on this machine yet".to_owned()));
        let online = self.run_cargo(arguments, folder, false).await?;
        if online.status.success() { Ok(online) } else { Err(BuildError::of_cargo(words::of(&online))) }
    }

    /// Runs cargo in the folder of the user's file, so that his configuration counts.
    async fn run_cargo(&self, arguments: &[&str], folder: &Path, offline: bool) -> Result<Ended, BuildError> {
        let mut command = Command::new(self.cargo());
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(recipe::is_kept_back) {
                command.env_remove(name);
            }
        }
        command.args(arguments).args(offline.then_some("--offline")).current_dir(self.folder());
        command.args(self.configuration()?);
        command.env("RUSTC", &self.toolchain.rustc).env("CARGO_TERM_COLOR", "never");
        // One that the user's configuration names need not take the script below for a compiler.
        let wrapper = if self.has_abort() { capture::unwinding(self.cache)?.into() } else { OsString::new() };
        command.env("RUSTC_WRAPPER", wrapper);
        command.env("RUSTC_WORKSPACE_WRAPPER", capture::wrapper(self.cache)?).env(capture::TARGET, self.call(folder));
        let listen = |line: &str| {
            if let Some(progress) = progress::of_cargo(line) {
                (self.listener)(progress);
            }
        };
        process::run(command, PATIENCE, listen).await
    }

    /// What holds whatever the user's configuration says: cargo takes its arguments before files and variables.
    fn configuration(&self) -> Result<Vec<String>, BuildError> {
        let quoted = |path: &Path| toml::Value::from(path.display().to_string()).to_string();
        let mut settings: Vec<String> = PROFILE.iter().map(|setting| format!("profile.release.{setting}")).collect();
        settings.push(format!("build.build-dir={}", quoted(&self.target())));
        // A crate of the user's that depends on a `dyninka` from elsewhere gets the one that is carried.
        settings.push(format!("paths=[{}]", quoted(&carried::unpack(self.cache)?)));
        Ok(settings.into_iter().flat_map(|setting| ["--config".to_owned(), setting]).collect())
    }

    /// Whether flags of the user's, in a variable or a file of cargo's, may have panics end the process, or ask for link-time optimisation.
    fn has_abort(&self) -> bool {
        let variables = recipe::variables().into_iter();
        let mut flags =
            variables.filter(|variable| variable.split('=').next().is_some_and(|name| name.ends_with("RUSTFLAGS")));
        let files = recipe::configuration(self.folder());
        let does = |text: &str| text.contains("panic") || text.contains("lto");
        flags.any(|flags| does(&flags))
            || files
                .iter()
                .filter_map(|file| fs::read_to_string(file).ok())
                .any(|text| text.contains("rustflags") && does(&text))
    }

    fn write_recipe(
        &self,
        folder: &Path,
        surroundings: &Surroundings,
        left_out: BTreeSet<String>,
        parts: Vec<String>,
        more: Vec<String>,
    ) -> Result<Recipe, BuildError> {
        let call = capture::read(&self.call(folder))?;
        let mut arguments = call.arguments;
        arguments.extend(more);
        for feature in &surroundings.features {
            arguments.extend(["--cfg".to_owned(), format!("feature={feature:?}")]);
        }
        let mut environment = surroundings.environment.clone();
        environment.extend(call.environment);
        let edition = surroundings.declared.edition.clone();
        let mut words =
            vec![self.toolchain.identity.clone(), carried::hash(), edition.clone(), environment_words(&environment)];
        words.extend(arguments.iter().cloned());
        words.extend(parts);
        let key = hash::parts(words.iter().map(String::as_bytes));
        Ok(Recipe {
            key,
            portable: String::new(),
            edition,
            arguments,
            environment,
            has_linker: call.has_linker,
            left_out,
            libraries: call.libraries,
            apart: None,
            consulted: BTreeSet::new(),
            outside: BTreeMap::new(),
        })
    }

    /// What a recipe comes to on any machine: the locked versions, what packages that lie here contain, the compiler,
    /// the flags.
    fn portable(&self, folder: &Path, recipe: &Recipe, contents: BTreeSet<String>) -> Result<String, BuildError> {
        let lock = folder.join("Cargo.lock");
        let lock = fs::read_to_string(&lock).map_err(io("read", &lock))?;
        // The crate that stands for a service is named after places.
        let key = folder.file_name().unwrap_or_default().to_string_lossy();
        let mut words = vec![self.toolchain.identity.clone(), carried::hash(), recipe.edition.clone()];
        words.push(lock.replace(&*key, ""));
        words.extend(contents);
        let mut arguments = recipe.arguments.iter();
        while let Some(argument) = arguments.next() {
            if ["-L", "--extern"].contains(&argument.as_str()) {
                // Where libraries are; which ones they are, the lock file says.
                arguments.next();
            } else {
                words.push(argument.clone());
            }
        }
        let named_here = ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "OUT_DIR"];
        let variables = recipe.environment.iter().filter(|(name, _)| !named_here.contains(&name.as_str()));
        words.extend(variables.map(|(name, value)| format!("{name}={value:?}")));
        Ok(hash::parts(words.iter().map(String::as_bytes)))
    }

    fn keep_lock(&self, folder: &Path) -> Result<(), BuildError> {
        let lock = folder.join("Cargo.lock");
        let text = fs::read(&lock).map_err(io("read", &lock))?;
        files::write_changed(&self.kept_lock(), &text).map(|_| ())
    }

    /// The lock file this app was last built with.
    fn kept_lock(&self) -> PathBuf {
        self.cache.join("locks").join(format!("{}.lock", hash::parts([self.root.as_os_str().as_encoded_bytes()])))
    }

    /// Where cargo's call of rustc is written down.
    fn call(&self, folder: &Path) -> PathBuf {
        folder.join("call")
    }

    /// One for all apps: a crate with the same version, features and flags is compiled once.
    pub(crate) fn target(&self) -> PathBuf {
        self.cache.join("target").join(&self.toolchain.identity[..16])
    }

    fn folder(&self) -> &Path {
        self.root.parent().unwrap_or(Path::new("/"))
    }

    pub(crate) fn cargo(&self) -> PathBuf {
        let own = self.toolchain.sysroot.join("bin/cargo");
        if own.is_file() { own } else { PathBuf::from("cargo") }
    }
}

/// Marks a lock file that holds none of the user's choices.
fn seeded(folder: &Path) -> PathBuf {
    folder.join("seeded")
}

fn environment_words(environment: &BTreeMap<String, String>) -> String {
    environment.iter().map(|(name, value)| format!("{name}={value:?}\n")).collect()
}
