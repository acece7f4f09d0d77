//! A layer: an archive of files, compressed. Same files, same bytes: sorted, without times and owners, by one writer
//! of gzip at one level.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use flate2::{Compression, GzBuilder};

use crate::{Digest, ImageError};

/// Level 9 takes twice as long as 6 for one percent less.
const LEVEL: u32 = 6;

/// A compressed layer.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Of the compressed bytes: how registries name it.
    pub digest: Digest,
    /// Of the bytes before compression: how an image's configuration names it.
    pub diff_id: Digest,
    /// The compressed bytes.
    pub content: Bytes,
    /// Bytes before compression.
    pub unpacked: u64,
}

impl Layer {
    /// Compressed bytes.
    pub fn compressed(&self) -> u64 {
        self.content.len() as u64
    }
}

/// A file of a layer.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// Absolute path inside.
    pub(crate) inside: PathBuf,
    pub(crate) content: Bytes,
    pub(crate) mode: u32,
}

impl File {
    /// A file of this machine.
    pub(crate) fn read(inside: &Path, from: &Path, mode: u32) -> Result<Self, ImageError> {
        let content = std::fs::read(from).map_err(ImageError::read(from))?;
        Ok(Self { inside: inside.to_owned(), content: content.into(), mode })
    }
}

/// Writes a layer of folders (path, mode) and files.
pub(crate) fn write(folders: &[(&str, u32)], files: &[File]) -> Result<Layer, ImageError> {
    let archive = archive(folders, files)?;
    let mut packer = GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(LEVEL));
    packer.write_all(&archive)?;
    let content = packer.finish()?;
    Ok(Layer {
        digest: Digest::of(&content),
        diff_id: Digest::of(&archive),
        content: content.into(),
        unpacked: archive.len() as u64,
    })
}

/// The archive of folders and files, before compression.
pub(crate) fn archive(folders: &[(&str, u32)], files: &[File]) -> Result<Vec<u8>, ImageError> {
    let mut files: Vec<&File> = files.iter().collect();
    files.sort_by(|one, other| one.inside.cmp(&other.inside));
    let mut archive = tar::Builder::new(Vec::new());
    for (folder, mode) in folders {
        let mut header = header(tar::EntryType::Directory, *mode, 0);
        archive.append_data(&mut header, format!("{folder}/"), io::empty())?;
    }
    for file in files {
        let mut header = header(tar::EntryType::Regular, file.mode, file.content.len() as u64);
        archive.append_data(&mut header, file.inside.strip_prefix("/").unwrap_or(&file.inside), &*file.content)?;
    }
    Ok(archive.into_inner()?)
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::io::Read;

    use super::*;

    fn file(inside: &str, content: &'static [u8]) -> File {
        File { inside: inside.into(), content: Bytes::from_static(content), mode: 0o644 }
    }

    #[test]
    fn the_order_of_files_is_not_the_bytes() {
        let (one, two) = (file("/a/one", b"1"), file("/b", b"2"));
        let forth = write(&[("a", 0o755)], &[one.clone(), two.clone()]).unwrap();
        let back = write(&[("a", 0o755)], &[two, one]).unwrap();
        assert_eq!((&forth.digest, &forth.diff_id, &forth.content), (&back.digest, &back.diff_id, &back.content));
    }

    #[test]
    fn what_is_unpacked_is_what_was_put_in_and_nobodys() {
        let layer = write(&[("tmp", 0o1777)], &[file("/etc/x", b"hello")]).unwrap();
        let mut archive = Vec::new();
        flate2::read::GzDecoder::new(&*layer.content).read_to_end(&mut archive).unwrap();
        assert_eq!((Digest::of(&archive), archive.len() as u64), (layer.diff_id, layer.unpacked));
        let mut archive = tar::Archive::new(&*archive);
        let mut seen = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let (header, mut content) = (entry.header().clone(), String::new());
            entry.read_to_string(&mut content).unwrap();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, 0));
            seen.push((entry.path().unwrap().display().to_string(), header.mode().unwrap(), content));
        }
        assert_eq!(seen, [("tmp/".into(), 0o1777, String::new()), ("etc/x".into(), 0o644, "hello".into())]);
        // Name, time and machine are not in the head of the compressed bytes either (RFC 1952: flags, time, system).
        assert_eq!((layer.content[3], &layer.content[4..8], layer.content[9]), (0, &[0; 4][..], 255));
    }

    #[test]
    fn a_long_path_stays_whole() {
        let long = format!("/{}/object.so", "deep/".repeat(40));
        let layer = write(&[], &[file(&long, b"")]).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&*layer.content));
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(Path::new("/").join(entry.path().unwrap()), PathBuf::from(long));
    }
}
