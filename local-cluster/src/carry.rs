//! Service folders for an engine that sees no file of this machine: carried into the containers, archive by archive.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bollard::Docker as Engine;
use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType, MountVolumeOptions};
use bollard::query_parameters::{CreateContainerOptionsBuilder, UploadToContainerOptionsBuilder};
use bytes::Bytes;
use parking_lot::Mutex;

use crate::backend::BackendError;
use crate::engine::{self, status};

/// A service's folder inside its container.
pub(crate) const INSIDE: &str = "/dyninka";

/// What was carried into each container, below which folder: files by name, each with the hash of its content.
#[derive(Debug, Default)]
pub(crate) struct Carried(Mutex<HashMap<(String, Option<String>), Files>>);

type Files = BTreeMap<String, blake3::Hash>;

/// What has to be carried for a container to have what a folder has.
#[derive(Debug)]
struct Load {
    archive: Vec<u8>,
    /// What is there afterwards.
    files: Files,
}

impl Carried {
    /// Forgets a container: one that is made anew has nothing.
    pub(crate) fn forget(&self, container: &str) {
        self.0.lock().retain(|(known, _), _| known != container);
    }

    /// Has a container have what a folder has, below a folder of this name. Nothing is carried twice.
    pub(crate) async fn bring(
        &self,
        engine: &Engine,
        container: &str,
        folder: &Path,
        within: Option<&str>,
    ) -> Result<(), BackendError> {
        let place = (container.to_owned(), within.map(str::to_owned));
        let known = self.0.lock().get(&place).cloned().unwrap_or_default();
        let load = Load::of(folder, &known, within).map_err(BackendError::io(format!("read {}", folder.display())))?;
        let Some(Load { archive, files }) = load else { return Ok(()) };
        let options = UploadToContainerOptionsBuilder::default().path(INSIDE).build();
        let body = bollard::body_full(Bytes::from(archive));
        let carried = engine.upload_to_container(container, Some(options), body).await;
        carried.map_err(BackendError::engine(format!("carry {} to the engine", folder.display())))?;
        self.0.lock().insert(place, files);
        Ok(())
    }
}

impl Load {
    /// None where all of it is there. What is in the folder no more cannot be removed by an archive: it is made empty,
    /// and so takes no room.
    fn of(folder: &Path, known: &Files, within: Option<&str>) -> io::Result<Option<Self>> {
        let (mut archive, mut files) = (tar::Builder::new(Vec::new()), Files::new());
        let mut is_empty = true;
        let mut put = |name: &str, content: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            is_empty = false;
            let path = within.map_or_else(|| name.to_owned(), |within| format!("{within}/{name}"));
            archive.append_data(&mut header, path, content)
        };
        for (name, path) in listed(folder)? {
            let content = fs::read(path)?;
            let hash = blake3::hash(&content);
            if known.get(&name) != Some(&hash) {
                put(&name, &content)?;
            }
            files.insert(name, hash);
        }
        for name in known.keys() {
            if !files.contains_key(name) {
                put(name, &[])?;
            }
        }
        Ok((!is_empty).then_some(()).map(|()| archive.into_inner()).transpose()?.map(|archive| Self { archive, files }))
    }
}

/// The files of a folder, but for those that are just being written.
fn listed(folder: &Path) -> io::Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_file() && !name.starts_with('.') {
            files.insert(name, entry.path());
        }
    }
    Ok(files)
}

/// Where a container has what is carried to it: a volume of its own, which goes with it, or is known by its labels where
/// somebody else removed the container.
pub(crate) fn room(labels: HashMap<String, String>) -> Mount {
    let volume_options = Some(MountVolumeOptions { labels: Some(labels), ..MountVolumeOptions::default() });
    Mount { typ: Some(MountType::VOLUME), target: Some(INSIDE.to_owned()), volume_options, ..Mount::default() }
}

/// Whether the engine sees a folder of this machine: it mounts a file that was made in it just now, or refuses to. The
/// container that is made to ask is never started.
pub(crate) async fn is_seen(
    engine: &Engine,
    image: &str,
    folder: &Path,
    labels: HashMap<String, String>,
) -> Result<bool, BackendError> {
    let name = format!(".seen-{:016x}", std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), ()));
    let mark = folder.join(&name);
    fs::write(&mark, []).map_err(BackendError::io(format!("write {}", mark.display())))?;
    let mount = Mount {
        typ: Some(MountType::BIND),
        source: Some(mark.display().to_string()),
        target: Some(format!("{INSIDE}/seen")),
        read_only: Some(true),
        ..Mount::default()
    };
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(vec![images::HOST.to_owned()]),
        labels: Some(labels),
        host_config: Some(HostConfig { mounts: Some(vec![mount]), ..HostConfig::default() }),
        ..ContainerCreateBody::default()
    };
    let container = format!("dyninka{name}");
    let made =
        engine.create_container(Some(CreateContainerOptionsBuilder::default().name(&container).build()), body).await;
    fs::remove_file(&mark).map_err(BackendError::io(format!("remove {}", mark.display())))?;
    match made {
        Ok(_) => engine::remove(engine, &container).await.map(|()| true),
        Err(error) if status(&error) == Some(400) && error.to_string().contains("does not exist") => Ok(false),
        Err(error) => Err(BackendError::engine("ask the engine which files it sees")(error)),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn names(load: &Load) -> Vec<(String, u64)> {
        let mut archive = tar::Archive::new(load.archive.as_slice());
        let entries = archive.entries().unwrap().map(Result::unwrap);
        entries.map(|entry| (entry.path().unwrap().display().to_string(), entry.size())).collect()
    }

    #[test]
    fn only_what_changed_is_carried_and_what_is_gone_is_made_empty() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &str| fs::write(folder.path().join(name), content).unwrap();
        write("config.json", "{}");
        write("lib-1.so", "one");
        write(".lib-2.so.new", "half");
        let first = Load::of(folder.path(), &Files::new(), None).unwrap().unwrap();
        assert_eq!(names(&first), [("config.json".to_owned(), 2), ("lib-1.so".to_owned(), 3)]);
        assert!(Load::of(folder.path(), &first.files, None).unwrap().is_none());
        write("lib-2.so", "two");
        fs::remove_file(folder.path().join("lib-1.so")).unwrap();
        let second = Load::of(folder.path(), &first.files, None).unwrap().unwrap();
        assert_eq!(names(&second), [("lib-2.so".to_owned(), 3), ("lib-1.so".to_owned(), 0)]);
        assert!(Load::of(folder.path(), &second.files, None).unwrap().is_none());
    }
}
