//! The folder of a node: its keys, its certificates, and what it remembers.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nodes::{FleetMember, FleetRole, MemberId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::NodeError;

/// What a node knows of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FleetRecord {
    pub fleet: String,
    pub name: String,
    pub id: MemberId,
    pub role: FleetRole,
    /// The node that has the fleet's key.
    pub authority: MemberId,
    /// How often it began.
    #[serde(default)]
    pub restarts: u64,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// A certificate that was given.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Issued {
    pub(crate) id: MemberId,
    pub(crate) name: String,
    pub(crate) role: FleetRole,
    pub(crate) serial: String,
    #[serde(default)]
    pub(crate) is_void: bool,
}

/// The files that make a node.
const IDENTITY: [&str; 6] = ["fleet.json", "members.json", "ca.der", "crl.der", "node.der", "node.key"];

/// The folder, 0700; each file in it 0600, written whole or not at all.
#[derive(Clone, Debug)]
pub struct FleetFolder {
    path: PathBuf,
}

impl FleetFolder {
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    pub(crate) fn make(&self) -> Result<(), NodeError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.path);
        made.map_err(NodeError::file("make", &self.path))?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(&self.path, mode).map_err(NodeError::file("close", &self.path))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the agent listens for commands.
    pub fn socket(&self) -> PathBuf {
        self.path.join("node.sock")
    }

    /// What this machine is in its fleet.
    pub fn record(&self) -> Result<FleetRecord, NodeError> {
        self.json("fleet.json")?.ok_or(NodeError::NoFleet)
    }

    pub(crate) fn save_record(&self, record: &FleetRecord) -> Result<(), NodeError> {
        self.save_json("fleet.json", record)
    }

    pub(crate) fn members(&self) -> Result<Vec<FleetMember>, NodeError> {
        Ok(self.json("members.json")?.unwrap_or_default())
    }

    /// A file of this folder; none where it is not there.
    pub(crate) fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, NodeError> {
        let path = self.path.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(NodeError::file("read", &path)(error)),
        }
    }

    pub(crate) fn needed(&self, name: &str) -> Result<Vec<u8>, NodeError> {
        self.bytes(name)?.ok_or_else(|| NodeError::Unreadable {
            path: self.path.join(name).display().to_string(),
            why: "it is not there".to_owned(),
        })
    }

    pub(crate) fn json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, NodeError> {
        let Some(bytes) = self.bytes(name)? else { return Ok(None) };
        let unreadable = |error: serde_json::Error| NodeError::Unreadable {
            path: self.path.join(name).display().to_string(),
            why: error.to_string(),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(unreadable)
    }

    pub(crate) fn save(&self, name: &str, bytes: &[u8]) -> Result<(), NodeError> {
        let path = self.path.join(name);
        write_whole(&path, bytes).map_err(NodeError::file("write", &path))
    }

    pub(crate) fn save_json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), NodeError> {
        let bytes = serde_json::to_vec_pretty(value);
        let bytes = bytes.map_err(|error| NodeError::file("write", &self.path.join(name))(error.into()))?;
        self.save(name, &bytes)
    }

    /// What makes a node, by file name: for one that is to run elsewhere.
    pub fn identity(&self) -> Result<BTreeMap<String, Vec<u8>>, NodeError> {
        let files = IDENTITY.iter().map(|name| Ok(((*name).to_owned(), self.needed(name)?)));
        files.collect()
    }

    /// Takes over what makes a node, unless one is here already: what it learned since is newer.
    pub fn take_identity(&self, from: &Path) -> Result<(), NodeError> {
        if self.bytes("fleet.json")?.is_some() {
            return Ok(());
        }
        self.make()?;
        let from = Self::at(from.to_owned());
        // Last what says that all the others are here.
        for name in IDENTITY.iter().rev() {
            self.save(name, &from.needed(name)?)?;
        }
        Ok(())
    }

    /// Removes all of it: this machine is in no fleet any more.
    pub fn forget(&self) -> Result<(), NodeError> {
        fs::remove_dir_all(&self.path).map_err(NodeError::file("remove", &self.path))
    }
}

/// For this user alone, and for every user who comes that far.
pub(crate) const PRIVATE: u32 = 0o600;
pub(crate) const READABLE: u32 = 0o644;

pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_as(path, bytes, PRIVATE)
}

/// Writes aside and renames. Commands write beside the agent: each has a file of its own until it is in its place.
pub(crate) fn write_as(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut aside = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    aside.write_all(bytes)?;
    aside.as_file().set_permissions(Permissions::from_mode(mode))?;
    aside.as_file().sync_all()?;
    aside.persist(path).map(drop).map_err(|error| error.error)
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hexadecimal digits as bytes.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn writers_of_one_file_do_not_disturb_each_other() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("members.json");
        let texts: Vec<_> = (0..8_u8).map(|writer| vec![writer; 4096]).collect();
        std::thread::scope(|scope| {
            for text in &texts {
                scope.spawn(|| {
                    for _ in 0..50 {
                        write_whole(&path, text).unwrap();
                        assert!(texts.contains(&fs::read(&path).unwrap()));
                    }
                });
            }
        });
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }
}
