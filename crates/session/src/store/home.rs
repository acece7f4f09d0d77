//! Where things live on this machine: the one place that knows every folder.
//!
//! | folder | holds |
//! |---|---|
//! | `CACHE/build/` | libraries and dependencies, shared by all apps |
//! | `CACHE/images/` | layers of images |
//! | `CACHE/apps/NAME-ID/` | a session: its lock, socket, log, lines of services, a folder for each service, sockets of containers |
//! | `STATE/clusters.json` | which cluster a context meant when an app was pushed to it |
//! | `STATE/apps/NAME-ID/` | the timeline, texts that an undo replaced, the shell's history, data of resources, jobs |
//! | `STATE/runtime/` | what packages of `dyn new` depend on |
//!
//! The cache can be removed at any time while no session runs: it is built anew. `DYNINKA_HOME` is both; otherwise the cache is
//! `dyninka` in the user's cache folder, and the state in the user's state folder. Beside the app are its recordings, and
//! nothing else is ever written.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::Access;

/// The folders of everything that outlives a session.
#[derive(Clone, Debug)]
pub struct Home {
    cache: PathBuf,
    state: PathBuf,
}

/// What belongs to one app on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppPlace {
    /// File stem, as a DNS label.
    pub name: String,
    /// Eight hex digits over the canonical path of the file: two apps of one name stay apart.
    pub id: String,
    /// The app's file, canonical.
    pub file: PathBuf,
    /// What a session makes, and the next makes anew: `apps/NAME-ID` of the cache.
    pub folder: PathBuf,
    /// What outlives sessions and the cache: `apps/NAME-ID` of the state.
    pub state: PathBuf,
}

/// Files of the data server of this user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataServerFiles {
    /// Its catalog is here, and all else.
    pub folder: PathBuf,
    /// Where it listens, while it runs.
    pub address: PathBuf,
    /// What opens it, unless it was told of another file.
    pub token: PathBuf,
}

/// The home cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// No folder is known.
    #[error("cannot find a folder to {to}: neither DYNINKA_HOME, {variable} nor HOME is set")]
    Nowhere {
        /// What it would be for.
        to: &'static str,
        /// The variable that could name it.
        variable: &'static str,
    },
    /// The folder cannot be made or written.
    #[error("cannot create {}: {source}", folder.display())]
    Create { folder: PathBuf, source: io::Error },
    /// The folder is there and cannot be written.
    #[error("cannot write to {}: {source}", folder.display())]
    Closed { folder: PathBuf, source: io::Error },
    /// The app's file cannot be found.
    #[error("cannot find {}: {}", file.display(), explain(.source))]
    Find {
        /// The file as the user named it.
        file: PathBuf,
        source: io::Error,
    },
    /// What an earlier version kept in the cache cannot be moved.
    #[error("cannot move {} to {}: {why}", from.display(), to.display())]
    Move { from: PathBuf, to: PathBuf, why: String },
}

impl Home {
    /// Finds the home by the environment and makes its folders, readable by their owner alone.
    pub fn open() -> Result<Self, HomeError> {
        Self::named(&|name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
    }

    fn named(set: &dyn Fn(&str) -> Option<PathBuf>) -> Result<Self, HomeError> {
        if let Some(folder) = set("DYNINKA_HOME") {
            return Self::at(folder);
        }
        // Those of the standard count only where they are absolute.
        let named = |variable: &'static str, below: &str, to: &'static str| {
            let own = set(variable).filter(|folder| folder.is_absolute());
            let folder = own.or_else(|| set("HOME").map(|home| home.join(below)));
            folder.map(|folder| folder.join("dyninka")).ok_or(HomeError::Nowhere { to, variable })
        };
        let cache = named("XDG_CACHE_HOME", ".cache", "build in")?;
        let state = named("XDG_STATE_HOME", ".local/state", "remember in")?;
        Ok(Self { cache: create(cache)?, state: create(state)? })
    }

    /// The home at a folder of the caller's choice, cache and state in one.
    pub fn at(folder: PathBuf) -> Result<Self, HomeError> {
        let folder = create(folder)?;
        Ok(Self { cache: folder.clone(), state: folder })
    }

    /// The home with a cache and a state of the caller's choice.
    #[cfg(test)]
    pub(crate) fn apart(cache: PathBuf, state: PathBuf) -> Result<Self, HomeError> {
        Ok(Self { cache: create(cache)?, state: create(state)? })
    }

    /// Where libraries and their dependencies are built and kept.
    pub fn build(&self) -> PathBuf {
        self.cache.join("build")
    }

    /// Where layers of images are kept.
    pub fn images(&self) -> PathBuf {
        self.cache.join("images")
    }

    /// The runtime that packages of `dyn new` depend on: their manifests name it, so a cleared cache leaves it.
    pub fn runtime(&self) -> PathBuf {
        self.state.join("runtime")
    }

    /// The file that remembers which cluster an app was pushed to.
    pub fn clusters(&self) -> PathBuf {
        self.state.join(CLUSTERS)
    }

    /// The folder of all that can be built anew.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// The folder of what is remembered.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Files of the data server of this user.
    pub fn data_server(&self) -> DataServerFiles {
        let folder = self.state.join("data");
        DataServerFiles { address: folder.join("address"), token: folder.join("token"), folder }
    }

    /// Paths that a push of an app uses on this machine.
    #[cfg(feature = "cluster")]
    pub fn push_place(&self, app: &AppPlace) -> kubernetes::push::LocalPlace {
        kubernetes::push::LocalPlace {
            key: format!("{}-{}", app.name, app.id),
            pins: self.clusters(),
            build: self.build(),
            images: self.images(),
        }
    }

    /// What belongs to the app in `file`. The file must exist.
    pub fn place(&self, file: &Path) -> Result<AppPlace, HomeError> {
        let found = file.canonicalize().map_err(|source| HomeError::Find { file: file.to_owned(), source })?;
        let id = blake3::hash(found.as_os_str().as_encoded_bytes()).to_hex()[..8].to_owned();
        let name = label(&found.file_stem().unwrap_or_default().to_string_lossy());
        let own = |folder: &Path| folder.join(APPS).join(format!("{name}-{id}"));
        let (folder, state) = (own(&self.cache), own(&self.state));
        Ok(AppPlace { name, id, file: found, folder, state })
    }
}

/// Below cache and state: a folder for each app.
pub(super) const APPS: &str = "apps";
/// Which cluster a context meant, in the state.
pub(super) const CLUSTERS: &str = "clusters.json";
/// What an app's state is made of, below its folder.
pub(super) const STATE: [&str; 5] = [TIMELINE, UNDONE, HISTORY, RESOURCES, JOBS];
pub(super) const TIMELINE: &str = "edits.jsonl";
pub(super) const UNDONE: &str = "undone";
pub(super) const HISTORY: &str = "history";
pub(super) const RESOURCES: &str = "resources";
pub(super) const JOBS: &str = "jobs";

/// Makes a folder that can be written.
fn create(folder: PathBuf) -> Result<PathBuf, HomeError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    let made = made.and_then(|()| folder.canonicalize()).map_err(|source| HomeError::Create { folder, source })?;
    match rustix::fs::access(&made, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Ok(made),
        Err(error) => Err(HomeError::Closed { folder: made, source: error.into() }),
    }
}

/// unix(7): `sun_path` holds 108 bytes, the last of them zero.
const LONGEST_SOCKET: usize = 107;

impl AppPlace {
    /// The folder of one service, by its DNS name: its configuration and its libraries, mounted into its container.
    pub fn service(&self, host: &str) -> PathBuf {
        self.folder.join("services").join(host)
    }

    /// Where the unix sockets are by which the app's containers call each other.
    pub fn sockets(&self) -> PathBuf {
        self.folder.join("sockets")
    }

    /// Where the jobs of the app are kept, and the token of who operates them.
    pub fn jobs(&self) -> PathBuf {
        self.state.join(JOBS)
    }

    /// Where a session of the app listens for faces and programs. A unix socket's path is short: where this folder's is
    /// not, it is one in a folder of the system's for such things, the user's own.
    pub fn socket(&self) -> io::Result<PathBuf> {
        let socket = self.folder.join("session.sock");
        if socket.as_os_str().len() < LONGEST_SOCKET {
            return Ok(socket);
        }
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|value| !value.is_empty()).map(PathBuf::from);
        let folders = runtime.into_iter().chain([std::env::temp_dir(), PathBuf::from("/tmp"), PathBuf::from("/run")]);
        self.socket_in(folders)
    }

    /// In the first of these folders that will do.
    fn socket_in(&self, folders: impl IntoIterator<Item = PathBuf>) -> io::Result<PathBuf> {
        let user = rustix::process::getuid();
        let mut refused = io::Error::other("there is no folder for it");
        for folder in folders {
            let own = folder.join(format!("dyninka-{}", user.as_raw()));
            let socket = own.join(format!("{}-{}.sock", &self.name[..self.name.len().min(32)], self.id));
            if socket.as_os_str().len() >= LONGEST_SOCKET {
                refused = io::Error::other(format!(
                    "the path of a unix socket has {LONGEST_SOCKET} bytes at most: {}",
                    socket.display()
                ));
                continue;
            }
            match alone(&own) {
                Ok(()) => return Ok(socket),
                Err(error) => refused = io::Error::other(format!("{}: {}", own.display(), explain(&error))),
            }
        }
        Err(refused)
    }

    /// Where recordings of the app are: beside it, to be kept with it.
    pub fn recordings(&self) -> PathBuf {
        self.file.parent().unwrap_or(Path::new(".")).join("recordings")
    }

    /// Where edits are written down.
    pub(crate) fn timeline(&self) -> PathBuf {
        self.state.join(TIMELINE)
    }

    /// Where texts are kept that an undo replaced.
    pub(crate) fn undone(&self) -> PathBuf {
        self.state.join(UNDONE)
    }

    /// Where lines of the shell are kept.
    pub fn history(&self) -> PathBuf {
        self.state.join(HISTORY)
    }

    /// Where servers that sessions start for the app keep their data: `NAME/PROGRAM` for each.
    pub fn resources(&self) -> PathBuf {
        self.state.join(RESOURCES)
    }

    /// Where this program logs.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Makes the folder of the state, for its owner alone.
    pub(crate) fn make_state(&self) -> Result<(), HomeError> {
        create(self.state.clone()).map(drop)
    }

    /// Where lines of services are kept.
    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// The folders of every service there ever was, of this session and earlier ones.
    pub fn services(&self) -> Result<Vec<PathBuf>, HomeError> {
        let folder = self.folder.join("services");
        match fs::read_dir(&folder) {
            Ok(entries) => Ok(entries.flatten().map(|entry| entry.path()).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(HomeError::Create { folder, source }),
        }
    }

    /// Makes the folder of a service, empty of what an earlier session left.
    pub fn clear_service(&self, host: &str) -> Result<PathBuf, HomeError> {
        let folder = self.service(host);
        let create = |source| HomeError::Create { folder: folder.clone(), source };
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(create(error)),
            _ => {}
        }
        fs::create_dir_all(&folder).map_err(create)?;
        // The home may be a folder that was there before, and open to others: secrets of the session are below this one.
        fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o700)).map_err(create)?;
        // A container runs as nobody; the folders above stay closed to everyone else.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).map_err(create)?;
        Ok(folder)
    }
}

/// Makes a folder that is this user's alone.
fn alone(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let owner = fs::symlink_metadata(folder)?;
    if !owner.is_dir() || owner.uid() != rustix::process::getuid().as_raw() || owner.mode() & 0o077 != 0 {
        return Err(io::Error::other("it is not this user's alone"));
    }
    Ok(())
}

/// An error of the file system in words.
pub(crate) fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory, not a file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// A DNS label out of a file name: lower case letters, digits and `-`, at most 30 long.
fn label(name: &str) -> String {
    let mapped = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    let mapped: String = mapped.take(30).collect();
    let label = mapped.trim_matches('-');
    if label.is_empty() { "app".to_owned() } else { label.to_owned() }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn cache_and_state_are_apart_unless_one_home_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let named = |variables: &[(&str, PathBuf)]| {
            let known: std::collections::BTreeMap<String, PathBuf> =
                variables.iter().map(|(name, path)| ((*name).to_owned(), path.clone())).collect();
            Home::named(&move |name| known.get(name).cloned())
        };
        let home = named(&[("HOME", root.join("me"))]).unwrap();
        assert_eq!(home.build(), root.join("me/.cache/dyninka/build"));
        assert_eq!(home.clusters(), root.join("me/.local/state/dyninka/clusters.json"));
        let relative = ("XDG_CACHE_HOME", PathBuf::from("relative"));
        let home = named(&[("HOME", root.join("me")), relative, ("XDG_STATE_HOME", root.join("s"))]).unwrap();
        assert_eq!((home.cache(), home.state()), (&*root.join("me/.cache/dyninka"), &*root.join("s/dyninka")));
        let home = named(&[("HOME", root.join("me")), ("DYNINKA_HOME", root.join("one"))]).unwrap();
        assert_eq!((home.cache(), home.state()), (&*root.join("one"), &*root.join("one")));
        let nowhere = named(&[("XDG_CACHE_HOME", root.join("c"))]).unwrap_err().to_string();
        assert_eq!(
            nowhere,
            "cannot find a folder to remember in: neither DYNINKA_HOME, XDG_STATE_HOME nor HOME is set"
        );
        fs::write(root.join("file"), "").unwrap();
        let refused = named(&[("HOME", root.join("file"))]).unwrap_err().to_string();
        assert!(refused.starts_with("cannot create") && refused.contains("file/.cache/dyninka"), "{refused}");
    }

    #[test]
    fn labels_are_host_names() {
        for (name, expected) in [("building", "building"), ("My_App", "my-app"), ("été", "t"), ("--", "app")] {
            assert_eq!(label(name), expected);
        }
    }

    #[test]
    fn two_files_of_one_name_stay_apart() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("home")).unwrap();
        let mut places = Vec::new();
        for sub in ["a", "b"] {
            fs::create_dir(folder.path().join(sub)).unwrap();
            let file = folder.path().join(sub).join("app.rs");
            fs::write(&file, "").unwrap();
            places.push(home.place(&file).unwrap());
        }
        assert_eq!(places[0].name, places[1].name);
        assert_ne!(places[0].folder, places[1].folder);
    }

    #[test]
    fn a_socket_is_where_its_path_is_short_enough_and_the_folder_is_the_users_own() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.rs");
        fs::write(&file, "").unwrap();
        let place = Home::at(folder.path().join("x".repeat(120))).unwrap().place(&file).unwrap();
        let (long, open) = (folder.path().join("y".repeat(100)), folder.path().join("open"));
        let user = rustix::process::getuid().as_raw();
        fs::create_dir_all(open.join(format!("dyninka-{user}"))).unwrap();
        fs::set_permissions(open.join(format!("dyninka-{user}")), fs::Permissions::from_mode(0o755)).unwrap();
        let found = place.socket_in([long.clone(), open.clone(), folder.path().to_owned()]).unwrap();
        assert!(found.starts_with(folder.path().join(format!("dyninka-{user}"))), "{}", found.display());
        let refused = place.socket_in([long]).unwrap_err();
        assert!(refused.to_string().contains("107 bytes"), "{refused}");
        let refused = place.socket_in([open, PathBuf::from("/proc/none")]).unwrap_err();
        assert!(refused.to_string().contains("/proc/none"), "{refused}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().to_owned()).unwrap();
        let error = home.place(Path::new("nowhere.rs")).unwrap_err();
        assert!(error.to_string().contains("nowhere.rs"), "{error}");
    }
}
