//! A folder of buckets: each a folder, and each object a file by its key.
//!
//! A file is written aside and put in its place whole, so that a reader sees one version or the other. Writers of a bucket
//! take turns by a lock, in other processes as well, so that a condition holds.

mod list;
mod upload;
mod version;

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::key;
use super::{BucketAct, BucketAnswer, BucketAsk, BucketError, BucketErrorKind, ObjectInfo, PutRule};

/// Folder of ours beside the buckets. No bucket can have its name.
const OWN: &str = ".dyninka";
/// The variable that says where the folder is, under plain cargo.
const VARIABLE: &str = "DYNINKA_BUCKETS";

/// A folder of buckets.
#[derive(Clone, Debug)]
pub struct BucketFolder {
    root: PathBuf,
}

/// That of this process, where there is no host: what `DYNINKA_BUCKETS` names, else `buckets` where it was started.
pub(super) fn here() -> &'static BucketFolder {
    static HERE: OnceLock<BucketFolder> = OnceLock::new();
    HERE.get_or_init(|| {
        let root =
            std::env::var_os(VARIABLE).filter(|root| !root.is_empty()).map_or_else(|| "buckets".into(), PathBuf::from);
        let root = std::path::absolute(&root).unwrap_or(root);
        eprintln!("dyninka: buckets are kept in {}", root.display());
        BucketFolder::new(root)
    })
}

impl BucketFolder {
    /// The buckets below a folder, which is made once something is written.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Does what is asked for. Waits for the disk, and for other writers.
    pub fn answer(&self, ask: &BucketAsk, bytes: &[u8]) -> Result<BucketAnswer, BucketError> {
        key::check(ask)?;
        match &ask.act {
            BucketAct::Head => {
                let (_, info) = self.open(ask)?;
                Ok(BucketAnswer::object(info, Vec::new()))
            }
            BucketAct::Read { from, length, tag } => self.read(ask, *from, *length, tag.as_deref()),
            BucketAct::List { after } => {
                let page = list::page(&self.bucket(ask), &ask.key, after).map_err(|error| fault(ask, &error))?;
                Ok(BucketAnswer::page(page))
            }
            BucketAct::Put { rule } => {
                let file = self.aside(ask, bytes)?;
                self.settle(ask, &file, rule)
            }
            BucketAct::Begin => self.begin(ask),
            BucketAct::Part { upload, number } => self.part(ask, upload, *number, bytes),
            BucketAct::Finish { upload, tags, size } => self.finish(ask, upload, tags.len(), *size),
            BucketAct::Abort { upload } => self.abort(ask, upload),
            BucketAct::Delete => {
                let path = self.path(ask)?;
                self.delete(ask, &path).map_err(|error| fault(ask, &error))
            }
            BucketAct::Url { .. } => {
                self.open(ask)?;
                let path = std::path::absolute(self.path(ask)?).map_err(|error| fault(ask, &error))?;
                Ok(BucketAnswer::text(file_url(&path)))
            }
        }
    }

    fn bucket(&self, ask: &BucketAsk) -> PathBuf {
        self.root.join(&ask.bucket)
    }

    /// The file of a key that was checked. A link among its folders leads out of the bucket.
    fn path(&self, ask: &BucketAsk) -> Result<PathBuf, BucketError> {
        let bucket = self.bucket(ask);
        let path = bucket.join(&ask.key);
        if path.ancestors().skip(1).take_while(|folder| *folder != bucket).any(Path::is_symlink) {
            return Err(ask.error(BucketErrorKind::Forbidden, "a part of the key is a link, which is not followed"));
        }
        Ok(path)
    }

    fn own(&self, folder: &str) -> io::Result<PathBuf> {
        let folder = self.root.join(OWN).join(folder);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Takes the turn to write to a bucket; it ends when this is dropped.
    fn lock(&self, ask: &BucketAsk) -> io::Result<File> {
        let path = self.own("locks")?.join(&ask.bucket);
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        file.lock()?;
        Ok(file)
    }

    /// Opens an object.
    fn open(&self, ask: &BucketAsk) -> Result<(File, ObjectInfo), BucketError> {
        open(&self.path(ask)?, &ask.key).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ask.error(BucketErrorKind::NotFound, "there is no such object"),
            _ => fault(ask, &error),
        })
    }

    fn read(
        &self,
        ask: &BucketAsk,
        from: u64,
        length: Option<u64>,
        tag: Option<&str>,
    ) -> Result<BucketAnswer, BucketError> {
        let (mut file, info) = self.open(ask)?;
        if tag.is_some_and(|tag| tag != info.tag) {
            return Err(changed(ask));
        }
        let wanted = ask.length_of(from, length, info.size)?;
        let mut bytes = Vec::with_capacity(usize::try_from(wanted).unwrap_or_default());
        let read =
            file.seek(SeekFrom::Start(from.min(info.size))).and_then(|_| file.take(wanted).read_to_end(&mut bytes));
        read.map_err(|error| fault(ask, &error))?;
        if bytes.len() as u64 != wanted {
            // Somebody cut it in place.
            return Err(changed(ask));
        }
        Ok(BucketAnswer::object(info, bytes))
    }

    /// Writes a file aside.
    fn aside(&self, ask: &BucketAsk, bytes: &[u8]) -> Result<Aside, BucketError> {
        let written = self.own("aside").and_then(|folder| {
            let aside = Aside(folder.join(version::id()));
            File::create_new(&aside.0)?.write_all(bytes)?;
            Ok(aside)
        });
        written.map_err(|error| fault(ask, &error))
    }

    /// Puts a file that was written in its place.
    fn settle(&self, ask: &BucketAsk, aside: &Aside, rule: &PutRule) -> Result<BucketAnswer, BucketError> {
        let path = self.path(ask)?;
        let settled = || -> io::Result<Result<ObjectInfo, BucketError>> {
            let _turn = self.lock(ask)?;
            let tag = match open(&path, &ask.key) {
                Ok((_, info)) => Some(info.tag),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            match rule {
                PutRule::IfAbsent if tag.is_some() => {
                    return Ok(Err(ask.error(BucketErrorKind::Changed, "there is an object of this key already")));
                }
                PutRule::IfMatch(wanted) if tag.as_ref() != Some(wanted) => return Ok(Err(changed(ask))),
                _ => {}
            }
            version::stamp(&aside.0)?;
            fs::create_dir_all(path.parent().unwrap_or(&self.root))?;
            fs::rename(&aside.0, &path)?;
            open(&path, &ask.key).map(|(_, info)| Ok(info))
        };
        let info = settled().map_err(|error| fault(ask, &error))??;
        Ok(BucketAnswer::object(info, Vec::new()))
    }

    fn delete(&self, ask: &BucketAsk, path: &Path) -> io::Result<BucketAnswer> {
        let bucket = self.bucket(ask);
        if !bucket.exists() {
            return Ok(BucketAnswer::default());
        }
        let _turn = self.lock(ask)?;
        match fs::symlink_metadata(path) {
            Ok(about) if about.is_file() => fs::remove_file(path)?,
            // What is no file is no object.
            Ok(_) => return Ok(BucketAnswer::default()),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(BucketAnswer::default());
            }
            Err(error) => return Err(error),
        }
        // Folders above that are empty now were made for it. The first that is not ends this.
        for folder in path.ancestors().skip(1).take_while(|folder| *folder != bucket) {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(BucketAnswer::default())
    }
}

/// A file aside, which is removed unless it was put in its place.
struct Aside(PathBuf);

impl Drop for Aside {
    fn drop(&mut self) {
        // It is there only where something failed, and then it is in nobody's way.
        drop(fs::remove_file(&self.0));
    }
}

/// Opens the file of a key. What is no file, such as a link, is no object.
fn open(path: &Path, key: &str) -> io::Result<(File, ObjectInfo)> {
    let none = || io::Error::from(io::ErrorKind::NotFound);
    match fs::symlink_metadata(path) {
        Ok(about) if about.is_file() => {}
        Ok(_) => return Err(none()),
        // A file has the name of one of its folders.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(none()),
        Err(error) => return Err(error),
    }
    let file = File::open(path)?;
    let about = file.metadata()?;
    Ok((file, ObjectInfo { key: key.to_owned(), size: about.len(), tag: version::tag(&about) }))
}

fn changed(ask: &BucketAsk) -> BucketError {
    ask.error(BucketErrorKind::Changed, "another version is there than the one that was meant")
}

/// An error of the disk.
fn fault(ask: &BucketAsk, error: &io::Error) -> BucketError {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ask.error(BucketErrorKind::Forbidden, format!("the folder does not allow it: {error}"))
        }
        io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::AlreadyExists
        | io::ErrorKind::DirectoryNotEmpty => {
            ask.error(BucketErrorKind::Invalid, "a folder holds no object of a key under which others are")
        }
        _ => ask.error(BucketErrorKind::Failed, format!("the folder failed: {error}")),
    }
}

/// The URL of a file.
fn file_url(path: &Path) -> String {
    let mut url = "file://".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => url.push(char::from(*byte)),
            byte => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
