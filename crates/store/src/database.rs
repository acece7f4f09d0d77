//! A database in one file, for many who read and write at a time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::{Semaphore, oneshot};

use crate::error::DatabaseError;
use crate::reserve::Reserve;
use crate::writer::{self, Change};

/// Connections that read: each has a thread while it does, and a cache of pages.
const READERS: usize = 4;

/// A database in one file. Cloned, it is the same one; it closes with its last clone.
#[derive(Clone, Debug)]
pub struct Database {
    changes: Sender<Box<dyn Change>>,
    path: PathBuf,
    readers: Arc<Mutex<Vec<Connection>>>,
    /// A permit for each who reads at a time. Whoever finds none waits, and takes no thread for it.
    reading: Arc<Semaphore>,
    reserve: Arc<Reserve>,
    /// Held while the database is open; the kernel lets go of it however the process ends.
    _lock: Arc<std::fs::File>,
}

impl Database {
    /// Opens the database at a path, which only its owner may read. `formats` are the statements that lead from each
    /// format to the next, the first from an empty file. `reserve` bytes are kept for what runs when the disk is full.
    pub fn open(path: &Path, formats: &[&str], reserve: u64) -> Result<Self, DatabaseError> {
        let lock = lock(path)?;
        let connection = connect(path, true)?;
        upgrade(&connection, path, formats)?;
        let reserve = Arc::new(Reserve::beside(path, reserve));
        let (changes, inbox) = channel();
        let held = reserve.clone();
        let reading = Arc::new(Semaphore::new(READERS));
        let thread = std::thread::Builder::new().name("store".to_owned());
        let begun = thread.spawn(move || writer::write(connection, &inbox, &held));
        begun.map_err(|error| DatabaseError::io(path, &error))?;
        Ok(Self { changes, path: path.to_owned(), readers: Arc::default(), reading, reserve, _lock: Arc::new(lock) })
    }

    /// Makes a change, and answers once it is committed. A change that fails leaves nothing behind. It may be made anew
    /// where the first time failed with the whole commit.
    pub async fn write<T, F>(&self, make: F) -> Result<T, DatabaseError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> Result<T, DatabaseError> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let change = Waited { make, made: None, sender };
        self.changes.send(Box::new(change)).map_err(|_| DatabaseError::Closed)?;
        receiver.await.map_err(|_| DatabaseError::Closed)?
    }

    /// Reads what is committed.
    pub async fn read<T, F>(&self, look: F) -> Result<T, DatabaseError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, DatabaseError> + Send + 'static,
    {
        // It is never closed.
        let permit = self.reading.clone().acquire_owned().await.map_err(|_| DatabaseError::Closed)?;
        let (readers, path) = (self.readers.clone(), self.path.clone());
        let looked = tokio::task::spawn_blocking(move || {
            let kept = readers.lock().pop();
            let connection = kept.map_or_else(|| connect(&path, false), Ok)?;
            let seen = look(&connection);
            readers.lock().push(connection);
            drop(permit);
            seen
        });
        looked.await.map_err(|error| DatabaseError::Failed(error.to_string()))?
    }

    /// Whether the disk has room for something new.
    pub fn has_room(&self) -> bool {
        self.reserve.has_room()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A change that somebody waits for.
struct Waited<T, F> {
    make: F,
    made: Option<T>,
    sender: oneshot::Sender<Result<T, DatabaseError>>,
}

impl<T: Send, F: FnMut(&Connection) -> Result<T, DatabaseError> + Send> Change for Waited<T, F> {
    fn make(&mut self, connection: &Connection) -> Result<(), DatabaseError> {
        self.made = Some((self.make)(connection)?);
        Ok(())
    }

    fn end(self: Box<Self>, committed: Result<(), DatabaseError>) {
        let Self { made, sender, .. } = *self;
        let made = committed.and_then(|()| made.ok_or(DatabaseError::Closed));
        // Whoever asked may have gone; the change is made all the same.
        drop(sender.send(made));
    }
}

/// Takes the database for this process.
fn lock(path: &Path) -> Result<std::fs::File, DatabaseError> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    let mut options = std::fs::OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).mode(0o600).open(path.with_file_name(name));
    let file = file.map_err(|error| DatabaseError::io(path, &error))?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(DatabaseError::Busy { path: path.to_owned() }),
        Err(error) => Err(DatabaseError::io(path, &error.into())),
    }
}

fn connect(path: &Path, writes: bool) -> Result<Connection, DatabaseError> {
    let wrong = |error: rusqlite::Error| DatabaseError::Open { path: path.to_owned(), why: error.to_string() };
    if writes {
        use std::os::unix::fs::OpenOptionsExt;
        let made = std::fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
        made.map_err(|error| DatabaseError::io(path, &error))?;
    }
    let access = if writes { OpenFlags::SQLITE_OPEN_READ_WRITE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(wrong)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(wrong)?;
    connection.set_prepared_statement_cache_capacity(64);
    if writes {
        // A commit is on the disk when it is told: the log is synced each time.
        let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                       PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384; PRAGMA journal_size_limit = 67108864";
        connection.execute_batch(pragmas).map_err(wrong)?;
    }
    Ok(connection)
}

/// Brings a database to the newest format.
fn upgrade(connection: &Connection, path: &Path, formats: &[&str]) -> Result<(), DatabaseError> {
    let wrong = |error: rusqlite::Error| DatabaseError::Open { path: path.to_owned(), why: error.to_string() };
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(wrong)?;
    let known = i64::try_from(formats.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(DatabaseError::Newer { path: path.to_owned(), found, known });
    }
    for (at, statements) in (1_i64..).zip(formats).filter(|(at, _)| *at > found) {
        let all = format!("BEGIN IMMEDIATE;\n{statements};\nPRAGMA user_version = {at};\nCOMMIT;");
        connection.execute_batch(&all).map_err(wrong)?;
    }
    Ok(())
}
