//! The image services run on, in a Docker engine: a host's files and nothing else. They decide its name, so it is made
//! once.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bollard::Docker as Engine;
use bollard::query_parameters::{CreateImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptionsBuilder};
use bytes::Bytes;
use futures_util::TryStreamExt;
use images::HostFiles;
use images::elf::Linked;

use crate::backend::BackendError;

/// The repository of these images.
const REPOSITORY: &str = "dyninka/host";

/// An image in the engine.
pub(crate) struct HostImage {
    pub(crate) name: String,
    /// Whether it was made just now.
    pub(crate) is_new: bool,
    pub(crate) linked: Linked,
}

/// Has the image for a host program in the engine.
pub(crate) async fn ensure(engine: &Engine, host: &Path) -> Result<HostImage, BackendError> {
    let host = host.to_owned();
    // Services that call nobody by TLS need no certificates.
    let read = move || {
        let files = HostFiles::read(&host, images::certificates().ok().as_deref())?;
        Ok((files.key(), files))
    };
    let (tag, files) = blocking(read).await?;
    let (name, linked) = (format!("{REPOSITORY}:{tag}"), files.linked.clone());
    if engine.inspect_image(&name).await.is_ok() {
        return Ok(HostImage { name, is_new: false, linked });
    }
    let archive = blocking(move || files.archive()).await?;
    let options = CreateImageOptionsBuilder::default().from_src("-").repo(REPOSITORY).tag(&tag).build();
    let created = engine.create_image(Some(options), Some(bollard::body_full(Bytes::from(archive))), None);
    created.try_collect::<Vec<_>>().await.map_err(BackendError::engine("import the host's image"))?;
    forget_older(engine, &name).await;
    Ok(HostImage { name, is_new: true, linked })
}

/// Runs what reads files and takes its time.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, images::ImageError> + Send + 'static,
) -> Result<T, BackendError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|error| BackendError::io("make the host's image")(io::Error::other(error)))??)
}

/// Images of earlier hosts go, unless something still runs on them.
async fn forget_older(engine: &Engine, current: &str) {
    let filters = std::collections::HashMap::from([("reference".to_owned(), vec![REPOSITORY.to_owned()])]);
    let options = ListImagesOptionsBuilder::default().filters(&filters).build();
    let Ok(images) = engine.list_images(Some(options)).await else { return };
    for name in images.into_iter().flat_map(|image| image.repo_tags).filter(|name| name != current) {
        // Refused while a container of another app uses it: then it stays until later.
        drop(engine.remove_image(&name, Some(RemoveImageOptionsBuilder::default().build()), None).await);
    }
}

/// Lets everybody write into a folder.
pub(crate) fn open_to_writers(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777))
}

/// Lets everyone in the container read a folder.
pub(crate) fn open_to_readers(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}
