//! A recording, opened.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::header::{BODIES, FILE, Header};
use crate::request::{Keyframe, Request};
use crate::scan::{RequestEntry, Scan};
use crate::store::{self, BodyError};
use protocol::body::Body;

/// A recording to read from. Open, it holds where each request is and what a list says of it; a request itself is
/// read when it is asked for.
#[derive(Debug)]
pub struct Reader {
    folder: PathBuf,
    file: File,
    header: Header,
    scan: Scan,
}

/// What a recording is, in a line.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    pub app: String,
    /// When it began: milliseconds since 1970.
    pub began: u64,
    /// When its last request began: milliseconds since 1970. None where there is no request.
    pub last: Option<u64>,
    /// Requests that read.
    pub requests: u64,
    /// What services did for them.
    pub hops: u64,
    /// Requests that should be there: the disk was slow or refused.
    pub lost: u64,
    /// Lines that do not read: torn by a crash, or damaged.
    pub unread: u64,
    /// Bytes of disk it takes.
    pub bytes: u64,
}

/// A recording that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot read {}: there is no recording", .0.display())]
    None(PathBuf),
    /// The disk refuses.
    #[error("cannot read {}: {error}", .path.display())]
    Disk { path: PathBuf, error: io::Error },
    /// Its first line is none that begins a recording.
    #[error("cannot read {}: its first line is not that of a recording", .0.display())]
    Header(PathBuf),
    /// It is of another format.
    #[error("cannot read {}: it is of format {format}, {}; this dyn reads {}", .path.display(), if *.format < crate::FORMAT { "older" } else { "newer" }, crate::FORMAT)]
    Format { path: PathBuf, format: u32 },
    #[error("cannot read request {number} of {}: {error}", .path.display())]
    Request {
        path: PathBuf,
        number: usize,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// There are fewer requests.
    #[error("cannot find request {number}: there are {requests}")]
    Number {
        /// The request that was asked for.
        number: usize,
        /// How many there are.
        requests: usize,
    },
}

impl Reader {
    /// Opens the recording in a folder. Lines that do not read are counted and left out.
    pub fn open(folder: &Path) -> Result<Self, ReadError> {
        let path = folder.join(FILE);
        let disk = |error| ReadError::Disk { path: path.clone(), error };
        let file = File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ReadError::None(folder.to_owned()),
            _ => disk(error),
        })?;
        let (first, scan) = Scan::of(&file).map_err(disk)?;
        let header = read_header(&first, &path)?;
        Ok(Self { folder: folder.to_owned(), file, header, scan })
    }

    /// Its first line.
    pub fn header(&self) -> &Header {
        &self.header
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Requests in it, in the order they were written.
    pub fn len(&self) -> usize {
        self.scan.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.scan.entries.is_empty()
    }

    /// What a list says of each request, in their order: the n-th is request n.
    pub fn entries(&self) -> &[RequestEntry] {
        &self.scan.entries
    }

    /// The request of this number, from 0.
    pub fn request(&self, number: usize) -> Result<Request, ReadError> {
        let requests = self.len();
        let entry = self.scan.entries.get(number).ok_or(ReadError::Number { number, requests })?;
        let line = self.line(entry.offset, entry.length)?;
        let path = || self.folder.join(FILE);
        serde_json::from_slice(&line).map_err(|error| ReadError::Request { path: path(), number, error })
    }

    /// The newest requests, newest first, each with its number and its large bodies in it. A body whose file is damaged or
    /// gone stays as its line names it; a request that does not read is an error in its place.
    pub fn newest(&self, most: usize) -> impl Iterator<Item = Result<(u64, Request), ReadError>> {
        (0..self.len()).rev().take(most).map(|number| {
            let mut request = self.request(number)?;
            for body in request.bodies_mut().filter(|body| matches!(body, Body::Stored { .. })) {
                if let Ok(bytes) = store::bytes(&self.folder, body) {
                    *body = Body::new(&bytes);
                }
            }
            Ok((number as u64, request))
        })
    }

    /// Every keyframe, in the order they were written.
    pub fn keyframes(&self) -> Result<Vec<Keyframe>, ReadError> {
        let mut keyframes = Vec::with_capacity(self.scan.keyframes.len());
        for &(offset, length) in &self.scan.keyframes {
            let line = self.line(offset, length)?;
            // One that does not read is one the nearest before it stands for.
            if let Ok(crate::line::Line::Keyframe(keyframe)) = serde_json::from_slice(&line) {
                keyframes.push(keyframe);
            }
        }
        Ok(keyframes)
    }

    /// The bytes of a body in one of its requests.
    pub fn body<'a>(&self, body: &'a Body) -> Result<Cow<'a, [u8]>, BodyError> {
        store::bytes(&self.folder, body)
    }

    /// Puts a request's large bodies in it where lines only name them.
    pub fn fill(&self, request: &mut Request) -> Result<(), BodyError> {
        for body in request.bodies_mut() {
            if let Body::Stored { .. } = body {
                *body = Body::new(&store::bytes(&self.folder, body)?);
            }
        }
        Ok(())
    }

    /// What it is, in a line.
    pub fn summary(&self) -> Result<Summary, ReadError> {
        let disk = |error| ReadError::Disk { path: self.folder.join(BODIES), error };
        let own = self.file.metadata().map_err(disk)?.len();
        let bodies = match fs::read_dir(self.folder.join(BODIES)) {
            Ok(entries) => entries
                .map(|entry| entry?.metadata())
                .try_fold(0, |sum, metadata| Ok(sum + metadata?.len()))
                .map_err(disk)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(disk(error)),
        };
        Ok(Summary {
            app: self.header.app.clone(),
            began: self.header.began,
            last: self.entries().last().map(|entry| entry.at),
            requests: self.len() as u64,
            hops: self.entries().iter().map(|entry| u64::from(entry.hops)).sum(),
            lost: self.scan.lost,
            unread: self.scan.unread,
            bytes: own + bodies,
        })
    }

    fn line(&self, offset: u64, length: u32) -> Result<Vec<u8>, ReadError> {
        let mut line = vec![0; length as usize];
        self.file
            .read_exact_at(&mut line, offset)
            .map_err(|error| ReadError::Disk { path: self.folder.join(FILE), error })?;
        Ok(line)
    }
}

/// The format first: a header of another may look otherwise.
fn read_header(line: &[u8], path: &Path) -> Result<Header, ReadError> {
    #[derive(serde::Deserialize)]
    struct Format {
        recording: u32,
    }
    let none = |_| ReadError::Header(path.to_owned());
    let Format { recording } = serde_json::from_slice(line).map_err(none)?;
    if recording != crate::FORMAT {
        return Err(ReadError::Format { path: path.to_owned(), format: recording });
    }
    serde_json::from_slice(line).map_err(none)
}

#[cfg(test)]
mod tests;
