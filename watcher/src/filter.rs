//! Which events matter.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use notify::EventKind;
use notify::event::{AccessKind, AccessMode};

use crate::parent;

/// Tells the watched files from the rest of their folders.
pub(crate) struct Filter {
    /// Every path an event may come under, to the file as the caller named it.
    names: BTreeMap<PathBuf, PathBuf>,
}

impl Filter {
    pub(crate) fn new(files: &BTreeSet<PathBuf>) -> Self {
        let names = files.iter().flat_map(|file| names(file).into_iter().map(move |name| (name, file.clone())));
        Self { names: names.collect() }
    }

    /// The watched files an event says something about. Reading is nothing; lost events touch every file.
    pub(crate) fn touched(&self, event: &notify::Result<notify::Event>) -> BTreeSet<PathBuf> {
        let Ok(event) = event else { return self.names.values().cloned().collect() };
        if event.need_rescan() {
            return self.names.values().cloned().collect();
        }
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
            EventKind::Access(_) => return BTreeSet::new(),
            _ => {}
        }
        event.paths.iter().filter_map(|path| self.names.get(path).cloned()).collect()
    }
}

/// The folders to watch: of each file as named, and of what it is a link to.
pub(crate) fn folders(files: &BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
    files.iter().flat_map(|file| names(file)).map(|name| parent(&name)).filter(|folder| folder.is_dir()).collect()
}

/// A file as named, and every step of the links it goes through: swapping a link is an edit too. Each is spelled with its
/// folder's own path: to the system a folder of two spellings is one, and whoever lets go of the one loses both.
fn names(file: &Path) -> Vec<PathBuf> {
    // The system's own limit on links in a row is 40.
    const LONGEST_CHAIN: usize = 40;
    let mut names = vec![file.to_owned()];
    while names.len() <= LONGEST_CHAIN {
        let Some(last) = names.last() else { break };
        let Ok(target) = last.read_link() else { break };
        names.push(parent(last).join(target));
    }
    names.extend(file.canonicalize());
    names.iter().map(|name| spelled(name)).collect()
}

fn spelled(name: &Path) -> PathBuf {
    match (parent(name).canonicalize(), name.file_name()) {
        (Ok(folder), Some(file)) => folder.join(file),
        // A folder that is not there yet has no other path.
        _ => name.to_owned(),
    }
}

/// Whether a file is on a file system that other machines change without telling this one.
pub(crate) fn on_network(file: &Path) -> bool {
    const NETWORK: [&str; 8] = ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "afs", "vboxsf"];
    let Ok(file) = file.canonicalize() else { return false };
    let Ok(mounts) = std::fs::read_to_string("/proc/self/mounts") else { return false };
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (folder, kind) = (words.nth(1)?, words.next()?);
        // Spaces in mount points are written in octal.
        file.starts_with(folder.replace("\\040", " ")).then_some((folder.len(), kind))
    });
    mounts.max_by_key(|(length, _)| *length).is_some_and(|(_, kind)| NETWORK.contains(&kind))
}
