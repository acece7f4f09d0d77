//! Whoever builds the services of one file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use app::{App, Service};
use tokio::sync::Mutex;

use crate::ahead::Queue;
use crate::artifact::{self, Artifact, Artifacts, Usage};
use crate::base::Bases;
use crate::batch::{self, Batches, ExpectedBuild};
use crate::dependencies::Workshop;
use crate::editor::Editor;
use crate::error::{BuildError, io};
use crate::finding::Finding;
use crate::in_use::InUse;
use crate::linker::{self, Linker};
use crate::outside::Memory;
use crate::permits::Permits;
use crate::process::Pace;
use crate::profile::Profile;
use crate::progress::{BuildListener, Progress};
use crate::ready::Ready;
use crate::recipe::Recipe;
use crate::rooms::RoomError;
use crate::rustc::Rustc;
use crate::toolchain::Toolchain;
use crate::types::Rack;
use crate::{flow, hash};
use crate::{leftover, rooms};

/// How long rustc may take for one service: two hundred times what is usual. A macro or a constant that never ends
/// is ended.
pub const LIMIT: Duration = Duration::from_secs(120);

/// Builds the services of one file. Cheap to share; every method takes `&self`, and services build side by side,
/// as many as there are cores. Dropping a future ends what it started.
pub struct Builder {
    /// The root file's folder as the user names it.
    shown: PathBuf,
    /// The root file, absolute.
    root: PathBuf,
    cache: PathBuf,
    pub(crate) listener: BuildListener,
    pub(crate) artifacts: Artifacts,
    pub(crate) profile: Profile,
    pub(crate) limit: Duration,
    pub(crate) rack: Rack,
    /// Types that are compiled ahead.
    pub(crate) ahead: Queue,
    /// What services are linked with.
    pub(crate) bases: Bases,
    /// The rustc that waits for the next edit.
    pub(crate) ready: Ready,
    /// Services that there was a library of: what is built for them afterwards is an edit.
    pub(crate) begun: parking_lot::Mutex<BTreeSet<String>>,
    /// Services that are built for the first time.
    pub(crate) batches: Arc<Batches>,
    /// What was said of types that cannot be.
    pub(crate) told: parking_lot::Mutex<BTreeSet<String>>,
    pub(crate) permits: Arc<Permits>,
    machine: Mutex<Option<Arc<Machine>>>,
    /// Held while cargo may run for this app.
    preparing: Mutex<()>,
    /// Crates that rustc missed though they are declared.
    also: parking_lot::Mutex<BTreeSet<String>>,
    /// Recipes whose libraries did not fit rustc and were built anew, once.
    renewed: parking_lot::Mutex<BTreeSet<String>>,
    /// What libraries rest on beside the app's own files.
    pub(crate) memory: Memory,
    /// Files that code names relative to the app's file in a way that is not seen without rustc.
    pub(crate) linked: parking_lot::Mutex<BTreeSet<PathBuf>>,
    /// What the flow was whenever it fitted.
    fitting: parking_lot::Mutex<BTreeSet<String>>,
    _in_use: InUse,
}

/// What this machine builds with.
#[derive(Clone, Debug)]
pub struct Machine {
    /// rustc and cargo.
    pub toolchain: Toolchain,
    pub linker: Linker,
}

impl Machine {
    /// Looks around in the folder of an app; `cache` remembers which linkers link.
    pub async fn find(folder: &Path, cache: &Path) -> Result<Self, BuildError> {
        std::fs::create_dir_all(cache).map_err(io("create", cache))?;
        rooms::check(cache)?;
        let toolchain = Toolchain::find(folder).await?;
        let linker = linker::find(&toolchain, cache).await?;
        Ok(Self { toolchain, linker })
    }
}

impl Builder {
    /// A builder for the file at `root`, named as the user names it: rustc's words and panics name it so. All that
    /// is written is written below `cache`, which apps share.
    pub fn open(
        root: &Path,
        cache: &Path,
        listener: impl Fn(Progress) + Send + Sync + 'static,
    ) -> Result<Self, BuildError> {
        let shown = root.parent().unwrap_or(Path::new("")).to_owned();
        let folder = if shown.as_os_str().is_empty() { Path::new(".") } else { &shown };
        let folder = folder.canonicalize().map_err(io("find", folder))?;
        std::fs::create_dir_all(cache).map_err(io("create", cache))?;
        let cache = cache.canonicalize().map_err(io("find", cache))?;
        rooms::check(&cache)?;
        if let Some(folder) = [&folder, &cache].into_iter().find(|folder| folder.to_str().is_none()) {
            return Err(RoomError::NotText(folder.clone()).into());
        }
        let in_use = InUse::take(&cache)?;
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Ok(Self {
            root: folder.join(root.file_name().unwrap_or_default()),
            shown,
            artifacts: Artifacts::new(&cache),
            rack: Rack::new(&cache),
            memory: Memory::new(&cache),
            linked: parking_lot::Mutex::default(),
            cache,
            listener: Arc::new(listener),
            profile: Profile::Dev,
            limit: LIMIT,
            ahead: Queue::default(),
            ready: Ready::default(),
            bases: Bases::default(),
            begun: parking_lot::Mutex::default(),
            told: parking_lot::Mutex::default(),
            batches: Batches::new(cores, batch::MOST),
            permits: Permits::new(cores),
            machine: Mutex::new(None),
            preparing: Mutex::new(()),
            also: parking_lot::Mutex::default(),
            renewed: parking_lot::Mutex::default(),
            fitting: parking_lot::Mutex::default(),
            _in_use: in_use,
        })
    }

    /// Builds for something else than [`Profile::Dev`].
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Builds this many services for the first time with one call of rustc, instead of as many as there are for each core
    /// and 25 at most.
    pub fn groups_of(mut self, services: usize) -> Self {
        self.batches = Batches::new(1, services.max(1));
        self
    }

    /// Ends rustc after this time for one service, instead of [`LIMIT`].
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Has the app's dependencies ready. Without a change in manifest, lock file, configuration, path dependencies or
    /// toolchain this reads a few files and starts no program. [`Self::build`] does it by itself.
    pub async fn prepare(&self, app: &App) -> Result<Recipe, BuildError> {
        let machine = self.machine().await?;
        let mut recipe = self.prepare_on(&machine, app, false).await?;
        for service in &app.services {
            let outside = self.outside(&recipe, app, service);
            if !outside.is_empty() {
                let state = outside.hash(self.folder(), self.profile);
                recipe.outside.insert(service.name.clone(), state);
            }
            recipe.consulted.extend(outside.files);
        }
        Ok(recipe)
    }

    /// What an editor has to know of the app, to complete and check in its file.
    pub async fn editor(&self, app: &App) -> Result<Editor, BuildError> {
        let machine = self.machine().await?;
        let _one = self.preparing.lock().await;
        let also = self.also.lock().clone();
        self.workshop(&machine, &also).editor(app).await
    }

    /// The version a service has or would have: `service@` and eight digits over all it is built from.
    pub async fn version(&self, app: &App, service: &str) -> Result<String, BuildError> {
        let recipe = self.prepare(app).await?;
        let service = find(app, service)?;
        let state = self.outside(&recipe, app, service).hash(self.folder(), self.profile);
        Ok(self.identify(&recipe, app, service, &state).version)
    }

    /// The library of an earlier version ([`Artifact::version`]), where it is still kept.
    pub fn kept(&self, version: &str) -> Option<PathBuf> {
        let (_, key) = version.rsplit_once('@').filter(|(_, key)| key.len() == 8)?;
        self.artifacts.begins(key)
    }

    /// The library of a service, compiled where none is kept. Services of one app that are asked for before any of these
    /// futures runs are compiled in groups, the first time.
    pub fn build<'a>(
        &'a self,
        app: &'a App,
        service: &'a str,
    ) -> impl Future<Output = Result<Artifact, BuildError>> + Send + 'a {
        self.build_of(self.arrive(app), app, service)
    }

    /// Says that a service of an app is going to be built: those that are built for the first time wait for it, to be
    /// compiled with it.
    pub fn arrive(&self, app: &App) -> ExpectedBuild {
        self.batches.arrive(app)
    }

    /// [`Self::build`], told before.
    pub async fn build_of(&self, arrival: ExpectedBuild, app: &App, service: &str) -> Result<Artifact, BuildError> {
        let start = Instant::now();
        let machine = self.machine().await?;
        let service = find(app, service)?;
        let arrival = parking_lot::Mutex::new(Some(arrival));
        let recipe = self.prepare_on(&machine, app, false).await?;
        let arrival = || arrival.lock().take();
        match self.seeing(|| self.attempt(&machine, &recipe, app, service, (start, arrival()))).await {
            Err(BuildError::Rustc { service: name, findings }) => {
                let Some(anew) = self.can_mend(&recipe, &findings) else {
                    return Err(BuildError::Rustc { service: name, findings });
                };
                let recipe = self.prepare_on(&machine, app, anew).await?;
                self.attempt(&machine, &recipe, app, service, (start, None)).await
            }
            ended => ended,
        }
    }

    /// Type-checks the flow as a whole: whether what each service returns is what the next one takes. To be asked before
    /// anything of an edit is taken over. Where nothing in any signature of the flow changed since it was
    /// asked of this builder and fitted, no rustc is called.
    ///
    /// # Errors
    /// [`BuildError::Flow`] names both ends of each step that does not fit.
    pub async fn check_flow(&self, app: &App) -> Result<(), BuildError> {
        let machine = self.machine().await?;
        let recipe = self.prepare_on(&machine, app, false).await?;
        match self.seeing(|| self.check_flow_by(&machine, &recipe, app)).await {
            Err(BuildError::Flow { findings }) => {
                let Some(anew) = self.can_mend(&recipe, &findings) else { return Err(BuildError::Flow { findings }) };
                let recipe = self.prepare_on(&machine, app, anew).await?;
                self.check_flow_by(&machine, &recipe, app).await
            }
            ended => ended,
        }
    }

    async fn check_flow_by(&self, machine: &Machine, recipe: &Recipe, app: &App) -> Result<(), BuildError> {
        let parts = [flow::FORMAT, &recipe.key, &app.flow_meaning];
        let key = hash::parts(parts.map(str::as_bytes));
        if self.fitting.lock().contains(&key) {
            return Ok(());
        }
        let work = self.work();
        let linked = self.linked();
        let rustc = self.rustc(machine, recipe, &app.name, &work, &linked);
        // No permit is taken: a takeover waits for this, and it is short.
        flow::check(rustc, app).await?;
        self.fitting.lock().insert(key);
        Ok(())
    }

    /// What this machine builds with, looked up anew when something was upgraded.
    pub async fn machine(&self) -> Result<Arc<Machine>, BuildError> {
        let mut known = self.machine.lock().await;
        if let Some(machine) = known.as_ref().filter(|machine| machine.toolchain.holds()) {
            return Ok(Arc::clone(machine));
        }
        let machine = Arc::new(Machine::find(self.folder(), &self.cache).await?);
        *known = Some(Arc::clone(&machine));
        Ok(machine)
    }

    /// Waits until the types of what was built are compiled ahead: edits of functions are quickest from then on. Nobody
    /// needs to.
    pub async fn settled(&self) {
        self.ahead.settled().await;
    }

    /// What the cache takes of the disk.
    pub fn usage(&self) -> Result<Usage, BuildError> {
        usage(&self.cache)
    }

    /// Removes the libraries that were not used for longest until at most `limit` bytes of them are left, what builds
    /// that were killed left behind, crates of types likewise, and dependencies of toolchains that nobody built with for a month. Answers the
    /// bytes of libraries freed.
    pub fn prune(&self, limit: u64) -> Result<u64, BuildError> {
        leftover::clear(&self.work())?;
        remove_older(&self.work(), ABANDONED)?;
        remove_older(&self.cache.join("target"), FORGOTTEN)?;
        remove_older(&self.cache.join("outside"), FORGOTTEN)?;
        self.rack.prune(limit)?;
        self.artifacts.prune(limit)
    }

    pub(crate) fn rustc<'a>(
        &'a self,
        machine: &'a Machine,
        recipe: &'a Recipe,
        name: &'a str,
        work: &'a Path,
        linked: &'a BTreeSet<PathBuf>,
    ) -> Rustc<'a> {
        Rustc {
            recipe,
            toolchain: &machine.toolchain,
            name,
            folder: self.folder(),
            shown: &self.shown,
            work,
            profile: self.profile,
            limit: self.limit,
            pace: Pace::Awaited,
            linked,
        }
    }

    async fn prepare_on(&self, machine: &Machine, app: &App, anew: bool) -> Result<Recipe, BuildError> {
        let _one = self.preparing.lock().await;
        let also = self.also.lock().clone();
        self.workshop(machine, &also).prepare(app, anew).await
    }

    fn workshop<'a>(&'a self, machine: &'a Machine, also: &'a BTreeSet<String>) -> Workshop<'a> {
        Workshop { cache: &self.cache, root: &self.root, toolchain: &machine.toolchain, listener: &self.listener, also }
    }

    /// Whether what rustc misses can be brought, and if so whether all libraries have to be built anew for it.
    fn can_mend(&self, recipe: &Recipe, findings: &[Finding]) -> Option<bool> {
        let missed = recipe.left_out.iter().filter(|name| findings.iter().any(|finding| is_missing(finding, name)));
        let missed: BTreeSet<String> = missed.cloned().collect();
        if !missed.is_empty() {
            let names = missed.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            (self.listener)(Progress::Notice(format!("rustc asks for {names}: declared, and taken along from now on")));
            self.also.lock().extend(missed);
            return Some(false);
        }
        if !findings.iter().any(is_mismatch) {
            return None;
        }
        (self.listener)(Progress::Notice("the compiled dependencies do not fit rustc: they are built anew".to_owned()));
        self.bases.forget();
        Some(self.renewed.lock().insert(recipe.key.clone()))
    }

    /// Does something anew for as long as it comes upon files that are beside the app's and were not seen to be named.
    async fn seeing<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, BuildError>
    where
        F: Future<Output = Result<T, BuildError>>,
    {
        loop {
            // Another service's attempt, at the same time, may come upon the same file first.
            let known = self.linked();
            match attempt().await {
                Err(BuildError::Missed { files }) if !files.is_subset(&known) => {
                    self.linked.lock().extend(files);
                }
                ended => return ended,
            }
        }
    }

    /// Files that code names relative to the app's file in a way that is not seen without rustc.
    pub(crate) fn linked(&self) -> BTreeSet<PathBuf> {
        self.linked.lock().clone()
    }

    /// The app's file, absolute.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn folder(&self) -> &Path {
        self.root.parent().unwrap_or(Path::new("/"))
    }

    /// The root file's folder as the user names it.
    pub(crate) fn shown(&self) -> &Path {
        &self.shown
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.cache.join("work")
    }
}

fn find<'a>(app: &'a App, service: &str) -> Result<&'a Service, BuildError> {
    let found = app.services.iter().find(|known| known.name == service);
    found.ok_or_else(|| BuildError::Unknown { service: service.to_owned() })
}

/// Whether rustc did not find the crate of this name.
fn is_missing(finding: &Finding, name: &str) -> bool {
    let about_names = ["E0432", "E0433", "E0463"].iter().any(|code| finding.code.as_deref() == Some(code));
    about_names && finding.diagnostic.message.contains(&format!("`{name}`"))
}

/// rustc's numbers for crates that do not fit rustc, or one another.
pub(crate) const MISMATCHES: [&str; 5] = ["E0460", "E0461", "E0462", "E0514", "E0786"];

/// Whether compiled crates and rustc, or one another, do not fit together.
fn is_mismatch(finding: &Finding) -> bool {
    match finding.code.as_deref() {
        Some(code) if MISMATCHES.contains(&code) => true,
        // Not a crate the user names and nobody declares: that is his own mistake.
        Some("E0463") => finding.diagnostic.message.contains(" which `"),
        _ => false,
    }
}

/// What a cache takes of the disk.
pub fn usage(cache: &Path) -> Result<Usage, BuildError> {
    let (artifacts, artifact_bytes) = Artifacts::new(cache).usage()?;
    let dependencies = ["target", "types", "deps", "runtime", "recipes", "locks", "linkers"];
    let dependency_bytes = dependencies.iter().map(|name| artifact::bytes_below(&cache.join(name))).sum();
    Ok(Usage { artifacts, artifact_bytes, dependency_bytes })
}

/// A compilation's folder of this age is one that was killed together with `dyn`.
const ABANDONED: Duration = Duration::from_secs(3600);

/// The folder of a toolchain is marked whenever something is built with it.
const FORGOTTEN: Duration = Duration::from_secs(30 * 24 * 3600);

/// Removes the folders in `folder` that nothing was put into for this long.
fn remove_older(folder: &Path, age: Duration) -> Result<(), BuildError> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(io("list", folder))?,
    };
    for entry in entries.flatten() {
        let modified = entry.metadata().and_then(|data| data.modified());
        if modified.is_ok_and(|at| at.elapsed().is_ok_and(|passed| passed > age)) {
            std::fs::remove_dir_all(entry.path()).map_err(io("remove", &entry.path()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::fs;
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn what_a_killed_build_left_is_removed_and_a_living_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let builder = Builder::open(&folder.path().join("app.rs"), &folder.path().join("cache"), |_| {}).unwrap();
        for (name, age) in [("old", 7200), ("new", 60)] {
            let work = builder.work().join(name);
            fs::create_dir_all(&work).unwrap();
            let at = SystemTime::now() - Duration::from_secs(age);
            fs::File::open(&work).unwrap().set_modified(at).unwrap();
        }
        builder.prune(0).unwrap();
        let left: Vec<_> = fs::read_dir(builder.work()).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left, ["new"]);
    }

    #[tokio::test]
    async fn an_unknown_service_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let builder = Builder::open(&folder.path().join("app.rs"), &folder.path().join("cache"), |_| {}).unwrap();
        let error = builder.build(&App::default(), "nobody").await.unwrap_err();
        assert_eq!(error.to_string(), "cannot find a service nobody");
    }
}
