//! Which events matter.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use notify::EventKind;
use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};

use crate::parent;
use crate::settle::{Stage, Touched};

/// Tells the watched files from the rest of their folders.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    /// Every path an event may come under, to the file as the caller named it, in each of the ways he did.
    names: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    /// The folders that are watched. One that an event says is gone is taken out.
    pub(crate) watched: BTreeMap<PathBuf, Identity>,
}

impl Filter {
    /// Looks for these files from now on.
    pub(crate) fn set(&mut self, files: &BTreeSet<PathBuf>) {
        self.names = BTreeMap::new();
        for file in files {
            for name in names(file) {
                self.names.entry(name).or_default().insert(file.clone());
            }
        }
    }

    /// Whether a file goes by other names than when it was last looked at: a link was swapped.
    pub(crate) fn knows(&self, file: &Path) -> bool {
        names(file).iter().all(|name| self.names.get(name).is_some_and(|known| known.contains(file)))
    }

    /// The watched files in a folder.
    pub(crate) fn within(&self, folder: &Path) -> impl Iterator<Item = PathBuf> {
        self.names.iter().filter(move |(name, _)| name.parent() == Some(folder)).flat_map(|(_, files)| files).cloned()
    }

    /// The watched files an event says something about. Reading is nothing; lost events touch every file. A folder that
    /// is moved or removed takes its watch along, and is watched no more.
    pub(crate) fn touched(&mut self, event: &notify::Result<notify::Event>) -> Touched {
        let all = || Touched { files: self.names.values().flatten().cloned().collect(), stage: Stage::Begun };
        let Ok(event) = event else { return all() };
        if event.need_rescan() {
            return all();
        }
        let (ends, stage) = match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => (false, Stage::Written),
            EventKind::Access(_) => return Touched::default(),
            // Says once more what `From` and `To` said.
            EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => return Touched::default(),
            EventKind::Modify(ModifyKind::Name(RenameMode::To)) => (true, Stage::Written),
            EventKind::Modify(ModifyKind::Metadata(_)) => (false, Stage::Aside),
            EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => (true, Stage::Begun),
            _ => (false, Stage::Begun),
        };
        let mut touched = Touched { stage, ..Touched::default() };
        for path in &event.paths {
            touched.files.extend(self.names.get(path).into_iter().flatten().cloned());
            // A file without a byte is one that is going to be written.
            if stage != Stage::Begun && fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() == 0) {
                touched.stage = Stage::Begun;
            }
            if ends && self.watched.remove(path).is_some() {
                touched.files.extend(self.within(path));
                touched.stage = Stage::Begun;
            }
        }
        touched
    }
}

/// A folder, whatever its name: its device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity(u64, u64);

impl Identity {
    /// None where there is no such folder.
    pub(crate) fn of(folder: &Path) -> Option<Self> {
        let metadata = fs::metadata(folder).ok().filter(fs::Metadata::is_dir)?;
        Some(Self(metadata.dev(), metadata.ino()))
    }
}

/// The folders to watch: of each file as named, and of what it is a link to.
pub(crate) fn folders(files: &BTreeSet<PathBuf>) -> BTreeMap<PathBuf, Identity> {
    let folders: BTreeSet<PathBuf> = files.iter().flat_map(|file| names(file)).map(|name| parent(&name)).collect();
    folders.into_iter().filter_map(|folder| Identity::of(&folder).map(|identity| (folder, identity))).collect()
}

/// The folders of these files and of what they are links to, spelled as they are named, and which folder each leads to now.
/// A folder above that is moved, or a link above that is swapped, makes another one of it, and no event says so.
pub(crate) fn leads(files: &BTreeSet<PathBuf>) -> BTreeMap<PathBuf, Option<Identity>> {
    let folders: BTreeSet<PathBuf> = files.iter().flat_map(|file| chain(file)).map(|name| parent(&name)).collect();
    folders.into_iter().map(|folder| (folder.clone(), Identity::of(&folder))).collect()
}

/// A file as named, and every step of the links it goes through: swapping a link is an edit too. Each is spelled with its
/// folder's own path: to the system a folder of two spellings is one, and whoever lets go of the one loses both.
fn names(file: &Path) -> Vec<PathBuf> {
    let mut names = chain(file);
    names.extend(file.canonicalize());
    names.iter().map(|name| spelled(name)).collect()
}

/// A file as named, and what it is a link to, step by step.
fn chain(file: &Path) -> Vec<PathBuf> {
    // The system's own limit on links in a row is 40.
    const LONGEST_CHAIN: usize = 40;
    let mut names = vec![file.to_owned()];
    while names.len() <= LONGEST_CHAIN {
        let Some(last) = names.last() else { break };
        let Ok(target) = last.read_link() else { break };
        names.push(parent(last).join(target));
    }
    names
}

fn spelled(name: &Path) -> PathBuf {
    match (parent(name).canonicalize(), name.file_name()) {
        (Ok(folder), Some(file)) => folder.join(file),
        // A folder that is not there yet has no other path.
        _ => name.to_owned(),
    }
}
