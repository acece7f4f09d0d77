//! What a running session leaves on disk for other commands to find it by.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use session_api::{Client, ClientError, ServiceAddress};

use crate::store::home::AppPlace;
use crate::store::lock::Lock;

/// A session that serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningSession {
    /// Its process.
    pub pid: u32,
    /// `docker` or `process`.
    pub backend: String,
    /// The public listener.
    pub url: String,
    /// Where it listens for faces and programs.
    pub socket: PathBuf,
    /// Every service.
    pub services: Vec<ServiceAddress>,
}

/// The session that serves the app in `place`, if one does.
pub fn running(place: &AppPlace) -> Option<RunningSession> {
    let pid = Lock::holder(&place.folder)?;
    let text = fs::read(place.folder.join(FILE)).ok()?;
    serde_json::from_slice(&text).ok().filter(|running: &RunningSession| running.pid == pid)
}

/// A client of the session that has the app in `place`, whether it serves already or not; none where no session has it.
pub fn attach(place: &AppPlace) -> Option<Result<Client, ClientError>> {
    Lock::holder(&place.folder)?;
    let socket = place.socket().map_err(|error| ClientError::Silent(error.to_string()));
    Some(socket.and_then(|socket| Client::attach(&socket)))
}

const FILE: &str = "session.json";

impl RunningSession {
    /// Where a service can be called from here.
    pub fn url_of(&self, service: &str) -> Option<String> {
        self.services.iter().find(|address| address.name == service).map(|address| address.url.clone())
    }

    /// Writes it where [`running`] looks, for its owner's eyes alone.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        let aside = folder.join("session.json.new");
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(serde_json::to_string(self)?.as_bytes())?;
        fs::rename(aside, folder.join(FILE))
    }

    pub(crate) fn remove(folder: &Path) -> io::Result<()> {
        match fs::remove_file(folder.join(FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
