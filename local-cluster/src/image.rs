//! The image services run on: the host program and the shared objects it needs, and nothing else. No registry, no
//! base image; what is in it decides its name, so it is made once.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bollard::Docker as Engine;
use bollard::query_parameters::{CreateImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptionsBuilder};
use bytes::Bytes;
use futures_util::TryStreamExt;

use crate::backend::BackendError;

/// Where images of ours are kept.
pub(crate) const REPOSITORY: &str = "dyninka/host";
/// The host program inside.
pub(crate) const HOST: &str = "/dyn";
/// Names are looked up in /etc/hosts and by DNS, also where a libc would think otherwise.
const NAMES: &[u8] = b"hosts: files dns\n";

/// A file of the image.
struct Part {
    inside: PathBuf,
    content: Bytes,
    mode: u32,
}

/// Has the image for a host program in the engine; answers its name and whether it was made just now.
pub(crate) async fn ensure(engine: &Engine, host: &Path) -> Result<(String, bool), BackendError> {
    let host = host.to_owned();
    let parts = tokio::task::spawn_blocking(move || parts(&host)).await;
    let parts = parts
        .map_err(|error| io::Error::other(error.to_string()))
        .and_then(|parts| parts)
        .map_err(BackendError::io("gather the host's image"))?;
    let tag = digest(&parts);
    let name = format!("{REPOSITORY}:{tag}");
    if engine.inspect_image(&name).await.is_ok() {
        return Ok((name, false));
    }
    let archive = archive(&parts).map_err(BackendError::io("write the host's image"))?;
    let options = CreateImageOptionsBuilder::default().from_src("-").repo(REPOSITORY).tag(&tag).build();
    let created = engine.create_image(Some(options), Some(bollard::body_full(Bytes::from(archive))), None);
    created.try_collect::<Vec<_>>().await.map_err(BackendError::engine("import the host's image"))?;
    forget_older(engine, &name).await;
    Ok((name, true))
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

fn parts(host: &Path) -> io::Result<Vec<Part>> {
    let part = |inside: PathBuf, from: &Path, mode| {
        Ok::<Part, io::Error>(Part { inside, content: Bytes::from(fs::read(from)?), mode })
    };
    let program = part(PathBuf::from(HOST), host, 0o755)?;
    let interpreter = interpreter(&program.content).map(PathBuf::from);
    let mut parts = vec![program];
    let shared: BTreeSet<PathBuf> = shared_objects()?.into_iter().chain(interpreter).collect();
    for file in shared {
        parts.push(part(file.clone(), &file, 0o755)?);
    }
    let certificates = Path::new("/etc/ssl/certs/ca-certificates.crt");
    if certificates.exists() {
        parts.push(part(certificates.to_owned(), certificates, 0o644)?);
    }
    parts.push(Part { inside: PathBuf::from("/etc/nsswitch.conf"), content: Bytes::from_static(NAMES), mode: 0o644 });
    Ok(parts)
}

/// The shared objects this very process has mapped: it is the host program itself.
pub(crate) fn shared_objects() -> io::Result<BTreeSet<PathBuf>> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let mapped = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).filter(|path| path.starts_with('/'));
    let is_shared =
        |path: &&str| Path::new(path).file_name().is_some_and(|name| name.to_string_lossy().contains(".so"));
    Ok(mapped.filter(is_shared).map(PathBuf::from).collect())
}

/// The interpreter an ELF program names (System V ABI: program header of type `PT_INTERP`).
pub(crate) fn interpreter(program: &[u8]) -> Option<String> {
    const PT_INTERP: u32 = 3;
    let number = |at: usize, length: usize| -> Option<u64> {
        let bytes = program.get(at..at + length)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    if !program.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let at = |number: u64| usize::try_from(number).ok();
    let (table, size, count) = (at(number(32, 8)?)?, at(number(54, 2)?)?, at(number(56, 2)?)?);
    let header =
        (0..count).map(|index| table + index * size).find(|header| number(*header, 4) == Some(u64::from(PT_INTERP)))?;
    let (begin, length) = (at(number(header + 8, 8)?)?, at(number(header + 32, 8)?)?);
    let path = program.get(begin..begin + length)?;
    String::from_utf8(path.to_vec()).ok().map(|path| path.trim_end_matches('\0').to_owned())
}

fn digest(parts: &[Part]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part.inside.as_os_str().as_encoded_bytes());
        hasher.update(&part.content.len().to_le_bytes());
        hasher.update(&part.content);
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

/// The image as one archive; same parts, same bytes.
fn archive(parts: &[Part]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for folder in ["dyninka", "tmp", "etc"] {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(if folder == "tmp" { 0o1777 } else { 0o755 });
        header.set_size(0);
        archive.append_data(&mut header, format!("{folder}/"), io::empty())?;
    }
    for part in parts {
        let mut header = tar::Header::new_gnu();
        header.set_mode(part.mode);
        header.set_size(part.content.len() as u64);
        let inside = part.inside.strip_prefix("/").unwrap_or(&part.inside);
        archive.append_data(&mut header, inside, &*part.content)?;
    }
    archive.into_inner()
}

/// Lets everyone in the container read a folder.
pub(crate) fn open_to_readers(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_image_holds_what_this_program_needs_to_run() {
        let own = std::env::current_exe().unwrap();
        let parts = parts(&own).unwrap();
        let named = |suffix: &str| parts.iter().any(|part| part.inside.to_string_lossy().contains(suffix));
        assert!(
            named("/dyn") && named("libc.so") && named("ld-linux"),
            "{:?}",
            parts.iter().map(|part| &part.inside).collect::<Vec<_>>()
        );
    }

    #[test]
    fn same_parts_same_bytes() {
        let part = || vec![Part { inside: PathBuf::from("/dyn"), content: Bytes::from_static(b"x"), mode: 0o755 }];
        assert_eq!(archive(&part()).unwrap(), archive(&part()).unwrap());
        assert_eq!(digest(&part()), digest(&part()));
    }
}
